//! Reporting the first attempts that this dispatcher began, so that the fleet may repeat its
//! share of them. Rarely, and with the claims that repeat one: see [`logic::retries`].

use std::{sync::Arc, time::Duration};

use domain::{Kind, KindConfig, RetriesSpent};
use fleet::store::{self, StoreError};
use logic::retries;
use tokio_util::sync::CancellationToken;
use wire::subject;

use crate::{attempt::repeat, desk::Desk};

const EVERY: Duration = Duration::from_secs(5);

/// Reports until `shutdown`. What could not be reported is reported later.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = desk.fleet.clock.sleep(EVERY) => (),
        }
        let config = desk.fleet.config();
        for (kind, settings) in &config.kinds {
            if let Err(error) = report(&desk, kind, settings).await {
                desk.grumble("report first attempts", error);
            }
        }
    }
}

async fn report(desk: &Arc<Desk>, kind: &Kind, settings: &KindConfig) -> Result<(), StoreError> {
    let firsts = desk.take_firsts(kind);
    if firsts.count == 0 || settings.retries.share_permille == 0 {
        return Ok(());
    }
    let on = subject::retries(kind);
    let (spent, last) = repeat::read(desk, &on).await?;
    let next = retries::report(&spent, &settings.retries, firsts.count, desk.fleet.clock.now());
    let next = RetriesSpent { mark: kit::fresh_number(), ..next };
    let bus = &desk.fleet.bus;
    match store::compare_and_set(bus, subject::STATE, &on, &next, last).await {
        // Another dispatcher repeats an attempt, or reports too. Next time, then.
        Ok(store::Cas::Lost) => Ok(()),
        stored => {
            firsts.told();
            stored.map(|_| ())
        }
    }
}
