use std::{fmt, str::FromStr};

/// How much of the slots a kind gets while others want them too. It orders no queue: within a
/// kind the tasks come in the order in which they were created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

/// Why a word is no [`Priority`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no priority; write \"high\", \"normal\" or \"low\"")]
pub struct PriorityError {
    pub text: String,
}

impl Priority {
    /// Of so many starts it gets so many parts: high 4, normal 2, low 1. A power of two, at
    /// most [`Priority::WEIGHT_MAX`].
    pub const fn weight(self) -> u64 {
        match self {
            Priority::Low => 1,
            Priority::Normal => 2,
            Priority::High => Priority::WEIGHT_MAX,
        }
    }

    pub const WEIGHT_MAX: u64 = 4;

    pub const fn word(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        }
    }
}

impl FromStr for Priority {
    type Err = PriorityError;

    fn from_str(text: &str) -> Result<Self, PriorityError> {
        let all = [Priority::Low, Priority::Normal, Priority::High];
        let found = all.into_iter().find(|priority| priority.word() == text);
        found.ok_or_else(|| PriorityError { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
