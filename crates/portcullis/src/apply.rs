//! `portcullis apply`: brings the bus to what the file says.
//!
//! Order, and why: streams and consumers, since everything lies in them; the first message of
//! each new gate, OPEN in the applying person's name, since an absent gate reads as CLOSED;
//! the configuration under a new number; and last the gate `_config`, which moves the fence.
//! Cut off anywhere, the old configuration is still in force, and applying again goes on.
//!
//! Every write to the gate log rests on one read of all gates and carries its token. So what
//! was checked still holds when the last message is written, and of two applies at once one
//! is refused by the broker.

pub(crate) mod command;
mod differ;
mod provision;
mod refuse;
pub(crate) mod server;
mod standing;
pub(crate) mod streams;
mod write;

use anyhow::Context as _;
use bus::Bus;
use domain::Config;
use kit::Clock;
use wire::{SCHEMA, message::AppliedConfig};

pub use differ::{Difference, differences};
pub use provision::{Line, Mark};

use crate::exit::Ended;
use standing::Standing;
use write::Written;

/// What a person wants to be so.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its version does not matter.
    pub config: Config,
    pub by: String,
    pub note: String,
    /// Copies of each stream; `None` keeps what is, or makes one.
    pub replicas: Option<usize>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What an apply has done, or would do.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The version in force afterwards.
    pub version: u64,
    pub lines: Vec<Line>,
    pub differences: Vec<Difference>,
}

impl Applied {
    /// Whether anything was not so before.
    pub fn changed(&self) -> bool {
        !self.differences.is_empty() || self.lines.iter().any(|line| line.mark != Mark::Same)
    }
}

/// How often everything is read again because a gate moved meanwhile.
const TRIES: u32 = 50;

/// Makes `wish` so. Applying the same again changes nothing.
///
/// # Errors
///
/// An [`Ended`] with code 3 when a rule forbids it or another apply came first, code 4 when
/// the server is not fit; else what the bus answered.
pub async fn bring_about(bus: &Bus, wish: &Wish) -> anyhow::Result<Applied> {
    server::check(bus, server::PATIENCE).await?;
    let begun = Standing::read(bus, &wish.config).await?;
    refuse(bus, &begun, wish).await?;
    if wish.dry_run {
        return dry_run(bus, &begun, wish).await;
    }
    let mut lines = provision::streams(bus, wish.replicas).await?;
    lines.extend(provision::consumers(bus, &wish.config).await?);
    let wanted = AppliedConfig {
        config: wish.config.clone(),
        schema: SCHEMA,
        by: wish.by.clone(),
        at: Clock.now(),
        note: wish.note.clone(),
    };
    for _ in 0..TRIES {
        let standing = Standing::read(bus, &wish.config).await?;
        let says_the_same = standing.config().is_some_and(|config| same(config, &wish.config));
        if standing.version != begun.version && !says_the_same {
            return Err(came_first(&standing).into());
        }
        refuse(bus, &standing, wish).await?;
        if let Some(version) = advance(bus, &standing, &wanted, &mut lines).await? {
            let differences = differences(begun.config(), &wish.config);
            return Ok(Applied { version, lines, differences });
        }
    }
    Err(Ended::refused("the gates move too fast to apply; try again").into())
}

/// Writes what is missing on top of one read. `None` when something moved: read again.
async fn advance(
    bus: &Bus,
    standing: &Standing,
    wanted: &AppliedConfig,
    lines: &mut Vec<Line>,
) -> anyhow::Result<Option<u64>> {
    let mut token = standing.token;
    for name in wanted.config.all_gates() {
        let told = match standing.gates.get(&name) {
            Some(seen) => Line::new(Mark::Same, format!("gate {name}"), seen.state().told()),
            None => {
                let remedy = wanted.config.gates.get(&name).map(|gate| gate.remedy.as_str());
                let by = wanted.by.as_str();
                let first = write::first_gate(bus, &name, by, remedy.unwrap_or_default(), token);
                let Written::At(seq) = first.await? else { return Ok(None) };
                token = seq;
                Line::new(Mark::Created, format!("gate {name}"), "OPEN (flowing)")
            }
        };
        // A later round finds a gate that an earlier one has made.
        if lines.iter().all(|line| line.what != told.what) {
            lines.push(told);
        }
    }
    if let Some(applied) = &standing.applied
        && same(&applied.config, &wanted.config)
        && applied.schema == wanted.schema
    {
        return Ok(Some(standing.version));
    }
    let stored = write::store(bus, wanted, standing.version).await?;
    match write::in_force(bus, &stored, token).await? {
        Written::At(_) => Ok(Some(stored.config.version)),
        Written::ReadAgain => Ok(None),
    }
}

async fn refuse(bus: &Bus, standing: &Standing, wish: &Wish) -> anyhow::Result<()> {
    let reasons = refuse::reasons(bus, standing, &wish.config, &wish.note)
        .await
        .context("look for what speaks against it")?;
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Ended::refused(format!("not applied: {}", reasons.join("\n  not applied: "))).into())
}

async fn dry_run(bus: &Bus, standing: &Standing, wish: &Wish) -> anyhow::Result<Applied> {
    let mut lines = provision::missing(bus, &wish.config).await?;
    for name in wish.config.all_gates() {
        lines.push(match standing.gates.get(&name) {
            Some(seen) => Line::new(Mark::Same, format!("gate {name}"), seen.state().told()),
            None => Line::new(Mark::Created, format!("gate {name}"), "OPEN (flowing)"),
        });
    }
    let differences = differences(standing.config(), &wish.config);
    Ok(Applied { version: standing.version, lines, differences })
}

fn same(left: &Config, right: &Config) -> bool {
    Config { version: 0, ..left.clone() } == Config { version: 0, ..right.clone() }
}

fn came_first(standing: &Standing) -> Ended {
    let by = standing.applied.as_ref().map(|applied| applied.by.clone()).unwrap_or_default();
    Ended::refused(format!(
        "another apply came first: configuration {} by {by} is in force, and nothing of this one \
         is; look at the difference with `portcullis apply --dry-run` and apply again",
        standing.version
    ))
}
