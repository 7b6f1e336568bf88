//! The routes that no real service has: knobs, population, time's repairs, and the verdict.

use std::num::NonZeroUsize;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use stacks::Address;

use crate::model::{
    Heal, World,
    directory::{Agent, Broken},
};

use super::{
    Shared,
    reply::{Reply, defined},
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sandbox/faults", get(faults).post(set_faults))
        .route("/sandbox/agents", post(register))
        .route("/sandbox/accounts", post(set_account))
        .route("/sandbox/heal", post(heal))
        .route("/sandbox/reset", post(reset))
        .route("/sandbox/time", post(time))
        .route("/sandbox/ledger", get(ledger))
        .route("/sandbox/stats", get(stats))
}

async fn faults(State(shared): State<Shared>) -> Reply {
    reply_faults(&shared.world())
}

/// Merges the named knobs and answers all of them.
async fn set_faults(State(shared): State<Shared>, body: Bytes) -> Reply {
    let named: Map<String, Value> = match read(&body) {
        Ok(named) => named,
        Err(reply) => return reply,
    };
    let mut world = shared.world();
    match world.set_faults(named) {
        Ok(()) => reply_faults(&world),
        Err(error) => bad(&error.into()),
    }
}

fn reply_faults(world: &World) -> Reply {
    Reply::ok(json!(world.faults))
}

/// Whom to register.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Register {
    /// So many good ones.
    count: u64,
    /// One for each way of being wrong.
    broken: Vec<Broken>,
    /// Exactly these.
    agents: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    stx_address: Option<String>,
    btc_address: Option<String>,
    display_name: Option<String>,
}

/// Registers agents, in order: good ones, broken ones, given ones.
async fn register(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: Register = match read(&body) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let mut world = shared.world();
    let now_ms = world.now_ms;
    let directory = &mut world.directory;
    let mut rows: Vec<Agent> = (0..asked.count).map(|_| directory.register(now_ms)).collect();
    rows.extend(asked.broken.iter().map(|broken| directory.register_broken(*broken, now_ms)));
    rows.extend(asked.agents.into_iter().map(|row| {
        directory.register_as(row.stx_address, row.btc_address, row.display_name, now_ms)
    }));
    let rows: Vec<Value> = rows.iter().map(row).collect();
    Reply::ok(json!({"registered": rows, "total": directory.len()}))
}

fn row(agent: &Agent) -> Value {
    defined(json!({
        "stxAddress": agent.stx_address,
        "btcAddress": agent.btc_address,
        "displayName": agent.display_name,
    }))
}

/// What an account is to have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetAccount {
    address: String,
    sats: Option<u64>,
    /// As if the account had been used elsewhere.
    nonce: Option<u64>,
}

async fn set_account(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: SetAccount = match read(&body) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let address: Address = match asked.address.parse() {
        Ok(address) => address,
        Err(error) => return bad(&anyhow::Error::from(error)),
    };
    let mut world = shared.world();
    let account = world.chain.account_mut(address);
    account.sats = asked.sats.map_or(account.sats, u128::from);
    account.nonce = asked.nonce.unwrap_or(account.nonce);
    let sats = account.sats.to_string();
    Reply::ok(json!({"address": asked.address, "sats": sats, "nonce": account.nonce}))
}

/// How to free the stuck nonces.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AskHeal {
    how: Heal,
    resync: bool,
}

impl Default for AskHeal {
    fn default() -> Self {
        AskHeal { how: Heal::default(), resync: true }
    }
}

async fn heal(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: AskHeal = match body.is_empty() {
        true => AskHeal::default(),
        false => match read(&body) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        },
    };
    let mut world = shared.world();
    world.heal(asked.how, asked.resync);
    Reply::ok(json!({"stuck": world.stuck()}))
}

/// How time is to pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskTime {
    /// From now on time passes only here and where an answer waits. There is no way back.
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    advance_ms: u64,
}

/// Holds the world's time, or lets held time pass at once.
async fn time(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: AskTime = match read(&body) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    if asked.hold {
        shared.hold_time();
    }
    if asked.advance_ms > 0 && !shared.pass(asked.advance_ms) {
        return bad(&anyhow::anyhow!("advance time that is not held: hold it first"));
    }
    Reply::ok(json!({"now_ms": shared.world().now_ms}))
}

/// In what the next world differs from this one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rebuild {
    /// How many sponsor wallets the relay has.
    wallets: Option<NonZeroUsize>,
}

/// The same world again, from the beginning, apart from what is named.
async fn reset(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: Rebuild = match body.is_empty() {
        true => Rebuild::default(),
        false => match read(&body) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        },
    };
    let mut world = shared.world();
    world.options.wallets = asked.wallets.map_or(world.options.wallets, NonZeroUsize::get);
    match world.reset() {
        Ok(()) => Reply::ok(json!({"agents": world.directory.len()})),
        Err(error) => bad(&error.into()),
    }
}

/// What really happened.
async fn ledger(State(shared): State<Shared>) -> Reply {
    let world = shared.world();
    let transfers = world.ledger.transfers().iter().map(|settled| {
        json!({
            "sender": settled.sender.to_string(),
            "recipient": settled.recipient.to_string(),
            "amount": u64::try_from(settled.amount).unwrap_or(u64::MAX),
            "originNonce": settled.origin_nonce,
            "txid": settled.txid.to_string(),
            "blockHeight": settled.height,
            "settledMs": settled.at_ms,
            "delivered": settled.message.is_some(),
            "messageId": settled.message,
        })
    });
    let twice = world.ledger.paid_twice();
    Reply::ok(json!({
        "transfers": transfers.collect::<Vec<_>>(),
        "welcomed": world.ledger.welcomed(),
        "paid_twice": twice.len(),
        "paid_twice_recipients": twice.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "messages": world.ledger.messages(),
    }))
}

async fn stats(State(shared): State<Shared>) -> Reply {
    Reply::ok(json!(shared.world().stats()))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|error| bad(&anyhow::Error::from(error)))
}

pub(super) fn bad(error: &anyhow::Error) -> Reply {
    Reply::new(StatusCode::BAD_REQUEST, json!({"error": format!("{error:#}")}))
}
