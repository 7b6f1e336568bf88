use super::{Data, Words};

impl Words {
    pub(super) fn credential(verb: &str, data: &Data<'_>) -> Words {
        let what = match verb {
            "expires-soon" => "credential expires",
            "refreshed" => "secret refreshed",
            "refresh-failed" => "refresh failed",
            "exhausted" => "no credential left",
            "unreadable" => "secret unreadable",
            _ => "",
        };
        let what = if what.is_empty() { format!("credential {verb}") } else { what.to_owned() };
        let text = |name: &str| data.text(name).map(str::to_owned);
        let provider = text("provider").unwrap_or_default();
        let about = match data.text("credential") {
            Some(credential) => format!("{provider}/{credential}"),
            None => provider,
        };
        let more = [
            text("cause"),
            text("why"),
            text("expires").map(|at| format!("at {at}")),
            text("fingerprint"),
            text("instead_of").map(|old| format!("instead of {old}")),
            text("by").map(|by| format!("by {by}")),
            text("note"),
            text("evidence"),
        ];
        Words { what, about, number: None, more: more.into_iter().flatten().collect() }
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::{Value, json};

    use crate::watch::words::told_line;

    #[track_caller]
    fn check(verb: &str, data: &Value, expected: &str) {
        let subject = format!("event.credential.{verb}.anthropic");
        let at = Timestamp::from_millis(1_773_219_600_000);
        let line = told_line(&json!({ "data": data }), &subject, at, Some(120));
        let line: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(line.join(" "), expected);
    }

    /// What happens to a credential is told by its name and fingerprint, and what a person does.
    #[test]
    fn credentials_in_words() {
        let refused = json!({
            "provider": "anthropic", "credential": "oauth", "fingerprint": "00ff", "why": "expired",
            "by": "dispatcher/1", "evidence": "401",
        });
        let line = "09:00:00 credential refused anthropic/oauth expired 00ff by dispatcher/1 401";
        check("refused", &refused, line);
        let exhausted = json!({
            "provider": "anthropic", "credential": null, "cause": "anthropic.auth-expired",
        });
        let line = "09:00:00 no credential left anthropic anthropic.auth-expired";
        check("exhausted", &exhausted, line);
        let soon = json!({
            "provider": "anthropic", "credential": "oauth", "expires": "2026-03-11T11:00:00.000Z",
        });
        let line = "09:00:00 credential expires anthropic/oauth at 2026-03-11T11:00:00.000Z";
        check("expires-soon", &soon, line);
    }
}
