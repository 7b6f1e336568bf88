//! The dollars of kinds whose budget limits them: held with the claim, spent with the end.
//!
//! What may be held and what is spent is [`logic::usd`]'s to say. The record lies in STATE beside
//! the chains, so each of the two is one atomic write with the link that it belongs to. Kinds
//! without such a budget never touch it. The attempts of one process take turns, so that of many
//! slots only as many race for the record as there are dispatchers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bus::{Bus, Expect, Put};
use domain::{Config, Key, Kind, Task, TaskState, UsdHold, UsdSpending};
use fleet::store::{self, Cas, StoreError, Versioned};
use logic::{
    attempt::Ending,
    usd::{Oversized, Reached, Refused, Toll, reserve, settle, stale},
};
use tokio_util::sync::CancellationToken;
use wire::{Wire as _, subject};

use crate::{desk::Desk, handler};

/// What a claim is to hold.
#[derive(Clone, Debug)]
pub(crate) enum Money {
    /// Nothing: the kind's dollars have no limit.
    Free,
    /// To be stored with the claim, right before it.
    Held(Box<Versioned<UsdSpending>>),
    /// What is under way could spend all that is left.
    Busy,
    /// The budget is reached: the attempt ends as it begins.
    Reached(Reached),
    /// It may cost more than the whole budget: the attempt ends as it begins, and is its own fault.
    Oversized(Oversized),
    /// Its handler cannot say what it may cost.
    Unknown,
}

/// What this process wrote last, by kind: most of the time it still stands there.
pub(crate) type Known = BTreeMap<Kind, Versioned<UsdSpending>>;

/// Attempts for which something was held as they had ended.
type Suspects = BTreeSet<(Kind, Key, u32)>;

/// How often the end of an attempt is written again because others wrote to the record; then it
/// is written alone, before its lease runs out.
const TRIES: u32 = 20;
/// How long it waits for its turn before that.
const TURN_WITHIN: Duration = Duration::from_millis(300);
/// How often what it cost is counted again after that.
const LATER_TRIES: u32 = 100;
/// How often each dispatcher looks for what is held for nobody, give or take half. What it finds
/// twice is: whoever wrote an end alone counts it right after.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What `claim` is to hold, which is about to be written.
pub(crate) async fn hold(
    desk: &Desk,
    known: &mut Known,
    config: &Config,
    task: &Task,
    claim: &TaskState,
) -> Result<Money, StoreError> {
    let kind = &task.kind;
    let Some(budget) = config.budgets.get(kind).filter(|budget| budget.limits_usd()) else {
        return Ok(Money::Free);
    };
    let most = config.kinds.get(kind).and_then(|kind| handler::most(config, kind, task));
    let Some(most) = most else { return Ok(Money::Unknown) };
    let hold = UsdHold { task: task.key(), attempt: claim.attempt, most, since: claim.at };
    loop {
        let (found, fresh) = look(&desk.fleet.bus, known, kind).await?;
        let now = desk.fleet.clock.now();
        let refused = match reserve(&found.value, budget, hold.clone(), now) {
            Ok(value) => return Ok(Money::Held(Box::new(Versioned { value, seq: found.seq }))),
            Err(refused) => refused,
        };
        if fresh {
            return Ok(match refused {
                Refused::Busy => Money::Busy,
                Refused::Oversized(oversized) => Money::Oversized(oversized),
                Refused::Reached(reached) => Money::Reached(reached),
            });
        }
        // Others may have ended what was held then.
        known.remove(kind);
    }
}

/// Writes the end of an attempt on `last`, and in the same step what it cost, if anything was
/// held for it.
///
/// # Errors
///
/// As [`store::compare_and_set`].
pub(crate) async fn end(
    desk: &Desk,
    (kind, key): (&Kind, Key),
    ending: &Ending,
    last: u64,
) -> Result<Cas, StoreError> {
    let (bus, chain) = (&desk.fleet.bus, subject::state(kind, key));
    let turn = tokio::select! {
        turn = desk.purse.lock() => Some(turn),
        () = desk.fleet.clock.sleep(TURN_WITHIN) => None,
    };
    if let Some(mut known) = turn {
        for _ in 0..TRIES {
            let next = settled(desk, &mut known, (kind, key), ending).await?;
            let puts: Vec<Put> = next.iter().map(put).collect();
            let state = &ending.state;
            let cas =
                store::compare_and_set_with(bus, subject::STATE, &chain, state, last, &puts).await;
            let cas = note(&mut known, next, cas)?;
            let lost = matches!(cas, Cas::Lost) && !puts.is_empty();
            if !lost || bus.last(subject::STATE, &chain).await?.map_or(0, |link| link.seq) != last {
                return Ok(cas);
            }
            // Another attempt of the kind was begun or ended meanwhile.
            desk.fleet.clock.sleep(Bus::jitter() / 4).await;
        }
    }
    let cas = store::compare_and_set(bus, subject::STATE, &chain, &ending.state, last).await?;
    if matches!(cas, Cas::Stored(_))
        && let Err(error) = count_later(desk, (kind, key), ending).await
    {
        // It stays counted in full until somebody finds it left over.
        desk.grumble("count what an attempt cost", error);
    }
    Ok(cas)
}

