use std::time::Duration;

use domain::{Key, Sats, Timestamp, Unfinished, Wallet};

/// No more than this many payments hold a nonce, whatever the configuration says: a node
/// refuses more than 25 unconfirmed transactions of one sender, and a relay 20.
pub const IN_FLIGHT_MAX: usize = 20;

/// Why a payment cannot take a nonce now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    #[error("{unfinished} payments of this wallet are unfinished, {limit} are allowed")]
    Full { unfinished: usize, limit: usize },
    #[error("the payment with nonce {nonce} is signed and must be sent first")]
    Unsent { nonce: u64 },
    #[error("the payment with nonce {nonce} is sent and not yet in the mempool, and goes first")]
    Unseen { nonce: u64 },
}

/// Which nonce may be taken: a known hole, for everything behind it waits; else the next.
///
/// # Errors
///
/// [`NoRoom::Unsent`] keeps the wallet's invariant: at most one is signed and not sent.
pub fn room(wallet: &Wallet, in_flight: u32) -> Result<u64, NoRoom> {
    if let Some(unsent) = wallet.unfinished.iter().find(|holder| !holder.sent) {
        return Err(NoRoom::Unsent { nonce: unsent.nonce });
    }
    let limit = usize::try_from(in_flight).unwrap_or(IN_FLIGHT_MAX).clamp(1, IN_FLIGHT_MAX);
    let unfinished = wallet.unfinished.iter().filter(|holder| holder.settled.is_none()).count();
    if limit <= unfinished {
        return Err(NoRoom::Full { unfinished, limit });
    }
    Ok(wallet.holes.first().copied().unwrap_or(wallet.next))
}

/// The same, counting what is settled and not past in the chain: what a node lets wait.
///
/// A sponsor gives its own nonces in the order in which it is asked. Asked for the later of two
/// payments first, it makes each wait for the other for ever: one by our nonce, one by its own.
/// So a payment is signed only when all unsettled ones before it are seen in the mempool, or past.
///
/// # Errors
///
/// As [`room`], and [`NoRoom::Unseen`].
pub fn room_in_chain(wallet: &Wallet, facts: &WalletFacts, in_flight: u32) -> Result<u64, NoRoom> {
    let (unfinished, limit) = (wallet.unfinished.len(), IN_FLIGHT_MAX);
    if limit <= unfinished {
        return Err(NoRoom::Full { unfinished, limit });
    }
    let nonce = room(wallet, in_flight)?;
    match unseen_before(wallet, facts, nonce) {
        Some(nonce) => Err(NoRoom::Unseen { nonce }),
        None => Ok(nonce),
    }
}

/// An unsettled payment before `nonce` that is neither seen in the mempool nor past, by its
/// nonce: it goes first, at the first post and at every later one.
pub(super) fn unseen_before(wallet: &Wallet, facts: &WalletFacts, nonce: u64) -> Option<u64> {
    let past = facts.chain_next.max(wallet.spent);
    let seen = |held: u64| held < past || facts.mempool.contains(&held);
    before(wallet, nonce).filter(|held| !seen(*held)).min()
}

/// The nonces before this one that unsettled payments hold.
pub(super) fn before(wallet: &Wallet, nonce: u64) -> impl Iterator<Item = u64> {
    let open = wallet.unfinished.iter().filter(|holder| holder.settled.is_none());
    open.map(|holder| holder.nonce).filter(move |held| *held < nonce)
}

/// Which payments are to be worked for a request, in this order: every unfinished one ahead
/// of it, lowest nonce first, then itself.
pub fn plan(wallet: &Wallet, requested: Key) -> Vec<Key> {
    let open = || wallet.unfinished.iter().filter(|holder| holder.settled.is_none());
    let own = open().find(|holder| holder.payment == requested);
    let ahead = |holder: &&Unfinished| own.is_none_or(|own| holder.nonce < own.nonce);
    let mut order: Vec<&Unfinished> = open().filter(ahead).collect();
    order.sort_by_key(|holder| holder.nonce);
    order.into_iter().map(|holder| holder.payment).chain([requested]).collect()
}

/// `payment` takes `nonce`, which [`room`] gave, with bytes that are stored in the same batch.
pub(super) fn signed(wallet: &Wallet, payment: Key, nonce: u64, amount: Sats) -> Wallet {
    let mut wallet = wallet.clone();
    wallet.unfinished.push(Unfinished { nonce, payment, sent: false, settled: None, amount });
    wallet.holes.retain(|hole| *hole != nonce);
    wallet.next = wallet.next.max(nonce.saturating_add(1));
    wallet
}

