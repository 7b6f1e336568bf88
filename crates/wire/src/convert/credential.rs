use std::{path::PathBuf, time::Duration};

use domain::{
    CredentialConfig, CredentialRecord, CredentialSource, CredentialStanding, Epoch,
    ProviderConfig, ProviderName, RefreshConfig, RefreshRecord, RefreshStage, Refusal, Scheme,
};

use super::{DecodeError, Wire, at, millis, parse, parse_some, required, text};
use crate::{
    event::shorten,
    proto::{self, credential_config, credential_record},
};

/// How much of what a provider answered is kept, in characters.
const EVIDENCE_MAX: usize = 500;

pub(super) fn provider_to(
    (name, config): (&ProviderName, &ProviderConfig),
) -> proto::ProviderConfig {
    proto::ProviderConfig {
        provider: name.to_string(),
        gate: config.gate.to_string(),
        url: config.url.clone(),
        margin_ms: millis(config.margin),
        warn_ms: millis(config.warn),
        credentials: config.credentials.iter().map(credential_to).collect(),
    }
}

pub(super) fn provider_of(
    provider: proto::ProviderConfig,
) -> Result<(ProviderName, ProviderConfig), DecodeError> {
    let credentials = provider.credentials.into_iter().map(credential_of);
    let config = ProviderConfig {
        gate: parse("providers.gate", &provider.gate)?,
        url: provider.url,
        margin: Duration::from_millis(provider.margin_ms),
        warn: Duration::from_millis(provider.warn_ms),
        credentials: credentials.collect::<Result<_, _>>()?,
    };
    Ok((parse("providers.provider", &provider.provider)?, config))
}

fn credential_to(config: &CredentialConfig) -> proto::CredentialConfig {
    use credential_config::Source;
    let source = match &config.source {
        CredentialSource::File { path, pointer, expires_pointer } => {
            Source::File(proto::FileSource {
                path: path.to_string_lossy().into_owned(),
                pointer: text(pointer.as_ref()),
                expires_pointer: text(expires_pointer.as_ref()),
            })
        }
        CredentialSource::Env { variable } => {
            Source::Env(proto::EnvSource { variable: variable.clone() })
        }
        CredentialSource::Command { command } => {
            Source::Command(proto::CommandSource { command: command.clone() })
        }
    };
    proto::CredentialConfig {
        name: config.name.to_string(),
        scheme: match config.scheme {
            Scheme::Bearer => proto::Scheme::Bearer,
            Scheme::ApiKey => proto::Scheme::ApiKey,
        }
        .into(),
        source: Some(source),
        refresh: config.refresh.as_ref().map(|refresh| proto::RefreshConfig {
            token_url: refresh.token_url.clone(),
            client_id: refresh.client_id.clone(),
            refresh_pointer: refresh.refresh_pointer.clone(),
            before_ms: millis(refresh.before),
        }),
    }
}

fn credential_of(config: proto::CredentialConfig) -> Result<CredentialConfig, DecodeError> {
    use credential_config::Source;
    let scheme = match config.scheme() {
        proto::Scheme::Bearer => Scheme::Bearer,
        proto::Scheme::ApiKey => Scheme::ApiKey,
        proto::Scheme::Unspecified => {
            let field = "providers.credentials.scheme";
            return Err(DecodeError::Unknown { field, value: config.scheme });
        }
    };
    let field = "providers.credentials.source";
    let source = match required(field, config.source)? {
        Source::File(file) => CredentialSource::File {
            path: PathBuf::from(file.path),
            pointer: some(file.pointer),
            expires_pointer: some(file.expires_pointer),
        },
        Source::Env(env) => CredentialSource::Env { variable: env.variable },
        Source::Command(command) => CredentialSource::Command { command: command.command },
    };
    Ok(CredentialConfig {
        name: parse("providers.credentials.name", &config.name)?,
        source,
        scheme,
        refresh: config.refresh.map(|refresh| RefreshConfig {
            token_url: refresh.token_url,
            client_id: refresh.client_id,
            refresh_pointer: refresh.refresh_pointer,
            before: Duration::from_millis(refresh.before_ms),
        }),
    })
}

