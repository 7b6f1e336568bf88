//! Requests from the dispatchers: one question, one outcome.

use domain::{Blame, Cause, Cost, Key, Outcome, Payment, PaymentStage};
use fleet::store::Versioned;
use kit::Clock;
use logic::payment::{Mode, Order, Session, carry_on, plan};
use wire::{
    event::AttemptTold,
    message::{Latch, RunRequest},
    subject,
};

use crate::{
    desk::Desk,
    ledger::LedgerError,
    order::{OrderError, order},
    told,
    tools::Tools,
    work::{Account, Job, Later, Worked},
};

/// How often a request begins again because records moved under it.
const ROUNDS: u32 = 12;

/// Answers one request. What comes beside the outcome is to be written after it was sent.
pub(crate) async fn run(desk: &Desk, request: &RunRequest) -> (Outcome, Vec<Later>) {
    let mut later = Vec::new();
    let outcome = match answer(desk, request, &mut later).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let evidence = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(task = %request.task.source_key, evidence, "the record is not at hand");
            unknown(evidence)
        }
    };
    latch(desk, request, &outcome);
    tracing::info!(task = %request.task.source_key, attempt = request.attempt, ?outcome, "answered");
    (outcome, later)
}

async fn answer(
    desk: &Desk,
    request: &RunRequest,
    later: &mut Vec<Later>,
) -> Result<Outcome, LedgerError> {
    let tools = match desk.tools() {
        Ok(tools) => tools,
        Err(error) => {
            let why = format!("{error:#}");
            tracing::error!(why, "cannot pay");
            return Ok(Outcome::Held { gate: None, why });
        }
    };
    let order = match order(&request.task, tools.network, &tools.wallet) {
        Ok(order) => order,
        // Made under another configuration, and sound under that: it waits, and is not blamed.
        Err(error @ OrderError::OtherConfig { .. }) => {
            return Ok(Outcome::Held { gate: None, why: error.to_string() });
        }
        Err(error) => {
            let (cause, evidence) =
                (Cause::known("task.invalid"), format!("{:#}", anyhow::Error::new(error)));
            return Ok(Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO });
        }
    };
    // Payments are worked one after the other as far as the configuration says.
    let Ok(_permit) = tools.permits.acquire().await else {
        return Ok(Outcome::Held { gate: None, why: "the payer stops".to_owned() });
    };
    for _ in 0..ROUNDS {
        if let Some(outcome) = round(desk, &tools, request, &order, later).await? {
            return Ok(outcome);
        }
        Clock.sleep(bus::Bus::jitter() * 10).await;
    }
    Ok(Outcome::Held { gate: None, why: "other payments move under it all the time".to_owned() })
}

/// `None`: records moved; begin again.
async fn round(
    desk: &Desk,
    tools: &Tools,
    request: &RunRequest,
    order: &Order,
    later: &mut Vec<Later>,
) -> Result<Option<Outcome>, LedgerError> {
    let own = order.payee.key(&order.purpose);
    let kept = desk.ledger.payment(own).await?.map(|kept| kept.value);
    let settled = kept.as_ref().is_some_and(Payment::settled);
    let wallet = match desk.standing.wallet(desk, tools).await? {
        Ok(wallet) => wallet,
        Err(outcome) if !settled => {
            return Ok(Some(uncharged(desk, request, kept.as_ref(), outcome)));
        }
        Err(_) => Versioned { value: nothing(tools), seq: 0 },
    };
    let order_of_work = if settled { vec![own] } else { plan(&wallet.value, own) };
    for key in order_of_work {
        let hold = match key == own {
            true => Some(desk.hold(key).await),
            false => desk.try_hold(key),
        };
        // Another request of this process is at it: that is as good.
        let Some(_hold) = hold else { continue };
        let mode = if key == own { Mode::Pay(Box::new(order.clone())) } else { Mode::Finish };
        let Some(job) = job(desk, tools, Some(request), mode, key).await? else { continue };
        let (outcome, payment) = match job.work().await? {
            Worked::Moved => return Ok(None),
            Worked::Ended { outcome, payment, later: written } => {
                later.extend(written.map(|written| *written));
                (outcome, payment)
            }
        };
        if key == own {
            return Ok(Some(uncharged(desk, request, payment.as_deref(), outcome)));
        }
        let Some(payment) = payment else { continue };
        if let Err(instead) = carry_on(&payment, &outcome) {
            return Ok(Some(uncharged(desk, request, Some(&payment), instead)));
        }
    }
    Ok(None)
}

