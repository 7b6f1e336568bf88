//! Schedules: each firing is created or given up, once, and said so.

use std::collections::BTreeMap;

use domain::{Firings, SensorName, Timestamp};
use fleet::store::{self, Cas, Versioned};
use serde_json::Value;
use wire::subject;

use super::{close, config, keys, open, told};
use crate::harness::{World, eventually};

const HOUR: u64 = 3_600_000;

/// A schedule that fires each second, of a kind with this rule.
fn each_second(rule: &str) -> String {
    let sensors = "[sensors.tick.schedule]\nkind = \"tick\"\ncron = \"* * * * * *\"\n\
                   held_max = 1000\npayload = '{ \"due\": \"{time}\" }'\n";
    config("tick", sensors).replace("needs", &format!("while_closed = \"{rule}\"\nneeds"))
}

async fn record(world: &World, sensor: &str) -> Option<Versioned<Firings>> {
    let sensor: SensorName = sensor.parse().unwrap();
    store::read(&world.bus, subject::RECORD, &subject::schedule(&sensor)).await.ok()?
}

/// The seconds for which there are tasks, each named by its source key.
async fn created(world: &World) -> Vec<u64> {
    let mut created: Vec<u64> = keys(world).await.iter().map(|key| second(key)).collect();
    created.sort_unstable();
    created
}

/// `tick/2026-11-22T08:00:00Z` as a number of seconds: one more for each second, over midnight too.
fn second(key: &str) -> u64 {
    let numbers = |text: &str, by: char| -> Vec<u64> {
        text.split(by).map(|part| part.parse().unwrap()).collect()
    };
    let (date, time) = key.rsplit('/').next().unwrap().split_once('T').unwrap();
    let (date, time) = (numbers(date, '-'), numbers(time.trim_end_matches('Z'), ':'));
    let day = (date[0] * 12 + date[1]) * 31 + date[2];
    ((day * 24 + time[0]) * 60 + time[1]) * 60 + time[2]
}

/// The seconds that were told as never to be created, and why.
async fn given_up(world: &World) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    for event in world.events("event.sensor.unfired.tick").await {
        let data = &event["data"];
        let at = |field: &str| second(data[field].as_str().unwrap().split('.').next().unwrap());
        let (first, last) = (at("first"), at("last"));
        assert_eq!(data["count"].as_u64().unwrap(), last - first + 1, "not one a second: {data}");
        for second in first..=last {
            let twice = all.insert(second, data["fate"].as_str().unwrap().to_owned());
            assert_eq!(twice, None, "given up twice: {data}");
        }
    }
    all
}

/// Waits for so many more tasks than there are.
async fn more(world: &World, count: usize) {
    let before = keys(world).await.len();
    eventually("more tasks", || async {
        (before + count <= keys(world).await.len()).then_some(())
    })
    .await;
}

/// Each second from the first to the last is there exactly once, made or given up.
async fn each_once(world: &World) -> BTreeMap<u64, String> {
    let given_up = given_up(world).await;
    let mut all = created(world).await;
    all.extend(given_up.keys());
    all.sort_unstable();
    for pair in all.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "lost or twice, of {all:?}, given up {given_up:?}");
    }
    given_up
}

/// W4: two sensors make one task of a firing, and none is lost when both are killed and others
/// take over.
#[tokio::test(flavor = "multi_thread")]
async fn two_sensors_one_firing() {
    let world = World::start(&each_second("hold")).await;
    let mut sensors = [world.spawn("sensor", &[]), world.spawn("sensor", &[])];
    more(&world, 3).await;
    for sensor in &mut sensors {
        sensor.kill().await;
    }
    let _others = [world.spawn("sensor", &[]), world.spawn("sensor", &[])];
    more(&world, 3).await;
    assert!(each_once(&world).await.is_empty(), "something was given up");
    eventually("all of it to be told, once", || async {
        let counted = async |subject: &str| -> u64 {
            let events = world.events(subject).await;
            events.iter().map(|event| event["data"]["created"].as_u64().unwrap()).sum()
        };
        let tasks = u64::try_from(keys(&world).await.len()).unwrap();
        let told = counted("event.sensor.cycle.tick").await;
        // A killed one may have had no time to tell of two.
        (tasks <= told + 4 && told <= tasks + 1).then_some(())
    })
    .await;
}

