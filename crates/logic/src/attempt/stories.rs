//! What a dispatcher does, told in words.

mod unknown;

use std::time::Duration;

use domain::{
    Admission, Blame, Canary, Claim, Cost, Epoch, GateName, Handler, HolderId, KindConfig, Outcome,
    Phase, Task, TaskState, Timestamp,
};

use super::*;

mod times;

fn check(given: &str, expected: &str) {
    assert_eq!(tell(&delivered(given)), expected, "given {given}");
}

/// What is done with a task that is delivered: a message and a chain, described by words.
#[track_caller]
fn delivered(given: &str) -> Step {
    let says = |word: &str| given.split(' ').any(|said| said == word);
    let (me, relay) = ("me".parse().unwrap(), gate());
    let state = state(given);
    let admitted = vec![Admission { gate: gate(), epoch: Epoch::new(3), seq: 7 }];
    let probing = if says("probing") { vec![gate()] } else { Vec::new() };
    let admission = if says("closed") {
        Admitted::No { why: "relay CLOSED".to_owned() }
    } else {
        Admitted::Yes { admitted, probing }
    };
    let won = if says("won") { vec![gate()] } else { Vec::new() };
    let task = Task {
        not_before: says("early").then_some(at(12)),
        expires_at: says("expired").then_some(at(10)).or(says("expires").then_some(at(11))),
        ..task()
    };
    let other: domain::SourceKey = "welcome/bob".parse().unwrap();
    on_delivery(&Delivered {
        key: if says("misplaced") { other.key() } else { task.key() },
        task: &task,
        fenced: !says("unfenced"),
        state: state.as_ref(),
        me: &me,
        running: says("running"),
        contact_exists: says("contact"),
        admission: &admission,
        won: &won,
        latched: says("latched").then_some(&relay),
        lease: Duration::from_secs(if says("longer") { 9 } else { 4 }),
        now: at(10),
    })
}

fn state(given: &str) -> Option<TaskState> {
    let cause = || "target.invalid".parse().unwrap();
    let by = || "ann".to_owned();
    let phase = given.split(' ').find_map(|word| match word {
        "mine" => Some(Phase::Claimed(claim("me"))),
        "theirs" => Some(Phase::Claimed(claim("them"))),
        "resting" => Some(Phase::Resting { due: at(14), cause: cause(), charged: true }),
        "rested" => Some(Phase::Resting { due: at(10), cause: cause(), charged: true }),
        "returned" => Some(returned(10)),
        "waiting" => Some(returned(13)),
        "held" => Some(Phase::Returned { gate: None, cause: None, due: at(10) }),
        "doubtful" => Some(Phase::Resting { due: at(10), cause: cause(), charged: false }),
        "completed" => Some(Phase::Completed { effect: "paid".to_owned() }),
        "dead" => Some(Phase::Dead { cause: cause() }),
        "withdrawn" => Some(Phase::Withdrawn { by: by(), why: by() }),
        "revived" => Some(Phase::Revived { by: by(), note: by() }),
        "parked" => Some(Phase::Parked { cause: cause(), evidence: by() }),
        _ => None,
    })?;
    let strange = given.contains("colliding");
    let source_key = if strange { "welcome/bob" } else { "welcome/ann" }.parse().unwrap();
    let never_tried = given.contains("parked") || given.contains("untried");
    Some(TaskState {
        kind: "welcome".parse().unwrap(),
        source_key,
        at: at(4),
        attempt: if never_tried { 0 } else { 2 },
        charged: u32::from(!never_tried),
        cost: Cost::ZERO,
        admitted: vec![Admission { gate: gate(), epoch: Epoch::new(3), seq: 7 }],
        canary: vec![gate()],
        task: None,
        phase,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
    })
}

fn returned(due: u64) -> Phase {
    let cause = Some("relay.pending".parse().unwrap());
    Phase::Returned { gate: Some(gate()), cause, due: at(due) }
}

fn tell(step: &Step) -> String {
    let verbs = |reports: &[Report]| {
        reports.iter().map(Report::verb).map(|verb| format!(" {verb}")).collect::<String>()
    };
    match step {
        Step::TellAndAck { reports } => format!("tell{} and ack", verbs(reports)),
        Step::PutBack { after, why } => format!("put back {}s: {why}", after.as_secs()),
        Step::Watch { holder, lease } => format!("watch {holder} for {}s", lease.as_secs()),
        Step::Keep => "keep".to_owned(),
        Step::WinCanary { gates } => format!("win canary of {}", gates[0]),
        Step::Claim { state, owed } => format!("claim {}{}", state.attempt, verbs(owed)),
        Step::Settle(ending) => format!("write {},{}", ending.state.word(), verbs(&ending.reports)),
        Step::Refuse { report } => format!("refuse,{}", verbs(std::slice::from_ref(report))),
    }
}

