use domain::{
    Admission, Cause, Cost, GateName, Handler, Kind, Payment, PaymentStage, Rejection, Timestamp,
};
use fleet::Fleet;
use serde_json::{Value, json};
use wire::{
    event::{AttemptTold, AttemptVerb, Event, shorten},
    message::{RunRequest, WalletAdopted},
    subject,
};

/// Tells `event.payment.<stage>` of a payment as it was just written. Neither bytes nor the
/// payment header are told: whoever has those can make the payment happen.
pub(crate) async fn payment(fleet: &Fleet, payment: &Payment, seq: u64) {
    let word = payment.word();
    let event = Event {
        subject: subject::event_payment(word),
        id: format!("payment/{}/{seq}", payment.key()),
        kind: format!("portcullis.payment.{word}"),
        source: fleet.source(),
        at: payment.at,
        data: data(payment),
    };
    fleet.mention(&event).await;
}

fn data(payment: &Payment) -> Value {
    let signed = payment.signed();
    let mut data = json!({
        "payment": payment.key().to_string(),
        "payee": payment.payee.address,
        "network": payment.payee.network,
        "purpose": payment.purpose,
        "source_key": payment.source_key.to_string(),
        "wallet": payment.wallet,
        "sats": payment.amount.get(),
        "reserved_sats": payment.reserved.as_ref().map_or(0, |reserved| reserved.amount.get()),
        "stage": payment.word(),
        "nonce": signed.map(|signed| signed.nonce),
        "local_txid": signed.map(|signed| &signed.txid),
    });
    let more = match &payment.stage {
        PaymentStage::Intent | PaymentStage::Signed(_) => json!({}),
        PaymentStage::Sent(_, sent) => json!({ "posts": sent.posts, "by": sent.by }),
        PaymentStage::Staged(_, _, staged) => json!({ "payment_id": staged.payment_id }),
        PaymentStage::Unknown(_, _, doubt) => json!({
            "cause": doubt.cause.to_string(),
            "evidence": shorten(&doubt.evidence, 500),
        }),
        PaymentStage::Settled(_, settlement) => json!({
            "txid": settlement.txid,
            "message": settlement.message,
            "proof": settlement.proof.word(),
        }),
        PaymentStage::Rejected(_, Rejection::Unsent { why }) => json!({ "why": why }),
        PaymentStage::Rejected(_, Rejection::SpentElsewhere { txid, why, .. }) => {
            json!({ "why": why, "spent_by": txid })
        }
    };
    if let (Some(data), Some(more)) = (data.as_object_mut(), more.as_object()) {
        data.extend(more.clone());
    }
    data
}

/// Tells that a person had the wallet's record, as it stood at `seq`, follow the world.
pub(crate) async fn adopted(fleet: &Fleet, adopted: &WalletAdopted, seq: u64) {
    let event = Event {
        subject: subject::event_payment("adopted"),
        id: format!("payment/adopted/{}/{seq}", adopted.wallet),
        kind: "portcullis.payment.adopted".to_owned(),
        source: fleet.source(),
        at: adopted.at,
        data: json!({
            "wallet": adopted.wallet,
            "by": adopted.person,
            "note": adopted.note,
            "before": adopted.before,
            "next": adopted.next,
            "chain_next": adopted.chain_next,
        }),
    };
    fleet.mention(&event).await;
}

/// Tells a failure that was found while nobody had asked for the payment: it has attempt 0,
/// and carries the gates as they are seen now. `false`: it is not stored yet, tell it again.
pub(crate) async fn failure(
    fleet: &Fleet,
    payment: &Payment,
    cause: Cause,
    evidence: String,
) -> bool {
    let config = fleet.config();
    let ours = |handler: &Handler| matches!(handler, Handler::Service { name } if name.as_str() == crate::SERVICE);
    let Some(kind) = config.kinds.iter().find(|(_, kind)| ours(&kind.handler)) else {
        return false;
    };
    let kind = kind.0.clone();
    let told = AttemptTold {
        verb: AttemptVerb::Failed,
        admitted: admitted(fleet, &kind),
        source_key: payment.source_key.clone(),
        attempt: 0,
        holder: fleet.id.clone(),
        at: fleet.clock.now(),
        gate: match config.blame(&kind, &cause) {
            domain::Blame::Shared { gate, .. } => Some(gate),
            domain::Blame::Own | domain::Blame::Nobody => None,
        },
        kind,
        cause: Some(cause),
        charged: false,
        evidence,
        rest_until: None::<Timestamp>,
        effect: String::new(),
        cost: Cost::ZERO,
        credential: None,
        resets_at: None,
        canary: Vec::new(),
        begun: None,
        created: None,
    };
    let told = fleet.tell(&Event { source: fleet.source(), ..told.to_event() }).await;
    if let Err(error) = &told {
        tracing::warn!(%error, payment = %payment.key(), "a failure is not told yet");
    }
    told.is_ok()
}

/// The shared failure of an attempt, as its dispatcher would tell it.
pub(crate) fn failed(
    request: &RunRequest,
    cause: &Cause,
    evidence: &str,
    cost: Cost,
    gate: &GateName,
    at: Timestamp,
) -> AttemptTold {
    AttemptTold {
        verb: AttemptVerb::Failed,
        kind: request.task.kind.clone(),
        source_key: request.task.source_key.clone(),
        attempt: request.attempt,
        holder: request.holder.clone(),
        at,
        cause: Some(cause.clone()),
        charged: false,
        gate: Some(gate.clone()),
        evidence: evidence.to_owned(),
        rest_until: None,
        effect: String::new(),
        cost,
        admitted: request.admitted.clone(),
        canary: Vec::new(),
        credential: None,
        resets_at: None,
        begun: None,
        created: None,
    }
}

/// The gates as they are seen now: each under its newest opening, so that whoever finds the same
/// tells the same, until somebody opens it again.
fn admitted(fleet: &Fleet, kind: &Kind) -> Vec<Admission> {
    let standing = |gate| {
        let standing = fleet.gates.standing(&gate)?;
        Some(Admission { gate, epoch: standing.gate.opening, seq: standing.seq })
    };
    fleet.config().needs(kind).into_iter().filter_map(standing).collect()
}
