//! The words of Portcullis as types: parsed once, then trusted.
//!
//! Nothing here performs I/O, reads a clock or knows how a message looks on the bus.

mod budget;
mod cause;
mod config;
mod credential;
mod exec;
mod fingerprint;
mod firings;
mod gate;
mod incident;
mod key;
mod lineage;
mod model;
mod money;
mod name;
mod on_unknown;
mod payment;
mod priority;
mod retry;
mod seat;
mod sensor;
mod task;
mod template;
mod time;
mod usd;

pub use budget::{Budget, Left, Reservation, Spending};
pub use cause::{Blame, Cause, CauseError, RULES, Rule, RuleBlame};
pub use config::{
    ClosePolicy, Config, DirectoryConfig, GateConfig, Handler, KindConfig, PayerConfig,
    ResetPolicy, SensorConfig,
};
pub use credential::{
    CredentialConfig, CredentialRecord, CredentialSource, CredentialStanding, CredentialUse,
    ProviderConfig, RefreshConfig, RefreshRecord, RefreshStage, Refusal, Scheme,
};
pub use exec::{ExecConfig, ExecOutput};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use firings::{Fate, Firings, Owed, Unfired};
pub use gate::{Actor, Admission, Canary, Epoch, Gate, GateState, Reset, Trigger};
pub use incident::{Incident, JoinedFailure};
pub use key::{Key, KeyError, SourceKey, SourceKeyError};
pub use lineage::{Follower, Lineage};
pub use model::{AnthropicConfig, Price, Tokens};
pub use money::{MicroUsd, MicroUsdError, Sats};
pub use name::{
    CredentialName, GateName, HolderId, Kind, NameError, ProviderName, SensorName, ServiceName,
};
pub use on_unknown::{NoSuchAnswer, OnUnknown};
pub use payment::{
    Doubt, Letter, Payee, Payment, PaymentNote, PaymentStage, Proof, Rejection, Sent, Settlement,
    Signed, Staged, Unfinished, Wallet,
};
pub use priority::{Priority, PriorityError};
pub use retry::{RetriesSpent, RetryBudget, RetrySlice};
pub use seat::{DrainPace, Row, Seat};
pub use sensor::{HeaderConfig, HeaderValue, HttpConfig, Missed, ScheduleConfig, WhileClosed};
pub use task::{Claim, Cost, Created, Outcome, Phase, Task, TaskState, event_id};
pub use template::{Template, TemplateError};
pub use time::Timestamp;
pub use usd::{UsdHold, UsdLeft, UsdSpending};
