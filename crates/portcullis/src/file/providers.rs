//! `[providers.<name>]`: whoever takes credentials, and where those are found.
//!
//! A file never holds a secret, and what may be one by mistake is never repeated in a problem.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use domain::{
    CredentialConfig, CredentialName, CredentialSource, GateName, ProviderConfig, ProviderName,
    RefreshConfig, Scheme,
};

use super::{
    gates::GateRead,
    notes::Notes,
    section::{Section, Span, Word},
    value::nearest,
};

/// A provider of the file.
pub(super) struct ProviderRead {
    /// Where its gate is named.
    pub(super) span: Span,
    /// `None` if its gate could not be read.
    pub(super) config: Option<ProviderConfig>,
}

const SECOND: Duration = Duration::from_secs(1);
/// A cause begins with the provider's name, and has 64 bytes.
const NAME_MAX: usize = 40;
/// Where a provider of this name answers unless the file says otherwise.
const ANTHROPIC: (&str, &str) = ("anthropic", "https://api.anthropic.com");

pub(super) fn read(
    root: &mut Section<'_>,
    notes: &mut Notes<'_>,
) -> BTreeMap<ProviderName, ProviderRead> {
    let mut providers = BTreeMap::new();
    for (name, mut section) in root.named("providers", notes) {
        let provider = provider(&name, &mut section, notes);
        section.finish(notes);
        match name.value.parse::<ProviderName>() {
            Ok(_) if NAME_MAX < name.value.len() => {
                let text = format!("provider `{}` is too long; take {NAME_MAX} bytes", name.value);
                notes.problem(&name.span, text);
            }
            Ok(name) => {
                providers.insert(name, provider);
            }
            Err(error) => notes.problem(&name.span, format!("[providers.{}]: {error}", name.value)),
        }
    }
    providers
}

/// Each provider's gate is one that there is.
pub(super) fn gates_exist(
    providers: &BTreeMap<ProviderName, ProviderRead>,
    gates: &BTreeMap<GateName, GateRead>,
    notes: &mut Notes<'_>,
) {
    for (name, read) in providers {
        let Some(ProviderConfig { gate, .. }) = &read.config else { continue };
        if gates.contains_key(gate) {
            continue;
        }
        let advice = match nearest(gate.as_str(), gates.keys().map(GateName::as_str)) {
            Some(near) => format!("did you mean `{near}`? Or add [gates.{gate}]"),
            None => format!("add [gates.{gate}]"),
        };
        let text = format!("provider `{name}` closes the unknown gate `{gate}`; {advice}");
        notes.problem(&read.span, text);
    }
}

fn provider(name: &Word<&str>, section: &mut Section<'_>, notes: &mut Notes<'_>) -> ProviderRead {
    let gate = section.required("gate", &format!("\"{}\"", name.value), notes);
    let span = gate.as_ref().map_or(section.span.clone(), |word| word.span.clone());
    let gate = gate.and_then(|word| section.parse::<GateName>("gate", &word, notes));
    let url = url(name.value, section, notes);
    let margin = section.duration("margin", SECOND * 60, Duration::ZERO, notes);
    let warn = section.duration("warn", SECOND * 7_200, Duration::ZERO, notes);
    let mut credentials: Vec<CredentialConfig> = Vec::new();
    for mut credential in section.sections("credentials", notes) {
        let read = self::credential(&mut credential, notes);
        credential.finish(notes);
        let Some(read) = read else { continue };
        if credentials.iter().any(|other| other.name == read.name) {
            let text = format!("credential `{}` stands twice{}", read.name, section.within());
            notes.problem(&credential.span, format!("{text}; name them differently"));
            continue;
        }
        credentials.push(read);
    }
    if !section.has("credentials") || (credentials.is_empty() && !notes.any_problem()) {
        let text = format!(
            "[providers.{}] has no credentials; add credentials = [{{ name = \"api-key\", env = \
             \"…\", scheme = \"api-key\" }}]",
            name.value
        );
        notes.problem(&section.span, text);
    }
    let config =
        gate.map(|gate| ProviderConfig { gate: gate.value, url, margin, warn, credentials });
    ProviderRead { span, config }
}

fn url(name: &str, section: &mut Section<'_>, notes: &mut Notes<'_>) -> String {
    let known = (name == ANTHROPIC.0).then_some(ANTHROPIC.1);
    let word = match known {
        Some(known) if !section.has("url") => {
            // Asked for, so that it is known to be a key.
            let _ = section.text("url", notes);
            return known.to_owned();
        }
        _ => section.required("url", "\"https://api.example.com\"", notes),
    };
    word.map(|word| web(&word, "url", section, notes)).unwrap_or_default()
}

/// A base URL without its last stroke.
fn web(word: &Word<&str>, key: &str, section: &Section<'_>, notes: &mut Notes<'_>) -> String {
    let url = word.value.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let well_formed = host.is_some_and(|host| {
        !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace)
    });
    if !well_formed || url.contains('@') {
        let text = format!("`{key}`{} is not a URL without a login in it", section.within());
        notes.problem(&word.span, format!("{text}; write \"https://…\""));
    }
    let near = ["127.", "localhost", "[::1]"];
    if let Some(host) = url.strip_prefix("http://")
        && !near.iter().any(|near| host.starts_with(near))
    {
        let text = format!("`{key}`{} sends secrets unencrypted; write https://", section.within());
        notes.warning(&word.span, text);
    }
    url.to_owned()
}

