//! The pull loop: takes tasks from the queues of the kinds that may run, one for each free
//! slot, and has each attended to.
//!
//! A kind is pulled only while every gate that it needs admits and none of them is latched.
//! What a pull brings after that changed is judged again, and put back. While the gates are
//! not known nothing is pulled; what runs goes on. Of each kind no more is under way here
//! than may be in the whole fleet; and after a task that found no seat its kind rests a little.

pub(crate) mod firsts;
mod lanes;
pub(crate) mod limits;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{BusError, Delivery, Queue};
use domain::{Kind, KindConfig};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use logic::view::Verdict;
use tokio::task::{Id, JoinError, JoinSet};
use wire::subject;

use self::lanes::{Admits, Brought, Lanes, Pull};
use crate::{
    attempt::{self, seat},
    desk::{Desk, lock},
};

/// How long attempts may take to end once the service is to stop.
const GRACE: Duration = Duration::from_secs(25);
/// What is left then is written down as unknown; for that there is so long.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// A pull that is not answered so long after it should have ended has failed.
const PULL_PATIENCE: Duration = Duration::from_secs(3);

/// A pull that ended.
struct Pulled {
    kind: Kind,
    result: Result<Option<Delivery>, Trouble>,
}

/// Why a pull brought nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the pull was not answered")]
    Silence,
}

/// The queues by kind, bound once; a queue that gave trouble is bound again.
#[derive(Debug, Default)]
struct Queues {
    bound: Mutex<BTreeMap<Kind, Queue>>,
}

/// Everything that the loop owns.
struct Puller {
    desk: Arc<Desk>,
    queues: Arc<Queues>,
    lanes: Lanes,
    pulls: FuturesUnordered<BoxFuture<'static, Pulled>>,
    attempts: JoinSet<bool>,
    kinds_running: HashMap<Id, Kind>,
}

/// Pulls and attends until the desk is stopping, then lets what runs come to its end.
///
/// `only`: these kinds; all of the configuration when empty.
pub(crate) async fn pull(desk: Arc<Desk>, slots: usize, only: Vec<Kind>) {
    let mut changes = desk.fleet.gates.changes();
    let mut puller = Puller {
        queues: Arc::default(),
        lanes: Lanes::new(slots),
        pulls: FuturesUnordered::new(),
        attempts: JoinSet::new(),
        kinds_running: HashMap::new(),
        desk,
    };
    let desk = puller.desk.clone();
    while !desk.stopping.is_cancelled() {
        let rest = puller.start(&only);
        tokio::select! {
            () = desk.stopping.cancelled() => (),
            _ = changes.changed() => (),
            () = desk.wake.notified() => (),
            Some(pulled) = puller.pulls.next() => puller.take(pulled),
            Some(ended) = puller.attempts.join_next_with_id() => puller.ended(ended),
            () = sleep_for(&desk, rest) => (),
        }
    }
    puller.drain().await;
}

impl Puller {
    /// Starts every pull that is worth a slot. Returns how long to rest at most.
    fn start(&mut self, only: &[Kind]) -> Option<Duration> {
        let config = self.desk.fleet.config();
        let wanted = |kind: &&Kind| only.is_empty() || only.contains(kind);
        let kinds = config.kinds.iter().filter(|(kind, _)| wanted(kind));
        let standing = |(kind, settings): (&Kind, &KindConfig)| {
            (kind.clone(), settings.priority, admits(&self.desk, kind))
        };
        self.lanes.admit(kinds.map(standing));
        while let Some(pull) = self.lanes.next(self.desk.now()) {
            let (desk, queues) = (self.desk.clone(), self.queues.clone());
            self.pulls.push(Box::pin(async move {
                let result = queues.wait(&desk, &pull).await;
                Pulled { kind: pull.kind, result }
            }));
        }
        self.desk.set_crowded(self.lanes.crowded());
        self.lanes.rest(self.desk.now())
    }

    /// Has what a pull brought attended to.
    fn take(&mut self, Pulled { kind, result }: Pulled) {
        let brought = match result {
            Ok(Some(delivery)) => {
                let attended = attempt::attend(self.desk.clone(), kind.clone(), delivery);
                let attempt = self.attempts.spawn(attended);
                self.kinds_running.insert(attempt.id(), kind.clone());
                Brought::Task
            }
            Ok(None) => Brought::Nothing,
            Err(error) => {
                self.desk.grumble("pull tasks", error);
                Brought::Trouble
            }
        };
        self.lanes.pulled(&kind, brought, self.desk.now());
    }

    fn ended(&mut self, ended: Result<(Id, bool), JoinError>) {
        let (id, seatless) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "an attempt broke off");
                (error.id(), false)
            }
        };
        if let Some(kind) = self.kinds_running.remove(&id) {
            self.lanes.ended(&kind);
            if seatless {
                self.lanes.bar(&kind, self.desk.now().saturating_add(seat::REST / 2));
            }
        }
    }

    /// Waits for the pulls under way, whose tasks go back, and for the attempts.
    async fn drain(mut self) {
        let desk = self.desk.clone();
        tracing::info!(running = self.attempts.len(), "finishing what runs");
        let over = desk.fleet.clock.instant();
        while !(self.pulls.is_empty() && self.attempts.is_empty()) {
            let left = (GRACE + LAST_WORDS).saturating_sub(over.elapsed());
            let calm = GRACE.saturating_sub(over.elapsed());
            tokio::select! {
                Some(pulled) = self.pulls.next() => self.take(pulled),
                Some(ended) = self.attempts.join_next_with_id() => self.ended(ended),
                () = desk.fleet.clock.sleep(calm), if !desk.hurry.is_cancelled() => {
                    tracing::warn!(running = self.attempts.len(), "attempts take too long");
                    desk.hurry.cancel();
                }
                () = desk.fleet.clock.sleep(left) => {
                    tracing::error!(running = self.attempts.len(), "attempts left unfinished");
                    return;
                }
            }
        }
    }
}

impl Queues {
    /// Waits for one task of a kind.
    async fn wait(&self, desk: &Desk, pull: &Pull) -> Result<Option<Delivery>, Trouble> {
        let waited = async {
            let queue = self.queue(desk, &pull.kind).await?;
            Ok(queue.wait(pull.wait).await?)
        };
        let result = tokio::time::timeout(pull.wait + PULL_PATIENCE, waited)
            .await
            .unwrap_or(Err(Trouble::Silence));
        if result.is_err() {
            lock(&self.bound).remove(&pull.kind);
        }
        result
    }

    async fn queue(&self, desk: &Desk, kind: &Kind) -> Result<Queue, BusError> {
        let bound = lock(&self.bound).get(kind).cloned();
        if let Some(queue) = bound {
            return Ok(queue);
        }
        let queue = desk.fleet.bus.queue(subject::WORK, &subject::dispatch_consumer(kind)).await?;
        lock(&self.bound).insert(kind.clone(), queue.clone());
        Ok(queue)
    }
}

/// Whether tasks of `kind` may be pulled now.
fn admits(desk: &Desk, kind: &Kind) -> Admits {
    let Verdict::Open { admitted, probing, .. } = desk.fleet.gates.verdict(kind) else {
        return Admits::No;
    };
    if desk.latched(kind).is_some() {
        return Admits::No;
    }
    let most = limits::at_most(desk, kind, &admitted);
    if probing.is_empty() { Admits::UpTo(most) } else { Admits::Single(most) }
}

async fn sleep_for(desk: &Desk, rest: Option<Duration>) {
    match rest {
        Some(rest) => desk.fleet.clock.sleep(rest).await,
        None => std::future::pending().await,
    }
}
