//! `portcullis doctor` over a fleet that is well, and with one thing after the other broken.

use std::process::Output;

use portcullis::up::{
    process::{Launch, Process},
    world::World as Sandbox,
};
use serde_json::{Value, json};
use stacks::Network;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{file, key_file, object, toml, wallet, with_key};
use crate::harness::{Job, World, eventually, nats_server, program, world::Fleetlet};

/// A fleet that has welcomed everybody, as it should be in every respect.
async fn well() -> (Job, Vec<Fleetlet>) {
    let job = Job::set(4).await;
    job.world.apply(&toml(&job)).await;
    let services = job.spawn_all(1).await;
    job.done().await;
    (job, services)
}

async fn doctor(job: &Job, more: &[&str]) -> Output {
    let monitors = job.world.nats.monitors();
    let args = ["doctor", "--json", "--nats-monitor", &monitors];
    with_key(job, &[&args, more].concat()).await
}

/// The names of the lines with this verdict.
fn lines(report: &Value, verdict: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let of = checks.filter(|check| check["verdict"] == verdict);
    of.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

/// Asks until the failing lines are these, and returns the first one's remedy. The exit status
/// says whether any failed.
async fn fails(job: &Job, more: &[&str], expected: &[&str]) -> String {
    eventually(format!("{expected:?} to fail alone"), || async {
        let output = doctor(job, more).await;
        let report = object(&output);
        let failing = lines(&report, "fail");
        assert_eq!(output.status.code(), Some(i32::from(!failing.is_empty())), "{report}");
        assert_eq!(report["healthy"], failing.is_empty(), "{report}");
        let checks = report["checks"].as_array().unwrap().iter();
        let mut failed = checks.filter(|check| check["verdict"] == "fail");
        let remedies = |check: &Value| check["remedy"].as_str().unwrap_or_default().to_owned();
        (failing == expected).then(|| failed.next().map(remedies).unwrap_or_default())
    })
    .await
}

/// A fleet that is well passes every line, without a warning and with nothing left unasked;
/// and asking has moved nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_well_passes_every_line() {
    let (job, _services) = well().await;
    let record = async || job.world.last("RECORD", ">").await.map(|it| it.seq);
    let (before, posts) = (record().await, job.sandbox.stats().await.unwrap().paid_posts);
    let report = eventually("every line to pass", || async {
        let output = doctor(&job, &[]).await;
        let report = object(&output);
        (report["counts"]["ok"] == report["checks"].as_array().unwrap().len()).then_some(report)
    })
    .await;
    for line in ["durability", "nonces", "key", "key file", "inbox", "relay", "gates"] {
        assert!(lines(&report, "ok").contains(&line.to_owned()), "{line}: {report}");
    }
    let text = String::from_utf8(with_key(&job, &["doctor"]).await.stdout).unwrap();
    for part in ["proves nothing", "at most 4000 sats a day", "1 not asked"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(record().await, before);
    assert_eq!(job.sandbox.stats().await.unwrap().paid_posts, posts);
}

/// Each thing that is wrong outside or with the wallet shows in its own line, with a remedy
/// that names what to do, and in no other; once it is right again, nothing is left of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_outside_shows_in_its_line() {
    let (job, _services) = well().await;
    let (us, sandbox) = (wallet(&job).to_string(), job.sandbox.url().to_owned());
    let account = async |body: Value| job.control("accounts", body).await;

    account(json!({ "address": us, "sats": 7 })).await;
    assert!(fails(&job, &[], &["sbtc balance"]).await.contains(&us));
    account(json!({ "address": us, "sats": 1_000_000, "nonce": 50 })).await;
    assert!(fails(&job, &[], &["nonces"]).await.contains("payment adopt"));
    account(json!({ "address": us, "nonce": 4 })).await;
    fails(&job, &[], &[]).await;

    let other = key_file(&job, "other.key", &format!("{:064x}", 7));
    let output =
        job.world.cli(&["doctor", "--json", "--wallet-key-file", other.to_str().unwrap()]).await;
    assert_eq!(lines(&object(&output), "fail"), ["key"], "{}", object(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("00000007"));

    let dead = |toml: String| toml.replace(&format!("{sandbox}/relay-host"), "http://127.0.0.1:1");
    let dead = file(&job, "dead.toml", dead);
    assert!(fails(&job, &["-f", &dead], &["relay"]).await.contains("relay_url"));

    let garbage = garbage().await;
    let change = |toml: String| {
        toml.replacen(&format!("url = \"{sandbox}/api\""), &format!("url = \"{garbage}\""), 1)
    };
    let change = file(&job, "garbage.toml", change);
    let remedy = fails(&job, &["-f", &change], &["directory aibtc-directory"]).await;
    assert!(remedy.contains("curl"), "{remedy}");
}

/// A Stacks API of the other network is told as that, and what it says of our account is not
/// believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_the_other_network_is_told() {
    let (job, _services) = well().await;
    let mut settings = job.settings.clone();
    settings.network = Network::Testnet;
    let log_dir = job.world.dir().join("other");
    let other = Sandbox::start(&program("sandbox"), &log_dir, None, &settings).await.unwrap();
    let elsewhere = file(&job, "elsewhere.toml", |toml| {
        let ours = format!("stacks_url = \"{}\"", job.sandbox.url());
        assert!(toml.contains(&ours));
        toml.replace(&ours, &format!("stacks_url = \"{}\"", other.url()))
    });
    let remedy = fails(&job, &["-f", &elsewhere], &["chain"]).await;
    assert!(remedy.contains("stacks_url of mainnet"), "{remedy}");
    let report = object(&doctor(&job, &["-f", &elsewhere]).await);
    assert_eq!(lines(&report, "not-asked"), ["sbtc balance", "nonces"]);
    assert_eq!(lines(&report, "warn"), ["in force"], "{report}");
}

