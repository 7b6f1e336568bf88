//! `portcullis contact list`.

use std::{cmp::Reverse, collections::BTreeMap};

use kit::Clock;
use serde_json::{Value, json};
use wire::message::Contact;

use super::ListArgs;
use crate::{
    out::Out,
    payment::record,
    show::{Table, ago},
};

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &crate::reach::bus(&args.bus.nats, "contact").await?;
    fleet::go_by_brokers_time(bus).await;
    let (mut contacts, mut garbled) = (Vec::new(), Vec::new());
    for found in record::contacts(bus).await? {
        match found.value {
            Ok(contact) => contacts.push(contact),
            Err(error) => garbled.push(format!("`{}` makes no sense: {error}", found.subject)),
        }
    }
    contacts.sort_by_key(|contact| Reverse(contact.at));
    let shown = &contacts[..contacts.len().min(args.limit)];
    if out.json {
        let objects: Vec<Value> = shown.iter().map(object).collect();
        out.object(&json!({
            "contacts": objects,
            "count": contacts.len(),
            "by_purpose": by_purpose(&contacts),
            "cut_off": shown.len() < contacts.len(),
            "unreadable": garbled,
        }))?;
        return Ok(());
    }
    match contacts.is_empty() {
        true => out.talk("nobody is on record as contacted"),
        false => {
            out.data(&table(shown).render(out))?;
            let parts = by_purpose(&contacts);
            let parts = parts.iter().map(|(purpose, count)| format!("{count} for {purpose}"));
            let parts = parts.collect::<Vec<_>>().join(" + ");
            out.talk(&format!("\n{} contacts = {parts}", contacts.len()));
        }
    }
    if shown.len() < contacts.len() {
        out.talk(&format!("{} of these are shown; see more with --limit", shown.len()));
    }
    for line in garbled {
        out.talk(&line);
    }
    Ok(())
}

fn table(shown: &[Contact]) -> Table {
    let now = Clock.now();
    let mut table = Table::new(&["AGENT", "FOR", "WHEN", "HOW"]);
    for Contact { address, purpose, how, at } in shown {
        let cells = [address.clone(), purpose.clone(), ago(*at, now), how.clone()];
        table.row(cells.into_iter().map(Into::into).collect());
    }
    table
}

fn by_purpose(contacts: &[Contact]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for contact in contacts {
        *counts.entry(contact.purpose.as_str()).or_default() += 1;
    }
    counts
}

fn object(contact: &Contact) -> Value {
    let Contact { address, purpose, how, at } = contact;
    json!({ "address": address, "purpose": purpose, "how": how, "at": at.to_string() })
}
