use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use bus::{Bus, FeedStart, Stored};
use domain::{Gate, GateName, GateState};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wire::subject;

use super::{folder, own, settings::Settings, stage::Stage};
use crate::exit::Ended;

/// Run the main job on this machine: a private NATS server, every service, and the sandbox.
///
/// The sandbox's relay has a nonce stuck before the first payment, as in March 2026: watch the
/// gate close after one attempt, and open it with the command that is printed.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Run this configuration instead, on a private NATS server and with the services that it
    /// needs, and no sandbox. Commands that it names are looked for beside the file
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["agents", "relay", "calm", "heal_after_secs", "until_done", "sandbox_port"])]
    pub file: Option<PathBuf>,

    /// With `--file`: why it may drop what is not open, as `portcullis apply --note`
    #[arg(
        long,
        value_name = "TEXT",
        requires = "file",
        default_value = "",
        hide_default_value = true
    )]
    pub note: String,

    /// How many agents there are to welcome
    #[arg(long, default_value_t = 60)]
    pub agents: usize,

    /// How many dispatchers to run
    #[arg(long, default_value_t = 3)]
    pub dispatchers: usize,

    /// Which relay to imitate: the incident's, which refuses, or the one that never confirms
    #[arg(long, value_parser = ["march", "today"], default_value = "march")]
    pub relay: String,

    /// No stuck nonce: just the job
    #[arg(long)]
    pub calm: bool,

    /// Seconds after the closing until the relay's people clear the nonce
    #[arg(long, default_value_t = 15)]
    pub heal_after_secs: u64,

    /// Stop by itself once everyone is welcomed
    #[arg(long)]
    pub until_done: bool,

    /// Where data and logs go [default: `.portcullis/up`, emptied at each start; with `--file`
    /// `.portcullis/work`, which is kept]
    #[arg(long)]
    pub dir: Option<PathBuf>,

    /// The port of the private NATS server
    #[arg(long, default_value_t = 4222)]
    pub nats_port: u16,

    /// The port of the sandbox
    #[arg(long, default_value_t = 4010)]
    pub sandbox_port: u16,

    /// A server that somebody runs already: never touched from here
    #[arg(long, env = "NATS_URL", hide = true)]
    pub nats_url: Option<String>,
}

/// Runs until `shutdown`, then stops everything it started.
///
/// # Errors
///
/// When something does not start.
pub async fn run(args: &Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let dir = args.dir.clone().unwrap_or_else(|| default_dir(args));
    refuse_a_server(args, &dir)?;
    folder::free_port(args.nats_port, "--nats-port", "the NATS server")?;
    if let Some(file) = &args.file {
        return own::run(args, file, &dir, shutdown).await;
    }
    folder::free_port(args.sandbox_port, "--sandbox-port", "the sandbox")?;
    let dir = folder::prepare(&dir)?;
    let settings = Settings {
        agents: args.agents,
        relay: args.relay.clone(),
        network: stacks::Network::Mainnet,
        block: Duration::from_millis(100),
        every: Duration::from_secs(5),
        unconfirmed_after: Duration::from_secs(5),
    };
    let set = Stage::set(&dir, Some(args.nats_port), Some(args.sandbox_port), &settings);
    let mut stage = tokio::select! {
        set = set => set.context("start NATS and the sandbox")?,
        // What has started so far ends with the future that started it.
        () = shutdown.cancelled() => {
            say("stopped before everything had started");
            return Ok(());
        }
    };
    let ran = tokio::select! {
        ran = tell_and_wait(args, &dir, &mut stage) => ran,
        () = shutdown.cancelled() => Ok(()),
    };
    say("stopping everything this started");
    stage.strike().await;
    ran
}

fn default_dir(args: &Args) -> PathBuf {
    let folder = if args.file.is_some() { ".portcullis/work" } else { ".portcullis/up" };
    PathBuf::from(folder)
}

/// This is a rehearsal with a world, a configuration and a server of its own. Somebody whose
/// environment names a server may think that it runs there, or be glad that it does not.
fn refuse_a_server(args: &Args, dir: &Path) -> Result<(), Ended> {
    let named = args.nats_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    // What an earlier run here has left in somebody's shell is no other server.
    let named = named.filter(|url| folder::url_of_last_run(dir).as_deref() != Some(url));
    let Some(url) = named else { return Ok(()) };
    Err(Ended::refused(format!(
        "NATS_URL names the server {url}, and `portcullis up` starts one of its own, which it \
         fills with the sandbox's configuration, or yours: unset NATS_URL to run that. To run on \
         {url}, use `portcullis apply` and start the services with the same NATS_URL"
    )))
}

