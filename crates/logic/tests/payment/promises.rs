//! The promises of `logic::payment`, as someone sees them who knows the whole truth.

use std::collections::BTreeMap;

use domain::{Budget, Payment, PaymentStage as Stage, Proof, Rejection, Sats, Spending};
use logic::payment::IN_FLIGHT_MAX;

use crate::{
    PAYEES,
    payer::LIMITS,
    store::Store,
    world::{World, key},
};

pub fn never_pays_twice(world: &World) -> Result<(), String> {
    match (0..=PAYEES).find(|at| 1 < world.paid(*at)) {
        Some(at) => Err(format!("payee {at} was paid {} times", world.paid(at))),
        None => Ok(()),
    }
}

/// One nonce, one payment, one sequence of bytes, once anything has left.
pub fn never_lends_a_nonce(world: &World, store: &Store) -> Result<(), String> {
    let mut holders: BTreeMap<u64, (usize, &[u8])> = BTreeMap::new();
    for (nonce, at, bytes) in &world.left {
        let holder = *holders.entry(*nonce).or_insert((*at, bytes));
        if holder != (*at, bytes) {
            return Err(format!("nonce {nonce} left for payee {} and for {at}", holder.0));
        }
    }
    for at in 0..=PAYEES {
        let Some(payment) = store.payment(at) else { continue };
        let over = matches!(payment.stage, Stage::Rejected(..) | Stage::Settled(..));
        if let (false, Some(signed)) = (over, payment.signed())
            && let Some((holder, bytes)) = holders.get(&signed.nonce)
            && (*holder != at || *bytes != signed.bytes)
        {
            return Err(format!("nonce {} of payee {holder} was lent to {at}", signed.nonce));
        }
    }
    Ok(())
}

/// Whatever left was stored as about to leave, with those bytes.
pub fn stores_before_it_sends(world: &World, store: &Store) -> Result<(), String> {
    let stored = |(nonce, at, bytes): &(u64, usize, Vec<u8>)| {
        let noted = format!("signed with nonce {nonce}, txid {}", String::from_utf8_lossy(bytes));
        let payment = store.payment(*at);
        payment.is_some_and(|p| p.history.iter().any(|note| note.what.starts_with(&noted)))
    };
    match world.left.iter().find(|left| !stored(left)) {
        Some((nonce, at, _)) => Err(format!("bytes of nonce {nonce} to {at} left unrecorded")),
        None => Ok(()),
    }
}

pub fn stays_within_limits(store: &Store) -> Result<(), String> {
    let wallet = &store.wallet.0;
    if 1 < wallet.unfinished.iter().filter(|holder| !holder.sent).count() {
        return Err(format!("two nonces are unsent: {wallet:?}"));
    }
    let limit = usize::try_from(LIMITS.in_flight).unwrap();
    let open = wallet.unfinished.iter().filter(|holder| holder.settled.is_none()).count();
    if limit < open || IN_FLIGHT_MAX < wallet.unfinished.len() {
        return Err(format!("{open} payments unfinished: {wallet:?}"));
    }
    Ok(())
}

/// M4: what is held is held for exactly the payments that are under way, each once, and what is
/// spent was spent by exactly those that are settled. So nothing leaks, and nothing is lost.
pub fn owns_every_sat(store: &Store) -> Result<(), String> {
    let (mut reserved, mut spent) = (Sats::ZERO, Sats::ZERO);
    for (payment, _) in store.payments.values() {
        let under_way = match &payment.stage {
            Stage::Signed(_) | Stage::Sent(..) | Stage::Staged(..) | Stage::Unknown(..) => true,
            Stage::Intent | Stage::Settled(..) | Stage::Rejected(..) => false,
        };
        let held = payment.reserved.as_ref().map(|reserved| reserved.amount);
        if held != under_way.then_some(payment.amount) {
            return Err(format!("{held:?} is held for {payment:?}"));
        }
        reserved = reserved.saturating_add(held.unwrap_or_default());
        if payment.settled() && payment.signed().is_some() {
            spent = spent.saturating_add(payment.amount);
        }
    }
    let found = &store.spending.0;
    match (reserved, spent) == (found.reserved, found.spent) && found.today <= found.spent {
        true => Ok(()),
        false => Err(format!("{reserved} are held and {spent} spent, and it says {found:?}")),
    }
}

