//! Who does the work: the payer for a welcome, and for a script this process itself.

use std::time::Duration;

use domain::{Cause, Cost, HolderId, Outcome, TaskState};

use super::{attempt::Errand, ending::unanswered};
use crate::{
    setting::{number_of, script},
    witness::Fact,
    world::{Ask, Reply, Role, Run},
};

/// Has the attempt done, and waits for its outcome at most `timeout`.
pub(super) async fn handle(
    errand: &Errand,
    claimed: &TaskState,
    holder: &HolderId,
    timeout: Duration,
) -> Outcome {
    if errand.kind == script() {
        return run_script(errand, claimed).await;
    }
    let run = Run {
        task: errand.task.clone(),
        attempt: claimed.attempt,
        holder: holder.clone(),
        admitted: claimed.admitted.clone(),
    };
    match errand.p().question(Role::Payer, Ask::Run(run.into()), timeout).await {
        Ok(Reply::Ran(outcome)) => outcome,
        Ok(Reply::Gate(_)) => unanswered("another answer"),
        Err(true) => Outcome::Failed {
            cause: Cause::known("service.unavailable"),
            evidence: "nobody listens".to_owned(),
            retry_after: None,
            cost: Cost::ZERO,
        },
        Err(false) => unanswered("no answer"),
    }
}

/// Works a while, then acts: what it does is done at once, and again for nothing.
async fn run_script(errand: &Errand, claimed: &TaskState) -> Outcome {
    let (p, number) = (errand.p(), number_of(&errand.task.source_key));
    let long = p.sim.chance(0.1);
    let time = p.sim.draw(if long { 2_000..12_000 } else { 20..1_500 });
    p.sleep_ms(time).await;
    let own = number % 9 == 4 || p.sim.chance(0.08);
    let (now, dice) = (p.sim.now(), p.sim.draw(0..4));
    let mut world = p.sim.world.borrow_mut();
    let failed = |word: &str| Outcome::Failed {
        cause: word.parse().expect("a cause"),
        evidence: "the script failed".to_owned(),
        retry_after: None,
        cost: Cost::ZERO,
    };
    let refused = world.outside.quotas.refuse(now, dice);
    // Where it is down and its quota is spent, it says the one or the other.
    if let Some(refused) = refused.filter(|_| !world.outside.tool_down || dice < 2) {
        world.count("scripts that the tool refused for a while");
        return refused;
    }
    if world.outside.tool_down {
        world.count("scripts that found the tool down");
        return failed("tool.down");
    }
    if own && !world.outside.effects.contains(&number) {
        return failed("script.error");
    }
    world.fact(Fact::Acted { by: p.id, state: claimed.clone().into() });
    world.outside.effects.insert(number);
    world.count("script effects");
    Outcome::Completed { effect: format!("script {number}"), cost: Cost::ZERO }
}
