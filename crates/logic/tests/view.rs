//! The promises of `logic::view`, over histories of a gate log whose republished messages are
//! lost, repeated, reordered and garbled, and whose reads are answered late.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Config, Epoch, Gate, GateConfig, GateName, GateState, Handler, Kind, KindConfig, Timestamp,
};
use logic::{
    gate::{Stamp, first},
    view::{Broken, Reread, STALE_AFTER, Unknown, Verdict, View},
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    /// A gate moves: `relay`, `kind-welcome`, another kind's, or `_config`.
    Publish {
        gate: usize,
        state: usize,
        garbled: bool,
    },
    /// A republished message arrives, in whatever order, perhaps again.
    Hear {
        message: usize,
    },
    /// The leader is asked for everything; the states are read up to `late` messages later.
    AskAll {
        late: usize,
    },
    AskHead,
    /// An answer arrives.
    Answer {
        question: usize,
    },
    Pass {
        millis: u64,
    },
}

/// A question on its way: when it was asked, and what the head was.
#[derive(Clone, Debug)]
enum Question {
    All { at_ms: u64, token: u64, late: usize },
    Head { at_ms: u64, token: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (prop_oneof![4 => 0usize..3, 1 => Just(3)], 0usize..4, prop::bool::weighted(0.1))
            .prop_map(|(gate, state, garbled)| Act::Publish { gate, state, garbled }),
        // The newest are the likeliest to arrive.
        6 => prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => 2usize..20]
            .prop_map(|message| Act::Hear { message }),
        3 => (0usize..3).prop_map(|late| Act::AskAll { late }),
        4 => Just(Act::AskHead),
        7 => prop_oneof![3 => Just(0usize), 1 => 1usize..5]
            .prop_map(|question| Act::Answer { question }),
        4 => prop_oneof![Just(10u64), Just(400), Just(1_100), Just(3_000)]
            .prop_map(|millis| Act::Pass { millis }),
    ]
}

/// The gate log as the broker has it; `None` stands for a message that nobody can read.
struct Truth {
    log: Vec<(GateName, Option<Gate>, u64)>,
    now_ms: u64,
    questions: Vec<Question>,
    /// The newest message that the service has been told of, in any way.
    heard: u64,
}

