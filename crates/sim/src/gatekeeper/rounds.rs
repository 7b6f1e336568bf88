//! Each second, what no message announces: times that were named and have come; canaries whose
//! end was not told as such, or that do not end; drains that are over.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use domain::{Admission, Blame, Canary, Cause, Epoch, Gate, GateName, GateState, Phase, TaskState};
use logic::{
    gate::{PersonOpens, UNDECIDED_AFTER, on_backlog_gone, on_canary_late, open},
    pace::{backlog_gone, held_elsewhere},
};

use super::{
    Keeper, Record,
    caught_up::CaughtUp,
    moves, outcomes,
    resets::{self, Due},
};
use crate::{
    exec::Millis,
    process::P,
    words::{Silent, Stored, Subject, Told, Word as _},
};

const EVERY: Millis = 1_000;
const SETTLED_AFTER: Millis = 5_000;

/// What a gatekeeper remembers of a gate from round to round.
#[derive(Default)]
pub(super) struct Memory {
    watch: Option<Watch>,
    pub(super) due: Option<Due>,
}

/// What is seen of a canary, and since when.
#[derive(Clone)]
struct Watch {
    seen: Seen,
    begun: Millis,
    since: Millis,
    caught_up: CaughtUp,
}

#[derive(Clone, PartialEq)]
struct Seen {
    epoch: Epoch,
    won: u64,
    attempt: u32,
    ended: Option<Ended>,
}

#[derive(Clone, PartialEq)]
enum Ended {
    Completed,
    Spent(Cause),
}

pub(super) async fn walk(keeper: Rc<Keeper>) {
    let mut memories: BTreeMap<GateName, Memory> = BTreeMap::new();
    loop {
        keeper.p.sleep_ms(EVERY).await;
        for name in keeper.p.config().all_gates() {
            if keeper.gates.doubtful() {
                break;
            }
            let memory = memories.entry(name.clone()).or_default();
            // A round that is not finished is finished by the next one.
            let _ = visit(&keeper, &name, memory).await;
        }
    }
}

async fn visit(keeper: &Keeper, name: &GateName, memory: &mut Memory) -> Result<(), Silent> {
    let Some(standing) = keeper.gates.standing(name) else { return Ok(()) };
    let gate = standing.gate;
    if keeper.opens_by_itself(&gate) {
        return open_by_itself(keeper, &gate).await;
    }
    match gate.state {
        GateState::Open => Ok(()),
        GateState::Closed => resets::probe_when_due(keeper, &gate, memory).await,
        GateState::Probing => look_after(keeper, &gate, memory).await,
        GateState::Draining => open_when_gone(keeper, &gate).await,
    }
}

async fn look_after(keeper: &Keeper, gate: &Gate, memory: &mut Memory) -> Result<(), Silent> {
    let subject = Subject::Canary(gate.name.clone(), gate.epoch);
    let links = keeper.p.canary_links(subject).await?;
    let Some((canary, won)) = newest(&links).filter(|(canary, _)| !canary.released) else {
        memory.watch = None;
        return Ok(());
    };
    let subject = Subject::State(canary.kind.clone(), canary.task);
    let state = keeper.p.get::<TaskState>(subject).await?.map(|found| found.value);
    let ended = state.and_then(|state| ended(&state, &canary));
    let seen = Seen { epoch: gate.epoch, won, attempt: canary.attempt, ended };
    let now = keeper.p.mono_ms();
    let mut watch = follow(memory.watch.take(), seen, now);
    let due = match &watch.seen.ended {
        Some(_) => SETTLED_AFTER <= now - watch.since,
        None => UNDECIDED_AFTER <= Duration::from_millis(now - watch.begun),
    };
    let ready = due && watch.caught_up.all_read(keeper).await?;
    let (ended, under_way) = (watch.seen.ended.clone(), now - watch.begun);
    memory.watch = Some(watch);
    if !ready {
        return Ok(());
    }
    keeper.p.count("canaries that a gatekeeper concluded");
    match ended {
        Some(ended) => conclude(keeper, gate, &canary, ended).await,
        None => late(keeper, gate, &canary, Duration::from_millis(under_way)).await,
    }
}

fn follow(before: Option<Watch>, seen: Seen, now: Millis) -> Watch {
    let same = |watch: &Watch| (watch.seen.epoch, watch.seen.won) == (seen.epoch, seen.won);
    match before.filter(same) {
        Some(watch) if watch.seen == seen => watch,
        Some(Watch { begun, .. }) => {
            Watch { seen, begun, since: now, caught_up: CaughtUp::default() }
        }
        None => Watch { seen, begun: now, since: now, caught_up: CaughtUp::default() },
    }
}

