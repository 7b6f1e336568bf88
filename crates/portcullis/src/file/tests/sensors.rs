use domain::{HeaderValue, Missed, WhileClosed};

use super::*;
use crate::apply::differences;

/// A sound file with a list and a schedule in it, for a snippet to break.
const LISTS: &str = r#"[kinds.ticket]
handler = { service = "tickets" }
[kinds.nightly]
handler = { service = "nightly" }
[sensors.tickets]
http = { kind = "ticket", url = "https://t.example/open", key = "ticket/{id}" }
[sensors.nightly]
schedule = { kind = "nightly", cron = "0 3 * * *" }
"#;

/// Puts `new` in the place of `old` in the sound file: what is said of it, without the place.
#[track_caller]
fn said(old: &str, new: &str) -> Vec<String> {
    assert!(LISTS.contains(old), "{old:?} is not in the file");
    match load("p.toml", &LISTS.replacen(old, new, 1)) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refuses(old: &str, new: &str, says: &str) {
    let said = said(old, new);
    assert!(said.len() == 1 && said[0].contains(says), "{said:#?}");
}

/// A short file is whole: everything left out has the value that the example documents.
#[test]
fn defaults() {
    let (config, warnings) = load("p.toml", LISTS).unwrap();
    assert_eq!(warnings, []);
    let SensorConfig::Http(http) = &config.sensors[&"tickets".parse().unwrap()] else {
        panic!("{:?}", config.sensors)
    };
    assert_eq!((http.cap_cycle, http.cap_day, http.every.as_secs()), (10, 100, 300));
    assert_eq!((http.items.as_str(), &http.next, &http.payload), ("", &None, &None));
    let SensorConfig::Schedule(schedule) = &config.sensors[&"nightly".parse().unwrap()] else {
        panic!("{:?}", config.sensors)
    };
    assert_eq!((schedule.zone.as_str(), schedule.key.as_str()), ("UTC", "{sensor}/{time}"));
    assert_eq!((schedule.missed, schedule.late.as_secs()), (Missed::Skip, 60));
    assert_eq!((schedule.held_max, schedule.cap_day), (100, u32::MAX));
    let nightly = &config.kinds[&"nightly".parse().unwrap()];
    assert_eq!(nightly.while_closed, WhileClosed::Hold);
}

/// The example that is shipped is sound, shows the real defaults, and says what it seems to.
#[test]
fn the_shipped_sensors() {
    let text = include_str!("../../../../../deploy/examples/sensors.toml");
    let config = shipped("deploy/examples/sensors.toml", text);
    let SensorConfig::Http(http) = &config.sensors[&"tickets".parse().unwrap()] else {
        panic!("{:?}", config.sensors)
    };
    let secret = |value: &HeaderValue| !matches!(value, HeaderValue::Plain(_));
    assert_eq!(http.headers.iter().filter(|header| secret(&header.value)).count(), 2);
    assert_eq!(config.kinds[&"nightly".parse().unwrap()].while_closed, WhileClosed::Collapse);
}

/// Every setting of a sensor and the kind's rule shows when it is changed, and no secret does.
#[test]
fn differences_show() {
    let text = include_str!("../../../../../deploy/examples/sensors.toml");
    let (config, _) = load("p.toml", text).unwrap();
    let lines: Vec<String> = differences(None, &config).iter().map(|it| it.line()).collect();
    for line in [
        "+ sensors.tickets.http.key = ticket/{id}",
        "+ sensors.tickets.http.next = /data/next",
        "+ sensors.nightly.schedule.cron = 0 3 * * *",
        "+ sensors.nightly.schedule.zone = Europe/Zurich",
        "+ sensors.nightly.schedule.missed = once",
        "+ sensors.nightly.schedule.cap_day = 10",
        "+ kinds.nightly.while_closed = collapse",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line} is not in {lines:#?}");
    }
    let headers = lines.iter().find(|line| line.contains("http.headers")).unwrap();
    assert!(headers.contains("authorization: Bearer <file /run/secrets/tickets>"), "{headers}");
}

/// Mistakes in a list: what could make an item be worked on twice, or never, or show a secret.
#[test]
fn lists() {
    let key = "key = \"ticket/{id}\"";
    let with = |more: &str| format!("{key}, {more}");
    refuses(key, "key = \"ticket\"", "names no field, so all items would be one task");
    refuses(key, "key = \"{a}-{b}\"", "could run into one another");
    refuses(key, "key = \"ticket/{id\"", "without its '}'");
    refuses(
        key,
        &with("items = \"data\""),
        "`items = \"data\"` in [sensors.tickets.http] is no JSON",
    );
    refuses(key, &with("next = \"/a~2\""), "is no JSON pointer");
    refuses(key, &with("payload = \"{id}\""), "is not JSON");
    refuses(key, &with("payload = '{\"a\": \"{id\"}'"), "without its '}'");
    refuses(key, &with("cap_day = 0"), "never create anything");
    refuses("https://t.example/open", "ftp://t.example", "is not where a list is");
    refuses("https://t.example/open", "https://ann:s3cret@t.example", "something secret");
    refuses("https://t.example/open", "https://t.example/?api_key=s3cret", "something secret");
    let header = |header: &str| with(&format!("headers = [{{ {header} }}]"));
    refuses(key, &header("name = \"authorization\", value = \"s3cret\""), "is secret");
    refuses(key, &header("name = \"a b\", value = \"x\""), "is no name of a header");
    refuses(key, &header("name = \"accept\""), "has no value, or more than one");
    refuses(key, &header("name = \"a\", env = \"A\", file = \"b\""), "or more than one");
    let secrets = said(key, &header("name = \"authorization\", value = \"s3cret\""));
    assert!(!secrets.concat().contains("s3cret"), "{secrets:#?}");
}

/// Mistakes in a schedule, each at its own line and with what to write.
#[test]
fn schedules() {
    let cron = "cron = \"0 3 * * *\"";
    let with = |more: &str| format!("{cron}, {more}");
    refuses(
        cron,
        "cron = \"0 3 * *\"",
        "p.toml:8: `cron` in [sensors.nightly.schedule]: \"0 3 * *\"",
    );
    refuses(cron, "cron = \"0 3 30 2 *\"", "names no day that there is");
    refuses(cron, "zone = \"UTC\"", "has no `cron`");
    refuses(cron, &with("zone = \"Zurich\""), "`zone` in [sensors.nightly.schedule]: there is no");
    refuses(cron, &with("key = \"nightly\""), "one task for ever");
    refuses(cron, &with("key = \"nightly/{hour}\""), "names `hour`; a firing has {time}");
    refuses(cron, &with("payload = '[\"{id}\"]'"), "names `id`");
    refuses(cron, &with("missed = \"every\""), "write one of \"skip\", \"once\", \"all\"");
    refuses(cron, &with("held_max = 1001"), "write at most 1000");
    let hourly = "cron = \"0 * * * *\", key = \"nightly/{date}\"";
    refuses(cron, hourly, "warning: `key = \"nightly/{date}\"`");
    assert_eq!(said(cron, &with("key = \"nightly/{date}\"")), [""; 0]);
}

/// A sensor looks at one thing, and only a schedule's firings can be dropped.
#[test]
fn agreement() {
    let two = said("[sensors.nightly]\n", "[sensors.nightly]\ndirectory = {}\n");
    assert!(two.iter().any(|it| it.contains("is more than one")), "{two:#?}");
    let dropped = "service = \"tickets\" }\nwhile_closed = \"drop\"";
    refuses("service = \"tickets\" }", dropped, "which only a schedule can do: sensor `tickets`");
    let nightly = "service = \"nightly\" }\nwhile_closed = \"drop\"";
    assert_eq!(said("service = \"nightly\" }", nightly), [""; 0]);
    let odd = "service = \"nightly\" }\nwhile_closed = \"wait\"";
    refuses("service = \"nightly\" }", odd, "write one of \"hold\", \"drop\", \"collapse\"");
}
