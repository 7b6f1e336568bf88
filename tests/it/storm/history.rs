//! What is left of a storm, as the judge reads it: the stored streams, the tape, the sandbox's
//! ledger, and what the storm itself saw.

use std::collections::{BTreeMap, BTreeSet};

use bus::{Bus, Stored};
use domain::{
    Admission, Canary, Config, Gate, GateName, Incident, Key, Kind, Payment, TaskState, Wallet,
};
use serde_json::Value;
use wire::{Wire, event::AttemptTold, subject};

use super::tape::TAPE;

/// The most messages that are read over one subject.
const MANY: usize = 1_000_000;

/// Everything that is judged.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) config: Option<Config>,
    /// The whole gate log, in the order of the stream.
    pub(super) gates: Vec<At<Gate>>,
    /// Every task message that was seen in the queue.
    pub(super) creates: Vec<Create>,
    /// What is in the queue at the end.
    pub(super) queued: Vec<(Kind, Key)>,
    /// The links of every chain that the tape has; a superseded one may be missing where NATS
    /// itself was down.
    pub(super) links: Vec<At<TaskState>>,
    /// The sequences of the tape behind which it misses some.
    pub(super) gaps: BTreeSet<u64>,
    /// The newest link of each chain.
    pub(super) states: BTreeMap<(Kind, Key), TaskState>,
    pub(super) payments: Vec<(Key, At<Payment>)>,
    pub(super) wallets: Vec<At<Wallet>>,
    pub(super) contacts: Vec<Key>,
    pub(super) canaries: Vec<At<Canary>>,
    pub(super) incidents: Vec<At<Incident>>,
    /// Every attempt that was told, with the subject and the id of its event.
    pub(super) told: Vec<Told>,
    /// The ids of all events, and when they were stored.
    pub(super) event_ids: Vec<(String, u64)>,
    pub(super) transfers: Vec<Transfer>,
    /// The next nonce of the wallet by the chain.
    pub(super) chain_nonce: Option<u64>,
    /// What the service of the chores was asked.
    pub(super) asked: Vec<Asked>,
    pub(super) ordered: Vec<Ordered>,
    /// When something was frozen or cut off, which delays whoever acts: from, to.
    pub(super) disturbed: Vec<(u64, u64)>,
    /// What could not be read.
    pub(super) unreadable: Vec<String>,
}

/// A stored value, its sequence, and when the server stored it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct At<T> {
    pub(super) seq: u64,
    pub(super) ms: u64,
    pub(super) value: T,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Create {
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) created_by: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) key: Key,
    pub(super) told: AttemptTold,
}

/// sBTC that moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transfer {
    pub(super) recipient: String,
    pub(super) amount: u64,
    pub(super) nonce: u64,
}

/// A request as the service of the chores saw it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) source_key: String,
    pub(super) attempt: u32,
    pub(super) holder: String,
    pub(super) admitted: Vec<Admission>,
    pub(super) at_ms: u64,
}

/// A chore that the storm has created, or may have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ordered {
    pub(super) source_key: String,
    /// `None`: there was no answer.
    pub(super) seq: Option<u64>,
}

impl History {
    /// Reads all that is stored.
    pub(super) async fn read(&mut self, bus: &Bus) -> anyhow::Result<()> {
        let mut bad = Vec::new();
        self.gates = all(bus, subject::WORK, "gate.>", &mut bad).await?;
        let tape = bus.all(TAPE, ">", MANY).await?;
        let missing = tape.windows(2).filter(|pair| pair[0].seq + 1 != pair[1].seq);
        self.gaps = missing.map(|pair| pair[0].seq).collect();
        for stored in tape.iter().filter(|stored| stored.subject.starts_with("state.")) {
            match read(stored) {
                Some(link) => self.links.push(link),
                None => bad.push(stored.subject.clone()),
            }
        }
        let queued = bus.all(subject::WORK, "task.>", MANY).await?;
        self.queued = queued.iter().filter_map(|it| subject::parse_task(&it.subject)).collect();
        for stored in bus.all(subject::STATE, "state.>", MANY).await? {
            let task = stored.subject.replacen("state.", "task.", 1);
            match (subject::parse_task(&task), TaskState::decode(&stored.body)) {
                (Some(at), Ok(state)) => drop(self.states.insert(at, state)),
                _ => bad.push(stored.subject),
            }
        }
        for stored in bus.all(subject::RECORD, "pay.>", MANY).await? {
            let key = stored.subject.trim_start_matches("pay.").parse();
            match (key, read::<Payment>(&stored)) {
                (Ok(key), Some(payment)) => self.payments.push((key, payment)),
                _ => bad.push(stored.subject),
            }
        }
        self.wallets = all(bus, subject::RECORD, "nonce.>", &mut bad).await?;
        self.canaries = all(bus, subject::RECORD, "canary.>", &mut bad).await?;
        self.incidents = all(bus, subject::RECORD, "incident.>", &mut bad).await?;
        let contacts = bus.all(subject::RECORD, "contact.>", MANY).await?;
        let key = |it: &Stored| it.subject.trim_start_matches("contact.").parse().ok();
        self.contacts = contacts.iter().filter_map(key).collect();
        self.config = Some(fleet::current_config(bus).await?.config);
        self.unreadable.extend(bad);
        self.read_events(bus).await
    }

