//! How many tasks of a kind this dispatcher may attend to at once.
//!
//! The broker's `max_ack_pending` paces a kind, but not what it delivers again: after a
//! stretch of put-backs all of them may come at once. So a dispatcher keeps to the same number
//! by itself. This bounds each dispatcher, not the fleet.
//!
//! | the kind                         | at most                                              |
//! | -------------------------------- | ---------------------------------------------------- |
//! | behind open gates                | its `concurrency`, if it has one                     |
//! | behind a gate that drains        | also the consumer's `max_ack_pending`, read each second; 1 until it is read |

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{Kind, KindConfig};
use logic::view::Verdict;
use tokio_util::sync::CancellationToken;
use wire::subject;

use crate::desk::Desk;

/// How often the consumers of draining kinds are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The `max_ack_pending` of the consumers of draining kinds, as they were last read.
pub(crate) type Paces = BTreeMap<Kind, usize>;

/// How many at once, while the gates admit.
pub(crate) fn at_most(config: Option<&KindConfig>, draining: bool, pace: Option<usize>) -> usize {
    let concurrency = config.and_then(|config| config.concurrency);
    let concurrency = concurrency.map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
    let pace = if draining { pace.unwrap_or(1) } else { usize::MAX };
    concurrency.min(pace).max(1)
}

/// Keeps the paces of draining kinds until `shutdown`.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: CancellationToken) {
    loop {
        let paces = read(&desk).await;
        if desk.paces(paces) {
            desk.wake.notify_one();
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = desk.fleet.clock.sleep(LOOK_EVERY) => (),
        }
    }
}

async fn read(desk: &Desk) -> Paces {
    let mut paces = Paces::new();
    for kind in desk.fleet.config().kinds.keys() {
        if !matches!(desk.fleet.gates.verdict(kind), Verdict::Open { draining: true, .. }) {
            continue;
        }
        let consumer = subject::dispatch_consumer(kind);
        match desk.fleet.bus.backlog(subject::WORK, &consumer).await {
            Ok(backlog) => {
                let pace = usize::try_from(backlog.max_ack_pending).unwrap_or(1);
                paces.insert(kind.clone(), pace.max(1));
            }
            Err(error) => desk.grumble("read the pace of a kind", error),
        }
    }
    paces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tighter of concurrency and pace binds; a pace that is not known yet is one, and an
    /// old one binds nothing once the drain is over.
    #[test]
    fn the_tighter_limit_binds() {
        let check = |concurrency, draining, pace, expected| {
            let config = KindConfig {
                handler: domain::Handler::Service { name: "payer".parse().unwrap() },
                needs: Vec::new(),
                attempts_max: 5,
                rest: Duration::from_secs(10),
                rest_max: Duration::from_secs(60),
                concurrency,
                lease: Duration::from_secs(30),
                timeout: Duration::from_secs(60),
            };
            assert_eq!(at_most(Some(&config), draining, pace), expected);
        };
        check(None, false, None, usize::MAX);
        check(Some(3), false, None, 3);
        check(Some(3), true, None, 1);
        check(Some(3), true, Some(2), 2);
        check(Some(3), true, Some(9), 3);
        check(None, true, Some(65_536), 65_536);
        check(None, false, Some(2), usize::MAX);
    }
}
