use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kit::{Clock, Instant};
use serde_json::{Value, json};
use stacks::{Address, Network, PrivateKey, Transfer, sbtc_asset, sign_transfer};
use x402::{PaymentRequired, Terms, header, select};

use super::{CYCLE, Figures, NonceConflict, say};
use crate::up::{
    stage::{PLAY_KEY, sibling},
    world::World,
};

/// Runs the incident through the loop of March 2026, against a world of its own that is built
/// like the other.
pub(super) async fn run(incident: &NonceConflict, dir: &Path) -> anyhow::Result<Figures> {
    let mut world = World::start(&sibling("sandbox")?, dir, None, &incident.settings()).await?;
    world.plant_stuck_nonce().await?;
    say("naive: the relay is stuck, the loop runs");
    let measured = async {
        let mut naive = Naive::new(world.url(), u64::from(incident.agents))?;
        naive.run(incident, &world).await?;
        let (ledger, stats) = (world.ledger().await?, world.stats().await?);
        Ok(Figures {
            welcomed: ledger.welcomed,
            paid_twice: ledger.paid_twice,
            drain_peak_in_flight: stats.max_in_flight,
            paid_posts: stats.paid_posts,
            ..naive.figures
        })
    };
    let measured = measured.await;
    world.stop().await;
    measured
}

/// The loop that failed: it retries each task, follows each failed task up with another, and
/// takes the existence of a task for the welcome itself.
struct Naive {
    http: reqwest::Client,
    url: String,
    key: PrivateKey,
    /// Agents for whom a task was ever created: never looked at again.
    existed: BTreeSet<String>,
    queue: VecDeque<Job>,
    figures: Figures,
    /// When the first attempt failed: where a gate would have closed.
    failed_at: Option<Instant>,
}

/// One task of the loop.
struct Job {
    stx: String,
    btc: String,
    tries: u32,
}

/// Attempts of one task, as that agent's queue had it.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(3_600);
/// It worked one task at a time and made 230 attempts in the two hours of four cycles.
const ATTEMPTS_A_CYCLE: u32 = 230 / 4;

impl Naive {
    fn new(url: &str, agents: u64) -> anyhow::Result<Naive> {
        Ok(Naive {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .context("make an HTTP client")?,
            url: url.to_owned(),
            key: PrivateKey::from_hex(PLAY_KEY).context("read the key")?,
            existed: BTreeSet::new(),
            queue: VecDeque::new(),
            figures: Figures { agents, ..Figures::default() },
            failed_at: None,
        })
    }

    /// Works until the relay was cleared and the queue is empty, or for long enough after that.
    async fn run(&mut self, incident: &NonceConflict, world: &World) -> anyhow::Result<()> {
        let begun = Clock.instant();
        let mut next_cycle = Duration::ZERO;
        let mut healed: Option<Instant> = None;
        // Against the relay of today it never ends by itself.
        let watched = Duration::from_secs(u64::from(incident.naive_watch_secs));
        let over = |healed: Option<Instant>| healed.is_some_and(|at| watched <= at.elapsed());
        while !(over(healed) || healed.is_some() && self.queue.is_empty()) {
            ensure!(begun.elapsed() < PATIENCE, "the naive loop never met the stuck relay");
            let stuck = healed.is_none();
            if next_cycle <= begun.elapsed() {
                next_cycle += CYCLE;
                self.sense(stuck).await?;
            }
            if stuck && self.failed_at.is_some_and(|at| incident.stuck_for() <= at.elapsed()) {
                world.heal().await?;
                healed = Some(Clock.instant());
                say("naive: the relay is cleared");
            }
            match self.queue.pop_front() {
                Some(job) => self.dispatch(job, healed.is_none()).await?,
                None => Clock.sleep(CYCLE / ATTEMPTS_A_CYCLE).await,
            }
        }
        Ok(())
    }

    /// A task for every agent that never had one.
    async fn sense(&mut self, stuck: bool) -> anyhow::Result<()> {
        let mut offset = 0;
        loop {
            let url = format!("{}/api/agents?limit=100&offset={offset}", self.url);
            let page: Value = self.get(&url).await?;
            for row in page["agents"].as_array().into_iter().flatten() {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let (stx, btc) = (text("stxAddress"), text("btcAddress"));
                if self.existed.insert(stx.clone()) {
                    self.create(Job { stx, btc, tries: 0 }, stuck);
                }
            }
            offset += 100;
            if page["pagination"]["hasMore"] != true {
                return Ok(());
            }
        }
    }

    fn create(&mut self, job: Job, stuck: bool) {
        if stuck && self.failed_at.is_some() {
            self.figures.tasks_created_while_closed += 1;
        }
        self.queue.push_back(job);
    }

    /// One attempt; a failed one is tried again, a failed task followed up.
    async fn dispatch(&mut self, job: Job, stuck: bool) -> anyhow::Result<()> {
        let begun = Clock.instant();
        let delivered = self.welcome(&job).await?;
        self.figures.attempts_total += 1;
        if stuck {
            self.figures.attempts_while_stuck += 1;
            if self.failed_at.is_some() {
                self.figures.attempts_after_close += 1;
            }
        }
        if !delivered {
            self.failed_at.get_or_insert(begun);
            let tries = job.tries + 1;
            if tries < TRIES {
                self.queue.push_back(Job { tries, ..job });
            } else {
                self.figures.follow_ups += 1;
                self.create(Job { tries: 0, ..job }, stuck);
            }
        }
        let pace = CYCLE / ATTEMPTS_A_CYCLE;
        Clock.sleep(pace.saturating_sub(begun.elapsed())).await;
        Ok(())
    }

    /// Pays and greets one agent as the client of that time did: whatever is not 200 or 201
    /// is a failure, and each attempt signs anew.
    async fn welcome(&self, job: &Job) -> anyhow::Result<bool> {
        let pay_to: Address = job.stx.parse().context("read an agent's address")?;
        let url = format!("{}/api/inbox/{}", self.url, job.btc);
        let letter = json!({
            "toBtcAddress": job.btc,
            "toStxAddress": job.stx,
            "content": "Welcome!",
        });
        let asked = self.http.post(&url).json(&letter).send().await.context("ask the inbox")?;
        let required = asked.text().await.context("read the inbox")?;
        let required: PaymentRequired = header::decode(&required).context("read the terms")?;
        let network = Network::Mainnet;
        let terms = Terms { network, asset: sbtc_asset(network), max_amount: 100, pay_to };
        let chosen = select(&required, &terms).context("choose the terms")?;
        let transfer = Transfer::new(network, self.nonce().await?, chosen.amount, pay_to.into());
        let signed = sign_transfer(&transfer, &self.key).context("sign")?;
        let paid = header::encode(&chosen.payment(&signed.bytes, None));
        let sent = self.http.post(&url).header(header::PAYMENT_SIGNATURE, paid).json(&letter);
        // An answer that never came counted as a failure, too.
        Ok(sent.send().await.is_ok_and(|answer| [200, 201].contains(&answer.status().as_u16())))
    }

    /// The next nonce as the Stacks API gave it: unconfirmed ones included.
    async fn nonce(&self) -> anyhow::Result<u64> {
        let address = self.key.address(Network::Mainnet);
        let url = format!("{}/extended/v1/address/{address}/nonces", self.url);
        self.get(&url).await?["possible_next_nonce"].as_u64().context("read the next nonce")
    }

    async fn get(&self, url: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(url).send().await.with_context(|| format!("get {url}"))?;
        answer.json().await.with_context(|| format!("read {url}"))
    }
}
