//! One session with one payment: does what [`Standing::next`] says, and reports back.
//!
//! Save, then send, then save what came back: the order is the machine's. A crash between any
//! two steps leaves a record from which the next session goes on.

use domain::{Budget, Kind, Outcome, Payment, Signed, Spending, Wallet};
use fleet::store::Versioned;
use logic::payment::{Leave, Purse, Save, Session, Standing, Step};
use stacks::{Principal, Transfer, sign_transfer};
use wire::message::RunRequest;
use x402::{Chosen, PaymentId, header};

use crate::{
    desk::Desk,
    leave::{Subject, leave},
    ledger::{LedgerError, Saved, Seqs},
    told,
    tools::Tools,
};

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Worked {
    Ended {
        outcome: Outcome,
        payment: Option<Box<Payment>>,
        later: Option<Box<Later>>,
    },
    /// Somebody else wrote the payment meanwhile: read again and begin again.
    Moved,
}

/// To be written once the answer has left: a crash in between tells it a second time, which
/// counts once; the other way round it would never be told.
#[derive(Debug)]
pub(crate) struct Later {
    save: Save,
    payment_seq: u64,
}

impl Later {
    pub(crate) async fn write(&self, desk: &Desk) {
        let seqs = Seqs { payment: self.payment_seq, ..Seqs::default() };
        let saved = desk.ledger.save(&self.save, seqs).await;
        tracing::debug!(?saved, payment = %self.save.payment.key(), "noted that it was told");
    }
}

/// A payment in the hands of this process.
pub(crate) struct Job<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) tools: &'a Tools,
    /// On whose behalf anything may be sent; `None` only asks.
    pub(crate) request: Option<&'a RunRequest>,
    pub(crate) session: Session,
    pub(crate) payment: Option<Versioned<Payment>>,
    pub(crate) wallet: Versioned<Wallet>,
    /// Of the kind that has reserved for it, or that asks; `None` where nobody does either.
    pub(crate) account: Option<Account>,
    /// The payment's letter, also before there is a record.
    pub(crate) letter: domain::Letter,
    /// The terms of this session's probe.
    pub(crate) chosen: Option<Chosen>,
}

/// What a kind has spent, and what it may.
#[derive(Debug)]
pub(crate) struct Account {
    spending: Versioned<Spending>,
    budget: Budget,
    /// The budget was read anew, and there is no newer one.
    newest: bool,
}

impl Account {
    pub(crate) async fn open(desk: &Desk, kind: &Kind) -> Result<Self, LedgerError> {
        let spending = desk.ledger.spending(kind).await?;
        let budget = desk.fleet.config().budgets.get(kind).copied().unwrap_or_default();
        Ok(Account { spending, budget, newest: false })
    }

    const fn purse(&self) -> Purse<'_> {
        Purse { spending: &self.spending.value, budget: self.budget }
    }
}