/// The bytes of `payment` are about to leave. `None` when that is recorded already.
pub(super) fn sent(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let mut wallet = wallet.clone();
    let holder = wallet.unfinished.iter_mut().find(|holder| holder.payment == payment)?;
    if holder.sent {
        return None;
    }
    holder.sent = true;
    Some(wallet)
}

/// `payment` is settled on another word than the chain's: it keeps its nonce until the chain
/// is seen to be past it. `None` when that is recorded already.
pub(super) fn settled(wallet: &Wallet, payment: Key, now: Timestamp) -> Option<Wallet> {
    let mut wallet = wallet.clone();
    let holder = wallet.unfinished.iter_mut().find(|holder| holder.payment == payment)?;
    if holder.settled.is_some() {
        return None;
    }
    (holder.settled, holder.sent) = (Some(now), true);
    Some(wallet)
}

/// `payment` is over, and the chain has been seen to have spent its nonce: it spends them in
/// order, so all below it are spent too.
pub(super) fn spent(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let holder = *wallet.unfinished.iter().find(|holder| holder.payment == payment)?;
    let mut wallet = finished(wallet, payment)?;
    wallet.spent = wallet.spent.max(holder.nonce.saturating_add(1));
    Some(wallet)
}

/// `payment` is over and holds no nonce.
pub(super) fn finished(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let mut wallet = wallet.clone();
    let held = wallet.unfinished.len();
    wallet.unfinished.retain(|holder| holder.payment != payment);
    (wallet.unfinished.len() < held).then_some(wallet)
}

/// The bytes of `payment` never left: its nonce is free again, as a hole even where it was the
/// newest, since somebody else may have used it meanwhile: then [`fit`] forgets it. `None` where
/// they may have left.
pub(super) fn given_back(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let holder = *wallet.unfinished.iter().find(|holder| holder.payment == payment)?;
    if holder.sent {
        return None;
    }
    let mut wallet = finished(wallet, payment)?;
    wallet.holes.push(holder.nonce);
    wallet.holes.sort_unstable();
    Some(wallet)
}

/// What the world says of a wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletFacts {
    /// The nonce that the chain expects next.
    pub chain_next: u64,
    /// Nonces of ours that wait in the mempool.
    pub mempool: Vec<u64>,
    /// What it has, asked for before the nonces; `None`: not asked, or not told.
    pub balance: Option<Sats>,
}

/// How our record of a wallet compares with the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no record yet: the wallet begins here.
    New(Wallet),
    Agrees,
    /// The world has used nonces that the record does not know: it is older than the world
    /// (`record.behind`), and nothing may be signed.
    Behind {
        evidence: String,
    },
    /// The chain waits for a nonce that nobody will bring, so that whatever is signed next waits
    /// too (`wallet.sender-nonce`).
    Gap {
        evidence: String,
        /// To be stored: nobody holds that nonce, and the next payment fills it once a person
        /// has looked. `None`: a payment that counts as settled holds it, and bytes of that
        /// have left, so nobody else may have it (M3).
        known: Option<Wallet>,
    },
}

/// Compares the record with the world, which was asked before the record was read. A settled
/// payment may take `lost_after` to show in the chain.
pub fn compare(
    address: &str,
    wallet: Option<&Wallet>,
    facts: &WalletFacts,
    now: Timestamp,
    lost_after: Duration,
) -> Comparison {
    let Some(wallet) = wallet else {
        let (address, next, spent) = (address.to_owned(), used(facts), facts.chain_next);
        return Comparison::New(Wallet { address, next, unfinished: vec![], holes: vec![], spent });
    };
    if let Some(evidence) = behind(wallet, facts) {
        return Comparison::Behind { evidence };
    }
    if let Some(evidence) = lost(wallet, facts, now, lost_after) {
        return Comparison::Gap { evidence, known: None };
    }
    let held = |nonce: &u64| wallet.unfinished.iter().any(|holder| holder.nonce == *nonce);
    let known = |nonce: &u64| wallet.holes.contains(nonce) || facts.mempool.contains(nonce);
    let missing = (facts.chain_next.max(wallet.spent)..wallet.next)
        .filter(|nonce| !held(nonce) && !known(nonce));
    let missing: Vec<u64> = missing.take(HOLES_MAX).collect();
    let Some(first) = missing.first() else { return Comparison::Agrees };
    let evidence = format!("nonce {first} is neither spent nor held; the next payment fills it");
    let mut wallet = wallet.clone();
    wallet.holes.extend(missing);
    wallet.holes.sort_unstable();
    Comparison::Gap { evidence, known: Some(wallet) }
}

