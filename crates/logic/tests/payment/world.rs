//! A chain, a relay and an inbox that lose answers, stall, stick, lie and heal.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Cause, Key, Payee, Sats, Signed, Timestamp};
use logic::{
    classify::{Answer, Failure},
    payment::{ChainFacts, ChainTransaction, ChainWord, Fate, InboxWord, WalletFacts, judge},
};

pub const DEPTH: u32 = 2;

/// A transfer or whatever else took a nonce, on the chain.
#[derive(Clone, Debug)]
pub struct Mined {
    pub nonce: u64,
    /// `None`: somebody else's transaction.
    pub payee: Option<usize>,
    pub height: u64,
    /// The day on which the money moved.
    pub day: u64,
}

/// What the relay has taken in.
#[derive(Clone, Debug)]
struct Held {
    id: String,
    nonce: u64,
    payee: usize,
    /// The relay says that it failed. It may still confirm.
    disowned: bool,
}

#[derive(Debug)]
pub struct World {
    pub now: Timestamp,
    pub next: u64,
    pub height: u64,
    pub chain: Vec<Mined>,
    held: Vec<Held>,
    /// Posts that nobody waits for any more, and that are still on their way.
    transit: Vec<(u64, usize)>,
    pub messages: BTreeMap<usize, String>,
    pub stuck: bool,
    pub chain_silent: bool,
    pub inbox_silent: bool,
    pub healed: bool,
    /// The relay has no word for what it does not know.
    mute: bool,
    /// Every post that left a payer: nonce, payee, bytes.
    pub left: Vec<(u64, usize, Vec<u8>)>,
    pub withdrawn: BTreeSet<usize>,
}

pub fn payee(at: usize) -> Payee {
    let (network, mut hash160) = ("mainnet".to_owned(), [0; 20]);
    hash160[0] = u8::try_from(at).unwrap();
    Payee { network, address: format!("SP{at}"), version: 22, hash160 }
}

pub fn key(at: usize) -> Key {
    payee(at).key("welcome")
}

pub fn failure(cause: &'static str, in_doubt: bool) -> Failure {
    let (cause, evidence) = (Cause::known(cause), "model".to_owned());
    Failure { cause, evidence, retry_after: None, in_doubt }
}

impl World {
    pub fn new() -> Self {
        World {
            now: Timestamp::from_millis(1_000_000),
            next: 0,
            height: 10,
            chain: Vec::new(),
            held: Vec::new(),
            transit: Vec::new(),
            messages: BTreeMap::new(),
            stuck: false,
            chain_silent: false,
            inbox_silent: false,
            healed: false,
            mute: false,
            left: Vec::new(),
            withdrawn: BTreeSet::new(),
        }
    }

    pub fn paid(&self, payee: usize) -> usize {
        self.chain.iter().filter(|mined| mined.payee == Some(payee)).count()
    }

    /// A block: whatever waits for the next nonce is mined, unless the relay is stuck.
    pub fn block(&mut self) {
        self.height += 1;
        while !self.stuck
            && let Some(at) = self.held.iter().position(|held| held.nonce == self.next)
        {
            let payee = Some(self.held[at].payee);
            let (nonce, height, day) = (self.next, self.height, self.now.day());
            self.chain.push(Mined { nonce, payee, height, day });
            self.next += 1;
        }
    }

    /// Somebody else uses the wallet's key.
    pub fn foreign(&mut self) {
        self.height += 1;
        let (nonce, height, day) = (self.next, self.height, self.now.day());
        self.chain.push(Mined { nonce, payee: None, height, day });
        self.next += 1;
    }

    /// The relay loses what is not on the chain.
    pub fn forget(&mut self) {
        let next = self.next;
        self.held.retain(|held| held.nonce < next);
        self.mute = !self.mute;
    }

    /// A post that its payer has long given up arrives, in whichever order; or it arrives and
    /// is on its way once more.
    pub fn arrive(&mut self, dice: usize, again: bool) {
        if self.transit.is_empty() {
            return;
        }
        let at = dice % self.transit.len();
        let (nonce, payee) = if again { self.transit[at] } else { self.transit.remove(at) };
        if self.next <= nonce {
            self.hold(nonce, payee);
        }
    }

    pub fn probe(&self) -> (Answer, Option<Sats>) {
        if self.inbox_silent {
            return (Answer::Failure(failure("inbox.unavailable", false)), None);
        }
        (Answer::PaymentRequired, Some(Sats::new(100)))
    }

    pub fn inbox(&self, payee: usize) -> InboxWord {
        if self.inbox_silent {
            return InboxWord::Silent { failure: failure("inbox.unavailable", false) };
        }
        match self.messages.get(&payee) {
            Some(message) => InboxWord::Found { message: message.clone(), txid: None, same: true },
            None => InboxWord::Absent,
        }
    }

