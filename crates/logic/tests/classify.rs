//! What the answers of the inbox and the relay mean, one line a row, in both generations.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use domain::Cause;
use logic::classify::{Answer, Phase, Reply, classify};

/// Reads `<phase> <status> [field=value]… => <answer>`; a value ends at ` | `.
#[track_caller]
fn check(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, expected) = line.rsplit_once(" => ").unwrap();
        let mut parts = asked.split(" | ");
        let head: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let mut reply = Reply { status: head[1].parse().ok(), ..Reply::default() };
        for part in parts {
            set(&mut reply, part.trim());
        }
        assert_eq!(tell(&classify(phase(head[0]), &reply)), expected.trim(), "{line}");
    }
}

fn phase(word: &str) -> Phase {
    match word {
        "probe" => Phase::Probe,
        "paid" => Phase::Paid,
        "poll" => Phase::Poll,
        "redeem" => Phase::Redeem,
        other => panic!("no phase {other:?}"),
    }
}

fn set(reply: &mut Reply, field: &str) {
    let (name, value) = field.split_once('=').unwrap_or((field, ""));
    let text = Some(value.to_owned());
    match name {
        "terms" => reply.has_terms = true,
        "code" => reply.code = text,
        "relay" => reply.relay_code = text,
        "errorCode" => reply.error_code = text,
        "error" => reply.error = text,
        "detail" => reply.relay_detail = text,
        "by" => reply.responsible = text,
        "reason" => reply.terminal_reason = text,
        "after" => reply.retry_after = Some(value.parse().unwrap()),
        "status" => reply.payment_status = text,
        "pay" => reply.payment_id = text,
        "msg" => reply.message_id = text,
        "had" => reply.existing_message_id = text,
        "txid" => reply.txid = text,
        other => panic!("no field {other:?}"),
    }
}

fn tell(answer: &Answer) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let wait = |wait: &Option<Duration>| match wait {
        Some(wait) => format!(" after {}", wait.as_secs()),
        None => String::new(),
    };
    match answer {
        Answer::PaymentRequired => "pay".to_owned(),
        Answer::Delivered { message, txid } => {
            format!("delivered {} {}", or_none(message), or_none(txid))
        }
        Answer::Staged { payment_id, .. } => format!("staged {payment_id}"),
        Answer::Confirmed { txid } => format!("confirmed {}", or_none(txid)),
        Answer::AlreadyRedeemed { message } => format!("redeemed {}", or_none(message)),
        Answer::Disowned(failure) => {
            format!("disowned {}{}", failure.cause, wait(&failure.retry_after))
        }
        Answer::Failure(failure) => format!("{}{}", failure.cause, wait(&failure.retry_after)),
    }
}

/// The unpaid post: terms, or a reason why this agent cannot be greeted at all.
#[test]
fn probe() {
    check(
        "probe 402 | terms => pay
         probe 402 => inbox.garbled
         probe 404 | error=Agent not found => target.invalid
         probe 400 | error=Recipient STX address mismatch => target.invalid
         probe 400 | error=validation_failed => task.invalid
         probe 400 | error=content exceeds maximum length => task.invalid
         probe 400 | error=Malformed JSON body => task.invalid
         probe 429 | after=60 => inbox.rate-limited after 60
         probe 500 | error=Internal server error => inbox.unavailable
         probe 503 | error=transient_d1_unavailable | after=5 => inbox.unavailable after 5
         probe - | error=connection refused => inbox.unavailable
         probe 200 => inbox.garbled
         probe 302 => inbox.garbled",
    );
}

/// Accepted in every form it has had; what is not delivered is not called delivered.
#[test]
fn accepted() {
    check(
        "paid 201 | msg=msg_1 | txid=ab | status=confirmed => delivered msg_1 ab
         paid 201 | msg=msg_1 | txid= => delivered msg_1 -
         paid 200 | msg=msg_1 => delivered msg_1 -
         paid 201 | msg=msg_1 | status=pending | pay=pay_1 => staged pay_1
         paid 202 | status=pending | pay=pay_1 => staged pay_1
         paid 201 | msg=msg_1 | status=pending => payment.unknown
         paid 202 => payment.unknown
         paid 201 => payment.unknown
         paid 409 | error=already_redeemed | had=msg_2 => redeemed msg_2",
    );
}

