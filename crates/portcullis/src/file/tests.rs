use std::time::Duration;

use domain::{Blame, Handler, SensorConfig};

use super::*;

mod budgets;
mod handlers;
mod models;
mod providers;
mod queueing;
mod resets;
mod sensors;

/// A small file with nothing wrong in it, for a snippet to break.
const SOUND: &str = r#"[kinds.welcome]
handler = { service = "welcome-payer" }
needs = ["inbox", "chain", "relay", "wallet"]
[gates.relay]
[gates.wallet]
[sensors.aibtc]
directory = { kind = "welcome", network = "testnet", message = "Hi {name}" }
[payer]
network = "testnet"
[gates.inbox]
[gates.chain]
"#;

/// The problems of a file that consists of `text` alone, one line each.
fn problems(text: &str) -> Vec<String> {
    load("p.toml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// Puts `new` in the place of `old` in the sound file, and wants exactly one problem.
#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    assert!(SOUND.contains(old), "{old:?} is not in the file");
    let found = problems(&SOUND.replacen(old, new, 1));
    assert_eq!(found, [expected]);
}

/// As [`check`], for what is allowed and yet told.
#[track_caller]
fn check_warning(old: &str, new: &str, expected: &str) {
    assert!(SOUND.contains(old), "{old:?} is not in the file");
    let (_, warnings) = load("p.toml", &SOUND.replacen(old, new, 1)).unwrap();
    let found: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found, [expected]);
}

/// A short file is whole: everything left out has the value that the example documents.
#[test]
fn defaults() {
    let (config, warnings) = load("p.toml", SOUND).unwrap();
    assert_eq!(warnings, []);
    let welcome = &config.kinds[&"welcome".parse().unwrap()];
    assert_eq!(welcome.handler, Handler::Service { name: "welcome-payer".parse().unwrap() });
    assert_eq!((welcome.attempts_max, welcome.concurrency), (5, None));
    assert_eq!(
        (welcome.rest, welcome.rest_max),
        (Duration::from_secs(30), Duration::from_secs(900))
    );
    let SensorConfig::Directory(directory) = &config.sensors[&"aibtc".parse().unwrap()] else {
        panic!("{:?}", config.sensors)
    };
    assert_eq!((directory.cap_cycle, directory.cap_day), (10, 100));
    assert_eq!(directory.url, "https://aibtc.com/api");
    let payer = config.payer.unwrap();
    assert_eq!((payer.in_flight, payer.amount_max.get(), payer.depth), (1, 100, 6));
    assert_eq!(payer.stacks_url, "https://api.testnet.hiro.so");
}

/// Reads an example that is shipped: it is sound, and every default it shows is the real one,
/// for with the comments taken away it says the same.
#[track_caller]
fn shipped(name: &str, text: &str) -> Config {
    let (config, warnings) = load(name, text).unwrap();
    assert_eq!(warnings, []);
    let is_setting = |line: &&str| {
        let key = line.trim_start_matches("# ").split(" = ").next().unwrap_or_default();
        line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let told: Vec<&str> = text
        .lines()
        .map(|line| if is_setting(&line) { line.trim_start_matches("# ") } else { line })
        .collect();
    assert_ne!(told.join("\n"), text.trim_end());
    assert_eq!(load("told.toml", &told.join("\n")).unwrap().0, config);
    config
}

/// The example that is shipped is sound, and every default it shows is the real one.
#[test]
fn the_shipped_example() {
    shipped("deploy/portcullis.toml", include_str!("../../../../deploy/portcullis.toml"));
}

/// The values for testnet that the example shows beside its own make a sound file, in which
/// nothing is left of mainnet.
#[test]
fn the_shipped_example_on_testnet() {
    let text = include_str!("../../../../deploy/portcullis.toml");
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# testnet: ") {
            Some(setting) => {
                let (key, _) = setting.split_once(" = ").unwrap();
                let replaced = lines.pop().unwrap();
                assert!(replaced.trim_start_matches("# ").starts_with(key), "{replaced}: {line}");
                lines.push(setting);
            }
            None => lines.push(line),
        }
    }
    let (config, warnings) = load("testnet.toml", &lines.join("\n")).unwrap();
    assert_eq!(warnings, []);
    let (told, payer) = (format!("{config:?}"), config.payer.unwrap());
    for mainnet in ["mainnet", "x402-relay.aibtc.com", "url: \"https://aibtc.com"] {
        assert!(!told.contains(mainnet), "{mainnet} is left in {told}");
    }
    assert_eq!(payer.relay_url, "https://x402-relay.aibtc.dev");
    assert_eq!(payer.stacks_url, "https://api.testnet.hiro.so");
}

