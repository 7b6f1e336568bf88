//! The relay's facilitator doors, x402 v2: `POST /settle` and `/verify` (wire facts: relay API).
//!
//! `/settle` answers HTTP 200 for what it refuses and 400 only for what is no request; `/verify`
//! answers 200 for that too. A client's own name for a payment (`payment-identifier`) makes both
//! repeatable; reusing it for another request is the one thing that both answer with 409.

use axum::{body::Bytes, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        World,
        identifiers::{self, Known},
        parcel::Parcel,
        payment::PaymentStatus,
        relay::{Door, PaymentIndex, Refusal, Terms},
    },
};

use super::{
    Shared, held,
    relay_answers::x402_reason,
    reply::{Reply, defined},
};

const CONFLICT: &str = "payment_identifier_conflict";

/// A request to `/settle` or `/verify`.
struct Asked {
    transaction: String,
    terms: Terms,
    /// What the transaction must move: `false` for STX.
    sbtc: bool,
    /// The client's name for the payment.
    id: Option<String>,
    /// The request as it is remembered under that name.
    whole: Value,
}

/// `POST /settle`: failures are HTTP 200 too.
pub(crate) async fn settle(State(shared): State<Shared>, body: Bytes) -> Reply {
    let network = shared.world().options.network;
    let asked = match read(&body, network.caip2()) {
        Ok(asked) => asked,
        Err(reason) => {
            return Reply::new(StatusCode::BAD_REQUEST, refused(&shared.world(), reason));
        }
    };
    // Bound first: a guard in the scrutinee would live as long as the arms.
    let before = known(&shared.world(), "/settle", &asked);
    match before {
        Known::Answered(answer) => return Reply::ok(answer),
        Known::Taken => {
            return Reply::new(StatusCode::CONFLICT, refused(&shared.world(), CONFLICT));
        }
        Known::Nothing => (),
    }
    let Ok(parcel) = Parcel::to_settle(&asked.transaction, network) else {
        return Reply::ok(refused(&shared.world(), "invalid_transaction_state"));
    };
    if !asked.sbtc {
        return Reply::ok(refused(&shared.world(), "unsupported_scheme"));
    }
    let submitted = shared.world().submit(&parcel, &Door::Http(asked.terms.clone()));
    match submitted {
        Err(refusal) => Reply::ok(refused(&shared.world(), x402_reason(refusal))),
        Ok(payment) => settled(&shared, &asked, payment).await,
    }
}

async fn settled(shared: &Shared, asked: &Asked, payment: PaymentIndex) -> Reply {
    let repeat = shared.world().said(payment).is_some();
    let wait_ms = {
        let world = shared.world();
        let waits = world.options.relay == RelayVersion::March && !repeat;
        if waits { world.faults.settle_wait_ms } else { 0 }
    };
    let status = shared.outcome(payment, wait_ms).await;
    let mut world = shared.world();
    world.say(payment, false);
    let txid = match status {
        PaymentStatus::Failed { .. } => return Reply::ok(refused(&world, "transaction_failed")),
        PaymentStatus::Queued { .. } => {
            let mut answer = refused(&world, "transaction_held");
            answer["queue"] = json!(held::queue(&mut world, payment).map(|(queue, _)| queue));
            return Reply::ok(defined(answer));
        }
        PaymentStatus::Mempool { txid } | PaymentStatus::Confirmed { txid, .. } => txid,
    };
    let mut answer = json!({
        "success": true,
        "payer": world.relay.payment(payment).parcel.sender.to_string(),
        "transaction": txid.to_string(),
        "network": world.options.network.caip2(),
    });
    // Who repeats the bytes under another name is not told of that name.
    if !repeat {
        echo(&mut world, "/settle", asked, &mut answer);
    }
    Reply::ok(answer)
}

/// `POST /verify`: looks at the transaction and at nothing else, so it says nothing about
/// whether the relay could send it.
pub(crate) async fn verify(State(shared): State<Shared>, body: Bytes) -> Reply {
    let mut world = shared.world();
    let invalid = |reason: &str| json!({"isValid": false, "invalidReason": reason});
    let network = world.options.network;
    let asked = match read(&body, network.caip2()) {
        Ok(asked) => asked,
        Err(reason) => return Reply::ok(invalid(reason)),
    };
    match known(&world, "/verify", &asked) {
        Known::Answered(answer) => return Reply::ok(answer),
        Known::Taken => return Reply::new(StatusCode::CONFLICT, invalid(CONFLICT)),
        Known::Nothing => (),
    }
    let Ok(parcel) = Parcel::to_verify(&asked.transaction, network) else {
        return Reply::ok(invalid("invalid_transaction_state"));
    };
    if !asked.sbtc {
        return Reply::ok(invalid("unsupported_scheme"));
    }
    if let Err(mismatch) = asked.terms.check(&parcel) {
        return Reply::ok(invalid(x402_reason(Refusal::Mismatch(mismatch))));
    }
    let mut answer = json!({"isValid": true, "payer": parcel.sender.to_string()});
    echo(&mut world, "/verify", &asked, &mut answer);
    Reply::ok(answer)
}

/// `GET /settle/status/{txid}`: not found, whatever was settled. The relay files a settlement
/// under the node's spelling of the transaction id and looks it up under `0x`; the node spells it
/// without (recorded).
pub(crate) async fn settle_status() -> Reply {
    let body = json!({"success": false, "error": "Transaction not found in relay records"});
    Reply::new(StatusCode::NOT_FOUND, body)
}

/// In the order in which the relay looks.
fn read(body: &[u8], network: &str) -> Result<Asked, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "invalid_payload")?;
    let payload = &body["paymentPayload"];
    let transaction = payload["payload"]["transaction"].as_str();
    let transaction = transaction.ok_or("invalid_payload")?.to_owned();
    let id = identifiers::of(payload).map_err(|()| "invalid_payload")?;
    let wanted = &body["paymentRequirements"];
    let recipient = wanted["payTo"].as_str().ok_or("invalid_payment_requirements")?.to_owned();
    let amount = wanted["amount"].as_str().and_then(|text| text.parse().ok());
    let amount_min = amount.ok_or("invalid_payment_requirements")?;
    if wanted["network"].as_str().is_some_and(|wanted| wanted != network) {
        return Err("invalid_network");
    }
    if wanted["scheme"].as_str().is_some_and(|scheme| scheme != "exact") {
        return Err("invalid_scheme");
    }
    let asset = wanted["asset"].as_str().unwrap_or_default();
    let sbtc = asset == "sBTC" || asset.ends_with(".sbtc-token");
    if !sbtc && asset != "STX" {
        return Err("unrecognized_asset");
    }
    let whole = json!([payload, wanted]);
    Ok(Asked { transaction, terms: Terms { recipient, amount_min }, sbtc, id, whole })
}

fn known(world: &World, route: &'static str, asked: &Asked) -> Known {
    let Some(id) = &asked.id else { return Known::Nothing };
    world.identifiers.look(route, id, &asked.whole, world.now_ms)
}

/// Adds the client's name to a successful answer, and keeps the answer under it.
fn echo(world: &mut World, route: &'static str, asked: &Asked, answer: &mut Value) {
    let Some(id) = &asked.id else { return };
    answer["extensions"] = json!({"payment-identifier": {"info": {"id": id}}});
    world.identifiers.keep(route, id, asked.whole.clone(), answer, world.now_ms);
}

fn refused(world: &World, reason: &str) -> Value {
    let network = world.options.network.caip2();
    json!({"success": false, "errorReason": reason, "transaction": "", "network": network})
}
