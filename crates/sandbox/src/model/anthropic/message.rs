use serde::Serialize;

/// What a request comes down to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) model: String,
    /// What was said last.
    pub(crate) question: String,
    /// Everything that is read, in bytes.
    pub(crate) bytes: usize,
    pub(crate) max_tokens: u64,
}

/// What is billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) stop_reason: &'static str,
    pub(crate) usage: Usage,
}

/// A token is about so many characters of English.
const TOKEN_CHARS: usize = 4;
/// So much of a question is repeated in its answer.
const ECHOED: usize = 200;

impl Usage {
    pub(super) fn add(&mut self, other: Usage) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
}

/// The same answer to the same question, always; cut off where it has more tokens than asked for.
pub(super) fn write(request: &Request, answer: Option<&str>, refuses: bool) -> Message {
    let question: String = request.question.chars().take(ECHOED).collect();
    let mut text = answer.map_or_else(|| format!("You asked: {question}"), str::to_owned);
    let mut stop_reason = "end_turn";
    if refuses {
        (text, stop_reason) = (String::new(), "refusal");
    }
    let most = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
    let kept = most.saturating_mul(TOKEN_CHARS);
    if kept < text.chars().count() {
        (text, stop_reason) = (text.chars().take(kept).collect(), "max_tokens");
    }
    let tokens = |length: usize| u64::try_from(length.div_ceil(TOKEN_CHARS)).unwrap_or(u64::MAX);
    let output_tokens = tokens(text.chars().count()).max(1);
    let usage = Usage { input_tokens: tokens(request.bytes).max(1), output_tokens };
    Message { text, stop_reason, usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer has no more tokens than were asked for, and then says so.
    #[test]
    fn stops_where_it_is_told_to() {
        let request =
            Request { question: "?".repeat(99), bytes: 99, max_tokens: 3, ..Request::default() };
        let message = write(&request, None, false);
        assert_eq!((message.text.len(), message.stop_reason), (12, "max_tokens"));
        assert_eq!(message.usage, Usage { input_tokens: 25, output_tokens: 3 });
        let whole = write(&Request { max_tokens: 100, ..request }, Some("short"), false);
        assert_eq!((whole.text.as_str(), whole.stop_reason), ("short", "end_turn"));
    }
}