/// The typed codes, each row of the inbox's table.
#[test]
fn typed() {
    check(
        "paid 409 | code=NONCE_CONFLICT | after=5 => relay.nonce-conflict after 5
         paid 409 | code=NONCE_CONFLICT | relay=NONCE_CONFLICT | by=sender => relay.nonce-conflict
         paid 409 | code=NONCE_CONFLICT | by=sponsor => relay.nonce-conflict
         paid 409 | code=NONCE_CONFLICT | by=sender => wallet.sender-nonce
         paid 409 | code=NONCE_CONFLICT | relay=CLIENT_NONCE_CONFLICT => wallet.sender-nonce
         paid 409 | code=NONCE_CONFLICT | relay=CLIENT_BAD_NONCE => wallet.sender-nonce
         paid 409 | code=NONCE_CONFLICT | relay=NONCE_OCCUPIED => relay.nonce-conflict
         paid 409 | code=NONCE_CONFLICT | relay=TOO_MUCH_CHAINING => relay.unavailable
         paid 409 | code=NONCE_CONFLICT | relay=ORIGIN_CHAINING_LIMIT => relay.rate-limited
         paid 409 | code=SENDER_NONCE_STALE | relay=SENDER_NONCE_STALE | after=0 => wallet.sender-nonce after 0
         paid 409 | code=SENDER_NONCE_GAP | after=0 => wallet.sender-nonce after 0
         paid 409 | code=SENDER_NONCE_DUPLICATE | after=30 => relay.pending after 30
         paid 409 | code=SETTLEMENT_TIMEOUT | after=60 => payment.unknown after 60
         paid 409 | code=PAYMENT_NOT_FOUND => payment.unknown
         paid 409 => payment.unknown
         paid 502 | code=BROADCAST_FAILED => relay.sponsor-failed
         paid 502 | code=BROADCAST_FAILED | relay=BROADCAST_RATE_LIMITED => relay.rate-limited
         paid 502 | code=MISSING_CANONICAL_IDENTITY => payment.unknown
         paid 502 | code=RELAY_ERROR | after=10 => relay.unavailable after 10
         paid 502 | code=RELAY_ERROR | relay=too_small | after=10 => relay.unavailable after 10
         paid 502 | code=RELAY_ERROR | detail=Nonce conflict | after=10 => relay.nonce-conflict after 10
         paid 503 | code=RELAY_ERROR | after=60 => relay.unavailable after 60
         paid 503 | code=RELAY_ERROR | relay=LOW_HEADROOM => relay.unavailable
         paid 422 | code=SETTLEMENT_FAILED => payment.unknown
         paid 400 | code=INVALID_TRANSACTION_FORMAT => wallet.payment-refused
         paid 402 | terms | code=INSUFFICIENT_FUNDS => wallet.insufficient-funds
         paid 402 | terms | code=PAYMENT_REJECTED => wallet.payment-refused
         paid 402 | terms | code=invalid_payload => wallet.payment-refused
         paid 402 | terms | code=unexpected_settle_error => wallet.payment-refused
         paid 402 | terms | code=sender_mismatch => wallet.payment-refused
         paid 402 | terms | code=conflicting_nonce => relay.nonce-conflict",
    );
}

/// A paid post is answered with terms again: never a new request to pay.
#[test]
fn terms_again() {
    check("paid 402 | terms => wallet.payment-refused");
}

/// The form of March 2026: 402, and the relay's JSON within a string.
#[test]
fn march() {
    let march = |inner: &str| {
        format!(
            r#"paid 402 | terms | errorCode=unexpected_settle_error | error=Sponsor relay failed: {inner}"#
        )
    };
    let conflict = r#"{\"success\":false,\"error\":\"Nonce conflict — resubmit\",\"code\":\"NONCE_CONFLICT\",\"retryable\":true,\"details\":\"transaction rejected: ConflictingNonceInMempool\",\"retryAfter\":1}"#;
    check(&format!("{} => relay.nonce-conflict after 1", march(conflict)));
    let plain = r#"{"code": "SPONSOR_FAILED", "retryable": true}"#;
    check(&format!("{} => relay.sponsor-failed", march(plain)));
    let bare = "transaction rejected: BadNonce";
    check(&format!("{} => relay.nonce-conflict", march(bare)));
    let nodes = r#"{"code":"CLIENT_INSUFFICIENT_FUNDS","details":"NotEnoughFunds"}"#;
    check(&format!("{} => wallet.insufficient-funds", march(nodes)));
    let ours = r#"{"code":"AUTH_EXPIRED","retryable":false}"#;
    check(&format!("{} => wallet.payment-refused", march(ours)));
    check(&format!("{} => relay.sponsor-failed", march("fetch failed")));
}

/// The other statuses of a paid post. Nothing of it may be charged to the task: it left.
#[test]
fn paid_otherwise() {
    check(
        "paid 404 | error=Agent not found => payment.stranded
         paid 400 | error=Recipient BTC address mismatch => payment.stranded
         paid 400 | error=invalid_payment_payload => wallet.payment-refused
         paid 400 | error=Invalid payment-signature header => wallet.payment-refused
         paid 429 | after=60 => inbox.rate-limited after 60
         paid 500 | error=Internal server error processing inbox message => inbox.unavailable
         paid 503 | error=transient_d1_unavailable | after=5 => inbox.unavailable after 5
         paid - | error=timed out => inbox.unavailable",
    );
    let Answer::Failure(failure) = classify(Phase::Paid, &Reply::default()) else { panic!() };
    assert!(failure.in_doubt);
}

