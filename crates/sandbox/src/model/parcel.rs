//! What a payer hands over: transaction bytes, read and judged once.

use sha2::{Digest as _, Sha256};
use stacks::{Address, Network, Principal, Transaction, hex};

/// An origin-signed, sponsored sBTC transfer whose signature was verified.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// SHA-256 of the submitted hex without `0x`: what the relay recognises a repeat by.
    pub(crate) digest: [u8; 32],
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    pub(crate) recipient: Principal,
    pub(crate) amount: u128,
    pub(crate) memo: Option<Vec<u8>>,
    pub(crate) tx: Transaction,
}

/// Why submitted bytes are no payment. The texts are the relay's (wire facts: POST /relay).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not hexadecimal, or of another network.
    Malformed(String),
    /// Bytes that are no transaction.
    Invalid,
    /// Standard authorisation, or a sponsor slot that is already filled.
    NotSponsored,
    /// The signature is not this signer's.
    BadSignature([u8; 20]),
    /// A transaction that does not move sBTC from its signer.
    NotATransfer,
}

impl Parcel {
    /// Reads and verifies what came over the wire, to be sponsored.
    pub(crate) fn read(text: &str, network: Network) -> Result<Parcel, Unreadable> {
        let bytes = bytes(text)?;
        wrong_network(&bytes, network)?;
        Parcel::of(text, &bytes, network, Transaction::sponsor_slot_empty)
    }

    /// The same for `/settle`, which also passes on what its sender pays the fee of.
    pub(crate) fn to_settle(text: &str, network: Network) -> Result<Parcel, Unreadable> {
        let bytes = bytes(text)?;
        wrong_network(&bytes, network)?;
        Parcel::of(text, &bytes, network, |tx| !tx.sponsored() || tx.sponsor_slot_empty())
    }

    /// The same for `/verify`, which does not even look which network it is for.
    pub(crate) fn to_verify(text: &str, network: Network) -> Result<Parcel, Unreadable> {
        Parcel::of(text, &bytes(text)?, network, |_| true)
    }

    /// Whether somebody else is to pay the fee.
    pub(crate) const fn sponsored(&self) -> bool {
        self.tx.sponsored()
    }

    fn of(
        text: &str,
        bytes: &[u8],
        network: Network,
        wanted: impl FnOnce(&Transaction) -> bool,
    ) -> Result<Parcel, Unreadable> {
        let tx = stacks::decode(bytes).map_err(|_| Unreadable::Invalid)?;
        if !wanted(&tx) {
            return Err(Unreadable::NotSponsored);
        }
        tx.verify_origin().map_err(|_| Unreadable::BadSignature(tx.origin.signer))?;
        let call = tx.sbtc_transfer().map_err(|_| Unreadable::NotATransfer)?;
        if call.sender != Principal::Standard(tx.origin_address()) {
            return Err(Unreadable::NotATransfer);
        }
        // The relay tells an address as one of its own network.
        let told = Address::new(network.p2pkh_version(), tx.origin.signer);
        Ok(Parcel {
            digest: digest(text),
            sender: told.unwrap_or(tx.origin_address()),
            nonce: tx.origin.nonce,
            recipient: call.recipient,
            amount: call.amount,
            memo: call.memo,
            tx,
        })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Unreadable> {
    let told = || Unreadable::Malformed("Transaction hex contains non-hex characters".into());
    hex::decode(text).map_err(|_| told())
}

fn digest(text: &str) -> [u8; 32] {
    let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
    Sha256::digest(digits.as_bytes()).into()
}

fn wrong_network(bytes: &[u8], network: Network) -> Result<(), Unreadable> {
    let expected = network.version_byte();
    match bytes.first() {
        Some(found) if *found != expected => Err(Unreadable::Malformed(format!(
            "Invalid transaction version byte 0x{found:02x} for {network} — expected \
             0x{expected:02x}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use stacks::{PrivateKey, Transfer, sign_transfer};

    use super::*;

    /// What nobody signed, or nobody can send, is no payment.
    #[test]
    fn reads_only_real_payments() {
        let key = PrivateKey::from_hex(&format!("{:064x}", 1)).unwrap();
        let recipient = "SP2J6EDFG52M1T96VY5Z2QAX5R6W741CMDRP7G2BT".parse().unwrap();
        let transfer = Transfer::new(Network::Mainnet, 0, 100, recipient);
        let bytes = sign_transfer(&transfer, &key).unwrap().bytes;
        let check = |bytes: &[u8], network, expected: Result<(), Unreadable>| {
            assert_eq!(Parcel::read(&hex::encode(bytes), network).map(|_| ()), expected);
        };
        check(&bytes, Network::Mainnet, Ok(()));
        let mut forged = bytes.clone();
        forged[70] ^= 1;
        let signer = *key.address(Network::Mainnet).hash160();
        check(&forged, Network::Mainnet, Err(Unreadable::BadSignature(signer)));
        check(&bytes[..bytes.len() - 1], Network::Mainnet, Err(Unreadable::Invalid));
        check(&[], Network::Mainnet, Err(Unreadable::Invalid));
        for (text, network) in
            [(hex::encode(&bytes), Network::Testnet), ("0xzz".into(), Network::Mainnet)]
        {
            assert!(matches!(Parcel::read(&text, network), Err(Unreadable::Malformed(_))));
        }
        let unsponsored = Transaction { sponsor: None, ..stacks::decode(&bytes).unwrap() };
        check(&unsponsored.encode(), Network::Mainnet, Err(Unreadable::NotSponsored));
    }
}
