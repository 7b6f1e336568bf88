use std::time::Duration;

use domain::{GateName, Letter, Outcome, Payee, Sats, Signed, SourceKey, Timestamp};

use super::{step::Save, wallet::WalletFacts};
use crate::classify::{Answer, Failure};

/// What a payer may spend, and how patient it is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub amount_max: Sats,
    /// Payments that hold a nonce at once.
    pub in_flight: u32,
    pub unconfirmed_after: Duration,
    pub unresolved_after: Duration,
    /// When an attempt that must wait should come again.
    pub ask_every: Duration,
    /// How long one session stays with a staged payment.
    pub patience: Duration,
    /// How long it waits between two polls.
    pub poll_every: Duration,
}

/// Whom a request wants paid, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub payee: Payee,
    pub purpose: String,
    pub source_key: SourceKey,
    /// The address that pays.
    pub wallet: String,
    pub letter: Letter,
}

/// How far a session may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Begin the payment if there is none, and see it through.
    Pay(Box<Order>),
    /// See through what was begun; begin nothing. For what lies ahead of a request.
    Finish,
    /// Only ask; send nothing.
    Ask,
}

/// Whether sending is still allowed, as read from the leader right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The gates stand as admitted, the task is held, there was no contact.
    Granted,
    /// Not now: a gate moved, or the task changed hands.
    NotYet { gate: Option<GateName>, why: String },
    /// Not any more: there was contact, or the task has ended.
    Never { why: String },
}

/// What the inbox's list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboxWord {
    /// A message of ours to this payee. `same`: with the content of this payment.
    Found {
        message: String,
        txid: Option<String>,
        same: bool,
    },
    Absent,
    Silent {
        failure: Failure,
    },
}

/// What the chain says of the origin nonce; see [`judge`](super::judge).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainWord {
    /// The transfer is on the chain.
    Settled { txid: String },
    /// Another transaction has the nonce, or ours aborted.
    SpentElsewhere { txid: String, aborted: bool, deep: bool, what: String },
    /// Nothing has the nonce.
    Unspent { in_mempool: bool },
    /// The API is silent or contradicts itself.
    CannotTell { silent: bool, why: String },
}

/// What one process has learned about one payment since it took it up. Never saved: after a
/// crash everything is asked again.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) mode: Mode,
    pub(super) begun: Timestamp,
    /// What the inbox asks for, from an unpaid post of this session.
    pub(super) terms: Option<Sats>,
    /// Used up by the save that it allows.
    pub(super) leave: Option<Leave>,
    /// What the world says of the wallet right now; the error is why it does not say.
    pub(super) world: Option<Result<WalletFacts, String>>,
    pub(super) signed: Option<Signed>,
    /// That the bytes leave is stored, and this session has not sent them since.
    pub(super) cleared: bool,
    /// This session has sent the bytes once; it does not do so again.
    pub(super) posted: bool,
    /// An answer that the record does not show yet.
    pub(super) heard: Option<Answer>,
    /// Why the attempt fails, if asking brings nothing better.
    pub(super) failure: Option<Failure>,
    pub(super) inbox: Option<InboxWord>,
    pub(super) relay: Option<Answer>,
    /// The relay itself was asked, past the inbox.
    pub(super) relay_asked: bool,
    pub(super) chain: Option<ChainWord>,
    pub(super) redeemed: Option<Answer>,
    pub(super) rejected: bool,
    pub(super) ended: Option<Outcome>,
}

impl Session {
    pub fn new(mode: Mode, begun: Timestamp) -> Self {
        Session {
            mode,
            begun,
            terms: None,
            leave: None,
            world: None,
            signed: None,
            cleared: false,
            posted: false,
            heard: None,
            failure: None,
            inbox: None,
            relay: None,
            relay_asked: false,
            chain: None,
            redeemed: None,
            rejected: false,
            ended: None,
        }
    }

    /// The unpaid post was answered; `amount` is what fitting terms ask for, `None` when the
    /// terms are not ours (another network, asset or payee).
    pub fn on_probe(&mut self, answer: Answer, amount: Option<Sats>) {
        match (answer, amount) {
            (Answer::PaymentRequired, Some(amount)) => self.terms = Some(amount),
            (Answer::Failure(failure) | Answer::Disowned(failure), _) => {
                self.ended = Some(super::told::failed(&failure));
            }
            (answer, _) => self.ended = Some(super::told::foreign_terms(&answer)),
        }
    }

    pub fn on_inbox(&mut self, word: InboxWord) {
        self.inbox = Some(word);
    }

    pub fn on_leave(&mut self, leave: Leave) {
        self.leave = Some(leave);
    }

    /// What the chain and its mempool know of the wallet, or why they did not say.
    pub fn on_wallet(&mut self, facts: Result<WalletFacts, String>) {
        self.world = Some(facts);
    }

    /// Nothing can be signed for these terms; why.
    pub fn on_unsignable(&mut self, why: String) {
        self.ended = Some(super::told::failed_for("target.payment-terms", why));
    }

    /// What is to be paid, where this session may begin a payment.
    pub fn order(&self) -> Option<&Order> {
        match &self.mode {
            Mode::Pay(order) => Some(order),
            Mode::Finish | Mode::Ask => None,
        }
    }

    pub fn on_signed(&mut self, signed: Signed) {
        self.signed = Some(signed);
    }

    /// The paid post was answered, or nothing came back.
    pub fn on_post(&mut self, answer: Answer) {
        self.cleared = false;
        self.posted = true;
        self.heard = Some(answer);
        self.failure = None;
        // What was asked before the post says nothing about it.
        self.inbox = None;
        self.relay = None;
        self.chain = None;
    }

    /// The inbox was polled about a staged payment.
    pub fn on_poll(&mut self, answer: Answer) {
        match &answer {
            // The poll itself makes the inbox deliver: its list is worth another look.
            Answer::Confirmed { .. } => self.inbox = None,
            Answer::Disowned(failure) => self.failure = Some(failure.clone()),
            _ => (),
        }
        self.relay = Some(answer);
    }

    /// The relay was asked itself.
    pub fn on_relay(&mut self, answer: Answer) {
        self.relay_asked = true;
        if !matches!(answer, Answer::Failure(_)) {
            self.on_poll(answer);
        }
    }

    pub fn on_chain(&mut self, word: ChainWord) {
        self.chain = Some(word);
    }

    pub fn on_redeem(&mut self, answer: Answer) {
        self.redeemed = Some(answer);
    }

    /// The wait is over: what was asked before it is old.
    pub fn on_wake(&mut self) {
        self.inbox = None;
        self.relay = None;
        self.relay_asked = false;
        self.chain = None;
    }

    /// A save was refused because the wallet alone had moved: what it rested on is asked anew.
    pub fn on_refused(&mut self) {
        self.leave = None;
        self.world = None;
    }

    /// A save went through; the next step is taken from the records as saved.
    pub fn on_saved(&mut self, save: &Save) {
        use domain::PaymentStage as Stage;
        self.world = None;
        match &save.payment.stage {
            Stage::Intent | Stage::Signed(_) => self.leave = None,
            Stage::Sent(..) => {
                self.leave = None;
                self.cleared = true;
            }
            Stage::Rejected(..) => self.rejected = true,
            Stage::Staged(..) | Stage::Unknown(..) | Stage::Settled(..) => (),
        }
        if let Some(Answer::Failure(failure) | Answer::Disowned(failure)) = self.heard.take() {
            self.failure = Some(failure);
        }
    }
}
