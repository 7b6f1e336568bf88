//! Requests from the dispatchers: one question, one outcome.

use std::rc::Rc;

use domain::{Blame, Cause, Cost, Key, Letter, Outcome, Payment, PaymentStage, Wallet};
use logic::payment::{Comparison, Mode, Order, Session, carry_on, compare, plan};

use super::{
    Desk,
    job::{Job, Later, Worked},
    nothing,
};
use crate::{
    exec::Millis,
    fleet::Cas,
    setting::{LIMITS, WALLET, number_of, payee},
    words::{Silent, Subject, Versioned},
    world::Run,
};

const ROUNDS: u32 = 12;
const STEP_ASIDE: Millis = 10;

/// Answers one request. What comes beside the outcome is to be written after it was sent.
pub(super) async fn run(desk: &Rc<Desk>, run: &Rc<Run>) -> (Outcome, Vec<Later>) {
    let mut later = Vec::new();
    let outcome = match answer(desk, run, &mut later).await {
        Ok(outcome) => outcome,
        Err(Silent) => unknown("the record is not at hand"),
    };
    if let Outcome::Failed { cause, evidence, .. } | Outcome::Unknown { cause, evidence, .. } =
        &outcome
    {
        desk.latch(run, cause, evidence);
    }
    (outcome, later)
}

async fn answer(desk: &Rc<Desk>, run: &Rc<Run>, later: &mut Vec<Later>) -> Result<Outcome, Silent> {
    let order = order(run);
    for _ in 0..ROUNDS {
        if let Some(outcome) = round(desk, run, &order, later).await? {
            return Ok(outcome);
        }
        desk.p.jitter(STEP_ASIDE).await;
    }
    let why = "other payments move under it all the time".to_owned();
    Ok(Outcome::Held { gate: None, why })
}

fn order(run: &Run) -> Order {
    let to = payee(number_of(&run.task.source_key));
    Order {
        purpose: "welcome".to_owned(),
        source_key: run.task.source_key.clone(),
        wallet: WALLET.to_owned(),
        letter: Letter {
            to_btc: String::new(),
            to_stx: to.address.clone(),
            content: "welcome".to_owned(),
        },
        payee: to,
    }
}

/// `None`: records moved; begin again.
async fn round(
    desk: &Rc<Desk>,
    run: &Rc<Run>,
    order: &Order,
    later: &mut Vec<Later>,
) -> Result<Option<Outcome>, Silent> {
    let own = order.payee.key(&order.purpose);
    let kept = desk.payment(own).await?.map(|kept| kept.value);
    let settled = kept.as_ref().is_some_and(|kept| kept.settled());
    let wallet = match wallet(desk).await? {
        Ok(wallet) => wallet,
        Err(outcome) if !settled => {
            return Ok(Some(uncharged(desk, run, kept.as_deref(), outcome)));
        }
        Err(_) => Versioned { value: Rc::new(nothing()), seq: 0 },
    };
    let keys = if settled { vec![own] } else { plan(&wallet.value, own) };
    for key in keys {
        let hold = match key == own {
            true => Some(desk.hold(key).await),
            false => desk.try_hold(key),
        };
        let Some(_hold) = hold else { continue };
        let mode = if key == own { Mode::Pay(Box::new(order.clone())) } else { Mode::Finish };
        let Some(job) = job(desk, Some(run), mode, key).await? else { continue };
        let (outcome, payment) = match job.work().await? {
            Worked::Moved => return Ok(None),
            Worked::Ended { outcome, payment, later: written } => {
                later.extend(written.map(|written| *written));
                (outcome, payment)
            }
        };
        if key == own {
            return Ok(Some(uncharged(desk, run, payment.as_deref(), outcome)));
        }
        let Some(payment) = payment else { continue };
        if let Err(instead) = carry_on(&payment, &outcome) {
            return Ok(Some(uncharged(desk, run, Some(&payment), instead)));
        }
    }
    Ok(None)
}

/// Whoever may have been paid is not failed (M2).
fn uncharged(desk: &Desk, run: &Run, payment: Option<&Payment>, outcome: Outcome) -> Outcome {
    use PaymentStage::{Sent, Staged, Unknown};
    let in_doubt =
        payment.is_some_and(|it| matches!(it.stage, Sent(..) | Staged(..) | Unknown(..)));
    let shared = |cause: &Cause| {
        matches!(desk.p.config().blame(&run.task.kind, cause), Blame::Shared { .. })
    };
    match outcome {
        Outcome::Failed { cause, evidence, retry_after, cost } if in_doubt && !shared(&cause) => {
            Outcome::Unknown { cause, evidence, retry_after, cost }
        }
        outcome => outcome,
    }
}

/// Takes up a payment. `None`: there is nothing to take up.
pub(super) async fn job(
    desk: &Rc<Desk>,
    run: Option<&Rc<Run>>,
    mode: Mode,
    key: Key,
) -> Result<Option<Job>, Silent> {
    let wallet = desk.wallet().await?;
    let wallet = wallet.unwrap_or_else(|| Versioned { value: Rc::new(nothing()), seq: 0 });
    let payment = desk.payment(key).await?;
    let number = match (&payment, &mode) {
        (Some(kept), _) => number_of(&kept.value.source_key),
        (None, Mode::Pay(order)) => number_of(&order.source_key),
        (None, _) => return Ok(None),
    };
    let session = Session::new(mode, desk.p.now());
    Ok(Some(Job { desk: desk.clone(), run: run.cloned(), session, payment, wallet, number }))
}

/// The wallet's record, once it was compared with the world; or what must be answered instead.
async fn wallet(desk: &Desk) -> Result<Result<Versioned<Wallet>, Outcome>, Silent> {
    if !desk.agreed.get() {
        if let Err(outcome) = compared(desk).await? {
            return Ok(Err(outcome));
        }
        desk.agreed.set(true);
    }
    Ok(match desk.wallet().await? {
        Some(kept) => Ok(kept),
        None => Err(failed("record.behind", "the record is gone".to_owned())),
    })
}

async fn compared(desk: &Desk) -> Result<Result<(), Outcome>, Silent> {
    let facts = match desk.ask_outside(|outside, dice| outside.wallet_facts(dice)).await {
        Some(Ok(facts)) => facts,
        Some(Err(silent)) => return Ok(Err(failed("chain.unavailable", silent))),
        None => return Ok(Err(failed("chain.unavailable", "no answer".to_owned()))),
    };
    let kept = desk.wallet().await?;
    let (now, lost_after) = (desk.p.now(), LIMITS.unconfirmed_after);
    let record = kept.as_ref().map(|kept| &*kept.value);
    Ok(match compare(WALLET, record, &facts, now, lost_after) {
        Comparison::Agrees => Ok(()),
        Comparison::New(wallet) => {
            let begun: Cas = desk.p.compare_and_set(&Subject::Wallet, &wallet, 0).await?;
            desk.p.note(|| format!("begins the wallet's record: {begun:?}"));
            Ok(())
        }
        Comparison::Gap { evidence, known } => {
            if let (Some(wallet), Some(kept)) = (known, kept) {
                desk.p.compare_and_set(&Subject::Wallet, &wallet, kept.seq).await?;
            }
            Err(failed("wallet.sender-nonce", evidence))
        }
        Comparison::Behind { evidence } => Err(failed("record.behind", evidence)),
    })
}

fn failed(word: &'static str, evidence: String) -> Outcome {
    let cause = Cause::known(word);
    Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

fn unknown(evidence: &str) -> Outcome {
    let (cause, evidence) = (Cause::known("payment.unknown"), evidence.to_owned());
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}
