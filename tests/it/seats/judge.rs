use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::FeedStart;
use domain::{Outcome, TaskState};
use tokio::task::JoinHandle;
use wire::{
    Wire as _,
    message::{RunReply, RunRequest},
    subject,
};

use crate::harness::{World, eventually};

/// A service that counts how many requests it has at a time. Gone when dropped.
pub(super) struct Crowd {
    asked: Arc<AtomicUsize>,
    widest: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Crowd {
    /// `script`: how long a request takes, and what it comes to; it sees how many came before.
    /// What it has nothing for is neither answered nor counted among those at a time.
    pub(super) async fn start(
        world: &World,
        script: impl Fn(&RunRequest, usize) -> Option<(Duration, Outcome)> + Send + 'static,
    ) -> Crowd {
        let on = subject::service_run(&"echo".parse().unwrap());
        let (mut inbox, bus) = (world.bus.serve(&on, "echo").await.unwrap(), world.bus.clone());
        bus.flush().await;
        let (asked, widest, now) =
            <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (count, most) = (asked.clone(), widest.clone());
        let serving = tokio::spawn(async move {
            while let Ok(question) = inbox.question(&bus).await {
                let before = count.fetch_add(1, Ordering::SeqCst);
                let request = RunRequest::decode(&question.body).unwrap();
                let Some((takes, outcome)) = script(&request, before) else { continue };
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let now = now.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(takes).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    question.answer(RunReply { outcome }.encode()).await;
                });
            }
        });
        Crowd { asked, widest, serving }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn widest(&self) -> usize {
        self.widest.load(Ordering::SeqCst)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Every link of a kind's chains from now on, by its sequence in STATE. Gone when dropped.
pub(super) struct Claims {
    world: bus::Bus,
    seen: Arc<Mutex<BTreeMap<u64, Link>>>,
    following: JoinHandle<()>,
}

/// What was stored under a sequence: a link of a chain, or something else in STATE.
type Link = Option<(String, TaskState)>;

impl Claims {
    pub(super) async fn follow(world: &World, kind: &str) -> Claims {
        let over = format!("state.{kind}.");
        let mut feed =
            world.bus.feed(subject::STATE, vec![">".to_owned()], FeedStart::New).await.unwrap();
        let seen: Arc<Mutex<BTreeMap<u64, Link>>> = Arc::default();
        let links = seen.clone();
        let following = tokio::spawn(async move {
            while let Ok(stored) = feed.next().await {
                let link = stored
                    .subject
                    .starts_with(&over)
                    .then(|| (stored.subject.clone(), TaskState::decode(&stored.body).unwrap()));
                links.lock().unwrap().insert(stored.seq, link);
            }
        });
        Claims { world: world.bus.clone(), seen, following }
    }

    /// The most claims that stood at one time.
    ///
    /// STATE keeps one message for each subject, so one that was followed quickly by the next
    /// may be missing here; a claim is then taken to have ended with the first that is.
    pub(super) async fn widest(&self) -> usize {
        let newest = self.world.last(subject::STATE, ">").await.unwrap().unwrap().seq;
        eventually("every link to be seen", || async {
            self.seen.lock().unwrap().contains_key(&newest).then_some(())
        })
        .await;
        let seen = self.seen.lock().unwrap();
        let (mut claimed, mut widest) = (BTreeSet::new(), 0);
        let mut before = None;
        for (seq, link) in seen.iter() {
            if before.is_some_and(|before: u64| before + 1 != *seq) {
                claimed.clear();
            }
            before = Some(*seq);
            let Some((chain, state)) = link else { continue };
            if state.word() == "claimed" {
                claimed.insert(chain.clone());
            } else {
                claimed.remove(chain);
            }
            widest = widest.max(claimed.len());
        }
        widest
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.following.abort();
    }
}