/// G2: a gate that holds work back, and a gatekeeper that is gone, show with the command that
/// helps.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_fleet_shows_in_its_line() {
    let (job, mut services) = well().await;
    let close = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
    assert!(job.world.cli(&close).await.status.success());
    let remedy = fails(&job, &[], &["gate relay"]).await;
    assert!(remedy.contains("portcullis gate open relay --note"), "{remedy}");
    let keeper = services.iter_mut().find(|it| it.name().starts_with("gatekeeper")).unwrap();
    keeper.kill().await;
    let remedy = fails(&job, &[], &["gatekeeper", "gate relay"]).await;
    assert!(remedy.contains("start `gatekeeper`"), "{remedy}");
}

/// Before the first apply the missing streams are the one thing that fails on the bus, and the
/// file says whom else to ask.
#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_apply() {
    let job = Job::set(2).await;
    let bare = World::bare().await;
    let named = file(&job, "first.toml", |toml| toml);
    let url = bare.nats.url();
    let args = ["doctor", "--json", "-f", &named, "--nats-url", &url];
    let output = with_key(&job, &args).await;
    let report = object(&output);
    assert_eq!(
        (lines(&report, "fail"), output.status.code()),
        (vec!["streams".to_owned()], Some(1))
    );
    assert!(report.to_string().contains("run `portcullis apply"), "{report}");
    for line in ["directory aibtc-directory", "inbox", "relay", "chain", "key", "sbtc balance"] {
        assert!(lines(&report, "ok").contains(&line.to_owned()), "{line}: {report}");
    }
}

/// A server without JetStream fails in that line alone. With no server at all the number is 4,
/// and what a file names is looked at all the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_jetstream_and_without_nats() {
    let job = Job::set(2).await;
    let named = file(&job, "first.toml", |toml| toml);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("nats://127.0.0.1:{port}");
    let args = ["doctor", "--json", "-f", &named, "--nats-url", &url];
    let output = with_key(&job, &args).await;
    let report = object(&output);
    assert_eq!(
        (lines(&report, "fail"), output.status.code()),
        (vec!["server".to_owned()], Some(4))
    );
    for line in ["directory aibtc-directory", "inbox", "relay", "chain", "key", "nonces"] {
        assert!(lines(&report, "ok").contains(&line.to_owned()), "{line}: {report}");
    }
    let bare = with_key(&job, &["doctor", "--json", "--nats-url", &url]).await;
    assert_eq!((lines(&object(&bare), "ok").len(), bare.status.code()), (0, Some(4)));

    let _plain = Process::start(Launch {
        name: "plain-nats",
        program: &nats_server(),
        args: ["-a", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec(),
        env: Vec::new(),
        log_dir: &job.world.dir().join("log"),
    })
    .unwrap();
    eventually("JetStream alone to fail", || async {
        let output = with_key(&job, &args).await;
        let failing = lines(&object(&output), "fail");
        (failing == ["jetstream"] && output.status.code() == Some(1)).then_some(())
    })
    .await;
}

/// A server that answers everything with a page for people.
async fn garbage() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let page =
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n<html></html>";
            let _ = stream.write_all(page.as_bytes()).await;
        }
    });
    url
}
