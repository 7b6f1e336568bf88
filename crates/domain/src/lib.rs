//! The words of Portcullis as types: parsed once, then trusted.
//!
//! Nothing here performs I/O, reads a clock or knows how a message looks on the bus.

mod budget;
mod cause;
mod config;
mod credential;
mod fingerprint;
mod gate;
mod incident;
mod key;
mod money;
mod name;
mod payment;
mod seat;
mod task;
mod time;

pub use budget::{Budget, Left, Reservation, Spending};
pub use cause::{Blame, Cause, CauseError, RULES, Rule, RuleBlame};
pub use config::{
    ClosePolicy, Config, DirectoryConfig, GateConfig, Handler, KindConfig, PayerConfig,
    SensorConfig,
};
pub use credential::{CredentialConfig, CredentialSource, CredentialUse, ProviderConfig, Scheme};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use gate::{Actor, Admission, Canary, Epoch, Gate, GateState, Trigger};
pub use incident::{Incident, JoinedFailure};
pub use key::{Key, KeyError, SourceKey, SourceKeyError};
pub use money::{MicroUsd, Sats};
pub use name::{
    CredentialName, GateName, HolderId, Kind, NameError, ProviderName, SensorName, ServiceName,
};
pub use payment::{
    Doubt, Letter, Payee, Payment, PaymentNote, PaymentStage, Proof, Rejection, Sent, Settlement,
    Signed, Staged, Unfinished, Wallet,
};
pub use seat::{DrainPace, Row, Seat};
pub use task::{Claim, Cost, Outcome, Phase, Task, TaskState, event_id};
pub use time::Timestamp;
