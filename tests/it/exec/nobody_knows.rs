//! M2: what nobody knows is repeated where the kind says `rerun`, and asked about elsewhere.

use domain::Phase;

use crate::harness::{World, eventually};

use super::bench::{Bench, Kind, key};

/// Counts its runs, and hangs in the first.
const HANGS_ONCE: &str = "\
echo run >> runs.$PORTCULLIS_KIND
if [ \"$(wc -l < runs.$PORTCULLIS_KIND)\" = 1 ]; then sleep 600; fi
echo '{\"outcome\":\"completed\",\"effect\":\"at last\"}'";

fn runs(bench: &Bench, kind: &str) -> usize {
    let runs = std::fs::read_to_string(bench.dir.join(format!("runs.{kind}")));
    runs.unwrap_or_default().lines().count()
}

async fn person(world: &World, args: &[&str]) {
    let output = world.cli(&[args, &["--note", "looked", "--as", "ann"]].concat()).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Killed in the middle, with all that it started, by a dispatcher that dies: the kind that
/// reruns is done by the next one, the kind that asks is parked and alarmed, runs no second time
/// by itself, not even when it is created again, and does what a person says.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_dispatchers_commands() {
    let kinds = [
        Kind::of("again", HANGS_ONCE).reruns(),
        Kind::of("asks", HANGS_ONCE),
        Kind::of("ends", HANGS_ONCE),
    ];
    let names = ["again", "asks", "ends"];
    let mut bench = Bench::start(&kinds, &[]).await;
    for name in names {
        bench.queue(name, "{}").await;
    }
    for name in names {
        eventually("it to run", || async { (runs(&bench, name) == 1).then_some(()) }).await;
    }
    bench.dispatcher.kill().await;
    for name in names {
        bench.nobody_is_left(name).await;
    }
    let other = bench.world.spawn("dispatcher", &[]);
    let state = bench.world.phase("again", &key("again"), "completed").await;
    assert_eq!((state.attempt, state.charged, runs(&bench, "again")), (2, 1, 2));
    for name in ["asks", "ends"] {
        let state = bench.world.phase(name, &key(name), "parked").await;
        let story = bench.story(name, &state).await;
        assert!(story.starts_with("parked dispatcher.lost 0"), "{story}");
    }
    bench.queue("asks", "{}").await;
    eventually("it to be turned away", || async {
        bench.world.bus.last(wire::subject::WORK, "task.>").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(runs(&bench, "asks"), 1, "not begun again by itself");
    let listed = bench.world.json(&["task", "list", "--phase", "parked"]).await;
    assert_eq!(listed["tasks"].as_array().unwrap().len(), 2, "{listed}");

    // A lease must pass: whoever was silent may have been about to act.
    eventually("the lease to pass", || async {
        let retry = ["task", "retry", &key("asks"), "--note", "it is safe", "--as", "ann"];
        bench.world.cli(&retry).await.status.success().then_some(())
    })
    .await;
    let state = bench.world.phase("asks", &key("asks"), "completed").await;
    assert_eq!((state.attempt, state.charged, runs(&bench, "asks")), (2, 0, 2));
    person(&bench.world, &["task", "withdraw", &key("ends")]).await;
    let state = bench.world.phase("ends", &key("ends"), "withdrawn").await;
    assert!(matches!(state.phase, Phase::Withdrawn { by, .. } if by == "ann"));
    assert_eq!(runs(&bench, "ends"), 1);
    drop(other);
}

/// W2: a kind that reruns is charged for what nobody knows, so that what always hangs ends.
#[tokio::test(flavor = "multi_thread")]
async fn rerunning_ends_some_time() {
    let hangs = "echo run >> runs.$PORTCULLIS_KIND; exec sleep 600";
    let kind = Kind::of("stuck", hangs).timeout("1s").attempts(2).reruns();
    let bench = Bench::start(&[kind], &[]).await;
    bench.queue("stuck", "{}").await;
    let state = bench.world.phase("stuck", &key("stuck"), "dead").await;
    assert_eq!((state.charged, runs(&bench, "stuck")), (2, 2));
    bench.nobody_is_left("stuck").await;
}
