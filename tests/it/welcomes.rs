//! Many welcomes through a world that misbehaves in every known way at random, from one seed:
//! everybody is paid once, nobody twice, every task is completed, and what is told adds up.
//!
//! `cargo xtask welcomes --agents 1000 --seed S` runs it with as many as one likes. By itself,
//! among the other tests, it welcomes sixty from a fresh seed. A person opens the gates that
//! close, as a person would, and does nothing else.

mod judge;
mod weather;

use std::{collections::BTreeMap, time::Duration};

use portcullis::up::process::Process;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::weather::{Act, Front, Weather};
use crate::{
    harness::{Job, Servers},
    storm::person::Person,
};

/// So long at first, and so much more for each agent.
const WITHIN: Duration = Duration::from_secs(180);
const EACH: Duration = Duration::from_secs(2);
/// The weather changes after so many transfers; at the latest after so long without one.
const CHANGES_MAX: u64 = 100;
const STALLED: Duration = Duration::from_secs(4);
/// How long a nonce that stuck again stays so.
const HEALED: Duration = Duration::from_millis(1_500);
/// How many sponsor wallets the relay has.
const WALLETS: u64 = 3;

/// M1, M2, M3, W1, W3, T1.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_welcomed_once_in_any_weather() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let agents = setting("WELCOMES").unwrap_or(60);
    let seed = setting("WELCOMES_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let again = format!("cargo xtask welcomes --agents {agents} --seed {seed}");
    eprintln!("{agents} welcomes, seed {seed}; again: {again}");
    let job = set(agents, seed).await;
    let person = Person::new(&job.world.bus, job.world.nats.url(), seed).patient(100..800);
    let watching = person.watch();
    let mut play = Play::new(job, agents, seed).await;
    let restless = play.run().await;
    watching.abort();
    play.tell(&person).await;
    let mut broken: Vec<String> = restless.into_iter().collect();
    broken.extend(judge::judge(&play.job, agents).await);
    assert!(broken.is_empty(), "{}\nagain: {again}", broken.join("\n"));
}

async fn set(agents: u64, seed: u64) -> Job {
    let relay = if seed.is_multiple_of(2) { "march" } else { "today" };
    let count = usize::try_from(agents).unwrap();
    let job = Job::set_as(
        Servers::wanted(),
        count,
        |settings| {
            settings.relay = relay.to_owned();
            settings.unconfirmed_after = Duration::from_secs(5);
        },
        |toml| {
            [
                ("attempts = 5", "attempts = 40"),
                ("rest = \"1s\"", "rest = \"300ms\""),
                ("rest_max = \"5s\"", "rest_max = \"2s\""),
                ("concurrency = 1", "concurrency = 8"),
                ("in_flight = 1", "in_flight = 4"),
                ("ask_every = \"1s\"", "ask_every = \"300ms\""),
                ("unresolved_after = \"10m\"", "unresolved_after = \"30s\""),
            ]
            .iter()
            .fold(toml, |toml, (from, to)| {
                assert!(toml.contains(from), "{from} is not in the configuration");
                toml.replace(from, to)
            })
        },
    )
    .await;
    job.control("reset", json!({ "wallets": WALLETS })).await;
    job
}

/// The fleet on its stage, and the weather over it.
struct Play {
    job: Job,
    services: Vec<Process>,
    agents: u64,
    weather: Weather,
    /// What is to be taken back, and when.
    mends: Vec<(Instant, Mend)>,
    had: BTreeMap<&'static str, u64>,
    begun: Instant,
}

#[derive(Clone, Debug)]
enum Mend {
    Knob(Value),
    Heal,
    Payer,
}

impl Play {
    async fn new(job: Job, agents: u64, seed: u64) -> Play {
        let services = job.spawn_all(2).await;
        let (weather, mends, had) = (Weather::new(seed, WALLETS), Vec::new(), BTreeMap::new());
        Play { job, services, agents, weather, mends, had, begun: Instant::now() }
    }

    /// Lets the weather change as the work goes on, then calms it and waits for the end.
    /// Returns what did not come to its end.
    async fn run(&mut self) -> Option<String> {
        let apart = (self.agents / CHANGES_MAX).max(2);
        let (mut next, mut since, mut before) = (0, Instant::now(), 0);
        let limit = WITHIN + EACH * u32::try_from(self.agents).unwrap();
        loop {
            self.mend(false).await;
            let stats = judge::read(&self.job, "stats").await;
            let settled = stats["settled"].as_u64().unwrap();
            self.see_to_the_relay(stats["stuck"] == true);
            if before < settled {
                (before, since) = (settled, Instant::now());
            }
            if self.agents <= settled {
                break;
            }
            if next <= settled || STALLED < since.elapsed() {
                let front = self.weather.next();
                self.turn(front).await;
                (next, since) = (settled + apart, Instant::now());
            }
            if limit < self.begun.elapsed() {
                return Some(format!("{settled} of {} welcomed in {limit:?}", self.agents));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.mend(true).await;
        self.job.control("faults", weather::calm()).await;
        self.job.control("heal", json!({})).await;
        judge::wait(&self.job, self.begun + limit).await
    }

    /// The next fault of the world.
    async fn turn(&mut self, front: Front) {
        *self.had.entry(front.name).or_default() += 1;
        let mend = match front.act {
            Act::Faults(faults) => {
                let back = faults.as_object().unwrap().keys();
                let back = back.map(|knob| (knob.clone(), Value::Null)).collect();
                self.job.control("faults", faults).await;
                Mend::Knob(Value::Object(back))
            }
            Act::Stick(faults) => {
                self.job.control("faults", faults).await;
                Mend::Heal
            }
            Act::KillPayer => {
                self.payer().kill().await;
                Mend::Payer
            }
        };
        if let Some(lasts) = front.lasts {
            self.mends.push((Instant::now() + lasts, mend));
        }
    }

    fn payer(&mut self) -> &mut Process {
        let mut services = self.services.iter_mut();
        services.find(|service| service.name().starts_with("welcome-payer")).unwrap()
    }

    /// Takes back what has lasted long enough, or all of it.
    async fn mend(&mut self, all: bool) {
        let now = Instant::now();
        let (due, later) = self.mends.drain(..).partition(|(at, _)| all || *at <= now);
        self.mends = later;
        let due: Vec<(Instant, Mend)> = due;
        for (_, mend) in due {
            match mend {
                Mend::Knob(back) => self.job.control("faults", back).await,
                Mend::Heal => self.job.control("heal", json!({})).await,
                Mend::Payer => {
                    let payer = self.job.spawn("welcome-payer");
                    *self.payer() = payer;
                }
            }
        }
    }

    /// A nonce that has stuck again by itself is healed like one that the weather stuck.
    fn see_to_the_relay(&mut self, stuck: bool) {
        let seen_to = self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Heal));
        if stuck && !seen_to {
            self.mends.push((Instant::now() + HEALED, Mend::Heal));
        }
    }

    /// The figures, for whoever watches.
    async fn tell(&self, person: &Person) {
        eprintln!("{} s", self.begun.elapsed().as_secs());
        let had: u64 = self.had.values().sum();
        eprintln!("{had} faults: {:?}", self.had);
        let stats = judge::read(&self.job, "stats").await;
        for name in ["unpaid_posts", "paid_posts", "redeem_posts", "distinct_payments"] {
            eprintln!("{name} {}", stats[name]);
        }
        eprintln!("settled {}, aborted {}", stats["settled"], stats["aborted"]);
        eprintln!("a person: {:?}, in vain {:?}", person.said(), person.in_vain());
        eprintln!("failures told: {:?}", judge::causes(&self.job).await);
    }
}
