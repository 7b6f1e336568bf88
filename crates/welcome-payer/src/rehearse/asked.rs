//! Each thing that speaks for or against a payment, asked as the payer asks it.

use std::time::Duration;

use domain::{GateState, Letter, Payment, Sats, Wallet};
use fleet::{
    gate_log,
    store::{StoreError, read},
};
use kit::Clock;
use logic::payment::{Comparison, InboxWord, compare, room_in_chain};
use wire::{message::Contact, subject};
use x402::Chosen;

use super::{Found, Looked, Scene};
use crate::{balance::sbtc_balance, http, inbox::NoTerms};

const ASK_WITHIN: Duration = Duration::from_secs(15);
const NO_BUS: &str = "NATS was not asked";

/// Whether the sensor and the payer would take this address at all.
pub(crate) fn payee(scene: &Scene<'_>) -> Looked {
    let Scene { payee, network, wallet, .. } = scene;
    let refused = |why: String| Looked::new("payee", Found::Refused, why);
    if payee.network() != Some(*network) {
        return refused(format!("{payee} is not of {network}, where this payer pays"));
    }
    if payee == wallet {
        return refused(format!("{payee} is our own wallet"));
    }
    let excluded = |text: &String| text.parse() == Ok(*payee);
    if scene.directory.exclude.iter().any(excluded) {
        return refused(format!("{payee} stands in `exclude`"));
    }
    Looked::new("payee", Found::Fine, format!("{payee}, on {network}"))
}

/// Whether there was contact, or a payment was begun (M1).
pub(crate) async fn record(scene: &Scene<'_>) -> Looked {
    let Some(bus) = scene.bus else { return Looked::new("record", Found::NotAsked, NO_BUS) };
    let (contact, payment) = (subject::contact(scene.payment), subject::payment(scene.payment));
    let contact = read::<Contact>(bus, subject::RECORD, &contact).await;
    let payment = read::<Payment>(bus, subject::RECORD, &payment).await;
    let (found, said) = match (contact, payment) {
        (Err(error), _) | (_, Err(error)) => (Found::Silent, told(error)),
        (Ok(Some(contact)), _) => {
            (Found::Refused, format!("there was contact: {}", contact.value.how))
        }
        (_, Ok(Some(payment))) if payment.value.word() == "rejected" => {
            (Found::Fine, "an earlier payment was rejected, and would be made anew".to_owned())
        }
        (_, Ok(Some(payment))) => {
            let stage = payment.value.word();
            (Found::Refused, format!("a payment was begun and is {stage}: that one is carried on"))
        }
        (Ok(None), Ok(None)) => (Found::Fine, "no contact, no payment".to_owned()),
    };
    Looked::new("record", found, said)
}

/// Whether every gate that the kind needs is OPEN (G2).
pub(crate) async fn gates(scene: &Scene<'_>) -> Looked {
    let Some(bus) = scene.bus else { return Looked::new("gates", Found::NotAsked, NO_BUS) };
    let mut shut = Vec::new();
    let needs = scene.config.needs(&scene.directory.kind);
    for name in &needs {
        match gate_log::current(bus, name).await {
            Ok(Some(gate)) if gate.value.state == GateState::Open => (),
            Ok(Some(gate)) => shut.push(format!("{name} is {}", gate.value.state.told())),
            Ok(None) | Err(StoreError::Garbled { .. }) => {
                shut.push(format!("{name} cannot be read, so it counts as CLOSED"));
            }
            Err(error) => return Looked::new("gates", Found::Silent, told(error)),
        }
    }
    match shut.is_empty() {
        true => Looked::new("gates", Found::Fine, format!("all {} are OPEN", needs.len())),
        false => Looked::new("gates", Found::Refused, shut.join(", ")),
    }
}

/// Whether a message of ours lies in the agent's inbox already.
pub(crate) async fn messages(scene: &Scene<'_>, letter: &Letter) -> Looked {
    let (found, said) = match scene.inbox.look(letter).await {
        InboxWord::Absent => (Found::Fine, "holds no message of ours".to_owned()),
        InboxWord::Found { message, .. } => {
            (Found::Refused, format!("holds our message {message}: nobody is greeted twice"))
        }
        InboxWord::Silent { failure } => (Found::Silent, failure.evidence),
    };
    Looked::new("inbox", found, said)
}

