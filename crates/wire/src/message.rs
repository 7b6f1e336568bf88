//! Messages that are no words of the domain: questions, answers and signs of life.

use domain::{Admission, Cause, Config, Epoch, Gate, GateName, HolderId, Outcome, Task, Timestamp};

/// A question to the service that handles a kind, on `svc.<service>.run`.
///
/// It may be asked twice: the service answers for the source key, not for the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    pub task: Task,
    pub attempt: u32,
    pub holder: HolderId,
    pub admitted: Vec<Admission>,
}

/// The answer to a [`RunRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReply {
    pub outcome: Outcome,
}

/// A person's word to the gatekeepers, on [`crate::subject::GATEKEEPER_COMMAND`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateCommand {
    pub gate: GateName,
    pub person: String,
    pub note: String,
    /// The epoch that the person saw; `None` for whatever it is now.
    pub expected_epoch: Option<Epoch>,
    pub verb: GateVerb,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateVerb {
    Open {
        without_canary: bool,
        accept: Vec<Cause>,
    },
    /// `None` for `operator.closed`.
    Close {
        cause: Option<Cause>,
    },
}

/// The answer to a [`GateCommand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateCommandReply {
    /// Why it was not done and what to do; `None` when it was done.
    pub refused: Option<String>,
    /// The gate as it stands now, where it could be read.
    pub gate: Option<Gate>,
    /// Tasks waiting of the kinds that need it.
    pub waiting: u64,
}

/// A person's word to the payers, on [`crate::subject::ADOPT`]: the wallet's record is older
/// than the world, and is to follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptRequest {
    pub person: String,
    pub note: String,
    /// Only say what would be done.
    pub look: bool,
    /// The record's next nonce that the person saw; `None` for whatever it is now.
    pub expected_next: Option<u64>,
}

/// The answer to an [`AdoptRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptReply {
    /// Why it was not done and what to do; `None` when it was done, or would be.
    pub refused: Option<String>,
    /// The wallet's address; empty where there is no wallet.
    pub wallet: String,
    /// The record's next nonce before and afterwards.
    pub before: u64,
    pub next: u64,
    /// The nonce that the chain expects next.
    pub chain_next: u64,
    /// Nonces of the wallet that wait in the mempool.
    pub mempool: Vec<u64>,
    /// Messages to payees of whom the record knows nothing, a sentence each.
    pub unknown_messages: Vec<String>,
}

/// That a person had a wallet's record follow the world, for ever on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletAdopted {
    pub wallet: String,
    pub person: String,
    pub note: String,
    pub at: Timestamp,
    /// The record's next nonce before and afterwards.
    pub before: u64,
    pub next: u64,
    pub chain_next: u64,
}

/// A version of the configuration, with who applied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedConfig {
    pub config: Config,
    pub schema: u32,
    pub by: String,
    pub at: Timestamp,
    pub note: String,
}

/// What a sensor has created on one day (UTC, `2026-03-11`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayBudget {
    pub day: String,
    pub used: u32,
}

/// Contact with a payee: never greet again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub address: String,
    pub purpose: String,
    pub how: String,
    pub at: Timestamp,
}

/// A service's sign of life, each second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    pub service: String,
    pub id: String,
    pub at: Timestamp,
    pub config_version: u64,
    pub running: u32,
    pub latches: Vec<Latch>,
    /// Why the gates are not known; empty while they are.
    pub blind: String,
    /// Stream sequence of the newest gate message that the service has taken in.
    pub head: u64,
    /// Of Portcullis, as the program was built; empty from one that does not say yet.
    pub version: String,
}

/// A gate at which a dispatcher holds itself back until a gatekeeper answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latch {
    pub gate: GateName,
    pub epoch: Epoch,
    pub event: String,
    pub since: Timestamp,
}