async fn conclude(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
    ended: Ended,
) -> Result<(), Silent> {
    let mut told = Told {
        verb: "completed",
        by_payer: false,
        kind: canary.kind.clone(),
        source_key: canary.source_key.clone(),
        attempt: canary.attempt,
        at: keeper.p.now(),
        cause: None,
        evidence: String::new(),
        rest_until: None,
        resets_at: None,
        admitted: vec![Admission { gate: gate.name.clone(), epoch: gate.epoch, seq: 0 }],
        canary: vec![gate.name.clone()],
    };
    match ended {
        Ended::Completed => outcomes::completed(keeper, &gate.name, &told).await,
        Ended::Spent(cause) => {
            (told.verb, told.cause) = ("failed", Some(cause.clone()));
            let seen = outcomes::failure(&told, &cause, Blame::Own);
            outcomes::failed(keeper, &gate.name, &seen).await
        }
    }
}

async fn late(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
    under_way: Duration,
) -> Result<(), Silent> {
    let Some(look) = keeper.look(&gate.name).await? else { return Ok(()) };
    let decision = on_canary_late(&look.gate, canary, under_way, &keeper.stamp(&look));
    let record = Record::empty(&gate.name, gate.incident);
    moves::carry_out(keeper, &look, &record, &decision).await?;
    Ok(())
}

/// The newest link of a canary's record, and the sequence with which its task first won it.
fn newest(links: &[Stored]) -> Option<(Canary, u64)> {
    let mut newest: Option<(Canary, u64)> = None;
    for link in links {
        let Some(found) = Canary::take(&link.body) else { continue };
        let (mut canary, mut won) = (Canary::clone(&found), link.seq);
        if let Some((before, since)) = &newest
            && (&before.kind, before.task, before.released) == (&canary.kind, canary.task, false)
        {
            canary.begun = before.begun;
            won = *since;
        }
        newest = Some((canary, won));
    }
    newest
}

/// How the canary's attempt has ended; `None` while it is under way, unknown, or about to be
/// told as a failure that others share.
fn ended(state: &TaskState, canary: &Canary) -> Option<Ended> {
    let mut admitted = state.admitted.iter();
    let tells_of = state.attempt == canary.attempt
        && state.canary.contains(&canary.gate)
        && admitted.any(|it| it.gate == canary.gate && it.epoch == canary.epoch);
    if !tells_of {
        return None;
    }
    match &state.phase {
        Phase::Completed { .. } => Some(Ended::Completed),
        Phase::Dead { cause }
        | Phase::Parked { cause, .. }
        | Phase::Resting { cause, charged: true, .. } => Some(Ended::Spent(cause.clone())),
        Phase::Withdrawn { .. } | Phase::Revived { .. } => {
            "canary.withdrawn".parse().ok().map(Ended::Spent)
        }
        Phase::Claimed(_) | Phase::Resting { charged: false, .. } | Phase::Returned { .. } => None,
    }
}

/// Opens a DRAINING gate once its backlog is gone.
async fn open_when_gone(keeper: &Keeper, gate: &Gate) -> Result<(), Silent> {
    let Some(opening) = keeper.p.gate_at(&gate.name, gate.opening).await? else { return Ok(()) };
    if !gone(keeper, &gate.name, opening.seq).await? {
        return Ok(());
    }
    let Some(look) = keeper.look(&gate.name).await? else { return Ok(()) };
    let decision = on_backlog_gone(&look.gate, gate.opening, &keeper.stamp(&look));
    let record = Record::empty(&gate.name, gate.incident);
    moves::carry_out(keeper, &look, &record, &decision).await?;
    Ok(())
}

async fn gone(keeper: &Keeper, name: &GateName, opening: u64) -> Result<bool, Silent> {
    let (config, gates) = (keeper.p.config(), keeper.gates.all());
    for kind in config.needing(name) {
        if held_elsewhere(&config, &gates, name, &kind) {
            continue;
        }
        let mut from = 1;
        while let Some(task) = keeper.p.next_task(&kind, from).await? {
            if opening <= task.seq {
                break;
            }
            let Some((kind, key)) = P::key_of(&task.subject) else { break };
            let state = keeper.p.get::<TaskState>(Subject::State(kind, key)).await?;
            let phase = state.as_ref().map(|state| &state.value.phase);
            if !backlog_gone(opening, [(task.seq, phase)]) {
                return Ok(false);
            }
            from = task.seq + 1;
        }
    }
    Ok(true)
}

async fn open_by_itself(keeper: &Keeper, gate: &Gate) -> Result<(), Silent> {
    let Some(look) = keeper.look(&gate.name).await? else { return Ok(()) };
    let opens = PersonOpens {
        by: "gatekeeper".to_owned(),
        note: "it has been closed for long enough".to_owned(),
        without_canary: false,
        accept: Vec::new(),
        expected_epoch: None,
    };
    let record = Record::empty(&gate.name, gate.incident);
    if let Ok(decision) = open(&look.gate, None, &opens, &keeper.stamp(&look)) {
        moves::carry_out(keeper, &look, &record, &decision).await?;
    }
    Ok(())
}
