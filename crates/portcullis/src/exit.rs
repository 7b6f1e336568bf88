//! How the program ends: a small number for scripts, and a sentence for people.

use bus::BusError;
use fleet::{JoinError, store::StoreError};

/// What the exit status means. Scripts may rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 0: done, or nothing was to be done.
    Done,
    /// It failed for a reason that no other number tells.
    Failed,
    /// The command line or the configuration file is wrong.
    Usage,
    /// A rule forbids it; the message says which and what would be allowed.
    Refused,
    /// NATS, or the service that was asked, is not reachable or not set up.
    Bus,
    /// There is no such gate, task, kind or payment.
    NotFound,
    /// The gate closed again: the canary or the drain met the failure once more.
    ClosedAgain,
}

impl Code {
    pub const fn number(self) -> u8 {
        match self {
            Code::Done => 0,
            Code::Failed => 1,
            Code::Usage => 2,
            Code::Refused => 3,
            Code::Bus => 4,
            Code::NotFound => 5,
            Code::ClosedAgain => 6,
        }
    }
}

/// The numbers as `--help` shows them.
pub const HELP: &str = "\
Exit status:
  0  done, or nothing was to be done
  1  failed
  2  the command line or the configuration file is wrong
  3  refused by a rule; the message says what would be allowed
  4  NATS or the service asked is not reachable, or not set up
  5  no such gate, task, kind or payment
  6  the gate closed again: its canary or its drain failed";

/// An end that has a number of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Ended {
    pub code: Code,
    text: String,
}

impl Ended {
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Ended { code, text: text.into() }
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Ended::new(Code::Usage, text)
    }

    pub fn refused(text: impl Into<String>) -> Self {
        Ended::new(Code::Refused, text)
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Ended::new(Code::NotFound, text)
    }
}

/// The number for an error, from whatever in its chain has one.
pub fn code_of(error: &anyhow::Error) -> Code {
    error.chain().find_map(code_of_one).unwrap_or(Code::Failed)
}

/// Whether it only says that nobody reads our output any more, as after `| head`.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|error| error.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn code_of_one(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return Some(ended.code);
    }
    let bus = match error.downcast_ref::<StoreError>() {
        Some(StoreError::Bus(bus)) => Some(bus),
        _ => error.downcast_ref::<BusError>(),
    };
    match error.downcast_ref::<JoinError>() {
        Some(JoinError::Bus(_) | JoinError::Store(_)) => None,
        Some(JoinError::NotSetUp | JoinError::OldSchema { .. } | JoinError::NewSchema { .. }) => {
            Some(Code::Bus)
        }
        None => bus.and_then(unreachable_bus),
    }
}

fn unreachable_bus(error: &BusError) -> Option<Code> {
    let away = matches!(
        error,
        BusError::Connect { .. }
            | BusError::Credentials { .. }
            | BusError::NobodyAnswers { .. }
            | BusError::TimedOut { .. }
            | BusError::Ended { .. }
    );
    (away || error.is_absent()).then_some(Code::Bus)
}
