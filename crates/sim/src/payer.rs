//! The payer, as `welcome-payer` does it: requests from the dispatchers, each worked by the
//! machine of [`logic::payment`]; a background that asks after what is unfinished; and the
//! failures that stay owed until a gatekeeper has counted them.

mod job;
mod leave;
mod ledger;
mod owed;
mod service;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

use domain::{Admission, Cause, Key, Outcome, PaymentStage, Wallet};
use logic::payment::Mode;

use self::{job::Worked, owed::Owed};
use crate::{
    exec::{Millis, Sim},
    fleet::Gates,
    process::P,
    setting::{WALLET, welcome},
    wait::Bell,
    words::{Silent, Subject, Told, Versioned},
    world::{Ask, Reply, Role},
};

/// How long a post is waited for, and any other question.
const POST_WITHIN: Millis = 8_000;
const ASK_WITHIN: Millis = 3_000;

/// What the requests under way and the background share.
pub(super) struct Desk {
    pub(super) p: P,
    gates: Gates,
    owed: RefCell<Vec<Owed>>,
    /// The record was compared with the world.
    pub(super) agreed: Cell<bool>,
    at_work: RefCell<BTreeSet<Key>>,
    left: Bell,
}

/// The right of one session in this process to work a payment.
pub(super) struct Hold {
    desk: Rc<Desk>,
    key: Key,
}

/// Starts one payer.
pub(crate) fn start(sim: &Rc<Sim>) {
    let p = P::start(sim, Role::Payer);
    let desk = Rc::new(Desk {
        p: p.clone(),
        gates: Gates::keep(&p),
        owed: RefCell::default(),
        agreed: Cell::new(false),
        at_work: RefCell::default(),
        left: Bell::default(),
    });
    p.spawn(hear(desk.clone()));
    p.spawn(owed::keep(desk.clone()));
    p.spawn(resolve(desk));
}

async fn hear(desk: Rc<Desk>) {
    let ear = desk.p.serve(Role::Payer);
    let mut seen = 0;
    loop {
        let question = ear.next(&mut seen).await;
        let Ask::Run(run) = question.ask.clone() else { continue };
        let working = desk.clone();
        desk.p.spawn(async move {
            let (outcome, later) = service::run(&working, &run).await;
            working.p.note(|| format!("answers {} {outcome:?}", run.task.source_key));
            working.p.reply(&question, Reply::Ran(outcome));
            for later in working.after(&run, later) {
                later.write(&working).await;
            }
        });
    }
}

/// Asks after the unfinished payments, gate or no gate.
async fn resolve(desk: Rc<Desk>) {
    let mut told = BTreeSet::new();
    loop {
        desk.p.sleep(crate::setting::LIMITS.ask_every).await;
        // What cannot be read now is asked again later.
        let _ = walk(&desk, &mut told).await;
    }
}

async fn walk(desk: &Rc<Desk>, told: &mut BTreeSet<(Key, u64)>) -> Result<(), Silent> {
    let Some(wallet) = desk.p.get::<Wallet>(Subject::Wallet).await? else { return Ok(()) };
    let open = wallet.value.unfinished.iter().filter(|holder| holder.settled.is_none());
    for holder in open {
        let Some(_hold) = desk.try_hold(holder.payment) else { continue };
        let Some(job) = service::job(desk, None, Mode::Ask, holder.payment).await? else {
            continue;
        };
        let Worked::Ended { outcome, payment: Some(payment), .. } = job.work().await? else {
            continue;
        };
        if let Outcome::Failed { cause, evidence, .. } = outcome
            && cause.as_str() == "payment.unresolved"
            && let PaymentStage::Unknown(_, _, doubt) = &payment.stage
        {
            let since = doubt.untold_since.map_or(0, domain::Timestamp::as_millis);
            let time = (holder.payment, since);
            if !told.contains(&time)
                && desk.p.tell(&unresolved(desk, &payment, cause, evidence)).await.is_ok()
            {
                told.insert(time);
            }
        }
    }
    Ok(())
}

/// A failure that was found outside any attempt carries the gates as this payer sees them, each
/// under its newest opening.
fn unresolved(desk: &Desk, payment: &domain::Payment, cause: Cause, evidence: String) -> Told {
    let standing = |gate| {
        let standing = desk.gates.standing(&gate)?;
        Some(Admission { gate, epoch: standing.gate.opening, seq: standing.seq })
    };
    let needs = desk.p.config().needs(&welcome());
    Told {
        verb: "failed",
        by_payer: true,
        kind: welcome(),
        source_key: payment.source_key.clone(),
        attempt: 0,
        at: desk.p.now(),
        cause: Some(cause),
        evidence,
        rest_until: None,
        resets_at: None,
        admitted: needs.into_iter().filter_map(standing).collect(),
        canary: Vec::new(),
    }
}

impl Desk {
    pub(super) fn try_hold(self: &Rc<Self>, key: Key) -> Option<Hold> {
        let free = self.at_work.borrow_mut().insert(key);
        free.then(|| Hold { desk: self.clone(), key })
    }

    pub(super) async fn hold(self: &Rc<Self>, key: Key) -> Hold {
        loop {
            let mut left = self.left.count();
            if let Some(hold) = self.try_hold(key) {
                return hold;
            }
            self.left.rung(&mut left).await;
        }
    }

    pub(super) async fn wallet(&self) -> Result<Option<Versioned<Wallet>>, Silent> {
        self.p.get(Subject::Wallet).await
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.desk.at_work.borrow_mut().remove(&self.key);
        self.desk.left.ring();
    }
}

/// A wallet without a record.
pub(super) fn nothing() -> Wallet {
    Wallet {
        address: WALLET.to_owned(),
        next: 0,
        unfinished: Vec::new(),
        holes: Vec::new(),
        spent: 0,
    }
}
