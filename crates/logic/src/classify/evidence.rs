use super::Reply;

/// What is kept of an answer, for whoever has to look into it.
const EVIDENCE_MAX: usize = 400;

/// Status, codes and text of an answer in one line.
pub(super) fn of(reply: &Reply) -> String {
    let mut words = vec![match reply.status {
        Some(status) => status.to_string(),
        None => "no answer".to_owned(),
    }];
    let fields = [
        ("", &reply.code),
        ("relay ", &reply.relay_code),
        ("errorCode ", &reply.error_code),
        ("status ", &reply.payment_status),
        ("reason ", &reply.terminal_reason),
        ("responsible ", &reply.responsible),
        ("", &reply.error),
        ("detail ", &reply.relay_detail),
    ];
    for (name, value) in fields {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            words.push(format!("{name}{value}"));
        }
    }
    let line: String = words.join(" · ").chars().filter(|c| !c.is_control()).collect();
    line.chars().take(EVIDENCE_MAX).collect()
}

/// The relay's code out of the March form: JSON within the text of `error`.
pub(super) fn embedded_code(reply: &Reply) -> Option<String> {
    let text = embedded(reply, "code")?;
    let value = text.strip_prefix('"')?;
    let code: String =
        value.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!code.is_empty()).then_some(code)
}

/// A number out of the same.
pub(super) fn embedded_number(reply: &Reply, name: &str) -> Option<u64> {
    let digits: String = embedded(reply, name)?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What follows `"name":` in the text of `error`; quotes may be escaped once or twice over.
fn embedded(reply: &Reply, name: &str) -> Option<String> {
    let text = reply.error.as_deref()?.replace('\\', "");
    let start = text.find(&format!("\"{name}\":"))? + name.len() + 3;
    Some(text[start..].trim_start().to_owned())
}
