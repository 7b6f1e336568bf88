//! Every subject, stream and consumer, in one place.

use domain::{
    Cause, Epoch, Fingerprint, GateName, Key, Kind, ProviderName, Row, SensorName, ServiceName,
};

/// Work to do and the gate log. One stream, so that a create can be fenced by the gates.
pub const WORK: &str = "WORK";
/// Where each task stands.
pub const STATE: &str = "STATE";
/// What happened, for ever.
pub const RECORD: &str = "RECORD";
/// What is told, for 30 days.
pub const EVENTS: &str = "EVENTS";

/// Over exactly this text every fenced write is checked; another spelling of the same
/// subjects would not see writes under way on a replicated stream.
pub const FENCE: &str = "gate.>";
/// Where the broker repeats every gate message.
pub const GATECAST: &str = "gatecast.>";
/// The consumer that nobody pulls: it keeps any other from being made on the gate log.
pub const GATE_LOG_CONSUMER: &str = "gate-log";
/// The durable by which gatekeepers learn of outcomes.
pub const GATEKEEPER_CONSUMER: &str = "gatekeeper";
/// Where people command gates.
pub const GATEKEEPER_COMMAND: &str = "svc.gatekeeper.command";
/// Where people have a payer's record follow the world.
pub const ADOPT: &str = "svc.welcome-payer.adopt";
/// All heartbeats.
pub const BEATS: &str = "beat.>";

pub fn task(kind: &Kind, key: Key) -> String {
    format!("task.{kind}.{key}")
}

pub fn tasks_of(kind: &Kind) -> String {
    format!("task.{kind}.*")
}

/// Kind and key of a task's subject.
pub fn parse_task(subject: &str) -> Option<(Kind, Key)> {
    let mut words = subject.strip_prefix("task.")?.split('.');
    let kind = words.next()?.parse().ok()?;
    let key = words.next()?.parse().ok()?;
    words.next().is_none().then_some((kind, key))
}

pub fn state(kind: &Kind, key: Key) -> String {
    format!("state.{kind}.{key}")
}

/// Who follows a task up; see [`domain::Follower`].
pub fn follows(kind: &Kind, key: Key) -> String {
    format!("follows.{kind}.{key}")
}

/// One seat of a row; see [`domain::Seat`].
pub fn seat(row: &Row, number: u32) -> String {
    match row {
        Row::Kind(kind) => format!("seat.kind.{kind}.{number}"),
        Row::Gate(gate) => format!("seat.gate.{gate}.{number}"),
    }
}

/// The pace of a gate's drain; see [`domain::DrainPace`].
pub fn pace(gate: &GateName) -> String {
    format!("pace.{gate}")
}

/// What a kind has spent on repeated attempts; see [`domain::RetriesSpent`].
pub fn retries(kind: &Kind) -> String {
    format!("retries.{kind}")
}

/// What the attempts of a kind have cost and hold reserved. In STATE, where their claims are: so
/// that the two are stored together or not at all.
pub fn usd(kind: &Kind) -> String {
    format!("usd.{kind}")
}

pub fn gate(name: &GateName, epoch: Epoch) -> String {
    format!("gate.{name}.{epoch}")
}

/// The whole log of one gate; its last message is the gate's state.
pub fn gate_log(name: &GateName) -> String {
    format!("gate.{name}.*")
}

/// Name and epoch of a gate's subject, as stored (`gate.…`) or as repeated (`gatecast.…`).
pub fn parse_gate(subject: &str) -> Option<(GateName, Epoch)> {
    let rest = subject.strip_prefix("gate.").or_else(|| subject.strip_prefix("gatecast."))?;
    let (name, epoch) = rest.split_once('.')?;
    Some((name.parse().ok()?, Epoch::new(epoch.parse().ok()?)))
}

pub fn dispatch_consumer(kind: &Kind) -> String {
    format!("dispatch-{kind}")
}

pub fn config(version: u64) -> String {
    format!("config.{version}")
}

pub fn canary(gate: &GateName, epoch: Epoch) -> String {
    format!("canary.{gate}.{epoch}")
}

pub fn incident(gate: &GateName, number: u64) -> String {
    format!("incident.{gate}.{number}")
}

pub fn contact(key: Key) -> String {
    format!("contact.{key}")
}