/// What the inbox asks for. Whatever is not ours is refused under its cause.
pub(crate) async fn terms(scene: &Scene<'_>, letter: &Letter) -> (Looked, Option<Chosen>) {
    let max = scene.payer.amount_max;
    let (found, said) = match scene.inbox.terms(letter, max).await {
        Ok(chosen) => {
            let said = format!(
                "asks {} for {}, of {max} at most",
                Sats::new(chosen.amount),
                chosen.pay_to
            );
            return (Looked::new("terms", Found::Fine, said), Some(chosen));
        }
        Err(NoTerms::Others(why)) => (Found::Refused, format!("target.payment-terms: {why}")),
        Err(NoTerms::Untold(failure)) => {
            (Found::Silent, format!("{}: {}", failure.cause, failure.evidence))
        }
        Err(NoTerms::Unasked) => {
            let why = "it took a post that carried no payment";
            (Found::Refused, format!("target.payment-terms: {why}"))
        }
    };
    (Looked::new("terms", found, said), None)
}

/// Which nonce the payment would take: the world is asked first, then our record.
pub(crate) async fn nonce(scene: &Scene<'_>) -> (Looked, Option<u64>) {
    let told_of = |found, said: String| Looked::new("nonce", found, said);
    let facts = match scene.chain.wallet_facts().await {
        Ok(facts) => facts,
        Err(silent) => return (told_of(Found::Silent, silent.to_string()), None),
    };
    let who = scene.wallet.to_string();
    let kept = match scene.bus {
        None => None,
        Some(bus) => match read::<Wallet>(bus, subject::RECORD, &subject::nonce(&who)).await {
            Ok(kept) => kept.map(|kept| kept.value),
            Err(error) => return (told_of(Found::Silent, told(error)), None),
        },
    };
    let (now, lost_after) = (Clock.of_host(), scene.payer.unconfirmed_after);
    let wallet = match compare(&who, kept.as_ref(), &facts, now, lost_after) {
        Comparison::New(wallet) => Some(wallet),
        Comparison::Agrees => kept,
        Comparison::Behind { evidence } => {
            return (told_of(Found::Refused, format!("record.behind: {evidence}")), None);
        }
        Comparison::Gap { evidence, .. } => {
            return (told_of(Found::Refused, format!("wallet.sender-nonce: {evidence}")), None);
        }
    };
    let Some(wallet) = wallet else {
        return (told_of(Found::Silent, "there is no record to go by".to_owned()), None);
    };
    let on_chain = facts.chain_next;
    match room_in_chain(&wallet, &facts, scene.payer.in_flight) {
        Ok(nonce) => {
            (told_of(Found::Fine, format!("{nonce}; the chain expects {on_chain}")), Some(nonce))
        }
        // Shown with the nonce that comes next, which nobody takes here.
        Err(full) => {
            let nonce = wallet.holes.first().copied().unwrap_or(wallet.next);
            (told_of(Found::Refused, format!("it would wait: {full}")), Some(nonce))
        }
    }
}

/// Whether the wallet has what it would pay.
pub(crate) async fn balance(scene: &Scene<'_>, amount: u64) -> Looked {
    let url = &scene.payer.stacks_url;
    let path = format!("/extended/v1/address/{}/balances", scene.wallet);
    let response = match http::client(url, ASK_WITHIN) {
        Ok(client) => http::ask(client.get(format!("{url}{path}"))).await,
        Err(error) => return Looked::new("balance", Found::Silent, error.to_string()),
    };
    let sats = sbtc_balance(&response.body, scene.network).filter(|_| response.status == Some(200));
    let (found, said) = match sats {
        None => (Found::Silent, response.complaint()),
        Some(sats) if sats < amount => {
            let missing = amount - sats;
            let said = format!(
                "wallet.insufficient-funds: {sats} sats of sBTC at {}, {missing} are missing",
                scene.wallet
            );
            (Found::Refused, said)
        }
        Some(sats) => (Found::Fine, format!("{sats} sats of sBTC, {} afterwards", sats - amount)),
    };
    Looked::new("balance", found, said)
}

fn told(error: StoreError) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
