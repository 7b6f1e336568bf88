use crate::{
    Address, ClarityName, ContractId, Network, PostCondition, PostConditionMode, Principal,
    SpendingCondition, TxId, Value, byte_enum::byte_enum, hash, reader::write,
};

byte_enum! {
    /// In which kind of block a transaction may be mined; history, since all blocks are alike now.
    "anchor mode" AnchorMode {
        OnChain = 0x01,
        OffChain = 0x02,
        Any = 0x03,
    }
}

/// The auth byte of a transaction that its origin pays for; also what its origin signs under.
pub(crate) const AUTH_STANDARD: u8 = 0x04;
/// The auth byte of a transaction that a sponsor pays for.
pub(crate) const AUTH_SPONSORED: u8 = 0x05;

/// A transaction, whole: decoded by [`decode`](crate::decode) or built to be signed.
///
/// The version byte and the chain id are those of its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub network: Network,
    pub origin: SpendingCondition,
    /// Present in a sponsored transaction, signed or not.
    pub sponsor: Option<SpendingCondition>,
    pub anchor_mode: AnchorMode,
    pub post_condition_mode: PostConditionMode,
    pub post_conditions: Vec<PostCondition>,
    pub payload: Payload,
}

/// What a transaction does. Deployments and the like are not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    TokenTransfer(TokenTransfer),
    ContractCall(ContractCall),
}

/// STX from the origin to the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTransfer {
    pub recipient: Principal,
    /// Micro-STX.
    pub amount: u64,
    pub memo: [u8; 34],
}

/// A public function of a contract, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractCall {
    pub contract: ContractId,
    pub function: ClarityName,
    pub arguments: Vec<Value>,
}

impl Transaction {
    /// The account that signs for what the transaction does.
    pub const fn origin_address(&self) -> Address {
        Address::of_signer(self.network, self.origin.signer)
    }

    /// The account that pays the fee in its place, if one may.
    pub fn sponsor_address(&self) -> Option<Address> {
        self.sponsor.map(|sponsor| Address::of_signer(self.network, sponsor.signer))
    }

    /// Whether a sponsor is to pay, signed yet or not.
    pub const fn sponsored(&self) -> bool {
        self.sponsor.is_some()
    }

    /// Whether it waits for a sponsor, as the deployed relay sees it: no fee, or nobody's key.
    pub fn sponsor_slot_empty(&self) -> bool {
        self.sponsor.is_some_and(|sponsor| sponsor.fee == 0 || sponsor.signer == [0; 20])
    }

    /// The id of these very bytes. A sponsor's signature changes it.
    pub fn txid(&self) -> TxId {
        TxId(hash::sha512_256(&self.encode()))
    }

    /// The bytes that go to a relay or a node.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(self.network.version_byte());
        out.extend(self.network.chain_id().to_be_bytes());
        match &self.sponsor {
            None => {
                out.push(AUTH_STANDARD);
                self.origin.write(&mut out);
            }
            Some(sponsor) => {
                out.push(AUTH_SPONSORED);
                self.origin.write(&mut out);
                sponsor.write(&mut out);
            }
        }
        out.push(self.anchor_mode.byte());
        out.push(self.post_condition_mode.byte());
        write::len(&mut out, self.post_conditions.len());
        self.post_conditions.iter().for_each(|condition| condition.write(&mut out));
        self.payload.write(&mut out);
        out
    }
}

impl Payload {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Payload::TokenTransfer(transfer) => {
                out.push(0x00);
                Value::Principal(transfer.recipient.clone()).write(out);
                out.extend(transfer.amount.to_be_bytes());
                out.extend(transfer.memo);
            }
            Payload::ContractCall(call) => {
                out.push(0x02);
                write::contract(out, &call.contract);
                write::name(out, call.function.as_str());
                write::len(out, call.arguments.len());
                call.arguments.iter().for_each(|argument| argument.write(out));
            }
        }
    }
}
