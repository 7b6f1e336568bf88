use super::*;

/// Runs a story over the kinds `a`, `b` and `c`, a step a line, and compares what was
/// pulled: `open <kinds>` (`^` for high and `_` for low priority, `!` for single, `<n` for at most n), `next`, `task|nothing|trouble <kind>`, `ended <kind>`, `bar
/// <kind>` for half a second, `crowded`, `wait <millis>`.
#[track_caller]
fn check(slots: usize, story: &str, answer: &[&str]) {
    let mut lanes = Lanes::new(slots);
    let mut now = Duration::ZERO;
    let mut pulls = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let kind = || rest.parse::<Kind>().unwrap();
        match verb {
            "open" => lanes.admit(rest.split(' ').map(|kind| {
                let (kind, most) = kind
                    .split_once('<')
                    .map_or((kind, usize::MAX), |split| (split.0, split.1.parse().unwrap()));
                let (kind, admits) = match kind.strip_suffix('!') {
                    Some(kind) => (kind, Admits::Single(most)),
                    None => (kind, Admits::UpTo(most)),
                };
                let priority = match kind.chars().last() {
                    Some('^') => Priority::High,
                    Some('_') => Priority::Low,
                    _ => Priority::Normal,
                };
                (kind.trim_end_matches(['^', '_']).parse().unwrap(), priority, admits)
            })),
            "next" => pulls.push(match lanes.next(now) {
                Some(Pull { kind, wait }) if wait == LONG => format!("{kind} long"),
                Some(Pull { kind, .. }) => format!("{kind} short"),
                None => match lanes.rest(now) {
                    Some(rest) => format!("rest {}", rest.as_millis()),
                    None => "-".to_owned(),
                },
            }),
            "task" => lanes.pulled(&kind(), Brought::Task, now),
            "nothing" => lanes.pulled(&kind(), Brought::Nothing, now),
            "trouble" => lanes.pulled(&kind(), Brought::Trouble, now),
            "ended" => lanes.ended(&kind()),
            "bar" => lanes.bar(&kind(), now + Duration::from_millis(500)),
            "crowded" => pulls.push(format!("crowded {}", lanes.crowded())),
            "wait" => now += Duration::from_millis(rest.parse().unwrap()),
            other => panic!("no step {other:?}"),
        }
    }
    assert_eq!(pulls, answer);
}

/// With slots for all, each kind waits long for its next task, and a slot stays free.
#[test]
fn waits_for_every_kind_at_once() {
    check(
        3,
        "open a b
         next
         next
         next
         nothing a
         next",
        &["a long", "b long", "-", "a long"],
    );
}

/// A kind that brings tasks gets more slots with each, and all of them in the end.
#[test]
fn a_busy_kind_fills_the_slots() {
    check(
        5,
        "open a
         next
         task a
         next
         task a
         next
         next
         next
         task a
         task a
         next
         next",
        &["a long", "a long", "a long", "a short", "a short", "-", "-"],
    );
}

/// A kind whose tasks take long does not keep the others from the slots that come free.
#[test]
fn the_one_with_fewer_slots_is_first() {
    check(
        3,
        "open a b
         next
         next
         task a
         next
         task a
         task b
         next
         ended b
         next
         nothing b
         next",
        &["a long", "b long", "a long", "-", "b short", "a short"],
    );
}

/// More kinds than slots take turns with short waits, and rest when none has anything.
#[test]
fn scarce_slots_take_turns() {
    check(
        1,
        "open a b c
         next
         nothing a
         next
         nothing b
         wait 40
         next
         nothing c
         next
         wait 60
         next",
        &["a short", "b short", "c short", "rest 60", "a short"],
    );
}

/// A probing kind is pulled once at a time, a closed one not at all, and one in trouble
/// not for a second.
#[test]
fn holds_back() {
    check(
        4,
        "open a! b
         next
         task a
         next
         next
         next
         trouble b
         next
         open b
         nothing a
         wait 999
         next
         wait 1
         next",
        &["a long", "b long", "a long", "-", "rest 1000", "rest 1", "b long"],
    );
}

/// A kind never has more under way than its most, whatever slots are free and however the
/// most moves; meanwhile nobody spins, and the others have the slots.
#[test]
fn keeps_to_the_most() {
    check(
        8,
        "open a<2
         next
         task a
         next
         next
         task a
         next
         open a<2 b
         next
         ended a
         next
         open a<1 b
         nothing a
         next
         ended a
         next",
        &["a long", "a long", "-", "-", "b long", "a long", "-", "a long"],
    );
}

/// A kind whose task found no seat leaves the slot to the others for a while; and it is
/// known when one of them has none.
#[test]
fn makes_room() {
    check(
        1,
        "open a b
         next
         task a
         crowded
         ended a
         crowded
         bar a
         next
         nothing b
         next
         wait 100
         next
         nothing b
         wait 400
         next
         nothing b
         next
         task a
         open a
         crowded",
        &[
            "a short",
            "crowded true",
            "crowded false",
            "b short",
            "rest 100",
            "b short",
            "b short",
            "a short",
            "crowded false",
        ],
    );
}

/// Tasks of low priority leave a slot to what is urgent, which finds it waiting, and nobody
/// spins meanwhile; once nothing urgent may run they have it too.
#[test]
fn leaves_a_slot_to_what_is_urgent() {
    check(
        2,
        "open a_ b^
         next
         next
         task a
         nothing b
         next
         next
         task b
         next
         ended b
         next
         nothing b
         open a_
         next",
        &["a long", "b long", "b long", "-", "-", "b long", "a long"],
    );
}
