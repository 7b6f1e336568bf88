//! What comes to the relay, by which door, and how it is turned away.

use stacks::Principal;

use super::{
    chain::{Chain, Rejection},
    faults::{Faults, NodeFault},
    ids::Ids,
    parcel::Parcel,
};

/// By which door a payment comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `POST /relay`, `POST /settle`, and the inbox of March: checks what is to be paid, unless
    /// the bytes are remembered.
    Http(Terms),
    /// The service binding that today's inbox uses: looks at sender nonces first, remembers bytes
    /// as long as their payment, and does not look at whom they pay.
    Rpc,
}

/// What a payment has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Compared without regard to case, as the relay does.
    pub(crate) recipient: String,
    pub(crate) amount_min: u128,
}

impl Terms {
    pub(crate) fn check(&self, parcel: &Parcel) -> Result<(), Mismatch> {
        self.compare(&parcel.recipient, parcel.amount)
    }

    pub(crate) fn compare(&self, recipient: &Principal, amount: u128) -> Result<(), Mismatch> {
        // The relay drops the name of a contract: its address is all that is compared.
        let address = match recipient {
            Principal::Standard(address) => address,
            Principal::Contract(contract) => &contract.address,
        };
        if !address.to_string().eq_ignore_ascii_case(&self.recipient) {
            return Err(Mismatch::Recipient);
        }
        (amount >= self.amount_min).then_some(()).ok_or(Mismatch::Amount)
    }
}

/// How a payment differs from its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Recipient,
    Amount,
}

/// Why the relay did not take a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Mismatch(Mismatch),
    NonceConflict(Rejection),
    TooMuchChaining,
    /// No wallet has room.
    PoolFull,
    SenderNonceStale {
        nonce: u64,
    },
    SenderNonceDuplicate {
        nonce: u64,
    },
    SenderNonceGap {
        nonce: u64,
        expected: u64,
    },
    InsufficientFunds,
    RateLimited,
    /// A 5xx before anything was done.
    Unavailable,
    /// These bytes were given up before, and are no better now.
    FailedAgain,
    /// The node refuses for a reason that has nothing to do with nonces.
    Node(NodeFault),
    /// Queued, but the inbox cannot read what the relay says of it.
    Misread,
}

/// What surrounds one submission.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) chain: &'a mut Chain,
    pub(crate) faults: &'a mut Faults,
    pub(crate) ids: &'a mut Ids,
    pub(crate) now_ms: u64,
}
