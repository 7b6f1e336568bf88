//! Trial on a real NATS.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
use bus::{Bus, Expect, FeedStart, Options, Put, Queue, consumer, stream};
use domain::*;
use logic::gate::{Stamp, config as config_gate, first};
use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use wire::{Wire as _, event::*, message::*, subject};

#[allow(dead_code)]
struct Nats {
    port: u16,
    child: Child,
    dir: std::path::PathBuf,
    url: String,
}
impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
fn cluster() -> Vec<Nats> {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hold: Vec<_> = (0..6).map(|_| free()).collect();
    let ports: Vec<u16> = hold.iter().map(|l| l.local_addr().unwrap().port()).collect();
    drop(hold);
    let routes = ports[3..].iter().map(|p| format!("nats-route://127.0.0.1:{p}")).collect::<Vec<_>>().join(",");
    (0..3).map(|n| {
        let dir = std::env::temp_dir().join(format!("trial-{}", ports[n]));
        let child = Command::new("/tmp/nats/nats-server").args(["-js", "-a", "127.0.0.1", "-p", &ports[n].to_string(), "-n", &format!("n{n}"), "--cluster_name", "c", "--cluster", &format!("nats://127.0.0.1:{}", ports[3 + n]), "--routes", &routes, "-sd"]).arg(&dir).stderr(Stdio::null()).spawn().unwrap();
        Nats { port: ports[n], child, dir, url: format!("nats://127.0.0.1:{},nats://127.0.0.1:{},nats://127.0.0.1:{}", ports[0], ports[1], ports[2]) }
    }).collect()
}
fn replicas() -> usize { if std::env::var("R3").is_ok() { 3 } else { 1 } }
fn servers() -> Vec<Nats> { if replicas() == 3 { cluster() } else { vec![nats()] } }
fn nats() -> Nats {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = std::env::temp_dir().join(format!("trial-{port}"));
    let child = Command::new("/tmp/nats/nats-server")
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(&dir)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Nats { port, child, dir, url: format!("nats://127.0.0.1:{port}") }
}
fn config() -> Config {
    let kind = |needs: &[&str]| KindConfig {
        handler: Handler::Service { name: "x".parse().unwrap() },
        needs: needs.iter().map(|n| n.parse().unwrap()).collect(),
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(60),
        concurrency: None,
        lease: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
    };
    let gate = || GateConfig {
        about: "r".into(),
        remedy: "look at it".into(),
        closes_on: vec![],
        drain_max: None,
    };
    Config {
        version: 1,
        kinds: BTreeMap::from([("welcome".parse().unwrap(), kind(&["relay", "inbox"]))]),
        gates: BTreeMap::from([
            ("relay".parse().unwrap(), gate()),
            ("inbox".parse().unwrap(), gate()),
        ]),
        sensors: BTreeMap::new(),
        payer: None,
    }
}
async fn setup(url: &str) -> Bus {
    let bus = Bus::connect(&Options {
        servers: url.into(),
        credentials: None,
        name: "trial".into(),
        patience: Duration::from_secs(10),
    })
    .await
    .unwrap();
    if replicas() == 3 { until("a cluster", || async { bus.ensure_stream(stream::Config { name: "T".into(), subjects: vec!["t".into()], num_replicas: 3, ..Default::default() }).await.ok() }).await; }
    let base = |name: &str, subjects: &[&str]| stream::Config {
        name: name.into(),
        subjects: subjects.iter().map(|s| s.to_string()).collect(),
        num_replicas: replicas(), deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        ..Default::default()
    };
    bus.ensure_stream(stream::Config {
        retention: stream::RetentionPolicy::WorkQueue,
        discard: stream::DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: 1,
        republish: Some(stream::Republish {
            source: "gate.>".into(),
            destination: "gatecast.>".into(),
            headers_only: false,
        }),
        ..base("WORK", &["task.*.*", "gate.*.*"])
    })
    .await
    .unwrap();
    bus.ensure_stream(stream::Config {
        max_messages_per_subject: 1,
        ..base("STATE", &["state.>"])
    })
    .await
    .unwrap();
    bus.ensure_stream(stream::Config {
        allow_atomic_publish: true,
        ..base(
            "RECORD",
            &[
                "pay.>",
                "nonce.>",
                "contact.>",
                "incident.>",
                "canary.>",
                "act.>",
                "config.>",
                "budget.>",
            ],
        )
    })
    .await
    .unwrap();
    bus.ensure_stream(base("EVENTS", &["event.>"])).await.unwrap();
    let pull = |name: &str, f: &[&str]| consumer::pull::Config {
        durable_name: Some(name.into()),
        filter_subjects: f.iter().map(|s| s.to_string()).collect(),
        ack_policy: consumer::AckPolicy::Explicit,
        ack_wait: Duration::from_secs(2),
        ..Default::default()
    };
    bus.ensure_consumer("WORK", pull("gate-log", &["gate.>"])).await.unwrap();
    bus.ensure_consumer(
        "WORK",
        consumer::pull::Config {
            max_ack_pending: 65536,
            ..pull("dispatch-welcome", &["task.welcome.*"])
        },
    )
    .await
    .unwrap();
    bus.ensure_consumer("EVENTS", pull("gatekeeper", &["event.failure.>", "event.task.>"]))
        .await
        .unwrap();
    let applied = AppliedConfig {
        config: config(),
        schema: wire::SCHEMA,
        by: "me".into(),
        at: kit::Clock.now(),
        note: String::new(),
    };
    bus.put(Put {
        subject: subject::config(1),
        body: applied.encode(),
        expect: Expect::Last(0),
        id: None,
    })
    .await
    .unwrap();
    let mut prev = 0;
    for name in config().all_gates() {
        prev = fleet::gate_log::append(
            &bus,
            &first(name, "me", &Stamp { now: kit::Clock.now(), prev, remedy: "" }),
        )
        .await
        .unwrap();
    }
    fleet::gate_log::append(
        &bus,
        &config_gate(1, "me", &Stamp { now: kit::Clock.now(), prev, remedy: "" }),
    )
    .await
    .unwrap();
    bus
}
fn gatekeeper(url: &str) -> (CancellationToken, tokio::task::JoinHandle<anyhow::Result<()>>) {
    use clap::Parser as _;
    let args = gatekeeper::Args::parse_from(["gatekeeper", "--nats-url", url]);
    let stop = CancellationToken::new();
    let s = stop.clone();
    (stop, tokio::spawn(gatekeeper::run(args, s)))
}
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut f: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(t) = f().await {
            return t;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
fn relay() -> GateName {
    "relay".parse().unwrap()
}
async fn gate(bus: &Bus) -> Gate {
    fleet::gate_log::current(bus, &relay()).await.unwrap().unwrap().value
}
async fn state(bus: &Bus, s: GateState) -> Gate {
    until(s.word(), || async {
        let g = gate(bus).await;
        (g.state == s).then_some(g)
    })
    .await
}
async fn admission(bus: &Bus) -> Vec<Admission> {
    let g = fleet::gate_log::current(bus, &relay()).await.unwrap().unwrap();
    vec![Admission { gate: relay(), epoch: g.value.epoch, seq: g.seq }]
}
fn told(
    verb: AttemptVerb,
    task: &str,
    cause: Option<&str>,
    admitted: Vec<Admission>,
    canary: bool,
) -> AttemptTold {
    AttemptTold {
        verb,
        kind: "welcome".parse().unwrap(),
        source_key: task.parse().unwrap(),
        attempt: 1,
        holder: HolderId::of(1),
        at: kit::Clock.now(),
        cause: cause.map(|c| c.parse().unwrap()),
        charged: false,
        gate: Some(relay()),
        evidence: "409".into(),
        rest_until: None,
        effect: String::new(),
        cost: Cost::ZERO,
        admitted,
        canary: if canary { vec![relay()] } else { vec![] },
    }
}
async fn tell(bus: &Bus, t: &AttemptTold) {
    let e = t.to_event();
    bus.put(Put {
        subject: e.subject.clone(),
        body: e.to_json(),
        expect: Expect::Nothing,
        id: Some(e.id),
    })
    .await
    .unwrap();
}
async fn command(bus: &Bus, verb: GateVerb, epoch: Option<Epoch>) -> GateCommandReply {
    let c = GateCommand {
        gate: relay(),
        person: "ann".into(),
        note: "cleared".into(),
        expected_epoch: epoch,
        verb,
    };
    until("an answer", || async {
        match bus.ask(subject::GATEKEEPER_COMMAND, c.encode(), Duration::from_secs(5)).await {
            Ok(b) => Some(GateCommandReply::decode(&b).unwrap()),
            Err(_) => None,
        }
    })
    .await
}
fn open() -> GateVerb {
    GateVerb::Open { without_canary: false, accept: vec![] }
}
async fn limit(bus: &Bus, max: i64, paused: bool) {
    until(&format!("limit {max} {paused}"), || async {
        let b = bus.backlog("WORK", "dispatch-welcome").await.unwrap();
        (b.max_ack_pending == max && b.paused == paused).then_some(())
    })
    .await
}
async fn create(bus: &Bus, n: &str) -> Task {
    let task = Task {
        kind: "welcome".parse().unwrap(),
        source_key: n.parse().unwrap(),
        created_by: "t".into(),
        created_at: kit::Clock.now(),
        contact: None,
        payload: "{}".into(),
    };
    let token = fleet::gate_log::token(bus).await.unwrap();
    assert!(matches!(
        fleet::create::create(bus, &task, token).await,
        fleet::create::Created::Created(_)
    ));
    task
}
async fn events(bus: &Bus) -> Vec<String> {
    bus.all("EVENTS", "event.gate.>", 100_000)
        .await
        .unwrap()
        .iter()
        .map(|s| {
            let v: serde_json::Value = serde_json::from_slice(&s.body).unwrap();
            v["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn whole_story() {
    kit::init_logs(&kit::LogArgs {
        log: std::env::var("LOG").unwrap_or("warn,gatekeeper=info".into()),
        log_format: kit::LogFormat::Text,
    });
    let nats = servers();
    let nats = &nats[0];
    let bus = setup(&nats.url).await;
    let keepers = [gatekeeper(&nats.url), gatekeeper(&nats.url)];
    limit(&bus, 65536, false).await;
    for n in ["a", "b", "c"] {
        create(&bus, n).await;
    }
    // garbage first
    bus.put(Put {
        subject: "event.failure.welcome.x".into(),
        body: b"garbage".to_vec(),
        expect: Expect::Nothing,
        id: None,
    })
    .await
    .unwrap();
    let mut cast = bus.subscribe(subject::GATECAST).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // threshold: relay.unavailable counts 1 of 3
    let admitted = admission(&bus).await;
    tell(&bus, &told(AttemptVerb::Failed, "z", Some("relay.unavailable"), admitted.clone(), false))
        .await;
    let failure =
        told(AttemptVerb::Failed, "a", Some("relay.nonce-conflict"), admitted.clone(), false);
    let begun = Instant::now();
    tell(&bus, &failure).await;
    cast.next().await.unwrap();
    println!("CLOSE: failure told to gate message heard: {:?}", begun.elapsed());
    let closed = state(&bus, GateState::Closed).await;
    let paused = Instant::now();
    limit(&bus, 1, true).await;
    println!("pause enforced {:?} after", paused.elapsed());
    for n in ["b", "c", "d"] {
        tell(
            &bus,
            &told(AttemptVerb::Failed, n, Some("relay.nonce-conflict"), admitted.clone(), false),
        )
        .await;
    }
    let record = until("5 joined", || async {
        let i = fleet::store::read::<Incident>(&bus, "RECORD", &subject::incident(&relay(), 1))
            .await
            .unwrap()?
            .value;
        (i.count() == 5).then_some(i)
    })
    .await;
    println!("incident causes {:?}", record.causes());
    assert_eq!(gate(&bus).await.epoch, closed.epoch, "closed once");
    // refusals
    let r = command(&bus, open(), Some(Epoch::new(1))).await;
    println!("refused: {:?} waiting {}", r.refused, r.waiting);
    assert!(r.refused.is_some());
    let begun = Instant::now();
    let r = command(&bus, open(), Some(closed.epoch)).await;
    println!(
        "open {:?} in {:?}: {:?} waiting {}",
        r.refused,
        begun.elapsed(),
        r.gate.as_ref().unwrap().state,
        r.waiting
    );
    assert_eq!(r.waiting, 3);
    let b = bus.backlog("WORK", "dispatch-welcome").await.unwrap();
    assert_eq!(b.max_ack_pending, 1);
    limit(&bus, 1, false).await;
    let again = command(&bus, open(), Some(closed.epoch)).await;
    assert!(again.refused.is_none(), "{again:?}");
    // straggler joins, moves nothing
    tell(
        &bus,
        &told(AttemptVerb::Failed, "e", Some("relay.nonce-conflict"), admitted.clone(), false),
    )
    .await;
    until("6 joined", || async {
        let i = fleet::store::read::<Incident>(&bus, "RECORD", &subject::incident(&relay(), 1))
            .await
            .unwrap()?
            .value;
        (i.count() == 6).then_some(())
    })
    .await;
    assert_eq!(gate(&bus).await.state, GateState::Probing);
    // canary fails of its own
    let mut own =
        told(AttemptVerb::Failed, "y", Some("target.invalid"), admission(&bus).await, true);
    own.gate = None;
    tell(&bus, &own).await;
    let next = until("next probing", || async {
        let g = gate(&bus).await;
        (g.canaries_failed == 1).then_some(g)
    })
    .await;
    assert_eq!(next.state, GateState::Probing);
    // canary completes
    let queue: Queue = bus.queue("WORK", "dispatch-welcome").await.unwrap();
    let got: Vec<_> = queue.wait(Duration::from_secs(1)).await.unwrap().into_iter().collect();
    assert_eq!(got.len(), 1, "one at a time");
    assert!(queue.wait(Duration::from_millis(500)).await.unwrap().is_none());
    for d in got {
        d.done().await.unwrap();
    }
    let begun = Instant::now();
    tell(&bus, &told(AttemptVerb::Completed, "a", None, admission(&bus).await, true)).await;
    state(&bus, GateState::Draining).await;
    println!("DRAINING after {:?}", begun.elapsed());
    limit(&bus, 2, false).await;
    println!("pace 2 after {:?}", begun.elapsed());
    // failure while draining closes in same incident
    let mut f =
        told(AttemptVerb::Failed, "b", Some("relay.nonce-conflict"), admission(&bus).await, false);
    f.attempt = 2;
    tell(&bus, &f).await;
    let g = state(&bus, GateState::Closed).await;
    assert_eq!(g.incident, 1);
    limit(&bus, 1, true).await;
    // again, to the end
    let r = command(&bus, open(), None).await;
    assert!(r.refused.is_none());
    limit(&bus, 1, false).await;
    let mut c = told(AttemptVerb::Completed, "b", None, admission(&bus).await, true);
    c.attempt = 3;
    tell(&bus, &c).await;
    state(&bus, GateState::Draining).await;
    limit(&bus, 2, false).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(gate(&bus).await.state, GateState::Draining, "backlog");
    let mut seen = 0;
    while seen < 2 {
        if let Some(d) = queue.wait(Duration::from_secs(1)).await.unwrap() {
            seen += 1;
            d.done().await.unwrap();
        }
    }
    let g = state(&bus, GateState::Open).await;
    println!("OPEN epoch {}", g.epoch);
    limit(&bus, 65536, false).await;
    // close by hand, garble, open
    let r = command(&bus, GateVerb::Close { cause: None }, None).await;
    assert!(r.refused.is_none());
    assert_eq!(r.gate.as_ref().unwrap().incident, 2);
    let g = gate(&bus).await;
    let token = fleet::gate_log::token(&bus).await.unwrap();
    bus.put(Put {
        subject: subject::gate(&relay(), g.epoch.next()),
        body: b"xx".to_vec(),
        expect: Expect::Fence { over: "gate.>".into(), last: token },
        id: None,
    })
    .await
    .unwrap();
    until("garbled alarm", || async {
        events(&bus).await.iter().any(|e| e.contains("garbled")).then_some(())
    })
    .await;
    let mut late =
        told(AttemptVerb::Failed, "k", Some("relay.nonce-conflict"), admitted.clone(), false);
    late.attempt = 9;
    tell(&bus, &late).await;
    let r = command(&bus, open(), None).await;
    println!(
        "open garbled: {:?} {:?}",
        r.refused,
        r.gate.map(|g| (g.epoch, g.state, g.incident, g.causes))
    );
    limit(&bus, 1, false).await;
    // untold completion: chain says it
    let t = create(&bus, "q").await;
    let g = gate(&bus).await;
    let canary = Canary {
        gate: relay(),
        epoch: g.epoch,
        task: t.key(),
        source_key: t.source_key.clone(),
        attempt: 1,
        holder: HolderId::of(3),
        begun: kit::Clock.now(),
        released: false,
    };
    bus.put(Put {
        subject: subject::canary(&relay(), g.epoch),
        body: canary.encode(),
        expect: Expect::Last(0),
        id: None,
    })
    .await
    .unwrap();
    let st = TaskState {
        kind: t.kind.clone(),
        source_key: t.source_key.clone(),
        at: kit::Clock.now(),
        attempt: 1,
        charged: 0,
        cost: Cost::ZERO,
        phase: Phase::Completed { effect: "x".into() },
    };
    bus.put(Put {
        subject: subject::state(&t.kind, t.key()),
        body: st.encode(),
        expect: Expect::Last(0),
        id: None,
    })
    .await
    .unwrap();
    state(&bus, GateState::Open).await;
    // late canary
    command(&bus, GateVerb::Close { cause: None }, None).await;
    command(&bus, open(), None).await;
    let g = state(&bus, GateState::Probing).await;
    let canary = Canary {
        epoch: g.epoch,
        begun: Timestamp::from_millis(kit::Clock.now().as_millis() - 31 * 60_000),
        task: SourceKey::key(&"w".parse().unwrap()),
        source_key: "w".parse().unwrap(),
        ..canary
    };
    bus.put(Put {
        subject: subject::canary(&relay(), g.epoch),
        body: canary.encode(),
        expect: Expect::Last(0),
        id: None,
    })
    .await
    .unwrap();
    let g = state(&bus, GateState::Closed).await;
    println!("late: {:?} {}", g.causes, g.note);
    let r = command(&bus, GateVerb::Open { without_canary: true, accept: vec![] }, None).await;
    println!("{:?}", r.refused);
    // CLI-like close: untold transition gets told; reminder
    let accept = gate(&bus).await.causes;
    let r = command(&bus, GateVerb::Open { without_canary: true, accept }, None).await;
    println!("{:?} {:?}", r.refused, r.gate.map(|g| g.note));
    let base = gate(&bus).await;
    let token = fleet::gate_log::token(&bus).await.unwrap();
    let old = Timestamp::from_millis(kit::Clock.now().as_millis() - 5 * 3_600_000);
    let by_hand = Gate {
        epoch: base.epoch.next(),
        prev: token,
        state: GateState::Closed,
        at: old,
        since: old,
        incident: base.incident + 1,
        by: Actor::Person("cli".into()),
        note: "no gatekeeper".into(),
        causes: vec!["person.closed".parse().unwrap()],
        ..base
    };
    fleet::gate_log::append(&bus, &by_hand).await.unwrap();
    let id = format!("gate/relay/{}/closed", by_hand.epoch);
    until("told by hand", || async { events(&bus).await.contains(&id).then_some(()) }).await;
    until("reminder", || async {
        events(&bus).await.iter().any(|e| e.contains("still-closed")).then_some(())
    })
    .await;
    for e in events(&bus).await {
        println!("  {e}");
    }
    let reminder = bus.last("EVENTS", "event.gate.still-closed.relay").await.unwrap().unwrap();
    println!("{}", String::from_utf8_lossy(&reminder.body));
    // 100 closings for latency
    for (stop, task) in keepers {
        stop.cancel();
        let begun = Instant::now();
        task.await.unwrap().unwrap();
        println!("stopped in {:?}", begun.elapsed());
    }
    let _ = FeedStart::New;
}

#[tokio::test]
async fn latency_of_closing() {
    let nats = servers();
    let nats = &nats[0];
    let bus = setup(&nats.url).await;
    let keepers = [gatekeeper(&nats.url), gatekeeper(&nats.url)];
    limit(&bus, 65536, false).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut took = vec![];
    let mut opened = vec![];
    let mut cast = bus.subscribe(subject::GATECAST).await.unwrap();
    for n in 0..100 {
        let mut f = told(
            AttemptVerb::Failed,
            "a",
            Some("relay.nonce-conflict"),
            admission(&bus).await,
            false,
        );
        f.attempt = n + 1;
        let begun = Instant::now();
        tell(&bus, &f).await;
        cast.next().await.unwrap();
        took.push(begun.elapsed());
        let accept = gate(&bus).await.causes;
        let begun = Instant::now();
        command(&bus, GateVerb::Open { without_canary: true, accept }, None).await;
        opened.push(begun.elapsed());
        cast.next().await.unwrap();
    }
    took.sort();
    opened.sort();
    println!(
        "close: p50 {:?} p99 {:?} max {:?}; open command p50 {:?} p99 {:?}",
        took[50], took[98], took[99], opened[50], opened[98]
    );
    assert_eq!(gate(&bus).await.incident, 100);
    for (stop, task) in keepers {
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}

/// 3 gatekeeper processes, one killed at random every 50..250 ms, 300 failures of 60 attempts epochs.
#[tokio::test]
async fn killed_again_and_again() {
    let nats = servers();
    let nats = &nats[0];
    let bus = setup(&nats.url).await;
    let start = |url: &str| {
        Command::new(env!("CARGO_BIN_EXE_gatekeeper"))
            .args(["--nats-url", url, "--log", "error"])
            .spawn()
            .unwrap()
    };
    let mut kids: Vec<Child> = (0..3).map(|_| start(&nats.url)).collect();
    let begun = Instant::now();
    let mut expected = 0;
    let mut round = 0u32;
    while begun.elapsed() < Duration::from_secs(25) {
        round += 1;
        let admitted = admission(&bus).await;
        for n in 0..5 {
            let mut f = told(
                AttemptVerb::Failed,
                &format!("t{n}"),
                Some("relay.nonce-conflict"),
                admitted.clone(),
                false,
            );
            f.attempt = round;
            tell(&bus, &f).await;
            expected += 1;
        }
        let victim = usize::try_from(fastrand(3)).unwrap();
        tokio::time::sleep(Duration::from_millis(fastrand(30))).await;
        kids[victim].kill().unwrap();
        kids[victim].wait().unwrap();
        kids[victim] = start(&nats.url);
        state(&bus, GateState::Closed).await;
        let r = until("opened", || async {
            let accept = gate(&bus).await.causes;
            let r = command(&bus, GateVerb::Open { without_canary: true, accept }, None).await;
            r.refused.is_none().then_some(r)
        })
        .await;
        let _ = r;
    }
    let g = gate(&bus).await;
    let counted = || async {
        let mut n = 0;
        for i in 1..=g.incident + 1 {
            if let Some(i) =
                fleet::store::read::<Incident>(&bus, "RECORD", &subject::incident(&relay(), i))
                    .await
                    .unwrap()
            {
                n += i.value.count();
                let ids: std::collections::BTreeSet<_> =
                    i.value.failures.iter().map(|f| f.event.clone()).collect();
                assert_eq!(ids.len(), i.value.failures.len());
            }
        }
        n
    };
    until("all counted once", || async { (counted().await == expected).then_some(()) }).await;
    println!(
        "{round} rounds, {expected} failures, {} incidents, gate {:?}",
        g.incident,
        gate(&bus).await.state
    );
    let log = fleet::gate_log::history(&bus, &relay()).await.unwrap();
    assert_eq!(log.len() as u64, log.last().unwrap().value.epoch.get());
    assert_eq!(g.incident, u64::from(round), "one incident a round");
    // all transitions told
    let epochs: Vec<_> = log
        .iter()
        .skip(1)
        .map(|g| {
            format!(
                "gate/relay/{}/{}",
                g.value.epoch,
                if g.value.state == GateState::Open { "opened" } else { "closed" }
            )
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let told = events(&bus).await;
    let missing: Vec<_> = epochs.iter().filter(|e| !told.contains(e)).collect();
    println!("untold transitions: {missing:?} of {}", epochs.len());
    assert!(missing.is_empty());
    for mut k in kids {
        k.kill().unwrap();
        k.wait().unwrap();
    }
}
fn fastrand(n: u64) -> u64 {
    kit::fresh_number() % n
}

#[tokio::test]
async fn fetch_at_the_limit() {
    let nats = servers();
    let nats = &nats[0];
    let bus = setup(&nats.url).await;
    bus.limit_consumer("WORK", "dispatch-welcome", 1).await.unwrap();
    for n in ["a", "b", "c"] {
        create(&bus, n).await;
    }
    let queue = bus.queue("WORK", "dispatch-welcome").await.unwrap();
    for max in [1, 3] {
        let begun = Instant::now();
        let got = queue.fetch(max).await.unwrap();
        println!(
            "fetch({max}) at limit 1: {} in {:?}: {:?}",
            got.len(),
            begun.elapsed(),
            got.iter().map(|d| (d.seq, d.delivered)).collect::<Vec<_>>()
        );
        for d in got {
            let _ = d.done().await;
        }
    }
    bus.limit_consumer("WORK", "dispatch-welcome", 10).await.unwrap();
    let begun = Instant::now();
    let got = queue.fetch(5).await.unwrap();
    println!("fetch(5) of what is left: {} in {:?}", got.len(), begun.elapsed());
    for d in got {
        let _ = d.done().await;
    }
    let begun = Instant::now();
    let got = queue.fetch(5).await.unwrap();
    println!("fetch(5) of nothing: {} in {:?}", got.len(), begun.elapsed());
}

/// NATS killed and restarted: the gatekeepers go on by themselves.
#[tokio::test]
async fn nats_restarted() {
    kit::init_logs(&kit::LogArgs {
        log: "warn,gatekeeper=info".into(),
        log_format: kit::LogFormat::Text,
    });
    let mut nats = nats();
    let bus = setup(&nats.url).await;
    let keepers = [gatekeeper(&nats.url), gatekeeper(&nats.url)];
    limit(&bus, 65536, false).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let admitted = admission(&bus).await;
    nats.child.kill().unwrap();
    nats.child.wait().unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    nats.child = Command::new("/tmp/nats/nats-server")
        .args(["-js", "-a", "127.0.0.1", "-p", &nats.port.to_string(), "-sd"])
        .arg(&nats.dir)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let f = told(AttemptVerb::Failed, "a", Some("relay.nonce-conflict"), admitted, false);
    let e = f.to_event();
    until("told", || async {
        bus.put(Put {
            subject: e.subject.clone(),
            body: e.to_json(),
            expect: Expect::Nothing,
            id: Some(e.id.clone()),
        })
        .await
        .ok()
    })
    .await;
    println!("told {:?} after restart", begun.elapsed());
    until("closed", || async {
        let g = fleet::gate_log::current(&bus, &relay()).await.ok()??.value;
        (g.state == GateState::Closed).then_some(())
    })
    .await;
    println!("closed {:?} after restart", begun.elapsed());
    limit(&bus, 1, true).await;
    println!("paused {:?} after restart", begun.elapsed());
    let r = command(&bus, open(), None).await;
    assert!(r.refused.is_none(), "{r:?}");
    tell(&bus, &told(AttemptVerb::Completed, "b", None, admission(&bus).await, true)).await;
    state(&bus, GateState::Open).await;
    limit(&bus, 65536, false).await;
    println!("open again {:?} after restart", begun.elapsed());
    for (stop, task) in keepers {
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}
