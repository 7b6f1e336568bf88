use std::io;

use tracing_subscriber::EnvFilter;

/// How a service talks to its operator: always on stderr, since stdout is data.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// What to log, e.g. `info` or `info,dispatcher=debug`
    // What the NATS client has to say, we say too.
    #[arg(long, env = "LOG", default_value = "info,async_nats=warn", global = true)]
    pub log: String,

    /// How to log
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging. A filter that does not parse falls back to `info` and says so.
pub fn init_logs(args: &LogArgs) {
    let parsed = EnvFilter::try_new(&args.log);
    let wrong = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second call (tests run services side by side) keeps the first subscriber.
    let _ = match args.log_format {
        LogFormat::Text => builder.with_target(true).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Some(error) = wrong {
        tracing::warn!(filter = args.log, error, "log filter ignored, logging at info");
    }
}
