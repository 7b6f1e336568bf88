//! `portcullis payment show`: one payment, from its intent to where it is.

use std::fmt::Write as _;

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, GateState, Key, Payment, PaymentStage as Stage, Timestamp, Wallet};
use fleet::store;
use kit::Clock;
use serde_json::{Value, json};
use stacks::Address;
use wire::{Wire, message::Contact, subject};

use super::{
    ShowArgs,
    list::one,
    record,
    story::{self, Step},
    waits::{Around, Waits, waits},
};
use crate::{
    exit::Ended,
    gate::field,
    look::{self, Pulse, Seen},
    out::Out,
    show::ago,
    task::standing::{self, Standing},
};

/// Everything that is shown of one payment.
struct Shown {
    payment: Payment,
    steps: Vec<Step>,
    waits: Waits,
    tasks: Vec<Standing>,
    contact: Option<Contact>,
}

/// No payment has so many versions; more of them are not read.
const VERSIONS_MAX: usize = 10_000;

pub(super) async fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let wanted = Wanted::read(&args.payment)?;
    let bus = &crate::reach::bus(&args.bus.nats, "payment").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = look::config(bus).await?;
    let found = record::payments(bus).await?;
    let readable = found.into_iter().filter_map(|found| found.value.ok());
    let payments: Vec<Payment> = readable.filter(|payment| wanted.is(payment)).collect();
    if payments.is_empty() {
        return Err(absent(bus, &wanted, &args.payment).await?.into());
    }
    let now = Clock.now();
    let mut shown = Vec::new();
    for payment in payments {
        shown.push(look_at(bus, &config, payment, now).await?);
    }
    if out.json {
        let objects: Vec<Value> = shown.iter().map(Shown::object).collect();
        out.object(&json!({ "payments": objects }))?;
    } else {
        let texts: Vec<String> = shown.iter().map(|shown| shown.text(now)).collect();
        out.data(&texts.join("\n"))?;
    }
    Ok(())
}

/// What a person may call a payment by.
enum Wanted {
    Key(Key),
    Address(Address),
    Source(String),
}

impl Wanted {
    fn read(text: &str) -> Result<Wanted, Ended> {
        let text = text.trim();
        if let Ok(key) = text.parse() {
            return Ok(Wanted::Key(key));
        }
        match text.rsplit('/').next().unwrap_or(text).parse() {
            Ok(address) => Ok(Wanted::Address(address)),
            Err(_) if text.contains('/') => Ok(Wanted::Source(text.to_owned())),
            Err(error) => Err(Ended::usage(format!("{text:?} names no payment: {error}"))),
        }
    }

    fn is(&self, payment: &Payment) -> bool {
        match self {
            // The payment's own, or that of the task that asked for it.
            Wanted::Key(key) => payment.key() == *key || payment.source_key.key() == *key,
            Wanted::Address(address) => {
                let payee = &payment.payee;
                Address::new(payee.version, payee.hash160).is_ok_and(|payee| payee == *address)
            }
            Wanted::Source(source) => payment.source_key.as_str() == source,
        }
    }
}

/// There is no payment; perhaps there was contact.
async fn absent(bus: &Bus, wanted: &Wanted, text: &str) -> anyhow::Result<Ended> {
    let mut told = format!("no payment of {text} is on record");
    for found in record::contacts(bus).await? {
        let Ok(contact) = found.value else { continue };
        let same = |address: &Address| {
            contact.address.parse().is_ok_and(|other: Address| other == *address)
        };
        if matches!(wanted, Wanted::Address(address) if same(address)) {
            let Contact { purpose, how, at, .. } = contact;
            let _ = write!(told, "; contact for {purpose} is: {how} ({at})");
        }
    }
    Ok(Ended::not_found(told))
}

async fn look_at(
    bus: &Bus,
    config: &Config,
    payment: Payment,
    now: Timestamp,
) -> anyhow::Result<Shown> {
    let payer = config.payer.as_ref().context("the configuration has no table [payer]")?;
    let key = payment.key();
    let steps = story::steps(&versions(bus, key).await?);
    let wallet: Option<Wallet> = newest(bus, subject::nonce(&payment.wallet)).await?;
    let contact: Option<Contact> = newest(bus, subject::contact(key)).await?;
    let gates = Seen::all(bus, config).await?;
    let tasks = standing::of(bus, config, &gates, payment.source_key.key(), now).await?;
    let mut needed: Vec<_> = match tasks.as_slice() {
        [] => config.kinds.keys().flat_map(|kind| config.needs(kind)).collect(),
        tasks => tasks.iter().flat_map(|task| config.needs(&task.kind)).collect(),
    };
    needed.retain(|gate| gates.get(gate).is_none_or(|seen| seen.state() == GateState::Closed));
    needed.dedup();
    let over = matches!(payment.stage, Stage::Settled(..));
    let payers = if over { None } else { Some(Pulse::listen(bus).await?.alive("welcome-payer")) };
    let around =
        Around { payer, wallet: wallet.as_ref(), tasks: &tasks, closed: &needed, payers, now };
    let waits = waits(&payment, &around);
    Ok(Shown { steps, waits, tasks, contact, payment })
}

