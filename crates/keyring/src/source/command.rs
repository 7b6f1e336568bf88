//! A command that prints the secret.
//!
//! Of what it prints nothing is ever told, and what stands on stderr is not even read: under
//! `set -x` that is the secret too. How it ended and the program's name are all that is said.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};

use super::{Reading, plain};

/// A command that takes longer is ended, with all that it started.
const WITHIN: Duration = Duration::from_secs(30);
/// A command that prints more is ended.
const BYTES_MAX: u64 = 64 * 1024;
/// Why no more is said, and where to look.
const UNTOLD: &str = "what it prints is not told, since that may be the secret: run it by hand";

/// Runs a command, without a shell; the secret is the first line that it prints.
pub(super) async fn read(command: &[String]) -> Result<Reading, String> {
    read_within(command, WITHIN).await
}

async fn read_within(command: &[String], within: Duration) -> Result<Reading, String> {
    let Some((program, args)) = command.split_first() else {
        return Err("the command is empty".to_owned());
    };
    match tokio::time::timeout(within, run(program, args)).await {
        Ok(read) => read.map_err(|why| format!("command {program}: {why}")),
        Err(_) => Err(format!("command {program}: no end within {} s", within.as_secs())),
    }
}

/// A command that was not waited for yet: its number still is its own, and so is its group's.
struct Begun(Child);

impl Drop for Begun {
    /// Kills what is left of its group, unless it was waited for: a child of it may hold its
    /// output open for ever. `None` once it was waited for, since the number means somebody
    /// else then.
    fn drop(&mut self) {
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn run(program: &str, args: &[String]) -> Result<Reading, String> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("not started: {error}"))?;
    let mut begun = Begun(child);
    let printed = bounded(begun.0.stdout.take()).await?;
    let status = begun.0.wait().await.map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{status}; {UNTOLD}"));
    }
    let text = std::str::from_utf8(&printed).map_err(|_| "what it prints is no text".to_owned())?;
    plain(text.lines().next().unwrap_or_default())
        .map_err(|error| format!("its first line: {error}; {UNTOLD}"))
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut pipe = pipe.take(BYTES_MAX + 1);
        pipe.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    }
    match u64::try_from(bytes.len()) {
        Ok(read) if read <= BYTES_MAX => Ok(bytes),
        _ => Err(format!("it prints more than {BYTES_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str) -> Result<String, String> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        read(&command).await.map(|reading| reading.secret.expose().to_owned())
    }

    /// The first line is the secret; of whatever else happens only the way it ended is told,
    /// since a script that shows what it does shows the secret on stderr.
    #[tokio::test]
    async fn reads_the_first_line_and_tells_how_it_ended() {
        assert_eq!(sh("echo sk-1; echo more; exit 0").await.unwrap(), "sk-1");
        let told = sh("set -x; TOKEN=sk-secret; false").await.unwrap_err();
        assert_eq!(told, format!("command /bin/sh: exit status: 1; {UNTOLD}"));
        let told = sh("set -x; : sk-secret").await.unwrap_err();
        assert_eq!(told, format!("command /bin/sh: its first line: it is empty; {UNTOLD}"));
        let told = sh("echo 'sk 1'").await.unwrap_err();
        assert!(told.contains("byte 3") && !told.contains("sk 1"), "{told}");
        let told = sh("yes").await.unwrap_err();
        assert!(told.ends_with("it prints more than 65536 bytes"), "{told}");
        let told = sh("kill -9 $$").await.unwrap_err();
        assert!(told.contains("signal: 9"), "{told}");
        let told = read(&["/no/such/program".to_owned()]).await.unwrap_err();
        assert!(told.contains("not started"), "{told}");
    }

    /// Whether a process runs, and does not merely wait to be buried.
    fn runs(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    }

    /// What takes too long is ended with all that it started.
    #[tokio::test]
    async fn what_hangs_is_killed_whole() {
        let note = std::env::temp_dir().join(format!("keyring-hangs-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > {}; wait", note.display());
        let command = ["/bin/sh", "-c", &script].map(str::to_owned);
        let told = read_within(&command, Duration::from_secs(5)).await.unwrap_err();
        assert!(told.ends_with("no end within 5 s"), "{told}");
        let pid = std::fs::read_to_string(&note).unwrap();
        let _ = std::fs::remove_file(&note);
        for _ in 0..500 {
            if !runs(pid.trim()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("process {pid} still runs");
    }
}
