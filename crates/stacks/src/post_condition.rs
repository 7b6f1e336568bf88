//! What a transaction promises to move, so that the chain can undo it if it moves anything else.

use crate::{
    Address, ClarityName, ContractId, DecodeError, Value,
    byte_enum::byte_enum,
    reader::{Read, Reader, write},
};

byte_enum! {
    /// Whether tokens may move that no condition mentions.
    "post-condition mode" PostConditionMode {
        Allow = 0x01,
        Deny = 0x02,
    }
}

byte_enum! {
    /// How much of a fungible asset must have been sent, against the amount beside it.
    "fungible condition" FungibleCode {
        Equal = 0x01,
        Greater = 0x02,
        GreaterOrEqual = 0x03,
        Less = 0x04,
        LessOrEqual = 0x05,
    }
}

byte_enum! {
    "non-fungible condition" NonFungibleCode {
        Sent = 0x10,
        NotSent = 0x11,
    }
}

/// Whose sending a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostConditionPrincipal {
    /// Whoever signs as origin.
    Origin,
    Standard(Address),
    Contract(ContractId),
}

/// A token of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    pub contract: ContractId,
    pub name: ClarityName,
}

/// One promise about what a principal sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostCondition {
    Stx {
        principal: PostConditionPrincipal,
        code: FungibleCode,
        amount: u64,
    },
    Fungible {
        principal: PostConditionPrincipal,
        asset: Asset,
        code: FungibleCode,
        amount: u64,
    },
    NonFungible {
        principal: PostConditionPrincipal,
        asset: Asset,
        id: Value,
        code: NonFungibleCode,
    },
}

impl PostCondition {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            PostCondition::Stx { principal, code, amount } => {
                out.push(0x00);
                principal.write(out);
                out.push(code.byte());
                out.extend(amount.to_be_bytes());
            }
            PostCondition::Fungible { principal, asset, code, amount } => {
                out.push(0x01);
                principal.write(out);
                asset.write(out);
                out.push(code.byte());
                out.extend(amount.to_be_bytes());
            }
            PostCondition::NonFungible { principal, asset, id, code } => {
                out.push(0x02);
                principal.write(out);
                asset.write(out);
                id.write(out);
                out.push(code.byte());
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let kind = reader.byte()?;
        if kind > 0x02 {
            return Err(DecodeError::Unknown { what: "post-condition", byte: kind });
        }
        let principal = PostConditionPrincipal::read(reader)?;
        Ok(match kind {
            0x00 => {
                let code = FungibleCode::read(reader)?;
                PostCondition::Stx { principal, code, amount: reader.u64()? }
            }
            0x01 => {
                let asset = Asset::read(reader)?;
                let code = FungibleCode::read(reader)?;
                PostCondition::Fungible { principal, asset, code, amount: reader.u64()? }
            }
            _ => {
                let asset = Asset::read(reader)?;
                let id = Value::read(reader)?;
                PostCondition::NonFungible {
                    principal,
                    asset,
                    id,
                    code: NonFungibleCode::read(reader)?,
                }
            }
        })
    }
}

impl PostConditionPrincipal {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            PostConditionPrincipal::Origin => out.push(0x01),
            PostConditionPrincipal::Standard(address) => {
                out.push(0x02);
                write::address(out, address);
            }
            PostConditionPrincipal::Contract(contract) => {
                out.push(0x03);
                write::contract(out, contract);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        match reader.byte()? {
            0x01 => Ok(PostConditionPrincipal::Origin),
            0x02 => reader.address().map(PostConditionPrincipal::Standard),
            0x03 => reader.contract().map(PostConditionPrincipal::Contract),
            byte => Err(DecodeError::Unknown { what: "post-condition principal", byte }),
        }
    }
}

impl Asset {
    fn write(&self, out: &mut Vec<u8>) {
        write::contract(out, &self.contract);
        write::name(out, self.name.as_str());
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Asset { contract: reader.contract()?, name: reader.clarity_name()? })
    }
}
