//! Counts what bears on the pace: which tasks rest, and what completed since the openings.
//!
//! It follows EVENTS from before the oldest rest and opening that may still matter, so a
//! gatekeeper that has just started comes to the same counts as one that saw everything.

use std::{convert::Infallible, time::Duration};

use bus::{Feed, FeedStart};
use domain::{GateState, Timestamp};
use logic::attempt::DELAY_MAX;
use tokio_util::sync::CancellationToken;
use wire::{
    event::{AttemptTold, AttemptVerb},
    subject,
};

use crate::{Keeper, standing::at_epoch};

/// How attempts and tasks end: the subjects on which that is told.
pub(crate) const OUTCOMES: [&str; 2] = ["event.task.>", "event.failure.>"];
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Clocks of gatekeepers and servers may differ by so much.
const MARGIN: Duration = Duration::from_secs(300);

/// Follows the outcomes until `shutdown`.
pub(crate) async fn follow(keeper: Keeper, shutdown: CancellationToken) {
    loop {
        let following = async {
            let (feed, newest) = open(&keeper).await?;
            count(&keeper, feed, newest).await
        };
        let error: anyhow::Error = tokio::select! {
            () = shutdown.cancelled() => return,
            Err(error) = following => error,
        };
        // What is read twice counts once, so beginning again is harmless.
        tracing::warn!(error = format!("{error:#}"), "outcomes are not counted, beginning again");
        keeper.fleet.clock.sleep(AGAIN_AFTER).await;
    }
}

/// The feed, and the sequence of the newest outcome that was told before it.
async fn open(keeper: &Keeper) -> anyhow::Result<(Feed, u64)> {
    let bus = &keeper.fleet.bus;
    let since = since(keeper).await?;
    let mut newest = 0;
    for subject in OUTCOMES {
        let last = bus.last(subject::EVENTS, subject).await?;
        // What is older than the feed is not in it.
        let last = last.filter(|last| since.as_millis() <= last.at_ms);
        newest = newest.max(last.map_or(0, |last| last.seq));
    }
    let subjects = OUTCOMES.map(str::to_owned).to_vec();
    let start = FeedStart::Since(since.as_millis());
    Ok((bus.feed(subject::EVENTS, subjects, start).await?, newest))
}

/// The time before which nothing matters any more.
async fn since(keeper: &Keeper) -> anyhow::Result<Timestamp> {
    let config = keeper.fleet.config();
    // An upstream's wish may outlast what a kind's configuration allows.
    let rest = config.kinds.values().map(|kind| kind.rest_max).max().unwrap_or_default();
    let window = rest.max(DELAY_MAX).saturating_add(MARGIN);
    let mut since = before(keeper.fleet.clock.now(), window);
    for name in config.all_gates() {
        let Some(look) = crate::standing::look(&keeper.fleet.bus, &name).await? else { continue };
        let opening = at_epoch(&keeper.fleet.bus, &name, look.gate.opening).await?;
        let drains = matches!(look.gate.state, GateState::Probing | GateState::Draining);
        if let Some((stored, _)) = opening.filter(|_| drains) {
            since = since.min(before(Timestamp::from_millis(stored.at_ms), MARGIN));
        }
    }
    Ok(since)
}

fn before(at: Timestamp, time: Duration) -> Timestamp {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_sub(millis))
}

/// Counts until the feed ends; never returns `Ok`.
async fn count(keeper: &Keeper, mut feed: Feed, newest: u64) -> anyhow::Result<Infallible> {
    if newest == 0 {
        keeper.set_counted();
    }
    loop {
        let stored = match feed.next().await {
            Ok(stored) => stored,
            Err(error @ bus::BusError::Ended { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "outcomes are interrupted");
                keeper.fleet.clock.sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Garbage is told by whoever takes it from the durable.
        if let Ok(told) = AttemptTold::from_json(&stored.body) {
            take(keeper, &told);
        }
        if newest <= stored.seq {
            keeper.set_counted();
        }
    }
}

fn take(keeper: &Keeper, told: &AttemptTold) {
    let (key, now) = (told.source_key.key(), keeper.fleet.clock.now());
    keeper.with_pace(|pace| {
        if told.verb == AttemptVerb::Completed {
            pace.on_completed(&told.id(), &told.admitted);
        }
        match told.rest_until {
            Some(due) => pace.on_resting(told.kind.clone(), key, told.attempt, due, now),
            None => pace.on_gone_on(&told.kind, key, told.attempt),
        }
    });
    keeper.paced.notify_one();
}
