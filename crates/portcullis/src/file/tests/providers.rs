use std::time::Duration;

use domain::{Blame, CredentialSource, Scheme};

use super::*;

const PROVIDER: &str = "[gates.chain]\n[providers.anthropic]\ngate = \"relay\"\n";

/// The sound file with a provider whose credentials are these.
fn with(credentials: &str) -> String {
    let provider = format!("{PROVIDER}credentials = [{credentials}]\n");
    SOUND.replacen("[gates.chain]\n", &provider, 1)
}

#[track_caller]
fn check(credentials: &str, expected: &[&str]) {
    let told = problems(&with(credentials));
    let told: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix("p.toml:")).collect();
    let told: Vec<&str> =
        told.iter().filter_map(|line| line.split_once(": ")).map(|it| it.1).collect();
    assert_eq!(told, expected);
}

/// A provider arrives as it is written, with what the file leaves out; and a cause that is
/// named after it closes the gate that the file gives it.
#[test]
fn providers_arrive() {
    let text = with(
        "{ name = \"oauth\", file = \"/run/a.json\", pointer = \"/a\", expires_pointer = \"/e\", \
         scheme = \"bearer\", refresh = { token_url = \"https://x.example/t\", client_id = \"c\", \
         refresh_pointer = \"/r\" } }, { name = \"key\", env = \"KEY\", scheme = \"api-key\" }, \
         { name = \"other\", command = [\"pass\", \"show\"], scheme = \"api-key\" }",
    );
    let (config, warnings) = load("p.toml", &text).unwrap();
    assert_eq!(warnings, []);
    let provider = &config.providers[&"anthropic".parse().unwrap()];
    assert_eq!(provider.url, "https://api.anthropic.com");
    assert_eq!(
        (provider.margin, provider.warn),
        (Duration::from_secs(60), Duration::from_secs(7_200))
    );
    let [oauth, key, other] = provider.credentials.as_slice() else { panic!("{provider:?}") };
    assert_eq!((oauth.scheme, key.scheme), (Scheme::Bearer, Scheme::ApiKey));
    assert_eq!(oauth.refresh.as_ref().unwrap().before, Duration::from_secs(600));
    assert_eq!(key.source, CredentialSource::Env { variable: "KEY".to_owned() });
    assert!(matches!(&other.source, CredentialSource::Command { command } if command.len() == 2));
    let blame = |cause: &str| config.blame(&"welcome".parse().unwrap(), &cause.parse().unwrap());
    let Blame::Shared { gate, tasks: 1, .. } = blame("anthropic.auth-expired") else { panic!() };
    assert_eq!(gate.as_str(), "relay");
    assert_eq!(blame("other.auth-expired"), Blame::Own);
}

/// Mistakes in credentials: each is told with what to do, and what may be a secret is not
/// repeated.
#[test]
fn mistakes() {
    let here = "in [providers.anthropic.credentials]";
    let one_of = format!("a credential {here} needs exactly one of `file`, `env` and `command`");
    check("{ name = \"a\", scheme = \"bearer\" }", &[&one_of]);
    check("{ name = \"a\", env = \"A\", file = \"/a\", scheme = \"bearer\" }", &[&one_of]);
    let variable = format!(
        "`env` {here} is not the name of an environment variable; the secret itself never stands \
         in this file"
    );
    check("{ name = \"a\", env = \"sk-ant-1\", scheme = \"api-key\" }", &[&variable]);
    let scheme = format!("`scheme` {here} is neither \"bearer\" nor \"api-key\"");
    check("{ name = \"a\", env = \"A\", scheme = \"basic\" }", &[&scheme]);
    let path =
        format!("`file` {here} is no path: `~` stands for nothing here; write the whole path");
    check("{ name = \"a\", file = \"~/a\", scheme = \"bearer\" }", &[&path]);
    let pointer = format!("`pointer` {here} is not a JSON pointer; write \"/outer/inner\"");
    check("{ name = \"a\", file = \"/a\", pointer = \"a\", scheme = \"bearer\" }", &[&pointer]);
    let twice = "credential `a` stands twice in [providers.anthropic]; name them differently";
    let a = "{ name = \"a\", env = \"A\", scheme = \"api-key\" }";
    check(&format!("{a}, {a}"), &[twice]);
    let refresh = format!(
        "`refresh` {here} writes into a JSON file; give `file`, `pointer` and `expires_pointer`"
    );
    let config =
        "{ token_url = \"https://x.example\", client_id = \"c\", refresh_pointer = \"/r\" }";
    let credential =
        format!("{{ name = \"a\", env = \"A\", scheme = \"bearer\", refresh = {config} }}");
    check(&credential, &[&refresh]);
    let none = "[providers.anthropic] has no credentials; add credentials = [{ name = \"api-key\", \
                env = \"…\", scheme = \"api-key\" }]";
    check("", &[none]);
}

/// A provider needs a gate that there is, and one that is not known says where it answers.
#[test]
fn gates_and_addresses() {
    let key = "{ name = \"a\", env = \"A\", scheme = \"api-key\" }";
    let unknown = with(key).replacen("gate = \"relay\"", "gate = \"rely\"", 1);
    let told = problems(&unknown);
    assert!(told[0].contains("closes the unknown gate `rely`; did you mean `relay`?"), "{told:?}");
    let nameless = with(key).replacen("[providers.anthropic]", "[providers.other]", 1);
    let told = problems(&nameless);
    assert!(told[0].contains("[providers.other] has no `url`"), "{told:?}");
    let plain = with(key).replacen(
        "gate = \"relay\"",
        "gate = \"relay\"\nurl = \"http://api.example.com\"",
        1,
    );
    let (_, warnings) = load("p.toml", &plain).unwrap();
    assert!(warnings[0].to_string().contains("sends secrets unencrypted"), "{warnings:?}");
    let login = plain.replacen("http://api", "https://me:pw@api", 1);
    assert!(problems(&login)[0].contains("is not a URL without a login in it"));
}

/// The providers that the shipped example shows as a remark are sound once they are taken for
/// settings, and every default that they show is the real one.
#[test]
fn the_shipped_example() {
    let text = include_str!("../../../../../deploy/portcullis.toml");
    let (_, example) = text.split_once("# Providers:").unwrap();
    let example = example.split("\n# ---").next().unwrap();
    let shown = example.lines().skip_while(|line| !line.contains("[gates."));
    let shown: Vec<&str> =
        shown.map(|line| line.trim_start_matches("#   ").trim_start_matches('#')).collect();
    let shown = shown.join("\n");
    let with =
        |example: &str| SOUND.replacen("[gates.chain]", &format!("{example}\n[gates.chain]"), 1);
    let (config, _) = load("p.toml", &with(&shown)).unwrap();
    let provider = &config.providers[&"anthropic".parse().unwrap()];
    assert_eq!(provider.credentials.len(), 2);
    let defaults = ["url = \"https://api.", "margin =", "warn =", "before ="];
    let is_default = |line: &&str| defaults.iter().any(|default| line.starts_with(default));
    let left: Vec<&str> = shown.lines().filter(|line| !is_default(line)).collect();
    assert_eq!(left.len() + 4, shown.lines().count());
    let (without, _) = load("p.toml", &with(&left.join("\n"))).unwrap();
    assert_eq!(without, config);
}
