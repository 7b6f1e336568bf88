//! Stacks addresses, keys and transactions: as much as paying in sBTC needs.
//!
//! * [`Address`], [`Principal`], [`ContractId`]: who pays and who is paid, parsed strictly;
//! * [`PrivateKey`]: signs, and never shows itself;
//! * [`sign_transfer`]: an sBTC `transfer`, signed by its origin and left for a sponsor to pay for;
//! * [`decode`] and [`Transaction`]: bytes back into meaning, whoever sent them;
//! * [`sponsor`]: what a relay does with an origin-signed transaction.
//!
//! The bytes follow SIP-005 and agree with stacks.js to the last one (`tests/vectors.rs`). Nothing
//! here does I/O, and no input makes it panic. Only single-signature P2PKH accounts, contract calls
//! and STX transfers are known; everything else is refused by name.
//!
//! ```
//! use stacks::{Network, PrivateKey, Transfer, decode, sign_transfer};
//!
//! let key = PrivateKey::from_hex(&format!("{:064x}01", 1)).unwrap();
//! let recipient = "SP2J6EDFG52M1T96VY5Z2QAX5R6W741CMDRP7G2BT".parse().unwrap();
//! let signed = sign_transfer(&Transfer::new(Network::Mainnet, 7, 100, recipient), &key).unwrap();
//!
//! let seen = decode(&signed.bytes).unwrap();
//! seen.verify_origin().unwrap();
//! assert_eq!(seen.origin_address(), key.address(Network::Mainnet));
//! assert_eq!(seen.sbtc_transfer().unwrap().amount, 100);
//! assert!(seen.sponsor_slot_empty());
//!
//! // The chain refuses what it cannot carry out, so signing does too.
//! let own = key.address(Network::Mainnet);
//! sign_transfer(&Transfer::new(Network::Mainnet, 7, 100, own.into()), &key).unwrap_err();
//! ```

mod address;
mod byte_enum;
mod c32;
mod clarity;
mod condition;
mod decode;
mod hash;
pub mod hex;
mod key;
mod name;
mod network;
mod post_condition;
mod principal;
mod reader;
mod sponsor;
mod transaction;
mod transfer;
mod txid;
mod verify;

pub use address::{Address, AddressError};
pub use clarity::Value;
pub use condition::{KeyEncoding, SpendingCondition};
pub use decode::{BYTES_MAX, DecodeError, decode};
pub use key::{KeyError, PrivateKey, PublicKey};
pub use name::{ClarityName, ContractName, NameError};
pub use network::{Network, NetworkError};
pub use post_condition::{
    Asset, FungibleCode, NonFungibleCode, PostCondition, PostConditionMode, PostConditionPrincipal,
};
pub use principal::{ContractId, Principal, PrincipalError};
pub use sponsor::{SponsorError, sponsor};
pub use transaction::{AnchorMode, ContractCall, Payload, TokenTransfer, Transaction};
pub use transfer::{
    ConditionOn, MEMO_LEN_MAX, NotATransfer, SignedTransfer, Transfer, TransferCall, TransferError,
    sbtc_asset, sbtc_contract, sign_transfer,
};
pub use txid::{TxId, TxIdError};
pub use verify::VerifyError;
