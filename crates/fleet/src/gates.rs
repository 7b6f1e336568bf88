use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{Bus, Inbox, Incoming};
use domain::{Config, Gate, GateName, Kind};
use kit::{Clock, Instant};
use logic::view::{Reread, Standing, Unknown, Verdict, View};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::{Wire as _, subject};

use crate::{
    gate_log,
    join::current_config,
    store::{StoreError, Versioned},
};

/// The gates as this service may believe them to stand, and the configuration in force.
///
/// Fed by the broker's repeated gate messages within a millisecond, and checked against the
/// leader each second. Cheap to clone; all clones see the same.
#[derive(Clone, Debug)]
pub struct Gates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
    /// Asks for a complete read now.
    reread: Notify,
    started: Instant,
}

#[derive(Debug)]
struct Known {
    view: View,
    config: Arc<Config>,
    backwards: Backwards,
}

/// For how long the gates have read older than they are known to be.
#[derive(Debug, Default)]
struct Backwards {
    since_ms: Option<u64>,
    said: bool,
}

/// How the keeper listens, and when it last asked the leader.
struct Ears {
    inbox: Option<Inbox>,
    checked: Instant,
    /// When the leader last answered, or this server was last left since it does not.
    answered: Instant,
}

const HEAD_EVERY: Duration = Duration::from_secs(1);
/// A leader that takes longer is asked again: perhaps the question got lost.
const HEAD_WITHIN: Duration = Duration::from_secs(2);
/// A server over which no leader has answered for so long may be cut off from its cluster,
/// and is left for another. A cluster that chooses a new leader mostly takes less.
const LEAVE_AFTER: Duration = Duration::from_secs(6);
/// Between complete reads that failed or went stale while they were made.
const READ_AGAIN: Duration = Duration::from_millis(100);
/// While gates move, or a leader changes, a read may come out older than what is known. If
/// that lasts so long, the log has shrunk, and no reading mends it.
const SHRUNK_AFTER: Duration = Duration::from_secs(5);

