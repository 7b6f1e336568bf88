//! The wallet that pays: its key, its record, its money, and what it may spend.

use domain::{Config, Handler, PayerConfig, Timestamp, Wallet};
use logic::payment::{Comparison, WalletFacts, compare};
use stacks::{Address, Network};
use welcome_payer::sbtc_balance;

use super::{
    answer::{Answer, good},
    check::{Check, Said},
    outside::other_chain,
};
use crate::file::PAYER;

/// What was found out about the wallet. The key itself is never in here.
#[derive(Clone, Debug)]
pub(crate) struct Purse {
    pub(crate) network: Network,
    pub(crate) key: Key,
    /// Of the wallets that the record knows the key's own, if it does, and the one that was
    /// written last; `None` where it was not asked.
    pub(crate) records: Option<Said<Vec<Wallet>>>,
    /// Whose account is looked at: the key's, else the record's newest.
    pub(crate) address: Option<Address>,
    /// Answers about that account; `None` where there is none to ask about.
    pub(crate) account: Option<Account>,
    pub(crate) now: Timestamp,
}

/// The wallet's key, as it was given to this command.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    NotGiven,
    /// Why it cannot be used; says nothing of what was read.
    Unusable(String),
    Usable {
        address: Address,
        /// The permissions of its file, if it came from one.
        mode: Option<u32>,
    },
}

/// What the Stacks API says of the account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) info: Said<Answer>,
    /// As the payer asks it, to compare its record with.
    pub(crate) nonces: Said<WalletFacts>,
    pub(crate) balances: Said<Answer>,
}

impl Key {
    /// Whose it is, if it can be used.
    pub(crate) const fn address(&self) -> Option<Address> {
        match self {
            Key::Usable { address, .. } => Some(*address),
            Key::NotGiven | Key::Unusable(_) => None,
        }
    }
}

const GIVE_KEY: &str = "give it as the payer takes it: WALLET_KEY_FILE=… portcullis doctor";

pub(crate) fn judge(purse: &Purse, payer: &PayerConfig, config: &Config) -> Vec<Check> {
    let mut checks = vec![key(purse), key_file(purse)];
    checks.push(exclude(purse, config));
    let names = ["sbtc balance", "nonces"];
    match &purse.account {
        None => checks.extend(names.map(|name| {
            Check::not_asked(name, "neither a key nor the record says whose", GIVE_KEY)
        })),
        // What another chain says of an account says nothing of ours.
        Some(account) if elsewhere(account, purse.network) => checks.extend(
            names.map(|name| Check::not_asked(name, "the Stacks API is of another chain", "")),
        ),
        Some(account) => {
            checks.push(balance(purse, account, payer, config));
            checks.push(nonces(purse, account, payer));
        }
    }
    checks.push(spending(payer, config));
    checks
}

fn elsewhere(account: &Account, network: Network) -> bool {
    good(&account.info).is_ok_and(|info| other_chain(info, network).is_some())
}

fn key(purse: &Purse) -> Check {
    let Purse { network, records, .. } = purse;
    let known = records.as_ref().and_then(|said| said.as_ref().ok());
    let known: Vec<&str> =
        known.into_iter().flatten().map(|wallet| wallet.address.as_str()).collect();
    let address = match &purse.key {
        Key::NotGiven => return Check::not_asked("key", "no key was given", GIVE_KEY),
        Key::Unusable(why) => {
            let remedy = "WALLET_KEY_FILE is to name a file with 64 or 66 hexadecimal digits, or \
                          with the words of a mnemonic (WALLET_ACCOUNT chooses among its accounts)";
            return Check::fail("key", why.clone(), remedy);
        }
        Key::Usable { address, .. } => address.to_string(),
    };
    if !known.is_empty() && !known.contains(&address.as_str()) {
        let measured = format!("it is of {address}, and the record knows {}", known.join(", "));
        let remedy = format!(
            "use the key of that wallet (WALLET_ACCOUNT, and `network`, which is {network}, say \
             which); a new wallet is fine once nothing of the old one is unfinished"
        );
        return Check::fail("key", measured, remedy);
    }
    if let Some(Err(why)) = records {
        return Check::warn(
            "key",
            format!("it is of {address}; {why}"),
            "look at `portcullis ping`",
        );
    }
    let story = if known.is_empty() { "; its record begins with its first payment" } else { "" };
    Check::ok("key", format!("it is of {address} on {network}{story}"))
}

fn key_file(purse: &Purse) -> Check {
    match &purse.key {
        Key::NotGiven | Key::Unusable(_) => {
            Check::not_asked("key file", "there is no key file to look at", "")
        }
        Key::Usable { mode: None, .. } => {
            let remedy = "others may see a process's environment: prefer WALLET_KEY_FILE";
            Check::warn("key file", "the key came from the variable WALLET_KEY", remedy)
        }
        Key::Usable { mode: Some(mode), .. } if mode & 0o077 != 0 => {
            let measured = format!("its mode is {:04o}: others can read it", mode & 0o7777);
            Check::fail("key file", measured, "chmod 0400 the file, for the payer's user alone")
        }
        Key::Usable { mode: Some(mode), .. } => {
            Check::ok("key file", format!("its mode is {:04o}", mode & 0o7777))
        }
    }
}

