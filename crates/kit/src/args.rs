use std::path::PathBuf;

/// How to reach NATS; the same flags and variables for every service.
#[derive(Clone, Debug, clap::Args)]
pub struct NatsArgs {
    /// NATS servers, separated by commas
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,

    /// File with NATS credentials (.creds), where the servers ask for them
    #[arg(long, env = "NATS_CREDS")]
    pub nats_creds: Option<PathBuf>,
}
