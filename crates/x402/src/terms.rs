//! What we agreed to pay, against what a server asks for.
//!
//! | of the entries for our scheme and network | answer |
//! | --- | --- |
//! | one keeps to the terms | the first that does |
//! | none does | why, from the entry that came closest |
//! | there are none | [`TermsError::NotOffered`] |

use stacks::{Address, Asset, Network};

use crate::{
    PaymentId, PaymentPayload, PaymentRequired, PaymentRequirement, RawRequirement, Resource,
    SCHEME, VERSION,
    lenient::excerpt,
    payload::{ExactPayload, identified},
};

/// What a payer has agreed to, before it heard what the server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub network: Network,
    pub asset: Asset,
    /// The most to pay, in the smallest unit of the asset.
    pub max_amount: u64,
    pub pay_to: Address,
}

/// The entry to pay by, which keeps to the terms, and what to pay.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// What to pay, in the smallest unit of the asset.
    pub amount: u64,
    pub pay_to: Address,
    pub network: Network,
    /// How long the server will wait for the money.
    pub max_timeout_secs: Option<u64>,
    /// The entry as it came, to be sent back.
    pub accepted: RawRequirement,
    resource: Option<Resource>,
    extensions: serde_json::Map<String, serde_json::Value>,
}

/// Why a server is not paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    #[error("agree to pay by version {found} of x402, not {VERSION}")]
    Version { found: u64 },
    #[error("agree to pay on {network}, which none of {offered} entries offers")]
    NotOffered { network: Network, offered: usize },
    #[error("agree to pay in {asked:?}, not in {}.{}", agreed.contract, agreed.name)]
    Asset { asked: String, agreed: Box<Asset> },
    #[error("agree to pay {asked:?}, not {agreed}")]
    Payee { asked: String, agreed: Address },
    #[error("agree to pay {asked:?}, which is no amount that can be paid")]
    NoAmount { asked: String },
    #[error("agree to pay {asked}, more than {max}")]
    Amount { asked: u64, max: u64 },
}

impl TermsError {
    /// How far an entry came before it was refused.
    const fn reached(&self) -> u8 {
        match self {
            TermsError::Version { .. } | TermsError::NotOffered { .. } => 0,
            TermsError::Asset { .. } => 1,
            TermsError::Payee { .. } => 2,
            TermsError::NoAmount { .. } => 3,
            TermsError::Amount { .. } => 4,
        }
    }
}

/// The entry to pay by. Entries of other schemes and networks are passed over, whatever they say.
///
/// # Errors
///
/// If none keeps to the terms: another asset, another payee, or more than was agreed.
pub fn select(required: &PaymentRequired, terms: &Terms) -> Result<Chosen, TermsError> {
    if required.x402_version != VERSION {
        return Err(TermsError::Version { found: required.x402_version });
    }
    let offered = required.accepts.len();
    let mut refusal = TermsError::NotOffered { network: terms.network, offered };
    for raw in &required.accepts {
        let Ok(entry) = raw.parse() else { continue };
        if entry.scheme != SCHEME || entry.network != terms.network.caip2() {
            continue;
        }
        match terms.amount_of(&entry) {
            Ok(amount) => return Ok(choose(required, terms, raw, &entry, amount)),
            Err(error) if error.reached() > refusal.reached() => refusal = error,
            Err(_) => (),
        }
    }
    Err(refusal)
}

impl Terms {
    /// What an entry for our scheme and network costs, if it keeps to the terms.
    fn amount_of(&self, entry: &PaymentRequirement) -> Result<u64, TermsError> {
        if entry.asset_on(self.network).as_ref() != Some(&self.asset) {
            let agreed = Box::new(self.asset.clone());
            return Err(TermsError::Asset { asked: excerpt(&entry.asset), agreed });
        }
        if entry.pay_to.parse() != Ok(self.pay_to) {
            let asked = excerpt(&entry.pay_to);
            return Err(TermsError::Payee { asked, agreed: self.pay_to });
        }
        match read_amount(&entry.amount) {
            None | Some(0) => Err(TermsError::NoAmount { asked: excerpt(&entry.amount) }),
            Some(asked) if asked > self.max_amount => {
                Err(TermsError::Amount { asked, max: self.max_amount })
            }
            Some(amount) => Ok(amount),
        }
    }
}

/// Decimal digits and nothing else; Rust's own parser takes a sign.
fn read_amount(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn choose(
    required: &PaymentRequired,
    terms: &Terms,
    raw: &RawRequirement,
    entry: &PaymentRequirement,
    amount: u64,
) -> Chosen {
    Chosen {
        amount,
        pay_to: terms.pay_to,
        network: terms.network,
        max_timeout_secs: entry.max_timeout_secs,
        accepted: raw.clone(),
        resource: required.resource.clone(),
        extensions: required.extensions.clone(),
    }
}

impl Chosen {
    /// The payment: the bytes of a signed transaction, and what the server said, said back.
    ///
    /// With an id, a server that knows the extension answers a repeated payment as it did the
    /// first.
    pub fn payment(&self, transaction: &[u8], id: Option<&PaymentId>) -> PaymentPayload {
        PaymentPayload {
            x402_version: VERSION,
            resource: self.resource.clone(),
            accepted: Some(self.accepted.clone()),
            payload: ExactPayload::new(transaction),
            extensions: id.map(|id| identified(&self.extensions, id)).unwrap_or_default(),
        }
    }
}
