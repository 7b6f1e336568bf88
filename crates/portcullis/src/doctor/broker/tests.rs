use super::*;
use crate::doctor::check::Verdict;

fn led(stream: &'static str, copies: u64) -> Said<Standing> {
    let leader = (1 < copies).then(|| "n1".to_owned());
    Ok(Standing { stream, stands: "led", leader, copies, behind: Vec::new() })
}

fn disk(every: Option<u64>) -> Monitor {
    let syncs_every = every.map(Duration::from_secs);
    let said = Ok(Disk { server_id: "N1".to_owned(), syncs_every });
    Monitor { url: "http://n1:8222".to_owned(), said }
}

/// A server on which everything is as it should be.
fn sound() -> Broker {
    let server = Server {
        id: "N1".to_owned(),
        name: "n1".to_owned(),
        version: "2.15.1".to_owned(),
        cluster: None,
    };
    let laid = |name: &str| Laid { name: name.to_owned(), differs: Ok(Some(Vec::new())) };
    let clocks =
        Clocks { broker: Timestamp::from_millis(90_000), host: Timestamp::from_millis(90_012) };
    Broker {
        server,
        jetstream: Ok(()),
        streams: vec![laid("WORK"), laid("STATE")],
        consumers: vec![laid("gatekeeper")],
        leaders: vec![led("WORK", 1), led("STATE", 1)],
        monitors: vec![disk(None)],
        clock: Some(Ok(clocks)),
    }
}

/// What is not OK, with its remedy.
#[track_caller]
fn wrong(broker: &Broker) -> Vec<(String, Verdict)> {
    let checks = judge(broker);
    let wrong = checks.into_iter().filter(|check| check.verdict != Verdict::Ok);
    let wrong: Vec<Check> = wrong.collect();
    for check in &wrong {
        let silent = check.verdict == Verdict::NotAsked;
        assert!(silent || !check.remedy.is_empty(), "{check:?} has no remedy");
    }
    wrong.into_iter().map(|check| (check.name, check.verdict)).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Broker), expected: &[(&str, Verdict)]) {
    let mut broker = sound();
    change(&mut broker);
    let expected: Vec<(String, Verdict)> =
        expected.iter().map(|(name, verdict)| ((*name).to_owned(), *verdict)).collect();
    assert_eq!(wrong(&broker), expected);
}

/// Nothing is wrong with a sound server, and each thing that is wrong shows in its own line and
/// in no other.
#[test]
fn each_fault_has_its_line() {
    use Verdict::{Fail, Warn};
    check(|_| (), &[]);
    check(|it| it.server.version = "2.11.9".to_owned(), &[("server", Fail)]);
    check(|it| it.server.version = "2.12.0-dev".to_owned(), &[]);
    check(|it| it.server.version = "latest".to_owned(), &[("server", Warn)]);
    check(|it| it.streams[1].differs = Ok(None), &[("streams", Fail)]);
    check(|it| it.streams[1].differs = Err("no answer".to_owned()), &[("streams", Fail)]);
    let differs = Ok(Some(vec!["deny_delete: false -> true".to_owned()]));
    check(|it| it.streams[0].differs = differs.clone(), &[("streams", Fail)]);
    check(|it| it.consumers[0].differs = differs.clone(), &[("consumers", Fail)]);
    check(|it| it.monitors = vec![disk(Some(120))], &[("durability", Fail)]);
    check(|it| it.monitors[0].said = Err("refused".to_owned()), &[("durability", Fail)]);
    check(|it| it.server.id = "N2".to_owned(), &[("durability", Fail)]);
    check(|it| it.monitors.clear(), &[("durability", Verdict::NotAsked)]);
    check(|it| it.clock = None, &[("clock", Verdict::NotAsked)]);
    let hour = Timestamp::from_millis(90_000 + 3_600_000);
    for (broker, host) in [(sound_time(), hour), (hour, sound_time())] {
        check(|it| it.clock = Some(Ok(Clocks { broker, host })), &[("clock", Warn)]);
    }
}

const fn sound_time() -> Timestamp {
    Timestamp::from_millis(90_000)
}

/// Leaders and copies: a stream that nobody leads stops all work, a lagging copy does not; one
/// copy is all that a single server can have, and too few for a cluster.
#[test]
fn leaders_and_copies() {
    use Verdict::{Fail, Warn};
    let stands = |stands, behind: &[&str]| {
        let behind = behind.iter().map(ToString::to_string).collect();
        Ok(Standing { stream: "WORK", stands, leader: None, copies: 3, behind })
    };
    check(|it| it.leaders[0] = stands("leaderless", &[]), &[("leaders", Fail)]);
    check(|it| it.leaders[0] = stands("led", &["n3"]), &[("leaders", Warn)]);
    let clustered = |it: &mut Broker| it.server.cluster = Some("c".to_owned());
    check(clustered, &[("leaders", Warn)]);
    check(
        |it| {
            clustered(it);
            it.leaders = vec![led("WORK", 3), led("STATE", 3)];
        },
        &[],
    );
}

/// Without JetStream that is the one thing that fails; before the first apply the streams are.
#[test]
fn one_fault_does_not_hide_behind_its_consequences() {
    let check = |change: fn(&mut Broker), expected: &str, unasked: &[&str]| {
        let mut broker = sound();
        change(&mut broker);
        let wrong = wrong(&broker);
        let of = |verdict| {
            let of = wrong.iter().filter(move |it| it.1 == verdict);
            of.map(|it| it.0.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of(Verdict::Fail), [expected]);
        assert_eq!(of(Verdict::NotAsked), unasked);
    };
    check(
        |it| it.jetstream = Err("JetStream is not enabled".to_owned()),
        "jetstream",
        &["streams", "consumers", "leaders", "durability", "clock"],
    );
    check(
        |it| {
            it.streams.iter_mut().for_each(|laid| laid.differs = Ok(None));
            it.leaders.clear();
            it.clock = None;
        },
        "streams",
        &["consumers", "leaders", "clock"],
    );
}
