//! `portcullis credential list`.

use domain::{
    CredentialRecord, CredentialSource, CredentialStanding, RefreshRecord, RefreshStage, Timestamp,
};
use keyring::Inspected;
use kit::Clock;
use logic::credential::State;
use serde_json::{Value, json};

use super::{ListArgs, Shown};
use crate::{
    out::Out,
    show::{Table, ago, lasts},
};

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &crate::reach::bus(&args.bus.nats, "credential").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = crate::look::config(bus).await?;
    let now = Clock.now();
    let shown = super::look(bus, &config, args.provider.as_ref(), now).await?;
    if out.json {
        let providers: Vec<Value> = shown.iter().map(|shown| object(shown, now)).collect();
        out.object(&json!({ "providers": providers }))?;
        return Ok(());
    }
    if shown.is_empty() {
        out.talk("the configuration names no provider; add [providers.<name>] and apply it");
        return Ok(());
    }
    out.data(&table(&shown, now).render(out))?;
    out.talk("\nread here and now; dispatchers on other hosts may find other files and variables");
    Ok(())
}

fn table(shown: &[Shown<'_>], now: Timestamp) -> Table {
    let mut table = Table::new(&["PROVIDER", "CREDENTIAL", "FINGERPRINT", "EXPIRES", "STATE"]);
    for Shown { name, gate, config, credentials } in shown {
        for one in credentials {
            let print = one.seen.map_or("-".to_owned(), |seen| seen.fingerprint.to_string());
            let cells = [
                name.to_string(),
                one.config.name.to_string(),
                print,
                expires(one, now),
                state(one, now),
            ];
            table.row(cells.into_iter().map(Into::into).collect());
            table.remark(format!(
                "{}, sent as {}",
                one.config.source.shown(),
                one.config.scheme.word()
            ));
            remarks(one, now).into_iter().for_each(|remark| table.remark(remark));
        }
        if let Some(gate) = gate.gate() {
            table.remark(format!("gate {} is {}", config.gate, gate.state.told()));
        }
    }
    table
}

fn expires(one: &Inspected, now: Timestamp) -> String {
    match one.seen.and_then(|seen| seen.expires) {
        None => "-".to_owned(),
        Some(expires) if expires <= now => ago(expires, now),
        Some(expires) => format!("in {}", lasts(expires.since(now))),
    }
}

fn state(one: &Inspected, now: Timestamp) -> String {
    match &one.state {
        State::InUse => "in use".to_owned(),
        State::Waiting => "serves if those before do not".to_owned(),
        State::Left { expires } if *expires <= now => "expired".to_owned(),
        State::Left { .. } => "left, it expires soon".to_owned(),
        State::Unreadable(why) => format!("UNREADABLE: {why}"),
        State::Refused(record) => match &record.standing {
            CredentialStanding::Refused { why, .. } => {
                format!("REFUSED {}: {why}", ago(record.at, now))
            }
            CredentialStanding::Allowed { .. } => "allowed".to_owned(),
        },
    }
}

/// What a person should know besides.
fn remarks(one: &Inspected, now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if let State::Refused(CredentialRecord { standing, by, used, .. }) = &one.state
        && let CredentialStanding::Refused { evidence, .. } = standing
    {
        remarks.push(format!("{by} was told: {evidence}"));
        remarks.push(format!(
            "put another secret in its place; or, if it serves again: portcullis credential allow \
             {} {} --note \"…\"",
            used.provider, used.fingerprint
        ));
    }
    if one.exposed {
        remarks.push("others than its owner may read the file: chmod 600".to_owned());
    }
    remarks.extend(one.refresh.as_ref().map(|refresh| refreshed(refresh, now)));
    remarks
}

fn refreshed(record: &RefreshRecord, now: Timestamp) -> String {
    let when = ago(record.at, now);
    match &record.stage {
        RefreshStage::Asked => format!("{} exchanges its refresh token since {when}", record.by),
        RefreshStage::Done { .. } => format!("refreshed {when} by {}", record.by),
        RefreshStage::Put { evidence } => {
            format!("not refreshed {when}, to be tried again: {evidence}")
        }
        RefreshStage::Refused { evidence } => {
            format!("its refresh token was refused {when}: {evidence}; log in again")
        }
        RefreshStage::Unknown { evidence } => format!(
            "its refresh token may have been exchanged {when}, and what that bought is lost \
             ({evidence}); log in again"
        ),
    }
}

fn object(shown: &Shown<'_>, now: Timestamp) -> Value {
    let credentials: Vec<Value> =
        shown.credentials.iter().map(|one| credential(one, now)).collect();
    json!({
        "provider": shown.name.to_string(),
        "url": shown.config.url,
        "gate": shown.config.gate.to_string(),
        "gate_state": shown.gate.gate().map(|gate| gate.state.word()),
        "credentials": credentials,
    })
}

fn credential(one: &Inspected, now: Timestamp) -> Value {
    let expires = one.seen.and_then(|seen| seen.expires);
    let mut object = json!({
        "name": one.config.name.to_string(),
        "source": match one.config.source {
            CredentialSource::File { .. } => "file",
            CredentialSource::Env { .. } => "env",
            CredentialSource::Command { .. } => "command",
        },
        "where": one.config.source.shown(),
        "scheme": one.config.scheme.word(),
        "fingerprint": one.seen.map(|seen| seen.fingerprint.to_string()),
        "expires": expires.map(|expires| expires.to_string()),
        "expires_in_secs": expires.map(|expires| expires.since(now).as_secs()),
        "exposed": one.exposed,
        "state": word(&one.state),
        "refresh": one.refresh.as_ref().map(|refresh| refreshed(refresh, now)),
    });
    match &one.state {
        State::Unreadable(why) => object["why"] = json!(why),
        State::Refused(record) => {
            object["since"] = json!(record.at.to_string());
            object["by"] = json!(record.by);
            if let CredentialStanding::Refused { why, evidence, .. } = &record.standing {
                object["why"] = json!(why.word());
                object["evidence"] = json!(evidence);
            }
        }
        _ => (),
    }
    object
}

const fn word(state: &State) -> &'static str {
    match state {
        State::InUse => "in-use",
        State::Waiting => "waiting",
        State::Refused(_) => "refused",
        State::Left { .. } => "left",
        State::Unreadable(_) => "unreadable",
    }
}