/// Only what is due, fenced, admitted and nobody's is claimed.
#[test]
fn claims_what_may_run() {
    check("new", "claim 1");
    check("returned", "claim 3 failed");
    check("waiting", "put back 3s: not due yet");
    check("rested", "claim 3 failed");
    check("revived", "claim 3");
    check("resting", "put back 4s: not due yet");
    check("new closed", "put back 1s: relay CLOSED");
    check("new latched", "put back 1s: latched on gate relay");
    check("new probing", "win canary of relay");
    check("new probing won", "claim 1");
    check("theirs", "watch them for 6s");
}

/// A claim is watched for the lease that its holder goes by, also when a shorter one was
/// applied since, and for the longer one if a longer one was.
#[test]
fn a_claim_keeps_its_lease() {
    check("theirs", "watch them for 6s");
    check("theirs longer", "watch them for 9s");
}

/// An end is told again, whatever else is true of the message.
#[test]
fn an_end_stays() {
    check("completed", "tell completed and ack");
    check("completed unfenced contact closed", "tell completed and ack");
    check("dead latched", "tell failed dead and ack");
    check("withdrawn", "tell withdrawn and ack");
}

/// What came past the gates is parked once; a fenced create may follow it.
#[test]
fn parks_what_is_not_fenced() {
    check("new unfenced", "write parked, parked");
    check("resting unfenced", "write parked, parked");
    check("parked unfenced", "tell parked and ack");
    check("theirs unfenced", "watch them for 6s");
    check("parked", "claim 1 parked");
}

/// A collision or a misplaced message writes nothing into a chain that is another's.
#[test]
fn refuses_what_is_anothers() {
    check("completed colliding", "refuse, parked");
    check("resting colliding unfenced", "refuse, parked");
    check("new misplaced", "refuse, parked");
}

/// Contact ends a task that nothing was tried for; later it may be the task's own work.
#[test]
fn contact_counts_before_the_first_attempt() {
    check("new contact closed", "write withdrawn, withdrawn");
    check("revived untried contact", "write withdrawn, withdrawn");
    check("rested contact", "claim 3 failed");
    check("theirs contact", "watch them for 6s");
}

/// What this process holds it goes on with, or gives back when it never began it.
#[test]
fn knows_its_own_claims() {
    check("mine running", "keep");
    check("mine", "write returned, held");
}

/// A failure goes to whom it belongs: the chain's next link, what is told, and the answer. What
/// the other side asked to wait is waited, unless the gate does so, which closes at once.
#[test]
fn outcomes_have_their_ending() {
    let shared = |tasks| Blame::Shared { gate: gate(), tasks, within: Duration::from_secs(1) };
    let check = |charged, outcome: &Outcome, blame: &Blame, expected: &str| {
        let state = TaskState { charged, ..state("mine").unwrap() };
        let kind = kind();
        let terms = Terms { kind: &kind, blame, jitter: 1.0, now: at(10) };
        let ending = on_outcome(&state, outcome, &terms);
        let latch = ending.latch.map(|latch| format!(", latch {} at {}", latch.gate, latch.epoch));
        let free = if ending.free.is_empty() { "" } else { ", free canary" };
        let said = ending.reports.iter().map(Report::verb).collect::<Vec<_>>().join(" ");
        let TaskState { charged, .. } = ending.state;
        let (word, latch) = (ending.state.word(), latch.unwrap_or_default());
        let told = format!("{word}, {charged} charged, {said}, {:?}{latch}{free}", ending.then);
        assert_eq!(told, expected);
    };
    let cause = || "relay.pending".parse().unwrap();
    let (evidence, cost) = (String::new(), Cost::ZERO);
    let wait = Some(Duration::from_secs(90));
    let failed = Outcome::Failed { cause: cause(), evidence, retry_after: None, cost };
    let unknown =
        Outcome::Unknown { cause: cause(), evidence: String::new(), retry_after: wait, cost };
    let held = Outcome::Held { gate: None, why: String::new() };
    let moot = Outcome::Moot { why: String::new() };
    let done = Outcome::Completed { effect: String::new(), cost };
    check(1, &done, &Blame::Nobody, "completed, 1 charged, completed, Ack");
    check(1, &failed, &Blame::Own, "resting, 2 charged, failed, PutBack(20s)");
    check(2, &failed, &Blame::Own, "dead, 3 charged, failed dead, Ack");
    let returned = "returned, 1 charged, failed, PutBack(10s), latch relay at 3";
    check(1, &failed, &shared(1), returned);
    check(1, &unknown, &shared(1), &returned.replace("10s", "90s"));
    let (busy, cause) = (String::new(), cause());
    let busy = Outcome::Failed { cause, evidence: busy, retry_after: wait, cost };
    check(1, &busy, &shared(1), returned);
    check(1, &busy, &shared(2), &returned.replace("10s", "90s"));
    check(1, &failed, &shared(0), "resting, 1 charged, failed, PutBack(10s)");
    check(1, &failed, &Blame::Nobody, "resting, 1 charged, failed, PutBack(10s)");
    check(2, &unknown, &Blame::Own, "resting, 2 charged, unknown, PutBack(90s)");
    check(1, &held, &Blame::Nobody, "returned, 1 charged, held, PutBack(10s), free canary");
    check(1, &moot, &Blame::Nobody, "withdrawn, 1 charged, withdrawn, Ack, free canary");
}

