use domain::{
    Admission, Cause, Cost, Created, CredentialUse, Epoch, GateName, HolderId, Kind, MicroUsd,
    Sats, SourceKey, Timestamp, event_id,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Envelope, Event, EventError, field, shorten};
use crate::subject;

/// How one attempt, or one task, ended, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptTold {
    pub verb: AttemptVerb,
    pub kind: Kind,
    pub source_key: SourceKey,
    pub attempt: u32,
    pub holder: HolderId,
    pub at: Timestamp,
    /// Why it failed; `None` for a completed or held one.
    pub cause: Option<Cause>,
    /// Whether it counts against the task's attempts.
    pub charged: bool,
    /// The gate through which the failure is shared.
    pub gate: Option<GateName>,
    /// What the other side answered, or why nothing was tried.
    pub evidence: String,
    /// The task waits until then.
    pub rest_until: Option<Timestamp>,
    /// When it works again, by the word of whoever refused.
    pub resets_at: Option<Timestamp>,
    /// What was achieved.
    pub effect: String,
    pub cost: Cost,
    /// What it was made with.
    pub credential: Option<CredentialUse>,
    pub admitted: Vec<Admission>,
    /// The probing gates for which it was the canary.
    pub canary: Vec<GateName>,
    /// When the attempt was begun, where whoever tells knows it.
    pub begun: Option<Timestamp>,
    /// Who created the task, and when, where whoever tells knows it.
    pub created: Option<Created>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptVerb {
    /// `event.failure.<kind>.<cause>`: it failed, or what it did is unknown.
    Failed,
    Completed,
    /// The task's budget is spent.
    Dead,
    Withdrawn,
    /// Nothing was tried; not a failure.
    Held,
    /// Created past the gates or not readable; a person must look.
    Parked,
    /// A person put it back.
    Revived,
}

#[derive(Deserialize, Serialize)]
struct Data {
    kind: String,
    source_key: String,
    task: String,
    attempt: u32,
    #[serde(default)]
    holder: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    means: Option<String>,
    #[serde(default)]
    charged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    evidence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest_until_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resets_at_ms: Option<u64>,
    at_ms: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    effect: String,
    #[serde(default)]
    cost_micro_usd: u64,
    #[serde(default)]
    sats: u64,
    #[serde(default, skip_serializing_if = "nothing")]
    tokens_in: u64,
    #[serde(default, skip_serializing_if = "nothing")]
    tokens_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential: Option<CredentialData>,
    #[serde(default)]
    admitted: Vec<AdmissionData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    canary: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_ms: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct AdmissionData {
    gate: String,
    epoch: u64,
    seq: u64,
}

#[derive(Deserialize, Serialize)]
struct CredentialData {
    provider: String,
    name: String,
    fingerprint: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn nothing(count: &u64) -> bool {
    *count == 0
}

const EVIDENCE_MAX: usize = 1_000;

impl AttemptVerb {
    pub const fn word(self) -> &'static str {
        match self {
            AttemptVerb::Failed => "failed",
            AttemptVerb::Completed => "completed",
            AttemptVerb::Dead => "dead",
            AttemptVerb::Withdrawn => "withdrawn",
            AttemptVerb::Held => "held",
            AttemptVerb::Parked => "parked",
            AttemptVerb::Revived => "revived",
        }
    }

    const ALL: [AttemptVerb; 7] = [
        AttemptVerb::Failed,
        AttemptVerb::Completed,
        AttemptVerb::Dead,
        AttemptVerb::Withdrawn,
        AttemptVerb::Held,
        AttemptVerb::Parked,
        AttemptVerb::Revived,
    ];
}

impl AttemptTold {
    /// The same for whoever tells it, see [`event_id`]. What was found outside any attempt is
    /// told under the newest opening of the gate to blame: found again after the next one, it is
    /// another finding, and counts anew.
    pub fn id(&self) -> String {
        let id = event_id(&self.kind, self.source_key.key(), self.attempt, self.verb.word());
        let blamed = |admission: &&Admission| Some(&admission.gate) == self.gate.as_ref();
        match self.admitted.iter().find(blamed) {
            Some(admission) if self.attempt == 0 => format!("{id}/{}", admission.epoch),
            _ => id,
        }
    }

    pub fn to_event(&self) -> Event {
        let subject = match (self.verb, &self.cause) {
            (AttemptVerb::Failed, Some(cause)) => subject::event_failure(&self.kind, cause),
            (verb, _) => subject::event_task(verb.word(), &self.kind),
        };
        Event {
            subject,
            id: self.id(),
            kind: format!("portcullis.attempt.{}", self.verb.word()),
            source: format!("dispatcher/{}", self.holder),
            at: self.at,
            data: serde_json::to_value(self.to_data()).unwrap_or(Value::Null),
        }
    }

    /// # Errors
    ///
    /// When the bytes are no event about an attempt; garbage on the bus is told, not obeyed.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EventError> {
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(EventError::Json)?;
        let verb = envelope.kind.strip_prefix("portcullis.attempt.").unwrap_or_default();
        let verb = AttemptVerb::ALL
            .into_iter()
            .find(|known| known.word() == verb)
            .ok_or_else(|| EventError::Field { field: "type", found: envelope.kind.clone() })?;
        let data: Data = serde_json::from_value(envelope.data).map_err(EventError::Json)?;
        Self::of_data(verb, data)
    }