/// More holes than any node lets wait are no gap but a chain that was set back.
const HOLES_MAX: usize = 25;

/// What must hold right before a signature; the record without what is over by these facts.
///
/// # Errors
///
/// The cause and its evidence.
pub(super) fn fit(
    wallet: &Wallet,
    facts: &WalletFacts,
    now: Timestamp,
    lost_after: Duration,
) -> Result<Wallet, (&'static str, String)> {
    if let Some(evidence) = behind(wallet, facts) {
        return Err(("record.behind", evidence));
    }
    if let Some(evidence) = lost(wallet, facts, now, lost_after) {
        return Err(("wallet.sender-nonce", evidence));
    }
    let mut wallet = wallet.clone();
    wallet.spent = wallet.spent.max(facts.chain_next);
    let spent = wallet.spent;
    let past = |nonce: u64| nonce < spent;
    wallet.unfinished.retain(|holder| holder.settled.is_none() || !past(holder.nonce));
    wallet.holes.retain(|hole| !past(*hole) && !facts.mempool.contains(hole));
    Ok(wallet)
}

/// Whether the wallet has what `amount` more takes, besides what it still owes: every payment
/// whose nonce the chain has not spent. The balance is the older word of the two, so that a
/// payment that is mined in between is rather counted nowhere than twice: then the chain itself
/// refuses, and no gate closes for sats that are there.
///
/// # Errors
///
/// The cause and its evidence. That nobody tells the balance is not for want of sats.
pub(super) fn affords(
    wallet: &Wallet,
    facts: &WalletFacts,
    amount: Sats,
) -> Result<(), (&'static str, String)> {
    let address = &wallet.address;
    let Some(balance) = facts.balance else {
        return Err(("chain.unavailable", format!("nobody tells the balance of {address}")));
    };
    let owed: Vec<Sats> = wallet
        .unfinished
        .iter()
        .filter(|holder| wallet.spent.max(facts.chain_next) <= holder.nonce)
        .map(|holder| holder.amount)
        .collect();
    let owing = owed.iter().fold(Sats::ZERO, |sum, amount| sum.saturating_add(*amount));
    let missing = owing.saturating_add(amount).less(balance);
    if missing == Sats::ZERO {
        return Ok(());
    }
    let unfinished = match owed.len() {
        1 => "1 unfinished payment needs".to_owned(),
        count => format!("{count} unfinished payments need"),
    };
    let evidence = format!(
        "{address} has {balance} of sBTC; {unfinished} {owing}, this one {amount}: {missing} are \
         missing"
    );
    Err(("wallet.insufficient-funds", evidence))
}

/// The first nonce that nobody has used, as far as the world knows.
fn used(facts: &WalletFacts) -> u64 {
    let waiting = facts.mempool.iter().max().map(|nonce| nonce.saturating_add(1));
    facts.chain_next.max(waiting.unwrap_or(0))
}

fn behind(wallet: &Wallet, facts: &WalletFacts) -> Option<String> {
    let (next, used) = (wallet.next, used(facts));
    let evidence = || {
        format!(
            "our next nonce is {next}, the world has used all below {used}; \
             to have the record follow: portcullis payment adopt --note \"…\""
        )
    };
    (next < used).then(evidence)
}

/// A payment that was settled long ago, and the chain still waits for its nonce.
fn lost(
    wallet: &Wallet,
    facts: &WalletFacts,
    now: Timestamp,
    lost_after: Duration,
) -> Option<String> {
    let next = facts.chain_next;
    let holder = wallet.unfinished.iter().find(|holder| holder.nonce == next)?;
    let age = now.since(holder.settled?);
    let waits = facts.mempool.contains(&next);
    (lost_after <= age && !waits).then(|| {
        let (payment, age) = (holder.payment, age.as_secs());
        format!(
            "payment {payment} was called settled {age} s ago; the chain still waits for its \
             nonce {next}, and whatever is sent next waits behind it"
        )
    })
}
