//! A world whose record, inbox and chain agree, to be told as it is or with one thing wrong.

use std::{collections::BTreeSet, time::Duration};

use domain::{
    Cause, Doubt, Letter, Payee, Payment, PaymentNote, PaymentStage as Stage, Proof, Rejection,
    Sats, Sent, Settlement, Signed, Staged, Timestamp, Unfinished, Wallet,
};
use logic::{
    payment::WalletFacts,
    reconcile::{Book, Contacts, Did, Facts, Listed, Mined, SentMessage, horizon},
};
use proptest::prelude::*;

pub const WALLET: &str = "SPWALLET";
const HOUR: u64 = 3_600_000;
/// When all of them begin.
const EPOCH: u64 = 100 * 24 * HOUR;
pub const SETTLES: Duration = Duration::from_secs(600);
pub const FINISHES: Duration = Duration::from_secs(7_200);

/// What became of one agent; those whose nonce the chain has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Welcomed,
    /// A message of ours was there before, bought by a transfer older than the record.
    Before,
    /// The transfer was aborted, and a task was told.
    Aborted,
    /// A transfer from before the record; a person has put the contact on record.
    Imported,
    /// Somebody queued it and nothing was signed.
    Waiting,
    /// Signed for, and the gate never opened: its nonce goes to the next.
    Unsent,
    /// The payer has settled it by the chain; the inbox delivered once redeemed.
    Redeemed,
}

/// What is under way: those whose nonce the chain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Settled,
    Sent,
    Staged,
    Unknown,
    /// The chain has it, and the payer does not know yet.
    Arrived,
}

pub fn past() -> impl Strategy<Value = Past> {
    prop_oneof![
        8 => Just(Past::Welcomed),
        1 => Just(Past::Before),
        1 => Just(Past::Aborted),
        1 => Just(Past::Imported),
        1 => Just(Past::Waiting),
        1 => Just(Past::Unsent),
        1 => Just(Past::Redeemed),
    ]
}

pub fn open() -> impl Strategy<Value = Open> {
    prop_oneof![
        Just(Open::Settled),
        Just(Open::Sent),
        Just(Open::Staged),
        Just(Open::Unknown),
        Just(Open::Arrived),
    ]
}

/// Record, inbox and chain, one agent an hour. What is under way is minutes old.
#[derive(Clone, Debug)]
pub struct World {
    pub facts: Facts,
    pub mined: Vec<Mined>,
    pub sent: Vec<SentMessage>,
    next: u64,
    at: u64,
    agents: u8,
}

impl World {
    pub fn new(past: &[Past], open: &[Open]) -> World {
        let record = Wallet {
            address: WALLET.to_owned(),
            next: 0,
            unfinished: vec![],
            holes: vec![],
            spent: 0,
        };
        let book = Book {
            record,
            nonces: Ok(WalletFacts::default()),
            mined: Err(String::new()),
            sent: Err(String::new()),
        };
        let facts = Facts {
            asked: Timestamp::default(),
            since: Timestamp::default(),
            settles_within: SETTLES,
            finishes_within: FINISHES,
            payments: vec![],
            contacts: Contacts::default(),
            wallets: vec![book],
        };
        let (mined, sent) = (vec![], vec![]);
        let mut world = World { facts, mined, sent, next: 0, at: EPOCH, agents: 0 };
        for past in past {
            world.at += HOUR;
            world.live(*past);
        }
        // Long after, so that only what is under way is recent.
        world.at += 3 * HOUR;
        let chain_next = world.next;
        let mut arrived = chain_next;
        for open in open {
            world.at += 1_000;
            if world.begin(*open, arrived == world.next) {
                arrived = world.next;
            }
        }
        let book = &mut world.facts.wallets[0];
        book.record.next = world.next;
        let waiting = book.record.unfinished.iter().map(|holder| holder.nonce);
        let mempool = waiting.filter(|nonce| arrived <= *nonce).collect();
        book.nonces = Ok(WalletFacts { chain_next: arrived, mempool, balance: None });
        world.facts.asked = Timestamp::from_millis(world.at + 1_000);
        world
    }

    /// The facts for everything since so many hours ago, the lists read no further than needed.
    pub fn told(&self, hours: Option<u64>) -> Facts {
        let mut facts = self.facts.clone();
        let since = hours.map_or(0, |hours| facts.asked.as_millis().saturating_sub(hours * HOUR));
        facts.since = Timestamp::from_millis(since);
        let wallets: Vec<Wallet> = facts.wallets.iter().map(|book| book.record.clone()).collect();
        let back = horizon(&facts.payments, &wallets, facts.since);
        let recent = |at: Option<Timestamp>| at.is_none_or(|at| back <= at);
        let mined = self.mined.iter().filter(|found| recent(found.at)).cloned();
        let sent = self.sent.iter().filter(|found| recent(found.at)).cloned();
        let book = &mut facts.wallets[0];
        book.mined = Ok(Listed { entries: mined.collect(), whole_since: back, cut: None });
        book.sent = Ok(Listed { entries: sent.collect(), whole_since: back, cut: None });
        facts
    }

    /// The payments that are settled by a transfer.
    pub fn settled(&self) -> Vec<usize> {
        let paid = |payment: &Payment| payment.settled() && payment.signed().is_some();
        (0..self.facts.payments.len()).filter(|at| paid(&self.facts.payments[*at])).collect()
    }

    pub fn of(&mut self, agent: &str) -> &mut Payment {
        let mut payments = self.facts.payments.iter_mut();
        payments.find(|payment| payment.payee.address == agent).unwrap()
    }

    pub fn book(&mut self) -> &mut Book {
        &mut self.facts.wallets[0]
    }

