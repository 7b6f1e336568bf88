//! A command on this host does the work: the task as JSON on its stdin, its outcome as JSON on
//! its stdout ([`wire::plain`]).
//!
//! The outcome is all that it prints, or the last line of it, so that it may talk before.
//!
//! | how it ended                    | and said           | outcome            | cause              | blamed on       |
//! | ------------------------------- | ------------------ | ------------------ | ------------------ | --------------- |
//! | with 0                          | an outcome         | what it says       | its own word       | by the cause    |
//! | with 0                          | none (`text`: any) | completed          |                    |                 |
//! | with 0                          | none (`json`)      | unknown            | `exec.garbled`     | the task        |
//! | otherwise                       | any but completed  | what it says       | its own word       | by the cause    |
//! | otherwise                       | completed          | unknown            | `exec.garbled`     | the task        |
//! | with 75 (`EX_TEMPFAIL`)         | no outcome         | failed             | `exec.try-again`   | nobody          |
//! | with 126 or 127                 | no outcome         | failed             | `exec.not-found`   | the kind's gate |
//! | with any other code             | no outcome         | failed             | `exec.failed`      | the task        |
//! | by a signal (or 128 and it)     | no outcome         | unknown            | `exec.killed`      | the task        |
//! | killed after `timeout`          | none, or completed | unknown            | `exec.timeout`     | the task        |
//! | never begun: missing            |                    | failed             | `exec.not-found`   | the kind's gate |
//! | never begun: the host is full   |                    | failed             | `exec.unavailable` | nobody          |
//! | never begun: payload not JSON   |                    | failed             | `task.invalid`     | the task        |
//!
//! A command that was begun and names no `cost` counts as having cost the kind's `cost_max`, if
//! there is one, however it ended; one that was never begun has cost nothing.
//!
//! What follows on an unknown is the kind's to say: `on_unknown`. A missing program is missing
//! for every task, so it closes the gate `kind-<name>` at once and charges none.
//!
//! The values of variables that `env` names are not repeated in any of it: see [`hidden`].
//!
//! Dropping the future kills the command and all that it has started: see [`crate::guard`].

mod command;
mod hidden;
mod kept;

use std::{pin::pin, process::ExitStatus, time::Duration};

use domain::{Cause, Cost, ExecConfig, ExecOutput, KindConfig, Outcome};
use kit::Clock;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin},
    sync::Notify,
};
use wire::{event::shorten, message::RunRequest, plain};

use self::{hidden::Hidden, kept::Kept};
use crate::guard;

/// How long a command may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long its output is read when it has ended; all who could hold it open are killed by then.
const DRAIN: Duration = Duration::from_secs(2);
/// A killed command is waited for so long.
const KILLED_WITHIN: Duration = Duration::from_secs(10);
/// Between signs of life to its guard, at most.
const BEAT_EVERY_MAX: Duration = Duration::from_secs(1);
/// As much of stderr is kept, in bytes, and as much evidence, in characters.
const STDERR_MAX: usize = 4_096;
const EVIDENCE_MAX: usize = 1_000;

/// How a command ended, and what it printed.
struct Ended {
    status: Option<ExitStatus>,
    /// It was made to, after so long.
    timed_out: Option<Duration>,
    stdout: Kept,
    stderr: Kept,
}

/// Runs the command and waits for its end, at most the kind's timeout and a grace.
pub(super) async fn run(
    clock: Clock,
    exec: &ExecConfig,
    kind: &KindConfig,
    request: &RunRequest,
) -> Outcome {
    let task = match plain::request(request, kind.timeout) {
        Ok(task) => task,
        Err(error) => {
            return failed("task.invalid", format!("{:#}", anyhow::Error::new(error)), Cost::ZERO);
        }
    };
    let patience = patience(kind.lease);
    let mut command = match command::find(exec, request, patience) {
        Ok(command) => command,
        Err(missing) => return failed("exec.not-found", missing, Cost::ZERO),
    };
    match command.spawn() {
        Ok(child) => {
            let ended = attend(clock, child, &task, exec, kind).await;
            let hidden = command::hidden(exec);
            hidden.hide_in(outcome(exec, super::unnamed(kind), &ended, &hidden))
        }
        Err(error) => {
            failed("exec.unavailable", format!("start {:?}: {error}", exec.command), Cost::ZERO)
        }
    }
}

/// A guard that hears nothing for so long kills. The lease is renewed each third of it, so that
/// two thirds are left at least when we fall silent: whatever it is, the command is gone before
/// another dispatcher may begin (W4).
fn patience(lease: Duration) -> Duration {
    lease / 3
}

/// Two beats may be late before the guard kills.
fn beat_every(lease: Duration) -> Duration {
    (patience(lease) / 3).min(BEAT_EVERY_MAX)
}

