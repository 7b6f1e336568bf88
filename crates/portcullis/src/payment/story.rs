//! How a payment came to where it is: every version of its record, told as steps.

use domain::{Payment, PaymentStage as Stage, Signed, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// One write of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// When it was stored, by the broker's clock.
    pub(super) at: Timestamp,
    pub(super) stage: &'static str,
    pub(super) what: String,
    /// What belongs to it, a line each.
    pub(super) details: Vec<String>,
}

impl Step {
    pub(super) fn object(&self) -> Value {
        let Step { at, stage, what, details } = self;
        json!({ "at": at.to_string(), "stage": stage, "what": what, "details": details })
    }
}

/// The steps, oldest first, of versions that lie in order.
pub(super) fn steps(versions: &[(Timestamp, Payment)]) -> Vec<Step> {
    let mut before: Option<&Payment> = None;
    let mut steps = Vec::new();
    for (at, payment) in versions {
        steps.push(Step {
            at: *at,
            stage: payment.word(),
            what: what(payment, before),
            details: details(payment, before),
        });
        before = Some(payment);
    }
    steps
}

/// The line of history that this write added; a write that added none changed a doubt.
fn what(payment: &Payment, before: Option<&Payment>) -> String {
    let newest = payment.history.last();
    if newest != before.and_then(|before| before.history.last())
        && let Some(note) = newest
    {
        return note.what.clone();
    }
    match &payment.stage {
        Stage::Unknown(_, _, doubt) => match doubt.untold_since {
            Some(since) => format!("nobody can tell what became of it, since {since}"),
            None => "somebody can tell again what became of it".to_owned(),
        },
        _ => "written again".to_owned(),
    }
}

fn details(payment: &Payment, before: Option<&Payment>) -> Vec<String> {
    let mut details = Vec::new();
    let known = before.and_then(Payment::signed);
    if let Some(signed) = payment.signed().filter(|signed| Some(*signed) != known) {
        details.push(format!("bytes {}, payment id {}", digest(signed), signed.payment_id));
    }
    match &payment.stage {
        Stage::Sent(_, sent) => details.push(format!("by {}", sent.by)),
        Stage::Staged(_, _, staged) => {
            details.extend(staged.check_url.as_ref().map(|url| format!("see {url}")));
        }
        Stage::Unknown(_, _, doubt) => {
            details.push(format!("{}: {}", doubt.cause, doubt.evidence));
            details.extend(doubt.not_before.map(|at| format!("not to be sent again before {at}")));
        }
        Stage::Intent | Stage::Signed(_) | Stage::Settled(..) | Stage::Rejected(..) => (),
    }
    details
}

/// The signed bytes by their digest: whoever has the bytes can make the payment happen.
pub(super) fn digest(signed: &Signed) -> String {
    let digest = Sha256::digest(&signed.bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256 {digest} ({} bytes)", signed.bytes.len())
}

#[cfg(test)]
mod tests {
    use domain::{Cause, Doubt, Letter, Payee, PaymentNote, Sats, Sent};

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000);

    fn payment(stage: Stage, notes: &[&str]) -> Payment {
        let note = |what: &&str| PaymentNote { at: AT, what: (*what).to_owned() };
        Payment {
            payee: Payee {
                network: "mainnet".to_owned(),
                address: "SP1".to_owned(),
                version: 22,
                hash160: [1; 20],
            },
            purpose: "welcome".to_owned(),
            source_key: "welcome/SP1".parse().unwrap(),
            wallet: "SPW".to_owned(),
            letter: Letter {
                to_btc: String::new(),
                to_stx: "SP1".to_owned(),
                content: String::new(),
            },
            amount: Sats::new(100),
            at: AT,
            stage,
            unconfirmed_told: false,
            history: notes.iter().map(note).collect(),
            reserved: None,
        }
    }

    /// Each write is one step with what it added; the bytes show as a digest where they are new,
    /// and neither they nor the payment header ever show themselves.
    #[test]
    fn each_write_is_a_step() {
        let signed = Signed {
            nonce: 5,
            bytes: b"signed".to_vec(),
            txid: "ab".to_owned(),
            payment_id: "pay_ours".to_owned(),
            header: "HEADER".to_owned(),
        };
        let sent = Sent { first: AT, last: AT, posts: 1, by: "payer/7".to_owned() };
        let doubt = |untold_since| Doubt {
            since: AT,
            cause: Cause::known("inbox.no-answer"),
            evidence: "cut off".to_owned(),
            untold_since,
            not_before: None,
        };
        let unknown = |untold| Stage::Unknown(signed.clone(), sent.clone(), doubt(untold));
        let versions = [
            payment(Stage::Intent, &["intent"]),
            payment(Stage::Signed(signed.clone()), &["intent", "signed"]),
            payment(Stage::Sent(signed.clone(), sent.clone()), &["intent", "signed", "post 1"]),
            payment(unknown(None), &["intent", "signed", "post 1", "in doubt"]),
            payment(unknown(Some(AT)), &["intent", "signed", "post 1", "in doubt"]),
        ];
        let versions: Vec<(Timestamp, Payment)> =
            versions.into_iter().map(|payment| (AT, payment)).collect();
        let steps = steps(&versions);
        let told: Vec<&str> = steps.iter().map(|step| step.what.as_str()).collect();
        assert_eq!(told[..4], ["intent", "signed", "post 1", "in doubt"]);
        assert!(told[4].starts_with("nobody can tell"), "{told:?}");
        let with_bytes = |step: &&Step| step.details.iter().any(|line| line.contains("sha256"));
        assert_eq!(steps.iter().filter(with_bytes).count(), 1);
        // As `sha256sum` has it.
        let digest = "4a3cdfae6f291c8f544daea5b72905cf9e74c1ed427d831ad0d7ca00c73c794d";
        assert!(steps[1].details[0].contains(digest), "{steps:?}");
        let all = format!("{steps:?}");
        assert!(all.contains("(6 bytes)") && all.contains("payer/7") && all.contains("cut off"));
        for secret in ["HEADER", "7369676e6564"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
}
