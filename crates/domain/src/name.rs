use std::{fmt, str::FromStr};

/// Why a string is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("name is empty")]
    Empty,
    #[error("name {name:?} has more than {max} bytes")]
    TooLong { name: String, max: usize },
    #[error("name {name:?} contains {found:?}; use a-z, 0-9 and '-'")]
    BadChar { name: String, found: char },
}

const LEN_MAX: usize = 48;

fn check(text: &str, reserved_prefix: bool) -> Result<(), NameError> {
    let body = if reserved_prefix { text.strip_prefix('_').unwrap_or(text) } else { text };
    if body.is_empty() {
        return Err(NameError::Empty);
    }
    if LEN_MAX < text.len() {
        return Err(NameError::TooLong { name: text.to_owned(), max: LEN_MAX });
    }
    match body.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        Some(found) => Err(NameError::BadChar { name: text.to_owned(), found }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, reserved_prefix = $reserved:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $reserved).map(|()| $name(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// A class of work, such as `welcome`: 1 to 48 bytes of `a-z`, `0-9` and `-`, so that it
    /// can stand in a subject.
    Kind, reserved_prefix = false
}

name! {
    /// A gate, named after the dependency that is shared: `relay`, `wallet`.
    ///
    /// Every kind also has its own, [`GateName::of_kind`]. One reserved name, `_config`,
    /// starts with an underscore: its messages move the fence when the configuration changes.
    ///
    /// ```
    /// use domain::GateName;
    ///
    /// let gate = GateName::of_kind(&"welcome".parse()?);
    /// assert_eq!(gate.as_str(), "kind-welcome");
    /// assert!("Relay".parse::<GateName>().is_err());
    /// # Ok::<(), domain::NameError>(())
    /// ```
    GateName, reserved_prefix = true
}

name! {
    /// A service on the bus, such as `welcome-payer`.
    ServiceName, reserved_prefix = false
}

name! {
    /// A sensor of the configuration, such as `aibtc-directory`.
    SensorName, reserved_prefix = false
}

name! {
    /// Whoever takes credentials, such as `anthropic`.
    ProviderName, reserved_prefix = false
}

name! {
    /// One credential of a provider, such as `oauth` or `api-key`.
    CredentialName, reserved_prefix = false
}

name! {
    /// One running dispatcher: who holds a claim. Fresh for each process.
    HolderId, reserved_prefix = false
}

impl GateName {
    /// The gate that an operator closes by hand to suspend one kind of work.
    pub fn of_kind(kind: &Kind) -> Self {
        GateName(format!("kind-{kind}").into())
    }

    /// The reserved gate whose epoch is the version of the configuration.
    pub fn config() -> Self {
        GateName("_config".into())
    }

    pub fn is_config(&self) -> bool {
        &*self.0 == "_config"
    }
}

impl HolderId {
    /// The name of a process that drew `number` when it started.
    pub fn of(number: u64) -> Self {
        HolderId(format!("{number:016x}").into())
    }
}
