//! Waiting until a healed system has come to rest, for a bounded time.

use std::time::Duration;

use domain::{GateState, Kind, Wallet};
use fleet::{gate_log, store};
use portcullis::up::stage::PLAY_KEY;
use stacks::{Network, PrivateKey};
use wire::subject;

use super::{chaos::Chaos, person::GATES};

/// So long at first, and so much more for each task that waits when the storm is over, and for
/// each agent, most of whom the sensors' caps may have kept from having one yet.
const REST_WITHIN: Duration = Duration::from_secs(180);
const EACH: Duration = Duration::from_millis(500);

/// Waits for rest. Returns what did not come to rest, if it did not.
pub(super) async fn wait(chaos: &mut Chaos) -> Option<String> {
    let begun = tokio::time::Instant::now();
    let waiting = chaos.job.world.bus.all(subject::WORK, "task.>", 100_000).await;
    let waiting = u32::try_from(waiting.map_or(0, |tasks| tasks.len())).unwrap();
    let agents = u32::try_from(chaos.agents).unwrap();
    let limit = REST_WITHIN + EACH * (waiting + agents);
    eprintln!("calm; {waiting} tasks wait, at most {limit:?} to come to rest");
    let mut quiet = 0;
    let mut told = begun;
    loop {
        chaos.wait(Duration::from_millis(500)).await;
        let left = restless(chaos).await;
        quiet = if left.is_none() { quiet + 1 } else { 0 };
        // Long enough for two cycles of the sensors.
        if 6 <= quiet {
            eprintln!("at rest after {} s", begun.elapsed().as_secs());
            return None;
        }
        if limit < begun.elapsed() {
            return Some(format!("not at rest within {limit:?}: {}", left.unwrap_or_default()));
        }
        if Duration::from_secs(10) <= told.elapsed() {
            told = tokio::time::Instant::now();
            chaos.report(begun.elapsed()).await;
        }
    }
}

/// What is not at rest yet.
async fn restless(chaos: &Chaos) -> Option<String> {
    match look(chaos).await {
        Ok(left) => left,
        Err(error) => Some(format!("{error:#}")),
    }
}

async fn look(chaos: &Chaos) -> anyhow::Result<Option<String>> {
    let bus = &chaos.job.world.bus;
    for name in GATES {
        let gate = gate_log::current(bus, &name.parse()?).await?;
        if let Some(gate) = gate.filter(|gate| gate.value.state != GateState::Open) {
            return Ok(Some(format!(
                "gate {name} is {}: {:?}",
                gate.value.state.word(),
                gate.value
            )));
        }
    }
    if let Some(task) = bus.next(subject::WORK, "task.>", 1).await? {
        let state = bus.last(subject::STATE, &task.subject.replacen("task.", "state.", 1)).await?;
        let state = state.map(|state| <domain::TaskState as wire::Wire>::decode(&state.body));
        return Ok(Some(format!("{} waits: {state:?}", task.subject)));
    }
    let kind: Kind = "welcome".parse()?;
    let states = bus.all(subject::STATE, &format!("state.{kind}.*"), 100_000).await?;
    if (states.len() as u64) < chaos.agents {
        return Ok(Some(format!("{} of {} agents have a task", states.len(), chaos.agents)));
    }
    let wallet = PrivateKey::from_hex(PLAY_KEY)?.address(Network::Mainnet);
    let record = subject::nonce(&wallet.to_string());
    let wallet = store::read::<Wallet>(bus, subject::RECORD, &record).await?;
    let over = |wallet: &Wallet| wallet.unfinished.iter().all(|holder| holder.settled.is_some());
    let busy = wallet.filter(|wallet| !over(&wallet.value));
    Ok(busy.map(|wallet| format!("{:?}", wallet.value)))
}
