use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, time::Duration};

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
    let folder = std::env::temp_dir().join(format!("doctor-provider-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        CredentialSource::File { path, pointer: None, expires_pointer: None }
    };
    let unset = CredentialSource::Env { variable: "PORTCULLIS_NO_SUCH_VARIABLE".to_owned() };
    let command = CredentialSource::Command { command: vec!["echo".into(), "k-good".into()] };
    let credentials = vec![
        credential("good", file("good", "k-good\n")),
        credential("dead", file("dead", "k-dead\n")),
        credential("unset", unset),
        credential("printed", command),
    ];
    let providers = [
        ("p".parse().unwrap(), provider(&served.url, credentials)),
        ("spare".parse().unwrap(), provider(&served.url, vec![credential("x", file("x", "k-x"))])),
    ];
    let config = Config { kinds: prompts(), providers: providers.into(), ..Config::default() };
    let checks = checks(&config, None).await;
    let found: Vec<(&str, Verdict)> =
        checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    let expected = [
        ("p good", Verdict::Ok),
        ("p dead", Verdict::Fail),
        ("p unset", Verdict::Warn),
        ("p printed", Verdict::Ok),
        ("provider spare", Verdict::NotAsked),
    ];
    assert_eq!(found, expected, "{checks:?}");
    let shown = format!("{checks:?}");
    assert!(shown.contains("no key …") && !shown.contains("k-"), "{shown}");
    assert!(shown.contains("PORTCULLIS_NO_SUCH_VARIABLE is not set"), "{shown}");
    let asked = served.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|head| head.starts_with("GET /v1/models?limit=1 ")), "{asked:?}");
    fs::remove_dir_all(folder).unwrap();
}
