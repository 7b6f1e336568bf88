//! `portcullis task`: what waits and why, how one task came to where it is, and what a person
//! does about it.

mod add;
mod choose;
mod events;
mod follow;
mod list;
mod one;
mod phase;
mod put;
mod retry;
pub(crate) mod standing;
mod story;
mod times;
mod walk;
mod withdraw;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use domain::{Cause, Kind, SourceKey};

pub use follow::TaskName;
pub use phase::PhaseName;
pub use times::When;

use crate::{
    args::{BusArgs, PersonArgs},
    out::Out,
};

#[derive(Clone, Debug, Subcommand)]
pub enum TaskCommand {
    /// Every task in the queue, with what it waits for
    List(ListArgs),
    /// One task: where it stands, why it waits, and everything told of it
    Show(ShowArgs),
    /// Create tasks by hand, behind the fence: one, or a file of them
    Add(AddArgs),
    /// Put dead, withdrawn or parked tasks back, with a fresh budget of attempts
    Retry(ByHandArgs),
    /// End tasks that are not to be done
    Withdraw(ByHandArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only this kind
    #[arg(long)]
    pub kind: Option<Kind>,

    /// Only tasks that stand so; an ended one is listed only when asked for
    #[arg(long, value_enum)]
    pub phase: Option<PhaseName>,

    /// At most so many
    #[arg(long, default_value_t = 500)]
    pub limit: usize,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The source key, such as `welcome/SP…`, or the 32 hex digits of its key
    pub task: String,

    /// Its kind, if there are several
    #[arg(long)]
    pub kind: Option<Kind>,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// What the task is about, stable for ever, such as `report/2026-11-22`
    #[arg(value_name = "SOURCE_KEY", required_unless_present = "file")]
    pub source_key: Option<SourceKey>,

    /// Its kind
    #[arg(long, required_unless_present = "file")]
    pub kind: Option<Kind>,

    /// What the handler reads: JSON, or `-` to read it from stdin
    #[arg(long, value_name = "JSON", default_value = "{}", hide_default_value = true)]
    pub payload: String,

    /// Not to be begun earlier: a time such as 2026-11-22T09:00:00Z, or from now on, such as 2h
    #[arg(long, value_name = "WHEN", value_parser = times::parse)]
    pub not_before: Option<When>,

    /// Not to be begun later, but withdrawn as stale: a time such as 2026-11-22T18:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = times::parse, conflicts_with = "expires_in")]
    pub expires_at: Option<When>,

    /// As --expires-at, from now on: such as 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<Duration>,

    /// The task that this one follows up, as KIND/SOURCE_KEY: they share one budget of attempts.
    /// It must have ended, and one task only may follow it
    #[arg(long, value_name = "TASK", value_parser = follow::parse)]
    pub follows: Option<TaskName>,

    /// A file of tasks, or `-`: on each line {"kind": …, "source_key": …, "payload": …}, and
    /// "not_before", "expires_at" and "follows" where wanted
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "source_key", "kind", "payload", "not_before", "expires_at", "expires_in", "follows",
    ])]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

/// Which tasks, named one by one or chosen by what they have in common.
#[derive(Clone, Debug, Args)]
pub struct ByHandArgs {
    /// The tasks: source keys such as `welcome/SP…`, or the 32 hex digits of their keys
    #[arg(value_name = "TASK", conflicts_with_all = ["cause", "phase", "older_than"])]
    pub tasks: Vec<String>,

    /// All of this kind; with named tasks, theirs
    #[arg(long)]
    pub kind: Option<Kind>,

    /// Those whose newest failure has this cause
    #[arg(long)]
    pub cause: Option<Cause>,

    /// Those that stand so [default: all that have not ended to withdraw; `dead` to retry, and
    /// those that a retry left half way]
    #[arg(long, value_enum)]
    pub phase: Option<PhaseName>,

    /// Those that have stood so for at least this long, such as `2h` or `7d`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub older_than: Option<Duration>,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    /// Act on what was chosen without asking; tasks named one by one need no asking
    #[arg(long)]
    pub yes: bool,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a whole number and a unit, such as 30s, 10m, 2h or 7d".to_owned();
    crate::file::parse_duration(text).ok_or_else(wrong)
}

pub(crate) async fn run(command: &TaskCommand) -> anyhow::Result<()> {
    let (TaskCommand::List(ListArgs { bus, .. })
    | TaskCommand::Show(ShowArgs { bus, .. })
    | TaskCommand::Add(AddArgs { bus, .. })
    | TaskCommand::Retry(ByHandArgs { bus, .. })
    | TaskCommand::Withdraw(ByHandArgs { bus, .. })) = command;
    let out = &Out::new(bus.json);
    let bus = &crate::reach::bus(&bus.nats, "task").await?;
    match command {
        TaskCommand::List(args) => list::run(bus, args, out).await,
        TaskCommand::Show(args) => one::run(bus, args, out).await,
        TaskCommand::Add(args) => add::run(bus, args, out).await,
        TaskCommand::Retry(args) => retry::run(bus, args, out).await,
        TaskCommand::Withdraw(args) => withdraw::run(bus, args, out).await,
    }
}
