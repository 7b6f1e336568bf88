use std::{path::PathBuf, process::Stdio};

use clap::{Args as ArgsOf, Parser, Subcommand};

use crate::{
    contact::ContactCommand, cost::CostArgs, credential::CredentialCommand, doctor::DoctorArgs,
    exit, gate::GateCommand, payment::PaymentCommand, ping::PingArgs, replay, task::TaskCommand,
    up, watch::WatchArgs,
};

/// Operate a Portcullis fleet: its configuration, its gates and its tasks.
///
/// stdout is data, stderr is talk. With --json, stdout is one JSON object (`watch`: one for
/// each event).
#[derive(Clone, Debug, Parser)]
#[command(version, about, after_help = exit::HELP, subcommand_required = true)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,

    /// What to log on stderr, e.g. `info` or `bus=debug`
    #[arg(long, env = "LOG", default_value = "error", global = true, hide_env_values = true)]
    pub log: String,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Bring the bus to what a configuration file says
    #[command(after_help = exit::HELP)]
    Apply(ApplyArgs),
    /// See and move gates
    #[command(subcommand, after_help = exit::HELP)]
    Gate(GateCommand),
    /// See tasks, create them, put them back and withdraw them
    #[command(subcommand, after_help = exit::HELP)]
    Task(TaskCommand),
    /// What attempts have cost, what failures wasted and what closed gates saved
    #[command(after_help = exit::HELP)]
    Cost(CostArgs),
    /// See payments, compare them with the world, and decide what only a person can
    #[command(subcommand, after_help = exit::HELP)]
    Payment(PaymentCommand),
    /// See and add to whoever has heard from us and is never greeted again
    #[command(subcommand, after_help = exit::HELP)]
    Contact(ContactCommand),
    /// See what providers are called with, try it, and undo a wrong refusal
    #[command(subcommand, after_help = exit::HELP)]
    Credential(CredentialCommand),
    /// Ask whether NATS answers, and whether everything on it has a leader
    #[command(after_help = exit::HELP)]
    Ping(PingArgs),
    /// Go through everything that can be set up wrongly, line by line, and change nothing
    #[command(after_help = exit::HELP)]
    Doctor(DoctorArgs),
    /// Follow what is told, event by event
    #[command(after_help = exit::HELP)]
    Watch(WatchArgs),
    /// Run the whole fleet on this machine: against the sandbox, or by a file of your own
    #[command(after_help = exit::HELP)]
    Up(up::Args),
    /// Run an incident again, beside the loop that failed then
    #[command(after_help = exit::HELP)]
    Replay(replay::Args),
}

/// What every command takes.
#[derive(Clone, Debug, ArgsOf)]
pub struct BusArgs {
    #[command(flatten)]
    pub nats: kit::NatsArgs,

    /// Write JSON to stdout, for programs
    #[arg(long)]
    pub json: bool,
}

/// Who acts: it stands in the gate's log for ever.
#[derive(Clone, Debug, ArgsOf)]
pub struct PersonArgs {
    /// Your name, if it is not the login name
    #[arg(long = "as", value_name = "NAME", env = "USER", hide_env_values = true)]
    name: Option<String>,

    /// The login name where USER is not set
    #[arg(long, hide = true, env = "LOGNAME")]
    login_name: Option<String>,
}

#[derive(Clone, Debug, ArgsOf)]
pub struct ApplyArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "portcullis.toml")]
    pub file: PathBuf,

    /// Copies of each stream [default: as it is; 1 on a new bus]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: Option<u8>,

    /// Why; needed to drop a gate that is not open, or a kind's need of it
    #[arg(long, default_value = "", hide_default_value = true)]
    pub note: String,

    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

impl PersonArgs {
    /// The name that was given, else that of the login, else what the operating system calls
    /// whoever runs this: a bare container has neither USER nor LOGNAME.
    ///
    /// # Errors
    ///
    /// When nobody is named.
    pub fn name(&self) -> Result<String, exit::Ended> {
        let named = [&self.name, &self.login_name].into_iter().flatten();
        let named = named.filter_map(|name| printable(name)).next();
        named.or_else(system_name).ok_or_else(|| {
            exit::Ended::usage("nobody is logged in here: say who you are with --as NAME")
        })
    }
}

/// The name as it may stand in a log; `None` if nothing is left of it.
fn printable(name: &str) -> Option<String> {
    const NAME_MAX: usize = 80;
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    (!name.is_empty()).then_some(name)
}

/// What `id -un` answers; it knows nobody where the user id has no entry.
fn system_name() -> Option<String> {
    let asked = std::process::Command::new("id").arg("-un").stderr(Stdio::null()).output().ok()?;
    let name = asked.status.success().then(|| String::from_utf8_lossy(&asked.stdout).into_owned());
    printable(&name?)
}
