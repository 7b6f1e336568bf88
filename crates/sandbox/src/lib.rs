//! The stand-in world: AIBTC's directory and inbox, a sponsor relay with its nonce pool, a Stacks
//! API, and Anthropic, in one HTTP server. No money moves, and it can be made to misbehave while
//! it runs.
//!
//! * `model`: what happens, as a pure machine with the time as an argument;
//! * `http`: the real services' routes and wording, and the control routes under `/sandbox`.
//!
//! Transactions are real: they are decoded, their origin signature is verified, the sponsor's is
//! added. The ledger (`GET /sandbox/ledger`) is what judges whether anybody was paid twice.

mod config;
mod http;
mod model;
mod options;

use std::{io::Write as _, net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

pub use config::Args;
pub use http::serve;
pub use options::{Options, RelayVersion};

/// Listens where the arguments say, tells the address on stdout, and serves until `shutdown`.
///
/// # Errors
///
/// When the address cannot be listened on, or [`serve`] fails.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listen on {}", args.listen))?;
    let address = listener.local_addr().context("read the listening address")?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "sandbox listening on http://{address}").context("write to stdout")?;
    stdout.flush().context("write to stdout")?;
    let options = args.options();
    tracing::info!(%address, ?options, version = env!("CARGO_PKG_VERSION"), "sandbox started");
    serve(listener, options, shutdown).await
}

/// How long a sandbox that is well takes to answer, at most.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Asks the sandbox that listens at `listen` for its ledger.
///
/// # Errors
///
/// When it does not answer, or not with 200.
pub async fn answers(listen: SocketAddr) -> anyhow::Result<()> {
    let asked = async {
        let mut stream = TcpStream::connect(listen).await?;
        stream.write_all(b"GET /sandbox/ledger HTTP/1.0\r\n\r\n").await?;
        let mut status = [0; "HTTP/1.0 200".len()];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(status)
    };
    let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
    let status = answer.context("wait for its answer")?.with_context(|| format!("ask {listen}"))?;
    ensure!(status.ends_with(b" 200"), "it answers {}", String::from_utf8_lossy(&status));
    Ok(())
}
