//! x402 version 2 on Stacks: how a server says what it wants, and how it is paid.
//!
//! * [`PaymentRequired`]: what a server answers with status 402, as header and as body;
//! * [`select`]: the one entry of it that keeps to our [`Terms`], or why none does;
//! * [`PaymentPayload`]: what the payer sends back, with the signed transaction in it;
//! * [`SettleResponse`]: what became of it;
//! * [`header`]: their names, and how these types travel in them.
//!
//! Both sides are here. Reading is lenient towards what is unknown, and towards entries meant for
//! other chains; it is strict about what money depends on. The entry that was chosen is kept as
//! the text that came, and sent back as it was. No input makes anything here panic.
//!
//! The scheme is `exact` as the sponsor relays of AIBTC have deployed it: the payload holds one
//! transaction, signed by its origin and left for the relay to pay for.
//!
//! ```
//! use stacks::{Network, sbtc_asset};
//! use x402::{PaymentPayload, PaymentRequired, Terms, TermsError, header, select};
//!
//! let body = r#"{ "x402Version": 2, "accepts": [
//!     { "scheme": "exact", "network": "eip155:8453", "what": ["is", "this?"] },
//!     { "scheme": "exact", "network": "stacks:1", "amount": "100",
//!       "asset": "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token",
//!       "payTo": "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7", "maxTimeoutSeconds": 300 } ] }"#;
//! let required: PaymentRequired = header::decode(body).unwrap();
//!
//! let pay_to = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7".parse().unwrap();
//! let network = Network::Mainnet;
//! let terms = Terms { network, asset: sbtc_asset(network), max_amount: 100, pay_to };
//! let chosen = select(&required, &terms).unwrap();
//! let sent = header::encode(&chosen.payment(&[0x00, 0x01], None));
//!
//! let seen: PaymentPayload = header::decode(&sent).unwrap();
//! assert_eq!(seen.payload.transaction, "0x0001");
//! assert_eq!(seen.accepted.unwrap().parse().unwrap().amount, "100");
//!
//! // A server that asks for more than was agreed gets nothing.
//! let stingy = Terms { max_amount: 99, ..terms };
//! let refusal = select(&required, &stingy).unwrap_err();
//! assert_eq!(refusal, TermsError::Amount { asked: 100, max: 99 });
//! ```

mod asset;
pub mod header;
mod lenient;
mod payload;
mod requirement;
mod settle;
mod terms;

pub use payload::{ExactPayload, PaymentId, PaymentIdError, PaymentPayload, TransactionError};
pub use requirement::{PaymentRequired, PaymentRequirement, RawRequirement, Resource};
pub use settle::{SettleRequest, SettleResponse};
pub use terms::{Chosen, Terms, TermsError, select};

/// The version of the protocol spoken here.
pub const VERSION: u64 = 2;

/// The scheme spoken here: the payee is sent exactly what it asks for.
pub const SCHEME: &str = "exact";
