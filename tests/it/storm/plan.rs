//! What a storm does and when: a pure function of the seed.
//!
//! Each kind of trouble comes at times of its own, drawn from one seeded generator, and whatever
//! is broken for a while is mended again by an entry of its own. Two storms of one seed do the
//! same; what the system makes of it depends on the machine too.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

/// One service of the fleet, by program and place.
pub(super) type Slot = (Role, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Dispatcher,
    Payer,
    Keeper,
    Sensor,
}

/// One thing done to the system.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Sets knobs of the sandbox.
    Faults(Value),
    /// Frees the relay's stuck nonces.
    Heal,
    Register {
        good: u64,
        broken: Vec<&'static str>,
    },
    Kill(Slot),
    Start(Slot),
    Freeze(Slot),
    Thaw(Slot),
    /// SIGTERM; it is started again once it has ended.
    Roll(Slot),
    /// So many dispatchers, the others asked to stop.
    Scale(usize),
    Node(usize, NodeAct),
    /// A person closes a gate by hand.
    Close(&'static str),
    /// Chores of one nature are queued.
    Chores(&'static str, u64),
    /// The tool that the chores share breaks, or works again.
    Tool(Tool),
    /// Garbage and forgeries, made unique by a number.
    Junk(u64),
}

/// What is done to one node of NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeAct {
    Kill,
    Start,
    Freeze,
    Thaw,
    Cut,
    Heal,
}

/// How the tool behind the chores works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Works,
    /// One failure closes its gate.
    Broken,
    /// It takes several distinct tasks to close its gate.
    Flaky,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) act: Act,
}

/// At most so many dispatchers run.
pub(super) const DISPATCHERS_MAX: usize = 5;
/// At the beginning.
pub(super) const DISPATCHERS: usize = 3;
/// Of each other service.
pub(super) const PAIR: usize = 2;

/// The gates that a person closes by hand now and then.
const BY_HAND: [&str; 6] = ["relay", "inbox", "wallet", "chain", "tool", "kind-chore"];
/// The natures of chores: see `chores.rs`.
const NATURES: [&str; 9] =
    ["ok", "ok", "ok", "shared", "shared", "own", "hopeless", "unknown", "slow"];
/// The ways in which a row of the directory is wrong.
const BROKEN: [&str; 6] =
    ["missing_address", "missing_btc", "bad_checksum", "lower_case", "testnet", "duplicate"];

/// The whole schedule of a storm of `length` on so many nodes, in order of time.
pub(super) fn plan(seed: u64, length: Duration, nodes: usize) -> Vec<Entry> {
    let mut planner = Planner { rng: Rng::with_seed(seed), length, entries: Vec::new() };
    planner.each(1_500, |it, at| {
        let good = it.rng.u64(1..=2);
        let broken = if it.rng.u8(..8) == 0 { vec![it.pick(&BROKEN)] } else { Vec::new() };
        it.push(at, Act::Register { good, broken });
    });
    planner.each(700, |it, at| {
        let act = Act::Chores(it.pick(&NATURES), it.rng.u64(1..=3));
        it.push(at, act);
    });
    planner.each(9_000, Planner::world_fault);
    planner.each(14_000, |it, at| {
        let tool = if it.rng.bool() { Tool::Broken } else { Tool::Flaky };
        it.for_a_while(at, 1_000..5_000, Act::Tool(tool), Act::Tool(Tool::Works));
    });
    planner.each(8_000, |it, at| {
        let slot = it.slot();
        it.for_a_while(at, 0..4_000, Act::Kill(slot), Act::Start(slot));
    });
    planner.each(10_000, |it, at| {
        let slot = it.slot();
        it.for_a_while(at, 1_000..9_000, Act::Freeze(slot), Act::Thaw(slot));
    });
    planner.each(15_000, |it, at| {
        let slot = it.slot();
        it.push(at, Act::Roll(slot));
    });
    planner.each(20_000, |it, at| {
        let count = it.rng.usize(1..=DISPATCHERS_MAX);
        it.push(at, Act::Scale(count));
    });
    planner.each(25_000, |it, at| {
        let gate = it.pick(&BY_HAND);
        it.push(at, Act::Close(gate));
    });
    planner.each(12_000, |it, at| {
        let act = Act::Junk(it.rng.u64(..));
        it.push(at, act);
    });
    planner.each(35_000, |it, at| it.node_fault(at, nodes));
    let mut entries = planner.entries;
    entries.sort_by_key(|entry| entry.at);
    entries
}

struct Planner {
    rng: Rng,
    length: Duration,
    entries: Vec<Entry>,
}

