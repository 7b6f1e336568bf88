//! `portcullis credential test`: each credential is sent to its provider once, with a question
//! that moves nothing and costs nothing: the list of models.

use std::time::Duration;

use domain::ProviderConfig;
use keyring::Inspected;
use serde_json::{Value, json};
use welcome_payer::http::{self, Response};

use super::{Shown, TestArgs};
use crate::{
    exit::{Code, Ended},
    out::Out,
    show::Table,
};

const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// What Anthropic asks for in each request, and for a token of OAuth besides.
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const OAUTH: (&str, &str) = ("anthropic-beta", "oauth-2025-04-20");

/// What came of one credential.
pub(crate) struct Tested {
    /// `serves`, `refused`, `unreadable`, `no-answer` or `undecided`.
    pub(crate) word: &'static str,
    pub(crate) said: String,
    /// What the provider answered with.
    pub(crate) status: Option<u16>,
}

impl Tested {
    fn unasked(word: &'static str, said: String) -> Tested {
        Tested { word, said, status: None }
    }
}

pub(super) async fn run(args: &TestArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &crate::reach::bus(&args.bus.nats, "credential").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = crate::look::config(bus).await?;
    let shown = super::look(bus, &config, args.provider.as_ref(), kit::Clock.now()).await?;
    let mut rows = Vec::new();
    for provider in &shown {
        for one in &provider.credentials {
            if args.credential.as_ref().is_none_or(|only| *only == one.config.name) {
                rows.push((provider, one, test(provider.config, one).await));
            }
        }
    }
    if rows.is_empty() {
        let text = match &args.credential {
            Some(name) => format!("no credential `{name}`; see `portcullis credential list`"),
            None => "the configuration names no provider".to_owned(),
        };
        return Err(Ended::not_found(text).into());
    }
    if out.json {
        let rows: Vec<Value> =
            rows.iter().map(|(shown, one, tested)| object(shown, one, tested)).collect();
        out.object(&json!({ "credentials": rows }))?;
    } else {
        let mut table = Table::new(&["PROVIDER", "CREDENTIAL", "RESULT", "WHAT IT SAID"]);
        for (shown, one, tested) in &rows {
            let name = one.config.name.to_string();
            let cells = [shown.name.to_string(), name, tested.word.to_owned(), tested.said.clone()];
            table.row(cells.into_iter().map(Into::into).collect());
            remark(one, tested).into_iter().for_each(|text| table.remark(text));
        }
        out.data(&table.render(out))?;
    }
    verdict(&rows.iter().map(|(.., tested)| tested.word).collect::<Vec<_>>()).map_err(Into::into)
}

/// Asks the provider for its list of models with one credential.
pub(crate) async fn test(provider: &ProviderConfig, one: &Inspected) -> Tested {
    let Some(lent) = one.lend() else {
        let said = match &one.state {
            logic::credential::State::Unreadable(why) => why.clone(),
            _ => "not read".to_owned(),
        };
        return Tested::unasked("unreadable", said);
    };
    let url = &provider.url;
    let client = match http::client(url, ANSWERS_WITHIN) {
        Ok(client) => client,
        Err(error) => return Tested::unasked("no-answer", error.to_string()),
    };
    let (name, secret) = lent.header();
    let request = client.get(format!("{url}/v1/models?limit=1")).header(VERSION.0, VERSION.1);
    let request = match one.config.scheme {
        domain::Scheme::Bearer => request.header(OAUTH.0, OAUTH.1),
        domain::Scheme::ApiKey => request,
    };
    let response = http::ask(request.header(name, secret)).await;
    read(&response, lent.secret.expose())
}

