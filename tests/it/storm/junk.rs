//! Garbage and forgeries on subjects that services read. None of it may move anything: what is
//! said is not stored, and what is stored is a task past the fence or no task at all.

use bus::{Bus, Expect, Put};
use domain::Task;
use wire::{Wire as _, subject};

use super::chores::KIND;
use crate::harness::world::task;

const JUNK: &[u8] = b"\xff\xfe{not anything";

/// Throws one of each.
pub(super) async fn throw(bus: Bus, number: u64) {
    for said in [
        "gatecast.relay.9999",
        "gatecast.tool.1",
        subject::GATEKEEPER_COMMAND,
        "svc.welcome-payer.run",
        "beat.dispatcher.x",
    ] {
        bus.say(said.to_owned(), JUNK.to_vec()).await;
    }
    let sneaked =
        Task { created_by: "test-unfenced".to_owned(), ..task(KIND, &format!("sneaked/{number}")) };
    let kind = sneaked.kind.clone();
    for (subject, body) in [
        (subject::task(&kind, sneaked.key()), sneaked.encode()),
        (subject::task(&kind, task(KIND, &format!("junk/{number}")).key()), JUNK.to_vec()),
        (format!("task.{KIND}.not-a-key-{number}"), JUNK.to_vec()),
        ("event.failure.chore.tool.broken".to_owned(), JUNK.to_vec()),
    ] {
        let _ = bus.put(Put { subject, body, expect: Expect::Nothing, id: None }).await;
    }
}
