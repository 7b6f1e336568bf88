use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bus::{Bus, BusError, Options};

use super::process::{Launch, Process};

/// A `nats-server` of our own: on this machine only, gone when dropped; its data stays in its
/// folder, so that it can be started again.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
}

impl Nats {
    /// Starts a server whose data and log lie in `dir`, on a free port or on `port`.
    ///
    /// Everything acknowledged is on disk: `sync_interval: always`.
    ///
    /// # Errors
    ///
    /// When it does not start; the error holds what it said.
    pub async fn start(binary: &Path, dir: &Path, port: Option<u16>) -> anyhow::Result<Nats> {
        fs::create_dir_all(dir).context("make the folder of nats-server")?;
        let asked = port.map_or(-1, i32::from);
        let config = dir.join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:{asked}\"\nports_file_dir: {dir:?}\n\
             jetstream {{ store_dir: {store:?}, sync_interval: always }}\n",
            store = dir.join("data"),
        );
        fs::write(&config, text).context("write nats.conf")?;
        forget_ports(dir)?;
        let process = launch(binary, dir, &config)?;
        let mut nats = Nats { process, binary: binary.to_owned(), dir: dir.to_owned(), port: 0 };
        nats.port = nats.wait_for_port().await?;
        Ok(nats)
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Connects to it under this name.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn connect(&self, name: &str) -> Result<Bus, BusError> {
        let (servers, name) = (self.url(), name.to_owned());
        let patience = Duration::from_secs(10);
        Bus::connect(&Options { servers, credentials: None, name, patience }).await
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it as a power cut would, as far as the process goes.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again on the same port, with the same data.
    ///
    /// # Errors
    ///
    /// As [`Nats::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let (binary, dir) = (self.binary.clone(), self.dir.clone());
        self.process.stop(Duration::from_secs(5)).await;
        *self = Nats::start(&binary, &dir, Some(self.port)).await?;
        Ok(())
    }

    pub async fn stop(&mut self) {
        self.process.stop(Duration::from_secs(5)).await;
    }

    /// The server writes its ports to a file once it listens.
    async fn wait_for_port(&mut self) -> anyhow::Result<u16> {
        let written = async {
            loop {
                if let Some(port) = read_port(&self.dir) {
                    return Ok(port);
                }
                if !self.process.runs() {
                    let log = fs::read_to_string(self.process.log()).unwrap_or_default();
                    bail!("nats-server ended at once:\n{log}");
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), written)
            .await
            .context("wait for nats-server to listen")?
    }
}

fn launch(binary: &Path, dir: &Path, config: &Path) -> anyhow::Result<Process> {
    Process::start(Launch {
        name: "nats-server",
        program: binary,
        args: vec!["-c".to_owned(), config.display().to_string()],
        env: Vec::new(),
        log_dir: dir,
    })
    .context("start nats-server: put version 2.12 or newer on the PATH, or name it in NATS_SERVER")
}

fn ports_files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ports"))
}

/// A killed server leaves its file behind.
fn forget_ports(dir: &Path) -> anyhow::Result<()> {
    ports_files(dir).try_for_each(|path| fs::remove_file(path).context("remove an old ports file"))
}

fn read_port(dir: &Path) -> Option<u16> {
    let text = fs::read_to_string(ports_files(dir).next()?).ok()?;
    let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
    let url = ports["nats"].as_array()?.first()?.as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}
