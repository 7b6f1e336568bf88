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

/// A transaction of the wallet in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTransaction {
    pub txid: String,
    pub height: u64,
    /// It did not abort.
    pub succeeded: bool,
    /// It is the sBTC transfer to the payee's address, of the amount that was signed. Txids
    /// are not compared: the sponsor changes them.
    pub ours: bool,
    /// What it is, in words.
    pub what: String,
}

/// The chain's answer to a payment in doubt: one of four.
///
/// `depth` is how many blocks must lie on top before it is believed that the nonce went to
/// something else.
pub fn judge(facts: &ChainFacts, nonce: u64, depth: u32) -> ChainWord {
    let Some(at_nonce) = &facts.at_nonce else {
        return silent(facts);
    };
    if let Some(found) = at_nonce {
        if found.ours && found.succeeded {
            return ChainWord::Settled { txid: found.txid.clone() };
        }
        let on_top = facts.tip.map(|tip| tip.saturating_sub(found.height));
        return ChainWord::SpentElsewhere {
            txid: found.txid.clone(),
            aborted: found.ours,
            deep: on_top.is_some_and(|blocks| u64::from(depth) <= blocks),
            what: found.what.clone(),
        };
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

fn silent(facts: &ChainFacts) -> ChainWord {
    ChainWord::CannotTell { silent: true, why: facts.trouble.clone() }
}
