//! The docker client, with a limit on how long it may take.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

/// Nothing that is asked of the engine takes longer, unless something is broken.
pub(crate) const WITHIN: Duration = Duration::from_secs(180);

/// Runs `docker …` and returns what it prints.
pub(crate) async fn run(args: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(args);
    carry_out(command).await
}

/// The lines that `docker …` prints.
pub(crate) async fn lines(args: &[&str]) -> Vec<String> {
    run(args).await.lines().map(ToOwned::to_owned).collect()
}

/// Everything that a container has said so far.
pub(crate) async fn logs(container: &str) -> String {
    let mut command = Command::new("docker");
    command.args(["logs", container]);
    let output = tokio::time::timeout(WITHIN, command.kill_on_drop(true).output()).await;
    let output = output.expect("docker logs ends in time").unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Runs a command that must succeed, and returns its stdout.
pub(crate) async fn carry_out(mut command: Command) -> String {
    let told = format!("{:?}", command.as_std());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(WITHIN, output).await.expect(&told).expect(&told);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}: {}\n{out}\n{err}", output.status);
    out.trim().to_owned()
}