async fn tell_and_wait(args: &Args, dir: &Path, stage: &mut Stage) -> anyhow::Result<()> {
    folder::note_url(dir, &stage.nats.url())?;
    if !args.calm {
        stage.world.plant_stuck_nonce().await?;
    }
    let bus = stage.nats.connect("portcullis up").await?;
    let events = vec!["event.gate.>".to_owned(), "event.failure.>".to_owned()];
    let mut feed = bus.feed(subject::EVENTS, events, FeedStart::All).await?;
    stage.start_services(&bus, args.dispatchers).await?;
    greet(args, stage);
    let mut narrator = Narrator { bus, heal_at: None, healed: args.calm, welcomed: 0 };
    loop {
        tokio::select! {
            event = feed.next() => match event {
                Ok(event) => narrate(&event),
                Err(error) => tracing::debug!(%error, "events disturbed"),
            },
            () = kit::Clock.sleep(Duration::from_millis(500)) => {
                for name in stage.revive()? {
                    say(&format!("{name} had ended and was started again"));
                }
                let done = narrator.look(args, stage).await?;
                if done && args.until_done {
                    return Ok(());
                }
            }
        }
    }
}

/// What `up` knows beyond the events: how far the job is, and when the relay is cleared.
struct Narrator {
    bus: Bus,
    heal_at: Option<domain::Timestamp>,
    healed: bool,
    welcomed: u64,
}

impl Narrator {
    /// Tells what is new and returns whether everyone has been welcomed.
    async fn look(&mut self, args: &Args, stage: &Stage) -> anyhow::Result<bool> {
        let ledger = stage.world.ledger().await?;
        let all = u64::try_from(args.agents).unwrap_or(u64::MAX);
        if ledger.welcomed != self.welcomed {
            self.welcomed = ledger.welcomed;
            let twice = ledger.paid_twice;
            say(&format!("{} of {all} agents welcomed, {twice} paid twice", ledger.welcomed));
            if ledger.welcomed == all {
                say("everyone is welcomed. Ctrl-C stops all.");
            }
        }
        let now = kit::Clock.now();
        if !self.healed && self.relay_is_closed().await {
            let after = Duration::from_secs(args.heal_after_secs);
            if *self.heal_at.get_or_insert(now.after(after)) <= now {
                stage.world.heal().await?;
                self.healed = true;
                say("the relay's people have cleared the nonce. The gate stays closed: only");
                say("you open it. Type, in another terminal:");
                say("    ./scripts/portcullis gate open relay --note \"nonce cleared\"");
            }
        }
        Ok(self.welcomed == all)
    }

    async fn relay_is_closed(&self) -> bool {
        let Ok(relay) = "relay".parse::<GateName>() else { return false };
        let gate = fleet::gate_log::current(&self.bus, &relay).await;
        let closed = |gate: &Gate| gate.state == GateState::Closed;
        gate.is_ok_and(|gate| gate.is_some_and(|gate| closed(&gate.value)))
    }
}

fn greet(args: &Args, stage: &Stage) {
    let (agents, dispatchers) = (args.agents, args.dispatchers);
    say(&format!("{agents} agents wait to be welcomed; {dispatchers} dispatchers run"));
    if !args.calm {
        say("the relay has a stuck nonce that no health probe can see");
    }
    say("");
    say(&format!("  NATS      {}", stage.nats.url()));
    say(&format!("  sandbox   {}/sandbox/ledger", stage.world.url()));
    say(&format!("  logs      {}", stage.log_dir().display()));
    say("");
    say("look, in another terminal:");
    say("    ./scripts/portcullis gate list");
    say("    ./scripts/portcullis watch");
    say("    ./scripts/portcullis task list");
    say("");
}

/// One line for each event that a person should see.
fn narrate(event: &Stored) {
    let Ok(told) = serde_json::from_slice::<Value>(&event.body) else { return };
    let data = &told["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let line = if event.subject.starts_with("event.failure.") {
        let charged = if data["charged"] == true { "charged" } else { "not charged" };
        let (cause, key) = (text("cause"), text("source_key"));
        format!("failure: {cause} at {key}, attempt {} ({charged})", data["attempt"])
    } else {
        let verb = event.subject.split('.').nth(2).unwrap_or_default();
        if !["closed", "probing", "draining", "opened", "canary-failed"].contains(&verb) {
            return;
        }
        let causes: Vec<&str> =
            data["causes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let why =
            if causes.is_empty() { String::new() } else { format!(": {}", causes.join(", ")) };
        format!("gate {} {} by {}{why}", text("gate"), text("told"), text("by"))
    };
    say(&line);
}

/// To stderr, of which nothing may be left: the terminal was closed.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
