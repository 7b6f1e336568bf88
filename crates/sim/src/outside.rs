//! The world outside: a chain, a relay and an inbox that lose answers, stall, stick, lie and
//! heal; and the tool that scripts use. What is true here judges everything else.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Cause, Sats, Signed};
use logic::{
    classify::{Answer, Failure},
    payment::{ChainFacts, ChainTransaction, ChainWord, Fate, InboxWord, WalletFacts, judge},
};

use crate::quota::Quotas;

/// Blocks on top before the chain's word that a nonce went elsewhere is believed.
const DEPTH: u32 = 2;

/// What took a nonce, on the chain.
#[derive(Clone, Debug)]
pub(crate) struct Mined {
    pub(crate) nonce: u64,
    /// `None`: somebody else's transaction.
    pub(crate) payee: Option<u64>,
    height: u64,
}

/// What the relay has taken in.
#[derive(Clone, Debug)]
struct Taken {
    id: String,
    nonce: u64,
    payee: u64,
    /// The relay says that it failed. It may still confirm.
    disowned: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) tool_down: bool,
    pub(crate) quotas: Quotas,
    pub(crate) directory_silent: bool,
    /// Which scripts have had their effect.
    pub(crate) effects: BTreeSet<u64>,
    /// The nonce that the chain expects next.
    pub(crate) next: u64,
    height: u64,
    pub(crate) chain: Vec<Mined>,
    taken: Vec<Taken>,
    pub(crate) messages: BTreeMap<u64, String>,
    pub(crate) stuck: bool,
    pub(crate) chain_silent: bool,
    pub(crate) inbox_silent: bool,
    /// Everything works, and answers truthfully.
    pub(crate) healed: bool,
    mute: bool,
}

pub(crate) fn failure(cause: &'static str, in_doubt: bool) -> Failure {
    let (cause, evidence) = (Cause::known(cause), "model".to_owned());
    Failure { cause, evidence, retry_after: None, in_doubt }
}

impl Outside {
    /// A block: whatever waits for the next nonce is mined, unless the relay is stuck.
    pub(crate) fn block(&mut self) {
        self.height += 1;
        while !self.stuck
            && let Some(at) = self.taken.iter().position(|taken| taken.nonce == self.next)
        {
            let payee = Some(self.taken[at].payee);
            self.chain.push(Mined { nonce: self.next, payee, height: self.height });
            self.next += 1;
        }
    }

    /// Somebody else uses the wallet's key.
    pub(crate) fn foreign(&mut self) {
        self.height += 1;
        self.chain.push(Mined { nonce: self.next, payee: None, height: self.height });
        self.next += 1;
    }

    /// The relay loses what is not on the chain.
    pub(crate) fn forget(&mut self) {
        let next = self.next;
        self.taken.retain(|taken| taken.nonce < next);
        self.mute = !self.mute;
    }

    /// Everything works from here on.
    pub(crate) fn heal(&mut self) {
        self.tool_down = false;
        self.quotas.heal();
        self.directory_silent = false;
        self.stuck = false;
        self.chain_silent = false;
        self.inbox_silent = false;
        self.healed = true;
    }

    pub(crate) fn probe(&self) -> (Answer, Option<Sats>) {
        if self.inbox_silent {
            return (Answer::Failure(failure("inbox.unavailable", false)), None);
        }
        (Answer::PaymentRequired, Some(Sats::new(100)))
    }

    pub(crate) fn inbox(&self, payee: u64) -> InboxWord {
        if self.inbox_silent {
            return InboxWord::Silent { failure: failure("inbox.unavailable", false) };
        }
        match self.messages.get(&payee) {
            Some(message) => InboxWord::Found { message: message.clone(), txid: None, same: true },
            None => InboxWord::Absent,
        }
    }

    /// The bytes have come; `dice` decides what becomes of them and of the answer.
    pub(crate) fn post(&mut self, payee: u64, signed: &Signed, dice: u8) -> Answer {
        let dice = if self.healed { 200 } else { dice };
        let lost = Answer::Failure(failure("inbox.unavailable", true));
        if self.inbox_silent || dice < 10 {
            return lost;
        }
        if let Some(message) = self.messages.get(&payee) {
            return Answer::AlreadyRedeemed { message: Some(message.clone()) };
        }
        if signed.nonce < self.next {
            return Answer::Failure(failure("wallet.sender-nonce", true));
        }
        let conflict = Answer::Failure(failure("relay.nonce-conflict", true));
        if (self.stuck && dice < 180) || dice < 14 {
            return conflict;
        }
        let payment_id = self.take(signed.nonce, payee);
        match dice {
            ..24 => lost,
            24..34 => conflict,
            34..44 => Answer::Failure(failure("relay.unavailable", true)),
            44..100 if !self.stuck && signed.nonce == self.next => {
                self.block();
                Answer::Delivered { message: self.deliver(payee), txid: None }
            }
            _ => Answer::Staged { payment_id, check_url: None },
        }
    }

