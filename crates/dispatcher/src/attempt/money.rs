//! Claiming a task together with what it takes: its seats, its part of the budget for repeated
//! attempts, and the dollars it may cost.

use std::{ops::ControlFlow, sync::atomic::Ordering, time::Duration};

use bus::Bus;
use domain::{Cause, Config, Cost, KindConfig, Outcome, TaskState};
use fleet::store::{self, Cas, StoreError, Versioned};
use logic::attempt::Ending;
use wire::subject;

use super::{
    Answer, Errand, Flow, NewClaim,
    canary::Won,
    lease::Claimed,
    seat::{REST, jittered},
};
use crate::{
    desk::Firsts,
    purse::{self, Known, Money},
};

/// How often a claim is written again because only the record of the kind's dollars has moved.
const TRIES: u32 = 100;

impl Errand {
    /// Claims the task, together with its seats and dollars, and if that is accepted has it done.
    pub(super) async fn claim(
        &self,
        config: &Config,
        kind: &KindConfig,
        claim: NewClaim,
        won: &mut Vec<Won>,
    ) -> Flow {
        for _ in 0..TRIES {
            let (money, sent, cas) = self.write_claim(config, &claim).await?;
            let held = matches!(money, Money::Held(_));
            match cas {
                Ok(Cas::Stored(seq)) => {
                    // From here on they are the claim's.
                    won.clear();
                    claim.firsts.into_iter().for_each(Firsts::told);
                    if claim.state.attempt == 1 {
                        self.desk.began_first(&self.kind, 1);
                    }
                    self.holds.store(held, Ordering::Relaxed);
                    let link = Versioned { value: claim.state, seq };
                    let claimed = Claimed::new(link, kind.lease, sent);
                    let answer = self.run(config, kind, claimed, self.refused(&money)).await;
                    return ControlFlow::Break(answer);
                }
                Ok(Cas::Lost) if held && claim.with.is_empty() => match self.read_chain().await {
                    Ok(found) if found.as_ref().map_or(0, |found| found.seq) == claim.last => (),
                    _ => return ControlFlow::Continue(()),
                },
                Ok(Cas::Lost) => return ControlFlow::Continue(()),
                Err(error) => {
                    // Whether it was stored shows when the task is delivered again.
                    claim.firsts.into_iter().for_each(Firsts::told);
                    self.desk.grumble("claim a task", error);
                    return ControlFlow::Break(Answer::Nothing);
                }
            }
            self.desk.fleet.clock.sleep(Bus::jitter() / 4).await;
        }
        ControlFlow::Break(Answer::NoSeat(jittered(REST)))
    }

    /// Writes the claim with its seats and what is held for it, all or nothing. Says when it was
    /// sent, on the desk's clock: the lease counts from then, not from the wait for a turn.
    async fn write_claim(
        &self,
        config: &Config,
        claim: &NewClaim,
    ) -> ControlFlow<Answer, (Money, Duration, Result<Cas, StoreError>)> {
        let NewClaim { state, last, with, .. } = claim;
        let (bus, stream, chain) = (&self.desk.fleet.bus, subject::STATE, &self.chain);
        if !purse::limits(&self.desk, &self.kind) {
            let sent = self.desk.now();
            let cas = store::compare_and_set_with(bus, stream, chain, state, *last, with).await;
            return ControlFlow::Continue((Money::Free, sent, cas));
        }
        let mut known = self.desk.purse.lock().await;
        let money = self.find_money(&mut known, config, state).await?;
        let next = if let Money::Held(next) = &money { Some((**next).clone()) } else { None };
        let mut all = with.clone();
        all.extend(next.iter().map(purse::put));
        let sent = self.desk.now();
        let cas = store::compare_and_set_with(bus, stream, chain, state, *last, &all).await;
        ControlFlow::Continue((money, sent, purse::note(&mut known, next, cas)))
    }

    /// What the claim is to hold. Breaks while others could spend all that is left.
    async fn find_money(
        &self,
        known: &mut Known,
        config: &Config,
        claim: &TaskState,
    ) -> ControlFlow<Answer, Money> {
        match purse::hold(&self.desk, known, config, &self.task, claim).await {
            Ok(Money::Busy) => {
                let source_key = &self.task.source_key;
                tracing::debug!(%source_key, "attempts under way hold the rest of the budget");
                ControlFlow::Break(Answer::NoSeat(jittered(REST)))
            }
            Ok(money) => ControlFlow::Continue(money),
            Err(error) => ControlFlow::Break(self.after(error).await),
        }
    }

    /// Writes an end on `last`, and what the attempt cost with it.
    pub(super) async fn write_end(&self, ending: &Ending, last: u64) -> Result<Cas, StoreError> {
        if self.holds.load(Ordering::Relaxed) || purse::limits(&self.desk, &self.kind) {
            purse::end(&self.desk, (&self.kind, self.key), ending, last).await
        } else {
            self.write(&ending.state, last).await
        }
    }

    /// How an attempt ends for which there is no money: before it has begun. A day's budget says
    /// when there is some again.
    fn refused(&self, money: &Money) -> Option<Outcome> {
        let mut retry_after = None;
        let (cause, evidence) = match money {
            Money::Reached(reached) => {
                retry_after = reached.retry_after(self.desk.fleet.clock.now());
                ("budget.reached", reached.to_string())
            }
            Money::Oversized(oversized) => ("task.invalid", oversized.to_string()),
            Money::Unknown => {
                let evidence = "there is a budget of dollars, and what this may cost is not known: \
                                set `cost_max` for the kind";
                ("task.invalid", evidence.to_owned())
            }
            Money::Free | Money::Held(_) | Money::Busy => return None,
        };
        let cause = Cause::known(cause);
        Some(Outcome::Failed { cause, evidence, retry_after, cost: Cost::ZERO })
    }
}
