//! A person has the wallet's record follow the world, where it is older (`record.behind`).
//!
//! Only the next nonce moves, and only forward: to what the chain expects, or past what waits
//! in the mempool. No payment is made up for what the record does not know; whoever was paid
//! by it is found in the inbox's list before they would be paid again.

use bus::{Expect, Put, PutError};
use domain::Wallet;
use fleet::store::Versioned;
use wire::{
    Wire as _,
    message::{AdoptReply, AdoptRequest, WalletAdopted},
    subject,
};

use crate::{desk::Desk, ledger::LedgerError, standing, told, tools::Tools};

/// How often a write that got no answer is looked up and tried again.
const TRIES: u32 = 20;

/// Answers one request.
pub(crate) async fn adopt(desk: &Desk, request: &AdoptRequest) -> AdoptReply {
    if request.person.trim().is_empty() || request.note.trim().is_empty() {
        return refused("say who you are and why: both stand in the record for ever");
    }
    let tools = match desk.tools() {
        Ok(tools) => tools,
        Err(error) => return refused(format!("the payer cannot pay at all: {error:#}")),
    };
    match looked(desk, &tools).await {
        Ok(Looked { reply, .. }) if reply.refused.is_some() || request.look => reply,
        Ok(looked) if request.expected_next.is_some_and(|seen| seen != looked.reply.before) => {
            refused("the record has moved since you looked at it: look again")
        }
        Ok(looked) => carried_out(desk, request, looked).await,
        Err(error) => unread(error),
    }
}

/// The record beside the world, and what would be answered.
struct Looked {
    kept: Option<Versioned<Wallet>>,
    reply: AdoptReply,
}

async fn looked(desk: &Desk, tools: &Tools) -> Result<Looked, LedgerError> {
    let address = tools.wallet.to_string();
    let facts = match tools.chain.wallet_facts().await {
        Ok(facts) => facts,
        Err(silent) => {
            let reply = refused(format!("nobody says what the chain knows of {address}: {silent}"));
            return Ok(Looked { kept: None, reply });
        }
    };
    let Some(kept) = desk.ledger.wallet(&address).await? else {
        desk.standing.forget().await;
        let reply = refused(format!("{address} has no record: it begins with the next payment"));
        return Ok(Looked { kept: None, reply });
    };
    let waiting = facts.mempool.iter().max().map_or(0, |nonce| nonce.saturating_add(1));
    let before = kept.value.next;
    let next = before.max(facts.chain_next).max(waiting);
    let current = format!(
        "the record of {address} is not behind: its next nonce is {before}, the world has used \
         all below {}",
        facts.chain_next.max(waiting)
    );
    let reply = AdoptReply {
        refused: (next == before).then_some(current),
        wallet: address,
        before,
        next,
        chain_next: facts.chain_next,
        mempool: facts.mempool,
        unknown_messages: standing::unknown_messages(desk, tools).await?.unwrap_or_default(),
    };
    Ok(Looked { kept: Some(kept), reply })
}

async fn carried_out(desk: &Desk, request: &AdoptRequest, looked: Looked) -> AdoptReply {
    let Looked { kept: Some(kept), reply } = looked else { return looked.reply };
    let adopted = WalletAdopted {
        wallet: reply.wallet.clone(),
        person: request.person.trim().to_owned(),
        note: request.note.trim().to_owned(),
        at: desk.fleet.clock.now(),
        before: reply.before,
        next: reply.next,
        chain_next: reply.chain_next,
    };
    match written(desk, &kept, &adopted).await {
        Ok(true) => {
            let WalletAdopted { wallet, person, note, before, next, .. } = &adopted;
            tracing::warn!(wallet, person, note, before, next, "the record follows the world");
            told::adopted(&desk.fleet, &adopted, kept.seq).await;
            desk.standing.forget().await;
            reply
        }
        Ok(false) => refused("the record moved meanwhile: look again"),
        Err(error) => unread(error),
    }
}

/// Writes the wallet and who moved it, both or neither. `false`: somebody else wrote first.
async fn written(
    desk: &Desk,
    kept: &Versioned<Wallet>,
    adopted: &WalletAdopted,
) -> Result<bool, PutError> {
    let act = subject::act_on_wallet(&adopted.wallet, kept.seq);
    let wallet = Wallet { next: adopted.next, ..kept.value.clone() };
    let mut tries = 0;
    loop {
        let put = |subject: &str, body, last| Put {
            subject: subject.to_owned(),
            body,
            expect: Expect::Last(last),
            id: None,
        };
        let puts = vec![
            put(&subject::nonce(&adopted.wallet), wallet.encode(), kept.seq),
            put(&act, adopted.encode(), 0),
        ];
        let error = match desk.fleet.bus.put_all(puts).await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        // Nobody else writes this person, note and time on this subject.
        let bus = &desk.fleet.bus;
        let found = fleet::store::read::<WalletAdopted>(bus, subject::RECORD, &act).await;
        match (found, desk.ledger.wallet(&adopted.wallet).await) {
            (Ok(Some(found)), _) => return Ok(found.value == *adopted),
            (_, Ok(now)) if now.as_ref().map(|now| now.seq) != Some(kept.seq) => return Ok(false),
            _ => (),
        }
        tries += 1;
        if tries == TRIES {
            return Err(error);
        }
        desk.fleet.clock.sleep(bus::Bus::jitter() * 10).await;
    }
}

fn unread(error: impl std::error::Error + Send + Sync + 'static) -> AdoptReply {
    refused(format!("the record is not at hand: {:#}", anyhow::Error::new(error)))
}

fn refused(why: impl Into<String>) -> AdoptReply {
    AdoptReply { refused: Some(why.into()), ..AdoptReply::default() }
}
