//! A service is killed between every two steps of its work, from outside: a step is what leaves
//! it, a message to NATS or a request to the inbox, the relay or the chain. Once it never
//! leaves, once it arrives and the answer is lost. Then the service is started again, and all
//! must end as if nothing had happened.
//!
//! The steps are counted, not listed: a test goes on until the work is done before its step
//! comes, and checks that it has seen as many steps as the work has at least.

mod fleet;

use std::sync::Arc;

use serde_json::{Value, json};

use tokio::task::JoinSet;

use crate::{
    harness::{
        Job,
        tap::{HttpTap, Steps, Switch, When, WireTap},
    },
    payments::bench::{ledger, no_gate_moved, register, spending},
};

/// So many worlds share the steps of one series.
const LANES: usize = 4;

/// The main job with no agent so far, its payer's way to the outside tapped.
struct Bench {
    job: Job,
    switch: Arc<Switch>,
    _http: HttpTap,
}

impl Bench {
    async fn set(relay: &str) -> Bench {
        let job = Job::set_with(0, |settings| relay.clone_into(&mut settings.relay)).await;
        let switch = Switch::to(Steps::all());
        let http = HttpTap::start(job.sandbox.url(), switch.clone()).await;
        let toml = job.settings.to_toml(job.sandbox.url());
        let toml = ["inbox_url", "relay_url", "stacks_url"].iter().fold(toml, |toml, name| {
            let through = |url: &str| format!("{name} = \"{url}");
            toml.replace(&through(job.sandbox.url()), &through(&http.url()))
        });
        // What was killed is waited for so long, each time.
        let toml = toml.replace("timeout = \"15s\"", "timeout = \"1500ms\"");
        let toml = toml.replace("rest = \"1s\"", "rest = \"100ms\"");
        let toml = toml.replace("rest_max = \"5s\"", "rest_max = \"400ms\"");
        let toml = toml.replace("every = \"500ms\"", "every = \"100ms\"");
        let toml = toml.replace("lease = \"5s\"", "lease = \"2s\"");
        let toml = toml.replace("ask_every = \"1s\"", "ask_every = \"300ms\"");
        job.world.apply(&toml.replace("cap_day = 10", "cap_day = 1000")).await;
        Bench { job, switch, _http: http }
    }

    /// One more agent is welcomed, by a wallet of its own whose payer is killed at step `at`;
    /// returns the steps if it came to that.
    async fn welcome(&mut self, at: usize, when: When, faults: &Value) -> Option<Vec<String>> {
        self.job.control("faults", faults.clone()).await;
        let steps = Steps::until(at, when);
        self.switch.set(steps.clone());
        let tap = WireTap::start(&self.job.world.nats.url(), steps.clone()).await;
        let key = format!("{:064x}", 0x5afe_0000 + at);
        let spawn = |url: &str| {
            let env = [("WALLET_KEY", key.as_str()), ("NATS_URL", url)];
            self.job.world.spawn_with("welcome-payer", &[], &env)
        };
        let mut payer = spawn(&tap.url());
        payer.says("paying", crate::harness::PATIENCE).await.unwrap();
        register(&mut self.job, 1).await;
        let stopped = tokio::select! {
            () = steps.reached() => true,
            () = self.job.done() => false,
        };
        payer.kill().await;
        drop(tap);
        let taken = steps.taken();
        self.switch.set(Steps::all());
        if stopped {
            let env = [("WALLET_KEY", key.as_str())];
            let _payer = self.job.world.spawn_with("welcome-payer", &[], &env);
            self.job.done().await;
        }
        stopped.then_some(taken)
    }
}

/// M1, M3, M4: each agent was paid once, by one transfer of its own wallet's nonce 0, which
/// bought its message; that is what is counted as spent, and nothing is held any more.
async fn paid_once_each(job: &Job, context: &str) {
    let ledger = ledger(job).await;
    let transfers = ledger["transfers"].as_array().unwrap();
    assert_eq!(transfers.len(), job.settings.agents, "{context}: {ledger}");
    for transfer in transfers {
        assert_eq!(transfer["originNonce"], 0, "{context}: {ledger}");
        assert_eq!(transfer["amount"], 100, "{context}: {ledger}");
        assert_eq!(transfer["delivered"], true, "{context}: {ledger}");
    }
    let (counted, paid) = (spending(job).await, 100 * job.settings.agents as u64);
    assert_eq!((counted.spent.get(), counted.reserved.get()), (paid, 0), "{context}: {counted:?}");
}

/// Every step of one lane: `first`, and each [`LANES`] further, until there are no more.
async fn lane(first: usize, relay: &str, when: When, faults: &Value) -> Vec<String> {
    let mut bench = Bench::set(relay).await;
    let job = &bench.job;
    let _services = [job.spawn("gatekeeper"), job.spawn("sensor"), job.spawn("dispatcher")];
    let mut stopped = Vec::new();
    for at in (first..).step_by(LANES) {
        let Some(taken) = bench.welcome(at, when, faults).await else { break };
        let context = format!("killed {when:?} step {at} of {taken:?}");
        paid_once_each(&bench.job, &context).await;
        stopped.push(taken[at - 1].clone());
    }
    no_gate_moved(&bench.job).await;
    // That a killed payer is gone the next one knows at once.
    let waited = bench.job.world.events("event.failure.welcome.payment.unknown").await;
    let waited = waited.iter().filter(|event| event.to_string().contains("is sending it"));
    assert_eq!(waited.count(), 0, "the next payer waited for one that was killed");
    stopped
}

async fn killed_at_every_step(relay: &'static str, when: When, faults: Value, least: usize) {
    let mut lanes = JoinSet::new();
    for first in 1..=LANES {
        let faults = faults.clone();
        lanes.spawn(async move { lane(first, relay, when, &faults).await });
    }
    let steps: Vec<String> = lanes.join_all().await.into_iter().flatten().collect();
    eprintln!("{relay} relay, faults {faults}: killed {when:?} each of {} steps", steps.len());
    assert!(least <= steps.len(), "only {} steps: {steps:?}", steps.len());
    let records = steps.iter().filter(|step| step.starts_with("pay.")).count();
    assert!(3 <= records, "the record of a payment has more links than {records}: {steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("POST ")), "{steps:?}");
}

/// M1, M3, W1: killed right before each step of a payment.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed_before_every_step() {
    killed_at_every_step("march", When::Before, json!({}), 15).await;
}

/// M1, M2, W1: killed right after each step of a payment, the answer unread.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed_after_every_step() {
    killed_at_every_step("march", When::After, json!({}), 15).await;
}

/// M1, M2: the answer to the payment is lost after the settlement, and then the payer is
/// killed at each step of finding out.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed_while_it_is_in_doubt() {
    let lost = json!({ "inbox_drop_after_settle": 1 });
    killed_at_every_step("march", When::Before, lost, 15).await;
}

/// M1, M2: the same with the relay of today, which answers in types and stages.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed_before_every_step_today() {
    killed_at_every_step("today", When::Before, json!({}), 15).await;
}

/// M1, M2: and with its answer lost, killed right after each step.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed_while_it_is_in_doubt_today() {
    let lost = json!({ "inbox_drop_after_settle": 1 });
    killed_at_every_step("today", When::After, lost, 15).await;
}
