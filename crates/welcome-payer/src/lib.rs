//! The welcome-payer: pays and greets one agent for each request, exactly once.
//!
//! What is decided stands in [`logic::payment`] and [`logic::classify`]; this crate asks, signs,
//! sends and writes down.
//!
//! * `service`: a request, and which payments it works in which order; `work`: one session;
//! * `leave`: whether money may leave now; `latches`, `peers`: what else holds it back;
//! * `ledger`: the record; `standing`: whether the wallet's record may be trusted;
//! * `adopt`: a person has the wallet's record follow the world;
//! * `inbox`, `reply`, `http`: the inbox and the relay; `chain`: the Stacks API;
//! * `resolver`: asks after unfinished payments, gate or no gate;
//! * [`rehearse`]: a payment up to its signature, and not one step further;
//! * `order`, `config`, `tools`: what was asked and how it is configured; `told`: events.
//!
//! What only asks is public: [`Chain`], [`AibtcInbox`] and [`http`] serve whoever must look at the
//! world while no payer runs.
//!
//! Promises: nothing leaves that is not stored, nor without a fresh look at gates, claim and
//! contact (M1, M3); what may have happened is asked after and never called failed (M2); the
//! wallet's key and signed bytes reach no log, event or error.

mod adopt;
mod balance;
mod chain;
mod config;
mod desk;
pub mod http;
mod inbox;
mod latches;
mod leave;
mod ledger;
mod order;
mod peers;
pub mod rehearse;
mod reply;
mod resolver;
mod service;
mod standing;
mod told;
mod tools;
mod work;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use bus::{Inbox, Question};
use fleet::{Fleet, beat::beat};
use kit::Tasks;
use tokio_util::sync::CancellationToken;
use wire::{
    Wire as _,
    message::{AdoptRequest, RunReply, RunRequest},
    subject,
};

pub use balance::sbtc_balance;
pub use chain::{Chain, Silent};
pub use config::{Args, Secret, WalletArgs};
use desk::Desk;
pub use inbox::{Inbox as AibtcInbox, Unlisted};

/// What this service is called on the bus.
pub(crate) const SERVICE: &str = "welcome-payer";

/// For payments under way when the payer is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Serves requests until `shutdown`, then finishes what it has begun.
///
/// # Errors
///
/// When there is no usable wallet key or configuration, NATS cannot be reached or was not set
/// up, or requests can no longer be heard.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let key = args.wallet.key()?;
    let fleet = tokio::select! {
        joined = Fleet::join(&args.nats, SERVICE) => joined.context("join the fleet")?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let fleet = fleet.saying(&args.health);
    let desk = Arc::new(Desk::new(fleet.clone(), key));
    desk.tools().context("prepare to pay")?;
    let subject = service::subject().context("name the service")?;
    let requests = fleet.bus.serve(&subject, SERVICE).await.context("listen for requests")?;
    let adopting = fleet.bus.serve(subject::ADOPT, SERVICE).await.context("listen for people")?;
    let name = subject::alive(SERVICE, fleet.id.as_str());
    let living = fleet.bus.serve(&name, SERVICE).await.context("listen for other payers")?;
    let background = CancellationToken::new();
    let mut tasks = start_background(&desk, &background);
    tasks.spawn(peers::answer(living, fleet.bus.clone(), background.clone()));
    let served = serve(&desk, requests, adopting, &shutdown, &mut tasks).await;
    background.cancel();
    tasks.drain(GRACE).await;
    fleet.bus.flush().await;
    served
}

fn start_background(desk: &Arc<Desk>, until: &CancellationToken) -> Tasks {
    let fleet = &desk.fleet;
    let mut tasks = Tasks::new();
    tasks.spawn(fleet.gates.clone().keep(fleet.bus.clone(), until.clone()));
    let beating = desk.clone();
    tasks.spawn(beat(fleet.clone(), until.clone(), move || beating.vitals()));
    let (resolving, stop) = (desk.clone(), until.clone());
    tasks.spawn(async move { resolver::resolve(&resolving, &stop).await });
    let (starting, stop) = (desk.clone(), until.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => (),
            () = standing::tell_balance(&starting) => (),
        }
    });
    let (latched, stop) = (desk.clone(), until.clone());
    tasks.spawn(async move { latches::keep(&latched, &stop).await });
    let (listening, stop) = (desk.clone(), until.clone());
    tasks.spawn(async move { listening.peers.listen(&listening.fleet, &stop).await });
    tasks
}

async fn serve(
    desk: &Arc<Desk>,
    mut requests: Inbox,
    mut adopting: Inbox,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            question = requests.question(&desk.fleet.bus) => match question {
                Ok(question) => {
                    let desk = desk.clone();
                    tasks.spawn(async move { answer(&desk, question).await });
                }
                Err(error) => bail!("requests are no longer heard: {error}"),
            },
            question = adopting.question(&desk.fleet.bus) => match question {
                Ok(question) => {
                    let desk = desk.clone();
                    tasks.spawn(async move { adopt(&desk, question).await });
                }
                Err(error) => bail!("people are no longer heard: {error}"),
            },
            () = tasks.next() => (),
        }
    }
}

async fn adopt(desk: &Desk, question: Question) {
    match AdoptRequest::decode(&question.body) {
        Ok(request) => {
            let reply = adopt::adopt(desk, &request).await;
            question.answer(reply.encode()).await;
        }
        Err(error) => {
            tracing::warn!(subject = question.subject, %error, "a request makes no sense, dropped");
        }
    }
}

async fn answer(desk: &Desk, question: Question) {
    let request = match RunRequest::decode(&question.body) {
        Ok(request) => request,
        Err(error) => {
            // Nobody of ours sends that: without an answer, whoever asked will time out.
            tracing::warn!(subject = question.subject, %error, "a request makes no sense, dropped");
            return;
        }
    };
    let (outcome, later) = service::run(desk, &request).await;
    question.answer(RunReply { outcome }.encode()).await;
    // What says that a failure was told waits until that failure is counted.
    for later in desk.latches.after(&request, later) {
        later.write(desk).await;
    }
}
