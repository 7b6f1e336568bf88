//! Holds the consumers to the pace: the second line behind the gates.

use std::{collections::BTreeMap, rc::Rc};

use domain::{Gate, GateName, Kind};
use logic::{pace::KindLimit, view::Verdict};

use super::Keeper;
use crate::{
    bus::Of,
    exec::Millis,
    queue::Backlog,
    wait::{Either, first},
    words::Silent,
};

const EVERY: Millis = 1_000;
const BREATH: Millis = 5;

/// What is to be done about a consumer.
struct Steps {
    pause: bool,
    lower: Option<i64>,
    raise: Option<i64>,
    resume: bool,
}

pub(super) async fn enforce(keeper: Rc<Keeper>) {
    let (mut changed, mut paced) = (0, 0);
    loop {
        if !keeper.gates.doubtful() {
            let gates = keeper.gates.all();
            for kind in keeper.p.config().kinds.keys() {
                // What cannot be set now is set with the next round.
                let _ = enforce_kind(&keeper, &gates, kind).await;
            }
        }
        let bells = first(keeper.gates.changes().rung(&mut changed), keeper.paced.rung(&mut paced));
        if let Either::B(()) = first(bells, keeper.p.sleep_ms(EVERY)).await {
            let gates = keeper.gates.all();
            keeper.pace.borrow_mut().forget(&gates, keeper.p.now());
        }
        keeper.p.sleep_ms(BREATH).await;
        (changed, paced) = (keeper.gates.changes().count(), keeper.paced.count());
    }
}

/// Sets the consumers behind a gate to the canary's pace, before the gate is PROBING.
pub(super) async fn hold_for_canary(keeper: &Keeper, probing: &Gate) -> Result<(), Silent> {
    let mut gates = keeper.gates.all();
    gates.insert(probing.name.clone(), probing.clone());
    for kind in keeper.p.config().needing(&probing.name) {
        let wanted = wanted(keeper, &gates, &kind);
        let found = keeper.p.backlog(Of::Work(kind.clone())).await?;
        if let Some(limit) = steps(&found, wanted).lower {
            keeper.p.limit(&kind, limit).await?;
        }
    }
    Ok(())
}

fn wanted(keeper: &Keeper, gates: &BTreeMap<GateName, Gate>, kind: &Kind) -> KindLimit {
    keeper.pace.borrow().limit(&keeper.p.config(), gates, kind, keeper.p.now())
}

async fn enforce_kind(
    keeper: &Keeper,
    gates: &BTreeMap<GateName, Gate>,
    kind: &Kind,
) -> Result<(), Silent> {
    let wanted = wanted(keeper, gates, kind);
    let found = keeper.p.backlog(Of::Work(kind.clone())).await?;
    let mut steps = steps(&found, wanted);
    if !keeper.has_counted() {
        steps = Steps { pause: steps.pause, lower: None, raise: None, resume: false };
    }
    if steps.pause {
        keeper.p.pause(kind, true).await?;
    }
    if let Some(limit) = steps.lower {
        keeper.p.limit(kind, limit).await?;
    }
    if (steps.raise.is_none() && !steps.resume) || !confirmed(keeper, kind, wanted).await {
        return Ok(());
    }
    if let Some(limit) = steps.raise {
        keeper.p.limit(kind, limit).await?;
    }
    if steps.resume {
        keeper.p.pause(kind, false).await?;
    }
    Ok(())
}

/// Whether the leader knows no gate message that this gatekeeper does not.
async fn confirmed(keeper: &Keeper, kind: &Kind, wanted: KindLimit) -> bool {
    let Verdict::Open { token, .. } = keeper.gates.verdict(kind) else { return wanted.paused };
    let same = matches!(keeper.p.token().await, Ok(leader) if leader == token);
    if !same {
        keeper.gates.read_again();
    }
    same
}

fn steps(found: &Backlog, wanted: KindLimit) -> Steps {
    let limit = i64::from(wanted.max_ack_pending);
    Steps {
        pause: wanted.paused && !found.paused,
        lower: (limit < found.max_ack_pending).then_some(limit),
        raise: (found.max_ack_pending < limit).then_some(limit),
        resume: found.paused && !wanted.paused,
    }
}
