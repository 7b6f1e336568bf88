//! What all attempts of this process share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use domain::{Epoch, GateName, HolderId, Key, Kind};
use fleet::{Fleet, beat::Vitals};
use kit::Instant;
use logic::attempt::{Watch, Watched};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    credential::Keyring, handler::anthropic::Web, latches::Latchboard, pull::limits::Paces,
    purse::Known,
};

/// One for each dispatcher.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) latches: Latchboard,
    /// What handlers are lent.
    pub(crate) keyring: Arc<Keyring>,
    /// The connections to language models.
    pub(crate) web: Web,
    /// Nothing new is begun.
    pub(crate) stopping: CancellationToken,
    /// The grace is over: what still runs is written down as unknown.
    pub(crate) hurry: CancellationToken,
    /// Something was released: look again what can be pulled.
    pub(crate) wake: Notify,
    /// Whoever writes dollars down here takes this turn.
    pub(crate) purse: tokio::sync::Mutex<Known>,
    started: Instant,
    running: AtomicU32,
    attended: Mutex<BTreeSet<(Kind, Key)>>,
    /// By task, the attempt that was given up when its lease was over.
    abandoned: Mutex<BTreeMap<(Kind, Key), u32>>,
    paces: Mutex<Paces>,
    /// Claims in seats that were waited for, by task: since when each stands still.
    occupants: Mutex<BTreeMap<(Kind, Key), Watch>>,
    /// First attempts begun here, by kind, that the fleet was not told of yet.
    firsts: Mutex<BTreeMap<Kind, u32>>,
    /// Every slot is occupied, and a kind has none.
    crowded: AtomicBool,
    /// When trouble with the bus was last logged, and how often it was not since.
    grumbled: Mutex<Option<(Instant, u64)>>,
}

/// The right to attend to a task within this process; given up when dropped.
#[derive(Debug)]
pub(crate) struct Attending {
    desk: Arc<Desk>,
    task: (Kind, Key),
}

/// First attempts on their way to being told; if they are not told, they are taken another time.
#[derive(Debug)]
pub(crate) struct Firsts {
    desk: Arc<Desk>,
    kind: Kind,
    pub(crate) count: u32,
}

/// Counts one attempt under way; until dropped.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a AtomicU32);

/// Trouble with the bus is logged once in so long.
const GRUMBLE_EVERY: Duration = Duration::from_secs(10);
/// More given-up attempts than that are not remembered one by one.
const ABANDONED_MAX: usize = 10_000;
/// Nor more claims in seats than that.
const OCCUPANTS_MAX: usize = 10_000;

impl Desk {
    pub(crate) fn new(fleet: Fleet, stopping: CancellationToken) -> Self {
        Desk {
            started: fleet.clock.instant(),
            web: Web::default(),
            keyring: Arc::new(Keyring::new(fleet.clone())),
            fleet,
            latches: Latchboard::default(),
            stopping,
            hurry: CancellationToken::new(),
            wake: Notify::new(),
            purse: tokio::sync::Mutex::default(),
            running: AtomicU32::new(0),
            attended: Mutex::default(),
            abandoned: Mutex::default(),
            paces: Mutex::default(),
            occupants: Mutex::default(),
            firsts: Mutex::default(),
            crowded: AtomicBool::new(false),
            grumbled: Mutex::default(),
        }
    }

    pub(crate) const fn me(&self) -> &HolderId {
        &self.fleet.id
    }

    /// The monotonic clock since this dispatcher started.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Attends to a task; `None` while another delivery of it is attended to here.
    pub(crate) fn attend_to(self: &Arc<Self>, kind: &Kind, key: Key) -> Option<Attending> {
        let task = (kind.clone(), key);
        let free = lock(&self.attended).insert(task.clone());
        free.then(|| Attending { desk: self.clone(), task })
    }

    pub(crate) fn count_running(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(&self.running)
    }

    /// Remembers that nobody acts under this attempt's claim any more.
    pub(crate) fn abandon(&self, kind: &Kind, key: Key, attempt: u32) {
        let mut abandoned = lock(&self.abandoned);
        if ABANDONED_MAX <= abandoned.len() {
            abandoned.clear();
        }
        abandoned.insert((kind.clone(), key), attempt);
    }