/// Feeds the command, reads what it prints, and waits until it ends or has to.
async fn attend(
    clock: Clock,
    mut child: Child,
    task: &[u8],
    exec: &ExecConfig,
    kind: &KindConfig,
) -> Ended {
    let timeout = kind.timeout;
    let output_max = usize::try_from(exec.output_max).unwrap_or(usize::MAX);
    let (mut stdout, mut stderr) = (Kept::new(output_max), Kept::new(STDERR_MAX));
    let (terminate, kill) = (Notify::new(), Notify::new());
    let (from_stdout, from_stderr) = (child.stdout.take(), child.stderr.take());
    let stdin = child.stdin.take();
    let (status, timed_out) = {
        let reading = async { tokio::join!(stdout.fill(from_stdout), stderr.fill(from_stderr)) };
        let mut reading = pin!(reading);
        let mut ending = pin!(end(clock, &mut child, timeout, &terminate, &kill));
        let mut speaking =
            pin!(speak(clock, stdin, task, beat_every(kind.lease), &terminate, &kill));
        let (mut heard, mut silent) = (false, false);
        let ended = loop {
            tokio::select! {
                ended = &mut ending => break ended,
                _ = &mut reading, if !heard => heard = true,
                () = &mut speaking, if !silent => silent = true,
            }
        };
        if !heard {
            let _ = tokio::time::timeout(DRAIN, reading).await;
        }
        ended
    };
    Ended { status, timed_out: timed_out.then_some(timeout), stdout, stderr }
}

/// Waits for the command's end, in the end by force. Whether it was made to.
async fn end(
    clock: Clock,
    child: &mut Child,
    timeout: Duration,
    terminate: &Notify,
    kill: &Notify,
) -> (Option<ExitStatus>, bool) {
    tokio::select! {
        biased;
        status = child.wait() => return (status.ok(), false),
        () = clock.sleep(timeout) => terminate.notify_one(),
    }
    tokio::select! {
        biased;
        status = child.wait() => return (status.ok(), true),
        () = clock.sleep(GRACE) => kill.notify_one(),
    }
    // Whoever waits in the kernel cannot be killed now; its guard goes on trying.
    let killed = tokio::time::timeout(KILLED_WITHIN, child.wait()).await;
    (killed.ok().and_then(Result::ok), true)
}