    pub fn transfer(&mut self, to: &str, nonce: u64) {
        let to = to.to_owned();
        self.mine(nonce, Did::Moved { to, sats: 100 });
    }

    fn live(&mut self, past: Past) {
        let mut payment = self.agent();
        let agent = payment.payee.address.clone();
        match past {
            Past::Welcomed | Past::Redeemed => {
                let nonce = self.take();
                let proof = if past == Past::Welcomed { Proof::Delivered } else { Proof::Redeemed };
                payment.stage = settled(Some(signed(nonce)), proof);
                self.transfer(&agent, nonce);
                self.write(&agent);
                self.meet(&payment);
            }
            Past::Before => {
                (payment.stage, payment.amount) =
                    (settled(None, Proof::EarlierMessage), Sats::ZERO);
                let nonce = self.take();
                self.transfer(&agent, nonce);
                self.write(&agent);
                self.meet(&payment);
            }
            Past::Aborted => {
                let nonce = self.take();
                let (why, txid) = ("aborted".to_owned(), "ab".repeat(32));
                let rejection = Rejection::SpentElsewhere { txid, aborted: true, why, told: true };
                payment.stage = Stage::Rejected(Some(signed(nonce)), rejection);
                self.mine(nonce, Did::Aborted);
            }
            Past::Imported => {
                let nonce = self.take();
                self.transfer(&agent, nonce);
                self.write(&agent);
                self.facts.contacts.agents.insert(agent);
                return;
            }
            Past::Waiting => (),
            Past::Unsent => {
                let why = "withdrawn".to_owned();
                payment.stage = Stage::Rejected(Some(signed(self.next)), Rejection::Unsent { why });
            }
        }
        self.facts.payments.push(payment);
    }

    /// Whether it has arrived.
    fn begin(&mut self, open: Open, first: bool) -> bool {
        let mut payment = self.agent();
        let key = payment.key();
        let agent = payment.payee.address.clone();
        let nonce = self.take();
        let at = payment.at;
        let (signed, by) = (signed(nonce), "payer/1".to_owned());
        let sent = Sent { first: at, last: at, posts: 1, by };
        let doubt = || Doubt {
            since: at,
            cause: Cause::known("payment.unknown"),
            evidence: "no answer".to_owned(),
            untold_since: None,
            not_before: None,
        };
        payment.stage = match open {
            Open::Settled => settled(Some(signed), Proof::Delivered),
            Open::Sent => Stage::Sent(signed, sent),
            Open::Staged => {
                let (payment_id, check_url) = ("pay_1".to_owned(), None);
                Stage::Staged(signed, sent, Staged { payment_id, check_url, since: at })
            }
            Open::Unknown | Open::Arrived => Stage::Unknown(signed, sent, doubt()),
        };
        if open == Open::Settled {
            self.meet(&payment);
        }
        // The chain spends nonces in order.
        let arrived = open == Open::Arrived && first;
        if arrived {
            self.transfer(&agent, nonce);
            self.write(&agent);
        }
        let settled = (open == Open::Settled).then_some(at);
        let amount = payment.amount;
        let holder = Unfinished { nonce, payment: key, sent: true, settled, amount };
        self.book().record.unfinished.push(holder);
        self.facts.payments.push(payment);
        arrived
    }

    fn agent(&mut self) -> Payment {
        self.agents += 1;
        let address = format!("SP{}", self.agents);
        let at = Timestamp::from_millis(self.at);
        Payment {
            payee: Payee {
                network: "mainnet".to_owned(),
                address: address.clone(),
                version: 22,
                hash160: [self.agents; 20],
            },
            purpose: "welcome".to_owned(),
            source_key: format!("welcome/{address}").parse().unwrap(),
            wallet: WALLET.to_owned(),
            letter: Letter {
                to_btc: String::new(),
                to_stx: address,
                content: "Welcome".to_owned(),
            },
            amount: Sats::new(100),
            at,
            stage: Stage::Intent,
            unconfirmed_told: false,
            history: vec![PaymentNote { at, what: "intent: 100 sats".to_owned() }],
            reserved: None,
        }
    }

    fn take(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn mine(&mut self, nonce: u64, did: Did) {
        let at = Some(Timestamp::from_millis(self.at));
        self.mined.insert(0, Mined { nonce, txid: Some(format!("{nonce:064x}")), at, did });
    }

    pub fn write(&mut self, to: &str) {
        let at = Some(Timestamp::from_millis(self.at));
        let (message, to) = (format!("msg_{to}"), to.to_owned());
        self.sent.insert(0, SentMessage { message, to, at });
    }

    fn meet(&mut self, payment: &Payment) {
        self.facts.contacts.keys.insert(payment.key());
        self.facts.contacts.agents.insert(payment.payee.address.clone());
    }
}

pub fn signed(nonce: u64) -> Signed {
    let txid = "00".repeat(32);
    let (payment_id, header) = ("pay_ours".to_owned(), String::new());
    Signed { nonce, bytes: vec![1], txid, payment_id, header }
}

fn settled(signed: Option<Signed>, proof: Proof) -> Stage {
    let (txid, message) = (Some("aa".repeat(32)), Some("msg".to_owned()));
    Stage::Settled(signed, Settlement { txid, message, proof })
}

pub fn kinds(facts: &Facts) -> Vec<(&'static str, Option<String>)> {
    let findings = logic::reconcile::compare(facts);
    assert_eq!(findings.not_compared, BTreeSet::<String>::new().into_iter().collect::<Vec<_>>());
    let told = findings.differences.into_iter();
    told.map(|difference| (difference.kind.word(), difference.agent)).collect()
}