/// Whoever may have been paid is not failed (M2): what the configuration lays on the task
/// itself would be charged, and in the end leave a paid task dead.
fn uncharged(
    desk: &Desk,
    request: &RunRequest,
    payment: Option<&Payment>,
    outcome: Outcome,
) -> Outcome {
    let sent = payment.is_some_and(in_doubt);
    let shared = |cause: &Cause| {
        let blame = desk.fleet.config().blame(&request.task.kind, cause);
        matches!(blame, Blame::Shared { .. })
    };
    match outcome {
        Outcome::Failed { cause, evidence, retry_after, cost } if sent && !shared(&cause) => {
            Outcome::Unknown { cause, evidence, retry_after, cost }
        }
        outcome => outcome,
    }
}

/// Its bytes may have left, and it has come to no end.
const fn in_doubt(payment: &Payment) -> bool {
    use PaymentStage::{Sent, Staged, Unknown};
    matches!(payment.stage, Sent(..) | Staged(..) | Unknown(..))
}

/// Takes up a payment. `None`: there is nothing to take up.
pub(crate) async fn job<'a>(
    desk: &'a Desk,
    tools: &'a Tools,
    request: Option<&'a RunRequest>,
    mode: Mode,
    key: Key,
) -> Result<Option<Job<'a>>, LedgerError> {
    // The wallet first: then it is no newer than the payment, and its write is refused if it is.
    let wallet = desk.ledger.wallet(&tools.wallet.to_string()).await?;
    let wallet = wallet.unwrap_or_else(|| Versioned { value: nothing(tools), seq: 0 });
    let payment = desk.ledger.payment(key).await?;
    let letter = match (&payment, &mode) {
        (Some(kept), _) if kept.value.signed().is_some() => kept.value.letter.clone(),
        (_, Mode::Pay(order)) => order.letter.clone(),
        (Some(kept), _) => kept.value.letter.clone(),
        (None, _) => return Ok(None),
    };
    let reserved = payment.as_ref().and_then(|kept| kept.value.reserved.as_ref());
    let asking = request.map(|request| &request.task.kind);
    let account = match reserved.map(|reserved| &reserved.kind).or(asking) {
        Some(kind) => Some(Account::open(desk, kind).await?),
        None => None,
    };
    let session = Session::new(mode, desk.fleet.clock.now());
    let chosen = None;
    Ok(Some(Job { desk, tools, request, session, payment, wallet, account, letter, chosen }))
}

fn nothing(tools: &Tools) -> domain::Wallet {
    let (address, next) = (tools.wallet.to_string(), 0);
    domain::Wallet { address, next, unfinished: Vec::new(), holes: Vec::new(), spent: 0 }
}

/// Holds this payer back from the gate that a shared failure will close, until it is answered.
fn latch(desk: &Desk, request: &RunRequest, outcome: &Outcome) {
    let (Outcome::Failed { cause, evidence, retry_after, cost }
    | Outcome::Unknown { cause, evidence, retry_after, cost }) = outcome
    else {
        return;
    };
    let Blame::Shared { gate, tasks, .. } = desk.fleet.config().blame(&request.task.kind, cause)
    else {
        return;
    };
    let admission = request.admitted.iter().find(|admission| admission.gate == gate);
    let Some(admission) = admission.filter(|_| 0 < tasks) else { return };
    let (epoch, since) = (admission.epoch, desk.fleet.clock.now());
    let failed = told::failed(request, cause, evidence, *cost, &gate, since);
    let failed = AttemptTold { resets_at: retry_after.map(|wait| since.after(wait)), ..failed };
    desk.latches.latch(Latch { gate, epoch, event: failed.id(), since }, failed);
}

fn unknown(evidence: String) -> Outcome {
    let cause = Cause::known("payment.unknown");
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

/// Where the dispatchers ask.
pub(crate) fn subject() -> Option<String> {
    crate::SERVICE.parse().ok().map(|name| subject::service_run(&name))
}
