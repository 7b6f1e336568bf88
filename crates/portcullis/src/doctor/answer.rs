//! One HTTP answer, as the judges see it.

use std::time::Duration;

use serde_json::Value;

use super::check::Said;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where it was no JSON.
    pub(crate) body: Value,
    /// Its beginning, for people.
    pub(crate) text: String,
    pub(crate) took: Duration,
}

/// So much of an answer is shown.
const SHOWN: usize = 120;

impl Answer {
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.body.pointer(path)?.as_str()
    }

    pub(crate) fn number(&self, path: &str) -> Option<u64> {
        self.body.pointer(path)?.as_u64()
    }

    /// How it reads, if it is not what was hoped for.
    pub(crate) fn complaint(&self) -> String {
        let start: String = self.text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        format!("it answers {}: {start}", self.status).trim_end_matches(": ").to_owned()
    }
}

/// The answer if it is 200 and JSON, else what is wrong with it.
pub(crate) fn good(said: &Said<Answer>) -> Result<&Answer, String> {
    match said {
        Ok(answer) if answer.status == 200 && !answer.body.is_null() => Ok(answer),
        Ok(answer) => Err(answer.complaint()),
        Err(why) => Err(why.clone()),
    }
}

#[cfg(test)]
pub(crate) fn json(status: u16, body: Value) -> Said<Answer> {
    let text = body.to_string();
    Ok(Answer { status, body, text, took: Duration::from_millis(12) })
}