fn credential(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<CredentialConfig> {
    let name = section.required("name", "\"api-key\"", notes);
    let name = name.and_then(|word| section.parse::<CredentialName>("name", &word, notes));
    let scheme = scheme(section, notes);
    let source = source(section, notes);
    let refresh = refresh(section, source.as_ref(), notes);
    Some(CredentialConfig { name: name?.value, source: source?, scheme: scheme?, refresh })
}

fn scheme(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Scheme> {
    let word = section.required("scheme", "\"bearer\", or \"api-key\"", notes)?;
    let known = [Scheme::Bearer, Scheme::ApiKey];
    let found = known.into_iter().find(|scheme| scheme.word() == word.value);
    if found.is_none() {
        let text = format!("`scheme`{} is neither \"bearer\" nor \"api-key\"", section.within());
        notes.problem(&word.span, text);
    }
    found
}

fn source(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<CredentialSource> {
    let file = section.text("file", notes);
    let pointer = pointer("pointer", section, notes);
    let expires_pointer = self::pointer("expires_pointer", section, notes);
    let env = section.text("env", notes);
    let has_command = section.has("command");
    let command = section.texts("command", notes);
    let named = [section.has("file"), section.has("env"), has_command];
    if named.into_iter().filter(|named| *named).count() != 1 {
        let text = format!("a credential{} needs exactly one of `file`, `env`", section.within());
        notes.problem(&section.span, format!("{text} and `command`"));
        return None;
    }
    if file.is_none() && (section.has("pointer") || section.has("expires_pointer")) {
        let text = format!("only a `file` is read by pointers{}", section.within());
        notes.problem(&section.span, format!("{text}; take them away"));
    }
    if pointer.is_none() && expires_pointer.is_some() {
        let text = format!("`expires_pointer`{} needs a `pointer`", section.within());
        notes.problem(&section.span, format!("{text} to the secret in the same file"));
    }
    if let Some(word) = file {
        return self::file(&word, section, notes).map(|path| CredentialSource::File {
            path,
            pointer,
            expires_pointer,
        });
    }
    if let Some(word) = env {
        return variable(&word, section, notes).map(|variable| CredentialSource::Env { variable });
    }
    let command: Vec<String> = command.into_iter().map(|word| word.value.to_owned()).collect();
    if command.first().is_none_or(String::is_empty) {
        let text = format!("`command`{} is empty", section.within());
        notes.problem(&section.span, format!("{text}; write [\"program\", \"argument\"]"));
        return None;
    }
    Some(CredentialSource::Command { command })
}

fn file(word: &Word<&str>, section: &Section<'_>, notes: &mut Notes<'_>) -> Option<PathBuf> {
    let within = section.within();
    if word.value.is_empty() || word.value.starts_with('~') {
        let text = format!("`file`{within} is no path: `~` stands for nothing here");
        notes.problem(&word.span, format!("{text}; write the whole path"));
        return None;
    }
    if !word.value.starts_with('/') {
        let text = format!("`file`{within} is found from wherever each dispatcher was started");
        notes.warning(&word.span, format!("{text}; write the whole path"));
    }
    Some(PathBuf::from(word.value))
}

/// What is no name may be the secret itself, and is not repeated.
fn variable(word: &Word<&str>, section: &Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = word.value.chars().next();
    if first.is_some_and(|c| !c.is_ascii_digit()) && word.value.chars().all(named) {
        return Some(word.value.to_owned());
    }
    let text = format!("`env`{} is not the name of an environment variable", section.within());
    notes.problem(&word.span, format!("{text}; the secret itself never stands in this file"));
    None
}

fn pointer(key: &'static str, section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let word = section.text(key, notes)?;
    if !word.value.starts_with('/') {
        let text = format!("`{key}`{} is not a JSON pointer", section.within());
        notes.problem(&word.span, format!("{text}; write \"/outer/inner\""));
        return None;
    }
    Some(word.value.to_owned())
}

fn refresh(
    section: &mut Section<'_>,
    source: Option<&CredentialSource>,
    notes: &mut Notes<'_>,
) -> Option<RefreshConfig> {
    let mut refresh = section.section("refresh", notes)?;
    let token_url = refresh.required("token_url", "\"https://…/oauth/token\"", notes);
    let client_id = refresh.required("client_id", "\"…\"", notes);
    let _ = refresh.required("refresh_pointer", "\"/refresh_token\"", notes);
    let refresh_pointer = pointer("refresh_pointer", &mut refresh, notes);
    let before = refresh.duration("before", SECOND * 600, SECOND, notes);
    refresh.finish(notes);
    let whole = matches!(
        source,
        Some(CredentialSource::File { pointer: Some(_), expires_pointer: Some(_), .. })
    );
    if source.is_some() && !whole {
        let text = format!("`refresh`{} writes into a JSON file", section.within());
        notes.problem(
            &refresh.span,
            format!("{text}; give `file`, `pointer` and `expires_pointer`"),
        );
    }
    Some(RefreshConfig {
        token_url: web(&token_url?, "token_url", &refresh, notes),
        client_id: client_id?.value.to_owned(),
        refresh_pointer: refresh_pointer?,
        before,
    })
}
