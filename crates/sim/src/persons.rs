//! People: they look, mend, close, open too early or in time, and have the record follow the
//! chain. A gate opens on their word only, so every word is kept to be compared.

use std::rc::Rc;

use domain::{Actor, Cause, Gate, GateName, GateState, Wallet};
use logic::gate::{PersonCloses, Stamp, close};

use crate::{
    exec::Sim,
    fleet::patience,
    process::P,
    witness::Fact,
    words::{Expect, Put, Silent, Subject, Word as _},
    world::{Ask, Command, Opening, Reply, Role},
};

/// Starts the one person that there is.
pub(crate) fn start(sim: &Rc<Sim>) {
    let p = P::start(sim, Role::Person);
    let person = p.clone();
    p.spawn(async move {
        let mut said = 0;
        loop {
            let quiet = person.sim.world.borrow().outside.healed;
            let wait = person.sim.draw(if quiet { 500..2_000 } else { 300..4_000 });
            person.sleep_ms(wait).await;
            // What cannot be done now is done later.
            let _ = look(&person, quiet, &mut said).await;
        }
    });
}

async fn look(p: &P, quiet: bool, said: &mut u64) -> Result<(), Silent> {
    let all = p.config().all_gates();
    let closed = {
        let world = p.sim.world.borrow();
        let state = |name: &&GateName| world.broker.gate_now(name).map(|gate| gate.state);
        all.iter().find(|name| state(name) == Some(GateState::Closed)).cloned()
    };
    let count = u64::try_from(all.len()).unwrap_or(1);
    let drawn = usize::try_from(p.sim.draw(0..count)).unwrap_or(0);
    let name = match closed {
        Some(name) if quiet || p.sim.chance(0.8) => name,
        _ => all[drawn].clone(),
    };
    let Some(found) = p.gate_now(&name).await? else { return Ok(()) };
    *said += 1;
    let note = format!("note {said}.");
    match found.value.state {
        // What they have said will pass by itself is mostly left alone, or closed for good.
        GateState::Closed if !quiet && !found.value.resets.is_empty() && p.sim.chance(0.7) => {
            if p.sim.chance(0.15) { shut(p, &found.value, note).await } else { Ok(()) }
        }
        GateState::Closed if quiet || p.sim.chance(0.7) => {
            open(p, &found.value, note, quiet).await;
            Ok(())
        }
        GateState::Open if !quiet && p.sim.chance(0.15) => shut(p, &found.value, note).await,
        _ => Ok(()),
    }
}

async fn open(p: &P, gate: &Gate, note: String, quiet: bool) {
    if quiet || p.sim.chance(0.7) {
        mend(p, &gate.name).await;
    }
    let without_canary = !quiet && p.sim.chance(0.08);
    let opening = Opening { without_canary, accept: accepted(p, gate) };
    let seen = p.sim.chance(0.8).then_some(gate.epoch);
    let command = Command { gate: gate.name.clone(), note, seen, open: Some(opening) };
    p.count("openings ordered");
    say(p, command).await;
}

fn accepted(p: &P, gate: &Gate) -> Vec<Cause> {
    let record = Subject::Incident(gate.name.clone(), gate.incident);
    let world = p.sim.world.borrow();
    let joined = world.broker.last(&record).and_then(|stored| domain::Incident::take(&stored.body));
    let joined = joined.into_iter().flat_map(|record| record.causes()).map(|(cause, _)| cause);
    gate.causes.iter().cloned().chain(joined).collect()
}

/// Clears the trouble behind a gate.
async fn mend(p: &P, gate: &GateName) {
    {
        let mut world = p.sim.world.borrow_mut();
        let outside = &mut world.outside;
        match gate.as_str() {
            "relay" => outside.stuck = false,
            "chain" => outside.chain_silent = false,
            "inbox" => outside.inbox_silent = false,
            "tool" => outside.tool_down = false,
            _ => (),
        }
    }
    if gate.as_str() == "wallet" {
        // Moved meanwhile: looked at again with the next opening.
        let _ = adopt(p).await;
    }
}

/// Has the record follow the chain, which somebody else used too.
async fn adopt(p: &P) -> Result<(), Silent> {
    let facts = p.sim.world.borrow().outside.wallet_facts(255);
    let Ok(facts) = facts else { return Ok(()) };
    let Some(kept) = p.get::<Wallet>(Subject::Wallet).await? else { return Ok(()) };
    let waiting = facts.mempool.iter().max().map_or(0, |nonce| nonce + 1);
    let next = kept.value.next.max(facts.chain_next).max(waiting);
    if kept.value.next < next {
        p.count("records adopted");
        let wallet = Wallet { next, ..Wallet::clone(&kept.value) };
        p.compare_and_set(&Subject::Wallet, &wallet, kept.seq).await?;
    }
    Ok(())
}

async fn say(p: &P, command: Command) -> bool {
    p.note(|| format!("says {command:?}"));
    p.sim.world.borrow_mut().fact(Fact::Said(command.clone()));
    let within = 2 * patience();
    let answer = p.question(Role::Gatekeeper, Ask::Gate(command), within).await;
    if let Ok(Reply::Gate(Err(refused))) = &answer {
        p.note(|| format!("is refused: {refused}"));
    }
    answer.is_ok()
}

/// Closes a gate; without a gatekeeper that answers, by writing the closing itself.
async fn shut(p: &P, gate: &Gate, note: String) -> Result<(), Silent> {
    p.count("closings ordered");
    let command = Command { gate: gate.name.clone(), note: note.clone(), seen: None, open: None };
    if say(p, command).await {
        return Ok(());
    }
    let prev = p.token().await?;
    let Some(now) = p.gate_now(&gate.name).await? else { return Ok(()) };
    if now.value.by == Actor::Person("ann".to_owned()) && now.value.note == note {
        return Ok(());
    }
    let closes = PersonCloses { by: "ann".to_owned(), note, cause: None };
    let stamp = Stamp { now: p.now(), prev, remedy: "" };
    if let Ok(decision) = close(&now.value, None, &closes, &stamp)
        && let Some(closed) = decision.gate
    {
        p.count("closings written by a person");
        let subject = Subject::Gate(closed.name.clone(), closed.epoch);
        let put = Put { subject, body: closed.wrap(), expect: Expect::Fence(prev) };
        // Refused: somebody moved it meanwhile.
        let _ = p.put(put).await;
    }
    Ok(())
}
