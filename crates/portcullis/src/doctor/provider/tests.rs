use super::*;
use crate::doctor::check::Verdict;

fn credential(provider: &ProviderName, word: &'static str, status: Option<u16>) -> Check {
    with(provider, word, status, |_| ())
}

fn with(
    provider: &ProviderName,
    word: &'static str,
    status: Option<u16>,
    change: impl FnOnce(&mut Credential<'_>),
) -> Check {
    let mut credential = Credential {
        provider,
        url: "http://p",
        name: "key".to_owned(),
        place: "file /run/key".to_owned(),
        fingerprint: Some(Fingerprint::of("p", "secret")),
        exposed: false,
        refused: false,
        left: None,
        refreshes: false,
        tested: Tested { word, said: "so it said".to_owned(), status },
    };
    change(&mut credential);
    judge(&credential)
}

#[track_caller]
fn ends(check: &Check, verdict: Verdict, parts: &[&str]) {
    assert_eq!((check.verdict, check.name.as_str()), (verdict, "p key"), "{check:?}");
    let all = format!("{} {}", check.measured, check.remedy);
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in {check:?}");
    }
    let silent = matches!(verdict, Verdict::Ok | Verdict::NotAsked);
    assert_eq!(silent, check.remedy.is_empty(), "{check:?}");
}

/// What a provider says of a credential decides; that one is busy, is of another shape, or
/// cannot be asked from here says nothing of it.
#[test]
fn what_is_said_of_a_credential() {
    let p: ProviderName = "p".parse().unwrap();
    let print = Fingerprint::of("p", "secret").to_string();
    let judge = |word, status| credential(&p, word, status);
    ends(&judge("serves", Some(200)), Verdict::Ok, &[&print, "takes it", "file /run/key"]);
    let parts = ["so it said", "does not take it", "[providers.p]"];
    ends(&judge("refused", Some(401)), Verdict::Fail, &parts);
    ends(&judge("unreadable", None), Verdict::Warn, &["so it said", "where `dispatcher` runs"]);
    ends(&judge("no-answer", None), Verdict::Fail, &["no answer from http://p", "`url`"]);
    ends(&judge("undecided", Some(529)), Verdict::Warn, &["credential test p key"]);
    for status in [404, 405] {
        ends(&judge("undecided", Some(status)), Verdict::NotAsked, &["no list of models"]);
    }
    let unused = unused(&p);
    assert_eq!((unused.verdict, unused.name.as_str()), (Verdict::NotAsked, "provider p"));
}

/// A credential that the provider takes and nobody lends, or that others may read, is no sound
/// one.
#[test]
fn what_serves_and_is_not_sound() {
    let p: ProviderName = "p".parse().unwrap();
    let refused = with(&p, "serves", Some(200), |one| one.refused = true);
    ends(&refused, Verdict::Warn, &["nobody lends it", "portcullis credential allow p "]);
    let expires = Some(Timestamp::from_millis(1_000));
    let left = with(&p, "serves", Some(200), |one| one.left = expires);
    ends(&left, Verdict::Warn, &["expires at 1970-01-01", "a fresh one"]);
    // The old one is refused, and the fleet never sends it.
    let refreshed =
        with(&p, "refused", Some(401), |one| (one.left, one.refreshes) = (expires, true));
    ends(&refreshed, Verdict::Ok, &["expires at 1970-01-01", "exchanges it"]);
    let exposed = with(&p, "serves", Some(200), |one| one.exposed = true);
    ends(&exposed, Verdict::Warn, &["others than its owner", "chmod 600"]);
}
