//! `portcullis up -f FILE`: somebody's own work on this machine, on a NATS server of its own.
//!
//! Only what the configuration needs is started: a gatekeeper and dispatchers always, a sensor
//! where it names one, the payer where it has `[payer]`. What was done stays on record in the
//! folder of the run, so that nothing is done again after the next start.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bus::{Bus, FeedStart};
use domain::{Config, Handler, Timestamp};
use kit::Clock;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use wire::subject;

use super::{
    command::{Args, say},
    folder,
    nats::Nats,
    process::{Launch, Process},
    stage::{first_beat, nats_server, sibling},
};
use crate::{exit::Ended, file, watch::told_line};

/// How often it is looked whether everything still runs.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a service may take to finish what it has begun.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What was started for one configuration.
struct Own {
    nats: Nats,
    services: Vec<(&'static str, Process)>,
    dir: PathBuf,
    /// Where the file lies, and where commands run unless they say otherwise.
    home: PathBuf,
}

/// Runs until `shutdown`, then stops everything it started.
pub(super) async fn run(
    args: &Args,
    file: &Path,
    dir: &Path,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let config = read(file)?;
    let file = file.canonicalize().context("find the configuration")?;
    let home = file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let dir = folder::reuse(dir)?;
    let nats = Nats::start(&nats_server(), &dir.join("nats"), Some(args.nats_port)).await?;
    folder::note_url(&dir, &nats.url())?;
    let mut own = Own { nats, services: Vec::new(), dir, home };
    let ran = tokio::select! {
        ran = own.work(args, &file, &config) => ran,
        () = shutdown.cancelled() => Ok(()),
    };
    say("stopping everything this started");
    own.stop().await;
    ran
}

fn read(file: &Path) -> anyhow::Result<Config> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Ended::usage(format!("read {name}: {error}")))?;
    let read = file::load(&name, &text);
    let (config, _) = read.map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Ended::usage(format!("nothing was started:\n{}", problems.join("\n")))
    })?;
    Ok(config)
}

impl Own {
    /// Applies the file, starts the services, and tells what happens. It ends only with trouble.
    async fn work(&mut self, args: &Args, file: &Path, config: &Config) -> anyhow::Result<()> {
        self.apply(file, &args.note).await?;
        let bus = self.nats.connect("portcullis up").await?;
        let told = ["event.gate.>", "event.failure.>", "event.task.>"].map(str::to_owned).to_vec();
        let mut feed = bus.feed(subject::EVENTS, told, FeedStart::New).await?;
        self.start(&bus, config, args.dispatchers).await?;
        self.greet(config);
        loop {
            tokio::select! {
                event = feed.next() => match event {
                    Ok(event) => {
                        let told = serde_json::from_slice(&event.body).unwrap_or_default();
                        let at = Timestamp::from_millis(event.at_ms);
                        say(&told_line(&told, &event.subject, at, None));
                    }
                    Err(error) => tracing::debug!(%error, "events disturbed"),
                },
                () = Clock.sleep(LOOK_EVERY) => self.revive()?,
            }
        }
    }

    /// As a person would, who may want to know what has changed.
    async fn apply(&self, file: &Path, note: &str) -> anyhow::Result<()> {
        let this = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(this);
        command.arg("apply").arg("-f").arg(file).args(["--as", "portcullis up", "--note", note]);
        command.env("NATS_URL", self.nats.url()).stdin(std::process::Stdio::null());
        let output = command.kill_on_drop(true).output().await.context("run portcullis apply")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "apply {}:\n{}", file.display(), said.trim());
        said.lines().for_each(say);
        Ok(())
    }

    async fn start(&mut self, bus: &Bus, config: &Config, count: usize) -> anyhow::Result<()> {
        let mut beats = bus.subscribe(subject::BEATS).await.context("listen for beats")?;
        let mut programs = vec!["gatekeeper"];
        programs.extend(config.payer.as_ref().map(|_| "welcome-payer"));
        for program in programs {
            let process = self.launch(program, program)?;
            self.services.push((program, process));
            first_beat(&mut beats, program).await?;
        }
        for number in 1..=count {
            let name =
                if count == 1 { "dispatcher".into() } else { format!("dispatcher-{number}") };
            let process = self.launch("dispatcher", &name)?;
            self.services.push(("dispatcher", process));
        }
        if !config.sensors.is_empty() {
            let process = self.launch("sensor", "sensor")?;
            self.services.push(("sensor", process));
        }
        Ok(())
    }

    fn launch(&self, program: &str, name: &str) -> anyhow::Result<Process> {
        let launch = Launch {
            name,
            program: &sibling(program)?,
            args: Vec::new(),
            env: vec![("NATS_URL".to_owned(), self.nats.url())],
            log_dir: &self.dir.join("log"),
        };
        Process::start_in(launch, &self.home)
    }

    /// Starts again whatever has ended by itself.
    fn revive(&mut self) -> anyhow::Result<()> {
        for at in 0..self.services.len() {
            if !self.services[at].1.runs() {
                let (program, name) = (self.services[at].0, self.services[at].1.name().to_owned());
                let log = self.services[at].1.log().display().to_string();
                self.services[at].1 = self.launch(program, &name)?;
                say(&format!("{name} had ended and was started again; see {log}"));
            }
        }
        Ok(())
    }

    fn greet(&self, config: &Config) {
        say(&format!("running; NATS {}, logs {}", self.nats.url(), self.dir.join("log").display()));
        for (kind, settings) in &config.kinds {
            say(&format!("  {kind:12} {}", done_by(&settings.handler)));
        }
        if let Some(kind) = config.kinds.keys().next() {
            say("give it work, in another terminal, and look what comes of it:");
            say(&format!(
                "    ./scripts/portcullis task add --kind {kind} {kind}/1 --payload '{{}}'"
            ));
            say(&format!("    ./scripts/portcullis task show {kind}/1"));
        }
        say("Ctrl-C stops everything; what was done stays on record");
        say("");
    }

    async fn stop(mut self) {
        while let Some((_, mut service)) = self.services.pop() {
            service.stop(STOP_WITHIN).await;
        }
        self.nats.stop().await;
    }
}

fn done_by(handler: &Handler) -> String {
    match handler {
        Handler::Service { name } => format!("the service {name}, asked on svc.{name}.run"),
        Handler::JsonService { name } => {
            format!("the service {name}, asked on svc.{name}.run in JSON")
        }
        Handler::Exec(exec) => exec.command.join(" "),
        Handler::Anthropic(model) => format!("{} of {}", model.model, model.provider),
    }
}
