//! Providers: whether each of their credentials can be read here and is taken there.
//!
//! Secrets are asked after as `portcullis credential test` does, and shown as that shows them:
//! by name, place and fingerprint.

use domain::{Fingerprint, ProviderName, Timestamp};

use super::check::Check;
use crate::credential::test::Tested;

/// One credential, and what came of it.
pub(crate) struct Credential<'a> {
    pub(crate) provider: &'a ProviderName,
    /// Where the provider answers.
    pub(crate) url: &'a str,
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) place: String,
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Others than its owner may read the file.
    pub(crate) exposed: bool,
    /// It is on record as refused, so nobody lends it.
    pub(crate) refused: bool,
    /// It expires then, so soon that nobody lends it any more.
    pub(crate) left: Option<Timestamp>,
    /// Whoever needs it next exchanges what lies beside it for a fresh one.
    pub(crate) refreshes: bool,
    pub(crate) tested: Tested,
}

/// A provider that no kind asks: how it is to be asked is the kind's to say.
pub(crate) fn unused(provider: &ProviderName) -> Check {
    Check::not_asked(format!("provider {provider}"), "no kind uses it", "")
}

pub(crate) fn judge(credential: &Credential<'_>) -> Check {
    let Credential { provider, url, name, place, tested, .. } = credential;
    let line = format!("{provider} {name}");
    let print = credential.fingerprint.map(|it| format!("{it}, ")).unwrap_or_default();
    let measured = format!("{print}{place}: {}", tested.said);
    if let Some(expires) = credential.left.filter(|_| credential.refreshes) {
        let measured = format!("{print}{place}: expires at {expires}; the next call exchanges it");
        return Check::ok(line, measured);
    }
    match tested.word {
        "serves" => serves(line, &format!("{print}{place}"), credential),
        "refused" => {
            let remedy = format!(
                "put another secret in its place, or buy what it may spend; until then the fleet \
                 goes by the others of [providers.{provider}]: portcullis credential list"
            );
            Check::fail(line, format!("{measured} (the provider does not take it)"), remedy)
        }
        "unreadable" => {
            let remedy = format!(
                "it must be readable where `dispatcher` runs; it is in `credentials` of \
                 [providers.{provider}], and from here the provider was not asked"
            );
            // Why it cannot be read says where.
            Check::warn(line, tested.said.clone(), remedy)
        }
        "no-answer" => {
            let remedy = format!(
                "look whether {url} can be reached from here; it is `url` in [providers.{provider}]"
            );
            Check::fail(line, format!("{measured} (no answer from {url})"), remedy)
        }
        _ if matches!(tested.status, Some(404 | 405)) => {
            let why = format!("{measured}: {url} has no list of models, so it cannot be asked");
            Check::not_asked(line, why, "")
        }
        _ => {
            let remedy = format!("ask again: portcullis credential test {provider} {name}");
            Check::warn(line, format!("{measured} (that says nothing of it)"), remedy)
        }
    }
}

fn serves(line: String, which: &str, credential: &Credential<'_>) -> Check {
    let measured = format!("{which}: the provider takes it");
    if credential.refused {
        let print = credential.fingerprint.map(|it| it.to_string()).unwrap_or_default();
        let remedy =
            format!("portcullis credential allow {} {print} --note \"…\"", credential.provider);
        let measured = format!("{measured}, and on record it is refused: nobody lends it");
        return Check::warn(line, measured, remedy);
    }
    if let Some(expires) = credential.left {
        let measured = format!("{measured}, and nobody lends it: it expires at {expires}");
        let remedy = format!("put a fresh one in its place: {}", credential.place);
        return Check::warn(line, measured, remedy);
    }
    if credential.exposed {
        let measured = format!("{measured}; others than its owner may read the file");
        return Check::warn(line, measured, format!("chmod 600: {}", credential.place));
    }
    Check::ok(line, measured)
}

#[cfg(test)]
mod tests;
