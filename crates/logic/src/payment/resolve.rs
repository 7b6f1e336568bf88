//! Asking what became of bytes that left: the inbox, then the relay, then the chain.

use domain::{
    Cause, Doubt, Payment, PaymentStage as Stage, Proof, Sent, Settlement, Signed, Staged,
    Timestamp,
};

use super::{
    record,
    session::{ChainWord, InboxWord, Leave, Mode},
    step::{Standing, Step, answer},
    told,
    wallet::{self, NoRoom},
};
use crate::classify::{Answer, Failure};

impl Standing<'_> {
    /// Accepted and not confirmed: poll; nothing is sent.
    pub(super) fn staged(&self, payment: &Payment, signed: &Signed, staged: &Staged) -> Step {
        let payment_id = staged.payment_id.clone();
        match &self.session.relay {
            None => Step::Poll { payment_id },
            Some(Answer::Delivered { message, txid }) => {
                let (message, txid) = (message.clone(), txid.clone());
                self.settle(payment, message, txid, Proof::Delivered)
            }
            Some(Answer::AlreadyRedeemed { message }) => {
                self.settle(payment, message.clone(), None, Proof::AlreadyRedeemed)
            }
            Some(Answer::Confirmed { .. }) => self
                .listed(payment)
                .or_else(|| self.by_chain(payment, signed))
                .unwrap_or_else(|| self.pending(payment, signed, staged.since)),
            Some(Answer::Disowned(failure)) => {
                self.settle_or(record::refused(payment, failure, self.now))
            }
            Some(Answer::Failure(_)) if !self.session.relay_asked => Step::AskRelay { payment_id },
            Some(Answer::Staged { .. } | Answer::Failure(_) | Answer::PaymentRequired) => {
                self.pending(payment, signed, staged.since)
            }
        }
    }

    /// The bytes left and nobody has said yet what became of them.
    pub(super) fn resolve(
        &self,
        payment: &Payment,
        signed: &Signed,
        sent: &Sent,
        doubt: &Doubt,
    ) -> Step {
        if let Some(failure) = self.conflict() {
            return answer(told::failed(failure));
        }
        let known = self.listed(payment).or_else(|| self.by_chain(payment, signed));
        if let Some(step) = known {
            return step;
        }
        match &self.session.chain {
            Some(ChainWord::CannotTell { silent, why }) => {
                self.untold(payment, doubt, *silent, why)
            }
            _ if doubt.untold_since.is_some() => {
                self.settle_or(record::untold(payment, None, self.now))
            }
            Some(ChainWord::Unspent { in_mempool: true }) => {
                self.pending(payment, signed, sent.last)
            }
            _ => self.unspent(payment, signed, sent, doubt),
        }
    }

    /// The nonce conflict of this session, which is told before anything is asked: it closes
    /// the gate, and the sooner the better.
    fn conflict(&self) -> Option<&Failure> {
        let failure = self.session.failure.as_ref()?;
        (failure.cause.as_str() == "relay.nonce-conflict").then_some(failure)
    }

    /// The inbox's list, which is proof where it holds the message.
    fn listed(&self, payment: &Payment) -> Option<Step> {
        match &self.session.inbox {
            None => Some(Step::AskInbox),
            Some(InboxWord::Found { message, txid, same: true }) => {
                let (message, txid) = (Some(message.clone()), txid.clone());
                Some(self.settle(payment, message, txid, Proof::Listed))
            }
            Some(InboxWord::Found { .. } | InboxWord::Absent | InboxWord::Silent { .. }) => None,
        }
    }

    /// The chain, where it can tell; `None` when the nonce is unspent or nobody can tell.
    fn by_chain(&self, payment: &Payment, signed: &Signed) -> Option<Step> {
        match self.session.chain.as_ref() {
            None => Some(Step::AskChain { nonce: signed.nonce }),
            Some(ChainWord::Settled { txid }) => {
                Some(self.listed(payment).unwrap_or_else(|| self.redeem(payment, txid)))
            }
            Some(ChainWord::SpentElsewhere { txid, aborted, deep: true, what }) => {
                Some(self.reject(record::spent_elsewhere(payment, txid, *aborted, what, self.now)))
            }
            Some(ChainWord::SpentElsewhere { txid, deep: false, .. }) => {
                let evidence =
                    format!("its nonce seems to have gone to {txid}, too fresh to believe");
                Some(answer(told::unknown("payment.unknown", evidence, self.limits.ask_every)))
            }
            Some(ChainWord::Unspent { .. } | ChainWord::CannotTell { .. }) => None,
        }
    }

    /// Paid for; now the inbox must deliver for it.
    fn redeem(&self, payment: &Payment, txid: &str) -> Step {
        let txid = txid.to_owned();
        match &self.session.redeemed {
            Some(Answer::Delivered { message, .. } | Answer::AlreadyRedeemed { message }) => {
                return self.settle(payment, message.clone(), Some(txid), Proof::Redeemed);
            }
            Some(Answer::Failure(failure)) if failure.cause.as_str() == "inbox.undelivered" => {
                return self.settle(payment, None, Some(txid), Proof::Chain);
            }
            Some(Answer::Failure(failure)) => return answer(told::failed(failure)),
            Some(_) => return self.wait_for("relay.pending", "the inbox is still delivering"),
            None if self.session.mode == Mode::Ask => {
                let evidence = format!("paid as {txid}, to be delivered with the next admission");
                return self.wait_for("payment.unknown", evidence);
            }
            None => (),
        }
        match &self.session.leave {
            None => Step::CheckLeave { sent: true },
            Some(Leave::Granted) => Step::Redeem { txid },
            Some(Leave::NotYet { gate, why }) => answer(told::held(gate.clone(), why)),
            Some(Leave::Never { .. }) => self.settle(payment, None, Some(txid), Proof::Chain),
        }
    }

    /// Paid, and the inbox would not deliver for it: a task that asks for the payment has the
    /// inbox asked once more, which may have been mistaken, or mended since. `None`: it stays so.
    pub(super) fn undelivered(&self, payment: &Payment, settlement: &Settlement) -> Option<Step> {
        let (Proof::Chain, Some(txid), Mode::Pay(_)) =
            (settlement.proof, &settlement.txid, &self.session.mode)
        else {
            return None;
        };
        match &self.session.redeemed {
            Some(Answer::Delivered { message, .. } | Answer::AlreadyRedeemed { message }) => {
                let (message, txid) = (message.clone(), Some(txid.clone()));
                return Some(self.settle(payment, message, txid, Proof::Redeemed));
            }
            Some(Answer::Failure(failure)) if failure.cause.as_str() == "inbox.undelivered" => {
                return None;
            }
            Some(Answer::Failure(failure)) => return Some(answer(told::failed(failure))),
            Some(_) => {
                return Some(self.wait_for("relay.pending", "the inbox is still delivering"));
            }
            None => (),
        }
        match &self.session.leave {
            None => Some(Step::CheckLeave { sent: true }),
            Some(Leave::Granted) => Some(Step::Redeem { txid: txid.clone() }),
            Some(Leave::NotYet { gate, why }) => Some(answer(told::held(gate.clone(), why))),
            Some(Leave::Never { .. }) => None,
        }
    }

    /// On its way, as far as anyone says: wait a while, and complain once when it is too long.
    fn pending(&self, payment: &Payment, signed: &Signed, since: Timestamp) -> Step {
        let (age, asking) = (self.now.since(since), self.session.mode == Mode::Ask);
        let late = self.limits.unconfirmed_after <= age;
        if late && let Some(step) = self.by_chain(payment, signed) {
            return step;
        }
        if late && let Some(step) = self.lost(payment) {
            return step;
        }
        if late && !asking && !payment.unconfirmed_told {
            let evidence = format!("accepted {} s ago and still not confirmed", age.as_secs());
            let outcome = told::failed_for("relay.unconfirmed", evidence);
            let then = Some(Box::new(record::unconfirmed_told(payment, self.now)));
            return Step::Answer { outcome, then };
        }
        let left = self.limits.patience.saturating_sub(self.now.since(self.session.begun));
        if !asking && !left.is_zero() {
            return Step::Wait { time: left.min(self.limits.poll_every) };
        }
        let evidence = match &self.session.relay {
            Some(Answer::Failure(failure)) => failure.evidence.clone(),
            _ => format!("accepted {} s ago, not confirmed yet", age.as_secs()),
        };
        self.wait_for("relay.pending", evidence)
    }

    /// Staged long ago, and now neither inbox nor relay says anything of it while its nonce is
    /// free: nobody works on it any more, so it is in doubt and may be sent again.
    fn lost(&self, payment: &Payment) -> Option<Step> {
        let (Stage::Staged(..), Some(Answer::Failure(failure))) =
            (&payment.stage, &self.session.relay)
        else {
            return None;
        };
        let free = self.session.chain == Some(ChainWord::Unspent { in_mempool: false });
        (free && self.session.relay_asked)
            .then(|| self.settle_or(record::refused(payment, failure, self.now)))
    }

    /// Nothing has the nonce: the same bytes go out again, once a session and with leave, and
    /// not before the time that the other side has named.
    fn unspent(&self, payment: &Payment, signed: &Signed, sent: &Sent, doubt: &Doubt) -> Step {
        if self.session.posted || self.session.mode == Mode::Ask {
            return match &self.session.failure {
                Some(failure) => answer(told::failed(failure)),
                None => self.wait_for("payment.unknown", doubt.evidence.clone()),
            };
        }
        if let Some(time) = doubt.not_before.filter(|time| self.now < *time) {
            return answer(told::held_back(doubt, time.since(self.now)));
        }
        if let Some(step) = self.out_of_turn(signed.nonce) {
            return step;
        }
        match &self.session.leave {
            None => Step::CheckLeave { sent: true },
            Some(Leave::Granted) => self.send(payment, signed, Some(sent)),
            Some(Leave::NotYet { gate, why }) => answer(told::held(gate.clone(), why)),
            Some(Leave::Never { why }) => self.stranded(payment, signed, doubt, why),
        }
    }

    /// What comes before sending this nonce, first or again: all unsettled ones before it are in the
    /// mempool, or past. A sponsor that is asked for the later one first makes each wait for the
    /// other. `None`: it is its turn.
    pub(super) fn out_of_turn(&self, nonce: u64) -> Option<Step> {
        wallet::before(self.wallet, nonce).next()?;
        match &self.session.world {
            None => Some(Step::AskWallet),
            Some(Err(silent)) => Some(answer(told::failed_for("chain.unavailable", silent))),
            Some(Ok(facts)) => {
                let first = wallet::unseen_before(self.wallet, facts, nonce)?;
                Some(answer(told::held(None, &NoRoom::Unseen { nonce: first }.to_string())))
            }
        }
    }

    /// The nonce must be spent and the bytes may not go out: a person must decide. It is
    /// written down first, which fails where somebody else has settled the payment meanwhile.
    fn stranded(&self, payment: &Payment, signed: &Signed, doubt: &Doubt, why: &str) -> Step {
        let evidence = format!("nonce {} is not spent, and {why}", signed.nonce);
        let cause = Cause::known("payment.stranded");
        if doubt.cause == cause {
            return answer(told::failed_for("payment.stranded", evidence));
        }
        self.settle_or(record::in_doubt(payment, &cause, &evidence, self.now))
    }

    /// Nobody can tell. That is written down with its beginning, and in the end a person asked.
    fn untold(&self, payment: &Payment, doubt: &Doubt, silent: bool, why: &str) -> Step {
        let Some(since) = doubt.untold_since else {
            return self.settle_or(record::untold(payment, Some(self.now), self.now));
        };
        if self.limits.unresolved_after <= self.now.since(since) {
            let (txid, cause) = (payment.signed().map_or("", |signed| &signed.txid), &doubt.cause);
            let evidence = format!("txid {txid} here, in doubt for {cause}; chain: {why}");
            return answer(told::failed_for("payment.unresolved", evidence));
        }
        if silent {
            return answer(told::failed_for("chain.unavailable", why));
        }
        self.wait_for("payment.unknown", why)
    }

    fn settle(
        &self,
        payment: &Payment,
        message: Option<String>,
        txid: Option<String>,
        proof: Proof,
    ) -> Step {
        self.settle_or(record::settled(payment, message, txid, proof, self.now))
    }

    fn wait_for(&self, word: &'static str, evidence: impl Into<String>) -> Step {
        answer(told::unknown(word, evidence, self.limits.ask_every))
    }
}
