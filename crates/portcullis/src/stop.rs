//! How a person stops this program: once for a clean stop, twice for one at once.
//!
//! Either way nothing that it started is left: the second signal ends the command by dropping
//! it, and with it every child process.

use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that mean: stop.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal was closed; `None` where that is to be survived.
    hangup: Option<Signal>,
}

impl Signals {
    /// # Errors
    ///
    /// When the process may not install signal handlers.
    pub fn listen() -> io::Result<Signals> {
        let hangup = (!hangup_is_ignored()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    /// Cancels `shutdown` at the first signal and returns at the second.
    pub async fn twice(mut self, shutdown: CancellationToken) {
        self.next().await;
        shutdown.cancel();
        self.next().await;
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = hangup => (),
        }
    }
}

/// Whether we were started by `nohup`, whose wish a handler of our own would undo. Told by
/// Linux only; elsewhere a closed terminal stops us.
fn hangup_is_ignored() -> bool {
    const HANGUP_BIT: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP_BIT != 0)
}
