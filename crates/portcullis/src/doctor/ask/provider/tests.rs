use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration,
};

use domain::{AnthropicConfig, CredentialConfig, CredentialSource, Kind, KindConfig, Scheme};

use super::*;
use crate::doctor::{
    ask::script::{Script, json},
    check::Verdict,
};

fn credential(name: &str, source: CredentialSource) -> CredentialConfig {
    let name = name.parse().unwrap();
    CredentialConfig { name, source, scheme: Scheme::ApiKey, refresh: None }
}

fn provider(url: &str, credentials: Vec<CredentialConfig>) -> ProviderConfig {
    let (margin, warn) = (Duration::from_secs(60), Duration::from_secs(7_200));
    let gate = "p".parse().unwrap();
    ProviderConfig { gate, url: url.to_owned(), margin, warn, credentials }
}

/// A kind that asks the provider `p`.
fn prompts() -> BTreeMap<Kind, KindConfig> {
    let anthropic = Handler::Anthropic(AnthropicConfig {
        provider: "p".parse().unwrap(),
        model: "m".to_owned(),
        system: None,
        prompt: None,
        max_tokens: 1,
    });
    [("prompt".parse().unwrap(), KindConfig::of(anthropic))].into()
}

/// A file for its owner alone.
fn held(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("doctor-provider-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The lines of one provider `p` with these credentials, and of one that no kind uses.
async fn checked(url: &str, credentials: Vec<CredentialConfig>) -> Vec<Check> {
    let unset = CredentialSource::Env { variable: "PORTCULLIS_NO_SUCH_VARIABLE".to_owned() };
    let providers = [
        ("p".parse().unwrap(), provider(url, credentials)),
        ("spare".parse().unwrap(), provider(url, vec![credential("x", unset)])),
    ];
    let config = Config { kinds: prompts(), providers: providers.into(), ..Config::default() };
    checks(&config, None).await
}

fn verdicts(checks: &[Check]) -> Vec<(&str, Verdict)> {
    checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect()
}

/// Each credential of a provider that a kind uses is read and asked after once, for the list of
/// models alone, which costs nothing; one that no kind uses is left in peace. No secret is
/// shown, not even one that the provider repeats.
#[tokio::test]
async fn each_credential_is_asked_after() {
    let served = Script::start(|head| match head.contains("x-api-key: k-good\r\n") {
        true => json("200 OK", r#"{"data": []}"#),
        false => json(
            "401 Unauthorized",
            r#"{"error": {"type": "authentication_error", "message": "no key k-dead"}}"#,
        ),
    });
    let (good, dead) = (held("good", "k-good\n"), held("dead", "k-dead\n"));
    let file = |path: &PathBuf| CredentialSource::File {
        path: path.clone(),
        pointer: None,
        expires_pointer: None,
    };
    let unset = CredentialSource::Env { variable: "PORTCULLIS_NO_SUCH_VARIABLE".to_owned() };
    let command = CredentialSource::Command { command: vec!["echo".into(), "k-good".into()] };
    let credentials = vec![
        credential("good", file(&good)),
        credential("dead", file(&dead)),
        credential("unset", unset),
        credential("printed", command),
    ];
    let checks = checked(&served.url, credentials).await;
    let expected = [
        ("p good", Verdict::Ok),
        ("p dead", Verdict::Fail),
        ("p unset", Verdict::Warn),
        ("p printed", Verdict::Ok),
        ("provider spare", Verdict::NotAsked),
    ];
    assert_eq!(verdicts(&checks), expected, "{checks:?}");
    let shown = format!("{checks:?}");
    assert!(shown.contains("no key …") && !shown.contains("k-"), "{shown}");
    assert!(shown.contains("PORTCULLIS_NO_SUCH_VARIABLE is not set"), "{shown}");
    let asked = served.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|head| head.starts_with("GET /v1/models?limit=1 ")), "{asked:?}");
    fs::remove_file(good).unwrap();
    fs::remove_file(dead).unwrap();
}

/// What the provider still takes and nobody lends any more, since it expires, is told.
#[tokio::test]
async fn what_expires_is_told() {
    let served = Script::start(|_| json("200 OK", r#"{"data": []}"#));
    let path = held("expired", r#"{"token": "k-good", "expires": 1000000000000}"#);
    let source = CredentialSource::File {
        path: path.clone(),
        pointer: Some("/token".to_owned()),
        expires_pointer: Some("/expires".to_owned()),
    };
    let checks = checked(&served.url, vec![credential("login", source)]).await;
    assert_eq!(verdicts(&checks)[0], ("p login", Verdict::Warn), "{checks:?}");
    assert!(checks[0].measured.contains("it expires at 2001-09-09"), "{checks:?}");
    fs::remove_file(path).unwrap();
}
