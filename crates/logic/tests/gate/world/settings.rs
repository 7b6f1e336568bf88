//! What is configured, what a person allows beforehand, and whether that is kept.

use super::*;

/// What a person may allow of the relay.
const RESETS: [&str; 2] = ["relay.nonce-conflict", "relay.unavailable"];

impl World {
    /// Behind the fence, like every move of a gate: what was decided by the configuration before
    /// is decided again.
    pub(super) fn apply(&mut self, resets: bool) {
        self.config.version += 1;
        let reset = |cause: &&str| ResetPolicy { cause: cause.parse().unwrap(), note: "n".into() };
        let policies = RESETS.iter().filter(|_| resets).map(reset).collect();
        self.config.gates.get_mut(&self.names[0]).unwrap().resets = policies;
        let stamp = gate::Stamp { now: self.now, prev: self.head(), remedy: "" };
        let gate = gate::config(self.config.version, "bob", &stamp);
        self.log.push(Stored { job: None, gate });
        self.applied.push(self.config.clone());
    }

    /// The failure with what the configuration in force allows of the gate to blame.
    pub(super) fn judged(&self, seen: &FailureSeen) -> FailureSeen {
        let Blame::Shared { gate, .. } = &seen.blame else { return seen.clone() };
        let reset = |policy: &ResetPolicy| Reset {
            cause: policy.cause.clone(),
            version: self.config.version,
            by: "bob".to_owned(),
            note: policy.note.clone(),
        };
        let allowed = self.config.gates[gate].resets.iter().map(reset).collect();
        FailureSeen { allowed, ..seen.clone() }
    }

    pub(super) fn reset(
        &self,
        gate: &Gate,
        record: &Incident,
        stamp: &gate::Stamp<'_>,
    ) -> Decision {
        let decision = gate::on_reset_due(gate, record, &self.applied, stamp);
        if decision.gate.is_some() {
            self.every_word_is_kept(gate, record);
        }
        decision
    }

    /// A canary goes by a word given beforehand: of every failure for a cause of the closing, a
    /// time was named that is not before it, for that cause, and every time named has come.
    pub(super) fn every_word_is_kept(&self, gate: &Gate, record: &Incident) {
        for cause in &gate.causes {
            let alike: Vec<_> =
                record.failures.iter().filter(|failure| failure.cause == *cause).collect();
            assert!(!alike.is_empty(), "nothing failed for {cause}: {gate:?}");
            if alike.iter().all(|failure| failure.at < gate.failing_since) {
                continue;
            }
            for failure in &alike {
                let named = alike.iter().filter(|other| gate.failing_since <= other.at);
                let named = named.filter_map(|other| other.resets_at);
                assert!(named.clone().any(|at| failure.at <= at), "disproved: {failure:?}");
                assert!(named.clone().all(|at| at <= self.now), "too early: {record:?}");
            }
        }
    }
}

pub(super) fn config() -> Config {
    let kind = |needs: &[&str]| KindConfig {
        needs: needs.iter().map(|gate| gate.parse().unwrap()).collect(),
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(60),
        concurrency: None,
        lease: Duration::from_secs(10),
        timeout: Duration::from_secs(60),
        ..KindConfig::of(Handler::Service { name: "payer".parse().unwrap() })
    };
    let policy = |cause: &str, tasks| {
        let within = Duration::from_secs(600);
        ClosePolicy { cause: cause.parse().unwrap(), tasks, within }
    };
    let relay = GateConfig {
        closes_on: vec![policy("relay.unavailable", 2), policy("relay.sponsor-failed", 0)],
        ..GateConfig::default()
    };
    Config {
        version: 1,
        kinds: BTreeMap::from([
            ("welcome".parse().unwrap(), kind(&["relay", "wallet"])),
            ("prompt".parse().unwrap(), kind(&["relay"])),
        ]),
        gates: BTreeMap::from([
            ("relay".parse().unwrap(), relay),
            ("wallet".parse().unwrap(), GateConfig::default()),
        ]),
        sensors: BTreeMap::new(),
        payer: None,
        budgets: Default::default(),
        ..Config::default()
    }
}
