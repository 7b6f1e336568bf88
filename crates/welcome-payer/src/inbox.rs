//! The AIBTC inbox, and the relay where it only answers questions.

mod sent;
mod terms;

use std::time::Duration;

use domain::{Letter, PayerConfig, Sats, Signed};
use logic::{
    classify::{Answer, Failure, Phase, classify},
    payment::InboxWord,
};
use serde_json::{Value, json};
use stacks::{Address, Network, sbtc_asset};
use x402::{Chosen, PaymentRequired, Terms, header, select};

use crate::{
    http::{self, Response},
    reply::{cut, reply, sound_id},
};

pub use sent::Unlisted;
pub(crate) use terms::NoTerms;

/// For a post that carries a payment. The inbox may ask the relay for 20 s and the relay may
/// retry a broadcast for 23 (recorded); an answer that is not waited for is a payment in doubt.
pub(crate) const POST_WITHIN: Duration = Duration::from_secs(45);
const ASK_WITHIN: Duration = Duration::from_secs(15);
/// How far back the list is read, in pages of 100.
const PAGES_MAX: usize = 30;
/// A message that is there is there, however its id reads; so the id is cut, not refused.
const MESSAGE_ID_MAX: usize = 200;

/// The inbox as one wallet uses it, and the relay behind it.
#[derive(Clone, Debug)]
pub struct Inbox {
    client: reqwest::Client,
    relay: reqwest::Client,
    inbox_url: String,
    relay_url: String,
    network: Network,
    /// Our own address.
    wallet: Address,
}

impl Inbox {
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(config: &PayerConfig, network: Network, wallet: Address) -> reqwest::Result<Self> {
        Ok(Inbox {
            client: http::client(&config.inbox_url, POST_WITHIN)?,
            relay: http::client(&config.relay_url, ASK_WITHIN)?,
            inbox_url: config.inbox_url.trim_end_matches('/').to_owned(),
            relay_url: config.relay_url.trim_end_matches('/').to_owned(),
            network,
            wallet,
        })
    }

    /// Posts without a payment: what the answer means, and the terms in it as they read.
    async fn unpaid(
        &self,
        letter: &Letter,
    ) -> (Answer, Result<PaymentRequired, header::HeaderError>) {
        let request = self.client.post(self.route(letter)).timeout(ASK_WITHIN);
        let response = http::ask(request.json(&body(letter))).await;
        let required =
            PaymentRequired::read(response.header(header::PAYMENT_REQUIRED), &response.text);
        let mut reply = reply(&response);
        reply.has_terms = required.is_ok();
        (classify(Phase::Probe, &reply), required)
    }

    /// Posts without a payment, to learn the terms; those that fit come with the answer.
    pub(crate) async fn probe(&self, letter: &Letter) -> (Answer, Option<Chosen>) {
        let (answer, required) = self.unpaid(letter).await;
        let chosen = match (&answer, required) {
            (Answer::PaymentRequired, Ok(required)) => self.agree(&required, letter),
            _ => None,
        };
        (answer, chosen)
    }

    /// The entry of the terms that we may pay. What is too dear is agreed to here and refused
    /// by the payment machine, which says so.
    fn agree(&self, required: &PaymentRequired, letter: &Letter) -> Option<Chosen> {
        let (network, asset) = (self.network, sbtc_asset(self.network));
        let pay_to = letter.to_stx.parse().ok()?;
        let terms = Terms { network, asset, max_amount: u64::MAX, pay_to };
        match select(required, &terms) {
            Ok(chosen) => Some(chosen),
            Err(error) => {
                tracing::info!(payee = letter.to_stx, %error, "terms not agreed to");
                None
            }
        }
    }

    /// Posts with the payment: the stored header, the same each time.
    pub(crate) async fn pay(&self, letter: &Letter, signed: &Signed) -> Answer {
        let request = self.client.post(self.route(letter));
        let request = request.header(header::PAYMENT_SIGNATURE, &signed.header);
        let response = http::ask(request.json(&body(letter))).await;
        classify(Phase::Paid, &reply(&response))
    }

    /// Posts with the settled transfer in place of a payment.
    pub(crate) async fn redeem(&self, letter: &Letter, txid: &str, amount: Sats) -> Answer {
        let mut body = body(letter);
        body["paymentTxid"] = json!(txid.trim_start_matches("0x"));
        body["paymentSatoshis"] = json!(amount.get());
        let response = http::ask(self.client.post(self.route(letter)).json(&body)).await;
        classify(Phase::Redeem, &reply(&response))
    }

    /// The status of a staged payment. If it is confirmed, this makes the inbox deliver.
    pub(crate) async fn poll(&self, payment_id: &str) -> Answer {
        let url = format!("{}/payment-status/{}", self.inbox_url, plain(payment_id));
        self.status(self.client.get(url)).await
    }

