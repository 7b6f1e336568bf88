//! A server that answers as a test says, one connection after the other.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

pub(super) struct Script {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Answers each request, head and all, with what `answer` makes of it: status line, further
    /// headers and body.
    pub(super) fn start(
        answer: impl Fn(&str) -> (&'static str, String, String) + Send + 'static,
    ) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let (status, headers, body) = answer(&head);
                seen.lock().unwrap().push(head);
                let length = body.len();
                // Whoever has heard enough hangs up.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
                );
            }
        });
        Script { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// JSON, and nothing more to say.
pub(super) fn json(status: &'static str, body: &str) -> (&'static str, String, String) {
    (status, "content-type: application/json\r\n".to_owned(), body.to_owned())
}
