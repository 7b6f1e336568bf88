use domain::Kind;
use kit::{HealthArgs, LogArgs, NatsArgs};

/// Pulls tasks whose gates are open, has them done, and records how they ended
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "dispatcher", version)]
pub struct Args {
    #[command(flatten)]
    pub nats: NatsArgs,

    #[command(flatten)]
    pub logs: LogArgs,

    #[command(flatten)]
    pub health: HealthArgs,

    /// How many tasks this dispatcher works on at once
    #[arg(long, env = "SLOTS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub slots: u16,

    /// Only these kinds of work, separated by commas; all of the configuration if left out
    #[arg(long, env = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<Kind>,
}