pub fn payment(key: Key) -> String {
    format!("pay.{key}")
}

/// `address` is a checked c32 address, hence a safe token.
pub fn nonce(address: &str) -> String {
    format!("nonce.{address}")
}

/// What a person did to a wallet's record as it stood at `seq`, for the operators' audit.
pub fn act_on_wallet(address: &str, seq: u64) -> String {
    format!("act.wallet.{address}.{seq}")
}

/// What a sensor has created on one day. One reservation for the whole fleet.
pub fn sensor_budget(sensor: &SensorName, day: &str) -> String {
    format!("budget.{sensor}.{day}")
}

/// What is known of a schedule's firings. One record for all sensors that run it.
pub fn schedule(sensor: &SensorName) -> String {
    format!("schedule.{sensor}")
}

/// What a kind has spent: one record for all payers. A word longer than what a sensor has, and
/// so no sensor's, whatever either is called.
pub fn spending(kind: &Kind) -> String {
    format!("budget.kind.{kind}.spent")
}

/// What is on record of one secret; see [`domain::CredentialRecord`].
pub fn credential(provider: &ProviderName, fingerprint: Fingerprint) -> String {
    format!("cred.{provider}.{fingerprint}")
}

/// The exchange of one refresh token; see [`domain::RefreshRecord`].
pub fn refresh(provider: &ProviderName, fingerprint: Fingerprint) -> String {
    format!("cred.{provider}.{fingerprint}.refresh")
}

/// What is on record of every secret of every provider.
pub const CREDENTIALS: &str = "cred.*.*";

/// What a person did to the record of one secret as it stood at `seq`, for the operators' audit.
pub fn act_on_credential(provider: &ProviderName, fingerprint: Fingerprint, seq: u64) -> String {
    format!("act.credential.{provider}.{fingerprint}.{seq}")
}

pub fn service_run(service: &ServiceName) -> String {
    format!("svc.{service}.run")
}

/// Where one process of a service answers as long as it lives.
pub fn alive(service: &str, id: &str) -> String {
    format!("svc.{service}.alive.{id}")
}

pub fn beat(service: &str, id: &str) -> String {
    format!("beat.{service}.{id}")
}

pub fn event_failure(kind: &Kind, cause: &Cause) -> String {
    format!("event.failure.{kind}.{cause}")
}

/// `verb` is one of completed, dead, withdrawn, held, parked, revived.
pub fn event_task(verb: &str, kind: &Kind) -> String {
    format!("event.task.{verb}.{kind}")
}

/// `verb` is one of closed, joined, counted, probing, canary-failed, draining, opened.
pub fn event_gate(verb: &str, gate: &GateName) -> String {
    format!("event.gate.{verb}.{gate}")
}

pub fn event_payment(verb: &str) -> String {
    format!("event.payment.{verb}")
}

/// `verb` is one of refused, expires-soon, refreshed, renewed, exhausted, unreadable, allowed.
pub fn event_credential(verb: &str, provider: &ProviderName) -> String {
    format!("event.credential.{verb}.{provider}")
}

pub fn event_sensor(sensor: &SensorName) -> String {
    format!("event.sensor.cycle.{sensor}")
}

/// Firings of a schedule that were never created.
pub fn event_unfired(sensor: &SensorName) -> String {
    format!("event.sensor.unfired.{sensor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A subject read back gives what it was built from; foreign ones give nothing.
    #[test]
    fn subjects_read_back() {
        let kind: Kind = "welcome".parse().unwrap();
        let key = Key::of_payee("mainnet", 22, &[7; 20], "welcome");
        assert_eq!(parse_task(&task(&kind, key)), Some((kind.clone(), key)));
        let relay: GateName = "relay".parse().unwrap();
        assert_eq!(parse_gate(&gate(&relay, Epoch::new(7))), Some((relay.clone(), Epoch::new(7))));
        assert_eq!(parse_gate("gatecast.relay.7"), Some((relay, Epoch::new(7))));
        for foreign in ["task.welcome", "task.welcome.zz", "gate.relay", "gate.relay.x", "x"] {
            assert_eq!(parse_task(foreign), None);
            assert_eq!(parse_gate(foreign), None);
        }
    }
}
