use domain::{CredentialName, CredentialRecord, CredentialUse, Fingerprint, Timestamp};

/// What there is to tell of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is on record that a provider refused one.
    Refused {
        record: CredentialRecord,
    },
    ExpiresSoon {
        used: CredentialUse,
        expires: Timestamp,
    },
    /// Another secret lies in its place.
    Renewed {
        used: CredentialUse,
        instead_of: Option<Fingerprint>,
    },
    /// A refresh token bought it here.
    Refreshed {
        used: CredentialUse,
        expires: Option<Timestamp>,
    },
    /// The refresh token beside it buys nothing.
    RefreshFailed {
        used: CredentialUse,
        why: String,
        again: bool,
    },
    /// It can no longer be read where this dispatcher runs.
    Unreadable {
        credential: CredentialName,
        why: String,
    },
}