    fn to_data(&self) -> Data {
        let rule = self.cause.as_ref().and_then(Cause::rule);
        let admission = |admission: &Admission| AdmissionData {
            gate: admission.gate.to_string(),
            epoch: admission.epoch.get(),
            seq: admission.seq,
        };
        Data {
            kind: self.kind.to_string(),
            source_key: self.source_key.to_string(),
            task: self.source_key.key().to_string(),
            attempt: self.attempt,
            holder: self.holder.to_string(),
            cause: self.cause.as_ref().map(ToString::to_string),
            means: rule.map(|rule| rule.means.to_owned()),
            charged: self.charged,
            gate: self.gate.as_ref().map(ToString::to_string),
            evidence: shorten(&self.evidence, EVIDENCE_MAX),
            rest_until: self.rest_until.as_ref().map(ToString::to_string),
            rest_until_ms: self.rest_until.map(Timestamp::as_millis),
            resets_at: self.resets_at.as_ref().map(ToString::to_string),
            resets_at_ms: self.resets_at.map(Timestamp::as_millis),
            at_ms: self.at.as_millis(),
            effect: self.effect.clone(),
            cost_micro_usd: self.cost.micro_usd.get(),
            sats: self.cost.sats.get(),
            tokens_in: self.cost.tokens_in,
            tokens_out: self.cost.tokens_out,
            credential: self.credential.as_ref().map(CredentialData::of),
            admitted: self.admitted.iter().map(admission).collect(),
            canary: self.canary.iter().map(ToString::to_string).collect(),
            begun_ms: self.begun.map(Timestamp::as_millis),
            created_by: self.created.as_ref().map(|created| created.by.clone()),
            created_ms: self.created.as_ref().map(|created| created.at.as_millis()),
        }
    }

    fn of_data(verb: AttemptVerb, data: Data) -> Result<Self, EventError> {
        let admission = |admission: AdmissionData| {
            Ok(Admission {
                gate: field("admitted.gate", &admission.gate)?,
                epoch: Epoch::new(admission.epoch),
                seq: admission.seq,
            })
        };
        let gates = |gate: &String| field("canary", gate);
        Ok(AttemptTold {
            verb,
            kind: field("kind", &data.kind)?,
            source_key: field("source_key", &data.source_key)?,
            attempt: data.attempt,
            holder: field("holder", &data.holder)?,
            at: Timestamp::from_millis(data.at_ms),
            cause: data.cause.as_deref().map(|cause| field("cause", cause)).transpose()?,
            charged: data.charged,
            gate: data.gate.as_deref().map(|gate| field("gate", gate)).transpose()?,
            evidence: data.evidence,
            rest_until: data.rest_until_ms.map(Timestamp::from_millis),
            resets_at: data.resets_at_ms.map(Timestamp::from_millis),
            effect: data.effect,
            cost: Cost {
                micro_usd: MicroUsd::new(data.cost_micro_usd),
                sats: Sats::new(data.sats),
                tokens_in: data.tokens_in,
                tokens_out: data.tokens_out,
            },
            credential: data.credential.as_ref().map(CredentialData::read).transpose()?,
            admitted: data.admitted.into_iter().map(admission).collect::<Result<_, _>>()?,
            canary: data.canary.iter().map(gates).collect::<Result<_, _>>()?,
            begun: data.begun_ms.map(Timestamp::from_millis),
            created: data.created_by.zip(data.created_ms).map(|(by, at)| {
                let at = Timestamp::from_millis(at);
                Created { by, at }
            }),
        })
    }
}

impl CredentialData {
    fn of(used: &CredentialUse) -> Self {
        CredentialData {
            provider: used.provider.to_string(),
            name: used.credential.to_string(),
            fingerprint: used.fingerprint.to_string(),
        }
    }

    fn read(&self) -> Result<CredentialUse, EventError> {
        Ok(CredentialUse {
            provider: field("credential.provider", &self.provider)?,
            credential: field("credential.name", &self.name)?,
            fingerprint: field("credential.fingerprint", &self.fingerprint)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was told reads back whole, and a stranger's JSON gives an error, not a panic.
    #[test]
    fn reads_back() {
        let told = AttemptTold {
            verb: AttemptVerb::Failed,
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/SP1".parse().unwrap(),
            attempt: 3,
            holder: "4f2a".parse().unwrap(),
            at: Timestamp::from_millis(1_773_219_600_123),
            cause: Some("relay.nonce-conflict".parse().unwrap()),
            charged: false,
            gate: Some("relay".parse().unwrap()),
            evidence: "409 NONCE_CONFLICT".to_owned(),
            rest_until: Some(Timestamp::from_millis(1_773_219_660_000)),
            resets_at: Some(Timestamp::from_millis(1_773_222_000_000)),
            effect: String::new(),
            cost: Cost {
                micro_usd: MicroUsd::new(7),
                sats: Sats::new(100),
                tokens_in: 5,
                tokens_out: 6,
            },
            credential: Some(CredentialUse {
                provider: "anthropic".parse().unwrap(),
                credential: "api-key".parse().unwrap(),
                fingerprint: "0123456789abcdef".parse().unwrap(),
            }),
            admitted: vec![Admission {
                gate: "relay".parse().unwrap(),
                epoch: Epoch::new(4),
                seq: 17,
            }],
            canary: vec!["relay".parse().unwrap()],
            begun: Some(Timestamp::from_millis(1_773_219_590_000)),
            created: Some(Created { by: "ann".to_owned(), at: Timestamp::from_millis(7) }),
        };
        let event = told.to_event();
        assert_eq!(event.subject, "event.failure.welcome.relay.nonce-conflict");
        assert!(told.id().ends_with("/3/failed"), "{}", told.id());
        let found = AttemptTold { attempt: 0, ..told.clone() };
        assert!(found.id().ends_with("/0/failed/4"), "{}", found.id());
        assert_eq!(AttemptTold::from_json(&event.to_json()).unwrap(), told);
        for garbage in [&b""[..], b"{}", b"[1]", br#"{"id":"","source":"","type":"x"}"#] {
            assert!(AttemptTold::from_json(garbage).is_err());
        }
    }
}