    /// The bytes leave; `dice` decides what becomes of them and of the answer.
    pub fn post(&mut self, payee: usize, signed: &Signed, dice: u8) -> Answer {
        self.left.push((signed.nonce, payee, signed.bytes.clone()));
        let dice = if self.healed { 200 } else { dice };
        let lost = Answer::Failure(failure("inbox.unavailable", true));
        if self.inbox_silent || dice < 20 {
            self.transit.push((signed.nonce, payee));
            return lost;
        }
        if let Some(message) = self.messages.get(&payee) {
            return Answer::AlreadyRedeemed { message: Some(message.clone()) };
        }
        if signed.nonce < self.next {
            return Answer::Failure(failure("wallet.sender-nonce", true));
        }
        let conflict = Answer::Failure(failure("relay.nonce-conflict", true));
        if (self.stuck && dice < 120) || dice < 30 {
            return conflict;
        }
        let payment_id = self.hold(signed.nonce, payee);
        match dice {
            ..50 => lost,
            50..70 => conflict,
            70..90 => Answer::Failure(failure("relay.unavailable", true)),
            90..120 if !self.stuck && signed.nonce == self.next => {
                self.block();
                Answer::Delivered { message: self.deliver(payee), txid: None }
            }
            _ => Answer::Staged { payment_id, check_url: None },
        }
    }

    fn hold(&mut self, nonce: u64, payee: usize) -> String {
        if let Some(held) = self.held.iter_mut().find(|held| held.nonce == nonce) {
            held.disowned = false;
            return held.id.clone();
        }
        let id = format!("pay_{nonce}_{payee}");
        self.held.push(Held { id: id.clone(), nonce, payee, disowned: false });
        id
    }

    pub fn poll(&mut self, payee: usize, id: &str, dice: u8) -> Answer {
        if self.inbox_silent {
            return Answer::Failure(failure("inbox.unavailable", true));
        }
        let lying = !self.healed && dice < 60;
        let next = self.next;
        let Some(held) = self.held.iter_mut().find(|held| held.id == id) else {
            // Either says so, or answers what says nothing.
            let failure = failure("payment.unknown", true);
            let mute = self.mute;
            return if mute { Answer::Failure(failure) } else { Answer::Disowned(failure) };
        };
        held.disowned |= lying;
        if held.disowned && !self.healed {
            let causes = ["relay.nonce-conflict", "relay.sponsor-failed", "payment.unknown"];
            return Answer::Disowned(failure(causes[usize::from(dice % 3)], true));
        }
        let ours = self.chain.iter().any(|m| m.nonce == held.nonce && m.payee == Some(payee));
        if ours {
            // A poll may or may not make the inbox deliver.
            if 100 < dice {
                self.deliver(payee);
            }
            return Answer::Confirmed { txid: None };
        }
        if held.nonce < next {
            return Answer::Disowned(failure("payment.unknown", true));
        }
        Answer::Staged { payment_id: id.to_owned(), check_url: None }
    }

    /// The chain's word. It never lies; it may be silent, or a block behind.
    pub fn ask_chain(&self, payee: usize, nonce: u64, dice: u8) -> ChainWord {
        if self.chain_silent {
            let facts = ChainFacts { trouble: "silent".to_owned(), ..ChainFacts::default() };
            return judge(&facts, nonce, DEPTH);
        }
        let behind = u64::from(!self.healed && dice < 60);
        let seen = |mined: &&Mined| mined.height + behind <= self.height;
        let found = self.chain.iter().filter(seen).find(|mined| mined.nonce == nonce);
        let next = self.chain.iter().filter(seen).map(|mined| mined.nonce + 1).max();
        // Some of its answers lack a field.
        let missing = if self.healed { 0 } else { dice % 16 };
        let at_nonce = found.map(|mined| ChainTransaction {
            txid: (missing != 1).then(|| format!("0x{nonce}")),
            height: (missing != 2).then_some(mined.height),
            fate: (missing != 3).then_some(Fate::Succeeded),
            ours: (missing != 4).then_some(mined.payee == Some(payee)),
            what: "a transaction".to_owned(),
        });
        let facts = ChainFacts {
            next_nonce: Some(next.unwrap_or(0)),
            tip: Some(self.height - behind),
            in_mempool: !self.stuck
                && self.held.iter().any(|held| held.nonce == nonce && !held.disowned)
                && 128 < dice,
            at_nonce: Some(at_nonce),
            trouble: String::new(),
        };
        judge(&facts, nonce, DEPTH)
    }

    /// What it says of the wallet: a block behind now and then, never ahead.
    pub fn wallet_facts(&self, dice: u8) -> Result<WalletFacts, String> {
        if self.chain_silent {
            return Err("silent".to_owned());
        }
        let behind = u64::from(!self.healed && dice < 60);
        let seen = |mined: &&Mined| mined.height + behind <= self.height;
        let next = self.chain.iter().filter(seen).map(|mined| mined.nonce + 1).max();
        let waiting = self.held.iter().filter(|held| !self.stuck && !held.disowned);
        let mempool = waiting.map(|held| held.nonce).filter(|nonce| self.next <= *nonce).collect();
        let balance = Some(Sats::new(100_000));
        Ok(WalletFacts { chain_next: next.unwrap_or(0), mempool, balance })
    }

    pub fn redeem(&mut self, payee: usize) -> Answer {
        if self.inbox_silent {
            return Answer::Failure(failure("inbox.unavailable", true));
        }
        match self.messages.get(&payee) {
            Some(message) => Answer::AlreadyRedeemed { message: Some(message.clone()) },
            None => Answer::Delivered { message: self.deliver(payee), txid: None },
        }
    }

    fn deliver(&mut self, payee: usize) -> Option<String> {
        let message = self.messages.entry(payee).or_insert_with(|| format!("msg_{payee}"));
        Some(message.clone())
    }

    /// Everything works from here on, and answers truthfully.
    pub fn heal(&mut self) {
        self.stuck = false;
        self.chain_silent = false;
        self.inbox_silent = false;
        self.healed = true;
    }
}
