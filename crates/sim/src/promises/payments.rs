//! M1 to M3.

use domain::{Payment, PaymentStage as Stage, Phase, Proof, Rejection};

use super::{Kept, broken};
use crate::{
    exec::Millis,
    setting::{number_of, payment_key, welcome},
    shown::link,
    witness::Fact,
    words::{Body, Stored, Subject},
    world::World,
};

/// M1: a payee is paid at most once per purpose, by the chain's own ledger.
pub(super) fn nobody_is_paid_twice(world: &mut World) -> Kept {
    let World { outside, witness, .. } = world;
    let new = outside.chain.get(witness.mined..).unwrap_or_default();
    witness.mined = outside.chain.len();
    for payee in new.iter().filter_map(|mined| mined.payee) {
        let paid = witness.paid.entry(payee).or_insert(0);
        *paid += 1;
        if 1 < *paid {
            return broken("M1", format!("agent {payee} was paid {paid} times"));
        }
    }
    Ok(())
}

/// M2: what may have happened is unknown, never failed. No payment whose bytes left is given
/// up while its nonce is not spent by something else, none is called settled that was not
/// made, and no task is charged while its payment is in doubt.
pub(super) fn what_may_have_left_is_unknown(world: &World, fact: &Fact, _: Millis) -> Kept {
    match fact {
        Fact::Stored { stored: Stored { body: Body::Payment(payment), .. }, before, .. } => {
            let before = before.as_ref().and_then(|before| match &before.body {
                Body::Payment(payment) => Some(&**payment),
                _ => None,
            });
            saved_truthfully(world, before, payment)
        }
        Fact::Stored { stored: Stored { body: Body::State(state), .. }, .. }
            if state.kind == welcome() =>
        {
            let charged = match &state.phase {
                Phase::Resting { cause, charged: true, .. } | Phase::Dead { cause } => {
                    cause.as_str() != "dispatcher.lost"
                }
                _ => false,
            };
            let number = number_of(&state.source_key);
            if charged && payment(world, number).is_some_and(in_doubt) {
                return broken("M2", format!("{} while its payment is in doubt", link(state)));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn saved_truthfully(world: &World, before: Option<&Payment>, after: &Payment) -> Kept {
    let number = number_of(&after.source_key);
    let signed = after.signed();
    let left = signed.is_some_and(|signed| {
        world.witness.left.get(&signed.nonce).is_some_and(|(_, bytes)| *bytes == signed.bytes)
    });
    let paid = world.outside.chain.iter().any(|mined| mined.payee == Some(number));
    let wrong = match &after.stage {
        Stage::Rejected(_, Rejection::Unsent { .. }) => left.then_some("unsent, and they left"),
        Stage::Rejected(_, Rejection::SpentElsewhere { .. }) => {
            let nonce = signed.map(|signed| signed.nonce);
            let mut chain = world.outside.chain.iter();
            let other =
                chain.any(|mined| Some(mined.nonce) == nonce && mined.payee != Some(number));
            (!other).then_some("spent elsewhere, and it was not")
        }
        Stage::Settled(_, settlement) => {
            let early = settlement.proof == Proof::EarlierMessage
                && before.is_some_and(|before| before.signed().is_some() && in_doubt(before));
            (!paid || early).then_some("settled, and nothing was paid")
        }
        Stage::Intent | Stage::Signed(_) => {
            let over = before
                .is_none_or(|before| matches!(before.stage, Stage::Rejected(..) | Stage::Intent));
            (!over).then_some("begun again while unfinished")
        }
        Stage::Sent(..) | Stage::Staged(..) | Stage::Unknown(..) => None,
    };
    match wrong {
        Some(wrong) => broken("M2", format!("the payment to agent {number}: {wrong}")),
        None => Ok(()),
    }
}

/// M3: the bytes that leave are those that are stored as about to leave, and one nonce leaves
/// in one payment's bytes only.
pub(super) fn bytes_are_stored_before_they_leave(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Left { by, payee, signed } = fact else { return Ok(()) };
    if let Some((other, bytes)) = world.witness.left.get(&signed.nonce)
        && (other != payee || *bytes != signed.bytes)
    {
        let nonce = signed.nonce;
        return broken("M3", format!("nonce {nonce} left for agent {other} and for {payee}"));
    }
    let stored = payment(world, *payee);
    let sent = |payment: &Payment| {
        !matches!(payment.stage, Stage::Signed(_) | Stage::Intent)
            && payment.signed().is_some_and(|stored| stored.bytes == signed.bytes)
    };
    if !stored.is_some_and(sent) {
        let word = stored.map_or("not there", Payment::word);
        return broken("M3", format!("{by} sent to agent {payee}, and the record is {word}"));
    }
    Ok(())
}

fn payment(world: &World, number: u64) -> Option<&Payment> {
    match &world.broker.last(&Subject::Payment(payment_key(number)))?.body {
        Body::Payment(payment) => Some(payment),
        _ => None,
    }
}

/// Its bytes may have left, and it has come to no end.
const fn in_doubt(payment: &Payment) -> bool {
    matches!(payment.stage, Stage::Sent(..) | Stage::Staged(..) | Stage::Unknown(..))
}
