/// Why the bus did not do what it was asked.
///
/// `Display` says what was tried; the cause is the `source`. Writes have their own
/// [`crate::PutError`], since there it matters what may have happened.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("connect to NATS at {servers}")]
    Connect {
        servers: String,
        #[source]
        source: async_nats::ConnectError,
    },
    #[error("read NATS credentials from {path}")]
    Credentials {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("read `{subject}` from stream {stream}")]
    Read { stream: String, subject: String, source: async_nats::Error },
    #[error("use consumer `{consumer}` of stream {stream}")]
    Consumer { stream: String, consumer: String, source: async_nats::Error },
    #[error("set up stream {stream}")]
    Stream { stream: String, source: async_nats::Error },
    #[error("subscribe to `{subject}`")]
    Subscribe { subject: String, source: async_nats::Error },
    #[error("nobody answers on `{subject}`")]
    NobodyAnswers { subject: String },
    #[error("no answer on `{subject}` in time")]
    TimedOut { subject: String },
    #[error("ask on `{subject}`")]
    Ask { subject: String, source: async_nats::Error },
    #[error("answer the delivery of `{subject}`")]
    Answer { subject: String, source: async_nats::Error },
    #[error("subscription to `{subject}` ended")]
    Ended { subject: String },
}

impl BusError {
    /// Whether the stream or consumer is simply not there, as before the first `apply`.
    pub fn is_absent(&self) -> bool {
        let (BusError::Read { source, .. }
        | BusError::Consumer { source, .. }
        | BusError::Stream { source, .. }) = self
        else {
            return false;
        };
        let text = source.to_string();
        ["stream not found", "consumer not found", "no responders"]
            .iter()
            .any(|absent| text.contains(absent))
    }
}
