//! A process of its own between a dispatcher and a command, so that the command never outlives
//! whoever answers for it.
//!
//! The dispatcher starts itself again as the guard, and speaks to it through the guard's stdin:
//! the length of the task and the task, then beats, three in its patience at least, or a wish to end the command
//! politely. The command and everything that it leaves behind is killed when
//!
//! * the command has ended (what it started may hold its pipes open for ever);
//! * the dispatcher closes that pipe, since it lost the claim or is to stop, or vanished;
//! * no beat came for too long: it is frozen, and another may hold the task soon (W4).
//!
//! The guard is the leader of a session, and what loses its parent in there becomes its child
//! (`PR_SET_CHILD_SUBREAPER`, Linux): so daemons of a command die with it. It ends as the
//! command did; a signal is told as shells tell it, 128 and its number.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    process::{
        Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group,
        setsid, wait, waitid,
    },
};

/// The first argument of a guard; then how long it waits for a beat in ms, and the command.
pub(crate) const WORD: &str = "exec-guard";
/// The dispatcher lives.
pub(crate) const BEAT: u8 = b'.';
/// The command is to end, by SIGTERM.
pub(crate) const TERMINATE: u8 = b'T';
/// The command could not be started: 127, as shells tell it.
const NOT_FOUND: u8 = 127;
/// Whoever cannot be killed within so many rounds waits in the kernel.
const ROUNDS_MAX: u32 = 200;
const ROUND: Duration = Duration::from_millis(10);

/// Guards a command if that is what this process was started for: its exit code then.
///
/// To be called before anything else is begun, since it takes the whole process.
pub fn guard() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != WORD {
        return None;
    }
    let patience = args.next().and_then(|text| text.to_str()?.parse().ok());
    let patience = Duration::from_millis(patience.unwrap_or(5_000));
    Some(ExitCode::from(run(patience, args.collect())))
}

/// The command, until it was waited for: its process id means somebody else afterwards.
#[derive(Clone)]
struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    fn signal(&self, signal: Signal) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn run(patience: Duration, command: Vec<OsString>) -> u8 {
    let _ = setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
    // Nothing was begun yet: without a dispatcher there is nobody to begin it for.
    let Some(task) = read_task(patience) else { return 1 };
    let mut child = match start(&command) {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot be started: {error}");
            return NOT_FOUND;
        }
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let group = Group(Arc::new(Mutex::new(pid)));
    if let Some(mut stdin) = child.stdin.take() {
        // A command need not read its task.
        thread::spawn(move || drop(stdin.write_all(&task)));
    }
    let watched = group.clone();
    thread::spawn(move || watch(&watched, patience));
    let ended = wait_for(&mut child, pid, &group);
    sweep();
    ended.map_or(1, told)
}

fn start(command: &[OsString]) -> std::io::Result<Child> {
    let (program, args) =
        command.split_first().ok_or_else(|| std::io::Error::other("no command"))?;
    Command::new(program).args(args).stdin(Stdio::piped()).process_group(0).spawn()
}

/// Waits for the command's end; its group is killed while its number still is its own.
fn wait_for(child: &mut Child, pid: Option<Pid>, group: &Group) -> Option<ExitStatus> {
    if let Some(pid) = pid {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
    }
    group.signal(Signal::KILL);
    group.forget();
    child.wait().ok()
}

/// Kills the command once the dispatcher is gone, or silent for `patience`.
fn watch(group: &Group, patience: Duration) {
    let mut said = [0; 64];
    loop {
        match hear(&mut said, patience) {
            Some(count) if said[..count].contains(&TERMINATE) => group.signal(Signal::TERM),
            Some(_) => (),
            None => return group.signal(Signal::KILL),
        }
    }
}

/// Kills what is left, until nothing is: whoever loses its parent becomes a child of this one.
fn sweep() {
    for _ in 0..ROUNDS_MAX {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => (),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        thread::sleep(ROUND);
    }
}

fn children() -> Vec<Pid> {
    let me = getpid().as_raw_nonzero().get();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in parentheses may hold anything; its state and its parent follow.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        if parent == Some(me) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// The length as four bytes, and so much; `None` when the dispatcher is gone.
fn read_task(patience: Duration) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    read_whole(&mut length, patience)?;
    let mut task = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    read_whole(&mut task, patience)?;
    Some(task)
}

fn read_whole(into: &mut [u8], patience: Duration) -> Option<()> {
    let mut filled = 0;
    while filled < into.len() {
        filled += hear(&mut into[filled..], patience)?;
    }
    Some(())
}

/// What the dispatcher says next; `None` when it has gone, or says nothing for `patience`.
fn hear(into: &mut [u8], patience: Duration) -> Option<usize> {
    let stdin = std::io::stdin();
    let wait = Timespec::try_from(patience).ok();
    loop {
        let mut asked = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        match poll(&mut asked, wait.as_ref()) {
            Ok(0) => return None,
            Ok(_) => match read(stdin.as_fd(), &mut *into) {
                Ok(0) => return None,
                Ok(count) => return Some(count),
                Err(Errno::INTR | Errno::AGAIN) => (),
                Err(_) => return None,
            },
            Err(Errno::INTR) => (),
            Err(_) => return None,
        }
    }
}

fn told(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
