//! One row: a fault, and what has to come of it.

use std::{collections::BTreeSet, time::Duration};

use domain::{Payment, PaymentStage, Phase, TaskState};
use serde_json::{Value, json};
use wire::Wire as _;

use crate::{
    harness::{Job, Servers, eventually},
    payments::bench::{
        closed_for, cycles, failures, ledger, no_gate_moved, only_gate_moved, open, stat, states,
    },
};

/// How a row ends.
#[derive(Clone, Debug)]
enum End {
    /// The task is completed, and this proves the payment.
    Paid(&'static str),
    /// Paid, and the message refused for good: the task is dead of `inbox.undelivered`.
    Undelivered,
    /// Nothing was ever paid: the task is dead of what was told.
    Dead,
    /// Nothing is paid yet, and for so long nothing is posted.
    Waits(Duration),
}

pub(super) struct Row {
    relay: &'static str,
    wallets: usize,
    faults: Value,
    tells: Option<&'static str>,
    also: Vec<&'static str>,
    doubts: Option<&'static str>,
    closes: Option<&'static str>,
    posts: u64,
    redeems: u64,
    signed: u64,
    end: End,
}

impl Row {
    /// With these knobs. Nothing is told; one post pays.
    pub(super) fn of(faults: Value) -> Row {
        Row {
            relay: "march",
            wallets: 1,
            faults,
            tells: None,
            also: Vec::new(),
            doubts: None,
            closes: None,
            posts: 1,
            redeems: 0,
            signed: 1,
            end: End::Paid("delivered"),
        }
    }

    /// The first paid post is answered so, having done nothing: the same bytes are posted again.
    pub(super) fn paid(status: u16, body: Value) -> Row {
        let answer = json!({ "to": "paid", "status": status, "body": body });
        Row { posts: 2, ..Row::of(json!({ "scripted": [answer] })) }
    }

    /// The same with the terms once more.
    pub(super) fn paid_402(body: Value) -> Row {
        let answer = json!({ "to": "paid", "status": 402, "body": body, "terms": true });
        Row { posts: 2, ..Row::of(json!({ "scripted": [answer] })) }
    }

    /// It had settled, whatever the answer said: one post, and the transfer buys the message.
    pub(super) fn though_settled(mut self) -> Row {
        self.faults["scripted"][0]["after"] = json!("settled");
        Row { posts: 1, redeems: 1, end: End::Paid("redeemed"), ..self }
    }

    /// The relay of today takes the payment and stages it.
    pub(super) fn today(self) -> Row {
        Row { relay: "today", ..self }
    }

    pub(super) fn wallets(self, wallets: usize) -> Row {
        Row { wallets, ..self }
    }

    /// The other side asks to wait so long, in the header.
    pub(super) fn after(mut self, seconds: u64) -> Row {
        self.faults["scripted"][0]["retry_after"] = json!(seconds);
        self
    }

    /// What the first failure is told as, and kept as.
    pub(super) fn tells(self, cause: &'static str) -> Row {
        Row { tells: Some(cause), doubts: self.doubts.or(Some(cause)), ..self }
    }

    /// What is told without any doubt about a payment.
    pub(super) fn tells_before(self, cause: &'static str) -> Row {
        Row { tells: Some(cause), ..self }
    }

    /// What may be told beside it, also before.
    pub(super) fn also(mut self, cause: &'static str) -> Row {
        self.also.push(cause);
        self
    }

    /// What the record calls its doubt, told or not.
    pub(super) fn doubts(self, cause: &'static str) -> Row {
        Row { doubts: Some(cause), ..self }
    }

    /// The first failure closes this gate, and a person opens it.
    pub(super) fn closes(self, gate: &'static str) -> Row {
        Row { closes: Some(gate), ..self }
    }

    pub(super) fn posts(self, posts: u64) -> Row {
        Row { posts, ..self }
    }

    pub(super) fn redeems(self, redeems: u64) -> Row {
        Row { redeems, ..self }
    }

