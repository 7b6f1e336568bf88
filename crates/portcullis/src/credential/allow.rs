//! `portcullis credential allow`: a person's word that a refused secret serves after all.

use anyhow::Context as _;
use domain::{
    CredentialRecord, CredentialStanding, Epoch, Fingerprint, ProviderConfig, ProviderName,
};
use fleet::store::Cas;
use kit::Clock;
use serde_json::json;
use wire::event::{CredentialTold, CredentialVerb};

use super::AllowArgs;
use crate::{exit::Ended, out::Out};

pub(super) async fn run(args: &AllowArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let person = args.person.name()?;
    let note = args.note.trim().to_owned();
    if note.is_empty() {
        return Err(Ended::usage("--note is empty: say why the secret serves").into());
    }
    let bus = &crate::reach::bus(&args.bus.nats, "credential").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = crate::look::config(bus).await?;
    let provider = super::known(&config, &args.provider)?;
    let fingerprint = fingerprint(bus, &args.provider, provider, &args.credential).await?;
    let found = keyring::record::read(bus, &args.provider, fingerprint).await?;
    let Some(found) = found else {
        let text = format!(
            "nothing is on record of {fingerprint} at `{}`; see `portcullis credential list`",
            args.provider
        );
        return Err(Ended::not_found(text).into());
    };
    let used = found.value.used;
    if matches!(found.value.standing, CredentialStanding::Allowed { .. }) {
        out.talk(&format!("{used} is allowed already"));
    } else {
        let standing = CredentialStanding::Allowed { note: note.clone() };
        let record =
            CredentialRecord { used: used.clone(), standing, by: person.clone(), at: Clock.now() };
        match keyring::record::allow(bus, &record, found.seq).await? {
            Cas::Stored(seq) => tell(bus, &record, &note, seq).await?,
            Cas::Lost => {
                let text = "its record changed just now; look at it, and allow it again";
                return Err(Ended::refused(text).into());
            }
        }
        out.talk(&format!("{used} is lent again from the next call on, by {person}"));
    }
    if out.json {
        out.object(&json!({
            "provider": used.provider.to_string(),
            "credential": used.credential.to_string(),
            "fingerprint": used.fingerprint.to_string(),
            "state": "allowed",
        }))?;
    }
    Ok(())
}

async fn tell(
    bus: &bus::Bus,
    record: &CredentialRecord,
    note: &str,
    seq: u64,
) -> anyhow::Result<()> {
    let (by, note) = (record.by.clone(), note.to_owned());
    let verb = CredentialVerb::Allowed { by, note, seq };
    let told = CredentialTold::of(&record.used, verb, record.at);
    let event = CredentialTold { source: "portcullis".to_owned(), ..told }.to_event();
    let put = bus::Put {
        subject: event.subject.clone(),
        body: event.to_json(),
        expect: bus::Expect::Nothing,
        id: Some(event.id.clone()),
    };
    bus.put(put).await.map(drop).context("tell that it is allowed")
}

/// A fingerprint as it is given, or of the secret that lies under that name here.
async fn fingerprint(
    bus: &bus::Bus,
    provider: &ProviderName,
    config: &ProviderConfig,
    given: &str,
) -> anyhow::Result<Fingerprint> {
    if let Ok(fingerprint) = given.parse() {
        return Ok(fingerprint);
    }
    let all = keyring::inspect(bus, provider, config, Epoch::default(), Clock.now()).await?;
    let names: Vec<&str> = all.iter().map(|one| one.config.name.as_str()).collect();
    let Some(one) = all.iter().find(|one| one.config.name.as_str() == given) else {
        let text =
            format!("no credential `{given}` at `{provider}`; there are: {}", names.join(", "));
        return Err(Ended::not_found(text).into());
    };
    one.seen.map(|seen| seen.fingerprint).ok_or_else(|| {
        let text = format!("`{given}` cannot be read here; give its fingerprint");
        Ended::not_found(text).into()
    })
}
