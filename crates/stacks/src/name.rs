//! Names on the chain, checked once.

use std::{fmt, str::FromStr};

/// Why a text is no name on the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("read an empty name")]
    Empty,
    #[error("read a name of {len} bytes, more than {max}")]
    TooLong { len: usize, max: usize },
    #[error("read a name that starts with {found:?}, not with a letter")]
    BadStart { found: char },
    #[error("read a name that contains {found:?}")]
    BadChar { found: char },
}

/// The name of a contract: a letter, then letters, digits, `-` and `_`; 40 bytes at most.
///
/// The encoding has room for 128, but no contract with more than 40 can be deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractName(String);

/// The name of a function, an asset or a tuple's field; 128 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClarityName(String);

impl ContractName {
    pub const LEN_MAX: usize = 40;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For names known when this is compiled.
    pub(crate) fn known(name: &'static str) -> Self {
        ContractName(name.into())
    }
}

impl ClarityName {
    pub const LEN_MAX: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For names known when this is compiled.
    pub(crate) fn known(name: &'static str) -> Self {
        ClarityName(name.into())
    }
}

impl FromStr for ContractName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, ContractName::LEN_MAX, "-_")?;
        Ok(ContractName(text.into()))
    }
}

impl FromStr for ClarityName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let operator = matches!(text, "-" | "+" | "=" | "/" | "*" | "<" | ">" | "<=" | ">=");
        if !operator {
            check(text, ClarityName::LEN_MAX, "-_!?+<>=/*")?;
        }
        Ok(ClarityName(text.into()))
    }
}

fn check(text: &str, max: usize, marks: &str) -> Result<(), NameError> {
    if text.len() > max {
        return Err(NameError::TooLong { len: text.len(), max });
    }
    let start = text.chars().next().ok_or(NameError::Empty)?;
    if !start.is_ascii_alphabetic() {
        return Err(NameError::BadStart { found: start });
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !marks.contains(*c)) {
        Some(found) => Err(NameError::BadChar { found }),
        None => Ok(()),
    }
}

impl fmt::Display for ContractName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ClarityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn contract(text: &str) -> Result<String, NameError> {
        text.parse::<ContractName>().map(|name| name.to_string())
    }

    /// Each way of being no contract name has its own answer.
    #[test]
    fn names_what_is_wrong_with_a_contract_name() {
        assert_eq!(contract("sbtc-token_2"), Ok("sbtc-token_2".into()));
        assert_eq!(contract(""), Err(NameError::Empty));
        assert_eq!(contract("1abc"), Err(NameError::BadStart { found: '1' }));
        assert_eq!(contract("a.b"), Err(NameError::BadChar { found: '.' }));
        assert_eq!(contract("a!"), Err(NameError::BadChar { found: '!' }));
        assert!(contract(&"n".repeat(40)).is_ok());
        assert_eq!(contract(&"n".repeat(41)), Err(NameError::TooLong { len: 41, max: 40 }));
    }

    /// Functions may carry marks, and some are nothing else.
    #[test]
    fn allows_the_marks_of_functions() {
        for name in ["transfer", "is-ok?", "set!", "<=", "+"] {
            assert_eq!(name.parse::<ClarityName>().unwrap().as_str(), name);
        }
        for name in ["", "<<", "?x", "a b", "é"] {
            assert!(name.parse::<ClarityName>().is_err(), "{name:?}");
        }
    }
}