impl Job<'_> {
    /// Takes the payment as far as it goes now.
    ///
    /// # Errors
    ///
    /// When the record cannot be read or written.
    pub(crate) async fn work(mut self) -> Result<Worked, LedgerError> {
        loop {
            let step = self.next().await;
            tracing::debug!(payee = self.letter.to_stx, ?step, "next");
            match step {
                Step::Answer { outcome, .. } if self.has_newer_budget(&outcome).await => (),
                Step::Answer { outcome, then } => return Ok(self.ended(outcome, then)),
                Step::Save(save) => {
                    if !self.save(&save).await? {
                        return Ok(Worked::Moved);
                    }
                }
                step => self.perform(step).await?,
            }
        }
    }

    /// Whether a budget that is reached has been raised, and this payer has not heard of it yet:
    /// whoever raised it and opened the gate would see it closed again for what is no more.
    async fn has_newer_budget(&mut self, outcome: &Outcome) -> bool {
        let reached =
            matches!(outcome, Outcome::Failed { cause, .. } if cause.as_str() == "budget.reached");
        let Some(account) = self.account.as_mut().filter(|account| reached && !account.newest)
        else {
            return false;
        };
        account.newest = true;
        let fleet = &self.desk.fleet;
        match fleet::current_config(&fleet.bus).await {
            Ok(applied) => {
                let kind = &account.spending.value.kind;
                let budget = applied.config.budgets.get(kind).copied().unwrap_or_default();
                let newer = budget != account.budget;
                account.budget = budget;
                if newer {
                    fleet.gates.read_again();
                }
                newer
            }
            Err(error) => {
                tracing::warn!(error = %format!("{:#}", anyhow::Error::new(error)), "the budget is not read anew");
                false
            }
        }
    }

    fn ended(self, outcome: Outcome, then: Option<Box<Payment>>) -> Worked {
        let payment_seq = self.payment.as_ref().map_or(0, |kept| kept.seq);
        let later = then.map(|then| {
            let save = Save { payment: *then, wallet: None, contact: false, spending: None };
            Box::new(Later { save, payment_seq })
        });
        let payment = self.payment.map(|kept| Box::new(kept.value));
        Worked::Ended { outcome, payment, later }
    }

    async fn next(&self) -> Step {
        let payment = self.payment.as_ref().map(|kept| &kept.value);
        let posting = match payment.map(|payment| &payment.stage) {
            Some(domain::PaymentStage::Sent(_, sent)) => {
                self.desk.peers.posting(&self.desk.fleet, sent).await
            }
            _ => false,
        };
        Standing {
            payment,
            wallet: &self.wallet.value,
            session: &self.session,
            limits: &self.tools.limits,
            purse: self.account.as_ref().map(Account::purse),
            me: self.desk.fleet.id.as_str(),
            posting,
            now: self.desk.fleet.clock.now(),
        }
        .next()
    }

    /// `false`: the payment itself was written by somebody else.
    async fn save(&mut self, save: &Save) -> Result<bool, LedgerError> {
        let seqs = Seqs {
            payment: self.payment.as_ref().map_or(0, |kept| kept.seq),
            wallet: self.wallet.seq,
            spending: self.account.as_ref().map_or(0, |account| account.spending.seq),
        };
        let Saved::Stored(stored) = self.desk.ledger.save(save, seqs).await? else {
            return self.read_again(seqs.payment).await;
        };
        told::payment(&self.desk.fleet, &save.payment, stored.payment).await;
        self.session.on_saved(save);
        self.payment = Some(Versioned { value: save.payment.clone(), seq: stored.payment });
        if let Some(value) = save.wallet.clone() {
            self.wallet = Versioned { value, seq: stored.wallet };
        }
        if let (Some(account), Some(value)) = (&mut self.account, save.spending.clone()) {
            account.spending = Versioned { value, seq: stored.spending };
        }
        Ok(true)
    }

    /// Another payment may have moved the wallet or the spending; that alone does not end the
    /// session.
    async fn read_again(&mut self, seq: u64) -> Result<bool, LedgerError> {
        let address = &self.wallet.value.address;
        let Some(wallet) = self.desk.ledger.wallet(address).await? else { return Ok(false) };
        let key = match &self.payment {
            Some(kept) => kept.value.key(),
            None => return Ok(false),
        };
        self.wallet = wallet;
        if let Some(account) = &mut self.account {
            account.spending = self.desk.ledger.spending(&account.spending.value.kind).await?;
        }
        self.session.on_refused();
        Ok(self.desk.ledger.payment(key).await?.map_or(0, |kept| kept.seq) == seq)
    }

    async fn perform(&mut self, step: Step) -> Result<(), LedgerError> {
        let inbox = &self.tools.inbox;
        match step {
            Step::Probe => {
                let (answer, chosen) = inbox.probe(&self.letter).await;
                let amount = chosen.as_ref().map(|chosen| domain::Sats::new(chosen.amount));
                self.chosen = chosen;
                self.session.on_probe(answer, amount);
            }
            Step::AskInbox => self.session.on_inbox(inbox.look(&self.letter).await),
            Step::CheckLeave { sent } => {
                let leave = self.leave(sent).await;
                self.session.on_leave(leave);
            }
            Step::AskWallet => self.ask_wallet().await?,
            Step::Sign { nonce, amount } => self.sign(nonce, amount.get()),
            Step::Post => {
                if let Some(signed) = self.signed() {
                    tracing::info!(payee = self.letter.to_stx, nonce = signed.nonce, "posting");
                    let answer = inbox.pay(&self.letter, signed).await;
                    tracing::info!(payee = self.letter.to_stx, ?answer, "posted");
                    self.session.on_post(answer);
                }
            }
            Step::Poll { payment_id } => self.session.on_poll(inbox.poll(&payment_id).await),
            Step::AskRelay { payment_id } => {
                self.session.on_relay(inbox.ask_relay(&payment_id).await);
            }
            Step::AskChain { nonce } => {
                if let Some(kept) = &self.payment {
                    self.session.on_chain(self.tools.chain.ask(&kept.value, nonce).await);
                }
            }
            Step::Redeem { txid } => {
                let amount = self.payment.as_ref().map_or(domain::Sats::ZERO, |p| p.value.amount);
                self.session.on_redeem(inbox.redeem(&self.letter, &txid, amount).await);
            }
            Step::Wait { time } => {
                self.desk.fleet.clock.sleep(time).await;
                self.session.on_wake();
            }
            Step::Save(_) | Step::Answer { .. } => (),
        }
        Ok(())
    }

    /// The world first, then our record: what another payer signs in between puts only the
    /// record ahead. The payment's own write stays a compare-and-set on what was read of it.
    async fn ask_wallet(&mut self) -> Result<(), LedgerError> {
        let facts = self.tools.chain.funded_facts().await;
        if let Some(wallet) = self.desk.ledger.wallet(&self.wallet.value.address).await? {
            self.wallet = wallet;
        }
        self.session.on_wallet(facts.map_err(|silent| silent.to_string()));
        Ok(())
    }

    fn signed(&self) -> Option<&Signed> {
        self.payment.as_ref().and_then(|kept| kept.value.signed())
    }

    async fn leave(&self, sent: bool) -> Leave {
        let Some(request) = self.request else {
            return Leave::NotYet { gate: None, why: "nobody asked for it".to_owned() };
        };
        let (payment, source_key) = match (&self.payment, self.session.order()) {
            // The task that asks for it owns it, whichever task it was begun for.
            (Some(kept), Some(order)) => (kept.value.key(), &order.source_key),
            (Some(kept), None) => (kept.value.key(), &kept.value.source_key),
            (None, Some(order)) => (order.payee.key(&order.purpose), &order.source_key),
            (None, None) => {
                return Leave::NotYet { gate: None, why: "there is no payment".to_owned() };
            }
        };
        let record = self.payment.as_ref().map(|kept| &kept.value);
        leave(self.desk, request, Subject { payment, source_key, sent, record }).await
    }

    /// Signs what the terms of this session ask for. What cannot be signed ends the session.
    fn sign(&mut self, nonce: u64, amount: u64) {
        match self.sign_with(nonce, amount) {
            Ok(signed) => self.session.on_signed(signed),
            Err(error) => {
                tracing::error!(payee = self.letter.to_stx, error = %format!("{error:#}"), "cannot sign");
                self.session.on_unsignable(format!("{error:#}"));
            }
        }
    }

    fn sign_with(&self, nonce: u64, amount: u64) -> anyhow::Result<Signed> {
        use anyhow::Context as _;
        let chosen = self.chosen.as_ref().context("sign without terms")?;
        let key = self.payment.as_ref().context("sign without an intent")?.value.key();
        signed(chosen, &self.desk.key, key, nonce, amount)
    }
}

/// Signs what `chosen` asks for as the payment `key`, and names it.
pub(crate) fn signed(
    chosen: &Chosen,
    by: &stacks::PrivateKey,
    key: domain::Key,
    nonce: u64,
    amount: u64,
) -> anyhow::Result<Signed> {
    use anyhow::Context as _;
    let recipient = Principal::Standard(chosen.pay_to);
    let transfer = Transfer::new(chosen.network, nonce, amount, recipient);
    let transfer = sign_transfer(&transfer, by).context("sign the transfer")?;
    // With the wallet: two wallets that reach the same nonce must not share an id, under
    // which a relay would take the one payment for a repetition of the other.
    let payment_id = format!("pay_{key}_{}_{nonce}", by.address(chosen.network));
    let payment_id: PaymentId = payment_id.parse().context("name the payment")?;
    Ok(Signed {
        nonce,
        header: header::encode(&chosen.payment(&transfer.bytes, Some(&payment_id))),
        txid: transfer.txid.to_string(),
        bytes: transfer.bytes,
        payment_id: payment_id.to_string(),
    })
}
