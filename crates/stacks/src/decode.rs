use crate::{
    AddressError, AnchorMode, ContractCall, NameError, Network, Payload, PostCondition,
    PostConditionMode, Principal, SpendingCondition, TokenTransfer, Transaction, Value,
    reader::{Read, Reader},
    transaction::{AUTH_SPONSORED, AUTH_STANDARD},
};

/// The longest transaction that a node takes.
pub const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why bytes are no transaction, or none that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("decode a transaction of {len} bytes, more than {BYTES_MAX}")]
    TooLong { len: usize },
    #[error("decode a transaction that breaks off after {len} bytes")]
    Truncated { len: usize },
    #[error("decode a transaction that is followed by {extra} bytes")]
    Trailing { extra: usize },
    #[error("decode a transaction of {network} with the chain id {found:#010x}")]
    ChainId { network: Network, found: u32 },
    #[error("decode {what} {byte:#04x}, which is not known here")]
    Unknown { what: &'static str, byte: u8 },
    #[error("decode a value nested deeper than {max}")]
    TooDeep { max: u32 },
    #[error("decode a name that is not text")]
    NotText,
    #[error("decode a name")]
    Name(#[source] NameError),
    #[error("decode an address")]
    Address(#[source] AddressError),
    #[error("decode an STX transfer to something that is no principal")]
    NoRecipient,
}

/// Reads a transaction and nothing after it. Signatures are not looked at: see
/// [`Transaction::verify_origin`].
///
/// # Errors
///
/// For bytes that are no transaction, and for kinds not known here: multi-signature accounts,
/// deployments, coinbases.
pub fn decode(bytes: &[u8]) -> Result<Transaction, DecodeError> {
    if bytes.len() > BYTES_MAX {
        return Err(DecodeError::TooLong { len: bytes.len() });
    }
    let mut reader = Reader::new(bytes);
    let network = read_network(&mut reader)?;
    let (origin, sponsor) = read_auth(&mut reader)?;
    let transaction = Transaction {
        network,
        origin,
        sponsor,
        anchor_mode: AnchorMode::read(&mut reader)?,
        post_condition_mode: PostConditionMode::read(&mut reader)?,
        post_conditions: reader.items(PostCondition::read)?,
        payload: read_payload(&mut reader)?,
    };
    reader.end()?;
    Ok(transaction)
}

fn read_network(reader: &mut Reader<'_>) -> Read<Network> {
    let byte = reader.byte()?;
    let mut networks = [Network::Mainnet, Network::Testnet].into_iter();
    let network = networks
        .find(|network| network.version_byte() == byte)
        .ok_or(DecodeError::Unknown { what: "version", byte })?;
    match reader.u32()? {
        id if id == network.chain_id() => Ok(network),
        found => Err(DecodeError::ChainId { network, found }),
    }
}

fn read_auth(reader: &mut Reader<'_>) -> Read<(SpendingCondition, Option<SpendingCondition>)> {
    match reader.byte()? {
        AUTH_STANDARD => Ok((SpendingCondition::read(reader)?, None)),
        AUTH_SPONSORED => {
            let origin = SpendingCondition::read(reader)?;
            Ok((origin, Some(SpendingCondition::read(reader)?)))
        }
        byte => Err(DecodeError::Unknown { what: "auth type", byte }),
    }
}

fn read_payload(reader: &mut Reader<'_>) -> Read<Payload> {
    match reader.byte()? {
        0x00 => Ok(Payload::TokenTransfer(TokenTransfer {
            recipient: read_recipient(reader)?,
            amount: reader.u64()?,
            memo: reader.array()?,
        })),
        0x02 => Ok(Payload::ContractCall(ContractCall {
            contract: reader.contract()?,
            function: reader.clarity_name()?,
            arguments: reader.items(Value::read)?,
        })),
        byte => Err(DecodeError::Unknown { what: "payload", byte }),
    }
}

fn read_recipient(reader: &mut Reader<'_>) -> Read<Principal> {
    match Value::read(reader)? {
        Value::Principal(recipient) => Ok(recipient),
        _ => Err(DecodeError::NoRecipient),
    }
}
