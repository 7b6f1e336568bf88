//! The one thing we pay with: an sBTC transfer, signed by its origin, paid for by a sponsor.

use crate::{
    Address, AnchorMode, Asset, ClarityName, ContractCall, ContractId, ContractName, FungibleCode,
    Network, Payload, PostCondition, PostConditionMode, PostConditionPrincipal, Principal,
    PrivateKey, SpendingCondition, Transaction, TxId, Value,
};

/// The longest memo that the token contract takes.
pub const MEMO_LEN_MAX: usize = 34;

const TOKEN: &str = "sbtc-token";
const FUNCTION: &str = "transfer";

/// An sBTC transfer to be signed; its sender is the signing key's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub network: Network,
    /// The sender's account nonce. Two transfers with one nonce can never both settle.
    pub nonce: u64,
    /// Satoshis. The contract takes more than 64 bits, but a post-condition cannot hold it.
    pub amount: u64,
    pub recipient: Principal,
    pub memo: Option<Vec<u8>>,
    pub condition_on: ConditionOn,
}

/// How the post-condition names who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOn {
    /// By address.
    Sender,
    /// As the transaction's origin.
    Origin,
}

/// A transfer that its origin signed. The sponsor's slot holds the placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransfer {
    pub bytes: Vec<u8>,
    /// The id of `bytes`; on chain the transfer will have another, once sponsored.
    pub txid: TxId,
}

/// Why a transfer is not signed. The chain would refuse each of these, some only after the fee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("sign a transfer of nothing")]
    ZeroAmount,
    #[error("sign a transfer on {network} to {recipient}, which is not an account there")]
    OtherNetwork { network: Network, recipient: Principal },
    #[error("sign a transfer to its own sender")]
    ToSender,
    #[error("sign a transfer with a memo of {len} bytes, more than {MEMO_LEN_MAX}")]
    MemoTooLong { len: usize },
}

impl Transfer {
    /// A transfer without a memo.
    pub fn new(network: Network, nonce: u64, amount: u64, recipient: Principal) -> Self {
        Transfer {
            network,
            nonce,
            amount,
            recipient,
            memo: None,
            condition_on: ConditionOn::Sender,
        }
    }

    /// Why signing for `sender` would be refused, if it would.
    fn check(&self, sender: Address) -> Result<(), TransferError> {
        let memo_len = self.memo.as_ref().map_or(0, Vec::len);
        if self.amount == 0 {
            return Err(TransferError::ZeroAmount);
        }
        if self.recipient.address().network() != Some(self.network) {
            let recipient = self.recipient.clone();
            return Err(TransferError::OtherNetwork { network: self.network, recipient });
        }
        if self.recipient == Principal::Standard(sender) {
            return Err(TransferError::ToSender);
        }
        match memo_len {
            0..=MEMO_LEN_MAX => Ok(()),
            len => Err(TransferError::MemoTooLong { len }),
        }
    }

    fn unsigned(&self, sender: Address) -> Transaction {
        let memo = match &self.memo {
            None => Value::None,
            Some(memo) => Value::Some(Box::new(Value::Buffer(memo.clone()))),
        };
        let call = ContractCall {
            contract: sbtc_contract(self.network),
            function: ClarityName::known(FUNCTION),
            arguments: vec![
                Value::UInt(self.amount.into()),
                Value::Principal(sender.into()),
                Value::Principal(self.recipient.clone()),
                memo,
            ],
        };
        Transaction {
            network: self.network,
            origin: SpendingCondition::unsigned(*sender.hash160(), self.nonce, 0),
            sponsor: Some(SpendingCondition::unsigned(SpendingCondition::PLACEHOLDER_SIGNER, 0, 0)),
            anchor_mode: AnchorMode::Any,
            post_condition_mode: PostConditionMode::Deny,
            post_conditions: vec![self.condition(sender)],
            payload: Payload::ContractCall(call),
        }
    }

    /// Exactly the amount leaves the sender, or nothing does.
    fn condition(&self, sender: Address) -> PostCondition {
        PostCondition::Fungible {
            principal: match self.condition_on {
                ConditionOn::Sender => PostConditionPrincipal::Standard(sender),
                ConditionOn::Origin => PostConditionPrincipal::Origin,
            },
            asset: Asset { contract: sbtc_contract(self.network), name: ClarityName::known(TOKEN) },
            code: FungibleCode::Equal,
            amount: self.amount,
        }
    }
}

