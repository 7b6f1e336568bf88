//! G1 on replicas, where the broker's check and the write are two things that only its own
//! order keeps together: the fence under hammering, through leaders that step down or die.

use wire::subject;

use super::NODES;
use crate::{
    fence::{Closes, Creates, Siege},
    harness::{World, world::ECHO_CONFIG},
};

const ROUNDS: usize = 50;

/// G1: fifty closings while sixteen creators hammer. In every fifth the leader of WORK steps
/// down meanwhile, in every tenth it is killed and started again. No task lies behind a
/// closing.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_lies_behind_a_closing() {
    let mut world = World::start_on(NODES, ECHO_CONFIG).await;
    let mut siege = Siege::lay(&world).await;
    let (mut stepped, mut killed, mut calm) = (0, 0, 0);
    for round in 0..ROUNDS {
        let behind = match round % 10 {
            3 | 8 => {
                let (nats, bus) = (&world.nats, &world.bus);
                let step =
                    async { stepped += usize::from(nats.step_down(bus, subject::WORK).await) };
                siege.round(Creates::Fenced, Closes::Checked, step).await
            }
            5 => {
                let leader = world.nats.leader(subject::WORK).await;
                let kill = async {
                    world.nats.kill(leader).await;
                    killed += 1;
                };
                let behind = siege.round(Creates::Fenced, Closes::Checked, kill).await;
                world.nats.start_again(leader).await;
                world.nats.settled().await;
                behind
            }
            _ => {
                let before = siege.tries;
                let behind = siege.round(Creates::Fenced, Closes::Checked, async {}).await;
                calm += siege.tries - before;
                behind
            }
        };
        assert_eq!(behind, 0, "round {round}");
    }
    // What a client that came back stored late would lie behind an older closing.
    assert_eq!(siege.judge().await, (ROUNDS, 0));
    assert_eq!((stepped, killed), (ROUNDS / 5, ROUNDS / 10));
    eprintln!(
        "fence: {ROUNDS} closings, {stepped} step-downs, {killed} kills, {} tasks created; {calm} \
         tries to close {} times with the leader in office, {} tries in all",
        siege.created(),
        ROUNDS - stepped - killed,
        siege.tries
    );
}

/// A control: creates without the fence do lie behind a closing.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_tasks_slip_in() {
    let world = World::start_on(NODES, ECHO_CONFIG).await;
    let mut siege = Siege::lay(&world).await;
    assert_ne!(siege.round(Creates::Plain, Closes::Checked, async {}).await, 0);
}

/// A control: on replicas a closing by a plain publish lets fenced creates slip in behind it,
/// so every write to the gate log has to carry the same check.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_closing_does_not_hold() {
    let world = World::start_on(NODES, ECHO_CONFIG).await;
    let mut siege = Siege::lay(&world).await;
    let mut broken = 0;
    for _ in 0..ROUNDS {
        broken += siege.round(Creates::Fenced, Closes::Plain, async {}).await;
        if 0 < broken {
            break;
        }
    }
    assert_ne!(broken, 0, "the broker has become stricter than this test knows");
}
