//! Shows that the judge bites: a small history in which every promise holds, then one change
//! for each promise, which that promise and no other one finds.

use std::time::Duration;

use domain::{
    Actor, Admission, Canary, Claim, Config, Cost, Epoch, Gate, GateState, HolderId, Incident,
    JoinedFailure, KindConfig, Letter, Payee, Payment, PaymentStage as Stage, Phase, Proof,
    Rejection, Sats, Sent, Settlement, Signed, TaskState, Timestamp, Trigger, Unfinished, Wallet,
    event_id,
};
use wire::event::{AttemptTold, AttemptVerb};

use super::judge;
use crate::storm::history::{Asked, At, Create, History, Ordered, Told, Transfer};

const KEY: &str = "welcome/SP1";
const LEASE_MS: u64 = 2_000;

fn gate(epoch: u64, seq: u64, prev: u64, state: GateState, person: bool) -> At<Gate> {
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
    };
    At { seq, ms: seq * 1_000, value }
}

fn admitted(epoch: u64, seq: u64) -> Vec<Admission> {
    vec![Admission { gate: "relay".parse().unwrap(), epoch: Epoch::new(epoch), seq }]
}

fn claimed(holder: &str, renewals: u32) -> Phase {
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

fn link(seq: u64, ms: u64, attempt: u32, under: Vec<Admission>, phase: Phase) -> At<TaskState> {
    let value = TaskState {
        kind: "welcome".parse().unwrap(),
        source_key: KEY.parse().unwrap(),
        at: Timestamp::from_millis(ms),
        attempt,
        charged: 0,
        cost: Cost::ZERO,
        canary: if attempt == 2 { vec!["relay".parse().unwrap()] } else { Vec::new() },
        admitted: under,
        phase,
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
    };
    let event = told.to_event();
    Told { id: event.id, subject: event.subject, key: told.source_key.key(), told }
}

fn signed(nonce: u64, txid: &str) -> Signed {
    let (bytes, payment_id) = (txid.as_bytes().to_vec(), String::new());
    Signed { nonce, bytes, txid: txid.to_owned(), payment_id, header: String::new() }
}

fn sent() -> Sent {
    let at = Timestamp::from_millis(0);
    Sent { first: at, last: at, posts: 1, by: String::new() }
}

fn payment(payee: u8, stage: Stage) -> (domain::Key, At<Payment>) {
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
        payee,
    };
    (value.key(), At { seq: 0, ms: 0, value })
}

fn settled(nonce: u64, txid: &str) -> Stage {
    let settlement = Settlement { txid: None, message: None, proof: Proof::Delivered };
    Stage::Settled(Some(signed(nonce, txid)), settlement)
}

fn config() -> Config {
    let kind = KindConfig {
        handler: domain::Handler::Service { name: "payer".parse().unwrap() },
        needs: vec!["relay".parse().unwrap()],
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(1),
        concurrency: None,
        lease: Duration::from_millis(LEASE_MS),
        timeout: Duration::from_secs(1),
    };
    Config {
        version: 1,
        kinds: [("welcome".parse().unwrap(), kind)].into(),
        gates: [("relay".parse().unwrap(), domain::GateConfig::default())].into(),
        sensors: Default::default(),
        payer: None,
    }
}

