//! What has taken place, as someone sees it who sees everything: facts, and what must be
//! remembered of them to judge the next ones. No service can read it.

use std::{collections::BTreeMap, rc::Rc};

use domain::{Epoch, Gate, GateName, GateState, Incident, Key, Kind, Phase, Signed, TaskState};

use crate::{
    exec::{Millis, ProcId},
    words::{Body, Stored, Subject, Told},
    world::Command,
};

/// Something that took place.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A message was stored, over `before` on its subject.
    Stored { stored: Stored, before: Option<Stored>, by: ProcId },
    /// A task's message was acknowledged, and is gone.
    Removed { subject: Subject, by: ProcId },
    /// A consumer's limit was set.
    Limited { kind: Kind, limit: i64 },
    /// The work of a claimed attempt begins.
    Began { by: ProcId, state: Rc<TaskState>, at: Millis, asked: Millis },
    /// A script has its effect, in the hands of whoever claimed it so.
    Acted { by: ProcId, state: Rc<TaskState> },
    /// Signed bytes leave a payer.
    Left { by: ProcId, payee: u64, signed: Signed },
    /// A person gave a command.
    Said(Command),
}

/// A task and one of its attempts.
pub(crate) type Attempt = (Kind, Key, u32);

#[derive(Default)]
pub(crate) struct Witness {
    /// The newest state of a gate that each process has heard or read.
    seen: BTreeMap<(ProcId, GateName), (Epoch, GateState, Millis)>,
    /// How far each process knows the gate log without a gap, and the newest message that it has
    /// heard over a gap.
    heard: BTreeMap<ProcId, (u64, u64)>,
    /// When each process put the newest question about the gates that was answered.
    confirmed: BTreeMap<ProcId, Millis>,
    /// When the newest link of each chain was stored.
    pub(crate) linked: BTreeMap<(Kind, Key), Millis>,
    /// Every claim that was stored, by attempt.
    pub(crate) claims: BTreeMap<Attempt, Rc<TaskState>>,
    /// How attempts ended: the link that ended them.
    pub(crate) ends: BTreeMap<Attempt, Rc<TaskState>>,
    /// Attempts whose work began: by whom, and when their message had been asked for.
    pub(crate) begun: BTreeMap<Attempt, (ProcId, Millis)>,
    /// The gate log.
    pub(crate) gates: BTreeMap<GateName, Vec<Rc<Gate>>>,
    /// When each gate message was stored.
    moved: BTreeMap<(GateName, Epoch), Millis>,
    /// Since when each kind's consumer has had which limit.
    limits: BTreeMap<Kind, Vec<(Millis, i64)>>,
    /// What was said by people.
    pub(crate) said: Vec<Command>,
    /// Every nonce whose bytes left: for whom, and which bytes.
    pub(crate) left: BTreeMap<u64, (u64, Vec<u8>)>,
    /// In which incident of its gate a failure was counted.
    pub(crate) counted: BTreeMap<(GateName, String), u64>,
    /// Every version of each incident's record, the newest last.
    records: BTreeMap<(GateName, u64), Vec<Rc<Incident>>>,
    /// Every outcome that was told, by the id of its event, and when that was first stored.
    pub(crate) told: BTreeMap<String, (Millis, Rc<Told>)>,
    /// How much of the chain was looked at.
    pub(crate) mined: usize,
    /// How often each payee was paid.
    pub(crate) paid: BTreeMap<u64, u32>,
}

impl Witness {
    /// A process heard or read a gate.
    pub(crate) fn saw(&mut self, by: ProcId, gate: &Gate, now: Millis) {
        let seen = (gate.epoch, gate.state, now);
        let newest = self.seen.entry((by, gate.name.clone())).or_insert(seen);
        if newest.0 < gate.epoch {
            *newest = seen;
        }
    }

    /// A process heard a repeated gate message.
    pub(crate) fn heard(&mut self, by: ProcId, seq: u64, prev: u64) {
        let (known, over) = self.heard.entry(by).or_default();
        if prev <= *known {
            *known = seq.max(*known);
        } else {
            *over = seq.max(*over);
        }
    }

    /// A process has read every gate, up to `token`.
    pub(crate) fn has_read(&mut self, by: ProcId, token: u64) {
        let (known, _) = self.heard.entry(by).or_default();
        *known = token.max(*known);
    }

    pub(crate) fn has_hole(&self, by: ProcId) -> bool {
        self.heard.get(&by).is_some_and(|(known, over)| known < over)
    }

    /// A question about the newest gate message, put at `asked`, was answered.
    pub(crate) fn confirmed(&mut self, by: ProcId, asked: Millis) {
        let newest = self.confirmed.entry(by).or_insert(asked);
        *newest = (*newest).max(asked);
    }

    pub(crate) fn seen(&self, by: ProcId, gate: &GateName) -> Option<GateState> {
        self.seen.get(&(by, gate.clone())).map(|(_, state, _)| *state)
    }