/// The sandbox's file is sound and asks nobody but the sandbox.
#[test]
fn the_file_of_the_sandbox() {
    let text = include_str!("../../../../deploy/sandbox/portcullis.toml");
    let (config, warnings) = load("deploy/sandbox/portcullis.toml", text).unwrap();
    assert_eq!(warnings, []);
    let payer = config.payer.unwrap();
    for url in [payer.inbox_url, payer.relay_url, payer.stacks_url] {
        assert!(url.starts_with("http://sandbox:4010"), "{url}");
    }
}

/// What a file says reaches the configuration, down to what closes which gate.
#[test]
fn settings_arrive() {
    let text = SOUND.replacen(
        "[gates.relay]",
        "[gates.relay]\ndrain_max = 4\ncloses_on = [{ cause = \"relay.unavailable\", tasks = 7, \
         within = \"90s\" }]",
        1,
    );
    let (config, _) = load("p.toml", &text).unwrap();
    let kind = "welcome".parse().unwrap();
    let blame = config.blame(&kind, &"relay.unavailable".parse().unwrap());
    let (gate, within) = ("relay".parse().unwrap(), Duration::from_secs(90));
    assert_eq!(config.gates[&gate].drain_max, Some(4));
    assert_eq!(blame, Blame::Shared { gate, tasks: 7, within });
}

/// Mistakes in a kind: each is told with its line and what to do.
#[test]
fn kinds() {
    check(
        "[gates.relay]",
        "leese = \"3s\"\n[gates.relay]",
        "p.toml:4: unknown key `leese` in [kinds.welcome]; did you mean `lease`?",
    );
    check(
        "\"relay\", \"wallet\"]",
        "\"relya\", \"wallet\"]",
        "p.toml:3: kind `welcome` needs the unknown gate `relya`; did you mean `relay`? Or add \
         [gates.relya]",
    );
    check(
        "\"wallet\"]",
        "\"wallet\", \"moon\"]",
        "p.toml:3: kind `welcome` needs the unknown gate `moon`; add [gates.moon]",
    );
    check(
        "\"wallet\"]",
        "\"wallet\", \"relay\"]",
        "p.toml:3: gate `relay` stands twice in `needs`; keep one",
    );
    check(
        "\"wallet\"]",
        "\"wallet\", \"kind-welcome\"]",
        "p.toml:3: kind `welcome` needs its own gate `kind-welcome` anyway; leave it out of \
         `needs`",
    );
    check(
        "handler = { service = \"welcome-payer\" }\n",
        "",
        "p.toml:1: kind `welcome` has no handler; say who does the work: handler = { service = \
         \"…\" }, handler = { exec = { command = [\"…\"] } } or handler = { anthropic = { model = \
         \"…\", … } }",
    );
}

