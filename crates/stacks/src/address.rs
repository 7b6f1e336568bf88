use std::{fmt, str::FromStr};

use crate::{Network, PublicKey, c32, hash};

/// The address of an account: a version and the hash of its key.
///
/// Texts are read strictly: one account has exactly one spelling, so two equal accounts are never
/// two strings.
///
/// ```
/// use stacks::{Address, AddressError, Network};
///
/// let text = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";
/// let address: Address = text.parse().unwrap();
/// assert_eq!(address.network(), Some(Network::Mainnet));
/// assert_eq!(address.to_string(), text);
///
/// // Some decoders take the letter O for the digit 0; then one account has two names.
/// let lenient = "SP2DVM5WFBR7GQO171Z7N4STMB8JQS5J4JB7SRCJA".parse::<Address>();
/// assert_eq!(lenient, Err(AddressError::BadChar { found: 'O' }));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Invariant: below 32, so that it has a character.
    version: u8,
    hash160: [u8; 20],
}

/// Why a text (or a version) is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("read an address of {len} bytes: shorter or longer than any")]
    Length { len: usize },
    #[error("read an address that starts with {found:?}, not with S")]
    Prefix { found: char },
    #[error("read an address that contains {found:?}, which is not canonical c32")]
    BadChar { found: char },
    #[error("read an address that holds more than 20 bytes and a checksum")]
    TooBig,
    #[error("read an address that does not match its checksum")]
    Checksum,
    #[error("read an address that has leading zeros too many or too few")]
    NotCanonical,
    #[error("make an address of version {version}, above 31")]
    Version { version: u8 },
}

impl Address {
    /// An address of any of the 32 versions, assigned or not.
    pub fn new(version: u8, hash160: [u8; 20]) -> Result<Self, AddressError> {
        match version {
            0..=31 => Ok(Address { version, hash160 }),
            _ => Err(AddressError::Version { version }),
        }
    }

    /// The single-signature account of a key.
    pub fn p2pkh(network: Network, key: &PublicKey) -> Self {
        Address::of_signer(network, key.hash160())
    }

    pub(crate) const fn of_signer(network: Network, hash160: [u8; 20]) -> Self {
        Address { version: network.p2pkh_version(), hash160 }
    }

    pub(crate) const fn known(version: u8, hash160: [u8; 20]) -> Self {
        assert!(version < 32, "a version has one character");
        Address { version, hash160 }
    }

    pub const fn version(&self) -> u8 {
        self.version
    }

    pub const fn hash160(&self) -> &[u8; 20] {
        &self.hash160
    }

    /// The network whose version this is; `None` for an unassigned one.
    pub fn network(&self) -> Option<Network> {
        [Network::Mainnet, Network::Testnet].into_iter().find(|network| {
            [network.p2pkh_version(), network.p2sh_version()].contains(&self.version)
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // 20 bytes and 4 of checksum: 24 zeros at least, 39 digits at most, after `S` and version.
        if !(26..=41).contains(&text.len()) {
            return Err(AddressError::Length { len: text.len() });
        }
        let mut characters = text.chars();
        match characters.next() {
            Some('S') => (),
            found => return Err(AddressError::Prefix { found: found.unwrap_or(' ') }),
        }
        let digits: Vec<u8> = characters
            .map(|found| {
                let ascii = u8::try_from(found).ok();
                ascii.and_then(c32::digit).ok_or(AddressError::BadChar { found })
            })
            .collect::<Result<_, _>>()?;
        let bytes: [u8; 24] = c32::decode(&digits[1..]).ok_or(AddressError::TooBig)?;
        let (hash160, checksum) = bytes.split_at(20);
        let hash160: [u8; 20] = hash160.try_into().map_err(|_| AddressError::TooBig)?;
        let address = Address::new(digits[0], hash160)?;
        if checksum != hash::checksum(address.version, &hash160) {
            return Err(AddressError::Checksum);
        }
        // A number can be spelled with any count of leading zeros; only one of them is right.
        if address.to_string() != text {
            return Err(AddressError::NotCanonical);
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.hash160.to_vec();
        bytes.extend(hash::checksum(self.version, &self.hash160));
        write!(f, "S{}{}", c32::character(self.version), c32::encode(&bytes))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
