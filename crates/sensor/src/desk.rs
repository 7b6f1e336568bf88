//! Where a candidate's task is created: asked in the one order that keeps the promises.
//!
//! The gates first, then what is known of the candidate, so that nothing read is older than
//! the fence (G1). Then the reservation, then the create: a crash in between costs the day one
//! task and creates none too many.

use std::collections::BTreeSet;

use domain::Task;
use fleet::{
    Fleet,
    create::{Created, create},
};
use logic::sensor::{Answer, Cycle, Decided, Payee, Reason, Settled, Stop};
use tokio_util::sync::CancellationToken;

use crate::{
    gates::{Gates, Leave},
    page::Agent,
    purse::{Purse, Reservation},
    settings::Settings,
    standing::Standing,
    told::chain,
    walk::Desk,
};

/// The desk of one cycle.
#[derive(Debug)]
pub(crate) struct FleetDesk<'a> {
    fleet: &'a Fleet,
    settings: &'a Settings,
    shutdown: &'a CancellationToken,
    gates: Gates<'a>,
    purse: Purse<'a>,
    /// What this sensor has complained of before: once is enough.
    complaints: &'a mut BTreeSet<String>,
    exhausted: bool,
}

impl<'a> FleetDesk<'a> {
    pub(crate) const fn new(
        fleet: &'a Fleet,
        settings: &'a Settings,
        shutdown: &'a CancellationToken,
        gates: Gates<'a>,
        complaints: &'a mut BTreeSet<String>,
    ) -> Self {
        let purse = Purse::new(&fleet.bus, &settings.name, settings.directory.cap_day);
        FleetDesk { fleet, settings, shutdown, gates, purse, complaints, exhausted: false }
    }

    /// How the gates stood when they were last asked.
    pub(crate) const fn gates(&self) -> &Gates<'a> {
        &self.gates
    }

    async fn create(
        &mut self,
        cycle: &mut Cycle,
        payee: Payee,
        task: &Task,
        reservation: Reservation,
        mut leave: Leave,
    ) -> Result<(), Stop> {
        // A verdict that lets a create be decided comes with its token.
        while let Some(token) = leave.token {
            let answer = match create(&self.fleet.bus, task, token).await {
                Created::Created(seq) => {
                    tracing::debug!(source_key = %task.source_key, seq, "created");
                    Answer::Created
                }
                Created::InFlight => Answer::InFlight,
                Created::Unknown => Answer::Unknown,
                Created::FenceMoved => {
                    leave = self.gates.ask_again(self.shutdown).await;
                    Answer::FenceMoved
                }
                Created::Refused(why) => {
                    self.purse.give_back(reservation).await;
                    return Err(failed(format!("create of {} refused: {why}", task.source_key)));
                }
            };
            match cycle.answered(payee, answer, &leave.verdict) {
                Settled::Again => (),
                Settled::Keep => return Ok(()),
                Settled::GiveBack => break,
            }
        }
        self.purse.give_back(reservation).await;
        Ok(())
    }
}

impl Desk for FleetDesk<'_> {
    async fn decide(&mut self, cycle: &mut Cycle, payee: Payee, agent: &Agent) -> Result<(), Stop> {
        let leave = self.gates.ask().await;
        if self.gates.outdated() {
            return Err(Stop::Interrupted);
        }
        let (fleet, settings) = (self.fleet, self.settings);
        let task =
            settings.task(agent, fleet.clock.now()).map_err(|error| failed(chain(&error)))?;
        let contact = settings.contact(payee);
        let found = tokio::select! {
            found = Standing::read(&fleet.bus, &task.kind, &task.source_key, contact) => found,
            () = self.shutdown.cancelled() => return Err(Stop::Interrupted),
        };
        let found = found.map_err(|error| failed(chain(&error)))?;
        if let Some(what) = found.complaint()
            && self.complaints.insert(what.to_owned())
        {
            tracing::error!(source_key = %task.source_key, what, "nothing is created for it");
        }
        if let Decided::Skip(reason) = cycle.weigh(payee, &found.lookup(), &leave.verdict) {
            self.exhausted |= holds_all(&reason);
            return Ok(());
        }
        let reservation = self.purse.reserve(fleet.clock.now()).await;
        let reservation = reservation.map_err(|error| failed(chain(&error)))?;
        match (cycle.reserved(payee, reservation.is_some()), reservation) {
            (Decided::Create, Some(reservation)) => {
                self.create(cycle, payee, &task, reservation, leave).await
            }
            (_, Some(reservation)) => {
                self.purse.give_back(reservation).await;
                Ok(())
            }
            (_, None) => {
                self.exhausted = true;
                Ok(())
            }
        }
    }

    fn exhausted(&self) -> bool {
        self.exhausted
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
