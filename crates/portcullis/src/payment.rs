//! `portcullis payment`: what is on record of the money, whether it agrees with the world, and
//! what a person must decide about the wallet.

mod adopt;
mod ask;
mod list;
mod reconcile;
pub(crate) mod record;
mod show;
mod story;
mod told;
mod waits;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::{
    args::{BusArgs, PersonArgs},
    file::parse_duration,
};

#[derive(Clone, Debug, Subcommand)]
pub enum PaymentCommand {
    /// Every payment on record, the unfinished first and then the newest
    List(ListArgs),
    /// The story of one payment: each step, what it waits for, and who may act
    Show(ShowArgs),
    /// Compare record, inbox and chain, and say what to do about every difference
    ///
    /// Ends with 1 where they disagree, with 4 where a source could not be asked and nothing
    /// else was found, and with 0 only when everything was compared and agrees.
    Reconcile(ReconcileArgs),
    /// Have the wallet's record follow the chain, where it is older (`record.behind`)
    Adopt(AdoptArgs),
    /// Show what paying an agent would sign; nothing is sent, nothing is recorded
    Try(crate::rehearse::TryArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only those that stand so
    #[arg(long, value_enum)]
    pub stage: Option<StageName>,

    /// Only those that are begun and not over
    #[arg(long)]
    pub unfinished: bool,

    /// Only those that moved so recently: `30m`, `24h`, `7d`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Duration>,

    /// At most so many; all are counted
    #[arg(long, default_value_t = 100)]
    pub limit: usize,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The agent's Stacks address, the source key such as `welcome/SP…`, or 32 hex digits
    pub payment: String,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ReconcileArgs {
    /// What moved so recently: `30m`, `24h`, `7d` [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "all")]
    pub since: Option<Duration>,

    /// Everything there ever was
    #[arg(long)]
    pub all: bool,

    /// The network that you believe this to be; another one in the configuration is refused
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AdoptArgs {
    /// Why the record is older, for the log
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

/// How far a payment may have come, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StageName {
    /// To be paid; nothing is signed
    Intent,
    /// Signed; the bytes have not left
    Signed,
    /// The bytes left
    Sent,
    /// Accepted, not confirmed
    Staged,
    /// What became of the bytes is not known
    Unknown,
    /// Paid
    Settled,
    /// These bytes never paid and never will
    Rejected,
}

impl StageName {
    const fn word(self) -> &'static str {
        match self {
            StageName::Intent => "intent",
            StageName::Signed => "signed",
            StageName::Sent => "sent",
            StageName::Staged => "staged",
            StageName::Unknown => "unknown",
            StageName::Settled => "settled",
            StageName::Rejected => "rejected",
        }
    }
}

pub(crate) async fn run(command: &PaymentCommand) -> anyhow::Result<()> {
    match command {
        PaymentCommand::List(args) => list::run(args).await,
        PaymentCommand::Show(args) => show::run(args).await,
        PaymentCommand::Reconcile(args) => reconcile::run(args).await,
        PaymentCommand::Adopt(args) => adopt::run(args).await,
        PaymentCommand::Try(args) => crate::rehearse::run(args).await,
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a number and a unit: 30m, 24h, 7d".to_owned())
}
