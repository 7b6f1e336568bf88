//! `portcullis payment list`: every payment on record.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::{Payment, PaymentStage as Stage, Timestamp};
use kit::Clock;
use serde_json::{Value, json};

use super::{
    ListArgs, record,
    told::{count, parts},
};
use crate::{
    out::Out,
    show::{Table, lasts},
};

pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &crate::reach::bus(&args.bus.nats, "payment").await?;
    fleet::go_by_brokers_time(bus).await;
    let now = Clock.now();
    let (mut payments, mut garbled) = (Vec::new(), Vec::new());
    for found in record::payments(bus).await? {
        match found.value {
            Ok(payment) => payments.push(payment),
            Err(error) => garbled.push(format!("`{}` makes no sense: {error}", found.subject)),
        }
    }
    payments.retain(|payment| wanted(payment, args, now));
    payments.sort_by_key(place);
    if out.json {
        out.object(&object(&payments, args.limit, &garbled))?;
        return Ok(());
    }
    let shown = &payments[..payments.len().min(args.limit)];
    if shown.is_empty() {
        out.talk(if payments.is_empty() {
            "no such payment is on record"
        } else {
            "none is shown"
        });
    } else {
        out.data(&table(shown, now).render(out))?;
    }
    out.talk(&format!("\n{}", totals(&payments)));
    if shown.len() < payments.len() {
        out.talk(&format!("{} of these are shown; see more with --limit", shown.len()));
    }
    for line in garbled {
        out.talk(&line);
    }
    Ok(())
}

fn wanted(payment: &Payment, args: &ListArgs, now: Timestamp) -> bool {
    args.stage.is_none_or(|stage| stage.word() == payment.word())
        && (!args.unfinished || !over(payment))
        && args.since.is_none_or(|since| now.since(payment.at) <= since)
}

const fn over(payment: &Payment) -> bool {
    matches!(payment.stage, Stage::Settled(..) | Stage::Rejected(..))
}

/// The unfinished first, in the order of their nonces; then the newest.
fn place(payment: &Payment) -> (bool, u64, Reverse<Timestamp>) {
    let nonce = payment.signed().map_or(u64::MAX, |signed| signed.nonce);
    match over(payment) {
        true => (true, 0, Reverse(payment.at)),
        false => (false, nonce, Reverse(payment.at)),
    }
}

fn table(payments: &[Payment], now: Timestamp) -> Table {
    let mut table = Table::new(&["AGENT", "STAGE", "SATS", "NONCE", "SINCE", "LAST"]);
    for payment in payments {
        let last = payment.history.last().map_or("", |note| note.what.as_str());
        let nonce = payment.signed().map_or_else(|| "-".to_owned(), |s| s.nonce.to_string());
        table.row(vec![
            payment.payee.address.as_str().into(),
            payment.word().into(),
            payment.amount.get().to_string().into(),
            nonce.into(),
            lasts(now.since(payment.at)).into(),
            last.into(),
        ]);
    }
    table
}

/// `61 payments = 58 settled + 3 unknown; 6100 sats = 5800 settled + 300 unknown`.
fn totals(payments: &[Payment]) -> String {
    let (counts, sats) = sums(payments);
    let all: u64 = sats.values().sum();
    let sats = sats.iter().map(|(word, sats)| format!("{sats} {word}"));
    let sats = sats.collect::<Vec<_>>().join(" + ");
    match payments.len() {
        0 => "0 payments".to_owned(),
        sum => format!("{} = {}; {all} sats = {sats}", count(sum, "payment"), parts(&counts)),
    }
}

fn sums(payments: &[Payment]) -> (BTreeMap<&'static str, usize>, BTreeMap<&'static str, u64>) {
    let (mut counts, mut sats) = (BTreeMap::new(), BTreeMap::<&'static str, u64>::new());
    for payment in payments {
        *counts.entry(payment.word()).or_insert(0) += 1;
        let sum = sats.entry(payment.word()).or_default();
        *sum = sum.saturating_add(payment.amount.get());
    }
    (counts, sats)
}

fn object(payments: &[Payment], limit: usize, garbled: &[String]) -> Value {
    let (counts, sats) = sums(payments);
    let shown: Vec<Value> = payments.iter().take(limit).map(one).collect();
    json!({
        "payments": shown,
        "count": payments.len(),
        "by_stage": counts,
        "sats_by_stage": sats,
        "cut_off": limit < payments.len(),
        "unreadable": garbled,
    })
}

/// A payment as JSON, without what could make it happen.
pub(super) fn one(payment: &Payment) -> Value {
    let (txid, message, proof) = match &payment.stage {
        Stage::Settled(_, settlement) => {
            (settlement.txid.clone(), settlement.message.clone(), Some(settlement.proof.word()))
        }
        _ => (None, None, None),
    };
    json!({
        "address": payment.payee.address,
        "network": payment.payee.network,
        "purpose": payment.purpose,
        "key": payment.key().to_string(),
        "source_key": payment.source_key.to_string(),
        "stage": payment.word(),
        "sats": payment.amount.get(),
        "wallet": payment.wallet,
        "nonce": payment.signed().map(|signed| signed.nonce),
        "at": payment.at.to_string(),
        "last": payment.history.last().map(|note| note.what.clone()),
        "txid": txid,
        "message": message,
        "proof": proof,
    })
}
