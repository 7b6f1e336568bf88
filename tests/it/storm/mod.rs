//! A storm: the whole system as real processes while everything is broken that can be broken,
//! all from one seed; and then the judge.
//!
//! `cargo xtask storm --minutes N --seed S [--nodes 1|3]` runs it as long as one likes. By
//! itself, among the other tests, it blows for two minutes from a fresh seed.

mod chaos;
mod chores;
mod history;
mod judge;
mod junk;
pub(crate) mod person;
mod plan;
mod rest;
mod tape;

use std::{path::PathBuf, time::Duration};

use domain::Kind;
use portcullis::up::{settings::Settings, stage::PLAY_KEY};
use stacks::{Network, PrivateKey};

use self::{
    chaos::Chaos,
    chores::Chores,
    history::{History, Transfer},
    judge::Verdict,
    person::Person,
    tape::Tape,
};
use crate::harness::{Job, Servers};

/// Every promise of section 3, under every fault at once.
#[tokio::test(flavor = "multi_thread")]
async fn storm() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = setting("STORM_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let minutes = setting("STORM_MINUTES").unwrap_or(2);
    let nodes = Servers::wanted();
    let again = format!("cargo xtask storm --minutes {minutes} --seed {seed} --nodes {nodes}");
    eprintln!("storm of {minutes} minutes, seed {seed}, nodes {nodes}; again: {again}");
    let length = Duration::from_secs(minutes * 60);
    let broken = blow(seed, length, nodes).await;
    assert!(broken.is_empty(), "{}\nagain: {again}", broken.join("\n"));
}

/// Blows, judges, and returns what broke.
async fn blow(seed: u64, length: Duration, nodes: usize) -> Vec<String> {
    let job = set(seed, nodes).await;
    let bus = job.world.bus.clone();
    let chores = Chores::new(&bus);
    let tape = Tape::start(&bus, job.world.nats.count()).await;
    let serving = chores.serve().await;
    let person = Person::new(&bus, job.world.nats.url(), seed);
    let watching = person.watch();
    let mut chaos = Chaos::new(job, chores, person);
    chaos.run(&plan::plan(seed, length, nodes)).await;
    chaos.calm().await;
    let restless = rest::wait(&mut chaos).await;
    watching.abort();
    chaos.stop().await;
    serving.abort();

    let mut history = History {
        creates: tape.stop(),
        asked: chaos.chores.asked(),
        ordered: chaos.chores.ordered(),
        disturbed: chaos.disturbed.clone(),
        ..History::default()
    };
    read_ledger(&chaos, &mut history).await;
    let mut broken: Vec<String> = restless.into_iter().collect();
    if let Err(error) = history.read(&bus).await {
        broken.push(format!("the streams cannot be read: {error:#}"));
    }
    broken.extend(panics(&chaos.job));
    let verdicts = judge::judge(&history);
    tell(&chaos, &history, &verdicts);
    broken.extend(verdicts.iter().flat_map(|verdict| {
        verdict
            .broken
            .iter()
            .take(3)
            .map(|how| format!("{}: {}: {how}", verdict.promise, verdict.says))
    }));
    if !broken.is_empty() || std::env::var_os("STORM_KEEP").is_some() {
        let _ = std::fs::write(chaos.job.world.dir().join("timeline.txt"), history.timeline());
        eprintln!("kept for you: {}", keep(&chaos.job, seed).display());
    }
    broken
}

/// The main job with the chores beside it, and times that suit a storm.
async fn set(seed: u64, nodes: usize) -> Job {
    let relay = if seed.is_multiple_of(2) { "march" } else { "today" };
    let change = |settings: &mut Settings| settings.relay = relay.to_owned();
    let job = Job::set_on(nodes, 10, change).await;
    let toml = job.settings.to_toml(job.sandbox.url());
    let toml = [
        ("attempts = 5", "attempts = 12"),
        ("concurrency = 1", "concurrency = 3"),
        ("in_flight = 1", "in_flight = 2"),
        ("lease = \"5s\"", "lease = \"3s\""),
        ("timeout = \"15s\"", "timeout = \"5s\""),
        ("cap_cycle = 10", "cap_cycle = 20"),
        ("cap_day = 100", "cap_day = 1000000"),
        ("unresolved_after = \"10m\"", "unresolved_after = \"30s\""),
    ]
    .iter()
    .fold(toml, |toml, (from, to)| {
        assert!(toml.contains(from), "{from} is not in the configuration");
        toml.replace(from, to)
    });
    job.world.apply(&format!("{toml}{}", chores::CONFIG)).await;
    job
}

