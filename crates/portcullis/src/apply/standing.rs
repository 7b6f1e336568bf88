//! What stands on the bus before anything is applied, read behind the fence.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, GateName};
use fleet::{gate_log, store};
use wire::{SCHEMA, message::AppliedConfig, subject};

use crate::{
    exit::{Code, Ended},
    look::Seen,
};

/// The bus as one read found it. What is written on top of it carries the token, so that
/// nothing can have moved in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) token: u64,
    /// The version that the gate `_config` is at; 0 before the first.
    pub(super) version: u64,
    pub(super) applied: Option<AppliedConfig>,
    /// Those that have a message.
    pub(super) gates: BTreeMap<GateName, Seen>,
}

impl Standing {
    /// Reads the token first, then every gate of the old configuration and of the new one.
    pub(super) async fn read(bus: &Bus, wanted: &Config) -> anyhow::Result<Standing> {
        if !bus.has_stream(subject::WORK).await.context("look for the streams")? {
            return Ok(Standing::default());
        }
        let token = gate_log::token(bus).await.context("read the gate log")?;
        let head = bus.last(subject::WORK, &subject::gate_log(&GateName::config())).await?;
        let head = head.and_then(|head| subject::parse_gate(&head.subject));
        let version = head.map_or(0, |(_, epoch)| epoch.get());
        let applied = read_applied(bus, version).await?;
        let mut standing = Standing { token, version, applied, gates: BTreeMap::new() };
        let old = standing.applied.iter().flat_map(|applied| applied.config.all_gates());
        let names: Vec<GateName> = old.chain(wanted.all_gates()).collect();
        for name in names {
            let seen = Seen::read(bus, &name).await?;
            if !matches!(seen, Seen::Absent) {
                standing.gates.insert(name, seen);
            }
        }
        Ok(standing)
    }

    pub(super) fn config(&self) -> Option<&Config> {
        self.applied.as_ref().map(|applied| &applied.config)
    }
}

async fn read_applied(bus: &Bus, version: u64) -> anyhow::Result<Option<AppliedConfig>> {
    // An apply that was cut off at the very start has left no RECORD.
    if version == 0 || !bus.has_stream(subject::RECORD).await.context("look for the streams")? {
        return Ok(None);
    }
    let found = store::read::<AppliedConfig>(bus, subject::RECORD, &subject::config(version))
        .await
        .context("read the configuration in force")?;
    let applied = found.map(|found| found.value);
    if let Some(applied) = &applied
        && SCHEMA < applied.schema
    {
        let text = format!(
            "the bus was set up for schema {} and this program only knows {SCHEMA}: apply with \
             the newer version of Portcullis",
            applied.schema
        );
        return Err(Ended::new(Code::Bus, text).into());
    }
    Ok(applied)
}
