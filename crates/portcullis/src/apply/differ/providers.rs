//! A provider's settings, with each credential by its name and its place in the order.

use domain::{CredentialConfig, CredentialSource, ProviderConfig, ProviderName};

use crate::file::spell_duration;

pub(super) fn settings(name: &ProviderName, provider: &ProviderConfig) -> Vec<(String, String)> {
    let prefix = format!("providers.{name}");
    let names: Vec<&str> = provider.credentials.iter().map(|it| it.name.as_str()).collect();
    let mut all = vec![
        (format!("{prefix}.gate"), provider.gate.to_string()),
        (format!("{prefix}.url"), provider.url.clone()),
        (format!("{prefix}.margin"), spell_duration(provider.margin)),
        (format!("{prefix}.warn"), spell_duration(provider.warn)),
        (format!("{prefix}.credentials"), format!("[{}]", names.join(", "))),
    ];
    for credential in &provider.credentials {
        let prefix = format!("{prefix}.credentials.{}", credential.name);
        let settings = of_credential(credential).into_iter();
        all.extend(settings.map(|(key, value)| (format!("{prefix}.{key}"), value)));
    }
    all
}

fn of_credential(credential: &CredentialConfig) -> Vec<(&'static str, String)> {
    let mut all = vec![("scheme", credential.scheme.word().to_owned())];
    match &credential.source {
        CredentialSource::File { path, pointer, expires_pointer } => {
            all.push(("file", path.display().to_string()));
            all.extend(pointer.clone().map(|pointer| ("pointer", pointer)));
            all.extend(expires_pointer.clone().map(|pointer| ("expires_pointer", pointer)));
        }
        CredentialSource::Env { variable } => all.push(("env", variable.clone())),
        CredentialSource::Command { command } => all.push(("command", format!("{command:?}"))),
    }
    if let Some(refresh) = &credential.refresh {
        all.push(("refresh.token_url", refresh.token_url.clone()));
        all.push(("refresh.client_id", refresh.client_id.clone()));
        all.push(("refresh.refresh_pointer", refresh.refresh_pointer.clone()));
        all.push(("refresh.before", spell_duration(refresh.before)));
    }
    all
}