/// Numbers and times that a kind cannot have.
#[test]
fn kinds_in_numbers() {
    check(
        "[gates.relay]",
        "rest = \"30x\"\n[gates.relay]",
        "p.toml:4: `rest = \"30x\"` in [kinds.welcome] is not a duration; write a whole number \
         and a unit: \"500ms\", \"30s\", \"10m\", \"1h\", \"2d\"",
    );
    check(
        "[gates.relay]",
        "lease = 30\n[gates.relay]",
        "p.toml:4: `lease` in [kinds.welcome] is a whole number; write a whole number and a \
         unit: \"500ms\", \"30s\", \"10m\", \"1h\", \"2d\"",
    );
    check(
        "[gates.relay]",
        "attempts = 0\n[gates.relay]",
        "p.toml:4: `attempts = 0` in [kinds.welcome] is out of range: the task would be dead at \
         once; write a whole number from 1 on",
    );
    check(
        "[gates.relay]",
        "rest = \"1h\"\nrest_max = \"1m\"\n[gates.relay]",
        "p.toml:1: `rest_max` in [kinds.welcome] is \"1m\", less than `rest` with \"1h\"; make \
         it at least as long",
    );
}

/// Mistakes in a gate.
#[test]
fn gates() {
    let with = |line: &str| format!("[gates.relay]\n{line}");
    check(
        "[gates.wallet]",
        "[gates.wallet]\n[gates.kind-welcome]",
        "p.toml:6: gate `kind-welcome`: every kind has its own gate already: kind `welcome` has \
         `kind-welcome`; take another name",
    );
    check(
        "[gates.wallet]",
        "[gates.wallet]\n[gates._config]",
        "p.toml:6: gate `_config`: names that begin with `_` are reserved; take another name",
    );
    check(
        "[gates.relay]",
        &with("closes_on = [{ cause = \"Relay stuck\" }]"),
        "p.toml:5: `cause` in [gates.relay.closes_on]: cause \"Relay stuck\" is not one to four \
         dotted words of a-z, 0-9 and '-'",
    );
    check(
        "[gates.relay]",
        &with("closes_on = [{ tasks = 1 }]"),
        "p.toml:5: [gates.relay.closes_on] has no `cause`; add cause = \"relay.nonce-conflict\"",
    );
    check(
        "[gates.relay]",
        &with("closes_on = [{ cause = \"a\", task = 1 }]"),
        "p.toml:5: unknown key `task` in [gates.relay.closes_on]; did you mean `tasks`?",
    );
    check(
        "[gates.relay]",
        &with("drain_max = -1"),
        "p.toml:5: `drain_max = -1` in [gates.relay] is out of range: nothing would ever be let \
         go; leave it out for no limit; write a whole number from 1 on",
    );
    check(
        "[gates.relay]\n[gates.wallet]",
        "[gates.relay]\ncloses_on = [{ cause = \"a.b\" }]\n[gates.wallet]\ncloses_on = [{ cause \
         = \"a.b\" }]",
        "p.toml:7: cause `a.b` closes both `relay` and `wallet`, and kind `welcome` needs both; \
         keep it in one `closes_on`",
    );
}

/// Mistakes in a sensor.
#[test]
fn sensors() {
    let sensor = |more: &str| format!("message = \"Hi {{name}}\", {more} }}");
    let message = "message = \"Hi {name}\" }";
    check(
        message,
        &sensor("cap_cycle = 0"),
        "p.toml:7: `cap_cycle = 0` in [sensors.aibtc.directory] is out of range: the sensor would \
         never create anything; remove the sensor instead; write a whole number from 1 on",
    );
    check(
        message,
        &sensor("exclude = [\"ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGX\"]"),
        "p.toml:7: \"ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGX\" in `exclude` is not a Stacks \
         address: its checksum does not fit; a letter is wrong, copy it again",
    );
    check(
        "kind = \"welcome\"",
        "kind = \"welcom\"",
        "p.toml:7: sensor `aibtc` creates the unknown kind `welcom`; did you mean `welcome`? Or \
         add [kinds.welcom]",
    );
    check(
        ", network = \"testnet\"",
        "",
        "p.toml:7: [sensors.aibtc.directory] has no `network`; add network = \"mainnet\" or \
         \"testnet\"",
    );
}