/// Hands the guard the task, then says that we live, until it is to kill the command: that
/// is what the end of the pipe means.
async fn speak(
    clock: Clock,
    stdin: Option<ChildStdin>,
    task: &[u8],
    beat_every: Duration,
    terminate: &Notify,
    kill: &Notify,
) {
    let Some(mut stdin) = stdin else { return };
    let length = u32::try_from(task.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut next = [&length, task].concat();
    let speaking = async {
        // It may end before it has read everything.
        while stdin.write_all(&next).await.is_ok() {
            next = tokio::select! {
                () = terminate.notified() => vec![guard::TERMINATE],
                () = clock.sleep(beat_every) => vec![guard::BEAT],
            };
        }
    };
    tokio::select! {
        () = speaking => (),
        () = kill.notified() => (),
    }
}

/// How a command that was begun has ended; it has cost `most` unless it says what it has cost.
fn outcome(exec: &ExecConfig, most: Cost, ended: &Ended, hidden: &Hidden) -> Outcome {
    let code = ended.status.and_then(|status| status.code());
    let well = code == Some(0) && ended.timed_out.is_none();
    let said = match exec.output {
        ExecOutput::Json => said(&ended.stdout, most),
        ExecOutput::Text if well => {
            // Hidden before anything is cut, and before lines are told apart.
            let text = ended.stdout.text(hidden);
            let effect = text.trim().lines().next_back().unwrap_or_default().to_owned();
            return Outcome::Completed { effect: shorten(&effect, EVIDENCE_MAX), cost: most };
        }
        ExecOutput::Text => Err("it says nothing of its outcome".to_owned()),
    };
    let evidence = |more: &str| evidence(ended, hidden, more);
    match said {
        Ok(Outcome::Completed { .. }) if ended.timed_out.is_some() => {
            unknown("exec.timeout", evidence("it said that it had completed, and did not end"))
        }
        Ok(Outcome::Completed { .. }) if !well => {
            unknown("exec.garbled", evidence("it said that it had completed"))
        }
        Ok(said) => backed_up(said, ended, hidden),
        Err(why) if well => unknown("exec.garbled", evidence(&why)),
        Err(_) if ended.timed_out.is_some() => unknown("exec.timeout", evidence("")),
        Err(_) => match code {
            Some(75) => failed("exec.try-again", evidence(""), most),
            Some(126 | 127) => failed("exec.not-found", evidence(""), most),
            Some(129..=192) | None => unknown("exec.killed", evidence("")),
            Some(_) => failed("exec.failed", evidence(""), most),
        },
    }
}

/// The outcome in what was printed: all of it, or its last line.
fn said(stdout: &Kept, unnamed: Cost) -> Result<Outcome, String> {
    let otherwise = "exec.failed";
    if let Some(whole) = stdout.whole()
        && let Ok(outcome) = plain::outcome(whole, otherwise, unnamed)
    {
        return Ok(outcome);
    }
    match stdout.last_line() {
        Some(line) => plain::outcome(line, otherwise, unnamed).map_err(|error| error.to_string()),
        None => Err(format!("it printed {} bytes, more than `output_max`", stdout.total)),
    }
}

/// A failure that says nothing of why gets what stands on stderr.
fn backed_up(said: Outcome, ended: &Ended, hidden: &Hidden) -> Outcome {
    match said {
        Outcome::Failed { cause, evidence: said, retry_after, cost } if said.is_empty() => {
            Outcome::Failed { cause, evidence: evidence(ended, hidden, ""), retry_after, cost }
        }
        Outcome::Unknown { cause, evidence: said, retry_after, cost } if said.is_empty() => {
            Outcome::Unknown { cause, evidence: evidence(ended, hidden, ""), retry_after, cost }
        }
        said => said,
    }
}

/// How it ended, what `more` there is to say, and the end of what stands on stderr, or else of
/// what was printed.
fn evidence(ended: &Ended, hidden: &Hidden, more: &str) -> String {
    let code = ended.status.and_then(|status| status.code());
    let how = match (ended.timed_out, code) {
        (Some(timeout), _) => format!("made to end after {} ms", timeout.as_millis()),
        (None, Some(code @ 129..=192)) => format!("died by signal {}", code - 128),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "its guard was killed".to_owned(),
    };
    let talk = [&ended.stderr, &ended.stdout].into_iter().find(|kept| 0 < kept.total);
    let text = talk.map(|kept| kept.text(hidden)).unwrap_or_default();
    let whole = talk.is_none_or(|kept| kept.whole().is_some());
    let left = EVIDENCE_MAX.saturating_sub(how.len() + more.len() + 20);
    let skipped = text.trim().chars().count().saturating_sub(left);
    let shown: String = text.trim().chars().skip(skipped).collect();
    let dots = if 0 < skipped || !whole { "…" } else { "" };
    let parts = [how, more.to_owned(), format!("{dots}{shown}")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn failed(cause: &'static str, evidence: String, cost: Cost) -> Outcome {
    let cause = Cause::known(cause);
    Outcome::Failed { cause, evidence, retry_after: None, cost }
}

fn unknown(cause: &'static str, evidence: String) -> Outcome {
    let cause = Cause::known(cause);
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    /// M4: a command that was begun and names no cost has cost the most, with whatever code it
    /// ended; what it names is believed, and so is nothing at all.
    #[tokio::test]
    async fn an_unnamed_cost_is_the_most() {
        let exec = ExecConfig::of(vec!["true".to_owned()]);
        let hidden = Hidden::of(&exec, |_| None);
        let most = Cost { micro_usd: domain::MicroUsd::new(100), ..Cost::ZERO };
        for (code, printed, told) in [
            (1, "", ("exec.failed", 100)),
            (75, "", ("exec.try-again", 100)),
            (126, "", ("exec.not-found", 100)),
            (127, "", ("exec.not-found", 100)),
            (1, r#"{"outcome":"failed"}"#, ("exec.failed", 100)),
            (1, r#"{"outcome":"failed","cost":{}}"#, ("exec.failed", 0)),
            (0, r#"{"outcome":"completed"}"#, ("completed", 100)),
            (0, r#"{"outcome":"completed","cost":{"micro_usd":0}}"#, ("completed", 0)),
            (0, r#"{"outcome":"completed","cost":{"micro_usd":7}}"#, ("completed", 7)),
        ] {
            let mut stdout = Kept::new(1_000);
            stdout.fill(Some(printed.as_bytes())).await;
            let status = Some(ExitStatus::from_raw(code << 8));
            let ended = Ended { status, timed_out: None, stdout, stderr: Kept::new(10) };
            let (word, cost) = match outcome(&exec, most, &ended, &hidden) {
                Outcome::Completed { cost, .. } => ("completed".to_owned(), cost),
                Outcome::Failed { cause, cost, .. } => (cause.to_string(), cost),
                other => panic!("{other:?}"),
            };
            assert_eq!((word.as_str(), cost.micro_usd.get()), told, "{code} {printed}");
        }
    }

    /// W4: whatever lease stands on the bus, a guard kills within what is left of it when the
    /// dispatcher falls silent just before it renews; and it hears of a healthy one in time.
    #[test]
    fn a_guard_kills_before_another_may_begin() {
        for lease in [1, 2, 3, 14, 15, 30, 3_600].map(Duration::from_secs) {
            assert!(patience(lease) * 2 <= lease - lease / 3, "{lease:?}");
            assert!(beat_every(lease) * 3 <= patience(lease), "{lease:?}");
        }
    }
}