    /// Whether this process gave up that attempt. It answers so once.
    pub(crate) fn take_abandoned(&self, kind: &Kind, key: Key, attempt: u32) -> bool {
        lock(&self.abandoned).remove(&(kind.clone(), key)) == Some(attempt)
    }

    /// Whether the claim of a task has stood still at `seq` for a whole `lease` of this desk's
    /// clock; `asked` is the time just before that was read. It answers so once.
    pub(crate) fn stands_still(
        &self,
        task: (Kind, Key),
        seq: u64,
        lease: Duration,
        asked: Duration,
    ) -> bool {
        let now = self.now();
        let mut occupants = lock(&self.occupants);
        if OCCUPANTS_MAX <= occupants.len() {
            occupants.clear();
        }
        let watch = occupants.entry(task.clone()).or_insert(Watch::new(lease, seq, now));
        match watch.saw(seq, asked) {
            Watched::Until(_) => false,
            Watched::Moved => {
                *watch = Watch::new(lease, seq, now);
                false
            }
            Watched::Lost => {
                occupants.remove(&task);
                true
            }
        }
    }

    /// The first gate that `kind` needs and this dispatcher is latched on.
    pub(crate) fn latched(&self, kind: &Kind) -> Option<GateName> {
        self.latches.first_of(&self.fleet.config().needs(kind))
    }

    /// Takes in the paces of all draining gates. Whether any of them changed.
    pub(crate) fn paces(&self, paces: Paces) -> bool {
        let mut known = lock(&self.paces);
        let changed = *known != paces;
        *known = paces;
        changed
    }

    /// The pace of a gate's drain, once it is known for that very epoch.
    pub(crate) fn pace(&self, gate: &GateName, epoch: Epoch) -> Option<u32> {
        let paces = lock(&self.paces);
        paces.get(gate).filter(|(counted_for, _)| *counted_for == epoch).map(|(_, pace)| *pace)
    }

    pub(crate) fn began_first(&self, kind: &Kind, count: u32) {
        let mut firsts = lock(&self.firsts);
        let first = firsts.entry(kind.clone()).or_default();
        *first = first.saturating_add(count);
    }

    /// Takes the first attempts of `kind` that the fleet was not told of yet, to tell it.
    pub(crate) fn take_firsts(self: &Arc<Self>, kind: &Kind) -> Firsts {
        let count = lock(&self.firsts).remove(kind).unwrap_or(0);
        Firsts { desk: self.clone(), kind: kind.clone(), count }
    }

    /// Takes in whether a kind waits for a slot that another kind has.
    pub(crate) fn set_crowded(&self, crowded: bool) {
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    pub(crate) fn crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    pub(crate) fn vitals(&self) -> Vitals {
        Vitals { running: self.running.load(Ordering::Relaxed), latches: self.latches.told() }
    }

    /// Logs trouble with the bus, now and then: during an outage everything has it.
    pub(crate) fn grumble<E>(&self, doing: &'static str, error: E)
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let error = anyhow::Error::new(error);
        let mut grumbled = lock(&self.grumbled);
        if let Some((since, unsaid)) = &mut *grumbled
            && since.elapsed() < GRUMBLE_EVERY
        {
            *unsaid += 1;
            tracing::debug!(doing, error = format!("{error:#}"), "trouble with the bus");
            return;
        }
        let unsaid = grumbled.map_or(0, |(_, unsaid)| unsaid);
        *grumbled = Some((self.fleet.clock.instant(), 0));
        tracing::warn!(doing, error = format!("{error:#}"), unsaid, "trouble with the bus");
    }
}

impl Firsts {
    /// They are told, or may be: never twice, since more of them let more be repeated.
    pub(crate) fn told(mut self) {
        self.count = 0;
    }
}

impl Drop for Firsts {
    fn drop(&mut self) {
        if 0 < self.count {
            self.desk.began_first(&self.kind, self.count);
        }
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        lock(&self.desk.attended).remove(&self.task);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Locks, also after a panic elsewhere: what is kept here is whole after each step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
