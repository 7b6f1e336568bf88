//! How many tasks of a kind may be under way at once.
//!
//! For the whole fleet that is held by the seats that a claim takes, see
//! [`logic::attempt::seat`], which also says what the limits are. A dispatcher holds itself to
//! the same number besides: more than that it could not claim, and what the broker delivers
//! again comes all at once, whatever the consumer's `max_ack_pending` says.
//!
//! The pace of a drain is what gatekeepers wrote down, read each second and at once when a
//! gate moves; 1 until it is read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{Admission, DrainPace, Epoch, GateName, GateState, Kind};
use fleet::store;
use logic::attempt::seat::{Limit, limits};
use tokio_util::sync::CancellationToken;
use wire::subject;

use crate::desk::Desk;

/// How often the paces of draining gates are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The paces of draining gates as they were last read, each with the epoch it was counted for.
pub(crate) type Paces = BTreeMap<GateName, (Epoch, u32)>;

/// Every row in which a claim needs a seat; `None` when a gate has moved since the admission.
pub(crate) fn of(desk: &Desk, kind: &Kind, admitted: &[Admission]) -> Option<Vec<Limit>> {
    let standing = |gate: &GateName| Some(desk.fleet.gates.standing(gate)?.gate);
    let pace = |gate: &GateName, epoch| desk.pace(gate, epoch);
    limits(&desk.fleet.config(), kind, admitted, standing, pace)
}

/// How many of a kind this dispatcher may attend to at once.
pub(crate) fn at_most(desk: &Desk, kind: &Kind, admitted: &[Admission]) -> usize {
    let Some(limits) = of(desk, kind, admitted) else { return 1 };
    let seats = limits.iter().map(|limit| limit.seats.try_into().unwrap_or(usize::MAX));
    seats.min().unwrap_or(usize::MAX)
}

/// Keeps the paces of draining gates until `shutdown`.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: CancellationToken) {
    let mut changes = desk.fleet.gates.changes();
    loop {
        let paces = read(&desk).await;
        if desk.paces(paces) {
            desk.wake.notify_one();
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = changes.changed() => (),
            () = desk.fleet.clock.sleep(LOOK_EVERY) => (),
        }
    }
}

async fn read(desk: &Desk) -> Paces {
    let mut paces = Paces::new();
    let standings = desk.fleet.gates.standings().into_iter();
    for gate in standings.map(|standing| standing.gate) {
        if gate.state != GateState::Draining {
            continue;
        }
        let on = subject::pace(&gate.name);
        match store::read::<DrainPace>(&desk.fleet.bus, subject::STATE, &on).await {
            Ok(Some(pace)) => {
                paces.insert(gate.name, (pace.value.epoch, pace.value.at_once));
            }
            Ok(None) => (),
            Err(error) => desk.grumble("read the pace of a drain", error),
        }
    }
    paces
}
