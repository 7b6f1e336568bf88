/// Every setting, by flag or by environment; the rest comes from the bus.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Closes gates on shared failures, opens them on a person's word")]
pub struct Args {
    #[command(flatten)]
    pub nats: kit::NatsArgs,

    #[command(flatten)]
    pub logs: kit::LogArgs,

    #[command(flatten)]
    pub health: kit::HealthArgs,
}
