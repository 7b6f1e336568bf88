//! `portcullis up`, as far as it starts and stops.

use std::{net::TcpListener, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use super::said;
use crate::harness::{PATIENCE, eventually, nats_server, program};

/// `up` touches no server that it did not start, and names the flag of a port that is taken.
#[tokio::test(flavor = "multi_thread")]
async fn up_keeps_off() {
    let dir = std::env::temp_dir().join(format!("portcullis-up-off-{}", std::process::id()));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let up = async |url: &str, ports: [&str; 2]| {
        let [nats, sandbox] = ports;
        let mut command = Command::new(program("portcullis"));
        command.args(["up", "--nats-port", nats, "--sandbox-port", sandbox, "--dir"]).arg(&dir);
        command.env("NATS_URL", url).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.expect("it refuses").unwrap();
        (output.status.code(), said(&output))
    };
    let (code, text) = up("nats://prod.example:4222", ["0", "0"]).await;
    assert!(code == Some(3) && text.contains("unset NATS_URL"), "{code:?} {text}");
    let (code, text) = up("", [&port, "0"]).await;
    assert!(code == Some(1) && text.contains("--nats-port"), "{code:?} {text}");
    let (code, text) = up("", ["0", &port]).await;
    assert!(code == Some(1) && text.contains("--sandbox-port"), "{code:?} {text}");
    assert!(!dir.exists(), "nothing was begun");
}

/// Whenever a person stops `up`, nothing that it started is left.
#[tokio::test(flavor = "multi_thread")]
async fn up_leaves_nothing_behind() {
    let dir = std::env::temp_dir().join(format!("portcullis-up-{}", std::process::id()));
    for said in [None, Some("agents wait")] {
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.map(|free| free.local_addr().unwrap().port());
        let mut command = Command::new(program("portcullis"));
        command.args(["up", "--agents", "2", "--dispatchers", "1", "--dir"]).arg(&dir);
        for (flag, port) in [("--nats-port", ports[0]), ("--sandbox-port", ports[1])] {
            command.arg(flag).arg(port.to_string());
        }
        command.env_remove("NATS_URL").env("NATS_SERVER", nats_server());
        command.stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        match said {
            // In the middle of the start: its NATS server is there, and little more.
            None => {
                let data = dir.join("nats").join("nats.conf");
                eventually("the start to begin", || async { data.exists().then_some(()) }).await;
            }
            Some(text) => loop {
                let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
                if line.expect("it runs").contains(text) {
                    break;
                }
            },
        }
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        // Whoever still had the pipe would keep it open: wait for the end of it, too.
        let ended = timeout(PATIENCE, child.wait()).await.expect("it stops").unwrap();
        assert_eq!(ended.code(), Some(0));
        for port in ports {
            eventually(format!("port {port} to be free"), || async {
                TcpListener::bind(("127.0.0.1", port)).ok().map(drop)
            })
            .await;
        }
        timeout(Duration::from_secs(5), async {
            while let Ok(Some(_)) = lines.next_line().await {}
        })
        .await
        .expect("no child holds the pipe");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
