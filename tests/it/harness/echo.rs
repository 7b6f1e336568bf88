use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use bus::Bus;
use domain::{Cost, Outcome, ServiceName};
use tokio::task::JoinHandle;
use wire::{
    Wire as _,
    message::{RunReply, RunRequest},
    subject,
};

use super::eventually;

/// A service that handles a kind, as a script says. Gone when dropped.
pub(crate) struct Echo {
    asked: Arc<Mutex<Vec<RunRequest>>>,
    serving: JoinHandle<()>,
}

/// What the service does with one request.
pub(crate) enum Says {
    Outcome(Outcome),
    /// Once the flag is raised.
    When(Arc<AtomicBool>, Outcome),
    /// Bytes that are no reply.
    Garbage,
    /// Nothing, ever.
    Never,
}

impl Says {
    pub(crate) fn done() -> Self {
        Says::Outcome(Outcome::Completed { effect: "echoed".to_owned(), cost: Cost::ZERO })
    }

    pub(crate) fn failed(cause: &str) -> Self {
        Says::Outcome(Outcome::Failed {
            cause: cause.parse().unwrap(),
            evidence: format!("scripted {cause}"),
            retry_after: None,
            cost: Cost::ZERO,
        })
    }
}

impl Echo {
    /// Answers on `svc.<name>.run`; `script` sees the request and how many came before it.
    pub(crate) async fn start(
        bus: &Bus,
        name: &str,
        script: impl Fn(&RunRequest, usize) -> Says + Send + 'static,
    ) -> Echo {
        let name: ServiceName = name.parse().unwrap();
        let subject = subject::service_run(&name);
        let mut inbox = bus.serve(&subject, name.as_str()).await.unwrap();
        bus.flush().await;
        let bus = bus.clone();
        let asked: Arc<Mutex<Vec<RunRequest>>> = Arc::default();
        let seen = asked.clone();
        let serving = tokio::spawn(async move {
            while let Ok(question) = inbox.question(&bus).await {
                let request = RunRequest::decode(&question.body).unwrap();
                let before = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let says = script(&request, before);
                tokio::spawn(async move {
                    let outcome = match says {
                        Says::Outcome(outcome) => outcome,
                        Says::When(flag, outcome) => {
                            eventually("the flag", || async {
                                flag.load(Ordering::SeqCst).then_some(())
                            })
                            .await;
                            outcome
                        }
                        Says::Garbage => return question.answer(b"\xff\xffno".to_vec()).await,
                        Says::Never => return,
                    };
                    question.answer(RunReply { outcome }.encode()).await;
                });
            }
        });
        Echo { asked, serving }
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn asked(&self) -> Vec<RunRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
