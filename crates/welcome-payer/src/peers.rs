//! Which other payers are alive: by their beats, and by asking one by its name.
//!
//! | the other one | is taken for |
//! | --- | --- |
//! | nobody listens under its name | gone, at once: the broker has lost its connection |
//! | it has not beaten for 5 s | gone |
//! | anything else | alive |

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use bus::{Bus, BusError, Inbox};
use domain::{Sent, Timestamp};
use fleet::Fleet;
use kit::{Clock, Instant};
use tokio_util::sync::CancellationToken;

use crate::{SERVICE, desk::lock, inbox::POST_WITHIN};

/// How long another payer may take to say that it lives.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// A payer that has not beaten for so long is dead.
const SILENT_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Peers {
    clock: Clock,
    heard: Mutex<BTreeMap<String, Instant>>,
    /// Since when beats are heard.
    listening: Mutex<Instant>,
}

impl Peers {
    pub(crate) fn new(clock: Clock) -> Self {
        let listening = Mutex::new(clock.instant());
        Peers { clock, heard: Mutex::new(BTreeMap::new()), listening }
    }

    /// Whether another living payer may be posting just now. That would be harmless, since
    /// the bytes are the same, but the relay could answer one of the two with a conflict.
    pub(crate) async fn posting(&self, fleet: &Fleet, sent: &Sent) -> bool {
        let seems = self.seems_posting(sent, fleet.id.as_str(), fleet.clock.now());
        seems && answers(&fleet.bus, &sent.by).await
    }

    fn seems_posting(&self, sent: &Sent, me: &str, now: Timestamp) -> bool {
        if sent.by == me || POST_WITHIN < now.since(sent.last) {
            return false;
        }
        let heard = lock(&self.heard).get(&sent.by).copied();
        let alive = heard.is_some_and(|heard| heard.elapsed() < SILENT_AFTER);
        alive || lock(&self.listening).elapsed() < SILENT_AFTER
    }

    /// Hears the beats of the payers until `shutdown`.
    pub(crate) async fn listen(&self, fleet: &Fleet, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.hear(fleet) => (),
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    async fn hear(&self, fleet: &Fleet) {
        let subject = wire::subject::beat(fleet.service, "*");
        let mut beats = match fleet.bus.subscribe(&subject).await {
            Ok(beats) => beats,
            Err(error) => {
                tracing::warn!(%error, "other payers cannot be heard");
                return;
            }
        };
        *lock(&self.listening) = self.clock.instant();
        while let Ok(beat) = beats.next().await {
            if let Some(id) = beat.subject.rsplit('.').next() {
                let mut heard = lock(&self.heard);
                heard.retain(|_, at| at.elapsed() < Duration::from_secs(60));
                heard.insert(id.to_owned(), self.clock.instant());
            }
        }
    }
}

/// Whether anybody listens under the name of that payer, though it may not answer in time.
async fn answers(bus: &Bus, id: &str) -> bool {
    let asked = bus.ask(&wire::subject::alive(SERVICE, id), Vec::new(), ANSWERS_WITHIN).await;
    !matches!(asked, Err(BusError::NobodyAnswers { .. }))
}

/// Answers under this payer's own name until `shutdown`.
pub(crate) async fn answer(mut asked: Inbox, bus: Bus, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            question = asked.question(&bus) => match question {
                Ok(question) => question.answer(Vec::new()).await,
                Err(error) => {
                    tracing::warn!(%error, "other payers are no longer answered");
                    return;
                }
            },
        }
    }
}
