use std::time::Duration;

use crate::{Kind, Template};

/// Any list that is served as JSON: one task for each item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub kind: Kind,
    pub url: String,
    /// Where the list lies in the answer, as a JSON pointer (RFC 6901); empty for all of it.
    pub items: String,
    /// Where the answer has the URL of the next page, as a JSON pointer; `None`: one page.
    pub next: Option<String>,
    /// The source key of an item, from its fields. The same item has the same key for ever.
    pub key: Template,
    /// JSON whose texts are templates over the item's fields; `None`: the item as it is.
    pub payload: Option<String>,
    pub every: Duration,
    /// Tasks created in one cycle, and in one day (UTC), at most.
    pub cap_cycle: u32,
    pub cap_day: u32,
    pub headers: Vec<HeaderConfig>,
}

/// One header of a request. No secret stands in a configuration: those are named by where they
/// lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderConfig {
    pub name: String,
    /// Stands before the value: `Bearer `.
    pub prefix: String,
    pub value: HeaderValue,
}

impl HeaderConfig {
    /// What is sent for a value as it was read; `None` where that is empty. Spaces and line ends
    /// around it are not part of it.
    pub fn sent(&self, read: &str) -> Option<String> {
        let value = read.trim();
        (!value.is_empty()).then(|| format!("{}{value}", self.prefix))
    }
}

/// Where the value of a header comes from, read anew for each cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// Not secret.
    Plain(String),
    /// The path of a file that holds nothing else.
    File(String),
    /// The name of a variable in the sensor's environment.
    Env(String),
}

/// A schedule: one task for each time that its cron expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    pub kind: Kind,
    /// Five fields, or six with seconds first.
    pub cron: String,
    /// The time zone that the expression is meant in, by its IANA name.
    pub zone: String,
    /// The source key of a firing, from `{time}`, `{date}` and `{sensor}`.
    pub key: Template,
    /// JSON whose texts are templates over the same fields.
    pub payload: String,
    pub missed: Missed,
    /// A firing that no sensor has looked at for so long was missed.
    pub late: Duration,
    /// Firings that are kept for later at once, at most.
    pub held_max: u32,
    /// Tasks created in one day (UTC), at most.
    pub cap_day: u32,
}

/// What becomes of firings during which no sensor ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    #[default]
    Skip,
    /// The newest of them is created, the others are skipped.
    Once,
    All,
}

/// What becomes of a firing of a kind while one of its gates does not admit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileClosed {
    /// It is kept, and created once the gates admit.
    #[default]
    Hold,
    /// It is never created.
    Drop,
    /// Of all that are held back, only the newest is created.
    Collapse,
}

impl Missed {
    pub const ALL: [Missed; 3] = [Missed::Skip, Missed::Once, Missed::All];

    pub const fn word(self) -> &'static str {
        match self {
            Missed::Skip => "skip",
            Missed::Once => "once",
            Missed::All => "all",
        }
    }
}

impl WhileClosed {
    pub const ALL: [WhileClosed; 3] = [WhileClosed::Hold, WhileClosed::Drop, WhileClosed::Collapse];

    pub const fn word(self) -> &'static str {
        match self {
            WhileClosed::Hold => "hold",
            WhileClosed::Drop => "drop",
            WhileClosed::Collapse => "collapse",
        }
    }
}