    pub(crate) fn blind_for(&self, by: ProcId, now: Millis) -> Millis {
        self.confirmed.get(&by).map_or(Millis::MAX, |asked| now - asked)
    }

    /// The gate's newest message but for the one just stored.
    pub(crate) fn before(&self, gate: &Gate) -> Option<Rc<Gate>> {
        self.gates.get(&gate.name)?.last().cloned()
    }

    pub(crate) fn gate_at(&self, name: &GateName, epoch: Epoch) -> Option<Rc<Gate>> {
        let mut log = self.gates.get(name)?.iter();
        log.find(|gate| gate.epoch == epoch).cloned()
    }

    /// The greatest limit that a kind's consumer has had since the opening of `gate` in which
    /// it stands at `epoch`.
    pub(crate) fn limit_since(&self, kind: &Kind, name: &GateName, epoch: Epoch) -> i64 {
        let opening = self.gate_at(name, epoch).map_or(epoch, |gate| gate.opening);
        let since = self.moved.get(&(name.clone(), opening)).copied().unwrap_or(0);
        let all = self.limits.get(kind).map_or(&[][..], Vec::as_slice);
        // The one that was in force when it began, and those since.
        let begins = all.partition_point(|(at, _)| *at <= since).saturating_sub(1);
        all[begins..].iter().map(|(_, limit)| *limit).max().unwrap_or(i64::MAX)
    }

    /// When a message of a gate was stored.
    pub(crate) fn stored_at(&self, gate: &Gate) -> Option<Millis> {
        self.moved.get(&(gate.name.clone(), gate.epoch)).copied()
    }

    /// Every version of an incident's record, the newest last.
    pub(crate) fn records(&self, gate: &GateName, number: u64) -> &[Rc<Incident>] {
        self.records.get(&(gate.clone(), number)).map_or(&[], Vec::as_slice)
    }

    /// When a process heard or read the newest state of a gate that it knows.
    pub(crate) fn seen_at(&self, by: ProcId, gate: &GateName) -> Millis {
        self.seen.get(&(by, gate.clone())).map_or(0, |(_, _, at)| *at)
    }

    /// The claims under which a task was, or is, the canary of that very opening.
    pub(crate) fn canaries<'a>(
        &'a self,
        name: &'a GateName,
        epoch: Epoch,
    ) -> impl Iterator<Item = &'a Attempt> {
        let its = move |state: &TaskState| {
            let mut admitted = state.admitted.iter();
            state.canary.contains(name) && admitted.any(|it| it.gate == *name && it.epoch == epoch)
        };
        self.claims.iter().filter(move |(_, state)| its(state)).map(|(attempt, _)| attempt)
    }

    /// Remembers a fact, once it was judged.
    pub(crate) fn remember(&mut self, fact: &Fact, now: Millis) {
        match fact {
            Fact::Stored { stored, before, .. } => {
                self.remember_stored(stored, before.as_ref(), now);
            }
            Fact::Limited { kind, limit } => {
                self.limits.entry(kind.clone()).or_default().push((now, *limit));
            }
            Fact::Began { by, state, asked, .. } => {
                self.begun.insert(attempt(state), (*by, *asked));
            }
            Fact::Left { payee, signed, .. } => {
                self.left.entry(signed.nonce).or_insert((*payee, signed.bytes.clone()));
            }
            Fact::Said(command) => self.said.push(command.clone()),
            Fact::Removed { .. } | Fact::Acted { .. } => (),
        }
    }

    fn remember_stored(&mut self, stored: &Stored, before: Option<&Stored>, now: Millis) {
        match &stored.body {
            Body::State(state) => {
                let key = (state.kind.clone(), state.source_key.key());
                self.linked.insert(key, now);
                if let Phase::Claimed(_) = state.phase {
                    self.claims.entry(attempt(state)).or_insert_with(|| state.clone());
                } else if let Some(Stored { body: Body::State(before), .. }) = before
                    && matches!(before.phase, Phase::Claimed(_))
                {
                    self.ends.insert(attempt(before), state.clone());
                }
            }
            Body::Gate(gate) => {
                self.moved.insert((gate.name.clone(), gate.epoch), now);
                self.gates.entry(gate.name.clone()).or_default().push(gate.clone());
            }
            Body::Incident(incident) => {
                for failure in &incident.failures {
                    let event = (incident.gate.clone(), failure.event.clone());
                    self.counted.entry(event).or_insert(incident.number);
                }
                let line = (incident.gate.clone(), incident.number);
                self.records.entry(line).or_default().push(incident.clone());
            }
            Body::Told(told) => {
                self.told.entry(told.id()).or_insert_with(|| (now, told.clone()));
            }
            _ => (),
        }
    }
}

/// The newest attempt of a state.
pub(crate) fn attempt(state: &TaskState) -> Attempt {
    (state.kind.clone(), state.source_key.key(), state.attempt)
}

/// Nothing was tried under the claim that ended so.
pub(crate) const fn tried_nothing(end: &TaskState) -> bool {
    matches!(end.phase, Phase::Returned { cause: None, .. } | Phase::Withdrawn { .. })
}
