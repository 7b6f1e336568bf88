//! Who is alive, and which gates hold work back.

use std::collections::BTreeMap;

use domain::{Config, GateName, GateState, Handler, Timestamp};
use wire::message::Beat;

use super::check::Check;
use crate::{
    file::PAYER,
    look::{Pulse, Seen},
    show::{lasts, line},
};

/// What the fleet shows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    /// The configuration in force.
    pub(crate) config: Config,
    pub(crate) pulse: Pulse,
    pub(crate) gates: BTreeMap<GateName, Seen>,
    pub(crate) now: Timestamp,
}

const REMEDY_MAX: usize = 200;
/// Of this program, and so of whoever was built with it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn judge(alive: &Alive) -> Vec<Check> {
    let mut checks: Vec<Check> =
        services(&alive.config).into_iter().map(|name| service(name, alive)).collect();
    let latched = alive
        .gates
        .iter()
        .flat_map(|(gate, seen)| alive.pulse.latched_lines(gate, seen, alive.now));
    let latched: Vec<String> = latched.collect();
    if !latched.is_empty() {
        let remedy = "a gatekeeper answers within seconds: look whether one is alive";
        checks.push(Check::warn("latched", latched.join("; "), remedy));
    }
    checks.extend(gates(alive));
    checks
}

/// What must run for this configuration.
fn services(config: &Config) -> Vec<&'static str> {
    let mut names = vec!["gatekeeper", "dispatcher"];
    if !config.sensors.is_empty() {
        names.push("sensor");
    }
    let paid =
        |handler: &Handler| matches!(handler, Handler::Service { name } if name.as_str() == PAYER);
    if config.kinds.values().any(|kind| paid(&kind.handler)) {
        names.push(PAYER);
    }
    names
}

fn service(name: &'static str, alive: &Alive) -> Check {
    let beats: Vec<&Beat> =
        alive.pulse.beats.values().filter(|beat| beat.service == name).collect();
    let count = beats.len();
    if count == 0 {
        let remedy = format!("start `{name}`; if it was started, its log says why it ended");
        return Check::fail(name, "none is alive: no beat was heard for a second", remedy);
    }
    let blind: Vec<&&Beat> = beats.iter().filter(|beat| !beat.blind.is_empty()).collect();
    if let Some(first) = blind.first() {
        let measured = format!("{} of {count} cannot see the gates: {}", blind.len(), first.blind);
        let remedy = "until it sees them it begins nothing: look at `portcullis ping`, and at \
                      the way from its host to NATS";
        return Check::fail(name, measured, remedy);
    }
    let version = alive.config.version;
    let other = beats.iter().find(|beat| beat.config_version != version);
    if let Some(other) = other {
        let measured = format!(
            "{} goes by configuration {}, and {version} is in force",
            other.id, other.config_version
        );
        let remedy = "it follows within seconds; if it stays so, restart it";
        return Check::warn(name, measured, remedy);
    }
    if let Some(other) = beats.iter().find(|beat| beat.version != VERSION) {
        let found = if other.version.is_empty() { "an older one" } else { &other.version };
        let measured = format!("{} is of version {found}, this program of {VERSION}", other.id);
        let remedy = "run one version everywhere: the newest, applied with its own `portcullis`";
        return Check::warn(name, measured, remedy);
    }
    let measured =
        format!("{count} alive, version {VERSION}, configuration {version}, seeing the gates");
    Check::ok(name, measured)
}

/// One line for each gate that is not OPEN; else one for all.
fn gates(alive: &Alive) -> Vec<Check> {
    let shut = alive
        .gates
        .iter()
        .filter(|(_, seen)| seen.gate().is_none_or(|gate| gate.state != GateState::Open));
    let shut: Vec<Check> = shut.map(|(name, seen)| gate(name, seen, alive)).collect();
    if shut.is_empty() {
        return vec![Check::ok("gates", format!("{} OPEN (flowing)", alive.gates.len()))];
    }
    shut
}

fn gate(name: &GateName, seen: &Seen, alive: &Alive) -> Check {
    let called = format!("gate {name}");
    let Some(gate) = seen.gate() else {
        let doubt = seen.doubt().unwrap_or_default();
        let remedy = format!("look at `portcullis gate history {name}`, then apply again");
        return Check::fail(called, doubt, remedy);
    };
    let time = lasts(alive.now.since(gate.since));
    let measured = format!("{} for {time}: {}", gate.state.told(), why(gate));
    match gate.state {
        GateState::Closed => Check::fail(called, measured, opening(name, &gate.remedy)),
        _ => Check::warn(
            called,
            measured,
            format!("it is being opened: follow it with `portcullis gate show {name}`"),
        ),
    }
}

fn why(gate: &domain::Gate) -> String {
    let causes: Vec<&str> = gate.causes.iter().map(domain::Cause::as_str).collect();
    match (causes.is_empty(), gate.note.trim()) {
        (false, _) => causes.join(", "),
        (true, "") => "no cause is named".to_owned(),
        (true, note) => line(note, REMEDY_MAX),
    }
}

