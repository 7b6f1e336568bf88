//! Virtual time and the tasks that live in it.
//!
//! A heap of what is on its way, ordered by time and then by number; one generator of chance.
//! A service is a set of tasks: `async` functions that read like the ones they stand for, and
//! every `await` of them is a point where anything else may happen first. A crash drops the
//! tasks of a process where they stand; a freeze keeps what is due to it until it thaws.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use crate::world::World;

/// Virtual milliseconds since the world began.
pub(crate) type Millis = u64;

/// Which process a task belongs to. Each start of a service is a process of its own.
pub(crate) type ProcId = usize;

type Action = Box<dyn FnOnce(&Rc<Sim>)>;
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Everything of one seed.
pub(crate) struct Sim {
    now: Cell<Millis>,
    seq: Cell<u64>,
    steps: Cell<u64>,
    heap: RefCell<BinaryHeap<Due>>,
    rng: RefCell<fastrand::Rng>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    next_task: Cell<u64>,
    ready: Arc<Mutex<Vec<u64>>>,
    pub(crate) world: RefCell<World>,
}

struct Due {
    at: Millis,
    seq: u64,
    action: Action,
}

struct Task {
    process: ProcId,
    work: Option<Work>,
    waker: Waker,
}

struct Ring {
    task: u64,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

impl Sim {
    pub(crate) fn new(seed: u64, world: World) -> Rc<Self> {
        Rc::new(Sim {
            now: Cell::new(0),
            seq: Cell::new(0),
            steps: Cell::new(0),
            heap: RefCell::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            tasks: RefCell::default(),
            next_task: Cell::new(0),
            ready: Arc::default(),
            world: RefCell::new(world),
        })
    }

    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// A whole number from `range`.
    pub(crate) fn draw(&self, range: std::ops::Range<u64>) -> u64 {
        if range.is_empty() {
            return range.start;
        }
        self.rng.borrow_mut().u64(range)
    }

    /// True with this probability.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        0.0 < probability && self.rng.borrow_mut().f64() < probability
    }

    /// From 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        self.rng.borrow_mut().f64()
    }

    /// Puts something on its way.
    pub(crate) fn after(&self, wait: Millis, action: impl FnOnce(&Rc<Sim>) + 'static) {
        let seq = self.seq.get() + 1;
        self.seq.set(seq);
        let at = self.now().saturating_add(wait);
        self.heap.borrow_mut().push(Due { at, seq, action: Box::new(action) });
    }

    /// Starts a task of a process.
    pub(crate) fn spawn(&self, process: ProcId, work: impl Future<Output = ()> + 'static) {
        let id = self.next_task.get() + 1;
        self.next_task.set(id);
        let waker = Waker::from(Arc::new(Ring { task: id, ready: self.ready.clone() }));
        waker.wake_by_ref();
        let task = Task { process, work: Some(Box::pin(work)), waker };
        self.tasks.borrow_mut().insert(id, task);
    }

    /// Drops every task of a process where it stands.
    pub(crate) fn crash(&self, process: ProcId) {
        let dropped: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            let of = tasks.iter().filter(|(_, task)| task.process == process);
            let ids: Vec<u64> = of.map(|(id, _)| *id).collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        drop(dropped);
    }

    /// Lets go of everything, so that what refers to each other is freed.
    pub(crate) fn forget(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        let heap = std::mem::take(&mut *self.heap.borrow_mut());
        drop((tasks, heap));
        let mut world = self.world.borrow_mut();
        for process in &mut world.processes {
            (process.casts, process.feed) = (None, None);
        }
        world.served.clear();
    }

    /// Wakes every task of a process, as after a freeze: each looks at the clock again.
    pub(crate) fn stir(&self, process: ProcId) {
        let tasks = self.tasks.borrow();
        for task in tasks.values().filter(|task| task.process == process) {
            task.waker.wake_by_ref();
        }
    }

    /// Takes the next thing that is on its way, and lets every task that it concerns go on.
    /// `false` when nothing is.
    pub(crate) fn step(self: &Rc<Self>) -> bool {
        self.go_on();
        let Some(due) = self.heap.borrow_mut().pop() else { return false };
        self.now.set(due.at);
        self.steps.set(self.steps() + 1);
        (due.action)(self);
        self.go_on();
        true
    }

    /// Lets every task go on that has something to go on with.
    pub(crate) fn go_on(self: &Rc<Self>) {
        loop {
            let mut ready = {
                let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *ready)
            };
            if ready.is_empty() {
                return;
            }
            ready.sort_unstable();
            ready.dedup();
            self.rng.borrow_mut().shuffle(&mut ready);
            for id in ready {
                self.poll(id);
            }
        }
    }

    fn poll(self: &Rc<Self>, id: u64) {
        let (mut work, waker) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(task) = tasks.get_mut(&id) else { return };
            if self.world.borrow().frozen(task.process) {
                return;
            }
            let Some(work) = task.work.take() else { return };
            (work, task.waker.clone())
        };
        let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        match (polled, tasks.get_mut(&id)) {
            (Poll::Pending, Some(task)) => task.work = Some(work),
            _ => drop(tasks.remove(&id)),
        }
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The soonest is the greatest, since the heap gives the greatest first.
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}