/// Behind a closed gate nothing is created (G1). Held firings are all created afterwards, of
/// dropped ones none, of collapsed ones the newest; each is told of.
async fn behind_a_gate(rule: &str) -> BTreeMap<u64, String> {
    let world = World::start(&each_second(rule)).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _sensors = [world.spawn("sensor", &[]), world.spawn("sensor", &[])];
    more(&world, 2).await;
    close(&world).await;
    let before = keys(&world).await;
    let what = match rule {
        "hold" => "\"held\":3",
        "drop" => "\"dropped\":1",
        _ => "\"collapsed\":1",
    };
    told(&world, "tick", what).await;
    told(&world, "tick", "relay CLOSED (blocking)").await;
    let closed_at = *created(&world).await.last().unwrap();
    eventually("some time behind it", || async {
        let until = record(&world, "tick").await?.value.until;
        (closed_at + 4 < second(&until.to_string()[..19])).then_some(())
    })
    .await;
    assert_eq!(keys(&world).await, before, "created behind a closed gate");
    open(&world).await;
    more(&world, 3).await;
    eventually("everything given up to be told", || async {
        record(&world, "tick").await?.value.untold.is_empty().then_some(())
    })
    .await;
    each_once(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn held_firings_are_created_afterwards() {
    assert_eq!(behind_a_gate("hold").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_firings_are_told_and_never_created() {
    let given_up = behind_a_gate("drop").await;
    assert!(3 <= given_up.len(), "{given_up:?}");
    assert!(given_up.values().all(|fate| fate == "dropped"), "{given_up:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_collapsed_firings_the_newest_is_created() {
    let given_up = behind_a_gate("collapse").await;
    assert!(3 <= given_up.len(), "{given_up:?}");
    assert!(given_up.values().all(|fate| fate == "collapsed"), "{given_up:?}");
}

/// As if no sensor had run for three hours: until when the firings are decided on.
async fn down_for_three_hours(world: &World, rules: &[&str]) -> u64 {
    let mut begun = 0;
    for rule in rules {
        let Versioned { mut value, seq } = record(world, rule).await.unwrap();
        value.until = Timestamp::from_millis(value.until.as_millis() - 3 * HOUR);
        begun = value.until.as_millis();
        let subject = subject::schedule(&rule.parse().unwrap());
        let bus = &world.bus;
        let written = store::compare_and_set(bus, subject::RECORD, &subject, &value, seq).await;
        assert!(matches!(written, Ok(Cas::Stored(_))), "{written:?}");
    }
    begun
}

/// While nothing ran, firings were missed: none of them is created, the newest, or all, as the
/// schedule says. A schedule that is new has no past.
#[tokio::test(flavor = "multi_thread")]
async fn missed_firings() {
    let schedule = |missed: &str| {
        format!(
            "[sensors.{missed}.schedule]\nkind = \"tick\"\ncron = \"0 * * * *\"\nlate = \"100ms\"\n\
             missed = \"{missed}\"\n"
        )
    };
    let rules = ["skip", "once", "all"];
    let world = World::start(&config("tick", &rules.map(schedule).concat())).await;
    let mut sensor = world.spawn("sensor", &[]);
    for rule in rules {
        eventually("a record", || async { record(&world, rule).await.map(|_| ()) }).await;
    }
    sensor.stop(std::time::Duration::from_secs(10)).await;
    assert_eq!(keys(&world).await, [""; 0], "it had a past");

    let begun = down_for_three_hours(&world, &rules).await;
    let _sensor = world.spawn("sensor", &[]);
    let due = begun / HOUR + 1..=kit::Clock.now().as_millis() / HOUR;
    let expected: Vec<u64> = due.map(|hour| hour * HOUR).collect();
    let key = |rule: &str, at: u64| {
        format!("{rule}/{}", Timestamp::from_millis(at).to_string().replace(".000Z", "Z"))
    };
    let newest = *expected.last().unwrap();
    let mut wanted: Vec<String> = expected.iter().map(|at| key("all", *at)).collect();
    wanted.push(key("once", newest));
    eventually(format!("tasks {wanted:?}"), || async {
        let found = keys(&world).await;
        assert!(found.iter().all(|key| !key.starts_with("skip/")), "{found:?}");
        wanted.iter().all(|key| found.contains(key)).then_some(())
    })
    .await;
    for (rule, skipped) in [("skip", expected.len()), ("once", expected.len() - 1)] {
        let told = eventually("what was missed to be told", || async {
            world.events(&format!("event.sensor.unfired.{rule}")).await.pop()
        })
        .await;
        assert_eq!(
            (&told["data"]["fate"], &told["data"]["count"]),
            (&Value::from("missed"), &Value::from(skipped))
        );
    }
    let found = keys(&world).await;
    assert_eq!(found.iter().filter(|key| key.starts_with("once/")).count(), 1, "{found:?}");
}