impl Gates {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Gates {
            shared: Arc::new(Shared {
                known: Mutex::new(Known {
                    view: View::new(),
                    config,
                    backwards: Backwards::default(),
                }),
                changes: watch::Sender::new(0),
                reread: Notify::new(),
                started: Clock.instant(),
            }),
        }
    }

    /// Keeps the view fresh until `shutdown`, and the time with it. Without it running every
    /// verdict is unknown.
    pub async fn keep(self, bus: Bus, shutdown: CancellationToken) {
        let now = Clock.instant();
        let mut ears = Ears { inbox: None, checked: now, answered: now };
        let following = async {
            loop {
                self.follow(&bus, &mut ears).await;
                if LEAVE_AFTER <= ears.answered.elapsed() {
                    tracing::warn!("no leader answers over this server, trying another");
                    bus.leave().await;
                    ears.answered = Clock.instant();
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = following => (),
            () = crate::time::keep(&bus) => (),
        }
    }

    /// Whether `kind` may be worked on, and under which fence.
    pub fn verdict(&self, kind: &Kind) -> Verdict {
        let at = self.now_ms();
        let known = self.known();
        known.view.admission(&known.config, kind, at)
    }

    /// Why nothing at all is believed just now; `None` while the view is good.
    pub fn doubt(&self) -> Option<Unknown> {
        let at = self.now_ms();
        self.known().view.doubt(at)
    }

    /// One gate as it is thought to stand: to be shown, not to act on.
    pub fn standing(&self, gate: &GateName) -> Option<Standing> {
        self.known().view.standing(gate).cloned()
    }

    /// Every gate as it is thought to stand.
    pub fn standings(&self) -> Vec<Standing> {
        self.known().view.standings().cloned().collect()
    }

    /// The newest gate message taken in, by its stream sequence; 0 before the first.
    pub fn head(&self) -> u64 {
        self.known().view.standings().map(|standing| standing.seq).max().unwrap_or(0)
    }

    pub fn config(&self) -> Arc<Config> {
        self.known().config.clone()
    }

    /// Says each time that something changed: a gate, the configuration, or what is believed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Asks for a complete read now, as after a refused create.
    pub fn read_again(&self) {
        self.shared.reread.notify_one();
    }

    /// One step: hears one message or asks once, then mends what is broken.
    async fn follow(&self, bus: &Bus, ears: &mut Ears) {
        let Some(heard) = &mut ears.inbox else {
            match bus.subscribe(subject::GATECAST).await {
                Ok(subscribed) => ears.inbox = Some(subscribed),
                Err(error) => {
                    tracing::warn!(%error, "gate messages cannot be heard");
                    Clock.sleep(READ_AGAIN).await;
                }
            }
            self.read(bus, ears).await;
            return;
        };
        tokio::select! {
            message = heard.next() => match message {
                Ok(message) => self.hear(&message),
                Err(error) => {
                    tracing::warn!(%error, "gate messages are no longer heard");
                    ears.inbox = None;
                }
            },
            () = Clock.sleep(HEAD_EVERY.saturating_sub(ears.checked.elapsed())) => {
                self.check_head(bus, ears).await;
            }
            () = self.shared.reread.notified() => self.read(bus, ears).await,
        }
        if self.wants_reading() {
            self.read(bus, ears).await;
        }
    }

    fn hear(&self, message: &Incoming) {
        let named = subject::parse_gate(&message.subject);
        let decoded = Gate::decode(&message.body);
        match (named, decoded, message.seq) {
            (Some((name, epoch)), Ok(gate), Some(seq))
                if gate.name == name && gate.epoch == epoch =>
            {
                tracing::debug!(gate = %name, state = gate.state.word(), %epoch, "gate moved");
                self.change(|known| known.view.on_message(seq, gate));
            }
            (_, _, seq) => {
                tracing::error!(
                    subject = message.subject,
                    "a gate message makes no sense, holding until the gates are read again"
                );
                self.change(|known| known.view.on_garbled(seq));
            }
        }
    }

    async fn check_head(&self, bus: &Bus, ears: &mut Ears) {
        let at = self.now_ms();
        ears.checked = Clock.instant();
        match head(bus).await {
            Ok(token) => {
                ears.answered = Clock.instant();
                self.change(|known| known.view.on_head(token, at));
            }
            Err(error) => {
                tracing::warn!(error, "gates cannot be read");
                self.change(|_| ());
            }
        }
    }

    fn wants_reading(&self) -> bool {
        let known = self.known();
        let other_config =
            known.view.config_version().is_some_and(|version| version != known.config.version);
        known.view.wants_reading() || other_config
    }

    /// Reads everything: the token first, then every gate, so that nothing newer slips in.
    async fn read(&self, bus: &Bus, ears: &mut Ears) {
        let at = self.now_ms();
        match self.snapshot(bus).await {
            Ok((token, gates, config)) => {
                ears.answered = Clock.instant();
                let (mut taken, mut shrunk) = (Ok(()), false);
                self.change(|known| {
                    known.config = config;
                    taken = known.view.on_snapshot(token, gates, at);
                    shrunk = known.backwards.shrunk(taken == Err(Reread::Backwards), at);
                });
                if shrunk {
                    tracing::error!(
                        token,
                        "the gate log is shorter than it was: restart this service after \
                         looking at the bus"
                    );
                }
                match taken {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "read again"),
                }
            }
            Err(error) => tracing::warn!(error, "gates cannot be read, holding"),
        }
        Clock.sleep(READ_AGAIN).await;
    }

    async fn snapshot(&self, bus: &Bus) -> Result<(u64, Vec<(u64, Gate)>, Arc<Config>), String> {
        let told = |error: StoreError| chain(&error);
        let token = head(bus).await?;
        let head = gate_log::current(bus, &GateName::config()).await.map_err(told)?;
        let mut config = self.config();
        if head.as_ref().is_some_and(|head| head.value.epoch.get() != config.version) {
            let applied = current_config(bus).await.map_err(|error| chain(&error))?;
            tracing::info!(version = applied.config.version, by = applied.by, "new configuration");
            config = Arc::new(applied.config);
        }
        let mut gates: Vec<(u64, Gate)> = Vec::new();
        gates.extend(head.map(|Versioned { value, seq }| (seq, value)));
        for name in config.all_gates() {
            match gate_log::current(bus, &name).await {
                Ok(found) => gates.extend(found.map(|Versioned { value, seq }| (seq, value))),
                Err(error @ StoreError::Garbled { .. }) => {
                    tracing::error!(gate = %name, error = %chain(&error), "reads as CLOSED");
                }
                Err(error) => return Err(told(error)),
            }
        }
        Ok((token, gates, config))
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known());
        self.shared.changes.send_modify(|count| *count += 1);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Backwards {
    /// A read at `at_ms` came out `backwards` or not. Whether it is to be said now that the
    /// log has shrunk: once, until a read comes out well again.
    fn shrunk(&mut self, backwards: bool, at_ms: u64) -> bool {
        if !backwards {
            *self = Backwards::default();
            return false;
        }
        let since = *self.since_ms.get_or_insert(at_ms);
        let lasts = SHRUNK_AFTER.as_millis() <= u128::from(at_ms.saturating_sub(since));
        lasts && !std::mem::replace(&mut self.said, lasts)
    }
}

/// The fence, or what stood in the way of reading it in time.
async fn head(bus: &Bus) -> Result<u64, String> {
    match tokio::time::timeout(HEAD_WITHIN, gate_log::token(bus)).await {
        Ok(token) => token.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {} s", HEAD_WITHIN.as_secs())),
    }
}

/// An error with everything behind it, for a log line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that reads shorter is said to have shrunk when that lasts, once, and again only
    /// after it has read well in between.
    #[test]
    fn a_shrunk_log_is_said_once() {
        let mut backwards = Backwards::default();
        let mut check = |read_backwards, at_ms, said| {
            assert_eq!(backwards.shrunk(read_backwards, at_ms), said, "at {at_ms}");
        };
        check(true, 1_000, false);
        check(true, 5_999, false);
        check(true, 6_000, true);
        check(true, 7_000, false);
        check(true, 60_000, false);
        check(false, 61_000, false);
        check(true, 62_000, false);
        check(false, 63_000, false);
        check(true, 64_000, false);
        check(true, 69_000, true);
    }
}
