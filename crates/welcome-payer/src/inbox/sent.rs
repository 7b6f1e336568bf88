//! What the inbox lists as sent by us, read back to a stated time.

use domain::Timestamp;
use logic::reconcile::{Listed, SentMessage};
use serde_json::Value;
use stacks::Address;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{ASK_WITHIN, Inbox, MESSAGE_ID_MAX, messages};
use crate::{http, reply::cut};

/// So many pages of 100 are read and no more.
const SENT_PAGES_MAX: usize = 100;

/// The inbox did not say what we sent, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlisted {
    /// It lists what registered agents sent, and our wallet is none.
    #[error("the inbox does not know {wallet} as an agent, and so lists nothing that it sent")]
    Unknown { wallet: Address },
    #[error("ask the inbox what {wallet} has sent: {complaint}")]
    Silent { wallet: Address, complaint: String },
}

impl Inbox {
    /// The messages that we have sent, newest first, back to `since` and to 10,000 at most;
    /// the answer says how far it reaches.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub async fn sent_since(&self, since: Timestamp) -> Result<Listed<SentMessage>, Unlisted> {
        let silent = |complaint| Unlisted::Silent { wallet: self.wallet, complaint };
        let url = format!("{}/inbox/{}", self.inbox_url, self.wallet);
        let mut sent: Vec<SentMessage> = Vec::new();
        let (mut offset, mut oldest) = (0, None);
        for _ in 0..SENT_PAGES_MAX {
            let request = self.client.get(&url).timeout(ASK_WITHIN);
            let request = request.query(&[("view", "sent"), ("status", "all")]);
            let response = http::ask(request.query(&[("limit", 100), ("offset", offset)])).await;
            if response.status == Some(404) {
                return Err(Unlisted::Unknown { wallet: self.wallet });
            }
            let Some(page) = messages(&response) else {
                return Err(silent(response.complaint()));
            };
            offset += page.len();
            for found in page {
                let entry = message(found)
                    .ok_or_else(|| silent("a message without its id or addressee".to_owned()))?;
                oldest = entry.at.or(oldest);
                if !sent.contains(&entry) {
                    sent.push(entry);
                }
            }
            let more = response.body.pointer("/inbox/pagination/hasMore").and_then(Value::as_bool);
            let more = more
                .ok_or_else(|| silent("it does not say whether more messages follow".to_owned()))?;
            if !more {
                return Ok(Listed { entries: sent, whole_since: Timestamp::default(), cut: None });
            }
            if page.is_empty() {
                return Err(silent("an empty page claims that more follows".to_owned()));
            }
            if oldest.is_some_and(|oldest| oldest < since) {
                return Ok(Listed { entries: sent, whole_since: since, cut: None });
            }
        }
        let cut = format!("the inbox's list was read no further than {offset} messages");
        let whole_since = oldest.unwrap_or(Timestamp::from_millis(u64::MAX));
        Ok(Listed { entries: sent, whole_since, cut: Some(cut) })
    }
}

fn message(found: &Value) -> Option<SentMessage> {
    let text = |name: &str| found.get(name).and_then(Value::as_str);
    let to = text("toStxAddress")?;
    // In its canonical spelling, where it is an address at all.
    let to = to.parse().map_or_else(|_| cut(to, 60), |to: Address| to.to_string());
    Some(SentMessage {
        message: cut(text("messageId")?, MESSAGE_ID_MAX),
        to,
        at: text("sentAt").and_then(instant),
    })
}

/// A time as RFC 3339 writes it.
fn instant(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = at.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A message is read with its time and the one spelling of its addressee; without an id or
    /// an addressee it could not be compared with anything.
    #[test]
    fn reads_one_message() {
        let agent = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
        let found = json!({
            "messageId": "msg_1", "toStxAddress": agent, "sentAt": "1970-01-01T00:00:01.500Z",
        });
        let at = Some(Timestamp::from_millis(1_500));
        let read = SentMessage { message: "msg_1".to_owned(), to: agent.to_owned(), at };
        assert_eq!(message(&found), Some(read.clone()));
        let mut timeless = found.clone();
        timeless["sentAt"] = json!("yesterday");
        assert_eq!(message(&timeless), Some(SentMessage { at: None, ..read }));
        for missing in ["messageId", "toStxAddress"] {
            let mut part = found.clone();
            part[missing] = Value::Null;
            assert_eq!(message(&part), None, "{missing}");
        }
    }
}