    fn take(&mut self, nonce: u64, payee: u64) -> String {
        if let Some(taken) = self.taken.iter_mut().find(|taken| taken.nonce == nonce) {
            taken.disowned = false;
            return taken.id.clone();
        }
        let id = format!("pay_{nonce}_{payee}");
        self.taken.push(Taken { id: id.clone(), nonce, payee, disowned: false });
        id
    }

    pub(crate) fn poll(&mut self, payee: u64, id: &str, dice: u8) -> Answer {
        if self.inbox_silent {
            return Answer::Failure(failure("inbox.unavailable", true));
        }
        let lying = !self.healed && dice < 16;
        let next = self.next;
        let Some(taken) = self.taken.iter_mut().find(|taken| taken.id == id) else {
            let failure = failure("payment.unknown", true);
            return if self.mute { Answer::Failure(failure) } else { Answer::Disowned(failure) };
        };
        taken.disowned |= lying;
        if taken.disowned && !self.healed {
            let causes = ["relay.nonce-conflict", "relay.sponsor-failed", "payment.unknown"];
            return Answer::Disowned(failure(causes[usize::from(dice % 3)], true));
        }
        let nonce = taken.nonce;
        if self.chain.iter().any(|mined| mined.nonce == nonce && mined.payee == Some(payee)) {
            // A poll may or may not make the inbox deliver.
            if 100 < dice {
                self.deliver(payee);
            }
            return Answer::Confirmed { txid: None };
        }
        if nonce < next {
            return Answer::Disowned(failure("payment.unknown", true));
        }
        Answer::Staged { payment_id: id.to_owned(), check_url: None }
    }

    /// The chain's word. It never lies; it may be silent, or a block behind.
    pub(crate) fn ask_chain(&self, payee: u64, nonce: u64, dice: u8) -> ChainWord {
        if self.chain_silent {
            return silent_chain(nonce);
        }
        let behind = u64::from(!self.healed && dice < 40);
        let seen = |mined: &&Mined| mined.height + behind <= self.height;
        let found = self.chain.iter().filter(seen).find(|mined| mined.nonce == nonce);
        let next = self.chain.iter().filter(seen).map(|mined| mined.nonce + 1).max();
        // Some of its answers lack a field.
        let missing = if self.healed { 0 } else { dice % 32 };
        let at_nonce = found.map(|mined| ChainTransaction {
            txid: (missing != 1).then(|| format!("0x{nonce}")),
            height: (missing != 2).then_some(mined.height),
            fate: (missing != 3).then_some(Fate::Succeeded),
            ours: (missing != 4).then_some(mined.payee == Some(payee)),
            what: "a transaction".to_owned(),
        });
        let waits = |taken: &Taken| taken.nonce == nonce && !taken.disowned;
        let facts = ChainFacts {
            next_nonce: Some(next.unwrap_or(0)),
            tip: Some(self.height.saturating_sub(behind)),
            in_mempool: !self.stuck && self.taken.iter().any(waits) && 128 < dice,
            at_nonce: Some(at_nonce),
            trouble: String::new(),
        };
        judge(&facts, nonce, DEPTH)
    }

    /// What the chain says of the wallet: a block behind now and then, never ahead.
    pub(crate) fn wallet_facts(&self, dice: u8) -> Result<WalletFacts, String> {
        if self.chain_silent {
            return Err("silent".to_owned());
        }
        let behind = u64::from(!self.healed && dice < 40);
        let seen = |mined: &&Mined| mined.height + behind <= self.height;
        let next = self.chain.iter().filter(seen).map(|mined| mined.nonce + 1).max();
        let waiting = self.taken.iter().filter(|taken| !self.stuck && !taken.disowned);
        let nonces = waiting.map(|taken| taken.nonce);
        let mempool = nonces.filter(|nonce| self.next <= *nonce).collect();
        // The model's wallet has all that is ever paid.
        let balance = Some(Sats::new(u64::MAX));
        Ok(WalletFacts { chain_next: next.unwrap_or(0), mempool, balance })
    }

    pub(crate) fn redeem(&mut self, payee: u64) -> Answer {
        if self.inbox_silent {
            return Answer::Failure(failure("inbox.unavailable", true));
        }
        match self.messages.get(&payee) {
            Some(message) => Answer::AlreadyRedeemed { message: Some(message.clone()) },
            None => Answer::Delivered { message: self.deliver(payee), txid: None },
        }
    }

    fn deliver(&mut self, payee: u64) -> Option<String> {
        let message = self.messages.entry(payee).or_insert_with(|| format!("msg_{payee}"));
        Some(message.clone())
    }
}

/// What nobody could ask.
pub(crate) fn silent_chain(nonce: u64) -> ChainWord {
    let facts = ChainFacts { trouble: "silent".to_owned(), ..ChainFacts::default() };
    judge(&facts, nonce, DEPTH)
}
