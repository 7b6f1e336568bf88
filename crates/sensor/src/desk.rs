//! Where a candidate's task is created: asked in the one order that keeps the promises.
//!
//! The gates first, then what is known of the candidate, so that nothing read is older than
//! the fence (G1). Then the reservation, then the create: a crash in between costs the day one
//! task and creates none too many.

use std::collections::BTreeSet;

use domain::{Kind, SensorName, Task, Timestamp};
use fleet::{
    Fleet,
    create::{Created, create},
};
use logic::sensor::{Answer, Cycle, Decided, Reason, Settled, Stop};
use tokio_util::sync::CancellationToken;

use crate::{
    gates::{Gates, Leave},
    purse::{Purse, Reservation},
    standing::Standing,
    told::chain,
    walk::Desk,
};

/// For whom a desk works.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) sensor: SensorName,
    pub(crate) kind: Kind,
    /// The version of the configuration that all of it is from.
    pub(crate) version: u64,
    pub(crate) cap_day: u32,
}

/// The desk of one cycle.
#[derive(Debug)]
pub(crate) struct FleetDesk<'a> {
    fleet: &'a Fleet,
    shutdown: &'a CancellationToken,
    gates: Gates<'a>,
    purse: Purse<'a>,
    /// What this sensor has complained of before: once is enough.
    complaints: &'a mut BTreeSet<String>,
    exhausted: bool,
}

/// What became of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// There is a task for it, or was one.
    Task,
    /// A create got no answer.
    Unknown,
    /// There is none. It was looked for after the gates had been read.
    None(Reason),
    /// There is none of ours; a gate moved while it was being created.
    Overtaken,
}

/// What must be written down before a create leaves.
pub(crate) trait Claim {
    /// Whether the create may leave under this token.
    ///
    /// # Errors
    ///
    /// When nobody can tell.
    async fn claim(&mut self, token: u64) -> Result<bool, String>;
}

/// Lists keep no record of what they create.
struct Free;

impl Claim for Free {
    async fn claim(&mut self, _: u64) -> Result<bool, String> {
        Ok(true)
    }
}

impl<'a> FleetDesk<'a> {
    pub(crate) fn new(
        fleet: &'a Fleet,
        post: &'a Post,
        shutdown: &'a CancellationToken,
        complaints: &'a mut BTreeSet<String>,
    ) -> Self {
        let gates = Gates::new(fleet, &post.kind, post.version);
        let purse = Purse::new(&fleet.bus, &post.sensor, post.cap_day);
        FleetDesk { fleet, shutdown, gates, purse, complaints, exhausted: false }
    }

    pub(crate) const fn gates(&mut self) -> &mut Gates<'a> {
        &mut self.gates
    }

    /// Creates `task`, or not.
    pub(crate) async fn settle<K: Ord + Clone>(
        &mut self,
        cycle: &mut Cycle<K>,
        about: &K,
        task: &Task,
        claim: &mut impl Claim,
    ) -> Result<Became, Stop> {
        let leave = self.gates.ask().await;
        if self.gates.outdated() {
            return Err(Stop::Interrupted);
        }
        let found = tokio::select! {
            found = Standing::read(&self.fleet.bus, task) => found,
            () = self.shutdown.cancelled() => return Err(Stop::Interrupted),
        };
        let found = found.map_err(|error| failed(chain(&error)))?;
        if let Some(what) = found.complaint()
            && self.complaints.insert(what.to_owned())
        {
            tracing::error!(source_key = %task.source_key, what, "nothing is created for it");
        }
        if let Decided::Skip(reason) = cycle.weigh(about, &found.lookup(), &leave.verdict) {
            self.exhausted |= holds_all(&reason);
            let held = holds_all(&reason);
            return Ok(if held { Became::None(reason) } else { Became::Task });
        }
        let reservation = self.purse.reserve(self.fleet.clock.now()).await;
        let reservation = reservation.map_err(|error| failed(chain(&error)))?;
        match (cycle.reserved(about, reservation.is_some()), reservation) {
            (Decided::Create, Some(reservation)) => {
                self.create(cycle, about, task, (reservation, leave), claim).await
            }
            (_, Some(reservation)) => {
                self.purse.give_back(reservation).await;
                Ok(Became::Overtaken)
            }
            (_, None) => {
                self.exhausted = true;
                Ok(Became::None(Reason::CapDay))
            }
        }
    }

    async fn create<K: Ord + Clone>(
        &mut self,
        cycle: &mut Cycle<K>,
        about: &K,
        task: &Task,
        (reservation, mut leave): (Reservation, Leave),
        claim: &mut impl Claim,
    ) -> Result<Became, Stop> {
        let mut became = Became::Overtaken;
        // A verdict that lets a create be decided comes with its token.
        while let Some(token) = leave.token {
            let answer = match claim.claim(token).await {
                Ok(true) => self.publish(task, token).await,
                Ok(false) => Ok(Answer::InFlight),
                Err(why) => Err(why),
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(why) => {
                    self.purse.give_back(reservation).await;
                    return Err(failed(why));
                }
            };
            became = match answer {
                Answer::Created | Answer::InFlight => Became::Task,
                Answer::Unknown => Became::Unknown,
                Answer::FenceMoved => {
                    leave = self.gates.ask_again(self.shutdown).await;
                    Became::Overtaken
                }
            };
            match cycle.answered(about, answer, &leave.verdict) {
                Settled::Again => (),
                Settled::Keep => return Ok(became),
                Settled::GiveBack => break,
            }
        }
        self.purse.give_back(reservation).await;
        Ok(became)
    }

    async fn publish(&self, task: &Task, token: u64) -> Result<Answer, String> {
        match create(&self.fleet.bus, task, token).await {
            Created::Created(seq) => {
                tracing::debug!(source_key = %task.source_key, seq, "created");
                Ok(Answer::Created)
            }
            Created::InFlight => Ok(Answer::InFlight),
            Created::Unknown => Ok(Answer::Unknown),
            Created::FenceMoved => Ok(Answer::FenceMoved),
            Created::Refused(why) => Err(format!("create of {} refused: {why}", task.source_key)),
        }
    }
}

/// A desk that makes the tasks of a list's rows.
pub(crate) struct Making<'d, 'a, M> {
    pub(crate) desk: &'d mut FleetDesk<'a>,
    pub(crate) make: M,
}

impl<K, W, M> Desk<K, W> for Making<'_, '_, M>
where
    K: Ord + Clone,
    M: Fn(&K, &W, Timestamp) -> Result<Task, String>,
{
    async fn decide(&mut self, cycle: &mut Cycle<K>, about: K, work: &W) -> Result<(), Stop> {
        let task = (self.make)(&about, work, self.desk.fleet.clock.now()).map_err(failed)?;
        self.desk.settle(cycle, &about, &task, &mut Free).await.map(|_| ())
    }

    fn exhausted(&self) -> bool {
        self.desk.exhausted
    }
}

/// Whether what held back this candidate holds back all that follow in this cycle.
const fn holds_all(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Gate(_)
            | Reason::Probing(_)
            | Reason::GatesUnknown
            | Reason::CapCycle
            | Reason::CapDay
    )
}

const fn failed(why: String) -> Stop {
    Stop::Failed { why, retry_after: None }
}