/// A lost claim is charged, and its task is due at once or dead.
#[test]
fn a_lost_claim_is_charged() {
    let mut state = state("theirs").unwrap();
    let ending = take_over(&state, &kind(), at(99)).unwrap();
    assert_eq!((ending.state.charged, ending.then), (2, Then::PutBack(Duration::ZERO)));
    assert!(matches!(ending.state.phase, Phase::Resting { due, .. } if due == at(99)));
    assert_eq!(ending.reports[0].admitted, state.admitted);
    state.charged = 2;
    assert_eq!(take_over(&state, &kind(), at(99)).unwrap().state.word(), "dead");
    assert_eq!(take_over(&ending.state, &kind(), at(99)), None);
}

/// Completed is final; only an end is revived, with a fresh budget; only what has not ended
/// is withdrawn.
#[test]
fn moves_by_hand() {
    let by_hand = |given| {
        let state = state(given).unwrap();
        let state = TaskState { task: Some(Box::new(task())), ..state };
        let revived = revive(&state, "ann", "", Duration::from_secs(16), at(20));
        let revived = revived.map(|next| (next.attempt, next.charged));
        let withdrawn = withdraw(&state, &task(), "ann", "", at(20));
        if let Ok(withdrawn) = &withdrawn {
            assert_eq!(withdrawn.task.as_deref(), Some(&task()), "it may be put back");
        }
        (revived.ok(), withdrawn.is_ok())
    };
    assert_eq!(by_hand("completed"), (None, false));
    assert_eq!(by_hand("dead"), (Some((2, 0)), false));
    assert_eq!(by_hand("withdrawn"), (Some((2, 0)), false));
    assert_eq!(by_hand("theirs"), (None, true));
    assert_eq!(by_hand("parked"), (Some((0, 0)), true), "its task is kept: it asks");
}

/// W4: an attempt that ran when its task was withdrawn may act for a lease, so the task is not
/// put back before; and what was not kept cannot be.
#[test]
fn a_withdrawn_task_waits_out_a_lease() {
    let revived = |given, task, now| {
        let state = TaskState { task, ..state(given).unwrap() };
        revive(&state, "ann", "", Duration::from_secs(5), at(now)).map(|next| next.task)
    };
    let kept = Some(Box::new(task()));
    let early = NotAllowed::MayStillAct { seconds: 2 };
    assert_eq!(revived("withdrawn", kept.clone(), 8), Err(early));
    assert_eq!(revived("withdrawn", kept.clone(), 9), Ok(kept.clone()));
    assert_eq!(revived("dead", kept.clone(), 4), Ok(kept), "whoever ended it acts no more");
    assert_eq!(revived("dead", None, 20), Err(NotAllowed::NotKept));
}

