//! The checklist of a fleet that does other work than payments: lists, prompts and commands.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use domain::{CredentialRecord, CredentialStanding, CredentialUse, Refusal, Timestamp};
use fleet::store::{self, Cas};
use serde_json::Value;
use wire::subject;

use crate::anthropic::bench::Bench;

/// The bench's prompts, one task for each agent that the sandbox lists, and a command.
fn config(bench: &Bench, items: &str) -> String {
    let (url, dir) = (bench.sandbox.url(), bench.world.dir().display());
    let prompts = bench.toml(url);
    let toml = format!(
        "{prompts}\n[kinds.tidy]\nhandler = {{ exec = {{ command = [\"{dir}/tidy.sh\"] }} }}\n\
         [sensors.agents.http]\nkind = \"tidy\"\nurl = \"{url}/api/agents\"\nitems = \"{items}\"\n\
         key = \"tidy/{{stxAddress}}\"\n"
    );
    let path = bench.world.dir().join("work.toml");
    fs::write(&path, toml).unwrap();
    path.to_str().unwrap().to_owned()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The verdicts of these lines.
fn verdicts<'a>(report: &'a Value, lines: [&str; 4]) -> [&'a str; 4] {
    lines.map(|line| line_of(report, line)["verdict"].as_str().unwrap())
}

fn line_of<'a>(report: &'a Value, line: &str) -> &'a Value {
    let found = report["checks"].as_array().unwrap().iter().find(|it| it["check"] == line);
    found.unwrap_or_else(|| panic!("{line}: {report}"))
}

/// Writes that this token is refused, as a dispatcher would.
async fn refuse(bench: &Bench) -> String {
    let list = bench.world.json(&["credential", "list"]).await;
    let print = list["providers"][0]["credentials"][0]["fingerprint"].as_str().unwrap();
    let used = CredentialUse {
        provider: "anthropic".parse().unwrap(),
        credential: "oauth".parse().unwrap(),
        fingerprint: print.parse().unwrap(),
    };
    let subject = subject::credential(&used.provider, used.fingerprint);
    let epoch = bench.world.gate("anthropic").await.epoch;
    let (why, evidence) = (Refusal::Invalid, "401".to_owned());
    let standing = CredentialStanding::Refused { why, evidence, epoch };
    let at = Timestamp::from_millis(1_000);
    let record = CredentialRecord { used, standing, by: "dispatcher/1".to_owned(), at };
    let stored =
        store::compare_and_set(&bench.world.bus, subject::RECORD, &subject, &record, 0).await;
    assert!(matches!(stored, Ok(Cas::Stored(_))));
    print.to_owned()
}

/// What a list, a credential or a command needs shows in its own line, with what was found or
/// what to do; asking has created nothing, asked no model, and shown no secret.
#[tokio::test(flavor = "multi_thread")]
async fn what_other_work_needs_shows_in_its_line() {
    const LINES: [&str; 4] =
        ["list agents", "anthropic oauth", "anthropic api-key", "command tidy"];
    let bench = Bench::set(true).await;
    let (token, tidy) = (bench.world.dir().join("claude.json"), bench.world.dir().join("tidy.sh"));
    mode(&token, 0o600);
    fs::write(&tidy, "#!/bin/sh\n").unwrap();
    mode(&tidy, 0o755);
    let named = config(&bench, "/agents");
    let doctor = async || bench.world.json(&["doctor", "-f", &named]).await;

    // The key is in nobody's environment but the dispatchers'.
    let report = doctor().await;
    assert_eq!(verdicts(&report, LINES), ["ok", "ok", "warn", "ok"], "{report}");
    let found = line_of(&report, "list agents")["measured"].as_str().unwrap();
    assert!(found.contains("1 items, the first source key is tidy/SP"), "{found}");
    let unread = line_of(&report, "anthropic api-key")["measured"].as_str().unwrap();
    assert!(unread.contains("THE_KEY is not set"), "{unread}");

    // Without NATS the file says whom to ask.
    let dead = ["doctor", "-f", &named, "--nats-url", "nats://127.0.0.1:1"];
    let report = bench.world.json(&dead).await;
    assert_eq!(verdicts(&report, LINES), ["ok", "ok", "warn", "ok"], "{report}");

    let print = refuse(&bench).await;
    let report = doctor().await;
    let oauth = line_of(&report, "anthropic oauth");
    assert_eq!(oauth["verdict"], "warn", "{oauth}");
    let remedy = oauth["remedy"].as_str().unwrap();
    assert!(remedy.contains(&format!("credential allow anthropic {print}")), "{remedy}");

    config(&bench, "/nobody");
    bench.kill("revoked", 0).await;
    fs::remove_file(&tidy).unwrap();
    let report = doctor().await;
    assert_eq!(verdicts(&report, LINES), ["fail", "fail", "warn", "warn"], "{report}");
    let remedy = line_of(&report, "list agents")["remedy"].as_str().unwrap();
    assert!(remedy.contains("correct `items` (the answer has /agents"), "{remedy}");

    let held: Value = serde_json::from_slice(&fs::read(&token).unwrap()).unwrap();
    let secret = held["claudeAiOauth"]["accessToken"].as_str().unwrap();
    let text = bench.world.cli(&["doctor", "-f", &named]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(&print) && !text.contains(secret), "{text}");
    assert!(!report.to_string().contains(secret), "{report}");
    assert_eq!(bench.counts().await["messages"], 0);
    assert!(bench.world.last("WORK", "task.>").await.is_none());
}
