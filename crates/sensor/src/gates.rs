//! What the gates say to one cycle.

use std::time::Duration;

use bus::Backlog;
use domain::{Gate, GateName, GateState, Kind, TaskState, Timestamp};
use fleet::{
    Fleet, gate_log,
    store::{StoreError, read},
};
use kit::Clock;
use logic::{pace::rests_until, sensor::Verdict, view};
use tokio_util::sync::CancellationToken;
use wire::subject;

/// How long a cycle waits for the gates to be read again after a refused create.
const FRESH_WITHIN: Duration = Duration::from_secs(2);
/// The most tasks that are looked at one by one; what is behind them counts as waiting.
const LOOKED_AT_MAX: usize = 1_000;

/// Asks the gates on behalf of one cycle.
#[derive(Debug)]
pub(crate) struct Gates<'a> {
    fleet: &'a Fleet,
    kind: &'a Kind,
    /// The version of the configuration that the cycle works by.
    version: u64,
    /// A newer one is in force: this cycle may create nothing more.
    outdated: bool,
    /// The token under which something was seen to wait for the canary, and how much. While
    /// it holds, the queue need not be asked again.
    waiting: Option<(u64, u64)>,
    told: String,
}

/// Whether a create may be published, and under which fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    pub(crate) verdict: Verdict,
    /// Given exactly when the gates admit or probe.
    pub(crate) token: Option<u64>,
}

impl<'a> Gates<'a> {
    pub(crate) const fn new(fleet: &'a Fleet, kind: &'a Kind, version: u64) -> Self {
        let told = String::new();
        Gates { fleet, kind, version, outdated: false, waiting: None, told }
    }

    /// The verdict now. States that are read after it are newer than its token.
    pub(crate) async fn ask(&mut self) -> Leave {
        let verdict = self.fleet.gates.verdict(self.kind);
        // Versions only grow: if it still is ours, the verdict was given under ours too. The
        // fence alone would let a create of an old configuration through under a new token.
        if self.fleet.config().version != self.version {
            self.outdated = true;
            "the configuration has changed".clone_into(&mut self.told);
            return Leave { verdict: Verdict::Unknown, token: None };
        }
        self.told = tell(&verdict, |gate| Some(self.fleet.gates.standing(gate)?.gate));
        match verdict {
            view::Verdict::Open { token, probing, .. } => match probing.into_iter().next() {
                None => Leave { verdict: Verdict::Admits, token: Some(token) },
                Some(gate) => self.probing(gate, token).await,
            },
            view::Verdict::Blocked { gate, .. } => {
                Leave { verdict: Verdict::Blocked { gate }, token: None }
            }
            view::Verdict::Unknown(_) => Leave { verdict: Verdict::Unknown, token: None },
        }
    }

    /// The verdict as it stands after a create was refused for a moved fence.
    ///
    /// Nothing may have moved: the broker also refuses while too many creates crowd.
    pub(crate) async fn ask_again(&mut self, shutdown: &CancellationToken) -> Leave {
        let mut changes = self.fleet.gates.changes();
        self.fleet.gates.read_again();
        let settled = async {
            let head = gate_log::token(&self.fleet.bus).await.ok()?;
            loop {
                match self.fleet.gates.verdict(self.kind) {
                    view::Verdict::Open { token, .. } if head <= token => return Some(()),
                    view::Verdict::Blocked { .. } => return Some(()),
                    _ => changes.changed().await.ok()?,
                }
            }
        };
        let settled = tokio::select! {
            settled = settled => settled.is_some(),
            () = Clock.sleep(FRESH_WITHIN) => false,
            () = shutdown.cancelled() => false,
        };
        let leave = self.ask().await;
        match leave.verdict {
            Verdict::Admits | Verdict::Probing { .. } if !settled => {
                "not read again in time, held as CLOSED".clone_into(&mut self.told);
                Leave { verdict: Verdict::Unknown, token: None }
            }
            _ => leave,
        }
    }

    pub(crate) const fn outdated(&self) -> bool {
        self.outdated
    }

