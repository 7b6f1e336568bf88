use std::collections::BTreeMap;

use bus::Bus;
use domain::{Config, GateName, Key, Kind, Timestamp};

use super::{
    phase::{PhaseName, why},
    walk,
};
use crate::look::Seen;

/// Where one task stands, for whoever tells of something else that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) kind: Kind,
    pub(crate) phase: &'static str,
    pub(crate) why: String,
    /// It will not be tried again by itself.
    pub(crate) ended: bool,
}

/// The tasks of one key, of whichever kinds.
pub(crate) async fn of(
    bus: &Bus,
    config: &Config,
    gates: &BTreeMap<GateName, Seen>,
    key: Key,
    now: Timestamp,
) -> anyhow::Result<Vec<Standing>> {
    let mut standing = Vec::new();
    for kind in config.kinds.keys() {
        let Some(found) = walk::one(bus, kind, key).await? else { continue };
        let phase = PhaseName::of(found.state.as_ref());
        standing.push(Standing {
            kind: kind.clone(),
            phase: phase.word(),
            why: why(&found, config, gates, now),
            ended: phase.ended() || phase == PhaseName::Parked,
        });
    }
    Ok(standing)
}