/// The status of a staged payment. What the relay calls failed, it only no longer stands for.
#[test]
fn poll() {
    check(
        "poll 200 | status=queued | pay=pay_1 => staged pay_1
         poll 200 | status=queued_with_warning | pay=pay_1 => staged pay_1
         poll 200 | status=broadcasting | pay=pay_1 => staged pay_1
         poll 200 | status=mempool | pay=pay_1 => staged pay_1
         poll 200 | status=confirmed | txid=ab => confirmed ab
         poll 200 | status=failed | reason=sponsor_nonce_conflict => disowned relay.nonce-conflict
         poll 200 | status=failed | reason=sponsor_failure => disowned relay.sponsor-failed
         poll 200 | status=failed | reason=sponsor_failure | error=Broadcast contention: Nonce conflict => disowned relay.nonce-conflict
         poll 200 | status=failed | reason=sponsor_exhausted => disowned relay.sponsor-failed
         poll 200 | status=failed | reason=broadcast_failure => disowned relay.unavailable
         poll 200 | status=failed | reason=broadcast_rate_limited => disowned relay.rate-limited
         poll 200 | status=failed | reason=origin_chaining_limit => disowned relay.rate-limited
         poll 200 | status=failed | reason=sender_nonce_stale => disowned wallet.sender-nonce
         poll 200 | status=failed | reason=sender_nonce_gap => disowned wallet.sender-nonce
         poll 200 | status=failed | reason=sender_nonce_duplicate => disowned relay.pending
         poll 200 | status=failed | reason=sender_hand_expired => disowned payment.unknown
         poll 200 | status=failed | reason=chain_abort => disowned payment.unknown
         poll 200 | status=failed | reason=not_sponsored => disowned wallet.payment-refused
         poll 200 | status=failed | reason=internal_error => disowned relay.unavailable
         poll 200 | status=failed | reason=queue_unavailable => disowned relay.unavailable
         poll 200 | status=replaced | reason=nonce_replacement => disowned payment.unknown
         poll 404 | status=not_found | reason=expired => disowned payment.unknown
         poll 404 | status=not_found | reason=unknown_payment_identity => disowned payment.unknown
         poll 400 | code=INVALID_PAYMENT_ID => payment.unknown
         poll 503 | code=RPC_NOT_AVAILABLE => inbox.unavailable
         poll 500 | code=RELAY_ERROR => relay.unavailable
         poll - => inbox.unavailable",
    );
}

/// Naming a settled transfer instead of paying.
#[test]
fn redeem() {
    check(
        "redeem 201 | msg=msg_1 => delivered msg_1 -
         redeem 409 | error=already_redeemed | had=msg_1 => redeemed msg_1
         redeem 409 | code=TXID_NOT_FOUND | after=15 => relay.pending after 15
         redeem 409 | code=TX_NOT_CONFIRMED | after=600 => relay.pending after 600
         redeem 429 | code=RATE_LIMITED | after=30 => inbox.rate-limited after 30
         redeem 502 | code=API_ERROR | after=30 => inbox.unavailable after 30
         redeem 400 | code=NOT_SBTC_TRANSFER => inbox.undelivered
         redeem 400 | code=INSUFFICIENT_AMOUNT => inbox.undelivered
         redeem 400 | code=RECIPIENT_MISMATCH => inbox.undelivered
         redeem 404 | error=Agent not found => inbox.undelivered",
    );
}

/// What is kept for a person is one bounded line with everything that was said.
#[test]
fn evidence() {
    let reply = Reply {
        status: Some(409),
        code: Some("NONCE_CONFLICT".to_owned()),
        relay_code: Some("NONCE_OCCUPIED".to_owned()),
        error: Some(format!("first\nsecond {}", "x".repeat(1_000))),
        ..Reply::default()
    };
    let Answer::Failure(failure) = classify(Phase::Paid, &reply) else { panic!() };
    assert!(failure.evidence.starts_with("409 · NONCE_CONFLICT · relay NONCE_OCCUPIED · first"));
    assert!(failure.evidence.chars().count() <= 400 && !failure.evidence.contains('\n'));
    assert_eq!(failure.cause, "relay.nonce-conflict".parse::<Cause>().unwrap());
}

/// Every cause that can come out stands in the rule set: none is `unknown` by a misspelling.
#[test]
fn causes_are_known() {
    for status in [None, Some(200), Some(400), Some(402), Some(404), Some(409), Some(500)] {
        for phase in [Phase::Probe, Phase::Paid, Phase::Poll, Phase::Redeem] {
            let reply = Reply { status, ..Reply::default() };
            if let Answer::Failure(failure) = classify(phase, &reply) {
                assert_ne!(failure.cause.as_str(), "unknown", "{phase:?} {status:?}");
            }
        }
    }
}
