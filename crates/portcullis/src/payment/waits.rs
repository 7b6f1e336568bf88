//! What a payment waits for, and who may act.

use domain::{
    Doubt, GateName, PayerConfig, Payment, PaymentStage as Stage, Proof, Timestamp, Wallet,
};

use crate::{
    show::{ago, until},
    task::standing::Standing,
};

/// What is known around a payment.
pub(super) struct Around<'a> {
    pub(super) payer: &'a PayerConfig,
    /// The record of the wallet that pays.
    pub(super) wallet: Option<&'a Wallet>,
    pub(super) tasks: &'a [Standing],
    /// The gates that are CLOSED and that the task needs.
    pub(super) closed: &'a [GateName],
    /// Payers alive; `None` where nobody listened for them.
    pub(super) payers: Option<usize>,
    pub(super) now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) who: Who,
    pub(super) what: String,
    /// What a person types, where it is a person's turn.
    pub(super) command: Option<String>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    Payer,
    Person,
}

impl Who {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Who::Nobody => "nobody",
            Who::Payer => "payer",
            Who::Person => "person",
        }
    }

    pub(super) const fn told(self) -> &'static str {
        match self {
            Who::Nobody => "nobody: it is over",
            Who::Payer => "the payer, by itself",
            Who::Person => "a person",
        }
    }
}

pub(super) fn waits(payment: &Payment, around: &Around<'_>) -> Waits {
    match &payment.stage {
        Stage::Settled(_, settlement) if settlement.proof == Proof::Chain => {
            undelivered(payment, around)
        }
        Stage::Settled(..) => nobody("nothing".to_owned()),
        Stage::Rejected(..) if open_task(around) => with_leave(
            around,
            "the task asks again, and a new payment begins with a nonce of its own".to_owned(),
        ),
        Stage::Rejected(..) => nobody("nothing: no task asks for it any more".to_owned()),
        Stage::Intent if !open_task(around) => {
            nobody("nothing: nothing is signed, and no task asks for it any more".to_owned())
        }
        Stage::Intent => with_leave(around, "its turn to be signed".to_owned()),
        Stage::Signed(_) if !open_task(around) => {
            payer(around, "the payer, which gives its nonce back: no task asks for it any more")
        }
        Stage::Signed(_) => with_leave(around, ahead(payment, around)),
        Stage::Sent(..) => payer(around, "the answer to its post, or the payer's asking after it"),
        Stage::Staged(_, _, staged) => payer(
            around,
            &format!("the relay to confirm {}, which the payer polls", staged.payment_id),
        ),
        Stage::Unknown(_, _, doubt) => doubted(around, doubt),
    }
}

/// Nobody knows what became of the bytes.
fn doubted(around: &Around<'_>, doubt: &Doubt) -> Waits {
    let now = around.now;
    if let Some(since) = doubt.untold_since
        && around.payer.unresolved_after <= now.since(since)
    {
        let told = ago(since, now);
        let what =
            format!("inbox, relay and chain, none of which has been able to tell since {told}");
        return person(what, Some("portcullis gate show wallet".to_owned()));
    }
    if let Some(time) = doubt.not_before.filter(|time| now < *time) {
        let what = format!(
            "the other side asked us to wait; sent again, if need be, {}",
            until(time, now)
        );
        return payer(around, &what);
    }
    let asked = "the payer asks inbox, relay and chain what became of it";
    match around.closed.first() {
        Some(gate) => person(
            format!("{asked}; the same bytes are sent again only once gate {gate} is opened"),
            Some(opening(gate)),
        ),
        None if !open_task(around) => payer(
            around,
            &format!(
                "{asked}; no task asks for it any more, so the same bytes are sent again, if need \
                 be, along with the next payment of this wallet"
            ),
        ),
        None => payer(around, &format!("{asked}, and sends the same bytes again if nothing did")),
    }
}

/// Paid, and the inbox refused to deliver for it: the transfer still buys its message.
fn undelivered(payment: &Payment, around: &Around<'_>) -> Waits {
    if open_task(around) {
        let what = "the task's next attempt, which asks the inbox once more to deliver for it";
        return with_leave(around, what.to_owned());
    }
    person(
        "paid and never delivered; put back, its task asks the inbox once more and pays nothing"
            .to_owned(),
        Some(format!("portcullis task retry {} --note \"…\"", payment.source_key)),
    )
}

/// What goes on as soon as money may leave.
fn with_leave(around: &Around<'_>, what: String) -> Waits {
    match around.closed.first() {
        Some(gate) => {
            person(format!("gate {gate}, which is CLOSED; then {what}"), Some(opening(gate)))
        }
        None => payer(around, &what),
    }
}

fn ahead(payment: &Payment, around: &Around<'_>) -> String {
    let own = payment.signed().map_or(0, |signed| signed.nonce);
    let unfinished = around.wallet.map(|wallet| wallet.unfinished.as_slice()).unwrap_or_default();
    let before = unfinished.iter().filter(|held| held.nonce < own && held.settled.is_none());
    let before: Vec<String> = before.map(|held| held.nonce.to_string()).collect();
    match before.as_slice() {
        [] => "its turn to be sent, with the task's next attempt".to_owned(),
        before => format!("the payments before it, with nonces {}", before.join(", ")),
    }
}

/// The payer goes on by itself, if there is one.
fn payer(around: &Around<'_>, what: &str) -> Waits {
    if around.payers == Some(0) {
        let what = format!("{what}; and no welcome-payer is running: start it");
        return Waits { who: Who::Person, what, command: Some("welcome-payer".to_owned()) };
    }
    Waits { who: Who::Payer, what: what.to_owned(), command: None }
}

fn nobody(what: String) -> Waits {
    Waits { who: Who::Nobody, what, command: None }
}

fn person(what: String, command: Option<String>) -> Waits {
    Waits { who: Who::Person, what, command }
}

fn open_task(around: &Around<'_>) -> bool {
    around.tasks.iter().any(|task| !task.ended)
}

fn opening(gate: &GateName) -> String {
    format!("portcullis gate open {gate} --note \"…\"")
}

#[cfg(test)]
mod tests;