    /// The same from the relay itself.
    pub async fn ask_relay(&self, payment_id: &str) -> Answer {
        let url = format!("{}/payment/{}", self.relay_url, plain(payment_id));
        self.status(self.relay.get(url)).await
    }

    async fn status(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = http::ask(request.timeout(ASK_WITHIN)).await;
        classify(Phase::Poll, &reply(&response))
    }

    /// Looks for a message of ours in the payee's inbox. Absent only where the whole list was
    /// read: a list without its end says nothing of what is not in the part that was seen.
    pub(crate) async fn look(&self, letter: &Letter) -> InboxWord {
        let (mut found, mut offset) = (InboxWord::Absent, 0);
        for _ in 0..PAGES_MAX {
            let query = [("view", "received"), ("status", "all")];
            let request = self.client.get(self.route(letter)).timeout(ASK_WITHIN).query(&query);
            let request = request.query(&[("limit", 100), ("offset", offset)]);
            let response = http::ask(request).await;
            let Some(messages) = messages(&response) else { return silent(&response) };
            for message in messages {
                match self.ours(message, letter) {
                    Some(word @ InboxWord::Found { same: true, .. }) => return word,
                    Some(word) if found == InboxWord::Absent => found = word,
                    _ => (),
                }
            }
            match response.body.pointer("/inbox/pagination/hasMore").and_then(Value::as_bool) {
                Some(false) => return found,
                Some(true) if !messages.is_empty() => offset += messages.len(),
                Some(true) => return endless("an empty page claims that more follows"),
                None => return endless("it does not say whether more follows"),
            }
        }
        endless(&format!("more than {offset} messages, the rest not read"))
    }

    fn ours(&self, message: &Value, letter: &Letter) -> Option<InboxWord> {
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let from: Address = text("fromAddress")?.parse().ok()?;
        if from != self.wallet || text("paymentStatus") == Some("pending") {
            return None;
        }
        Some(InboxWord::Found {
            message: cut(text("messageId")?, MESSAGE_ID_MAX),
            txid: text("paymentTxid").map(str::to_owned).and_then(sound_id),
            same: text("content") == Some(&letter.content),
        })
    }

    /// Whom we have sent messages, newest first: Stacks address and message id. Empty when
    /// the inbox does not know us.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub(crate) async fn sent(&self) -> Result<Vec<(String, String)>, String> {
        let url = format!("{}/inbox/{}", self.inbox_url, self.wallet);
        let request = self.client.get(url).timeout(ASK_WITHIN);
        let request = request.query(&[("view", "sent"), ("limit", "100")]);
        let response = http::ask(request).await;
        if response.status == Some(404) {
            return Ok(Vec::new());
        }
        let Some(messages) = messages(&response) else { return Err(response.complaint()) };
        let sent = |message: &Value| {
            let text = |name: &str| Some(cut(message.get(name)?.as_str()?, MESSAGE_ID_MAX));
            Some((text("toStxAddress")?, text("messageId")?))
        };
        Ok(messages.iter().filter_map(sent).collect())
    }

    /// By the Bitcoin address, which the inbox has always known agents by.
    fn route(&self, letter: &Letter) -> String {
        let address = if letter.to_btc.is_empty() { &letter.to_stx } else { &letter.to_btc };
        format!("{}/inbox/{address}", self.inbox_url)
    }
}

fn body(letter: &Letter) -> Value {
    let mut body = json!({ "toStxAddress": letter.to_stx, "content": letter.content });
    if !letter.to_btc.is_empty() {
        body["toBtcAddress"] = json!(letter.to_btc);
    }
    body
}

fn messages(response: &Response) -> Option<&Vec<Value>> {
    let ok = response.status == Some(200);
    response.body.pointer("/inbox/messages").and_then(Value::as_array).filter(|_| ok)
}

fn silent(response: &Response) -> InboxWord {
    let retry_after = reply(response).retry_after.map(Duration::from_secs);
    cannot_tell(&response.complaint(), retry_after)
}

/// It answers, but not all of it can be read.
fn endless(why: &str) -> InboxWord {
    cannot_tell(why, None)
}

fn cannot_tell(why: &str, retry_after: Option<Duration>) -> InboxWord {
    InboxWord::Silent {
        failure: Failure {
            cause: domain::Cause::known("inbox.unavailable"),
            evidence: format!("the list of messages: {why}"),
            retry_after,
            in_doubt: false,
        },
    }
}

/// An id from outside as part of a URL.
fn plain(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(128).collect()
}

#[cfg(test)]
mod tests;
