use crate::{
    ClarityName, DecodeError, Principal,
    reader::{Read, Reader, write},
};

/// A Clarity value, as the arguments of a contract call carry it.
///
/// Strings are kept as the bytes that came; whether they are text is for the chain to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i128),
    UInt(u128),
    Buffer(Vec<u8>),
    Bool(bool),
    Principal(Principal),
    Ok(Box<Value>),
    Err(Box<Value>),
    None,
    Some(Box<Value>),
    List(Vec<Value>),
    Tuple(Vec<(ClarityName, Value)>),
    StringAscii(Vec<u8>),
    StringUtf8(Vec<u8>),
}

/// How deep values may nest; the chain's own limit.
const DEPTH_MAX: u32 = 32;

impl Value {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            Value::Int(number) => out.extend(number.to_be_bytes()),
            Value::UInt(number) => out.extend(number.to_be_bytes()),
            Value::Buffer(bytes) | Value::StringAscii(bytes) | Value::StringUtf8(bytes) => {
                write::long_bytes(out, bytes);
            }
            Value::Bool(_) | Value::None => (),
            Value::Principal(Principal::Standard(address)) => write::address(out, address),
            Value::Principal(Principal::Contract(contract)) => write::contract(out, contract),
            Value::Ok(inner) | Value::Err(inner) | Value::Some(inner) => inner.write(out),
            Value::List(items) => {
                write::len(out, items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Tuple(fields) => {
                write::len(out, fields.len());
                for (name, field) in fields {
                    write::name(out, name.as_str());
                    field.write(out);
                }
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Value::read_below(reader, DEPTH_MAX)
    }

    fn read_below(reader: &mut Reader<'_>, depth: u32) -> Read<Self> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep { max: DEPTH_MAX })?;
        let inner = |reader: &mut Reader<'_>| Value::read_below(reader, depth).map(Box::new);
        Ok(match reader.byte()? {
            0x00 => Value::Int(reader.i128()?),
            0x01 => Value::UInt(reader.u128()?),
            0x02 => Value::Buffer(reader.long_bytes()?),
            0x03 => Value::Bool(true),
            0x04 => Value::Bool(false),
            0x05 => Value::Principal(Principal::Standard(reader.address()?)),
            0x06 => Value::Principal(Principal::Contract(reader.contract()?)),
            0x07 => Value::Ok(inner(reader)?),
            0x08 => Value::Err(inner(reader)?),
            0x09 => Value::None,
            0x0a => Value::Some(inner(reader)?),
            0x0b => Value::List(reader.items(|reader| Value::read_below(reader, depth))?),
            0x0c => {
                Value::Tuple(reader.items(|reader| {
                    Ok((reader.clarity_name()?, Value::read_below(reader, depth)?))
                })?)
            }
            0x0d => Value::StringAscii(reader.long_bytes()?),
            0x0e => Value::StringUtf8(reader.long_bytes()?),
            byte => return Err(DecodeError::Unknown { what: "value", byte }),
        })
    }

    const fn tag(&self) -> u8 {
        match self {
            Value::Int(_) => 0x00,
            Value::UInt(_) => 0x01,
            Value::Buffer(_) => 0x02,
            Value::Bool(true) => 0x03,
            Value::Bool(false) => 0x04,
            Value::Principal(Principal::Standard(_)) => 0x05,
            Value::Principal(Principal::Contract(_)) => 0x06,
            Value::Ok(_) => 0x07,
            Value::Err(_) => 0x08,
            Value::None => 0x09,
            Value::Some(_) => 0x0a,
            Value::List(_) => 0x0b,
            Value::Tuple(_) => 0x0c,
            Value::StringAscii(_) => 0x0d,
            Value::StringUtf8(_) => 0x0e,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = vec![0x0a; depth];
        bytes.push(0x09);
        bytes
    }

    /// A value as deep as the chain allows is read; one deeper is refused before the stack is.
    #[test]
    fn stops_at_the_depth_limit() {
        assert!(Value::read(&mut Reader::new(&nested(31))).is_ok());
        let too_deep = Err(DecodeError::TooDeep { max: 32 });
        assert_eq!(Value::read(&mut Reader::new(&nested(32))), too_deep);
        assert_eq!(Value::read(&mut Reader::new(&nested(1_000_000))), too_deep);
    }

    /// A list that claims four billion items costs only what it really holds.
    #[test]
    fn believes_no_count() {
        let bytes = [0x0b, 0xff, 0xff, 0xff, 0xff, 0x09];
        let answer = Value::read(&mut Reader::new(&bytes));
        assert_eq!(answer, Err(DecodeError::Truncated { len: 6 }));
    }
}
