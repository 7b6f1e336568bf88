use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, Question};
use domain::{Cost, Outcome};
use tokio::task::JoinHandle;
use wire::{
    Wire as _,
    message::{RunReply, RunRequest},
    subject,
};

pub(super) const KINDS: [&str; 3] = ["urgent", "plain", "bulk"];
/// So many attempts of a kind's task may be charged.
pub(super) const ATTEMPTS: u32 = 8;

/// The service that does the work. It keeps one effect for each source key, whoever asks how
/// often, as every handler must; gone when dropped.
pub(super) struct Bench {
    ledger: Arc<Mutex<Ledger>>,
    serving: JoinHandle<()>,
    counting: JoinHandle<()>,
}

/// What the service saw and did.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Each request in the order in which they came: source key and attempt.
    pub(super) asked: Vec<(String, u32)>,
    /// By source key, how often the effect was brought about.
    pub(super) effects: BTreeMap<String, u32>,
    /// By source key, how often it failed.
    failed: BTreeMap<String, u32>,
    /// The ids of all ends that were told.
    ended: BTreeMap<String, u32>,
}

/// How often a task fails by its own fault before it works; for ever with `u32::MAX`.
pub(super) fn failures(source_key: &str, seed: u64) -> u32 {
    let salt = source_key
        .bytes()
        .fold(seed, |salt, byte| (salt ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    match salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56 {
        0 => u32::MAX,
        1..=4 => 2,
        5..=25 => 1,
        _ => 0,
    }
}

impl Bench {
    pub(super) async fn start(bus: &Bus, seed: u64) -> Bench {
        let on = subject::service_run(&"bench".parse().unwrap());
        let mut inbox = bus.serve(&on, "bench").await.unwrap();
        let ends = ["event.task.completed.>", "event.task.dead.>"].map(str::to_owned).to_vec();
        let mut feed = bus.feed(subject::EVENTS, ends, bus::FeedStart::New).await.unwrap();
        bus.flush().await;
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let (kept, told, bus) = (ledger.clone(), ledger.clone(), bus.clone());
        let serving = tokio::spawn(async move {
            while let Ok(question) = inbox.question(&bus).await {
                tokio::spawn(answer(kept.clone(), question, seed));
            }
        });
        let counting = tokio::spawn(async move {
            loop {
                // It goes on by itself after trouble.
                let Ok(stored) = feed.next().await else { continue };
                let event: serde_json::Value = serde_json::from_slice(&stored.body).unwrap();
                let source_key = event["data"]["source_key"].as_str().unwrap().to_owned();
                *told.lock().unwrap().ended.entry(source_key).or_default() += 1;
            }
        });
        Bench { ledger, serving, counting }
    }

    /// How many source keys' ends were told.
    pub(super) fn ended(&self) -> usize {
        self.ledger.lock().unwrap().ended.len()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap().clone()
    }
}

async fn answer(ledger: Arc<Mutex<Ledger>>, question: Question, seed: u64) {
    let request = RunRequest::decode(&question.body).unwrap();
    let source_key = request.task.source_key.to_string();
    let outcome = ledger.lock().unwrap().work(&source_key, request.attempt, seed);
    // Done, and not yet answered: whoever dies now leaves it to the next attempt.
    tokio::time::sleep(Duration::from_millis(u64::from(request.attempt) * 7 % 40)).await;
    question.answer(RunReply { outcome }.encode()).await;
}

impl Ledger {
    fn work(&mut self, source_key: &str, attempt: u32, seed: u64) -> Outcome {
        self.asked.push((source_key.to_owned(), attempt));
        let failed = self.failed.entry(source_key.to_owned()).or_default();
        if *failed < failures(source_key, seed) {
            *failed += 1;
            return Outcome::Failed {
                cause: "target.invalid".parse().unwrap(),
                evidence: "as the seed has it".to_owned(),
                retry_after: None,
                cost: Cost::ZERO,
            };
        }
        // Asked again for what it has done, it says so and does nothing.
        self.effects.entry(source_key.to_owned()).or_insert(1);
        Outcome::Completed { effect: source_key.to_owned(), cost: Cost::ZERO }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.serving.abort();
        self.counting.abort();
    }
}