/// One agent: the first attempt meets a stuck relay and closes the gate, a person opens it, the
/// second attempt is the canary and pays.
fn whole() -> History {
    use GateState::{Closed, Draining, Open, Probing};
    let mut closing = gate(2, 20, 10, Closed, false);
    let event = event_id(&"welcome".parse().unwrap(), key(), 1, "failed");
    closing.value.trigger = Some(Trigger {
        event: event.clone(),
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
    let completed = Phase::Completed { effect: "paid".to_owned() };
    let links = vec![
        link(1, 15_000, 1, admitted(1, 10), claimed("a", 0)),
        link(2, 19_000, 1, admitted(1, 10), returned()),
        link(3, 31_000, 2, admitted(3, 30), claimed("b", 0)),
        link(4, 32_000, 2, admitted(3, 30), completed),
    ];
    let state = links[3].value.clone();
    let at = (state.kind.clone(), key());
    let create = Create {
        seq: 12,
        kind: state.kind.clone(),
        key: key(),
        created_by: "sensor/directory".to_owned(),
    };
    History {
        config: Some(config()),
        gates: vec![
            own,
            first,
            closing,
            gate(3, 30, 20, Probing, true),
            gate(4, 40, 30, Draining, false),
            gate(5, 50, 40, Open, false),
        ],
        creates: vec![create],
        links,
        states: [(at, state)].into(),
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

fn key() -> domain::Key {
    KEY.parse::<domain::SourceKey>().unwrap().key()
}

fn wallet() -> Wallet {
    Wallet { address: "W".to_owned(), next: 1, unfinished: Vec::new(), holes: Vec::new() }
}

fn canary(task: domain::Key) -> Canary {
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

fn incident(number: u64, event: &str) -> Incident {
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
    });
    incident
}

/// What the judge says of a history that was changed so: promise and words of what broke.
#[track_caller]
fn check(change: impl FnOnce(&mut History), expected: &[&str]) {
    let mut history = whole();
    change(&mut history);
    let verdicts = judge(&history);
    let broken: Vec<_> =
        verdicts.iter().filter(|it| !it.broken.is_empty()).map(|it| it.says).collect();
    let how: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.broken).collect();
    assert_eq!(broken, expected, "{how:#?}");
}

/// The control: nothing is found where nothing broke, and every promise looked at something.
#[test]
fn an_honest_history_is_found_to_hold() {
    check(|_| (), &[]);
    let unseen: Vec<_> =
        judge(&whole()).iter().filter(|it| it.looked_at == 0).map(|it| it.says).collect();
    assert_eq!(unseen, ["the drain is paced", "each attempt is made once"]);
}

/// G1, G2: work behind the closing, by sequence and by the server's clock.
#[test]
fn work_behind_a_closing_is_found() {
    check(|it| it.creates[0].seq = 21, &["no task is created behind a closing"]);
    // Claimed 10 s after the closing, under the gate as it was before.
    let late = |it: &mut History| {
        it.links[0].ms = 30_000;
        it.links[1].ms = 30_500;
    };
    check(late, &["no attempt begins behind a closing"]);
    // Unless it was frozen meanwhile.
    let frozen = |it: &mut History| {
        late(it);
        it.disturbed.push((19_000, 29_000));
    };
    check(frozen, &[]);
    let asked = Asked {
        source_key: "chore/ok/1".to_owned(),
        attempt: 1,
        holder: "a".to_owned(),
        admitted: admitted(1, 10),
        at_ms: 30_000,
    };
    check(|it| it.asked.push(asked), &["no attempt begins behind a closing"]);
}

/// G3: a gatekeeper that opens, an epoch left out, a forked log.
#[test]
fn an_opening_by_nobody_is_found() {
    let (person, follows) =
        ("only a person opens a gate", "each state of a gate follows from the one before");
    check(|it| it.gates[3].value.by = Actor::Gatekeeper, &[person, follows]);
    check(|it| it.gates[3].value.note.clear(), &[person]);
    check(|it| it.gates[4].value.prev = 20, &[follows]);
    check(|it| it.gates[5].value.epoch = Epoch::new(7), &[follows]);
}

/// G4: a second canary, a claim that is not the canary, a flood.
#[test]
fn more_than_a_canary_is_found() {
    let canary_says = "opening begins with one canary";
    let other = domain::Key::of_payee("mainnet", 22, &[9; 20], "welcome");
    let second = At { seq: 2, ms: 0, value: canary(other) };
    check(|it| it.canaries.push(second), &[canary_says]);
    check(|it| it.links[2].value.canary.clear(), &[canary_says]);
    let flood = |it: &mut History| {
        for number in 0..9_u64 {
            let mut claim = link(10 + number, 41_000, 1, admitted(4, 40), claimed("c", 0));
            claim.value.source_key = format!("welcome/SP9{number}").parse().unwrap();
            it.links.push(claim);
        }
    };
    check(flood, &["the drain is paced"]);
}

/// G5: a second number for one closing, one failure in two incidents, a straggler that closes.
#[test]
fn an_incident_told_wrongly_is_found() {
    let one = "one closing is one incident";
    check(|it| it.gates[5].value.incident = 2, &[one]);
    let event = event_id(&"welcome".parse().unwrap(), key(), 1, "failed");
    let again = At { seq: 2, ms: 0, value: incident(2, &event) };
    check(|it| it.incidents.push(again), &[one]);
    let straggler = |it: &mut History| {
        let mut closing = gate(6, 60, 50, GateState::Closed, false);
        closing.value.incident = 2;
        closing.value.trigger = it.gates[2].value.trigger.clone();
        it.gates.push(closing);
    };
    check(straggler, &["no straggler moves a gate"]);
}

/// W1, W2, W3, W4.
#[test]
fn a_task_gone_wrong_is_found() {
    let again = link(5, 33_000, 3, admitted(5, 50), claimed("c", 0));
    check(|it| it.links.push(again), &["a task ends once"]);
    let lost = Ordered { source_key: "chore/ok/1".to_owned(), seq: Some(13) };
    check(|it| it.ordered.push(lost), &["nothing is lost"]);
    check(|it| it.creates[0].created_by = "dispatcher".to_owned(), &["no failure makes a task"]);
    let budget = "attempts are bounded, shared failures are not charged";
    let spent = |it: &mut History| {
        it.states.values_mut().for_each(|state| state.charged = 3);
    };
    check(spent, &[budget, "the sums agree"]);
    check(|it| it.told[0].told.charged = true, &[budget, "the sums agree"]);
    check(|it| it.contacts.clear(), &["done means that the effect is recorded"]);
    let holder = "one holder acts for a task at a time";
    let snatched = link(2, 15_001, 2, admitted(1, 10), claimed("b", 0));
    check(|it| it.links.splice(1..2, [snatched]).for_each(drop), &[holder]);
    // Taken over a second after it was renewed.
    let lost = Phase::Resting {
        due: Timestamp::from_millis(0),
        cause: "dispatcher.lost".parse().unwrap(),
        charged: false,
    };
    let hasty = link(2, 16_000, 1, admitted(1, 10), lost);
    check(|it| it.links[1] = hasty, &[holder]);
    let asked = Asked {
        source_key: "chore/ok/1".to_owned(),
        attempt: 1,
        holder: "a".to_owned(),
        admitted: Vec::new(),
        at_ms: 0,
    };
    check(|it| it.asked.extend([asked.clone(), asked]), &["each attempt is made once"]);
}

/// M1, M2, M3.
#[test]
fn money_gone_wrong_is_found() {
    let twice = Transfer { recipient: "SP1".to_owned(), amount: 100, nonce: 1 };
    check(|it| it.transfers.push(twice), &["a payee is paid at most once"]);
    let in_doubt = "what may have happened is resolved by asking";
    let given_up = |it: &mut History| {
        let why = Rejection::Unsent { why: String::new() };
        it.payments[3] = payment(1, Stage::Rejected(Some(signed(0, "x")), why));
    };
    check(given_up, &["done means that the effect is recorded", in_doubt]);
    check(|it| drop(it.payments.pop()), &["done means that the effect is recorded", in_doubt]);
    let legal = "each step of a payment is legal";
    check(|it| drop(it.payments.remove(1)), &[legal]);
    check(|it| it.payments[3] = payment(1, settled(0, "y")), &[legal]);
    let lent = |it: &mut History| {
        it.payments.push(payment(2, Stage::Intent));
        it.payments.push(payment(2, Stage::Signed(signed(0, "z"))));
        it.payments.push(payment(2, Stage::Sent(signed(0, "z"), sent())));
        it.payments.push(payment(2, settled(0, "z")));
    };
    check(lent, &["a nonce that left passes to no other payment"]);
    let missing = "no nonce is missing at rest";
    check(|it| it.chain_nonce = Some(0), &[missing]);
    let held = Unfinished { nonce: 0, payment: key(), sent: true, settled: None };
    check(|it| it.wallets[0].value.unfinished.push(held), &[missing]);
}

/// T1.
#[test]
fn what_is_told_wrongly_is_found() {
    check(|it| it.told[0].told.cause = None, &["every failure has a cause"]);
    let again = |it: &mut History| it.event_ids.push(("other".to_owned(), 21_000));
    check(again, &["no event counts twice"]);
    check(|it| drop(it.told.pop()), &["the sums agree"]);
    check(|it| it.unreadable.push("pay.x".to_owned()), &["what is stored can be read"]);
}