/// Builds and signs a transfer for a sponsor to pay for.
///
/// It moves exactly its amount of sBTC from the key's account to the recipient, or nothing: the
/// chain undoes whatever differs from the post-condition. Signing the same transfer again gives the
/// same bytes.
///
/// # Errors
///
/// For what the chain would refuse.
pub fn sign_transfer(
    transfer: &Transfer,
    key: &PrivateKey,
) -> Result<SignedTransfer, TransferError> {
    let sender = key.address(transfer.network);
    transfer.check(sender)?;
    let mut transaction = transfer.unsigned(sender);
    transaction.origin.signature = key.sign(&transaction.origin_presign_sighash());
    Ok(SignedTransfer { bytes: transaction.encode(), txid: transaction.txid() })
}

/// The contract that keeps sBTC.
pub fn sbtc_contract(network: Network) -> ContractId {
    const MAINNET: [u8; 20] = [
        0xf6, 0xde, 0xcc, 0x7c, 0xff, 0xf2, 0xa4, 0x13, 0xbd, 0x7c, 0xd4, 0xf5, 0x3c, 0x25, 0xad,
        0x7f, 0xd1, 0x89, 0x9a, 0xcc,
    ];
    const TESTNET: [u8; 20] = [
        0x5e, 0x7b, 0xa8, 0x54, 0x6b, 0xc2, 0x7c, 0xa0, 0x07, 0x75, 0x94, 0x33, 0x6b, 0x39, 0x42,
        0xa8, 0xe7, 0xf8, 0x93, 0x52,
    ];
    let address = match network {
        Network::Mainnet => Address::known(network.p2sh_version(), MAINNET),
        Network::Testnet => Address::known(network.p2pkh_version(), TESTNET),
    };
    ContractId { address, name: ContractName::known(TOKEN) }
}

/// The token that its `transfer` moves; the contract has another for what is locked.
pub fn sbtc_asset(network: Network) -> Asset {
    Asset { contract: sbtc_contract(network), name: ClarityName::known(TOKEN) }
}

/// What an sBTC transfer asks the contract to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferCall {
    pub amount: u128,
    pub sender: Principal,
    pub recipient: Principal,
    pub memo: Option<Vec<u8>>,
}

/// Why a transaction is no sBTC transfer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATransfer {
    #[error("read a transaction that calls no contract as an sBTC transfer")]
    NoCall,
    #[error("read a call of {contract} as an sBTC transfer")]
    OtherContract { contract: ContractId },
    #[error("read a call of the function {function} as an sBTC transfer")]
    OtherFunction { function: ClarityName },
    #[error("read a call with other arguments than a transfer's as an sBTC transfer")]
    OtherArguments,
}

impl Transaction {
    /// What it transfers, if it calls the sBTC contract of its network to do so.
    ///
    /// Says nothing of signatures, of post-conditions, or of whether the sender has the money.
    ///
    /// # Errors
    ///
    /// If it does anything else.
    pub fn sbtc_transfer(&self) -> Result<TransferCall, NotATransfer> {
        let call = match &self.payload {
            Payload::ContractCall(call) => call,
            Payload::TokenTransfer(_) => return Err(NotATransfer::NoCall),
        };
        if call.contract != sbtc_contract(self.network) {
            return Err(NotATransfer::OtherContract { contract: call.contract.clone() });
        }
        if call.function.as_str() != FUNCTION {
            return Err(NotATransfer::OtherFunction { function: call.function.clone() });
        }
        let [Value::UInt(amount), Value::Principal(sender), Value::Principal(recipient), memo] =
            &call.arguments[..]
        else {
            return Err(NotATransfer::OtherArguments);
        };
        let memo = read_memo(memo).ok_or(NotATransfer::OtherArguments)?;
        Ok(TransferCall {
            amount: *amount,
            sender: sender.clone(),
            recipient: recipient.clone(),
            memo,
        })
    }
}

/// The memo of an optional buffer that the contract's signature admits.
fn read_memo(value: &Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::None => Some(None),
        Value::Some(inner) => match &**inner {
            Value::Buffer(memo) if memo.len() <= MEMO_LEN_MAX => Some(Some(memo.clone())),
            _ => None,
        },
        _ => None,
    }
}