impl Truth {
    fn begin() -> Self {
        let mut truth = Truth { log: Vec::new(), now_ms: 0, questions: Vec::new(), heard: 0 };
        for name in names() {
            truth.publish(name, GateState::Open, false);
        }
        truth
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    /// Each gate's newest message, as far as the first `seq` messages go.
    fn as_of(&self, seq: u64) -> BTreeMap<GateName, (u64, Option<Gate>)> {
        let log = self.log.iter().zip(1..=seq);
        log.map(|((name, gate, _), seq)| (name.clone(), (seq, gate.clone()))).collect()
    }

    fn publish(&mut self, name: GateName, state: GateState, garbled: bool) {
        let epoch = self.log.iter().filter(|(other, ..)| *other == name).count() as u64 + 1;
        let stamp =
            Stamp { now: Timestamp::from_millis(self.now_ms), prev: self.head(), remedy: "" };
        let gate = Gate { epoch: Epoch::new(epoch), state, ..first(name.clone(), "ann", &stamp) };
        self.log.push((name, (!garbled).then_some(gate), self.now_ms));
    }

    fn act(&mut self, act: &Act, view: &mut View) {
        match *act {
            Act::Publish { gate, state, garbled } => {
                let states =
                    [GateState::Open, GateState::Closed, GateState::Probing, GateState::Draining];
                // A new configuration is never garbled here: it would hide all the rest.
                let name = names()[gate].clone();
                let (state, garbled) = if name.is_config() {
                    (GateState::Open, false)
                } else {
                    (states[state], garbled)
                };
                self.publish(name, state, garbled);
            }
            Act::Hear { message } => {
                let at = self.log.len().saturating_sub(message + 1);
                let seq = at as u64 + 1;
                self.heard = self.heard.max(seq);
                match self.log[at].1.clone() {
                    Some(gate) => view.on_message(seq, gate),
                    None => view.on_garbled(Some(seq)),
                }
            }
            Act::AskAll { late } => {
                let (at_ms, token) = (self.now_ms, self.head());
                self.questions.push(Question::All { at_ms, token, late });
            }
            Act::AskHead => {
                self.questions.push(Question::Head { at_ms: self.now_ms, token: self.head() });
            }
            Act::Answer { question } if question < self.questions.len() => {
                match self.questions.remove(question) {
                    Question::Head { at_ms, token } => {
                        view.on_head(token, at_ms);
                        self.heard = self.heard.max(token);
                    }
                    Question::All { at_ms, token, late } => self.answer(view, at_ms, token, late),
                }
            }
            Act::Answer { .. } => (),
            Act::Pass { millis } => self.now_ms += millis,
        }
    }

    fn answer(&mut self, view: &mut View, at_ms: u64, token: u64, late: usize) {
        let read = self.as_of(self.head().min(token + late as u64));
        let read = read.into_values().filter_map(|(seq, gate)| Some((seq, gate?)));
        if view.on_snapshot(token, read.collect(), at_ms).is_ok() {
            self.heard = self.heard.max(token);
        }
    }
}

/// G1, G2: what is admitted is what the log says up to the token, nothing that the service
/// has heard of is newer, and the token was the newest at some time in the last 3 s.
fn admits_only_what_is_so(truth: &Truth, view: &View, config: &Config) {
    let Verdict::Open { token, admitted, probing, draining } =
        view.admission(config, &welcome(), truth.now_ms)
    else {
        return;
    };
    assert!(truth.heard <= token, "heard of {}, admits under {token}", truth.heard);
    let known_by = truth.now_ms.saturating_sub(u64::try_from(STALE_AFTER.as_millis()).unwrap());
    let known = truth.log.iter().filter(|(.., at_ms)| *at_ms < known_by);
    assert!(known.count() as u64 <= token, "a message older than 3 s is unknown");
    let log = truth.as_of(token);
    let config_gate = log[&GateName::config()].1.as_ref().unwrap();
    assert_eq!(config_gate.epoch.get(), config.version);
    assert_eq!(admitted.len(), config.needs(&welcome()).len());
    for admission in &admitted {
        let (seq, gate) = &log[&admission.gate];
        let gate = gate.as_ref().expect("a garbled gate admits");
        assert_eq!((admission.seq, admission.epoch), (*seq, gate.epoch));
        assert_ne!(gate.state, GateState::Closed);
        assert_eq!(probing.contains(&gate.name), gate.state == GateState::Probing);
        assert!(draining || gate.state != GateState::Draining);
    }
}

/// A quiet log, read once, is believed and judged as it is: the view heals.
fn heals(truth: &Truth, view: &mut View) {
    let read = truth.as_of(truth.head());
    let version = read[&GateName::config()].1.as_ref().unwrap().epoch.get();
    let needed = config(version).needs(&welcome());
    let states: Vec<Option<GateState>> =
        needed.iter().map(|gate| read[gate].1.as_ref().map(|gate| gate.state)).collect();
    let read = read.into_values().filter_map(|(seq, gate)| Some((seq, gate?)));
    view.on_snapshot(truth.head(), read.collect(), truth.now_ms).unwrap();
    let verdict = view.admission(&config(version), &welcome(), truth.now_ms);
    if states.contains(&None) {
        assert!(matches!(verdict, Verdict::Unknown(Unknown::Absent(_))), "{verdict:?}");
    } else if states.contains(&Some(GateState::Closed)) {
        assert!(matches!(verdict, Verdict::Blocked { .. }), "{verdict:?}");
    } else {
        assert!(matches!(verdict, Verdict::Open { .. }), "{verdict:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is lost, late or garbled: only what is so is admitted, and a quiet log heals.
    #[test]
    fn keeps_its_promises(history in prop::collection::vec(act(), 0..100)) {
        let mut truth = Truth::begin();
        let mut view = View::new();
        for act in &history {
            truth.act(act, &mut view);
            for version in 1..4 {
                admits_only_what_is_so(&truth, &view, &config(version));
            }
        }
        heals(&truth, &mut view);
    }
}

/// A view that was just read, of four open gates.
fn read() -> (Truth, View) {
    let (mut truth, mut view) = (Truth::begin(), View::new());
    truth.act(&Act::AskAll { late: 0 }, &mut view);
    truth.act(&Act::Answer { question: 0 }, &mut view);
    (truth, view)
}

fn verdict(truth: &Truth, view: &View) -> Verdict {
    view.admission(&config(1), &welcome(), truth.now_ms)
}

/// A closing that arrives is believed at once; a missed one holds everything until the gates
/// were read again.
#[test]
fn a_hole_admits_nothing_until_read_again() {
    let (mut truth, mut view) = read();
    truth.act(&Act::Publish { gate: 0, state: 1, garbled: false }, &mut view);
    truth.act(&Act::Publish { gate: 0, state: 0, garbled: false }, &mut view);
    truth.act(&Act::Hear { message: 0 }, &mut view);
    assert_eq!(verdict(&truth, &view), Verdict::Unknown(Unknown::Broken(Broken::Hole)));
    truth.act(&Act::AskAll { late: 0 }, &mut view);
    truth.act(&Act::Answer { question: 0 }, &mut view);
    assert!(matches!(verdict(&truth, &view), Verdict::Open { token: 6, .. }));
    truth.act(&Act::Publish { gate: 0, state: 1, garbled: false }, &mut view);
    truth.act(&Act::Hear { message: 0 }, &mut view);
    assert!(matches!(verdict(&truth, &view), Verdict::Blocked { .. }));
}

/// After 3 s without an answer from the leader nothing is admitted; messages do not help.
#[test]
fn goes_stale_after_three_seconds() {
    let (mut truth, mut view) = read();
    truth.now_ms = 2_999;
    truth.act(&Act::Publish { gate: 2, state: 0, garbled: false }, &mut view);
    truth.act(&Act::Hear { message: 0 }, &mut view);
    assert!(matches!(verdict(&truth, &view), Verdict::Open { .. }));
    truth.now_ms = 3_000;
    assert_eq!(verdict(&truth, &view), Verdict::Unknown(Unknown::Stale));
    truth.act(&Act::AskHead, &mut view);
    truth.act(&Act::Answer { question: 0 }, &mut view);
    assert!(matches!(verdict(&truth, &view), Verdict::Open { .. }));
}

/// A log that has shrunk, or an older epoch under a new sequence, is never believed, however
/// often it is read.
#[test]
fn a_gate_that_moves_backwards_is_unknown() {
    let (truth, mut view) = read();
    let shrunk: Vec<(u64, Gate)> =
        truth.as_of(3).into_values().map(|(seq, gate)| (seq, gate.unwrap())).collect();
    for _ in 0..2 {
        assert_eq!(view.on_snapshot(3, shrunk.clone(), 0), Err(Reread::Backwards));
        assert_eq!(verdict(&truth, &view), Verdict::Unknown(Unknown::Broken(Broken::Backwards)));
    }
    let (truth, mut view) = read();
    let (_, old) = truth.as_of(4).remove(&names()[0]).unwrap();
    view.on_message(5, Gate { prev: 4, ..old.unwrap() });
    assert_eq!(verdict(&truth, &view), Verdict::Unknown(Unknown::Broken(Broken::Backwards)));
}

/// A gate that moves between the reading of the token and of its state is not believed.
#[test]
fn a_state_newer_than_the_token_is_read_again() {
    let (mut truth, mut view) = (Truth::begin(), View::new());
    truth.publish(names()[0].clone(), GateState::Closed, false);
    let read = truth.as_of(5).into_values().map(|(seq, gate)| (seq, gate.unwrap()));
    assert_eq!(view.on_snapshot(4, read.collect(), 0), Err(Reread::Moved));
    assert_eq!(verdict(&truth, &view), Verdict::Unknown(Unknown::Unread));
}

/// A configuration that is not, or no longer, the one in force admits nothing.
#[test]
fn another_configuration_admits_nothing() {
    let (mut truth, mut view) = read();
    truth.act(&Act::Publish { gate: 3, state: 0, garbled: false }, &mut view);
    truth.act(&Act::Hear { message: 0 }, &mut view);
    let differs = Verdict::Unknown(Unknown::Config { in_force: 2, ours: 1 });
    assert_eq!(verdict(&truth, &view), differs);
    assert!(matches!(view.admission(&config(2), &welcome(), 0), Verdict::Open { .. }));
    let unheard: Kind = "unheard".parse().unwrap();
    let verdict = view.admission(&config(2), &unheard, 0);
    assert_eq!(verdict, Verdict::Unknown(Unknown::Kind(unheard)));
}

fn names() -> [GateName; 4] {
    ["relay", "kind-welcome", "kind-prompt", "_config"].map(|name| name.parse().unwrap())
}

fn welcome() -> Kind {
    "welcome".parse().unwrap()
}

fn config(version: u64) -> Config {
    let kind = KindConfig {
        needs: vec![names()[0].clone()],
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(60),
        concurrency: None,
        lease: Duration::from_secs(10),
        timeout: Duration::from_secs(60),
        ..KindConfig::of(Handler::Service { name: "payer".parse().unwrap() })
    };
    Config {
        version,
        kinds: BTreeMap::from([(welcome(), kind)]),
        gates: BTreeMap::from([(names()[0].clone(), GateConfig::default())]),
        sensors: BTreeMap::new(),
        payer: None,
        budgets: Default::default(),
        ..Config::default()
    }
}