impl Planner {
    /// Calls `make` at random times, `mean_ms` apart on average.
    fn each(&mut self, mean_ms: u64, make: impl Fn(&mut Planner, Duration)) {
        let mut at = self.ms(mean_ms / 2..mean_ms * 3 / 2);
        while at < self.length {
            make(self, at);
            at += self.ms(mean_ms / 2..mean_ms * 3 / 2);
        }
    }

    fn ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    fn slot(&mut self) -> Slot {
        match self.rng.u8(..8) {
            0..=3 => (Role::Dispatcher, self.rng.usize(..DISPATCHERS_MAX)),
            4..=5 => (Role::Payer, self.rng.usize(..PAIR)),
            6 => (Role::Keeper, self.rng.usize(..PAIR)),
            _ => (Role::Sensor, self.rng.usize(..PAIR)),
        }
    }

    fn push(&mut self, at: Duration, act: Act) {
        self.entries.push(Entry { at, act });
    }

    /// Does something and takes it back later; at the latest when the storm is over.
    fn for_a_while(&mut self, at: Duration, ms: std::ops::Range<u64>, act: Act, back: Act) {
        let until = (at + self.ms(ms)).min(self.length);
        self.push(at, act);
        self.push(until, back);
    }

    /// One way for the outside to misbehave. Counts are used up by whom they hit; what holds
    /// until it is set back is set back.
    fn world_fault(&mut self, at: Duration) {
        let count = self.rng.u64(1..=4);
        let knobs = [
            "inbox_drop_after_settle",
            "inbox_503_after_settle",
            "inbox_already_redeemed",
            "inbox_500",
            "inbox_unpaid_500",
            "insufficient_funds",
            "chain_abort",
            "directory_500",
            "directory_429",
            "relay_5xx",
        ];
        match self.rng.u8(..24) {
            0..=3 => {
                let stuck = if self.rng.u8(..4) == 0 { 30 } else { 1 };
                let stick = Act::Faults(json!({ "stuck_nonce": stuck }));
                self.for_a_while(at, 1_000..8_000, stick, Act::Heal);
            }
            4 => self.knob(at, 1_000..7_000, "inbox_staged", json!(true)),
            5 => self.knob(at, 1_000..6_000, "confirm_delay_ms", json!(1_500)),
            6 => self.knob(at, 2_000..8_000, "inbox_stall_ms", json!(6_000)),
            7 => self.knob(at, 1_000..7_000, "api_down", json!(true)),
            8 => self.knob(at, 4_000..9_000, "generation", json!("typed")),
            9 => self.knob(at, 4_000..9_000, "generation", json!("march")),
            10 => self.knob(at, 4_000..9_000, "directory_stale_ms", json!(2_000)),
            11 => self.knob(at, 4_000..9_000, "lying_health", json!(false)),
            12 => self.knob(at, 2_000..6_000, "settle_wait_ms", json!(200)),
            // Rarely: it has the payment wait for a minute, and all others with it.
            13 => self.push(at, Act::Faults(json!({ "inbox_429": 1 }))),
            _ => {
                let knob = self.pick(&knobs);
                self.push(at, Act::Faults(json!({ knob: count })));
            }
        }
    }

    fn knob(&mut self, at: Duration, ms: std::ops::Range<u64>, knob: &str, value: Value) {
        let set = Act::Faults(json!({ knob: value }));
        self.for_a_while(at, ms, set, Act::Faults(json!({ knob: null })));
    }

    fn node_fault(&mut self, at: Duration, nodes: usize) {
        let node = self.rng.usize(..nodes);
        let on = |act| Act::Node(node, act);
        match self.rng.u8(..3) {
            0 => self.for_a_while(at, 300..6_000, on(NodeAct::Freeze), on(NodeAct::Thaw)),
            1 if nodes > 1 => {
                self.for_a_while(at, 1_000..9_000, on(NodeAct::Cut), on(NodeAct::Heal));
            }
            _ => self.for_a_while(at, 200..4_000, on(NodeAct::Kill), on(NodeAct::Start)),
        }
    }
}

/// One seed is one storm, and even a short one has every kind of trouble in it.
#[test]
fn a_plan_follows_from_its_seed() {
    let length = Duration::from_secs(120);
    let one = plan(7, length, 3);
    assert_eq!(one, plan(7, length, 3));
    assert_ne!(one, plan(8, length, 3));
    assert!(one.is_sorted_by_key(|entry| entry.at));
    let kinds: std::collections::BTreeSet<_> = one
        .iter()
        .map(|entry| format!("{:?}", entry.act).split([' ', '(']).next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.len(), 14, "{kinds:?}");
}
