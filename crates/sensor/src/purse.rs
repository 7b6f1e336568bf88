//! The day's budget of creates, shared by every process that runs the same sensor.
//!
//! A create is reserved before it is published. Whatever happens then, the day's tasks are
//! never more than its cap: a reservation goes back only when it is certain that it created
//! nothing, and at most once.

use bus::{Bus, Expect, Put, PutError};
use domain::{SensorName, Timestamp};
use fleet::store::{self, StoreError};
use logic::sensor::{DayBudget, day_of};
use wire::{Wire as _, message, subject};

/// How often a write that another came before is decided again.
const TRIES: u32 = 50;

/// One sensor's purse during one cycle.
#[derive(Debug)]
pub(crate) struct Purse<'a> {
    bus: &'a Bus,
    sensor: &'a SensorName,
    cap: u32,
    /// The day that was seen to be spent: it need not be asked about again.
    spent: Option<u64>,
}

/// The right to one create.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Reservation {
    /// The record that it stands in.
    subject: String,
    day: u64,
}

/// Why nobody can tell whether there is budget left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PurseError {
    #[error("read the day's budget")]
    Read(#[source] StoreError),
    #[error("write the day's budget")]
    Write(#[source] PutError),
    #[error("write the day's budget: others came first {TRIES} times")]
    Crowded,
}

/// How one try to change the record ended.
enum Tried {
    Changed,
    /// The decision was to leave it.
    Left,
    /// Somebody else wrote first.
    Again,
}

impl<'a> Purse<'a> {
    pub(crate) const fn new(bus: &'a Bus, sensor: &'a SensorName, cap: u32) -> Self {
        Purse { bus, sensor, cap, spent: None }
    }

    /// Reserves one create on the day of `at`; `None` when that day's cap is reached.
    ///
    /// A write without an answer may have been stored; then it is made once more, and the
    /// day may have one less to give. The other way round the cap could be exceeded.
    ///
    /// # Errors
    ///
    /// When the record cannot be read or written.
    pub(crate) async fn reserve(
        &mut self,
        at: Timestamp,
    ) -> Result<Option<Reservation>, PurseError> {
        let day = day_of(at);
        if self.spent == Some(day) {
            return Ok(None);
        }
        // The date of the time stamp: `2026-03-11`.
        let date: String = at.to_string().chars().take(10).collect();
        let reservation = Reservation { subject: subject::sensor_budget(self.sensor, &date), day };
        let cap = self.cap;
        for _ in 0..TRIES {
            match self.change(&reservation, &date, |budget| budget.reserve(1, cap)).await {
                Ok(Tried::Changed) => return Ok(Some(reservation)),
                Ok(Tried::Left) => {
                    self.spent = Some(day);
                    return Ok(None);
                }
                Ok(Tried::Again) | Err(PurseError::Write(PutError::Unknown { .. })) => {
                    kit::Clock.sleep(Bus::jitter()).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(PurseError::Crowded)
    }

    /// Returns a reservation that created nothing. What fails here costs the day one create.
    pub(crate) async fn give_back(&mut self, reservation: Reservation) {
        let date: String = reservation.subject.rsplit('.').next().unwrap_or_default().to_owned();
        for _ in 0..TRIES {
            let back = |budget: DayBudget| Some(budget.give_back(1));
            match self.change(&reservation, &date, back).await {
                Ok(Tried::Changed | Tried::Left) => {
                    self.spent = None;
                    return;
                }
                Ok(Tried::Again) => kit::Clock.sleep(Bus::jitter()).await,
                // It may have been stored: a second time could give back what others hold.
                Err(error) => {
                    tracing::warn!(error = %crate::told::chain(&error), "reservation not returned");
                    return;
                }
            }
        }
    }

    async fn change(
        &self,
        Reservation { subject, day }: &Reservation,
        date: &str,
        decide: impl Fn(DayBudget) -> Option<DayBudget>,
    ) -> Result<Tried, PurseError> {
        let found = store::read::<message::DayBudget>(self.bus, subject::RECORD, subject).await;
        let (used, last) = match found.map_err(PurseError::Read)? {
            Some(found) => (found.value.used, found.seq),
            None => (0, 0),
        };
        let Some(next) = decide(DayBudget { day: *day, used }) else { return Ok(Tried::Left) };
        let put = Put {
            subject: subject.clone(),
            body: message::DayBudget { day: date.to_owned(), used: next.used }.encode(),
            expect: Expect::Last(last),
            id: None,
        };
        match self.bus.put(put).await {
            Ok(_) => Ok(Tried::Changed),
            Err(error) if error.lost_race() => Ok(Tried::Again),
            Err(error) => Err(PurseError::Write(error)),
        }
    }
}
