//! The tape: what the streams themselves forget.
//!
//! STATE keeps the newest link of each chain; a mirror of it keeps them all, under their own
//! sequences. WORK forgets a task once it is acknowledged; it is read along, message by
//! message.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, stream};
use domain::Task;
use tokio::task::JoinHandle;
use wire::{Wire as _, subject};

use super::history::Create;

/// The mirror of STATE.
pub(super) const TAPE: &str = "TAPE";

pub(super) struct Tape {
    creates: Arc<Mutex<Vec<Create>>>,
    reading: JoinHandle<()>,
}

impl Tape {
    pub(super) async fn start(bus: &Bus, replicas: usize) -> Tape {
        let config = stream::Config {
            name: TAPE.to_owned(),
            num_replicas: replicas,
            mirror: Some(stream::Source {
                name: subject::STATE.to_owned(),
                ..stream::Source::default()
            }),
            ..stream::Config::default()
        };
        bus.ensure_stream(config).await.unwrap();
        let creates = Arc::default();
        let reading = tokio::spawn(read_along(bus.clone(), Arc::clone(&creates)));
        Tape { creates, reading }
    }

    pub(super) fn stop(self) -> Vec<Create> {
        self.reading.abort();
        self.creates.lock().unwrap().clone()
    }
}

/// Notes each task message as soon as it is stored: a task that ends within milliseconds may
/// be missed.
async fn read_along(bus: Bus, creates: Arc<Mutex<Vec<Create>>>) {
    let mut next = 1;
    loop {
        match bus.next(subject::WORK, "task.>", next).await {
            Ok(Some(stored)) => {
                next = stored.seq + 1;
                let (at, task) = (subject::parse_task(&stored.subject), Task::decode(&stored.body));
                if let (Some((kind, key)), Ok(task)) = (at, task) {
                    let created_by = task.created_by;
                    let create = Create { seq: stored.seq, kind, key, created_by };
                    creates.lock().unwrap().push(create);
                }
            }
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(4)).await,
        }
    }
}
