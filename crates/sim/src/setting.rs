//! The configuration that every seed runs under, and the names in it.
//!
//! Times are short, so that a claim is lost and a canary is late within a minute or two.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use domain::{
    ClosePolicy, Config, GateConfig, GateName, Handler, Key, Kind, KindConfig, Payee, ResetPolicy,
    Sats, SourceKey,
};
use logic::{payment::Limits, sensor};

use crate::quota::PASSING;

/// The claim's lease and the queues' ack wait, in milliseconds.
pub(crate) const LEASE_MS: u64 = 6_000;
/// The wallet that pays.
pub(crate) const WALLET: &str = "SPUS";

/// The kind that the payer handles, and the one that a dispatcher runs by itself.
pub(crate) fn welcome() -> Kind {
    "welcome".parse().expect("a kind")
}

pub(crate) fn script() -> Kind {
    "script".parse().expect("a kind")
}

pub(crate) fn gate(name: &str) -> GateName {
    name.parse().expect("a gate")
}

/// Two kinds that share the gate `relay`; `tool` closes after two tasks have failed, and at once
/// for what passes by itself, as a person has said of it.
pub(crate) fn config() -> Rc<Config> {
    let gates = ["relay", "inbox", "wallet", "chain", "tool"];
    let kinds = [
        (welcome(), kind("welcome-payer", &["inbox", "relay", "wallet", "chain"])),
        (script(), kind("script", &["tool", "relay"])),
    ];
    let mut gates: BTreeMap<GateName, GateConfig> =
        gates.into_iter().map(|name| (gate(name), GateConfig::default())).collect();
    if let Some(tool) = gates.get_mut(&gate("tool")) {
        tool.closes_on = vec![closes_on("tool.down", 2)];
        tool.closes_on.extend(PASSING.map(|cause| closes_on(cause, 1)));
        tool.resets = PASSING.map(passes_by_itself).to_vec();
    }
    if let Some(relay) = gates.get_mut(&gate("relay")) {
        relay.drain_max = Some(4);
    }
    let kinds = kinds.into_iter().collect();
    let (sensors, budgets) = (BTreeMap::new(), BTreeMap::new());
    Rc::new(Config { version: 1, kinds, gates, sensors, payer: None, budgets, ..Config::default() })
}

fn closes_on(cause: &str, tasks: u32) -> ClosePolicy {
    let cause = cause.parse().expect("a cause");
    ClosePolicy { cause, tasks, within: Duration::from_secs(60) }
}

fn passes_by_itself(cause: &str) -> ResetPolicy {
    ResetPolicy { cause: cause.parse().expect("a cause"), note: "it turns by itself".to_owned() }
}

fn kind(service: &str, needs: &[&str]) -> KindConfig {
    KindConfig {
        needs: needs.iter().map(|name| gate(name)).collect(),
        attempts_max: 4,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(8),
        concurrency: None,
        lease: Duration::from_millis(LEASE_MS),
        timeout: Duration::from_secs(25),
        ..KindConfig::of(Handler::Service { name: service.parse().expect("a service") })
    }
}

/// What the payer may spend, and how patient it is.
pub(crate) const LIMITS: Limits = Limits {
    amount_max: Sats::new(1_000),
    in_flight: 4,
    unconfirmed_after: Duration::from_secs(20),
    unresolved_after: Duration::from_secs(60),
    ask_every: Duration::from_secs(4),
    patience: Duration::from_secs(6),
    poll_every: Duration::from_secs(1),
};

/// Whom the task of agent `number` is about.
pub(crate) fn source_key(kind: &Kind, number: u64) -> SourceKey {
    format!("{kind}/SP{number}").parse().expect("a source key")
}

/// Which agent a source key is about.
pub(crate) fn number_of(source_key: &SourceKey) -> u64 {
    let digits = source_key.as_str().rsplit("/SP").next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
}

pub(crate) fn payee(number: u64) -> Payee {
    let sensor::Payee { version, hash160 } = seen(number);
    Payee { network: "mainnet".to_owned(), address: format!("SP{number}"), version, hash160 }
}

/// The agent as a sensor sees it.
pub(crate) fn seen(number: u64) -> sensor::Payee {
    let mut hash160 = [0; 20];
    hash160[..8].copy_from_slice(&number.to_be_bytes());
    sensor::Payee { version: 22, hash160 }
}

pub(crate) fn number_seen(payee: sensor::Payee) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&payee.hash160[..8]);
    u64::from_be_bytes(bytes)
}

/// The key of the payment to agent `number`.
pub(crate) fn payment_key(number: u64) -> Key {
    payee(number).key("welcome")
}