    /// So many distinct payments are signed, one after the other.
    pub(super) fn signed(self, signed: u64) -> Row {
        Row { signed, ..self }
    }

    pub(super) fn proved(self, proof: &'static str) -> Row {
        Row { end: End::Paid(proof), ..self }
    }

    pub(super) fn undelivered(self) -> Row {
        Row { end: End::Undelivered, doubts: Some("inbox.unavailable"), ..self }
    }

    /// Nothing is signed, and the task's budget is spent.
    pub(super) fn dies(self) -> Row {
        Row { end: End::Dead, posts: 0, signed: 0, doubts: None, ..self }
    }

    /// The row ends with the first post: nothing is posted for so long.
    pub(super) fn waits(self, seconds: u64) -> Row {
        Row { end: End::Waits(Duration::from_secs(seconds)), posts: 1, ..self }
    }

    /// Plays the row and judges it.
    pub(super) async fn holds(self) {
        let job = self.set().await;
        let _services = job.spawn_all(1).await;
        if let Some(cause) = self.tells {
            self.first_failure(&job, cause).await;
        }
        if let (Some(gate), Some(cause)) = (self.closes, self.tells) {
            closed_for(&job, gate, cause).await;
            let posts = stat(&job, "paid_posts").await;
            cycles(&job, 2).await;
            assert_eq!(stat(&job, "paid_posts").await, posts, "G2: posted through a closed gate");
            open(&job, gate).await;
        }
        self.comes_to_its_end(&job).await;
        self.is_recorded(&job).await;
        self.is_told(&job).await;
        self.is_sent_and_paid(&job).await;
    }

    /// One agent, and times that suit a row.
    async fn set(&self) -> Job {
        let relay = self.relay.to_owned();
        let job = Job::set_as(
            Servers::wanted(),
            1,
            |settings| {
                settings.relay = relay;
                settings.every = Duration::from_millis(250);
                settings.unconfirmed_after = Duration::from_secs(60);
            },
            |toml| {
                toml.replace("attempts = 5", "attempts = 2")
                    .replace("rest = \"1s\"", "rest = \"200ms\"")
                    .replace("timeout = \"5s\"", "timeout = \"15s\"")
                    .replace("ask_every = \"1s\"", "ask_every = \"300ms\"")
            },
        )
        .await;
        if self.wallets != 1 {
            job.control("reset", json!({ "wallets": self.wallets })).await;
        }
        job.control("faults", self.faults.clone()).await;
        job
    }

    /// T1: the first thing that is told has its cause, names its gate, and is charged to the
    /// task only where the task is to blame.
    async fn first_failure(&self, job: &Job, cause: &str) {
        let passing = |told: &Value| self.also.iter().any(|cause| told["data"]["cause"] == *cause);
        let first = eventually("a failure to be told", || async {
            let told = job.world.events("event.failure.>").await;
            told.into_iter().find(|told| told["data"]["cause"] == cause || !passing(told))
        })
        .await;
        let first = &first["data"];
        let rule = cause.parse::<domain::Cause>().unwrap().rule().unwrap().blame();
        let gate = match &rule {
            domain::Blame::Shared { gate, .. } => json!(gate.to_string()),
            domain::Blame::Own | domain::Blame::Nobody => Value::Null,
        };
        let charged = rule == domain::Blame::Own;
        assert_eq!(
            (&first["cause"], &first["charged"], &first["gate"]),
            (&json!(cause), &json!(charged), &gate),
            "{first}"
        );
    }

    async fn comes_to_its_end(&self, job: &Job) {
        let Some(wanted) = self.word() else { return };
        let state = eventually(format!("the task to be {wanted}"), || async {
            let state = states(job).await.into_iter().next()?;
            (state.word() == wanted).then_some(state)
        })
        .await;
        let dead_of = match &self.end {
            End::Undelivered => "inbox.undelivered",
            End::Dead => self.tells.unwrap(),
            End::Paid(_) | End::Waits(_) => return,
        };
        assert!(matches!(&state.phase, Phase::Dead { cause } if cause.as_str() == dead_of));
    }

