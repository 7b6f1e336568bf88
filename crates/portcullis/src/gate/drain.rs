//! Watching an opening to its end: the canary, the drain, and whatever keeps both from moving.

use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use domain::{Canary, Config, Gate, GateState};
use fleet::store;
use kit::{Clock, Instant};
use tokio_util::sync::CancellationToken;
use wire::subject;

use super::open::held;
use crate::{
    exit::{Code, Ended},
    look::{Pulse, Queues, Seen},
    out::Out,
    show::{bar, lasts},
};

/// An opening under way.
pub(super) struct Drain<'a> {
    pub(super) config: &'a Config,
    /// The gate as the opening left it.
    pub(super) opened: &'a Gate,
    /// What was in the queue when it was opened.
    pub(super) waiting: u64,
}

/// What was last said, so that it is said once.
struct Said {
    gate: Gate,
    canary: Option<Canary>,
    /// Since when nothing could move, if so.
    idle_since: Option<Instant>,
    dispatchers_asked: bool,
    /// When the progress was last told in lines, where it cannot be drawn.
    told_at: Instant,
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Where the bar cannot be drawn over itself.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Beyond this it is not counted what came after the opening: each costs a read.
const NEWER_MAX: u64 = 200;
/// An empty queue may only mean that the canary has just completed.
const IDLE_FOR: Duration = Duration::from_secs(3);

impl Drain<'_> {
    /// Ends when the gate is OPEN, when it is CLOSED again (an error with its own code), when
    /// nothing can move by itself, or when the person has seen enough.
    pub(super) async fn follow(
        &self,
        bus: &Bus,
        shutdown: &CancellationToken,
        out: &Out,
    ) -> anyhow::Result<()> {
        let begun = Clock.instant();
        let gate = self.opened.clone();
        let opening = subject::gate(&gate.name, gate.epoch);
        let opening = bus.last(subject::WORK, &opening).await.context("read the opening")?;
        let opening = opening.map_or(u64::MAX, |stored| stored.seq);
        let mut said =
            Said { gate, canary: None, idle_since: None, dispatchers_asked: false, told_at: begun };
        loop {
            let seen = Seen::read(bus, &self.opened.name).await?;
            // In this order the bar may lag, and never shows what is not done.
            let newer = self.newer(bus, opening).await?;
            let queues = Queues::read(bus, &self.config.needing(&self.opened.name)).await;
            if let Some(gate) = seen.gate() {
                self.tell(bus, gate, &mut said, out).await?;
                self.draw(gate, &queues, newer, &mut said, out);
                if self.ended(gate, begun, out)? {
                    return Ok(());
                }
                if let Some(why) = self.stuck(bus, gate, &queues, &mut said).await? {
                    out.clear();
                    out.talk(&why);
                    return Ok(());
                }
            }
            if !said.dispatchers_asked && IDLE_FOR < begun.elapsed() {
                said.dispatchers_asked = true;
                if Pulse::listen(bus).await?.alive("dispatcher") == 0 {
                    out.clear();
                    out.talk("no dispatcher is alive: nothing runs until one starts");
                }
            }
            tokio::select! {
                () = Clock.sleep(LOOK_EVERY) => (),
                () = shutdown.cancelled() => {
                    out.clear();
                    out.talk("not watching any more; the opening goes on without this program");
                    return Ok(());
                }
            }
        }
    }

    /// Says what has happened since the last look.
    async fn tell(&self, bus: &Bus, gate: &Gate, said: &mut Said, out: &Out) -> anyhow::Result<()> {
        if said.gate.epoch < gate.epoch {
            // A quick canary has come and gone between two looks.
            self.tell_canary(bus, said, out).await?;
            out.clear();
            if gate.state == GateState::Probing {
                out.talk(&format!("the canary proved nothing, the next one tries: {}", gate.note));
            } else if said.gate.state == GateState::Probing && gate.state != GateState::Closed {
                out.talk("the canary completed; what waited follows");
            }
            (said.gate, said.canary) = (gate.clone(), None);
        }
        self.tell_canary(bus, said, out).await
    }

