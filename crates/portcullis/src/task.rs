//! `portcullis task`: what waits and why, and how one task came to where it is.

mod events;
mod list;
mod one;
mod phase;
mod walk;

use clap::{Args, Subcommand};
use domain::Kind;

pub use phase::PhaseName;

use crate::{args::BusArgs, out::Out};

#[derive(Clone, Debug, Subcommand)]
pub enum TaskCommand {
    /// Every task in the queue, with what it waits for
    List(ListArgs),
    /// One task: where it stands, why it waits, and everything told of it
    Show(ShowArgs),
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

pub(crate) async fn run(command: &TaskCommand) -> anyhow::Result<()> {
    let (TaskCommand::List(ListArgs { bus, .. }) | TaskCommand::Show(ShowArgs { bus, .. })) =
        command;
    let out = &Out::new(bus.json);
    let bus = &crate::reach::bus(&bus.nats, "task").await?;
    match command {
        TaskCommand::List(args) => list::run(bus, args, out).await,
        TaskCommand::Show(args) => one::run(bus, args, out).await,
    }
}
