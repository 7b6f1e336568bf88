//! The world over HTTP: what the real services' routes say, word for word where it matters.
//!
//! | prefix | who answers |
//! | --- | --- |
//! | `/api` | AIBTC: `directory`, `inbox`, `inbox_reads` |
//! | `/relay-host` | the sponsor relay: `relay`, `x402`, `probes`, `nonce_state` |
//! | `/v2`, `/extended` | the Stacks API: `stacks_api` |
//! | `/v1` | Anthropic: `anthropic` |
//! | `/sandbox` | nobody real: knobs, ledger and counters, `control`, `anthropic_control` |

mod anthropic;
mod anthropic_control;
mod connection;
mod control;
mod directory;
mod held;
mod inbox;
mod inbox_answers;
mod inbox_reads;
mod letter;
mod nonce_state;
mod probes;
mod redeem;
mod relay;
mod relay_answers;
mod reply;
mod scripted;
mod stacks_api;
mod time;
mod tx_json;
mod x402;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    routing::{get, post},
};
use kit::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    model::{World, payment::PaymentStatus, relay::PaymentIndex},
};

use connection::{Connection, Connections};
use time::Time;

/// How long requests may take to end once the sandbox is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What every handler shares: the one world, its clock, and the order to stop.
#[derive(Clone, Debug)]
struct Shared(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    world: Mutex<World>,
    time: Time,
    shutdown: CancellationToken,
}

/// Serves a fresh world on the listener until `shutdown`.
///
/// # Errors
///
/// When the world cannot be made, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let clock = Clock;
    let world = World::new(options, clock.now().as_millis()).context("make the sandbox's keys")?;
    let parts =
        Parts { world: Mutex::new(world), time: Time::default(), shutdown: shutdown.clone() };
    let app = router(Shared(Arc::new(parts))).into_make_service_with_connect_info::<Connection>();
    let stop = shutdown.clone();
    let server = axum::serve(Connections(listener), app)
        .with_graceful_shutdown(async move { stop.cancelled().await });
    let too_late = async {
        shutdown.cancelled().await;
        clock.sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served.context("serve the sandbox"),
        () = too_late => Ok(()),
    }
}

fn router(shared: Shared) -> Router {
    let relay_host = Router::new()
        .route("/relay", post(relay::relay))
        .route("/settle", post(x402::settle))
        .route("/settle/status/{txid}", get(x402::settle_status))
        .route("/verify", post(x402::verify))
        .route("/verify/{id}", get(relay::receipt))
        .route("/sponsor", post(probes::sponsor))
        .route("/supported", get(probes::supported))
        .route("/health", get(probes::health))
        .route("/status/sponsor", get(probes::status_sponsor))
        .route("/nonce/stats", get(probes::nonce_stats))
        .route("/nonce/state", get(nonce_state::nonce_state))
        .route("/nonce/reset", post(probes::nonce_reset))
        .route("/payment/{id}", get(probes::payment))
        .fallback(probes::no_route);
    Router::new()
        .route("/api/agents", get(directory::agents))
        .route("/api/inbox/{address}", get(inbox_reads::inbox).post(inbox::post))
        .route("/api/payment-status/{id}", get(inbox_reads::payment_status))
        .nest("/relay-host", relay_host)
        .merge(stacks_api::routes(shared.clone()))
        .merge(anthropic::routes())
        .merge(anthropic_control::routes())
        .merge(control::routes())
        .with_state(shared)
}

impl Shared {
    /// The world, brought up to date.
    fn world(&self) -> MutexGuard<'_, World> {
        // A panic in a handler is a bug of ours, but not one that should take the others down.
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.0.time.now_ms());
        world
    }

    /// Lets time pass, or less of it if the sandbox stops.
    async fn pause(&self, ms: u64) {
        tokio::select! {
            () = self.0.time.pause(ms) => (),
            () = self.0.shutdown.cancelled() => (),
        }
    }

    /// Time stands still from now on, except where [`pass`](Self::pass) or a pause moves it.
    fn hold_time(&self) {
        self.0.time.hold();
    }

    /// Lets held time pass; false if it is not held.
    fn pass(&self, ms: u64) -> bool {
        self.0.time.pass(ms)
    }

    /// Waits until a payment's status is final, or for so long.
    async fn outcome(&self, payment: PaymentIndex, wait_ms: u64) -> PaymentStatus {
        let until_ms = self.world().now_ms.saturating_add(wait_ms);
        loop {
            let (status, now_ms, next_ms) = {
                let world = self.world();
                (world.status(payment), world.now_ms, world.chain.next_block_ms())
            };
            if status.is_final() || now_ms >= until_ms || self.0.shutdown.is_cancelled() {
                return status;
            }
            self.pause(next_ms.min(until_ms).saturating_sub(now_ms).max(1)).await;
        }
    }
}
