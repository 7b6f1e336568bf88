use std::time::Duration;

use domain::{
    Cause, Outcome, Payment, PaymentStage as Stage, Rejection, Reservation, Sats, Sent, Signed,
    Spending, Timestamp, Wallet,
};

use super::{
    budget::{self, Purse},
    record,
    session::{InboxWord, Leave, Limits, Mode, Order, Session},
    told, wallet,
};

/// What the shell must do next; then it reports back to the [`Session`] and asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Post without a payment, to read the terms. Report with [`Session::on_probe`].
    Probe,
    /// Look for our message in the inbox's list. [`Session::on_inbox`].
    AskInbox,
    /// Read from the leader: the requester's gates as admitted, its task still held, no
    /// contact with this payee, and this payee's task not ended; the last does not matter any
    /// more when the bytes may have been `sent`. [`Session::on_leave`].
    CheckLeave { sent: bool },
    /// Ask the chain what the wallet has, then for its next nonce and what waits in the mempool,
    /// and only then read the wallet's record again. [`Session::on_wallet`].
    AskWallet,
    /// Sign a transfer. [`Session::on_signed`].
    Sign { nonce: u64, amount: Sats },
    /// Store all of it in one batch, each a compare-and-set on what was read; then
    /// [`Session::on_saved`]. Refused: read again, and begin a new session if the payment was
    /// written by somebody else; [`Session::on_refused`] if only the wallet was.
    Save(Box<Save>),
    /// Post the stored bytes with the stored header. [`Session::on_post`].
    Post,
    /// Ask the inbox for the status of the staged payment. [`Session::on_poll`].
    Poll { payment_id: String },
    /// Ask the relay itself. [`Session::on_relay`].
    AskRelay { payment_id: String },
    /// Ask the chain where the origin nonce went. [`Session::on_chain`].
    AskChain { nonce: u64 },
    /// Post with the settled transfer's txid in place of a payment. [`Session::on_redeem`].
    Redeem { txid: String },
    /// Wait so long; then [`Session::on_wake`].
    Wait { time: Duration },
    /// The session is over. `then` is stored after the answer was given.
    Answer { outcome: Outcome, then: Option<Box<Payment>> },
}

/// What is stored in one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    pub payment: Payment,
    /// `None`: unchanged.
    pub wallet: Option<Wallet>,
    /// Contact with the payee is recorded too.
    pub contact: bool,
    /// What the kind has spent and holds reserved. `None`: unchanged.
    pub spending: Option<Spending>,
}

/// Where a payment stands in the eyes of one session.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The record as last read or saved; `None` when there is none.
    pub payment: Option<&'a Payment>,
    pub wallet: &'a Wallet,
    pub session: &'a Session,
    pub limits: &'a Limits,
    /// Of the kind that the payment's reservation names, or the request where it has none.
    /// Without it nothing is signed.
    pub purse: Option<Purse<'a>>,
    /// The name of this process, kept with what it sends.
    pub me: &'a str,
    /// Another process seems to be posting these bytes at this moment.
    pub posting: bool,
    pub now: Timestamp,
}