async fn read_ledger(chaos: &Chaos, history: &mut History) {
    let ledger = chaos.read("ledger").await;
    for transfer in ledger["transfers"].as_array().unwrap() {
        history.transfers.push(Transfer {
            recipient: transfer["recipient"].as_str().unwrap().to_owned(),
            amount: transfer["amount"].as_u64().unwrap(),
            nonce: transfer["originNonce"].as_u64().unwrap(),
        });
    }
    let wallet = PrivateKey::from_hex(PLAY_KEY).unwrap().address(Network::Mainnet);
    let account = chaos.read(&format!("../v2/accounts/{wallet}")).await;
    history.chain_nonce = account["nonce"].as_u64();
}

/// Services that panicked, by their logs.
fn panics(job: &Job) -> Vec<String> {
    let logs = std::fs::read_dir(job.world.dir().join("log")).unwrap().flatten();
    let panicked = logs.filter_map(|log| {
        let text = String::from_utf8_lossy(&std::fs::read(log.path()).ok()?).into_owned();
        let line = text.lines().find(|line| line.contains("panicked at"))?;
        Some(format!("{}: {line}", log.path().display()))
    });
    panicked.collect()
}

/// The report: what was done, and each promise.
fn tell(chaos: &Chaos, history: &History, verdicts: &[Verdict]) {
    eprintln!("\nwhat was done\n{}", chaos.tally.table());
    for (what, count) in chaos.person.said() {
        eprintln!("  a person: {what:<24}{count:>8}");
    }
    for (what, count) in chaos.person.in_vain() {
        eprintln!("  a person, in vain: {count:>4} times {what}");
    }
    for odd in &chaos.tally.odd {
        eprintln!("  {odd}");
    }
    let welcome: Kind = "welcome".parse().unwrap();
    let ended = |welcomes: bool| {
        let of = history.states.iter().filter(|((kind, _), _)| (*kind == welcome) == welcomes);
        let mut words = std::collections::BTreeMap::new();
        of.for_each(|(_, state)| *words.entry(state.word()).or_insert(0) += 1);
        format!("{words:?}")
    };
    eprintln!("\nagents {}, welcomes {}, chores {}", chaos.agents, ended(true), ended(false));
    let seen = history.creates.iter().filter(|it| it.created_by != "test-unfenced").count();
    let chains = history.states.values().filter(|state| state.word() != "parked").count();
    eprintln!(
        "creates seen in the queue {seen}, chains {chains}, links {}, gaps in the tape {}",
        history.links.len(),
        history.gaps.len()
    );
    eprintln!(
        "gate messages {}, incidents {}, attempts told {}, payments {}, transfers {}\n",
        history.gates.len(),
        history
            .gates
            .iter()
            .map(|gate| (&gate.value.name, gate.value.incident))
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        history.told.len(),
        history.payment_chains().len(),
        history.transfers.len(),
    );
    for Verdict { promise, says, looked_at, broken } in verdicts {
        let word = if broken.is_empty() { "OK" } else { "BROKEN" };
        eprintln!("{promise:<3} {says:<52} {looked_at:>7} looked at  {word}");
        broken.iter().take(5).for_each(|how| eprintln!("      {how}"));
    }
}

/// Copies the storm's folder to where it stays.
fn keep(job: &Job, seed: u64) -> PathBuf {
    let name = format!("portcullis-storm-{seed}-{}", std::process::id());
    let kept = std::env::temp_dir().join(name);
    let copied =
        std::process::Command::new("cp").arg("-r").arg(job.world.dir()).arg(&kept).status();
    if !copied.is_ok_and(|status| status.success()) {
        eprintln!("the folder could not be copied whole");
    }
    kept
}