    /// How the task stands in the end.
    const fn word(&self) -> Option<&'static str> {
        match self.end {
            End::Paid(_) => Some("completed"),
            End::Undelivered | End::Dead => Some("dead"),
            End::Waits(_) => None,
        }
    }

    /// M2, M3: what the record keeps.
    async fn is_recorded(&self, job: &Job) {
        let stored = job.world.stored("RECORD", "pay.>").await;
        let payees: BTreeSet<_> = stored.iter().map(|step| &step.subject).collect();
        assert!(payees.len() <= 1, "one payee, one payment: {payees:?}");
        let Some(last) = stored.last() else {
            return assert!(matches!(self.end, End::Dead), "nothing is on record");
        };
        let payment = Payment::decode(&last.body).unwrap();
        let history: Vec<_> = payment.history.iter().map(|note| note.what.as_str()).collect();
        let doubt = |note: &&str| note.starts_with("in doubt: ");
        let first = history.iter().find(|note| doubt(note));
        let wanted = self.doubts.map(|cause| format!("in doubt: {cause}"));
        assert_eq!(first.copied(), wanted.as_deref(), "{history:?}");
        match (&self.end, &payment.stage) {
            (End::Paid(proof), PaymentStage::Settled(_, settlement)) => {
                assert_eq!(settlement.proof.word(), *proof, "{history:?}");
                assert!(settlement.message.is_some());
            }
            (End::Undelivered, PaymentStage::Settled(_, settlement)) => {
                assert_eq!((settlement.proof.word(), &settlement.message), ("chain", &None));
            }
            (End::Waits(time), PaymentStage::Unknown(..)) => waits(job, *time).await,
            (end, stage) => panic!("{end:?}, and on record {stage:?}: {history:?}"),
        }
    }

    /// T1, G2: nothing else was told, and no other gate has moved.
    async fn is_told(&self, job: &Job) {
        let failures = failures(job).await;
        let undelivered = matches!(self.end, End::Undelivered).then_some("inbox.undelivered");
        let expected = |cause: &str| {
            self.tells == Some(cause) || self.also.contains(&cause) || undelivered == Some(cause)
        };
        assert!(failures.iter().all(|told| expected(&told.cause)), "{failures:?}");
        if self.tells.is_none() && undelivered.is_none() {
            assert!(failures.is_empty(), "{failures:?}");
        }
        match self.closes {
            Some(gate) => only_gate_moved(job, gate).await,
            None => no_gate_moved(job).await,
        }
    }

    /// M1, M3: the same bytes, so many times; and what moved in the end.
    async fn is_sent_and_paid(&self, job: &Job) {
        let counts = [
            stat(job, "paid_posts").await,
            stat(job, "redeem_posts").await,
            stat(job, "distinct_payments").await,
        ];
        assert_eq!(counts, [self.posts, self.redeems, self.signed], "posts, redeems, signed");
        let ledger = ledger(job).await;
        let transfers = ledger["transfers"].as_array().unwrap();
        let paid = matches!(self.end, End::Paid(_) | End::Undelivered);
        assert_eq!(transfers.len(), usize::from(paid), "M1: {ledger}");
        for transfer in transfers {
            assert_eq!(transfer["amount"], 100, "{ledger}");
            let delivered = matches!(self.end, End::Paid(_));
            assert_eq!(transfer["delivered"], delivered, "{ledger}");
        }
    }
}

/// The task rests for so long, less what has passed since it was told, and a little.
async fn waits(job: &Job, time: Duration) {
    let state = eventually("the task to rest", || async {
        let state = states(job).await.into_iter().next()?;
        due(&state).is_some().then_some(state)
    })
    .await;
    let rests = due(&state).unwrap().since(state.at);
    assert!(time <= rests + Duration::from_secs(1), "{rests:?} of {time:?}");
}

const fn due(state: &TaskState) -> Option<domain::Timestamp> {
    match &state.phase {
        Phase::Resting { due, .. } | Phase::Returned { due, .. } => Some(*due),
        _ => None,
    }
}