    async fn read_events(&mut self, bus: &Bus) -> anyhow::Result<()> {
        for stored in bus.all(subject::EVENTS, "event.>", MANY).await? {
            let Ok(event) = serde_json::from_slice::<Value>(&stored.body) else { continue };
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            self.event_ids.push((id.clone(), stored.at_ms));
            if let Ok(told) = AttemptTold::from_json(&stored.body) {
                let subject = stored.subject;
                self.told.push(Told { id, subject, key: told.source_key.key(), told });
            }
        }
        Ok(())
    }

    /// Gate messages and links in the order of time, one a line: for whoever looks why a
    /// promise broke.
    pub(super) fn timeline(&self) -> String {
        let mut lines: Vec<(u64, String)> = Vec::new();
        for gate in &self.gates {
            lines.push((gate.ms, format!("gate {} {:?}", gate.seq, gate.value)));
        }
        for link in &self.links {
            lines.push((link.ms, format!("link {} {:?}", link.seq, link.value)));
        }
        for (key, payment) in &self.payments {
            let (ms, payment) = (payment.ms, &payment.value);
            let (word, to) = (payment.word(), &payment.payee.address);
            let what = payment.history.last().map_or("", |note| note.what.as_str());
            lines.push((ms, format!("payment {key} {word} {to}: {what}")));
        }
        for canary in &self.canaries {
            lines.push((canary.ms, format!("canary {:?}", canary.value)));
        }
        for (from, to) in &self.disturbed {
            lines.push((*from, format!("disturbed until {to}")));
        }
        lines.sort();
        lines.into_iter().map(|(ms, line)| format!("{ms} {line}\n")).collect()
    }

    /// The log of one gate.
    pub(super) fn log_of<'a>(&'a self, gate: &'a GateName) -> impl Iterator<Item = &'a At<Gate>> {
        self.gates.iter().filter(move |at| at.value.name == *gate)
    }

    /// The gates that a kind needs.
    pub(super) fn needs(&self, kind: &Kind) -> Vec<GateName> {
        self.config.as_ref().map(|config| config.needs(kind)).unwrap_or_default()
    }

    /// Whether the tape has everything from one sequence to another.
    pub(super) fn whole(&self, from: u64, to: u64) -> bool {
        self.gaps.range(from..to).next().is_none()
    }

    /// How much of the time from `from` to `to` something was frozen or cut off.
    pub(super) fn disturbed_between(&self, from: u64, to: u64) -> u64 {
        let spans = self.disturbed.iter();
        spans.map(|(begin, end)| to.min(*end).saturating_sub(from.max(*begin))).sum()
    }

    /// Every chain that the tape has, oldest link first.
    pub(super) fn chains(&self) -> BTreeMap<(Kind, Key), Vec<&At<TaskState>>> {
        let mut chains: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for link in &self.links {
            let at = (link.value.kind.clone(), link.value.source_key.key());
            chains.entry(at).or_default().push(link);
        }
        chains
    }

    /// Every payment's record, oldest first.
    pub(super) fn payment_chains(&self) -> BTreeMap<Key, Vec<&At<Payment>>> {
        let mut chains: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, payment) in &self.payments {
            chains.entry(*key).or_default().push(payment);
        }
        chains
    }
}

async fn all<T: Wire>(
    bus: &Bus,
    stream: &str,
    over: &str,
    bad: &mut Vec<String>,
) -> anyhow::Result<Vec<At<T>>> {
    let mut found = Vec::new();
    for stored in bus.all(stream, over, MANY).await? {
        match read(&stored) {
            Some(value) => found.push(value),
            None => bad.push(stored.subject),
        }
    }
    Ok(found)
}

fn read<T: Wire>(stored: &Stored) -> Option<At<T>> {
    let value = T::decode(&stored.body).ok()?;
    Some(At { seq: stored.seq, ms: stored.at_ms, value })
}