    /// Names the canary of the epoch that was last looked at.
    async fn tell_canary(&self, bus: &Bus, said: &mut Said, out: &Out) -> anyhow::Result<()> {
        if said.gate.state != GateState::Probing {
            return Ok(());
        }
        let subject = subject::canary(&said.gate.name, said.gate.epoch);
        let found = store::read::<Canary>(bus, subject::RECORD, &subject).await;
        let canary = found.context("read the canary")?.map(|found| found.value);
        let canary = canary.filter(|canary| !canary.released);
        if let Some(canary) = canary.filter(|it| said.canary.as_ref() != Some(it)) {
            out.clear();
            out.talk(&format!("the canary is {}, attempt {}", canary.source_key, canary.attempt));
            said.canary = Some(canary);
        }
        Ok(())
    }

    /// How many in the queue came after the opening. They are not what the drain waits for.
    async fn newer(&self, bus: &Bus, opening: u64) -> anyhow::Result<u64> {
        let mut count = 0;
        for kind in self.config.needing(&self.opened.name) {
            let tasks = subject::tasks_of(&kind);
            let mut from = opening.saturating_add(1);
            while count < NEWER_MAX
                && let Some(task) = bus.next(subject::WORK, &tasks, from).await?
            {
                count += 1;
                from = task.seq + 1;
            }
        }
        Ok(count)
    }

    /// The bar is what waited at the opening; what came later is told beside it.
    fn draw(&self, gate: &Gate, queues: &Queues, newer: u64, said: &mut Said, out: &Out) {
        if self.waiting == 0 {
            return;
        }
        let left = queues.total().saturating_sub(newer).min(self.waiting);
        let bar = bar(self.waiting - left, self.waiting);
        let more = if newer < NEWER_MAX { "" } else { " or more" };
        let later = if newer == 0 { String::new() } else { format!(", {newer}{more} came later") };
        let under_way = queues.in_flight();
        let text = format!("{} {bar}  {under_way} under way{later}", gate.state.told());
        if !out.draw(&text) && TELL_EVERY < said.told_at.elapsed() {
            said.told_at = Clock.instant();
            out.talk(&text);
        }
    }

    fn ended(&self, gate: &Gate, begun: Instant, out: &Out) -> anyhow::Result<bool> {
        let after = lasts(begun.elapsed());
        match gate.state {
            GateState::Probing | GateState::Draining => Ok(false),
            GateState::Open => {
                out.clear();
                out.data(&format!(
                    "gate {} is {}; incident {} is over, {after} after the opening",
                    gate.name,
                    out.state(gate.state, gate.state.told()),
                    gate.incident
                ))?;
                Ok(true)
            }
            GateState::Closed => {
                out.clear();
                let causes: Vec<&str> = gate.causes.iter().map(|cause| cause.as_str()).collect();
                let evidence = gate.trigger.as_ref().map(|it| it.evidence.as_str());
                let text = format!(
                    "gate {} is {} again after {after}: {}; {} {}\n  look: portcullis gate show {0}",
                    gate.name,
                    gate.state.told(),
                    causes.join(", "),
                    gate.note,
                    evidence.unwrap_or_default()
                );
                Err(Ended::new(Code::ClosedAgain, text).into())
            }
        }
    }

    /// Why nothing will move by itself, once that has been so for a while.
    async fn stuck(
        &self,
        bus: &Bus,
        gate: &Gate,
        queues: &Queues,
        said: &mut Said,
    ) -> anyhow::Result<Option<String>> {
        if gate.state != GateState::Probing || said.canary.is_some() {
            said.idle_since = None;
            return Ok(None);
        }
        let gates = Seen::all(bus, self.config).await?;
        let name = &gate.name;
        let held = held(self.config, &gates, name);
        let why = if queues.empty() {
            "nothing waits: the gate stays PROBING, and the next task that comes is the canary"
                .to_owned()
        } else if held.len() == self.config.needing(name).len() {
            let held = held.join("; ");
            format!("no canary can start: {held}; gate {name} stays PROBING until that opens")
        } else {
            said.idle_since = None;
            return Ok(None);
        };
        let since = *said.idle_since.get_or_insert_with(|| Clock.instant());
        Ok((IDLE_FOR < since.elapsed()).then_some(why))
    }
}
