//! Asks after the unfinished payments, gate or no gate: asking is not sending.

use std::collections::BTreeSet;

use domain::{Key, Outcome, PaymentStage};
use logic::payment::Mode;
use tokio_util::sync::CancellationToken;

use crate::{desk::Desk, ledger::LedgerError, service::job, told, work::Worked};

/// Walks the list every `ask_every` until `shutdown`.
pub(crate) async fn resolve(desk: &Desk, shutdown: &CancellationToken) {
    let mut told = BTreeSet::new();
    loop {
        let wait = match desk.tools() {
            Ok(tools) => tools.limits.ask_every,
            Err(_) => std::time::Duration::from_secs(10),
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = desk.fleet.clock.sleep(wait) => (),
        }
        if let Err(error) = walk(desk, &mut told).await {
            tracing::warn!(error = %format!("{:#}", anyhow::Error::new(error)), "ask again later");
        }
    }
}

async fn walk(desk: &Desk, told: &mut BTreeSet<(Key, u64)>) -> Result<(), LedgerError> {
    let Ok(tools) = desk.tools() else { return Ok(()) };
    let Some(wallet) = desk.ledger.wallet(&tools.wallet.to_string()).await? else {
        return Ok(());
    };
    for holder in wallet.value.unfinished.into_iter().filter(|holder| holder.settled.is_none()) {
        let Some(_hold) = desk.try_hold(holder.payment) else { continue };
        let Some(job) = job(desk, &tools, None, Mode::Ask, holder.payment).await? else {
            continue;
        };
        if let Worked::Ended { outcome, payment: Some(payment), .. } = job.work().await?
            && let Outcome::Failed { cause, evidence, .. } = outcome
            && cause.as_str() == "payment.unresolved"
            && let PaymentStage::Unknown(_, _, doubt) = &payment.stage
        {
            // Once for each time that nobody could tell.
            let since = doubt.untold_since.map_or(0, domain::Timestamp::as_millis);
            let time = (holder.payment, since);
            if !told.contains(&time) && told::failure(&desk.fleet, &payment, cause, evidence).await
            {
                told.insert(time);
            }
        }
    }
    Ok(())
}
