//! What every test stands on: a server, a configuration, services, and bounded waits.

mod echo;
mod job;
pub(crate) mod servers;
pub(crate) mod tap;
pub(crate) mod world;

use std::{future::Future, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

pub(crate) use echo::{Echo, Says};
pub(crate) use job::Job;
pub(crate) use servers::Servers;
pub(crate) use world::World;

/// The longest that anything is waited for. Reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until `probe` answers: level-triggered, and never for ever.
#[track_caller]
pub(crate) fn eventually<T, F: Future<Output = Option<T>>>(
    what: impl Into<String>,
    mut probe: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let (what, place) = (what.into(), std::panic::Location::caller());
    async move {
        let found = async {
            loop {
                if let Some(found) = probe().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("{place}: waited {PATIENCE:?} in vain for: {what}"),
        }
    }
}

/// Where the services lie that were built with this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins", path.display());
    path
}

/// The server named in NATS_SERVER, or the one that the project's script finds or installs.
pub(crate) fn nats_server() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/nats-server");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    FOUND.get_or_init(|| named.unwrap_or_else(find)).clone()
}
