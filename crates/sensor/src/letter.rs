//! What is said to an agent: the configured text with their name in it.
//!
//! The name is whatever the directory holds, so it is cleaned before it is shown or sent.

/// Longest text that the inbox takes, in UTF-16 units (wire facts: inbox request).
pub(crate) const MESSAGE_MAX: usize = 500;
/// Longest name that is used, in characters.
pub(crate) const NAME_MAX: usize = 60;
/// What stands for the name of an agent who has none.
const NAMELESS: &str = "agent";
const PLACE: &str = "{name}";

/// Why nothing can be said with a configured text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LetterError {
    #[error("message is blank")]
    Blank,
    #[error(
        "message has {units} UTF-16 units without any name, more than the {MESSAGE_MAX} that \
         the inbox takes"
    )]
    TooLong { units: usize },
}

/// A name fit to be shown: on one line, without control characters and without those that
/// turn the direction of the text around it. `None` when nothing is left.
pub(crate) fn name(raw: &str) -> Option<String> {
    let breaks = |c: char| c.is_whitespace() || c.is_control();
    let words = raw.split(breaks).map(|word| word.replace(turns, ""));
    let joined = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let short: String = joined.chars().take(NAME_MAX).collect();
    let short = short.trim_end();
    (!short.is_empty()).then(|| short.to_owned())
}

/// The message to an agent of that name, at most [`MESSAGE_MAX`] long: the name is shortened
/// if it has to be, the text never.
///
/// # Errors
///
/// When the text alone cannot be sent; that is the configuration's fault.
pub(crate) fn message(text: &str, name: Option<&str>) -> Result<String, LetterError> {
    let with = |name: &str| text.replace(PLACE, name);
    let bare = units(&with(""));
    if MESSAGE_MAX < bare {
        return Err(LetterError::TooLong { units: bare });
    }
    let mut name = name.unwrap_or(NAMELESS).to_owned();
    while MESSAGE_MAX < units(&with(&name)) {
        name.pop();
    }
    match with(&name) {
        blank if blank.trim().is_empty() => Err(LetterError::Blank),
        message => Ok(message),
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Characters that change how the text around them reads, or that hide in it.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{2028}'..='\u{2029}')
}

#[cfg(test)]
mod tests;
