//! The disk under NATS is full, or cannot be written. What is acknowledged is kept, what cannot
//! be recorded is not begun, no payment leaves whose bytes are not stored; and once there is
//! room again and the servers were restarted, all comes to its end.
//!
//! The disk is a small one in memory, mounted by a process in a namespace of its own and reached
//! through `/proc`: its writes really fail, for everybody, and no privilege is needed.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use domain::{GateState, Payment};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use wire::Wire as _;

use crate::{
    harness::{Echo, Job, Says, World, eventually, nats_server, world::ECHO_CONFIG},
    payments::bench::{all_welcomed_once, ledger, no_gate_moved, no_nonce_gap, stat},
};

/// A small disk; gone when dropped.
struct Disk {
    holder: Child,
    /// Where it lies in the namespace of its holder.
    inside: PathBuf,
}

impl Disk {
    /// Puts the data of all of a world's servers onto a disk of this size.
    async fn under(world: &mut World, megabytes: u32) -> Disk {
        let inside = world.dir().join("disk");
        fs::create_dir_all(&inside).unwrap();
        let mount = format!("mount -t tmpfs -o size={megabytes}m tmpfs {}", inside.display());
        // Its own user namespace where that is allowed; else it takes root.
        let script = format!("{mount} && echo mounted && exec sleep infinity");
        let mut holder = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("run unshare, of util-linux");
        let mut said = String::new();
        let mut lines = BufReader::new(holder.stdout.take().unwrap());
        lines.read_line(&mut said).await.unwrap();
        assert_eq!(said.trim(), "mounted", "this test needs user namespaces: `unshare -rm true`");
        let disk = Disk { holder, inside };
        world.nats.kill_all().await;
        for node in 0..world.nats.count() {
            let (data, moved) = (data_of(world, node), disk.path().join(node.to_string()));
            run("cp", &["-r", data.to_str().unwrap(), moved.to_str().unwrap()]).await;
            fs::remove_dir_all(&data).unwrap();
            std::os::unix::fs::symlink(&moved, &data).unwrap();
        }
        world.nats.start_all_again().await;
        disk
    }

    fn pid(&self) -> String {
        self.holder.id().expect("it lives as long as this").to_string()
    }

