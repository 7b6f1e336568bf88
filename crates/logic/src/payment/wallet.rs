use domain::{Key, Unfinished, Wallet};

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
}

/// Whether the next nonce may be taken.
///
/// # Errors
///
/// [`NoRoom::Unsent`] keeps the wallet's invariant: only the highest nonce may be unsent, so
/// that giving it back leaves no hole.
pub fn room(wallet: &Wallet, in_flight: u32) -> Result<u64, NoRoom> {
    if let Some(unsent) = wallet.unfinished.iter().find(|holder| !holder.sent) {
        return Err(NoRoom::Unsent { nonce: unsent.nonce });
    }
    let limit = usize::try_from(in_flight).unwrap_or(IN_FLIGHT_MAX).clamp(1, IN_FLIGHT_MAX);
    let unfinished = wallet.unfinished.len();
    if limit <= unfinished {
        return Err(NoRoom::Full { unfinished, limit });
    }
    Ok(wallet.next)
}

/// Which payments are to be worked for a request, in this order: every unfinished one ahead
/// of it, lowest nonce first, then itself.
pub fn plan(wallet: &Wallet, requested: Key) -> Vec<Key> {
    let own = wallet.unfinished.iter().find(|holder| holder.payment == requested);
    let ahead = |holder: &&Unfinished| own.is_none_or(|own| holder.nonce < own.nonce);
    let mut order: Vec<&Unfinished> = wallet.unfinished.iter().filter(ahead).collect();
    order.sort_by_key(|holder| holder.nonce);
    order.into_iter().map(|holder| holder.payment).chain([requested]).collect()
}

/// `payment` takes the next nonce with bytes that are stored in the same batch.
pub(super) fn signed(wallet: &Wallet, payment: Key) -> Wallet {
    let mut wallet = wallet.clone();
    wallet.unfinished.push(Unfinished { nonce: wallet.next, payment, sent: false });
    wallet.next = wallet.next.saturating_add(1);
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

/// `payment` is settled or rejected by (b): its nonce is spent.
pub(super) fn finished(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let mut wallet = wallet.clone();
    let held = wallet.unfinished.len();
    wallet.unfinished.retain(|holder| holder.payment != payment);
    (wallet.unfinished.len() < held).then_some(wallet)
}

/// The bytes of `payment` never left: its nonce is free again. `None` where that would leave
/// a hole, which the invariant excludes.
pub(super) fn given_back(wallet: &Wallet, payment: Key) -> Option<Wallet> {
    let holder = *wallet.unfinished.iter().find(|holder| holder.payment == payment)?;
    if holder.sent || holder.nonce.checked_add(1)? != wallet.next {
        return None;
    }
    let mut wallet = finished(wallet, payment)?;
    wallet.next = holder.nonce;
    Some(wallet)
}

/// What the world says of a wallet when a payer starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletFacts {
    /// The nonce that the chain expects next.
    pub chain_next: u64,
    /// Nonces of ours that wait in the mempool.
    pub mempool: Vec<u64>,
    /// Messages in the inbox's list of what we sent whose payee has no payment in our record.
    pub unknown_messages: Vec<String>,
}

/// How our record of a wallet compares with the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no record yet: the wallet begins here.
    New(Wallet),
    Agrees,
    /// The world knows of nonces or messages that the record does not: it is older than the
    /// world (`record.behind`), and nothing may be signed.
    Behind {
        evidence: String,
    },
    /// Nonces that nobody holds are not spent either: what is signed next would wait behind
    /// them (`wallet.sender-nonce`).
    Gap {
        evidence: String,
    },
}

/// Compares the record with the world. Run before anything is signed.
pub fn compare(address: &str, wallet: Option<&Wallet>, facts: &WalletFacts) -> Comparison {
    let highest = facts.mempool.iter().max().map(|nonce| nonce.saturating_add(1));
    let used = facts.chain_next.max(highest.unwrap_or(0));
    let Some(wallet) = wallet else {
        let address = address.to_owned();
        return Comparison::New(Wallet { address, next: used, unfinished: Vec::new() });
    };
    if wallet.next < used {
        let next = wallet.next;
        let evidence = format!("our next nonce is {next}, the world has used all below {used}");
        return Comparison::Behind { evidence };
    }
    if !facts.unknown_messages.is_empty() {
        let messages = facts.unknown_messages.join(", ");
        return Comparison::Behind { evidence: format!("sent without a record: {messages}") };
    }
    let held = |nonce: &u64| wallet.unfinished.iter().any(|holder| holder.nonce == *nonce);
    let missing = (facts.chain_next..wallet.next)
        .find(|nonce| !held(nonce) && !facts.mempool.contains(nonce));
    match missing {
        Some(nonce) => {
            Comparison::Gap { evidence: format!("nonce {nonce} is neither spent nor held") }
        }
        None => Comparison::Agrees,
    }
}