impl Standing<'_> {
    /// The next step. Depends on nothing but the arguments, so that a crash between any two
    /// steps is no special case.
    pub fn next(&self) -> Step {
        if let Some(outcome) = &self.session.ended {
            return answer(outcome.clone());
        }
        let Some(payment) = self.payment else {
            return self.begin(None);
        };
        if let Some(step) = self.foreign(payment) {
            return step;
        }
        match &payment.stage {
            Stage::Settled(_, settlement) => self
                .tidy(payment)
                .or_else(|| self.undelivered(payment, settlement))
                .unwrap_or_else(|| answer(told::settled(payment, settlement))),
            Stage::Rejected(_, why) if self.session.rejected || self.untold_rejection(why) => {
                self.after_rejection(payment, why)
            }
            Stage::Rejected(..) => self.tidy(payment).unwrap_or_else(|| self.begin(Some(payment))),
            Stage::Intent => self.begin(Some(payment)),
            Stage::Signed(signed) => self.release(payment, signed),
            Stage::Sent(signed, sent) => self.sent(payment, signed, sent),
            Stage::Staged(signed, _, staged) => self.staged(payment, signed, staged),
            Stage::Unknown(signed, sent, doubt) => self.resolve(payment, signed, sent, doubt),
        }
    }

    /// Bytes that another wallet signed: our chain, nonces and gate say nothing of them, so
    /// they are neither asked after nor sent nor given up here.
    fn foreign(&self, payment: &Payment) -> Option<Step> {
        let under_way = match &payment.stage {
            Stage::Signed(_) | Stage::Sent(..) | Stage::Staged(..) | Stage::Unknown(..) => true,
            Stage::Intent | Stage::Settled(..) | Stage::Rejected(..) => false,
        };
        if !under_way || payment.wallet == self.wallet.address {
            return None;
        }
        let (theirs, ours, word) = (&payment.wallet, &self.wallet.address, payment.word());
        let evidence = format!("{word} by {theirs}, and we pay as {ours}: start with that key");
        Some(answer(told::failed_for("wallet.other-key", evidence)))
    }

    /// Up to the signature: terms, an earlier message, leave, intent, nonce.
    fn begin(&self, before: Option<&Payment>) -> Step {
        let Mode::Pay(order) = &self.session.mode else {
            return answer(told::held(None, "nothing of it was begun"));
        };
        if let Err(full) = wallet::room(self.wallet, self.limits.in_flight) {
            return answer(told::held(None, &full.to_string()));
        }
        let Some(amount) = self.session.terms else {
            return Step::Probe;
        };
        if self.limits.amount_max < amount {
            let evidence = format!("{amount} asked, {} allowed", self.limits.amount_max);
            return answer(told::failed_for("target.payment-terms", evidence));
        }
        match &self.session.inbox {
            None => Step::AskInbox,
            Some(InboxWord::Silent { failure }) => answer(told::failed(failure)),
            Some(InboxWord::Found { message, txid, .. }) => {
                let payment = record::found_earlier(order, before, message, txid.clone(), self.now);
                self.save(payment, None, true)
            }
            Some(InboxWord::Absent) => self.intend(order, before, amount),
        }
    }

    fn intend(&self, order: &Order, before: Option<&Payment>, amount: Sats) -> Step {
        if let Some(payment @ Payment { stage: Stage::Intent, .. }) = before {
            return self.sign(order, payment, amount);
        }
        match &self.session.leave {
            None => Step::CheckLeave { sent: false },
            Some(Leave::NotYet { gate, why }) => answer(told::held(gate.clone(), why)),
            Some(Leave::Never { why }) => answer(Outcome::Moot { why: why.clone() }),
            Some(Leave::Granted) => match self.reserve(amount) {
                Ok(_) => self.save(record::intent(order, amount, before, self.now), None, false),
                Err(outcome) => answer(outcome),
            },
        }
    }

    /// What its kind has spent and reserved, with `amount` more; or what to answer instead.
    fn reserve(&self, amount: Sats) -> Result<Spending, Outcome> {
        let unread = || told::held(None, "nobody has read what its kind has spent");
        let reserved = budget::reserve(self.purse.ok_or_else(unread)?, amount, self.now);
        reserved.map_err(|reached| told::reached(&reached, self.now))
    }

    /// With a nonce that fits the chain as it is now, and not as it was when we started, and
    /// with sats that are there. What is signed is reserved.
    fn sign(&self, order: &Order, payment: &Payment, amount: Sats) -> Step {
        let spending = match self.reserve(amount) {
            Ok(spending) => spending,
            Err(outcome) => return answer(outcome),
        };
        let (now, lost_after) = (self.now, self.limits.unconfirmed_after);
        let facts = match &self.session.world {
            None => return Step::AskWallet,
            Some(Err(silent)) => return answer(told::failed_for("chain.unavailable", silent)),
            Some(Ok(facts)) => facts,
        };
        let wallet = match wallet::fit(self.wallet, facts, now, lost_after) {
            Ok(wallet) => wallet,
            Err((word, evidence)) => return answer(told::failed_for(word, evidence)),
        };
        if let Err((word, evidence)) = wallet::affords(&wallet, facts, amount) {
            return answer(told::failed_for(word, evidence));
        }
        let nonce = match wallet::room_in_chain(&wallet, facts, self.limits.in_flight) {
            Ok(nonce) => nonce,
            Err(full) => return answer(told::held(None, &full.to_string())),
        };
        match &self.session.signed {
            Some(signed) if signed.nonce == nonce => {
                let reserved = Some(Reservation { kind: spending.kind.clone(), amount });
                let signed = record::signed(payment, order, signed.clone(), amount, self.now);
                Step::Save(Box::new(Save {
                    wallet: Some(wallet::signed(&wallet, payment.key(), nonce, amount)),
                    payment: Payment { reserved, ..signed },
                    contact: false,
                    spending: Some(spending),
                }))
            }
            _ => Step::Sign { nonce, amount },
        }
    }

    /// The bytes are stored and have not left: the last moment to keep them.
    fn release(&self, payment: &Payment, signed: &Signed) -> Step {
        if self.session.mode == Mode::Ask {
            return answer(told::held(None, "signed, to be sent with the next admission"));
        }
        match &self.session.leave {
            None => self.out_of_turn(signed.nonce).unwrap_or(Step::CheckLeave { sent: false }),
            Some(Leave::NotYet { gate, why }) => answer(told::held(gate.clone(), why)),
            Some(Leave::Granted) => self.send(payment, signed, None),
            Some(Leave::Never { why }) => match wallet::given_back(self.wallet, payment.key()) {
                Some(wallet) => {
                    self.save(record::unsent(payment, why, self.now), Some(wallet), false)
                }
                None => {
                    let evidence = format!("nonce {} is held as sent", signed.nonce);
                    answer(told::failed_for("wallet.sender-nonce", evidence))
                }
            },
        }
    }

    /// Stores that the bytes leave; the post follows once that is saved.
    pub(super) fn send(&self, payment: &Payment, signed: &Signed, before: Option<&Sent>) -> Step {
        let wallet = wallet::sent(self.wallet, payment.key());
        self.save(record::sent(payment, signed, before, self.me, self.now), wallet, false)
    }

    fn sent(&self, payment: &Payment, signed: &Signed, sent: &Sent) -> Step {
        if let Some(heard) = &self.session.heard {
            return self.settle_or(record::answered(payment, signed, sent, heard, self.now));
        }
        if self.session.cleared {
            return Step::Post;
        }
        if self.posting {
            let evidence = format!("{} is sending it", sent.by);
            return answer(told::unknown("payment.unknown", evidence, self.limits.poll_every));
        }
        let cause = Cause::known("payment.unknown");
        let evidence = "whoever sent it did not write down what came back";
        self.settle_or(record::in_doubt(payment, &cause, evidence, self.now))
    }

    /// The wallet once `payment` has come to this stage. `None`: as it is.
    ///
    /// The chain's word frees a nonce; the word of the inbox or the relay does not, since a
    /// nonce that was never used holds up all that follow.
    fn left(&self, payment: &Payment) -> Option<Wallet> {
        use domain::Proof;
        match &payment.stage {
            Stage::Settled(_, settlement) => match settlement.proof {
                Proof::Delivered | Proof::AlreadyRedeemed | Proof::Listed => {
                    wallet::settled(self.wallet, payment.key(), self.now)
                }
                Proof::Redeemed | Proof::Chain => wallet::spent(self.wallet, payment.key()),
                Proof::EarlierMessage => wallet::finished(self.wallet, payment.key()),
            },
            Stage::Rejected(_, Rejection::SpentElsewhere { .. }) => {
                wallet::spent(self.wallet, payment.key())
            }
            Stage::Rejected(_, Rejection::Unsent { .. }) => {
                wallet::finished(self.wallet, payment.key())
            }
            _ => None,
        }
    }

    /// Saves a payment; when that settles it, contact is recorded.
    pub(super) fn settle_or(&self, payment: Payment) -> Step {
        let (wallet, contact) = (self.left(&payment), payment.settled());
        self.save(payment, wallet, contact)
    }

    pub(super) fn reject(&self, payment: Payment) -> Step {
        let wallet = self.left(&payment);
        self.save(payment, wallet, false)
    }

    /// A payment that is over holds no nonce; both are written in one batch, so this only
    /// mends what a person has changed by hand.
    fn tidy(&self, payment: &Payment) -> Option<Step> {
        let wallet = Some(self.left(payment)?);
        let contact = payment.settled();
        Some(self.save(payment.clone(), wallet, contact))
    }

    /// What has come to an end holds nothing reserved any more: that is saved with it.
    fn save(&self, payment: Payment, wallet: Option<Wallet>, contact: bool) -> Step {
        let spending = self.purse.map(|purse| purse.spending);
        let (payment, spending) = budget::counted(payment, spending, self.now);
        Step::Save(Box::new(Save { payment, wallet, contact, spending }))
    }

    /// The nonce went elsewhere, and whoever found that had no task to tell: it is told before
    /// the payment begins anew.
    fn untold_rejection(&self, why: &Rejection) -> bool {
        let untold = matches!(why, Rejection::SpentElsewhere { told: false, .. });
        untold && self.session.mode != Mode::Ask
    }

    fn after_rejection(&self, payment: &Payment, why: &Rejection) -> Step {
        let outcome = match why {
            Rejection::SpentElsewhere { txid, aborted, why, .. } => {
                let word = if *aborted { "wallet.transfer-aborted" } else { "wallet.sender-nonce" };
                told::failed_for(word, format!("its nonce went to {txid}: {why}"))
            }
            Rejection::Unsent { why } => Outcome::Moot { why: why.clone() },
        };
        let then =
            self.untold_rejection(why).then(|| Box::new(record::rejection_told(payment, self.now)));
        Step::Answer { outcome, then }
    }
}

pub(super) fn answer(outcome: Outcome) -> Step {
    Step::Answer { outcome, then: None }
}
