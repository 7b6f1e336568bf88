use std::{fmt, str::FromStr};

use crate::Handler;

/// What follows when nobody knows what an attempt did: no answer came, its dispatcher was
/// stopped or vanished, it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// The handler is asked again, uncharged: it knows by the source key what it did before. Charged
    /// when it has answered and nobody understands it.
    Resolve,
    /// It runs again: doing it twice is harmless. It is charged, so that it ends some time, unless
    /// a gate closes on it, or its dispatcher was stopped in the middle of it.
    Rerun,
    /// It is parked, and a person decides: an effect may have happened.
    Ask,
}

/// Why a word is not an [`OnUnknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of \"ask\", \"rerun\" and \"resolve\"")]
pub struct NoSuchAnswer {
    pub word: String,
}

impl OnUnknown {
    /// What holds unless the configuration says otherwise.
    ///
    /// A service is a program that can be asked what it did. A command cannot, and whatever it
    /// does outside may have happened: to repeat that is a person's decision, taken beforehand
    /// with `rerun`, or when it has come to it. A model that is asked twice costs twice, and
    /// changes nothing else.
    pub const fn of(handler: &Handler) -> Self {
        match handler {
            Handler::Service { .. } | Handler::JsonService { .. } => OnUnknown::Resolve,
            Handler::Exec(_) => OnUnknown::Ask,
            Handler::Anthropic(_) => OnUnknown::Rerun,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            OnUnknown::Resolve => "resolve",
            OnUnknown::Rerun => "rerun",
            OnUnknown::Ask => "ask",
        }
    }
}

impl fmt::Display for OnUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for OnUnknown {
    type Err = NoSuchAnswer;

    fn from_str(word: &str) -> Result<Self, NoSuchAnswer> {
        let all = [OnUnknown::Resolve, OnUnknown::Rerun, OnUnknown::Ask];
        let found = all.into_iter().find(|answer| answer.word() == word);
        found.ok_or_else(|| NoSuchAnswer { word: word.chars().take(40).collect() })
    }
}