/// Mistakes in the payer, between it and a sensor, and at the top of the file.
#[test]
fn payer() {
    check(
        ", network = \"testnet\"",
        ", network = \"mainnet\"",
        "p.toml:7: sensor `aibtc` finds agents of mainnet, and [payer] pays on testnet; make \
         them the same",
    );
    check(
        "[payer]\nnetwork = \"testnet\"",
        "[payer]\nnetwork = \"regtest\"",
        "p.toml:9: unknown network \"regtest\" in [payer]; write \"mainnet\" or \"testnet\"",
    );
    check(
        "[payer]\nnetwork = \"testnet\"\n",
        "",
        "p.toml:1: kind `welcome` is handled by `welcome-payer`, which has no settings; add a \
         table [payer]",
    );
    check(
        "[payer]",
        "[payer]\nrelay_url = \"relay.example\"",
        "p.toml:9: `relay_url = \"relay.example\"` in [payer] is not the base of an API; write \
         it like \"https://x402-relay.aibtc.dev\"",
    );
    check(
        "[payer]",
        "[payment]\n[payer]",
        "p.toml:8: unknown key `payment`; known here: gates, kinds, sensors, payer, \
         budgets, providers, prices",
    );
}

/// The payer's failures are shared through four gates; a kind that it handles and that lacks
/// one would be charged for them. Somebody else's kind may need what it likes.
#[test]
fn payer_needs() {
    let lacks = |names: &str| {
        format!(
            "p.toml:1: kind `welcome` is handled by `welcome-payer` and does not need {names}, so \
             a failure of that would be charged to its tasks; needs = [\"relay\", \"wallet\", \
             \"inbox\", \"chain\"]"
        )
    };
    check("\"chain\", ", "", &lacks("`chain`"));
    let needs = "\"inbox\", \"chain\", \"relay\", \"wallet\"";
    check(needs, "\"relay\"", &lacks("`wallet`, `inbox`, `chain`"));
    let text = SOUND.replacen(needs, "\"relay\"", 1).replacen("welcome-payer", "my-own", 1);
    load("p.toml", &text).unwrap();
}

/// What cannot be meant, but breaks nothing, is told and applied.
#[test]
fn warnings() {
    check_warning(
        "[gates.wallet]",
        "[gates.wallet]\n[gates.moon]",
        "p.toml:6: warning: no kind needs gate `moon`, so it holds nothing back",
    );
    check_warning(
        "[gates.wallet]",
        "[gates.wallet]\n[gates.moon]\ncloses_on = [{ cause = \"moon.dark\" }]",
        "p.toml:7: warning: cause `moon.dark` can never close gate `moon`, because no kind needs \
         it; add it to the `needs` of a kind",
    );
    check_warning(
        "[gates.wallet]",
        "closes_on = [{ cause = \"relay.nonce-conflct\" }]\n[gates.wallet]",
        "p.toml:5: warning: Portcullis reports no cause `relay.nonce-conflct`; did you mean \
         `relay.nonce-conflict`?",
    );
    check_warning(
        "message =",
        "exclude = [\"SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA\"], message =",
        "p.toml:7: warning: SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA in `exclude` is not of \
         testnet, so it never matches",
    );
}

/// Every problem is told at once, from top to bottom; what is no TOML is told alone.
#[test]
fn all_at_once() {
    let text = "[kinds.a]\nneeds = [\"x\"]\nrest = \"soon\"\n[kinds.B]\nhandler = { service = \
                \"s\" }\n[gates]\ny = 3\n[sensors.s]\nevery = \"1m\"\n";
    let found = problems(text);
    let lines: Vec<&str> = found.iter().map(|it| it.split(": ").next().unwrap()).collect();
    let expected =
        ["p.toml:1", "p.toml:2", "p.toml:3", "p.toml:4", "p.toml:7", "p.toml:8", "p.toml:9"];
    assert_eq!(lines, expected, "{found:#?}");
    let broken = problems("[kinds.a]\nneeds = [\"x\"\nrest = 1\n");
    assert!(broken.iter().all(|it| it.ends_with("; this is not TOML")), "{broken:#?}");
    assert_eq!(
        problems(""),
        ["p.toml:1: no kind of work is configured; add a table [kinds.<name>]"]
    );
}