    /// How the gates stood when they were last asked, for the report.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// A probing gate is for one canary: a task is made for it only if nothing waits.
    async fn probing(&mut self, gate: GateName, token: u64) -> Leave {
        let waiting = match self.waiting {
            Some((at, waiting)) if at == token => waiting,
            _ => match self.queued(&gate).await {
                Ok(waiting) => waiting,
                Err(error) => {
                    tracing::warn!(%error, "what waits cannot be counted, nothing is created");
                    self.told.push_str(", what waits is unknown");
                    return Leave { verdict: Verdict::Unknown, token: None };
                }
            },
        };
        self.waiting = (0 < waiting).then_some((token, waiting));
        Leave { verdict: Verdict::Probing { gate, waiting }, token: Some(token) }
    }

    /// How many tasks there are that may yet be the canary of the probing gate, or are it.
    async fn queued(&self, gate: &GateName) -> Result<u64, StoreError> {
        let consumer = subject::dispatch_consumer(self.kind);
        let Backlog { pending, in_flight, .. } =
            self.fleet.bus.backlog(subject::WORK, &consumer).await?;
        // What was never delivered is free to run; what was may only wait out its time.
        if 0 < pending || in_flight == 0 {
            return Ok(pending.saturating_add(in_flight));
        }
        Ok(in_flight.saturating_sub(self.resting(gate).await?))
    }

    /// How many of the tasks in the queue rest and so leave a probing gate to others.
    async fn resting(&self, gate: &GateName) -> Result<u64, StoreError> {
        let (bus, tasks) = (&self.fleet.bus, subject::tasks_of(self.kind));
        let standing = self.fleet.gates.standing(gate).map(|standing| standing.gate);
        let (mut resting, mut from) = (0, 1);
        for _ in 0..LOOKED_AT_MAX {
            let Some(task) = bus.next(subject::WORK, &tasks, from).await? else { break };
            from = task.seq + 1;
            let Some((kind, key)) = subject::parse_task(&task.subject) else { continue };
            let subject = subject::state(&kind, key);
            let now = Clock.now();
            match read::<TaskState>(bus, subject::STATE, &subject).await {
                Ok(Some(found)) if rests(&found.value, standing.as_ref(), now) => resting += 1,
                Ok(_) | Err(StoreError::Garbled { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(resting)
    }
}

/// Whether the task waits out its time and leaves it to others to be the canary of `probing`.
/// The canary itself may rest too, while what it did is unknown.
fn rests(state: &TaskState, probing: Option<&Gate>, now: Timestamp) -> bool {
    let its_canary = probing.is_some_and(|gate| {
        let mut admitted = state.admitted.iter();
        state.canary.contains(&gate.name)
            && admitted.any(|it| it.gate == gate.name && it.epoch == gate.epoch)
    });
    !its_canary && rests_until(&state.phase).is_some_and(|due| now < due)
}

/// Whether the gates let tasks be created at all, as far as is known.
pub(crate) const fn admits(verdict: &view::Verdict) -> bool {
    matches!(verdict, view::Verdict::Open { .. })
}

/// The verdict in words: `OPEN (flowing)`, `relay CLOSED (blocking) since 2026-…`.
fn tell(verdict: &view::Verdict, standing: impl Fn(&GateName) -> Option<Gate>) -> String {
    let one = |gate: &GateName| match standing(gate) {
        Some(Gate { state: GateState::Open, .. }) | None => format!("{gate} not open"),
        Some(found) => {
            let causes: Vec<String> = found.causes.iter().map(ToString::to_string).collect();
            let causes = if causes.is_empty() {
                String::new()
            } else {
                format!(" for {}", causes.join(", "))
            };
            format!("{gate} {} since {}{causes}", found.state.told(), found.since)
        }
    };
    match verdict {
        view::Verdict::Blocked { gate, also, .. } => {
            let gates: Vec<String> = std::iter::once(gate).chain(also).map(one).collect();
            gates.join("; ")
        }
        view::Verdict::Open { probing, .. } if !probing.is_empty() => {
            probing.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        view::Verdict::Open { draining: true, .. } => GateState::Draining.told().to_owned(),
        view::Verdict::Open { .. } => GateState::Open.told().to_owned(),
        view::Verdict::Unknown(why) => format!("unknown, held as CLOSED ({why})"),
    }
}

#[cfg(test)]
mod tests;