/// M4: at each signature, what is spent and held stays within what is allowed just then.
pub fn reserves_within_budget(spending: &Spending, budget: &Budget) -> Result<(), String> {
    let over = |limit: Option<Sats>, spent: Sats| {
        limit.is_some_and(|limit| limit < spent.saturating_add(spending.reserved))
    };
    match over(budget.day, spending.today) || over(budget.total, spending.spent) {
        true => Err(format!("{spending:?} exceeds {budget:?}")),
        false => Ok(()),
    }
}

/// M4, by the chain's own ledger: no day sees more than was ever allowed for one.
pub fn stays_within_budget(world: &World, store: &Store) -> Result<(), String> {
    let mut moved: BTreeMap<u64, Sats> = BTreeMap::new();
    for mined in world.chain.iter().filter(|mined| mined.payee.is_some()) {
        let sum = moved.entry(mined.day).or_default();
        *sum = sum.saturating_add(Sats::new(100));
    }
    match moved.iter().find(|(_, sum)| store.day_most < **sum) {
        Some((day, sum)) => Err(format!("{sum} moved on day {day}, {} allowed", store.day_most)),
        None => Ok(()),
    }
}

/// Every nonce up to the next has an owner: the chain, a payment, or the list of holes.
pub fn owns_every_nonce(world: &World, store: &Store) -> Result<(), String> {
    let wallet = &store.wallet.0;
    let owned = |nonce: &u64| {
        *nonce < world.next
            || wallet.unfinished.iter().any(|holder| holder.nonce == *nonce)
            || wallet.holes.contains(nonce)
    };
    match (0..wallet.next).find(|nonce| !owned(nonce)) {
        Some(nonce) => Err(format!("nobody owns nonce {nonce}: {wallet:?}")),
        None => Ok(()),
    }
}

/// A verdict on a payment agrees with what truly happened.
pub fn saves_truthfully(
    before: Option<&Payment>,
    after: &Payment,
    at: usize,
    world: &World,
) -> Result<(), String> {
    let nonce = after.signed().map(|signed| signed.nonce);
    let bytes = after.signed().map(|signed| signed.bytes.as_slice());
    match &after.stage {
        Stage::Rejected(_, Rejection::Unsent { .. }) => {
            if world.left.iter().any(|left| Some(left.2.as_slice()) == bytes) {
                return Err(format!("payee {at}: rejected as unsent, and its bytes left"));
            }
        }
        Stage::Rejected(_, Rejection::SpentElsewhere { .. }) => {
            let mut others = world.chain.iter().filter(|mined| mined.payee != Some(at));
            if !others.any(|mined| Some(mined.nonce) == nonce) {
                return Err(format!("payee {at}: rejected, and its nonce is not spent elsewhere"));
            }
        }
        Stage::Settled(_, settlement) => {
            let earlier = settlement.proof == Proof::EarlierMessage;
            if world.paid(at) == 0 || (earlier && before.is_some_and(|b| b.signed().is_some())) {
                return Err(format!("payee {at}: settled, and nothing was paid"));
            }
        }
        Stage::Intent | Stage::Signed(_) => {
            let over = before
                .is_none_or(|before| matches!(before.stage, Stage::Rejected(..) | Stage::Intent));
            if !over {
                return Err(format!("payee {at}: begun again while unfinished"));
            }
        }
        Stage::Sent(..) | Stage::Staged(..) | Stage::Unknown(..) => (),
    }
    Ok(())
}

/// After the world healed: everything asked for is settled, nothing holds a nonce.
pub fn ends(world: &World, store: &Store, asked: &[usize]) -> Result<(), String> {
    for at in asked {
        let payment = store.payment(*at);
        if !payment.is_some_and(Payment::settled) && !store.contacts.contains(&key(*at)) {
            return Err(format!("payee {at} never settled: {payment:?}"));
        }
        if world.paid(*at) != 1 || !world.messages.contains_key(at) {
            return Err(format!("payee {at}: paid {} times", world.paid(*at)));
        }
    }
    let wallet = &store.wallet.0;
    let open = wallet.unfinished.iter().any(|holder| holder.settled.is_none());
    if open || world.next < wallet.next {
        return Err(format!("a gap stays: chain at {}, {wallet:?}", world.next));
    }
    Ok(())
}