/// Every version of a payment's record, oldest first, with when it was stored.
async fn versions(bus: &Bus, key: Key) -> anyhow::Result<Vec<(Timestamp, Payment)>> {
    let stored = bus.all(subject::RECORD, &subject::payment(key), VERSIONS_MAX).await;
    let stored = stored.context("read the payment's versions")?;
    let decoded = stored.iter().filter_map(|stored| {
        let payment = Payment::decode(&stored.body).ok()?;
        Some((Timestamp::from_millis(stored.at_ms), payment))
    });
    Ok(decoded.collect())
}

async fn newest<T: Wire>(bus: &Bus, subject: String) -> anyhow::Result<Option<T>> {
    let found = store::read(bus, subject::RECORD, &subject).await;
    Ok(found.with_context(|| format!("read `{subject}`"))?.map(|found| found.value))
}

impl Shown {
    fn text(&self, now: Timestamp) -> String {
        let Shown { payment, steps, waits, tasks, contact } = self;
        let mut text = String::new();
        let _ = writeln!(text, "{} is {}", payment.payee.address, payment.word());
        let since = format!("{} ({})", ago(payment.at, now), payment.at);
        field(&mut text, "since", &since);
        field(&mut text, "pays", &format!("{} for {}", payment.amount, payment.purpose));
        field(&mut text, "key", &payment.key().to_string());
        field(&mut text, "wallet", &payment.wallet);
        if let Some(signed) = payment.signed() {
            field(&mut text, "nonce", &signed.nonce.to_string());
            field(&mut text, "bytes", &story::digest(signed));
            field(&mut text, "txid here", &format!("{} (the sponsor changes it)", signed.txid));
            field(&mut text, "payment id", &signed.payment_id);
        }
        field(&mut text, "posts", &posts(payment));
        if let Stage::Settled(_, settlement) = &payment.stage {
            field(&mut text, "on chain", settlement.txid.as_deref().unwrap_or("not told"));
            field(&mut text, "message", settlement.message.as_deref().unwrap_or("none"));
            field(&mut text, "proof", settlement.proof.word());
        }
        field(&mut text, "waits for", &waits.what);
        field(&mut text, "who acts", waits.who.told());
        field(&mut text, "to type", waits.command.as_deref().unwrap_or_default());
        let tasks =
            tasks.iter().map(|task| format!("{} is {}: {}", task.kind, task.phase, task.why));
        let tasks: Vec<String> = tasks.collect();
        field(&mut text, "task", if tasks.is_empty() { "none" } else { "" });
        field(&mut text, "task", &tasks.join("\n"));
        let told = contact.as_ref().map(|contact| format!("{} ({})", contact.how, contact.at));
        field(
            &mut text,
            "contact",
            told.as_deref().unwrap_or("none; one is written with the settlement"),
        );
        text.push_str("steps\n");
        for step in steps {
            let _ = writeln!(text, "  {}  {:8}  {}", step.at, step.stage, step.what);
            for detail in &step.details {
                let _ = writeln!(text, "  {:24}  {:8}    {detail}", "", "");
            }
        }
        text
    }

    fn object(&self) -> Value {
        let Shown { payment, steps, waits, tasks, contact } = self;
        let mut object = one(payment);
        if let Value::Object(fields) = &mut object {
            let signed = payment.signed();
            let tasks = tasks.iter().map(|task| {
                json!({
                    "kind": task.kind.to_string(), "phase": task.phase, "why": task.why,
                    "ended": task.ended,
                })
            });
            let contact = contact
                .as_ref()
                .map(|contact| json!({ "how": contact.how, "at": contact.at.to_string() }));
            let more = json!({
                "bytes": signed.map(story::digest),
                "txid_here": signed.map(|signed| signed.txid.clone()),
                "payment_id": signed.map(|signed| signed.payment_id.clone()),
                "posts": post_count(payment),
                "waits_for": waits.what,
                "who": waits.who.word(),
                "command": waits.command,
                "tasks": tasks.collect::<Vec<_>>(),
                "contact": contact,
                "steps": steps.iter().map(Step::object).collect::<Vec<_>>(),
            });
            fields.extend(more.as_object().cloned().unwrap_or_default());
        }
        object
    }
}

fn posts(payment: &Payment) -> String {
    match &payment.stage {
        Stage::Sent(_, sent) | Stage::Staged(_, sent, _) | Stage::Unknown(_, sent, _) => {
            format!(
                "{}, the first {}, the last {} by {}",
                sent.posts, sent.first, sent.last, sent.by
            )
        }
        _ => String::new(),
    }
}

fn post_count(payment: &Payment) -> Option<u32> {
    match &payment.stage {
        Stage::Sent(_, sent) | Stage::Staged(_, sent, _) | Stage::Unknown(_, sent, _) => {
            Some(sent.posts)
        }
        _ => None,
    }
}
