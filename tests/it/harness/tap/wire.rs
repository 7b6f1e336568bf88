use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use super::{Fate, Sent, Watch};

/// Between one service and NATS. Dropped, it cuts the service off.
pub(crate) struct WireTap {
    port: u16,
    accepting: JoinHandle<()>,
}

impl WireTap {
    /// In front of `servers`, of which the first that answers is used.
    pub(crate) async fn start(servers: &str, watch: Arc<impl Watch>) -> WireTap {
        let servers: Vec<String> = servers
            .split(',')
            .map(|url| url.trim().trim_start_matches("nats://").to_owned())
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((service, _)) = listener.accept().await {
                let (servers, watch) = (servers.clone(), watch.clone());
                open.spawn(async move {
                    for server in &servers {
                        if let Ok(nats) = TcpStream::connect(server).await {
                            return between(service, nats, watch).await;
                        }
                    }
                });
            }
        });
        WireTap { port, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for WireTap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One line of the protocol, with the message that it announces.
struct Frame {
    bytes: Vec<u8>,
    /// How much of it is the line.
    line: usize,
}

/// Nothing goes back to the service any more; and the answer to our own PING.
#[derive(Default)]
struct Muted {
    muted: AtomicBool,
    pong: Notify,
}

async fn between(service: TcpStream, nats: TcpStream, watch: Arc<impl Watch>) {
    let _ = (service.set_nodelay(true), nats.set_nodelay(true));
    let ((from_service, to_service), (from_nats, to_nats)) =
        (service.into_split(), nats.into_split());
    let muted = Muted::default();
    tokio::select! {
        () = outwards(from_service, to_nats, &muted, &*watch) => (),
        () = inwards(from_nats, to_service, &muted) => (),
    }
}

async fn outwards(from: OwnedReadHalf, mut to: OwnedWriteHalf, muted: &Muted, watch: &impl Watch) {
    let mut from = BufReader::new(from);
    while let Some(frame) = read(&mut from).await {
        let fate = match frame.sent() {
            Some(sent) => watch.sent(&sent).await,
            None => Fate::Pass,
        };
        muted.muted.store(fate == Fate::Last, Ordering::SeqCst);
        if to.write_all(&frame.bytes).await.is_err() {
            return;
        }
        if fate == Fate::Last {
            // The server takes things in order: when it answers this, it has the message.
            if to.write_all(b"PING\r\n").await.is_ok() {
                muted.pong.notified().await;
            }
            watch.arrived();
            std::future::pending::<()>().await;
        }
    }
}

async fn inwards(from: OwnedReadHalf, mut to: OwnedWriteHalf, muted: &Muted) {
    let mut from = BufReader::new(from);
    while let Some(mut frame) = read(&mut from).await {
        if muted.muted.load(Ordering::SeqCst) {
            if frame.bytes.starts_with(b"PONG") {
                muted.pong.notify_one();
            }
            continue;
        }
        if frame.bytes.starts_with(b"INFO") {
            // Of the other nodes it need not know: it would go around us.
            let info = String::from_utf8_lossy(&frame.bytes);
            frame.bytes = info.replace("\"connect_urls\"", "\"not_for_you\"").into_bytes();
        }
        if to.write_all(&frame.bytes).await.is_err() {
            return;
        }
    }
}

async fn read(from: &mut BufReader<OwnedReadHalf>) -> Option<Frame> {
    let mut bytes = Vec::new();
    if from.read_until(b'\n', &mut bytes).await.ok()? == 0 {
        return None;
    }
    let line = bytes.len();
    if let Some(size) = announced(&bytes) {
        bytes.resize(line + size + 2, 0);
        from.read_exact(&mut bytes[line..]).await.ok()?;
    }
    Some(Frame { bytes, line })
}

/// The size of the message that follows a line: its last word.
fn announced(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let carries = matches!(words.next()?, "PUB" | "HPUB" | "MSG" | "HMSG");
    words.next_back().filter(|_| carries)?.parse().ok()
}

impl Frame {
    fn sent(&self) -> Option<Sent> {
        let line = std::str::from_utf8(&self.bytes[..self.line]).ok()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let headers = match *words.first()? {
            "PUB" => 0,
            "HPUB" => words.get(words.len() - 2)?.parse().ok()?,
            _ => return None,
        };
        let end = self.bytes.len() - 2;
        let body = self.bytes[self.line + headers..end].to_vec();
        Some(Sent { what: (*words.get(1)?).to_owned(), body })
    }
}
