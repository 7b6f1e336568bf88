//! What follows when nobody knows what an attempt did.

use domain::OnUnknown;

use super::*;

/// M2: what nobody knows is repeated only where the kind says that this is harmless, and then it
/// is charged unless a gate closes on it; where it says `ask`, it waits for a person, uncharged,
/// with its task kept, and no delivery of its message begins it again.
#[test]
fn what_nobody_knows_is_as_the_kind_says() {
    let unknown = Outcome::Unknown {
        cause: "exec.timeout".parse().unwrap(),
        evidence: "killed".to_owned(),
        retry_after: None,
        cost: Cost::ZERO,
    };
    let shared = Blame::Shared { gate: gate(), tasks: 1, within: Duration::from_secs(1) };
    let check = |on_unknown, blame: &Blame, expected: &str| {
        let kind = KindConfig { on_unknown, ..kind() };
        let terms = Terms { kind: &kind, blame, jitter: 1.0, now: at(10) };
        let ending = on_outcome(&state("mine").unwrap(), &unknown, &terms).keeping(&task());
        let said = ending.reports.iter().map(Report::verb).collect::<Vec<_>>().join(" ");
        let TaskState { charged, .. } = ending.state;
        let told = format!("{}, {charged} charged, {said}", ending.state.word());
        assert_eq!(told, expected, "{on_unknown} {blame:?}");
        ending
    };
    for blame in [Blame::Own, Blame::Nobody, shared.clone()] {
        let said = if blame == shared { "failed" } else { "unknown" };
        let ending = check(OnUnknown::Ask, &blame, &format!("parked, 1 charged, {said} parked"));
        assert_eq!((ending.then, ending.latch.is_some()), (Then::Ack, blame == shared));
        assert!(ending.state.asks());
        let again = delivery_of(&ending.state);
        assert_eq!(tell(&again), "tell unknown parked and ack");
        let revived = revive(&ending.state, "ann", "", Duration::from_secs(4), at(14)).unwrap();
        assert_eq!(tell(&delivery_of(&revived)), "claim 3");
        let early = revive(&ending.state, "ann", "", Duration::from_secs(4), at(13));
        assert_eq!(early, Err(NotAllowed::MayStillAct { seconds: 2 }));
        assert!(withdraw(&ending.state, &task(), "ann", "", at(14)).is_ok());
    }
    check(OnUnknown::Rerun, &Blame::Own, "resting, 2 charged, failed");
    check(OnUnknown::Rerun, &Blame::Nobody, "resting, 2 charged, failed");
    check(OnUnknown::Rerun, &shared, "returned, 1 charged, failed");
    check(OnUnknown::Resolve, &Blame::Own, "resting, 1 charged, unknown");
}

/// W2: a kind that runs again what nobody knows does so only as often as it may fail, though
/// nobody is to blame for silence; a stop in the middle of an attempt is no failure.
#[test]
fn what_is_run_again_ends_some_time() {
    let ends = |cause: &str| {
        let unknown = Outcome::Unknown {
            cause: cause.parse().unwrap(),
            evidence: String::new(),
            retry_after: None,
            cost: Cost::ZERO,
        };
        let kind = KindConfig { on_unknown: OnUnknown::Rerun, ..kind() };
        let terms = Terms { kind: &kind, blame: &Blame::Nobody, jitter: 1.0, now: at(10) };
        let claim = state("mine").unwrap();
        let mut state = TaskState { attempt: 0, charged: 0, ..claim.clone() };
        for attempt in 1..=9 {
            state = TaskState { attempt, phase: claim.phase.clone(), ..state };
            state = on_outcome(&state, &unknown, &terms).state;
            if state.ended() {
                break;
            }
        }
        (state.word(), state.attempt, state.charged)
    };
    assert_eq!(ends("service.timeout"), ("dead", 3, 3));
    assert_eq!(ends("dispatcher.stopped"), ("resting", 9, 0));
}

