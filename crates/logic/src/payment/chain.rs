use super::session::ChainWord;

/// What a Stacks API says about one origin nonce of ours. `None`: it did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainFacts {
    /// The nonce that the chain expects next from the wallet.
    pub next_nonce: Option<u64>,
    /// The height of the newest block.
    pub tip: Option<u64>,
    /// A transaction with our nonce waits in the mempool.
    pub in_mempool: bool,
    /// The transaction in the chain with our nonce, looked for and found or not.
    pub at_nonce: Option<Option<ChainTransaction>>,
    /// What went wrong while asking.
    pub trouble: String,
}

/// A transaction of the wallet in a block. `None`: the answer did not say, or not readably.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainTransaction {
    pub txid: Option<String>,
    pub height: Option<u64>,
    pub fate: Option<Fate>,
    /// It is the sBTC transfer to the payee's address, of the amount that was signed. Txids
    /// are not compared: the sponsor changes them.
    pub ours: Option<bool>,
    /// What it is, in words.
    pub what: String,
}

/// What a transaction in a block did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Succeeded,
    /// Its nonce is spent and nothing moved.
    Aborted,
}

/// The chain's answer to a payment in doubt: one of four.
///
/// `depth` is how many blocks must lie on top before it is believed that the nonce went to
/// something else. A field that the answer lacks proves nothing, neither way.
pub fn judge(facts: &ChainFacts, nonce: u64, depth: u32) -> ChainWord {
    let Some(at_nonce) = &facts.at_nonce else {
        return silent(facts);
    };
    if let Some(found) = at_nonce {
        return judge_found(found, facts.tip, depth);
    }
    match facts.next_nonce {
        Some(next) if next <= nonce => ChainWord::Unspent { in_mempool: facts.in_mempool },
        Some(next) => ChainWord::CannotTell {
            silent: false,
            why: format!("nonce {nonce} is spent, since {next} is next, by no transaction"),
        },
        None => silent(facts),
    }
}

fn judge_found(found: &ChainTransaction, tip: Option<u64>, depth: u32) -> ChainWord {
    let (Some(txid), Some(ours), Some(fate)) = (found.txid.clone(), found.ours, found.fate) else {
        return unreadable(found);
    };
    if ours && fate == Fate::Succeeded {
        return ChainWord::Settled { txid };
    }
    let (Some(height), Some(tip)) = (found.height, tip) else { return unreadable(found) };
    ChainWord::SpentElsewhere {
        txid,
        aborted: ours,
        deep: tip.checked_sub(height).is_some_and(|on_top| u64::from(depth) <= on_top),
        what: found.what.clone(),
    }
}

fn unreadable(found: &ChainTransaction) -> ChainWord {
    let txid = found.txid.as_deref().unwrap_or("without an id");
    let why = format!("its nonce is spent by a transaction, {txid}, told in part: {}", found.what);
    ChainWord::CannotTell { silent: false, why }
}

fn silent(facts: &ChainFacts) -> ChainWord {
    ChainWord::CannotTell { silent: true, why: facts.trouble.clone() }
}
