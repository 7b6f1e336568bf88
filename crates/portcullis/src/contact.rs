//! `portcullis contact`: who has heard from us already and is never greeted again.

mod csv;
mod desk;
mod import;
mod list;
mod rows;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::{BusArgs, PersonArgs};

#[derive(Clone, Debug, Subcommand)]
pub enum ContactCommand {
    /// Everybody on record as contacted, the newest first
    List(ListArgs),
    /// Put one agent on record: it is never greeted again
    Add(AddArgs),
    /// Put many on record: from a file, or from what the inbox lists as sent by us
    ///
    /// A file is CSV with a header row, or JSON: an array, or one value a line. The column
    /// `address` (or `stxAddress`) is needed; `purpose` and `how` may be there; all others are
    /// left alone. Importing again changes nothing. Where one row is bad, nothing is imported.
    Import(ImportArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// At most so many; all are counted
    #[arg(long, default_value_t = 100)]
    pub limit: usize,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// The agent's Stacks address
    pub address: String,

    /// What it was contacted for [default: the purpose of the sensors, if they have one]
    #[arg(long)]
    pub purpose: Option<String>,

    /// How it heard from us
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub how: String,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The file, `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "from_inbox")]
    pub file: Option<PathBuf>,

    /// How the file is written [default: by its name, else by its first character]
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// What the inbox lists as sent by our wallets, in place of a file
    #[arg(long, conflicts_with_all = ["file", "format"])]
    pub from_inbox: bool,

    /// With --from-inbox: this wallet too, which need not be on record
    #[arg(long, value_name = "ADDRESS", requires = "from_inbox")]
    pub wallet: Vec<String>,

    /// For rows that name none [default: the purpose of the sensors, if they have one]
    #[arg(long)]
    pub purpose: Option<String>,

    /// Only say what would be imported
    #[arg(long)]
    pub dry_run: bool,

    /// Import the good rows although others are bad
    #[arg(long)]
    pub skip_bad: bool,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header row, then one agent a row
    Csv,
    /// An array, or one value a line
    Json,
}

pub(crate) async fn run(command: &ContactCommand) -> anyhow::Result<()> {
    match command {
        ContactCommand::List(args) => list::run(args).await,
        ContactCommand::Add(args) => import::add(args).await,
        ContactCommand::Import(args) => import::run(args).await,
    }
}