fn opening(name: &GateName, remedy: &str) -> String {
    let clear = match line(&remedy.split_whitespace().collect::<Vec<_>>().join(" "), REMEDY_MAX) {
        none if none.is_empty() => "clear the cause.".to_owned(),
        whole if whole.ends_with(['.', '!', '?', '…']) => whole,
        open => format!("{open}."),
    };
    format!("{clear} Then: portcullis gate open {name} --note \"what was done\"")
}

#[cfg(test)]
mod tests {
    use logic::gate::{Stamp, first};

    use super::*;
    use crate::doctor::check::Verdict;

    const TOML: &str = r#"
[kinds.welcome]
handler = { service = "welcome-payer" }
needs = ["relay", "wallet", "inbox", "chain"]
[gates.relay]
remedy = "clear the nonce."
[gates.wallet]
[gates.inbox]
[gates.chain]
[sensors.aibtc.directory]
kind = "welcome"
network = "mainnet"
message = "Welcome"
[payer]
network = "mainnet"
"#;

    fn beat(service: &str) -> Beat {
        Beat {
            service: service.to_owned(),
            id: format!("{service}-1"),
            at: Timestamp::from_millis(0),
            config_version: 3,
            running: 0,
            latches: Vec::new(),
            blind: String::new(),
            head: 7,
            version: VERSION.to_owned(),
        }
    }

    /// A fleet in which everything runs and flows.
    fn sound() -> Alive {
        let (config, _) = crate::file::load("test.toml", TOML).unwrap();
        let config = Config { version: 3, ..config };
        let beats = ["gatekeeper", "dispatcher", "sensor", "welcome-payer"].map(beat);
        let beats = beats.into_iter().map(|it| ((it.service.clone(), it.id.clone()), it));
        let now = Timestamp::from_millis(600_000);
        let stamp = Stamp { now: Timestamp::from_millis(0), prev: 1, remedy: "clear the nonce." };
        let open =
            |name: GateName| (name.clone(), Seen::Known(Box::new(first(name, "ann", &stamp))));
        let gates = config.all_gates().into_iter().map(open).collect();
        Alive { config, pulse: Pulse { beats: beats.collect() }, gates, now }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Alive), expected: &[(&str, Verdict, &str)]) {
        let mut alive = sound();
        change(&mut alive);
        let wrong = judge(&alive).into_iter().filter(|check| check.verdict != Verdict::Ok);
        let wrong: Vec<Check> = wrong.collect();
        let named: Vec<(&str, Verdict)> =
            wrong.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
        let names: Vec<(&str, Verdict)> = expected.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(named, names);
        for (check, (_, _, remedy)) in wrong.iter().zip(expected) {
            assert!(check.remedy.contains(remedy), "{check:?}");
        }
    }

    fn of<'a>(alive: &'a mut Alive, service: &str) -> &'a mut Beat {
        alive.pulse.beats.values_mut().find(|beat| beat.service == service).unwrap()
    }

    fn relay(alive: &mut Alive, state: GateState) {
        let name: GateName = "relay".parse().unwrap();
        if let Some(Seen::Known(gate)) = alive.gates.get_mut(&name) {
            gate.state = state;
            gate.causes = vec!["relay.nonce-conflict".parse().unwrap()];
        }
    }

    /// G2: whoever is dead, blind or behind shows, each with its own remedy, and a sound fleet
    /// shows nothing.
    #[test]
    fn services_that_do_not_work() {
        use Verdict::{Fail, Warn};
        check(|_| (), &[]);
        for service in ["gatekeeper", "dispatcher", "sensor", "welcome-payer"] {
            let start = format!("start `{service}`");
            let dead = |it: &mut Alive| it.pulse.beats.retain(|(name, _), _| name != service);
            check(dead, &[(service, Fail, &start)]);
        }
        let blind = |it: &mut Alive| of(it, "sensor").blind = "a hole in the log".to_owned();
        check(blind, &[("sensor", Fail, "portcullis ping")]);
        check(|it| of(it, "dispatcher").config_version = 2, &[("dispatcher", Warn, "restart it")]);
        check(
            |it| of(it, "sensor").version = "0.0.9".to_owned(),
            &[("sensor", Warn, "one version")],
        );
        let nobody_pays = |it: &mut Alive| {
            it.config.sensors.clear();
            it.config.kinds.clear();
            it.pulse.beats.retain(|(name, _), _| name != "sensor" && name != "welcome-payer");
        };
        check(nobody_pays, &[]);
    }

    /// A gate that holds work back shows with what clears it and the command that opens it; a
    /// gate that nobody can read holds work back too.
    #[test]
    fn gates_that_hold_work_back() {
        use Verdict::{Fail, Warn};
        let open = "clear the nonce. Then: portcullis gate open relay --note";
        check(|it| relay(it, GateState::Closed), &[("gate relay", Fail, open)]);
        check(|it| relay(it, GateState::Probing), &[("gate relay", Warn, "gate show relay")]);
        check(|it| relay(it, GateState::Draining), &[("gate relay", Warn, "gate show relay")]);
        let name: GateName = "relay".parse().unwrap();
        for seen in [Seen::Absent, Seen::Garbled] {
            let set = |it: &mut Alive| it.gates.insert(name.clone(), seen);
            check(|it| drop(set(it)), &[("gate relay", Fail, "gate history relay")]);
        }
    }
}
