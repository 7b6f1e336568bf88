use std::{future::Future, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGINT or SIGTERM cancels. The second one exits at once.
///
/// # Errors
///
/// When the process may not install signal handlers.
pub fn shutdown_on_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    #[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
    tokio::spawn(async move {
        let mut seen = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        let name = seen().await;
        tracing::info!(signal = name, "stopping");
        cancelled.cancel();
        let name = seen().await;
        tracing::warn!(signal = name, "asked twice, exiting now");
        #[expect(clippy::exit, reason = "the operator insists")]
        std::process::exit(130);
    });
    Ok(token)
}

/// The background tasks of one service, stopped together and joined at the end.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<()>,
}

impl Tasks {
    pub fn new() -> Self {
        Tasks::default()
    }

    pub fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(work);
    }

    pub fn len(&self) -> usize {
        self.set.len()
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Waits until one task ends; pending while there is none. A panic in it is logged.
    pub async fn next(&mut self) {
        match self.set.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(%error, "a task of this service panicked");
            }
            Some(_) => (),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, at most `grace`; what is left then is aborted.
    pub async fn drain(mut self, grace: Duration) {
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(left = self.set.len(), "gave up waiting for tasks to end");
        }
    }
}
