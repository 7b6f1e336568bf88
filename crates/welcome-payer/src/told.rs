use domain::{Admission, Cause, Cost, Handler, Kind, Payment, PaymentStage, Rejection, Timestamp};
use fleet::Fleet;
use logic::view::Verdict;
use serde_json::{Value, json};
use wire::{
    event::{AttemptTold, AttemptVerb, Event, shorten},
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

/// Tells a failure that was found while nobody had asked for the payment: it has attempt 0,
/// and carries the gates as they are seen now.
pub(crate) async fn failure(fleet: &Fleet, payment: &Payment, cause: Cause, evidence: String) {
    let config = fleet.config();
    let ours = |handler: &Handler| match handler {
        Handler::Service { name } => name.as_str() == crate::SERVICE,
    };
    let Some(kind) = config.kinds.iter().find(|(_, kind)| ours(&kind.handler)) else { return };
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
        canary: Vec::new(),
    };
    fleet.mention(&Event { source: fleet.source(), ..told.to_event() }).await;
}

fn admitted(fleet: &Fleet, kind: &Kind) -> Vec<Admission> {
    if let Verdict::Open { admitted, .. } = fleet.gates.verdict(kind) {
        return admitted;
    }
    let standing = |gate| {
        let standing = fleet.gates.standing(&gate)?;
        Some(Admission { gate, epoch: standing.gate.epoch, seq: standing.seq })
    };
    fleet.config().needs(kind).into_iter().filter_map(standing).collect()
}