/// G2, T2: where a person is asked, a failure that others share holds this dispatcher back at once
/// and is told as such, also by the next one when the first vanished before it told.
#[test]
fn a_parked_failure_is_told_of_its_gate() {
    let unknown = Outcome::Unknown {
        cause: "relay.unavailable".parse().unwrap(),
        evidence: "cut off".to_owned(),
        retry_after: None,
        cost: Cost::ZERO,
    };
    let ask = KindConfig { on_unknown: OnUnknown::Ask, ..kind() };
    let ends = |tasks| {
        let blame = Blame::Shared { gate: gate(), tasks, within: Duration::from_secs(1) };
        let terms = Terms { kind: &ask, blame: &blame, jitter: 1.0, now: at(10) };
        on_outcome(&state("mine").unwrap(), &unknown, &terms).keeping(&task())
    };
    let ending = ends(3);
    assert_eq!(ending.latch, Some(Latch { gate: gate(), epoch: Epoch::new(3) }));
    let first = &ending.reports[0].told;
    assert!(
        matches!(first, Told::Failed { charged: false, gate: Some(of), .. } if *of == gate()),
        "{first:?}"
    );
    let Step::TellAndAck { reports } = delivery_of(&ending.state) else { panic!() };
    assert_eq!(reports.len(), 2);
    for (first, again) in ending.reports.iter().zip(&reports) {
        assert_eq!((&first.told, &first.admitted), (&again.told, &again.admitted));
    }
    assert_eq!(ends(0).latch, None, "what never closes a gate holds nobody back");
}

/// M2, W2: an answer that nobody can read is a person's to judge where the kind asks, and charged
/// elsewhere: a service that never makes sense is not asked for ever.
#[test]
fn an_unreadable_answer_is_charged_or_asked_about() {
    let garbled = Outcome::Unknown {
        cause: "service.garbled".parse().unwrap(),
        evidence: "what?".to_owned(),
        retry_after: None,
        cost: Cost::ZERO,
    };
    let ends = |on_unknown, charged| {
        let kind = KindConfig { on_unknown, ..kind() };
        let terms = Terms { kind: &kind, blame: &Blame::Own, jitter: 1.0, now: at(10) };
        let claim = TaskState { charged, ..state("mine").unwrap() };
        let ended = on_outcome(&claim, &garbled, &terms).state;
        (ended.word(), ended.charged)
    };
    for on_unknown in [OnUnknown::Resolve, OnUnknown::Rerun] {
        assert_eq!(ends(on_unknown, 1), ("resting", 2), "{on_unknown}");
        assert_eq!(ends(on_unknown, 2), ("dead", 3), "{on_unknown}");
    }
    assert_eq!(ends(OnUnknown::Ask, 1), ("parked", 1));
}

/// M2: what a dispatcher that vanished did is unknown, too.
#[test]
fn a_lost_claim_of_a_kind_that_asks_is_parked() {
    let kind = KindConfig { on_unknown: OnUnknown::Ask, ..kind() };
    let ending = take_over(&state("theirs").unwrap(), &kind, at(99)).unwrap().keeping(&task());
    assert_eq!((ending.state.charged, ending.then), (1, Then::Ack));
    assert!(ending.state.asks(), "{:?}", ending.state);
    let said: Vec<_> = ending.reports.iter().map(Report::verb).collect();
    assert_eq!(said, ["unknown", "parked"]);
}

/// M2, W4: what was parked after an attempt without its task is not begun by the next delivery of
/// its message: it is parked once more, with the task, so that a person decides.
#[test]
fn what_was_parked_without_its_task_is_parked_with_it() {
    let kind = KindConfig { on_unknown: OnUnknown::Ask, ..kind() };
    let parked = take_over(&state("theirs").unwrap(), &kind, at(99)).unwrap().state;
    assert!(!parked.asks(), "nobody kept its task");
    let Step::Settle(ending) = delivery_of(&parked) else { panic!("{:?}", delivery_of(&parked)) };
    assert!(ending.state.asks() && ending.then == Then::Ack);
    assert_eq!(TaskState { task: None, ..ending.state.clone() }, parked);
    assert_eq!(ending.reports.last().map(Report::verb), Some("parked"));
    assert_eq!(tell(&delivery_of(&ending.state)).split(' ').next(), Some("tell"));
}

fn delivery_of(state: &TaskState) -> Step {
    let me = "me".parse().unwrap();
    let admitted = vec![Admission { gate: gate(), epoch: Epoch::new(3), seq: 7 }];
    on_delivery(&Delivered {
        key: task().key(),
        task: &task(),
        fenced: true,
        state: Some(state),
        me: &me,
        running: false,
        contact_exists: false,
        admission: &Admitted::Yes { admitted, probing: Vec::new() },
        won: &[],
        latched: None,
        lease: Duration::from_secs(4),
        now: at(20),
    })
}