    /// Where it lies for everybody else.
    fn path(&self) -> PathBuf {
        Path::new("/proc")
            .join(self.pid())
            .join("root")
            .join(self.inside.strip_prefix("/").unwrap())
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut filler = fs::File::create(self.path().join("filler")).unwrap();
        while filler.write_all(&[0; 4_096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }

    async fn remount(&self, how: &str) {
        let (pid, inside) = (self.pid(), self.inside.to_str().unwrap());
        let enter = ["-t", &pid, "-U", "-m", "--preserve-credentials"];
        let mount = ["mount", "-o", how, inside];
        run("nsenter", &[&enter[..], &mount[..]].concat()).await;
    }
}

fn data_of(world: &World, node: usize) -> PathBuf {
    world.dir().join(format!("nats-{node}")).join("data")
}

async fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().await.unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", stderr(&output));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// There is room again; a server that a write has failed takes no more until it is restarted.
async fn mended(world: &mut World, disk: &Disk) {
    disk.free();
    world.nats.kill_all().await;
    world.nats.start_all_again().await;
}

/// M1, M3, W1: the disk fills up in the middle of the main job. What was posted is on record
/// with its bytes; with room again everybody is welcomed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_pays_nobody_unrecorded() {
    let mut job = Job::set(10).await;
    let disk = Disk::under(&mut job.world, 12).await;
    let mut services = job.spawn_all(2).await;
    job.welcomed(3).await;
    disk.fill();
    refuses_writes(&job.world).await;
    let posted = stat(&job, "distinct_payments").await;
    // So many seconds in which whatever would go on goes on.
    let mut beats = job.world.bus.subscribe("beat.welcome-payer.*").await.unwrap();
    for _ in 0..5 {
        beats.next().await.unwrap();
    }
    assert!(stat(&job, "distinct_payments").await <= posted + 1, "it went on paying");

    for service in &mut services {
        if service.name().starts_with("welcome-payer") {
            service.kill().await;
        }
    }
    mended(&mut job.world, &disk).await;
    everything_posted_is_on_record(&job).await;
    let _payer = job.spawn("welcome-payer");
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    for service in services.iter_mut().filter(|it| !it.name().starts_with("welcome-payer")) {
        assert!(service.runs(), "{} ended", service.name());
    }
}

/// Waits until neither the record nor an event can be written any more: a little fits still
/// after the disk is full.
async fn refuses_writes(world: &World) {
    let number = std::sync::atomic::AtomicU32::new(0);
    for subjects in ["act.filler", "event.filler"] {
        eventually(format!("a write to {subjects} to fail"), || async {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let put = bus::Put {
                subject: format!("{subjects}.{number}"),
                body: vec![b'x'; 1_000],
                expect: bus::Expect::Nothing,
                id: None,
            };
            world.bus.put(put).await.err()
        })
        .await;
    }
}

/// M3: for each payment that the relay was shown there is a record with signed bytes.
async fn everything_posted_is_on_record(job: &Job) {
    let stored = job.world.stored("RECORD", "pay.>").await;
    let mut latest = std::collections::BTreeMap::new();
    for stored in stored {
        latest.insert(stored.subject, Payment::decode(&stored.body).unwrap());
    }
    let signed: BTreeSet<_> = latest
        .values()
        .filter_map(|payment| Some((payment.payee.address.clone(), payment.signed()?.nonce)))
        .collect();
    let posted = stat(job, "distinct_payments").await;
    assert!(posted <= signed.len() as u64, "{posted} posted, on record {signed:?}");
    for transfer in ledger(job).await["transfers"].as_array().unwrap() {
        let recipient = transfer["recipient"].as_str().unwrap().to_owned();
        let nonce = transfer["originNonce"].as_u64().unwrap();
        assert!(signed.contains(&(recipient, nonce)), "{transfer} is not on record: {signed:?}");
    }
}

/// Creates a task. `None`: of three servers without room none leads, and then not even the
/// token of the fence can be read.
async fn create(world: &World, key: &str) -> Option<fleet::create::Created> {
    let token = fleet::gate_log::token(&world.bus).await.ok()?;
    let task = crate::harness::world::task("echo", key);
    Some(fleet::create::create(&world.bus, &task, token).await)
}

/// W1, W3, G2: the disk fills up while tasks are created and done. Each create that was
/// acknowledged is there afterwards and comes to its end; each attempt that was begun is in
/// its task's chain; and a person who commands meanwhile is told that it did not work.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_acknowledged() {
    let mut world = World::start(ECHO_CONFIG).await;
    let disk = Disk::under(&mut world, 12).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let mut services = [
        world.spawn("gatekeeper", &[]),
        world.spawn("dispatcher", &[]),
        world.spawn("dispatcher", &[]),
    ];
    let (mut acknowledged, mut refused, mut number) = (Vec::new(), 0, 0);
    while refused < 3 {
        number += 1;
        let key = format!("echo/{number}");
        let created = create(&world, &key).await;
        match created {
            Some(fleet::create::Created::Created(_)) => acknowledged.push(key),
            // Without an answer it may have been stored: it is not counted on.
            _ => refused += 1,
        }
        if number == 40 {
            disk.fill();
        }
        assert!(number < 50_000, "the disk never fills up");
    }
    let closing = world.cli(&["gate", "close", "relay", "--note", "full", "--as", "ann"]).await;
    let said = stderr(&closing);
    assert!(!closing.status.success(), "{said}");
    if world.nats.count() == 1 {
        assert_eq!(closing.status.code(), Some(4), "{said}");
        assert!(said.contains("disk may be full"), "{said}");
        assert_eq!(world.gate("relay").await.state, GateState::Open);
    }

    mended(&mut world, &disk).await;
    for key in &acknowledged {
        world.phase("echo", key, "completed").await;
    }
    for asked in echo.asked() {
        let key = asked.task.source_key.as_str();
        let state = world.state("echo", key).await.expect("what was begun has a chain");
        assert!(asked.attempt <= state.attempt, "attempt {} of {key}: {state:?}", asked.attempt);
    }
    // An end is told after it is written.
    eventually("every end to be told", || async {
        let told = world.events("event.task.completed.echo").await;
        let ids: BTreeSet<_> = told.iter().map(|event| event["id"].to_string()).collect();
        (acknowledged.len() <= ids.len()).then_some(())
    })
    .await;
    for service in &mut services {
        assert!(service.runs(), "{} ended", service.name());
    }
}

/// W1, M1, G2: the servers come back to a disk that cannot be written. They say so and do not
/// start; the services hold; and when the disk is writable again, all goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_holds_everything() {
    let mut job = Job::set(8).await;
    let disk = Disk::under(&mut job.world, 12).await;
    let mut services = job.spawn_all(2).await;
    job.welcomed(3).await;
    job.world.nats.kill_all().await;
    disk.remount("remount,ro").await;
    let before = stat(&job, "paid_posts").await;
    for node in 0..job.world.nats.count() {
        let config = job.world.dir().join(format!("nats-{node}")).join("nats.conf");
        let mut server = Command::new(nats_server());
        let started = server.arg("-c").arg(config).kill_on_drop(true).output();
        let ended = tokio::time::timeout(crate::harness::PATIENCE, started).await;
        let output = ended.expect("a server without a disk does not start").unwrap();
        assert!(!output.status.success());
        assert!(stderr(&output).contains("not writable"), "{}", stderr(&output));
    }
    let asked = job.world.cli(&["gate", "list"]).await;
    assert_eq!(asked.status.code(), Some(4), "{}", stderr(&asked));
    assert!(stat(&job, "paid_posts").await <= before + 1, "it went on paying");
    disk.remount("remount,rw").await;
    job.world.nats.start_all_again().await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    for service in &mut services {
        assert!(service.runs(), "{} ended", service.name());
    }
}
