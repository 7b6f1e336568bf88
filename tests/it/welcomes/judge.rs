//! Whether everything has come to its end, and the right one.

use std::collections::{BTreeMap, BTreeSet};

use domain::{GateState, Phase, Wallet};
use fleet::store;
use serde_json::Value;
use tokio::time::Instant;
use wire::subject;

use crate::{
    harness::Job,
    payments::bench::{GATES, failures, states, wallet},
};

pub(super) async fn read(job: &Job, path: &str) -> Value {
    let url = format!("{}/sandbox/{path}", job.sandbox.url());
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

/// How often each cause was told.
pub(super) async fn causes(job: &Job) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for told in failures(job).await {
        *causes.entry(told.cause).or_default() += 1;
    }
    causes
}

/// Waits until every task has ended, every gate is open and no payment is unfinished. Returns
/// what was not so in time.
pub(super) async fn wait(job: &Job, until: Instant) -> Option<String> {
    loop {
        let left = restless(job).await?;
        if until < Instant::now() {
            return Some(left);
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

async fn restless(job: &Job) -> Option<String> {
    if let Some(task) = job.world.last(subject::WORK, "task.>").await {
        let state = task.subject.replacen("task.", "state.", 1);
        let state = job.world.last(subject::STATE, &state).await;
        let state = state.map(|state| <domain::TaskState as wire::Wire>::decode(&state.body));
        return Some(format!("a task waits: {state:?}"));
    }
    for name in GATES {
        let gate = job.world.gate(name).await;
        if gate.state != GateState::Open {
            return Some(format!("gate {name} is {}: {:?}", gate.state.word(), gate.causes));
        }
    }
    let record = subject::nonce(&wallet().to_string());
    let kept = store::read::<Wallet>(&job.world.bus, subject::RECORD, &record).await.unwrap();
    let wallet = kept.unwrap().value;
    let open = wallet.unfinished.iter().any(|holder| holder.settled.is_none());
    (open || !wallet.holes.is_empty()).then(|| format!("unfinished: {wallet:?}"))
}

/// What the command finds that compares record, inbox and chain.
async fn reconciled(job: &Job) -> Option<String> {
    let found = job.world.cli(&["payment", "reconcile", "--all"]).await;
    let text = String::from_utf8_lossy(&found.stdout);
    eprintln!("reconciled: {}", text.lines().last().unwrap_or_default());
    let talk = String::from_utf8_lossy(&found.stderr);
    (!found.status.success()).then(|| format!("reconcile: {}\n{text}{talk}", found.status))
}

/// What is not as it should be.
pub(super) async fn judge(job: &Job, agents: u64) -> Vec<String> {
    let agents = usize::try_from(agents).unwrap();
    let mut broken = Vec::new();
    let mut same = |what: &str, count: usize| {
        if count != agents {
            broken.push(format!("{what}: {count} of {agents}"));
        }
    };
    let ledger = read(job, "ledger").await;
    let transfers = ledger["transfers"].as_array().unwrap();
    let paid: BTreeSet<_> = transfers.iter().map(|it| it["recipient"].as_str().unwrap()).collect();
    let nonces: BTreeSet<_> = transfers.iter().map(|it| it["originNonce"].as_u64()).collect();
    let of = |wanted: &dyn Fn(&Value) -> bool| transfers.iter().filter(|it| wanted(it)).count();
    same("M1: transfers", transfers.len());
    same("M1: agents paid", paid.len());
    same("M3: nonces", nonces.len());
    same("M4: transfers of 100 sats", of(&|it| it["amount"] == 100));
    same("W3: transfers that bought a message", of(&|it| it["delivered"] == true));
    let states = states(job).await;
    same("W1: tasks", states.len());
    let completed = |phase: &Phase| matches!(phase, Phase::Completed { .. });
    same("W1: tasks completed", states.iter().filter(|it| completed(&it.phase)).count());
    if let Some(twice) = ledger["paid_twice"].as_u64().filter(|twice| *twice != 0) {
        broken.push(format!("M1: {twice} agents paid twice"));
    }
    broken.extend(reconciled(job).await);
    for told in failures(job).await {
        let rule = told.cause.parse::<domain::Cause>().unwrap().rule();
        let own = rule.is_some_and(|rule| rule.blame() == domain::Blame::Own);
        if told.cause == "unknown" || told.charged != own {
            broken.push(format!("T1: {told:?}"));
        }
    }
    broken
}
