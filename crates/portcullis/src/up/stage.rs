use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bus::{Bus, BusError, Inbox};
use tokio::process::Command;
use wire::subject;

use super::{
    nats::Nats,
    process::{Launch, Process},
    settings::Settings,
    world::World,
};

/// The whole fleet on one machine: a NATS server, the stand-in world, and every service, as
/// child processes.
#[derive(Debug)]
pub struct Stage {
    pub nats: Nats,
    pub world: World,
    services: Vec<Service>,
    dir: PathBuf,
    /// What every service finds in its environment, beside where NATS is.
    env: Vec<(String, String)>,
}

/// One of the fleet's services, and how to start it again.
#[derive(Debug)]
struct Service {
    program: &'static str,
    name: String,
    process: Process,
}

/// A key for the stand-in world alone; it holds nothing anywhere else.
pub const PLAY_KEY: &str = "70c1a9d3e5b7f2046c8e1a3b5d7f9024681357acbdf0e2c4a6987b5d3f1e0c2a01";

/// In this order they start; in the other they stop, so that whoever needs another goes first.
const ORDER: [&str; 4] = ["gatekeeper", "welcome-payer", "dispatcher", "sensor"];

/// Whoever asks one of these before it listens tells that nobody answers, which is true and no
/// news while everything starts.
const ASKED: [&str; 2] = ["gatekeeper", "welcome-payer"];
/// Who is silent for longer has trouble of its own, and is no longer waited for.
const FIRST_BEAT_WITHIN: Duration = Duration::from_secs(10);

impl Stage {
    /// Starts NATS and the world and applies the settings; no service yet.
    ///
    /// # Errors
    ///
    /// When a program is missing or does not start; the error says which and what it said.
    pub async fn set(
        dir: &Path,
        nats_port: Option<u16>,
        world_port: Option<u16>,
        settings: &Settings,
    ) -> anyhow::Result<Stage> {
        let stage = Stage::bare(dir, nats_port, world_port, settings).await?;
        stage.apply(&settings.to_toml(stage.world.url())).await?;
        Ok(stage)
    }

    /// Starts NATS and the world, and applies nothing.
    ///
    /// # Errors
    ///
    /// As [`Stage::set`].
    pub async fn bare(
        dir: &Path,
        nats_port: Option<u16>,
        world_port: Option<u16>,
        settings: &Settings,
    ) -> anyhow::Result<Stage> {
        let nats = Nats::start(&nats_server(), &dir.join("nats"), nats_port).await?;
        let log_dir = dir.join("log");
        let world = World::start(&sibling("sandbox")?, &log_dir, world_port, settings).await?;
        let env = vec![("WALLET_KEY".to_owned(), PLAY_KEY.to_owned())];
        Ok(Stage { nats, world, services: Vec::new(), dir: dir.to_owned(), env })
    }

    /// Starts every service, `dispatchers` of one of them, each once those that it asks listen.
    ///
    /// # Errors
    ///
    /// As [`Stage::set`].
    pub async fn start_services(&mut self, bus: &Bus, dispatchers: usize) -> anyhow::Result<()> {
        self.start_these(bus, &ORDER, dispatchers).await
    }

    /// The same for some of them.
    ///
    /// # Errors
    ///
    /// As [`Stage::set`].
    pub async fn start_these(
        &mut self,
        bus: &Bus,
        programs: &[&'static str],
        dispatchers: usize,
    ) -> anyhow::Result<()> {
        let mut beats = bus.subscribe(subject::BEATS).await.context("listen for beats")?;
        for &program in programs {
            let count = if program == "dispatcher" { dispatchers } else { 1 };
            for number in 1..=count {
                let name =
                    if count == 1 { program.to_owned() } else { format!("{program}-{number}") };
                let process = self.launch(program, &name)?;
                self.services.push(Service { program, name, process });
            }
            if ASKED.contains(&program) {
                first_beat(&mut beats, program).await?;
            }
        }
        Ok(())
    }

    /// Starts again whatever has ended by itself, and names it.
    ///
    /// # Errors
    ///
    /// When one cannot be started.
    pub fn revive(&mut self) -> anyhow::Result<Vec<String>> {
        let mut revived = Vec::new();
        for at in 0..self.services.len() {
            if !self.services[at].process.runs() {
                let (program, name) = (self.services[at].program, self.services[at].name.clone());
                self.services[at].process = self.launch(program, &name)?;
                revived.push(name);
            }
        }
        Ok(revived)
    }

    /// Stops everything it started, in order, and nothing else.
    pub async fn strike(mut self) {
        while let Some(mut service) = self.services.pop() {
            service.process.stop(Duration::from_secs(30)).await;
        }
        self.world.stop().await;
        self.nats.stop().await;
    }

    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Runs `portcullis` as a person at a terminal would.
    ///
    /// # Errors
    ///
    /// When it fails; the error holds what it said.
    pub async fn command(&self, args: &[&str]) -> anyhow::Result<String> {
        let this = std::env::current_exe().context("find this program")?;
        let output = Command::new(this)
            .args(args)
            .env("NATS_URL", self.nats.url())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("run portcullis")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`portcullis {}` failed:\n{said}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Puts something into the environment of every service that is started from now on.
    pub fn lend(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// # Errors
    ///
    /// When the configuration is refused; the error holds what was said.
    pub async fn apply(&self, toml: &str) -> anyhow::Result<()> {
        let file = self.dir.join("portcullis.toml");
        std::fs::write(&file, toml).context("write portcullis.toml")?;
        let file = file.display().to_string();
        self.command(&["apply", "-f", &file, "--as", "portcullis up"]).await?;
        Ok(())
    }

    fn launch(&self, program: &'static str, name: &str) -> anyhow::Result<Process> {
        Process::start(Launch {
            name,
            program: &sibling(program)?,
            args: Vec::new(),
            env: [vec![("NATS_URL".to_owned(), self.nats.url())], self.env.clone()].concat(),
            log_dir: &self.log_dir(),
        })
    }
}

/// Another of our programs, which lies beside this one.
///
/// # Errors
///
/// When it is not there, as after building only a part.
pub fn sibling(program: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("find this program")?;
    let path = this.with_file_name(program);
    ensure!(
        path.exists(),
        "{} is missing: build all programs with `cargo build --workspace --bins`",
        path.display()
    );
    Ok(path)
}

/// The server named in NATS_SERVER, or the one on the PATH.
#[expect(clippy::disallowed_methods, reason = "a path for a child process, no setting of ours")]
pub fn nats_server() -> PathBuf {
    std::env::var("NATS_SERVER").map_or_else(|_| PathBuf::from("nats-server"), PathBuf::from)
}

/// Waits until `program` gives a sign of life: it listens by then.
pub(super) async fn first_beat(beats: &mut Inbox, program: &str) -> anyhow::Result<()> {
    let its = format!("beat.{program}.");
    let heard = async {
        while !beats.next().await?.subject.starts_with(&its) {}
        Ok::<_, BusError>(())
    };
    match tokio::time::timeout(FIRST_BEAT_WITHIN, heard).await {
        Ok(heard) => heard.context("listen for beats"),
        Err(_) => Ok(()),
    }
}