/// The link that takes a message out of the queue for anything but success keeps the task; a
/// completed one is final, and any other still has its message.
#[test]
fn an_end_that_may_come_back_keeps_the_task() {
    let kept = |outcome: &Outcome, charged| {
        let state = TaskState { charged, ..state("mine").unwrap() };
        let terms = Terms { kind: &kind(), blame: &Blame::Own, jitter: 1.0, now: at(10) };
        let ending = on_outcome(&state, outcome, &terms).keeping(&task());
        (ending.state.word(), ending.state.task.is_some())
    };
    let cost = Cost::ZERO;
    let failed = Outcome::Failed {
        cause: "target.invalid".parse().unwrap(),
        evidence: String::new(),
        retry_after: None,
        cost,
    };
    assert_eq!(kept(&failed, 2), ("dead", true));
    assert_eq!(kept(&failed, 1), ("resting", false));
    assert_eq!(kept(&Outcome::Moot { why: String::new() }, 1), ("withdrawn", true));
    assert_eq!(kept(&Outcome::Completed { effect: String::new(), cost }, 1), ("completed", false));
}

/// A canary belongs to one attempt; its own task's next one inherits it, others must wait
/// until it is given back.
#[test]
fn a_canary_has_one_owner() {
    let canary = |source: &str, attempt, holder: &str, begun, released| {
        let source_key: domain::SourceKey = source.parse().unwrap();
        let task = source_key.key();
        let (epoch, holder) = (Epoch::FIRST, holder.parse().unwrap());
        let (gate, kind, begun) = (gate(), "welcome".parse().unwrap(), at(begun));
        Canary { gate, epoch, kind, task, source_key, attempt, holder, begun, released }
    };
    let mine = canary("welcome/ann", 2, "me", 10, false);
    let wins = |found: &Canary| win_canary(Some(found), &mine, Duration::from_secs(6));
    assert!(win_canary(None, &mine, Duration::from_secs(6)));
    assert!(wins(&canary("welcome/bob", 1, "them", 9, true)), "given back");
    assert!(!wins(&canary("welcome/bob", 1, "them", 0, false)), "another's");
    assert!(wins(&canary("welcome/ann", 1, "them", 9, false)), "our last attempt's");
    let other = "greeting".parse().unwrap();
    let other_kind = Canary { kind: other, ..canary("welcome/ann", 1, "them", 9, false) };
    assert!(!wins(&other_kind), "of the same source key, another kind's");
    assert!(wins(&canary("welcome/ann", 2, "me", 9, false)), "ours");
    assert!(!wins(&canary("welcome/ann", 2, "them", 9, false)), "about to claim");
    let mine = canary("welcome/ann", 2, "me", 22, false);
    let vanished = canary("welcome/ann", 2, "them", 9, false);
    assert!(win_canary(Some(&vanished), &mine, Duration::from_secs(6)), "never claimed");
}

/// The holder stops before a watcher that saw its last renewal at once may take over.
#[test]
fn a_lease_ends_before_a_watch() {
    let secs = Duration::from_secs;
    let mut lease = Lease::new(secs(30), secs(100));
    lease.renewed(secs(110));
    lease.renewed(secs(105));
    assert_eq!((lease.renew_at(), lease.over_at()), (secs(120), secs(137)));
    let watch = Watch::new(secs(30), 7, secs(110));
    assert_eq!(watch.saw(7, secs(139)), Watched::Until(secs(140)));
    assert_eq!(watch.saw(7, secs(140)), Watched::Lost);
    assert_eq!(watch.saw(8, secs(140)), Watched::Moved);
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn gate() -> GateName {
    "relay".parse().unwrap()
}

fn claim(holder: &str) -> Claim {
    let holder: HolderId = holder.parse().unwrap();
    Claim { holder, begun: at(4), lease: Duration::from_secs(6), renewals: 0 }
}

fn kind() -> KindConfig {
    KindConfig {
        needs: vec![gate()],
        attempts_max: 3,
        rest: Duration::from_secs(10),
        rest_max: Duration::from_secs(60),
        concurrency: None,
        lease: Duration::from_secs(6),
        timeout: Duration::from_secs(60),
        ..KindConfig::of(Handler::Service { name: "welcome-payer".parse().unwrap() })
    }
}

fn task() -> Task {
    Task {
        kind: "welcome".parse().unwrap(),
        source_key: "welcome/ann".parse().unwrap(),
        created_by: "sensor".to_owned(),
        created_at: at(0),
        contact: None,
        payload: String::new(),
        not_before: None,
        expires_at: None,
        follows: None,
    }
}
