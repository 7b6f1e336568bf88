//! Reading bytes that anyone may have written: never past the end, never more than is there.

use crate::{Address, ClarityName, ContractId, ContractName, DecodeError, NameError};

pub(crate) type Read<T> = Result<T, DecodeError>;

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(DecodeError::Truncated { len: self.bytes.len() })?;
        self.at += len;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let len = self.bytes.len();
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated { len })
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Read<u128> {
        self.array().map(u128::from_be_bytes)
    }

    pub(crate) fn i128(&mut self) -> Read<i128> {
        self.array().map(i128::from_be_bytes)
    }

    /// A 4-byte length, then that many bytes.
    pub(crate) fn long_bytes(&mut self) -> Read<Vec<u8>> {
        let len = self.u32()?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.take(len).map(<[u8]>::to_vec)
    }

    /// A 4-byte count, then that many items. Reserves nothing ahead: the count may lie, but each
    /// item costs its sender a byte or more.
    pub(crate) fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(crate) fn address(&mut self) -> Read<Address> {
        let version = self.byte()?;
        Address::new(version, self.array()?).map_err(DecodeError::Address)
    }

    pub(crate) fn contract(&mut self) -> Read<ContractId> {
        Ok(ContractId { address: self.address()?, name: self.contract_name()? })
    }

    pub(crate) fn contract_name(&mut self) -> Read<ContractName> {
        self.name()
    }

    pub(crate) fn clarity_name(&mut self) -> Read<ClarityName> {
        self.name()
    }

    /// Fails unless everything was read.
    pub(crate) fn end(self) -> Read<()> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }

    /// A 1-byte length, then the text.
    fn name<T: std::str::FromStr<Err = NameError>>(&mut self) -> Read<T> {
        let len = usize::from(self.byte()?);
        let text = str::from_utf8(self.take(len)?).map_err(|_| DecodeError::NotText)?;
        text.parse().map_err(DecodeError::Name)
    }
}

/// The counterparts: how lengths, names and addresses are written.
pub(crate) mod write {
    use crate::{Address, ContractId};

    /// A length of 4 bytes. Nothing near 4 GiB fits a transaction, so a longer one may saturate.
    pub(crate) fn len(out: &mut Vec<u8>, len: usize) {
        out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(crate) fn long_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
        len(out, bytes.len());
        out.extend(bytes);
    }

    /// Names are at most 128 bytes, by their types.
    pub(crate) fn name(out: &mut Vec<u8>, name: &str) {
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend(name.as_bytes());
    }

    pub(crate) fn address(out: &mut Vec<u8>, address: &Address) {
        out.push(address.version());
        out.extend(address.hash160());
    }

    pub(crate) fn contract(out: &mut Vec<u8>, contract: &ContractId) {
        address(out, &contract.address);
        name(out, contract.name.as_str());
    }
}
