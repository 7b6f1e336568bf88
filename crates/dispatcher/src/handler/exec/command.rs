//! Finding a command before it is started, and the environment that it gets.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use domain::ExecConfig;
use tokio::process::Command;
use wire::message::RunRequest;

use super::hidden::Hidden;
use crate::guard;

/// What every command gets of the dispatcher's own environment: where programs, homes and
/// temporary files are, and how to write words and times. Nothing of it is a secret.
const ALWAYS: [&str; 8] = ["PATH", "HOME", "USER", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// The dispatcher's program, also when its file was replaced meanwhile.
const MYSELF: &str = "/proc/self/exe";

/// The guard that runs the command; an error says what is missing, or may not be run.
pub(super) fn find(
    exec: &ExecConfig,
    request: &RunRequest,
    patience: Duration,
) -> Result<Command, String> {
    let here =
        env::current_dir().map_err(|error| format!("the dispatcher's directory: {error}"))?;
    let dir = exec.dir.as_ref().map_or(here.clone(), |dir| here.join(dir));
    let (program, args) = exec.command.split_first().ok_or("no command is configured")?;
    let found = kit::find_program(program, &dir)?;
    let myself = if Path::new(MYSELF).exists() { Ok(MYSELF.into()) } else { env::current_exe() };
    let myself: PathBuf = myself.map_err(|error| format!("the dispatcher's program: {error}"))?;
    let mut command = Command::new(myself);
    command.arg(guard::WORD).arg(patience.as_millis().to_string()).arg(found).args(args);
    command.current_dir(dir).env_clear().envs(environment(exec, request));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Whatever else the dispatcher has in its environment, such as its own credentials, stays.
fn environment(exec: &ExecConfig, request: &RunRequest) -> Vec<(OsString, OsString)> {
    let named = ALWAYS.into_iter().chain(exec.env.iter().map(String::as_str));
    let passed = named.filter_map(|name| Some((name.into(), env::var_os(name)?)));
    let task = &request.task;
    let told = [
        ("PORTCULLIS_KIND", task.kind.to_string()),
        ("PORTCULLIS_SOURCE_KEY", task.source_key.to_string()),
        ("PORTCULLIS_TASK", task.key().to_string()),
        ("PORTCULLIS_ATTEMPT", request.attempt.to_string()),
    ];
    passed.chain(told.map(|(name, value)| (name.into(), value.into()))).collect()
}

/// What the command was given and may not repeat.
pub(super) fn hidden(exec: &ExecConfig) -> Hidden {
    Hidden::of(exec, |name| env::var_os(name))
}
