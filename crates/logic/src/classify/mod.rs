//! What an answer of the inbox or the relay means, in both of the forms they have had.
//!
//! Since spring 2026 the inbox answers with typed codes (`409 NONCE_CONFLICT`); in March it
//! answered every failure of a paid post with 402, the payment terms once more, and the
//! relay's JSON inside a string. Both are read here.
//!
//! | phase | answer | becomes |
//! | --- | --- | --- |
//! | probe | 402 with terms | [`Answer::PaymentRequired`] |
//! | probe | 400, 404 | failure: `target.invalid`, `task.invalid` |
//! | paid | 201 | [`Answer::Delivered`], or [`Answer::Staged`] while its payment is pending |
//! | paid | 202 | [`Answer::Staged`] |
//! | paid, redeem | 409 `already_redeemed` | [`Answer::AlreadyRedeemed`] |
//! | paid | 402, whatever its body | failure, never a new request to pay |
//! | poll | queued, broadcasting, mempool | [`Answer::Staged`] |
//! | poll | confirmed | [`Answer::Confirmed`] |
//! | poll | failed, replaced, not found | [`Answer::Disowned`] |
//! | any | the rest | [`Answer::Failure`] with its cause |
//!
//! It promises: no answer to a paid post is ever proof that nothing was paid (M2), so every
//! failure of one says that it is in doubt; `relayCode` and `responsible` are believed over
//! text; every failure has a cause (T1).

mod codes;
mod evidence;

use std::time::Duration;

use domain::Cause;

/// What came back, as the shell found it in status, headers and JSON. A field that was absent
/// or of another type is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// `None`: no HTTP answer at all.
    pub status: Option<u16>,
    pub code: Option<String>,
    pub relay_code: Option<String>,
    pub error_code: Option<String>,
    /// `error`, or what the transport said when there was no answer.
    pub error: Option<String>,
    pub relay_detail: Option<String>,
    /// `sender`, `sponsor` or `network`.
    pub responsible: Option<String>,
    pub terminal_reason: Option<String>,
    pub retryable: Option<bool>,
    /// Seconds, from the body or the header.
    pub retry_after: Option<u64>,
    /// Of a delivered or staged message `inbox.paymentStatus`; of a poll `status`.
    pub payment_status: Option<String>,
    pub payment_id: Option<String>,
    pub check_url: Option<String>,
    pub message_id: Option<String>,
    pub existing_message_id: Option<String>,
    pub txid: Option<String>,
    /// The answer carries payment terms, in its header or body.
    pub has_terms: bool,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The post without a payment, which asks for the terms.
    Probe,
    /// The post with the signed payment.
    Paid,
    /// The status of a staged payment, at the inbox or at the relay.
    Poll,
    /// The post that names a settled transfer instead of carrying a payment.
    Redeem,
}

/// What it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The terms are in the answer.
    PaymentRequired,
    /// The message lies in the inbox.
    Delivered {
        message: Option<String>,
        txid: Option<String>,
    },
    /// Accepted, not confirmed; nothing is proved by it.
    Staged {
        payment_id: String,
        check_url: Option<String>,
    },
    /// The relay says that the transfer is on the chain. The chain has the last word.
    Confirmed {
        txid: Option<String>,
    },
    /// This payment has already bought a message.
    AlreadyRedeemed {
        message: Option<String>,
    },
    /// The relay no longer stands for the payment. That does not mean that it did not happen.
    Disowned(Failure),
    Failure(Failure),
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub cause: Cause,
    /// Status, codes and text, shortened.
    pub evidence: String,
    /// What the other side asks us to wait; a hint.
    pub retry_after: Option<Duration>,
    /// The payment may have been made all the same.
    pub in_doubt: bool,
}

/// Reads one answer.
pub fn classify(phase: Phase, reply: &Reply) -> Answer {
    match phase {
        Phase::Probe => probe(reply),
        Phase::Paid => paid(reply),
        Phase::Poll => poll(reply),
        Phase::Redeem => redeem(reply),
    }
}

fn probe(reply: &Reply) -> Answer {
    let word = match reply.status {
        Some(402) if reply.has_terms => return Answer::PaymentRequired,
        Some(400) if codes::our_message_is_bad(reply) => "task.invalid",
        Some(400 | 404) => "target.invalid",
        status => codes::by_status(status),
    };
    Answer::Failure(failure(reply, word, false))
}

fn paid(reply: &Reply) -> Answer {
    if let Some(answer) = accepted(reply) {
        return answer;
    }
    Answer::Failure(failure(reply, codes::of_paid_post(reply), true))
}

/// The answers to a paid post that are not failures.
fn accepted(reply: &Reply) -> Option<Answer> {
    let pending = reply.payment_status.as_deref() == Some("pending");
    match reply.status? {
        202 => staged(reply),
        // Without an id nobody can be asked about it: in doubt, for all it says of a message.
        200 | 201 if pending => staged(reply),
        200 | 201 if reply.message_id.is_some() => {
            let txid = reply.txid.clone().filter(|txid| !txid.is_empty());
            Some(Answer::Delivered { message: reply.message_id.clone(), txid })
        }
        409 if codes::already_redeemed(reply) => {
            Some(Answer::AlreadyRedeemed { message: reply.existing_message_id.clone() })
        }
        _ => None,
    }
}

fn staged(reply: &Reply) -> Option<Answer> {
    let payment_id = reply.payment_id.clone()?;
    Some(Answer::Staged { payment_id, check_url: reply.check_url.clone() })
}

fn poll(reply: &Reply) -> Answer {
    match reply.payment_status.as_deref() {
        Some("confirmed") => Answer::Confirmed { txid: reply.txid.clone() },
        Some("failed" | "replaced" | "not_found") => {
            Answer::Disowned(failure(reply, codes::of_terminal_reason(reply), true))
        }
        Some(_) if reply.status == Some(200) => Answer::Staged {
            payment_id: reply.payment_id.clone().unwrap_or_default(),
            check_url: reply.check_url.clone(),
        },
        _ => Answer::Failure(failure(reply, codes::of_poll(reply), true)),
    }
}

fn redeem(reply: &Reply) -> Answer {
    if let Some(answer) = accepted(reply) {
        return answer;
    }
    Answer::Failure(failure(reply, codes::of_redeem(reply), true))
}

fn failure(reply: &Reply, word: &'static str, in_doubt: bool) -> Failure {
    Failure {
        cause: Cause::known(word),
        evidence: evidence::of(reply),
        retry_after: reply
            .retry_after
            .or_else(|| evidence::embedded_number(reply, "retryAfter"))
            .map(Duration::from_secs),
        in_doubt,
    }
}
