//! A small history in which every promise holds.

use std::time::Duration;

use domain::{
    Actor, Admission, Canary, Claim, Config, Cost, Epoch, Gate, GateState, HolderId, Incident,
    JoinedFailure, KindConfig, Letter, Payee, Payment, PaymentStage as Stage, Phase, Proof, Sats,
    Sent, Settlement, Signed, TaskState, Timestamp, Trigger, Wallet, event_id,
};
use wire::event::{AttemptTold, AttemptVerb};

use crate::storm::history::{At, Create, History, Told, Transfer};

const KEY: &str = "welcome/SP1";
const LEASE_MS: u64 = 2_000;

pub(super) fn gate(epoch: u64, seq: u64, prev: u64, state: GateState, person: bool) -> At<Gate> {
    let value = Gate {
        name: "relay".parse().unwrap(),
        epoch: Epoch::new(epoch),
        prev,
        state,
        at: Timestamp::from_millis(seq * 1_000),
        since: Timestamp::from_millis(seq * 1_000),
        incident: u64::from(1 < epoch),
        opening: Epoch::new(if epoch < 3 { 1 } else { 3 }),
        causes: Vec::new(),
        trigger: None,
        by: if person { Actor::Person("ann".to_owned()) } else { Actor::Gatekeeper },
        note: "cleared".to_owned(),
        remedy: String::new(),
        canaries_failed: 0,
        without_canary: false,
        resets: Vec::new(),
        failing_since: Timestamp::from_millis(0),
        words_broken: 0,
    };
    At { seq, ms: seq * 1_000, value }
}

pub(super) fn admitted(epoch: u64, seq: u64) -> Vec<Admission> {
    vec![Admission { gate: "relay".parse().unwrap(), epoch: Epoch::new(epoch), seq }]
}

pub(super) fn claimed(holder: &str, renewals: u32) -> Phase {
    Phase::Claimed(Claim {
        holder: holder.parse().unwrap(),
        begun: Timestamp::from_millis(0),
        lease: Duration::from_millis(LEASE_MS),
        renewals,
    })
}

fn returned() -> Phase {
    Phase::Returned {
        gate: Some("relay".parse().unwrap()),
        cause: Some("relay.nonce-conflict".parse().unwrap()),
        due: Timestamp::from_millis(0),
    }
}

pub(super) fn link(
    seq: u64,
    ms: u64,
    attempt: u32,
    under: Vec<Admission>,
    phase: Phase,
) -> At<TaskState> {
    let value = TaskState {
        kind: "welcome".parse().unwrap(),
        source_key: KEY.parse().unwrap(),
        at: Timestamp::from_millis(ms),
        attempt,
        charged: 0,
        cost: Cost::ZERO,
        canary: if attempt == 2 { vec!["relay".parse().unwrap()] } else { Vec::new() },
        admitted: under,
        task: None,
        phase,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
    };
    At { seq, ms, value }
}

fn told(attempt: u32, verb: AttemptVerb, under: Vec<Admission>) -> Told {
    let failed = verb == AttemptVerb::Failed;
    let told = AttemptTold {
        verb,
        kind: "welcome".parse().unwrap(),
        source_key: KEY.parse().unwrap(),
        attempt,
        holder: "a".parse().unwrap(),
        at: Timestamp::from_millis(0),
        cause: failed.then(|| "relay.nonce-conflict".parse().unwrap()),
        charged: false,
        gate: failed.then(|| "relay".parse().unwrap()),
        evidence: String::new(),
        rest_until: None,
        effect: String::new(),
        cost: Cost::ZERO,
        admitted: under,
        canary: Vec::new(),
        credential: None,
        begun: None,
        created: None,
        resets_at: None,
    };
    let event = told.to_event();
    Told { id: event.id, subject: event.subject, key: told.source_key.key(), told }
}

pub(super) fn signed(nonce: u64, txid: &str) -> Signed {
    let (bytes, payment_id) = (txid.as_bytes().to_vec(), String::new());
    Signed { nonce, bytes, txid: txid.to_owned(), payment_id, header: String::new() }
}

pub(super) fn sent() -> Sent {
    let at = Timestamp::from_millis(0);
    Sent { first: at, last: at, posts: 1, by: String::new() }
}

pub(super) fn payment(payee: u8, stage: Stage) -> (domain::Key, At<Payment>) {
    let payee = Payee {
        network: "mainnet".to_owned(),
        address: format!("SP{payee}"),
        version: 22,
        hash160: [payee; 20],
    };
    let value = Payment {
        purpose: "welcome".to_owned(),
        source_key: format!("welcome/{}", payee.address).parse().unwrap(),
        wallet: "W".to_owned(),
        letter: Letter { to_btc: String::new(), to_stx: String::new(), content: String::new() },
        amount: Sats::new(100),
        at: Timestamp::from_millis(0),
        stage,
        unconfirmed_told: false,
        history: Vec::new(),
        reserved: None,
        payee,
    };
    (value.key(), At { seq: 0, ms: 0, value })
}

