//! Scripted answers: the request is taken as far as the script says, and then answered with
//! the script's words.

use axum::http::StatusCode;
use serde_json::Value;

use crate::model::{
    World,
    script::{Asked, Done, Scripted, take},
};

use super::{
    Shared,
    connection::Connection,
    inbox::{Post, accept, note},
    inbox_answers::payment_required,
    reply::Reply,
};

/// The scripted answer to such a request, where there is one.
pub(super) fn answer(world: &mut World, to: Asked, requirements: &Value) -> Option<Reply> {
    take(&mut world.faults.scripted, to).map(|scripted| words(&scripted, requirements))
}

/// The same for a post that names a transaction, which may do first what it would.
pub(super) fn redeemed(
    world: &mut World,
    requirements: &Value,
    redeem: impl FnOnce(&mut World) -> Reply,
) -> Reply {
    let Some(scripted) = take(&mut world.faults.scripted, Asked::Redeem) else {
        return redeem(world);
    };
    if scripted.after == Done::Delivered {
        redeem(world);
    }
    words(&scripted, requirements)
}

/// The same for a paid post, which may have done something first, and may be cut off.
pub(super) async fn paid(
    shared: &Shared,
    connection: &Connection,
    post: &Post,
    signature: &[u8],
) -> Option<Reply> {
    let scripted = take(&mut shared.world().faults.scripted, Asked::Paid)?;
    note(&mut shared.world(), post, signature);
    if scripted.after > Done::Nothing {
        let accepted = accept(&mut shared.world(), post, signature);
        if let (Ok((payment, _)), true) = (accepted, scripted.after > Done::Accepted) {
            let wait_ms = shared.world().faults.settle_wait_ms;
            shared.outcome(payment, wait_ms).await;
            if scripted.after == Done::Delivered {
                shared.world().deliver(payment);
            }
        }
    }
    if scripted.status == 0 {
        connection.cut();
    }
    Some(words(&scripted, &post.requirements))
}

fn words(scripted: &Scripted, requirements: &Value) -> Reply {
    let status = StatusCode::from_u16(scripted.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut reply = match scripted.terms {
        true => payment_required(requirements, scripted.body.clone()),
        false => Reply::new(status, scripted.body.clone()),
    };
    reply.status = status;
    reply.retry_after(scripted.retry_after)
}
