use domain::{
    Cause, CredentialName, CredentialRecord, CredentialStanding, CredentialUse, Epoch, Fingerprint,
    ProviderName, Refusal, Timestamp,
};
use serde_json::{Value, json};

use super::{Event, shorten};
use crate::subject;

/// How much of what a provider answered is told, in characters.
const EVIDENCE_MAX: usize = 500;

/// What is told of a provider's credentials. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialTold {
    pub provider: ProviderName,
    /// Which one; `None` when it is about all of them.
    pub credential: Option<CredentialName>,
    /// Of the secret; `None` when none could be read.
    pub fingerprint: Option<Fingerprint>,
    pub verb: CredentialVerb,
    pub source: String,
    pub at: Timestamp,
}

/// What happened to a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialVerb {
    /// The provider refused it; nobody in the fleet lends it again.
    Refused {
        why: Refusal,
        evidence: String,
        by: String,
        epoch: Epoch,
    },
    ExpiresSoon {
        expires: Timestamp,
    },
    /// A refresh token bought it.
    Refreshed {
        expires: Option<Timestamp>,
    },
    /// No refresh token buys a new one: why, and whether it may be tried again.
    RefreshFailed {
        why: String,
        again: bool,
    },
    /// Another secret lies in its place.
    Renewed {
        instead_of: Option<Fingerprint>,
    },
    /// It cannot be read where `source` runs.
    Unreadable {
        why: String,
    },
    /// None is left that serves.
    Exhausted {
        cause: Cause,
        evidence: String,
        epoch: Epoch,
    },
    /// A person says that it serves after all.
    Allowed {
        by: String,
        note: String,
        seq: u64,
    },
}

impl CredentialVerb {
    const fn word(&self) -> &'static str {
        match self {
            CredentialVerb::Refused { .. } => "refused",
            CredentialVerb::ExpiresSoon { .. } => "expires-soon",
            CredentialVerb::Refreshed { .. } => "refreshed",
            CredentialVerb::RefreshFailed { .. } => "refresh-failed",
            CredentialVerb::Renewed { .. } => "renewed",
            CredentialVerb::Unreadable { .. } => "unreadable",
            CredentialVerb::Exhausted { .. } => "exhausted",
            CredentialVerb::Allowed { .. } => "allowed",
        }
    }

    fn more(&self) -> Value {
        match self {
            CredentialVerb::Refused { why, evidence, by, epoch } => json!({
                "why": why.word(),
                "evidence": shorten(evidence, EVIDENCE_MAX),
                "by": by,
                "gate_epoch": epoch.get(),
            }),
            CredentialVerb::ExpiresSoon { expires } => json!({ "expires": expires.to_string() }),
            CredentialVerb::Refreshed { expires } => {
                json!({ "expires": expires.map(|expires| expires.to_string()) })
            }
            CredentialVerb::RefreshFailed { why, again } => {
                json!({ "why": shorten(why, EVIDENCE_MAX), "again": again })
            }
            CredentialVerb::Renewed { instead_of } => {
                json!({ "instead_of": instead_of.map(|old| old.to_string()) })
            }
            CredentialVerb::Unreadable { why } => json!({ "why": shorten(why, EVIDENCE_MAX) }),
            CredentialVerb::Exhausted { cause, evidence, epoch } => json!({
                "cause": cause.to_string(),
                "evidence": shorten(evidence, EVIDENCE_MAX),
                "gate_epoch": epoch.get(),
            }),
            CredentialVerb::Allowed { by, note, .. } => json!({ "by": by, "note": note }),
        }
    }
}

impl CredentialTold {
    /// What the provider refused, as it lies on record; `None` if that is no refusal.
    pub fn refused(record: &CredentialRecord, source: String) -> Option<CredentialTold> {
        let CredentialStanding::Refused { why, evidence, epoch } = &record.standing else {
            return None;
        };
        let verb = CredentialVerb::Refused {
            why: *why,
            evidence: evidence.clone(),
            by: record.by.clone(),
            epoch: *epoch,
        };
        Some(CredentialTold { source, ..CredentialTold::of(&record.used, verb, record.at) })
    }

    /// Of one secret; without a source.
    pub fn of(used: &CredentialUse, verb: CredentialVerb, at: Timestamp) -> CredentialTold {
        CredentialTold {
            provider: used.provider.clone(),
            credential: Some(used.credential.clone()),
            fingerprint: Some(used.fingerprint),
            verb,
            source: String::new(),
            at,
        }
    }

    /// The same in every service that tells it, so that telling twice counts once: made of the
    /// provider and the fingerprint, and of the gate's epoch where an opening lets it happen
    /// anew. What one host cannot read is its own to tell, each time.
    pub fn id(&self) -> String {
        let CredentialTold { provider, verb, source, at, .. } = self;
        let about = match (&self.fingerprint, &self.credential) {
            (Some(fingerprint), _) => fingerprint.to_string(),
            (None, Some(credential)) => credential.to_string(),
            (None, None) => "all".to_owned(),
        };
        let id = format!("credential/{provider}/{about}/{}", verb.word());
        match verb {
            CredentialVerb::Refused { epoch, .. } | CredentialVerb::Exhausted { epoch, .. } => {
                format!("{id}/{epoch}")
            }
            CredentialVerb::Allowed { seq, .. } => format!("{id}/{seq}"),
            CredentialVerb::Unreadable { .. }
            | CredentialVerb::RefreshFailed { again: true, .. } => {
                format!("{id}/{source}/{}", at.as_millis())
            }
            _ => id,
        }
    }

    pub fn to_event(&self) -> Event {
        let mut data = json!({
            "provider": self.provider.to_string(),
            "credential": self.credential.as_ref().map(ToString::to_string),
            "fingerprint": self.fingerprint.map(|fingerprint| fingerprint.to_string()),
            "at_ms": self.at.as_millis(),
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, self.verb.more()) {
            data.extend(more);
        }
        Event {
            subject: subject::event_credential(self.verb.word(), &self.provider),
            id: self.id(),
            kind: format!("portcullis.credential.{}", self.verb.word()),
            source: self.source.clone(),
            at: self.at,
            data,
        }
    }
}