pub(super) fn settled(nonce: u64, txid: &str) -> Stage {
    let settlement = Settlement { txid: None, message: None, proof: Proof::Delivered };
    Stage::Settled(Some(signed(nonce, txid)), settlement)
}

fn config() -> Config {
    let kind = KindConfig {
        needs: vec!["relay".parse().unwrap()],
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(1),
        concurrency: Some(3),
        lease: Duration::from_millis(LEASE_MS),
        timeout: Duration::from_secs(1),
        ..KindConfig::of(domain::Handler::Service { name: "payer".parse().unwrap() })
    };
    Config {
        version: 1,
        kinds: [("welcome".parse().unwrap(), kind)].into(),
        gates: [("relay".parse().unwrap(), domain::GateConfig::default())].into(),
        sensors: Default::default(),
        payer: None,
        budgets: Default::default(),
        ..Config::default()
    }
}

/// One agent: the first attempt meets a stuck relay and closes the gate, a person opens it, the
/// second attempt is the canary and pays.
pub(super) fn whole() -> History {
    let event = event_id(&"welcome".parse().unwrap(), key(), 1, "failed");
    let links = links();
    let state = links[3].value.clone();
    let create = Create {
        seq: 12,
        kind: state.kind.clone(),
        key: key(),
        created_by: "sensor/directory".to_owned(),
    };
    History {
        config: Some(config()),
        gates: gates(&event),
        creates: vec![create],
        links,
        states: [((state.kind.clone(), key()), state)].into(),
        payments: vec![
            payment(1, Stage::Intent),
            payment(1, Stage::Signed(signed(0, "x"))),
            payment(1, Stage::Sent(signed(0, "x"), sent())),
            payment(1, settled(0, "x")),
        ],
        wallets: vec![At { seq: 1, ms: 0, value: wallet() }],
        contacts: vec![payment(1, Stage::Intent).0],
        canaries: vec![At { seq: 1, ms: 0, value: canary(key()) }],
        incidents: vec![At { seq: 1, ms: 0, value: incident(1, &event) }],
        told: vec![
            told(1, AttemptVerb::Failed, admitted(1, 10)),
            told(2, AttemptVerb::Completed, admitted(3, 30)),
        ],
        event_ids: vec![(event, 19_000), ("other".to_owned(), 20_000)],
        transfers: vec![Transfer { recipient: "SP1".to_owned(), amount: 100, nonce: 0 }],
        chain_nonce: Some(1),
        ..History::default()
    }
}

/// The log of the gates, closed by `event`.
fn gates(event: &str) -> Vec<At<Gate>> {
    use GateState::{Closed, Draining, Open, Probing};
    let mut closing = gate(2, 20, 10, Closed, false);
    closing.value.trigger = Some(Trigger {
        event: event.to_owned(),
        task: key(),
        source_key: KEY.parse().unwrap(),
        attempt: 1,
        cause: "relay.nonce-conflict".parse().unwrap(),
        evidence: String::new(),
    });
    let mut own = gate(1, 2, 0, Open, true);
    own.value.name = "kind-welcome".parse().unwrap();
    let mut first = gate(1, 10, 2, Open, true);
    first.value.incident = 0;
    let probing = gate(3, 30, 20, Probing, true);
    let (draining, open) = (gate(4, 40, 30, Draining, false), gate(5, 50, 40, Open, false));
    vec![own, first, closing, probing, draining, open]
}

fn links() -> Vec<At<TaskState>> {
    let completed = Phase::Completed { effect: "paid".to_owned() };
    vec![
        link(1, 15_000, 1, admitted(1, 10), claimed("a", 0)),
        link(2, 19_000, 1, admitted(1, 10), returned()),
        link(3, 31_000, 2, admitted(3, 30), claimed("b", 0)),
        link(4, 32_000, 2, admitted(3, 30), completed),
    ]
}

pub(super) fn key() -> domain::Key {
    KEY.parse::<domain::SourceKey>().unwrap().key()
}

fn wallet() -> Wallet {
    let address = "W".to_owned();
    Wallet { address, next: 1, unfinished: Vec::new(), holes: Vec::new(), spent: 0 }
}

pub(super) fn canary(task: domain::Key) -> Canary {
    Canary {
        gate: "relay".parse().unwrap(),
        epoch: Epoch::new(3),
        kind: "welcome".parse().unwrap(),
        task,
        source_key: KEY.parse().unwrap(),
        attempt: 2,
        holder: "b".parse::<HolderId>().unwrap(),
        begun: Timestamp::from_millis(0),
        released: false,
    }
}

pub(super) fn incident(number: u64, event: &str) -> Incident {
    let mut incident = Incident::new("relay".parse().unwrap(), number);
    incident.failures.push(JoinedFailure {
        event: event.to_owned(),
        task: key(),
        source_key: KEY.parse().unwrap(),
        attempt: 1,
        cause: "relay.nonce-conflict".parse().unwrap(),
        at: Timestamp::from_millis(0),
        straggler: false,
        evidence: String::new(),
        resets_at: None,
    });
    incident
}