/// Counts what an attempt cost whose end is written already.
async fn count_later(desk: &Desk, task: (&Kind, Key), ending: &Ending) -> Result<(), StoreError> {
    let mut known = desk.purse.lock().await;
    for _ in 0..LATER_TRIES {
        let Some(next) = settled(desk, &mut known, task, ending).await? else { return Ok(()) };
        let (bus, on) = (&desk.fleet.bus, subject::usd(task.0));
        let cas = store::compare_and_set(bus, subject::STATE, &on, &next.value, next.seq).await?;
        known.remove(task.0);
        if matches!(cas, Cas::Stored(_)) {
            return Ok(());
        }
        desk.fleet.clock.sleep(Bus::jitter() / 4).await;
    }
    Ok(())
}

/// Takes in how a batch ended in which `next` lay right before the link of the chain.
pub(crate) fn note(
    known: &mut Known,
    next: Option<Versioned<UsdSpending>>,
    cas: Result<Cas, StoreError>,
) -> Result<Cas, StoreError> {
    let Some(Versioned { value, .. }) = next else { return cas };
    match &cas {
        // The members of a batch lie one after the other.
        Ok(Cas::Stored(seq)) => {
            known.insert(value.kind.clone(), Versioned { value, seq: seq.saturating_sub(1) });
        }
        Ok(Cas::Lost) | Err(_) => {
            known.remove(&value.kind);
        }
    }
    cas
}

/// The record without what was held for the attempt that ends; `None` when nothing was. A record
/// that makes no sense keeps no attempt from its end.
async fn settled(
    desk: &Desk,
    known: &mut Known,
    (kind, key): (&Kind, Key),
    ending: &Ending,
) -> Result<Option<Versioned<UsdSpending>>, StoreError> {
    let (attempt, now) = (ending.state.attempt, desk.fleet.clock.now());
    loop {
        let (found, fresh) = match look(&desk.fleet.bus, known, kind).await {
            Err(error @ StoreError::Garbled { .. }) => {
                tracing::error!(%kind, %error, "what the kind has spent makes no sense");
                return Ok(None);
            }
            look => look?,
        };
        if let Some(value) = settle(&found.value, key, attempt, ending.toll, now) {
            return Ok(Some(Versioned { value, seq: found.seq }));
        }
        if fresh {
            return Ok(None);
        }
        known.remove(kind);
    }
}

/// Looks, every now and then, for what is held for attempts that somebody else has ended.
pub(crate) async fn keep(desk: Arc<Desk>, until: CancellationToken) {
    let mut suspects = Suspects::new();
    loop {
        let pause = LOOK_EVERY.mul_f64(0.5 + kit::chance());
        tokio::select! {
            () = until.cancelled() => return,
            () = desk.fleet.clock.sleep(pause) => (),
        }
        let config = desk.fleet.config();
        let before = std::mem::take(&mut suspects);
        for (kind, budget) in &config.budgets {
            if budget.limits_usd()
                && let Err(error) = sweep(&desk, kind, &before, &mut suspects).await
            {
                desk.grumble("look for what is held for nobody", error);
            }
        }
    }
}

async fn sweep(
    desk: &Desk,
    kind: &Kind,
    before: &Suspects,
    suspects: &mut Suspects,
) -> Result<(), StoreError> {
    let bus = &desk.fleet.bus;
    // The record first: whoever ends an attempt after that moves it, and this is refused.
    let found = read(bus, kind).await?;
    let mut next = found.value.clone();
    for hold in &found.value.held {
        let chain = subject::state(kind, hold.task);
        let chain = store::read::<TaskState>(bus, subject::STATE, &chain).await?;
        let suspect = (kind.clone(), hold.task, hold.attempt);
        if !stale(hold, chain.as_ref().map(|chain| &chain.value)) {
            continue;
        }
        if !before.contains(&suspect) {
            suspects.insert(suspect);
            continue;
        }
        let now = desk.fleet.clock.now();
        if let Some(settled) = settle(&next, hold.task, hold.attempt, Toll::Unknown, now) {
            let (task, attempt, most) = (hold.task, hold.attempt, hold.most);
            tracing::warn!(%kind, %task, attempt, %most, "its end was not counted, it is spent");
            next = settled;
        }
    }
    if next.held.len() < found.value.held.len() {
        let on = subject::usd(kind);
        // Lost: the next look sees what was written.
        let _: Cas = store::compare_and_set(bus, subject::STATE, &on, &next, found.seq).await?;
    }
    Ok(())
}

/// What a kind has spent, and whether that was read just now.
async fn look(
    bus: &Bus,
    known: &mut Known,
    kind: &Kind,
) -> Result<(Versioned<UsdSpending>, bool), StoreError> {
    if let Some(known) = known.get(kind) {
        return Ok((known.clone(), false));
    }
    let found = read(bus, kind).await?;
    known.insert(kind.clone(), found.clone());
    Ok((found, true))
}

/// Nothing at all before the first attempt of a kind.
async fn read(bus: &Bus, kind: &Kind) -> Result<Versioned<UsdSpending>, StoreError> {
    let found = store::read(bus, subject::STATE, &subject::usd(kind)).await?;
    Ok(found.unwrap_or_else(|| Versioned { value: UsdSpending::new(kind.clone()), seq: 0 }))
}

/// To be written over what it was decided from.
pub(crate) fn put(next: &Versioned<UsdSpending>) -> Put {
    let (subject, body) = (subject::usd(&next.value.kind), next.value.encode());
    Put { subject, body, expect: Expect::Last(next.seq), id: None }
}

/// Whether something may be held for attempts of the kind.
pub(crate) fn limits(desk: &Desk, kind: &Kind) -> bool {
    desk.fleet.config().budgets.get(kind).is_some_and(domain::Budget::limits_usd)
}
