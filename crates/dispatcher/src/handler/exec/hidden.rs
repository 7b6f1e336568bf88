//! What a command must not repeat: the values of the variables that were passed on to it, which
//! is how secrets reach it. `set -x` or `curl -v` prints them; what is told of it shows `[NAME]`
//! in their place.

use std::ffi::OsString;

use domain::{Cause, ExecConfig, Outcome};

/// A shorter value, in bytes, is no secret, and stands in too many words that mean other things.
const LEAST: usize = 8;
/// A piece of a value at a cut that is shorter than so many bytes gives nothing away.
const PIECE_LEAST: usize = 4;
/// What [`wire::event::shorten`] leaves where it cuts.
const CUT: char = '…';

/// What is hidden, and behind which name; the longest first, since one may hold another.
pub(super) struct Hidden(Vec<(String, String)>);

impl Hidden {
    /// The values of all variables that `exec` names, as `value_of` tells them.
    pub(super) fn of(exec: &ExecConfig, value_of: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut hidden = Vec::new();
        for name in &exec.env {
            let value = value_of(name).unwrap_or_default().to_string_lossy().into_owned();
            // What has several lines is also printed line by line, and shells drop line ends.
            let lines = value.lines().map(str::trim);
            let pieces = [value.trim()].into_iter().chain(lines);
            let worth = pieces.filter(|piece| LEAST <= piece.len());
            hidden.extend(worth.map(|piece| (piece.to_owned(), format!("[{name}]"))));
        }
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Hidden(hidden)
    }

    /// `text` without them.
    ///
    /// `headless`: it was cut in front, where the rest of one may stand.
    pub(super) fn hide(&self, text: &str, headless: bool) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.0 {
            text = text.replace(value, name);
        }
        if headless {
            text = self.without_head(text.trim_start_matches('\u{fffd}'));
        }
        let mut parts: Vec<String> = text.split(CUT).map(str::to_owned).collect();
        let last = parts.pop().unwrap_or_default();
        let mut cut: String = parts.iter().map(|part| self.without_tail(part)).collect();
        cut.push_str(&last);
        cut
    }

    /// Without the end of a value, where the text begins with one.
    fn without_head(&self, text: &str) -> String {
        let piece = |(value, name): &(String, String)| {
            let mut rests = value.char_indices().map(|(at, _)| &value[at..]);
            let rest = rests.find(|rest| PIECE_LEAST <= rest.len() && text.starts_with(rest))?;
            Some((rest.len(), name.clone()))
        };
        match self.0.iter().filter_map(piece).max_by_key(|(length, _)| *length) {
            Some((length, name)) => format!("{name}{}", &text[length..]),
            None => text.to_owned(),
        }
    }

    /// Without the beginning of a value, where the text was cut.
    fn without_tail(&self, text: &str) -> String {
        let piece = |(value, name): &(String, String)| {
            let mut begins = value.char_indices().rev().map(|(at, _)| &value[..at]);
            let begin = begins.find(|it| PIECE_LEAST <= it.len() && text.ends_with(it))?;
            Some((text.len() - begin.len(), name.clone()))
        };
        match self.0.iter().filter_map(piece).min_by_key(|(at, _)| *at) {
            Some((at, name)) => format!("{}{name}{CUT}", &text[..at]),
            None => format!("{text}{CUT}"),
        }
    }

    /// An outcome without them, in all its texts.
    pub(super) fn hide_in(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Completed { effect, cost } => {
                Outcome::Completed { effect: self.hide(&effect, false), cost }
            }
            Outcome::Failed { cause, evidence, retry_after, cost } => {
                let (cause, evidence) = (self.cause(cause), self.hide(&evidence, false));
                Outcome::Failed { cause, evidence, retry_after, cost }
            }
            Outcome::Unknown { cause, evidence, retry_after, cost } => {
                let (cause, evidence) = (self.cause(cause), self.hide(&evidence, false));
                Outcome::Unknown { cause, evidence, retry_after, cost }
            }
            Outcome::Held { gate, why } => Outcome::Held { gate, why: self.hide(&why, false) },
            Outcome::Moot { why } => Outcome::Moot { why: self.hide(&why, false) },
        }
    }

    /// A cause that holds one says nothing but that the command has failed.
    fn cause(&self, cause: Cause) -> Cause {
        let holds = self.0.iter().any(|(value, _)| cause.as_str().contains(value.as_str()));
        if holds { Cause::known("exec.failed") } else { cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(values: &[(&str, &str)]) -> Hidden {
        let env = values.iter().map(|(name, _)| (*name).to_owned()).collect();
        let exec = ExecConfig { env, ..ExecConfig::of(vec!["./x".to_owned()]) };
        let value = |name: &str| values.iter().find(|(other, _)| *other == name);
        Hidden::of(&exec, |name| value(name).map(|(_, value)| (*value).into()))
    }

    /// Every occurrence goes, the longest first; what is too short to be a secret stays.
    #[test]
    fn hides_every_occurrence() {
        let hidden = hidden(&[("KEY", "sk-12345"), ("LONG", "sk-12345-more"), ("MODE", "fast")]);
        assert_eq!(
            hidden.hide("a sk-12345 sk-12345-more sk-12345 fast", false),
            "a [KEY] [LONG] [KEY] fast"
        );
        let lines = super::tests::hidden(&[("PEM", "-----BEGIN\nAAAABBBBCCCC\n-----END--\n")]);
        assert_eq!(lines.hide("+ AAAABBBBCCCC", false), "+ [PEM]");
        assert_eq!(lines.hide("<-----BEGIN\nAAAABBBBCCCC\n-----END-->", false), "<[PEM]>");
    }

    /// Where a text was cut, no piece of one is left.
    #[test]
    fn hides_what_a_cut_has_left() {
        let hidden = hidden(&[("KEY", "sk-1234567")]);
        assert_eq!(hidden.hide("-1234567 and", true), "[KEY] and");
        assert_eq!(hidden.hide("-1234567 and", false), "-1234567 and");
        assert_eq!(hidden.hide("it is sk-123456…", false), "it is [KEY]…");
        assert_eq!(hidden.hide("it is so…", false), "it is so…");
        assert_eq!(hidden.hide("\"sk-12345…\" is none… of", false), "\"[KEY]…\" is none… of");
    }
}