impl Wire for CredentialRecord {
    type Proto = proto::CredentialRecord;

    fn to_proto(&self) -> proto::CredentialRecord {
        use credential_record::Standing;
        let standing = match &self.standing {
            CredentialStanding::Refused { why, evidence, epoch } => {
                Standing::Refused(proto::CredentialRefused {
                    why: refusal_to(*why).into(),
                    evidence: shorten(evidence, EVIDENCE_MAX),
                    epoch: epoch.get(),
                })
            }
            CredentialStanding::Allowed { note } => {
                Standing::Allowed(proto::CredentialAllowed { note: note.clone() })
            }
        };
        proto::CredentialRecord {
            used: Some(self.used.to_proto()),
            standing: Some(standing),
            by: self.by.clone(),
            at_ms: self.at.as_millis(),
        }
    }

    fn of_proto(record: proto::CredentialRecord) -> Result<Self, DecodeError> {
        use credential_record::Standing;
        let standing = match required("standing", record.standing)? {
            Standing::Refused(refused) => CredentialStanding::Refused {
                why: refusal_of(refused.why())?,
                evidence: refused.evidence,
                epoch: Epoch::new(refused.epoch),
            },
            Standing::Allowed(allowed) => CredentialStanding::Allowed { note: allowed.note },
        };
        Ok(CredentialRecord {
            used: Wire::of_proto(required("used", record.used)?)?,
            standing,
            by: record.by,
            at: at(record.at_ms),
        })
    }
}

const fn refusal_to(why: Refusal) -> proto::Refusal {
    match why {
        Refusal::Expired => proto::Refusal::Expired,
        Refusal::Revoked => proto::Refusal::Revoked,
        Refusal::Invalid => proto::Refusal::Invalid,
        Refusal::Exhausted => proto::Refusal::Exhausted,
    }
}

fn refusal_of(why: proto::Refusal) -> Result<Refusal, DecodeError> {
    match why {
        proto::Refusal::Expired => Ok(Refusal::Expired),
        proto::Refusal::Revoked => Ok(Refusal::Revoked),
        proto::Refusal::Invalid => Ok(Refusal::Invalid),
        proto::Refusal::Exhausted => Ok(Refusal::Exhausted),
        proto::Refusal::Unspecified => {
            Err(DecodeError::Unknown { field: "refused.why", value: why.into() })
        }
    }
}

impl Wire for RefreshRecord {
    type Proto = proto::RefreshRecord;

    fn to_proto(&self) -> proto::RefreshRecord {
        use proto::RefreshStage as Stage;
        let (stage, bought, evidence) = match &self.stage {
            RefreshStage::Asked => (Stage::Asked, None, ""),
            RefreshStage::Done { fingerprint } => (Stage::Done, Some(fingerprint), ""),
            RefreshStage::Put { evidence } => (Stage::Put, None, evidence.as_str()),
            RefreshStage::Refused { evidence } => (Stage::Refused, None, evidence.as_str()),
            RefreshStage::Unknown { evidence } => (Stage::Unknown, None, evidence.as_str()),
        };
        proto::RefreshRecord {
            provider: self.provider.to_string(),
            credential: self.credential.to_string(),
            fingerprint: self.fingerprint.to_string(),
            stage: stage.into(),
            bought: text(bought),
            evidence: shorten(evidence, EVIDENCE_MAX),
            by: self.by.clone(),
            at_ms: self.at.as_millis(),
        }
    }