fn read(response: &Response, secret: &str) -> Tested {
    let error = &response.body["error"];
    let told = match (error["type"].as_str(), error["message"].as_str()) {
        (Some(kind), message) => format!("{kind}: {}", message.unwrap_or_default()),
        (None, _) => String::new(),
    };
    // A provider may repeat what it was sent.
    let told = told.replace(secret, "…");
    let said = |status: u16| match told.is_empty() {
        true => status.to_string(),
        false => crate::show::line(&format!("{status} {told}"), 200),
    };
    let Some(status) = response.status else {
        return Tested::unasked("no-answer", response.trouble.clone());
    };
    let word = match status {
        200..=299 => "serves",
        401..=403 => "refused",
        _ if told.contains("credit balance") => "refused",
        _ => "undecided",
    };
    Tested { word, said: said(status), status: Some(status) }
}

fn remark(one: &Inspected, tested: &Tested) -> Option<String> {
    let logic::credential::State::Refused(record) = &one.state else { return None };
    (tested.word == "serves").then(|| {
        format!(
            "on record as refused, and taken now: portcullis credential allow {} {} --note \"…\"",
            record.used.provider, record.used.fingerprint
        )
    })
}

/// A credential that is not taken weighs more than a provider that is away.
fn verdict(words: &[&str]) -> Result<(), Ended> {
    let count = |asked: &[&str]| words.iter().filter(|word| asked.contains(word)).count();
    let (bad, open) = (count(&["refused", "unreadable"]), count(&["no-answer", "undecided"]));
    match (bad, open) {
        (0, 0) => Ok(()),
        (0, open) => Err(Ended::new(
            Code::Bus,
            format!(
                "{open} of {} could not be tried: their provider gave no answer to that",
                words.len()
            ),
        )),
        (bad, _) => Err(Ended::new(
            Code::Failed,
            format!("{bad} of {} are not taken or cannot be read", words.len()),
        )),
    }
}

fn object(shown: &Shown<'_>, one: &Inspected, tested: &Tested) -> Value {
    json!({
        "provider": shown.name.to_string(),
        "name": one.config.name.to_string(),
        "fingerprint": one.seen.map(|seen| seen.fingerprint.to_string()),
        "result": tested.word,
        "said": tested.said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Option<u16>, body: &Value, word: &str, said: &str) {
        let trouble = if status.is_none() { "connection refused" } else { "" }.to_owned();
        let response = Response { status, body: body.clone(), trouble, ..Response::default() };
        let tested = read(&response, "sk-0");
        assert_eq!((tested.word, tested.said.as_str()), (word, said));
    }

    /// Only a word about the credential is one: a provider that is busy or away says nothing
    /// of it.
    #[test]
    fn what_answers_mean() {
        let error = |kind: &str, text: &str| json!({ "error": { "type": kind, "message": text } });
        check(Some(200), &json!({ "data": [] }), "serves", "200");
        let expired = error("authentication_error", "OAuth token has expired.");
        check(Some(401), &expired, "refused", "401 authentication_error: OAuth token has expired.");
        check(
            Some(403),
            &error("permission_error", "revoked"),
            "refused",
            "403 permission_error: revoked",
        );
        let credit = error("invalid_request_error", "Your credit balance is too low");
        check(
            Some(400),
            &credit,
            "refused",
            "400 invalid_request_error: Your credit balance is too low",
        );
        check(
            Some(529),
            &error("overloaded_error", "busy"),
            "undecided",
            "529 overloaded_error: busy",
        );
        check(Some(502), &Value::Null, "undecided", "502");
        check(None, &Value::Null, "no-answer", "connection refused");
    }

    /// The end status tells a script what a person must do: renew, or look at the network.
    #[test]
    fn ends_with_what_weighs_most() {
        let code = |words: &[&str]| verdict(words).map_or_else(|ended| ended.code, |()| Code::Done);
        assert_eq!(code(&["serves", "serves"]), Code::Done);
        assert_eq!(code(&["serves", "no-answer"]), Code::Bus);
        assert_eq!(code(&["no-answer", "refused"]), Code::Failed);
        assert_eq!(code(&["unreadable"]), Code::Failed);
    }
}