/// Our own address stands in the directory too, if this agent is registered.
fn exclude(purse: &Purse, config: &Config) -> Check {
    let Some(address) = purse.address.map(|address| address.to_string()) else {
        return Check::not_asked("exclude", "neither a key nor the record says who we are", "");
    };
    let lacking =
        config.directories().filter(|(_, directory)| !directory.exclude.contains(&address));
    let lacking: Vec<String> = lacking.map(|(name, _)| name.to_string()).collect();
    if lacking.is_empty() {
        return Check::ok("exclude", "our own address is never greeted");
    }
    let remedy = format!(
        "put it into `exclude` of [sensors.{}.directory] and apply: exclude = [\"{address}\"]",
        lacking[0]
    );
    Check::warn(
        "exclude",
        format!("our own address may be greeted by {}", lacking.join(", ")),
        remedy,
    )
}

/// The most that a day's caps allow: payments, and sats.
fn most(payer: &PayerConfig, config: &Config) -> (u64, u64) {
    let paid = |kind| {
        let kind = config.kinds.get(kind);
        kind.is_some_and(
            |kind| matches!(&kind.handler, Handler::Service { name } if name.as_str() == PAYER),
        )
    };
    let caps = config.directories().map(|(_, directory)| directory);
    let caps = caps.filter(|directory| paid(&directory.kind)).map(|it| u64::from(it.cap_day));
    let payments = caps.fold(0, u64::saturating_add);
    (payments, payments.saturating_mul(payer.amount_max.get()))
}

fn balance(purse: &Purse, account: &Account, payer: &PayerConfig, config: &Config) -> Check {
    let balances = match good(&account.balances) {
        Ok(answer) => answer,
        Err(why) => return unread("sbtc balance", &why),
    };
    let Some(sats) = sbtc_balance(&balances.body, purse.network) else {
        return unread("sbtc balance", "an answer without a balance of sBTC that can be read");
    };
    let amount = payer.amount_max.get().max(1);
    let (_, day) = most(payer, config);
    let measured = format!("{sats} sats: {} payments of {amount}", sats / amount);
    let who = purse.address.map(|address| address.to_string()).unwrap_or_default();
    if sats < amount {
        let remedy = format!("send sBTC to {who}: a day takes up to {day} sats");
        return Check::fail("sbtc balance", measured, remedy);
    }
    if sats < day {
        let remedy = format!("it lasts less than the day that the caps allow ({day} sats): top up");
        return Check::warn("sbtc balance", measured, remedy);
    }
    Check::ok("sbtc balance", measured)
}

fn nonces(purse: &Purse, account: &Account, payer: &PayerConfig) -> Check {
    let facts = match &account.nonces {
        Ok(facts) => facts,
        Err(why) => return unread("nonces", why),
    };
    let WalletFacts { chain_next, mempool, .. } = facts;
    let on_chain = format!("the chain expects {chain_next}, {} in the mempool", mempool.len());
    let who = purse.address.map(|address| address.to_string()).unwrap_or_default();
    let records = match &purse.records {
        None => return Check::ok("nonces", format!("{on_chain}; the record was not asked")),
        Some(Err(why)) => return Check::warn("nonces", why.clone(), "look at `portcullis ping`"),
        Some(Ok(records)) => records,
    };
    let record = records.iter().find(|wallet| wallet.address == who);
    match compare(&who, record, facts, purse.now, payer.unconfirmed_after) {
        Comparison::New(_) => Check::ok("nonces", format!("{on_chain}; there is no record yet")),
        Comparison::Agrees => {
            let next = record.map_or(0, |wallet| wallet.next);
            let open = record.map_or(0, |wallet| {
                wallet.unfinished.iter().filter(|holder| holder.settled.is_none()).count()
            });
            Check::ok("nonces", format!("{on_chain}; our next is {next}, {open} unfinished"))
        }
        Comparison::Behind { evidence } => {
            let remedy = "the record is older than the world (record.behind), or the key is used \
                          elsewhere too: see where those nonces went, then portcullis payment \
                          adopt --note \"…\"";
            let evidence = evidence.split(';').next().unwrap_or_default().to_owned();
            Check::fail("nonces", evidence, remedy)
        }
        Comparison::Gap { evidence, .. } => {
            let remedy = "the payer closes the gate wallet for it: portcullis gate show wallet";
            Check::fail("nonces", evidence, remedy)
        }
    }
}

fn unread(name: &str, why: &str) -> Check {
    Check::fail(name, why, "ask the Stacks API yourself; without its answer nothing is signed")
}

fn spending(payer: &PayerConfig, config: &Config) -> Check {
    let (payments, sats) = most(payer, config);
    let amount = payer.amount_max;
    let mut measured =
        format!("at most {sats} sats a day: {payments} agents × {amount}; fees are the relay's");
    for (kind, budget) in config.budgets.iter().filter(|(_, budget)| budget.limits_sats()) {
        let limits = [(budget.day, "a day"), (budget.total, "in all")];
        let limits = limits.iter().filter_map(|(sats, per)| Some(format!("{} {per}", (*sats)?)));
        let limits: Vec<String> = limits.collect();
        measured.push_str(&format!("; the budget of {kind} is {}", limits.join(", ")));
    }
    Check::ok("spending", measured)
}

#[cfg(test)]
mod tests;
