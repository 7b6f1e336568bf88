use std::sync::Arc;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{Fate, Sent, Watch};

/// Between one service and an HTTP server, one request a connection.
pub(crate) struct HttpTap {
    port: u16,
    accepting: JoinHandle<()>,
}

impl HttpTap {
    pub(crate) async fn start(server: &str, watch: Arc<impl Watch>) -> HttpTap {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((service, _)) = listener.accept().await {
                let (server, watch) = (server.clone(), watch.clone());
                open.spawn(async move { exchange(service, &server, &*watch).await });
            }
        });
        HttpTap { port, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for HttpTap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes one request on, and what is answered back; then both connections are closed.
async fn exchange(service: TcpStream, server: &str, watch: &impl Watch) -> Option<()> {
    let mut service = BufReader::new(service);
    let (what, head, body) = request(&mut service).await?;
    let fate = watch.sent(&Sent { what, body: body.clone() }).await;
    let mut server = TcpStream::connect(server).await.ok()?;
    server.write_all(head.as_bytes()).await.ok()?;
    server.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    // The server may break off: then so do we.
    let answered = server.read_to_end(&mut answer).await;
    if fate == Fate::Last {
        watch.arrived();
        std::future::pending::<()>().await;
    }
    service.get_mut().write_all(&answer).await.ok()?;
    answered.ok()?;
    service.get_mut().shutdown().await.ok()
}

/// Method and path; the head, made to ask for the connection to be closed; the body.
async fn request(from: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut head = String::new();
    if from.read_line(&mut head).await.ok()? == 0 {
        return None;
    }
    let mut words = head.split(' ');
    let what = format!("{} {}", words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).await.ok()?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            head.push_str("connection: close\r\n\r\n");
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    Some((what, head, body))
}
