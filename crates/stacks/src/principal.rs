use std::{fmt, str::FromStr};

use crate::{Address, AddressError, ContractName, NameError};

/// A contract: who deployed it, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractId {
    pub address: Address,
    pub name: ContractName,
}

/// Whoever can hold a token: an account or a contract.
///
/// ```
/// use stacks::Principal;
///
/// let text = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";
/// assert!(matches!(text.parse(), Ok(Principal::Contract(_))));
/// assert!("SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.".parse::<Principal>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    Standard(Address),
    Contract(ContractId),
}

/// Why a text is no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    #[error("read the address of a principal")]
    Address(#[source] AddressError),
    #[error("read the contract name of a principal")]
    Name(#[source] NameError),
    #[error("read an address without a contract name as a contract")]
    NoName,
}

impl Principal {
    /// The account, or the account that deployed the contract.
    pub const fn address(&self) -> &Address {
        match self {
            Principal::Standard(address) => address,
            Principal::Contract(contract) => &contract.address,
        }
    }
}

impl From<Address> for Principal {
    fn from(address: Address) -> Self {
        Principal::Standard(address)
    }
}

impl From<ContractId> for Principal {
    fn from(contract: ContractId) -> Self {
        Principal::Contract(contract)
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        match text.contains('.') {
            true => text.parse().map(Principal::Contract),
            false => text.parse().map(Principal::Standard).map_err(PrincipalError::Address),
        }
    }
}

impl FromStr for ContractId {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (address, name) = text.split_once('.').ok_or(PrincipalError::NoName)?;
        let address = address.parse().map_err(PrincipalError::Address)?;
        let name = name.parse().map_err(PrincipalError::Name)?;
        Ok(ContractId { address, name })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Standard(address) => address.fmt(f),
            Principal::Contract(contract) => contract.fmt(f),
        }
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.address, self.name)
    }
}
