//! `portcullis gate`: see gates, and move them by a person's word.
//!
//! Opening needs a gatekeeper: a gate opens through a canary and a paced drain, and somebody
//! has to lead both. Closing does not: with no gatekeeper there to ask, this program writes
//! the closing itself, by the same rules and behind the same fence.

mod budget;
mod close;
mod dollars;
mod drain;
mod history;
mod list;
mod open;
mod resets;
mod show;

pub(crate) use show::field;

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, BusError};
use clap::{Args, Subcommand};
use domain::{Cause, GateName};
use tokio_util::sync::CancellationToken;
use wire::{
    Wire as _,
    message::{GateCommand as Command, GateCommandReply},
    subject,
};

use crate::{
    args::{BusArgs, PersonArgs},
    out::Out,
};

#[derive(Clone, Debug, Subcommand)]
pub enum GateCommand {
    /// Every gate: where it stands, since when, why, and what waits
    List(ListArgs),
    /// One gate: its evidence, its remedy, and the command that would open it
    Show(OneArgs),
    /// The whole log of one gate
    History(OneArgs),
    /// Open a closed gate: one canary, then a paced drain
    Open(OpenArgs),
    /// Close a gate by hand; a closed one that would let a canary go by itself no longer does
    Close(CloseArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct OneArgs {
    /// The gate, such as `relay`, or `kind-welcome` for a kind's own
    pub gate: GateName,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct OpenArgs {
    /// The gate to open
    pub gate: GateName,

    /// What was done about it, for the log
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    /// Straight to OPEN, with no canary and no pace
    #[arg(long)]
    pub without_canary: bool,

    /// Each cause of the incident that you take upon yourself
    #[arg(long, value_name = "CAUSE", num_args = 1.., requires = "without_canary")]
    pub accept: Vec<Cause>,

    /// Do not wait for the canary and the drain
    #[arg(long)]
    pub no_wait: bool,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct CloseArgs {
    /// The gate to close
    pub gate: GateName,

    /// Why, for whoever opens it again
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    /// The cause, if it has a name
    #[arg(long, value_name = "CAUSE")]
    pub cause: Option<Cause>,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

pub(crate) async fn run(command: &GateCommand, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let bus = match command {
        GateCommand::List(args) => &args.bus,
        GateCommand::Show(args) | GateCommand::History(args) => &args.bus,
        GateCommand::Open(args) => &args.bus,
        GateCommand::Close(args) => &args.bus,
    };
    let out = &Out::new(bus.json);
    let bus = &crate::reach::bus(&bus.nats, "gate").await?;
    match command {
        GateCommand::List(_) => list::run(bus, out).await,
        GateCommand::Show(args) => show::run(bus, &args.gate, out).await,
        GateCommand::History(args) => history::run(bus, &args.gate, out).await,
        GateCommand::Open(args) => open::run(bus, args, shutdown, out).await,
        GateCommand::Close(args) => close::run(bus, args, out).await,
    }
}

/// How long a gatekeeper may take: it reads and writes a handful of messages.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Asks whichever gatekeeper takes it.
async fn ask(bus: &Bus, command: &Command) -> Result<anyhow::Result<GateCommandReply>, BusError> {
    let answer = bus.ask(subject::GATEKEEPER_COMMAND, command.encode(), ANSWER_WITHIN).await?;
    Ok(GateCommandReply::decode(&answer).context("read the gatekeeper's answer"))
}
