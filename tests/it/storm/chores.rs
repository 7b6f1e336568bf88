//! Chores: a kind of work beside `welcome`, done by this process in as many ways as there are
//! for a service to behave.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::Bus;
use domain::{Cost, Outcome};
use fleet::create::Created;
use tokio::task::JoinHandle;
use wire::{
    Wire as _,
    message::{RunReply, RunRequest},
    subject,
};

use super::{
    history::{Asked, Ordered},
    plan::Tool,
};
use crate::harness::world::task;

/// The kind, and the service that does it.
pub(super) const KIND: &str = "chore";

/// What is added to the configuration of the main job.
pub(super) const CONFIG: &str = r#"
[kinds.chore]
handler = { service = "chore" }
needs = ["tool"]
attempts = 6
rest = "300ms"
rest_max = "1s"
lease = "2s"
timeout = "5s"
# Small enough that what is repeated too often waits, and short enough that it comes to rest.
retries = { share = 0.2, floor = 20, per = "10s" }

[gates.tool]
about = "the tool that every chore needs"
remedy = "have it mended"
closes_on = [
    { cause = "tool.broken", tasks = 1, within = "10m" },
    { cause = "tool.flaky", tasks = 3, within = "1m" },
]
"#;

/// The service and the list of what was asked of it and what was ordered.
#[derive(Clone)]
pub(super) struct Chores {
    bus: Bus,
    tool: Arc<Mutex<Tool>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    ordered: Arc<Mutex<Vec<Ordered>>>,
}

impl Chores {
    pub(super) fn new(bus: &Bus) -> Self {
        Chores {
            bus: bus.clone(),
            tool: Arc::new(Mutex::new(Tool::Works)),
            asked: Arc::default(),
            ordered: Arc::default(),
        }
    }

    pub(super) fn set_tool(&self, tool: Tool) {
        *self.tool.lock().unwrap() = tool;
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn ordered(&self) -> Vec<Ordered> {
        self.ordered.lock().unwrap().clone()
    }

    /// Serves until dropped.
    pub(super) async fn serve(&self) -> JoinHandle<()> {
        let subject = subject::service_run(&KIND.parse().unwrap());
        let mut inbox = self.bus.serve(&subject, KIND).await.unwrap();
        self.bus.flush().await;
        let this = self.clone();
        tokio::spawn(async move {
            let mut tries = BTreeMap::new();
            while let Ok(question) = inbox.question(&this.bus).await {
                let Ok(request) = RunRequest::decode(&question.body) else { continue };
                this.asked.lock().unwrap().push(Asked {
                    source_key: request.task.source_key.to_string(),
                    attempt: request.attempt,
                    holder: request.holder.to_string(),
                    admitted: request.admitted.clone(),
                    at_ms: kit::Clock.now().as_millis(),
                });
                let nth = tries.entry(request.task.source_key.clone()).or_insert(0_u32);
                *nth += 1;
                let (wait, body) = this.answer(&request, *nth);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    if let Some(body) = body {
                        question.answer(body).await;
                    }
                });
            }
        })
    }

    /// What is answered to one request, and when. The nature stands in the source key:
    /// `chore/<nature>/<number>`.
    fn answer(&self, request: &RunRequest, nth: u32) -> (Duration, Option<Vec<u8>>) {
        let soon = Duration::from_millis(20);
        let nature = request.task.source_key.as_str().split('/').nth(1).unwrap_or_default();
        let tool = *self.tool.lock().unwrap();
        let outcome = match (nature, tool, nth) {
            ("shared", Tool::Broken, _) => failed("tool.broken"),
            ("shared", Tool::Flaky, _) => failed("tool.flaky"),
            ("own", _, 1..=2) => failed("chore.clumsy"),
            ("hopeless", _, _) => failed("chore.hopeless"),
            ("unknown", _, 1) => return (soon, Some(b"\xff\xffno".to_vec())),
            ("unknown", _, 2) => unknown(),
            ("unknown", _, 3) => return (soon, None),
            // Longer than a lease.
            ("slow", _, _) => return (Duration::from_millis(2_500), Some(reply(done()))),
            _ => done(),
        };
        (soon, Some(reply(outcome)))
    }

    /// Orders chores of one nature as a sensor would: the token first, then the gates, then
    /// the fenced create.
    pub(super) async fn order(self, nature: &'static str, numbers: Vec<u64>) {
        for number in numbers {
            let source_key = format!("chore/{nature}/{number}");
            let (mut created, mut tries) = (None, 0);
            while created.is_none() && tries < 3 {
                tries += 1;
                created = self.create(&source_key).await;
            }
            let sure = match created {
                Some(Created::Created(seq)) => Some(seq),
                Some(Created::Unknown) => None,
                _ => continue,
            };
            self.ordered.lock().unwrap().push(Ordered { source_key, seq: sure });
        }
    }

    async fn create(&self, source_key: &str) -> Option<Created> {
        let token = fleet::gate_log::token(&self.bus).await.ok()?;
        for gate in ["tool", "kind-chore"] {
            let gate = fleet::gate_log::current(&self.bus, &gate.parse().unwrap()).await.ok()??;
            let closed = gate.value.state == domain::GateState::Closed;
            if closed || token < gate.seq {
                return None;
            }
        }
        let created = fleet::create::create(&self.bus, &task(KIND, source_key), token).await;
        Some(created).filter(|created| *created != Created::FenceMoved)
    }
}

fn reply(outcome: Outcome) -> Vec<u8> {
    RunReply { outcome }.encode()
}

fn done() -> Outcome {
    Outcome::Completed { effect: "done".to_owned(), cost: Cost::ZERO }
}

fn failed(cause: &str) -> Outcome {
    Outcome::Failed {
        cause: cause.parse().unwrap(),
        evidence: format!("scripted {cause}"),
        retry_after: None,
        cost: Cost::ZERO,
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        cause: "service.timeout".parse().unwrap(),
        evidence: "scripted".to_owned(),
        retry_after: None,
        cost: Cost::ZERO,
    }
}