    fn of_proto(record: proto::RefreshRecord) -> Result<Self, DecodeError> {
        use proto::RefreshStage as Stage;
        let evidence = record.evidence.clone();
        let stage = match record.stage() {
            Stage::Asked => RefreshStage::Asked,
            Stage::Done => RefreshStage::Done {
                fingerprint: required("bought", parse_some("bought", &record.bought)?)?,
            },
            Stage::Put => RefreshStage::Put { evidence },
            Stage::Refused => RefreshStage::Refused { evidence },
            Stage::Unknown => RefreshStage::Unknown { evidence },
            Stage::Unspecified => {
                return Err(DecodeError::Unknown { field: "stage", value: record.stage });
            }
        };
        Ok(RefreshRecord {
            provider: parse("provider", &record.provider)?,
            credential: parse("credential", &record.credential)?,
            fingerprint: parse("fingerprint", &record.fingerprint)?,
            stage,
            by: record.by,
            at: at(record.at_ms),
        })
    }
}

fn some(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use domain::{CredentialUse, Fingerprint, Timestamp};

    use super::*;

    fn used() -> CredentialUse {
        CredentialUse {
            provider: "anthropic".parse().unwrap(),
            credential: "oauth".parse().unwrap(),
            fingerprint: Fingerprint::of("anthropic", "secret"),
        }
    }

    /// What is written on record of a secret reads back as it was, and never holds the secret.
    #[test]
    fn records_read_back() {
        let note = "credit bought".to_owned();
        let refused = |why| CredentialStanding::Refused {
            why,
            evidence: "401 authentication_error".to_owned(),
            epoch: Epoch::new(3),
        };
        let standings = Refusal::ALL.map(refused).into_iter();
        for standing in standings.chain([CredentialStanding::Allowed { note }]) {
            let at = Timestamp::from_millis(7);
            let record = CredentialRecord { used: used(), standing, by: "ann".to_owned(), at };
            assert_eq!(CredentialRecord::decode(&record.encode()).unwrap(), record);
        }
        assert!(CredentialRecord::decode(&[]).is_err());
    }

    /// Each stage of an exchange reads back as it was.
    #[test]
    fn stages_read_back() {
        let evidence = || "no answer".to_owned();
        let CredentialUse { provider, credential, fingerprint } = used();
        for stage in [
            RefreshStage::Asked,
            RefreshStage::Done { fingerprint },
            RefreshStage::Put { evidence: evidence() },
            RefreshStage::Refused { evidence: evidence() },
            RefreshStage::Unknown { evidence: evidence() },
        ] {
            let record = RefreshRecord {
                provider: provider.clone(),
                credential: credential.clone(),
                fingerprint,
                stage,
                by: "dispatcher/1".to_owned(),
                at: Timestamp::from_millis(7),
            };
            assert_eq!(RefreshRecord::decode(&record.encode()).unwrap(), record);
        }
        assert!(RefreshRecord::decode(&[]).is_err());
    }

    /// A provider reads back with every source that a credential can have.
    #[test]
    fn providers_read_back() {
        let credential = |name: &str, source, refresh| CredentialConfig {
            name: name.parse().unwrap(),
            source,
            scheme: if name == "oauth" { Scheme::Bearer } else { Scheme::ApiKey },
            refresh,
        };
        let refresh = RefreshConfig {
            token_url: "https://example.com/token".to_owned(),
            client_id: "us".to_owned(),
            refresh_pointer: "/refresh".to_owned(),
            before: Duration::from_secs(600),
        };
        let file = CredentialSource::File {
            path: "/run/secrets/a".into(),
            pointer: Some("/access".to_owned()),
            expires_pointer: None,
        };
        let env = CredentialSource::Env { variable: "KEY".to_owned() };
        let command = CredentialSource::Command { command: vec!["pass".into(), "show".into()] };
        let config = ProviderConfig {
            gate: "anthropic".parse().unwrap(),
            url: "https://api.anthropic.com".to_owned(),
            margin: Duration::from_secs(60),
            warn: Duration::from_secs(7_200),
            credentials: vec![
                credential("oauth", file, Some(refresh)),
                credential("key", env, None),
                credential("other", command, None),
            ],
        };
        let name = "anthropic".parse().unwrap();
        let read = provider_of(provider_to((&name, &config))).unwrap();
        assert_eq!(read, (name, config));
    }
}
