use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

use super::{Reading, plain};

/// A command that takes longer is ended.
const WITHIN: Duration = Duration::from_secs(30);
/// A command that prints more is ended.
const BYTES_MAX: u64 = 64 * 1024;
/// How much of what it complained of is told, in characters.
const COMPLAINT_MAX: usize = 200;

/// Runs a command, without a shell; the secret is the first line that it prints. What it prints
/// is never told, what it complains of on stderr is.
pub(super) async fn read(command: &[String]) -> Result<Reading, String> {
    let Some((program, args)) = command.split_first() else {
        return Err("the command is empty".to_owned());
    };
    match tokio::time::timeout(WITHIN, run(program, args)).await {
        Ok(read) => read.map_err(|why| format!("command {program}: {why}")),
        Err(_) => Err(format!("command {program}: no end within {} s", WITHIN.as_secs())),
    }
}

async fn run(program: &str, args: &[String]) -> Result<Reading, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("not started: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, complaint) = tokio::join!(bounded(stdout), bounded(stderr));
    let (printed, complaint) = (printed?, complaint?);
    let status = child.wait().await.map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&printed).map_err(|_| "what it prints is no text".to_owned());
    if !status.success() {
        return Err(format!("{status}{}", told(&complaint, text.unwrap_or_default())));
    }
    let text = text?;
    plain(text.lines().next().unwrap_or_default())
        .map_err(|error| format!("its first line: {error}{}", told(&complaint, text)))
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

/// The complaint as it may be told: short, and without a line of what was printed.
fn told(complaint: &[u8], printed: &str) -> String {
    let mut text = String::from_utf8_lossy(complaint).into_owned();
    for line in printed.lines().map(str::trim).filter(|line| !line.is_empty()) {
        text = text.replace(line, "…");
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = text.trim().chars().take(COMPLAINT_MAX).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str) -> Result<String, String> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        read(&command).await.map(|reading| reading.secret.expose().to_owned())
    }

    /// The first line is the secret; whatever else happens is told without what was printed.
    #[tokio::test]
    async fn reads_the_first_line_and_tells_complaints() {
        assert_eq!(sh("echo sk-1; echo more; exit 0").await.unwrap(), "sk-1");
        let told = sh("echo sk-1; echo 'vault sealed, had sk-1' >&2; exit 3").await.unwrap_err();
        assert_eq!(told, "command /bin/sh: exit status: 3: vault sealed, had …");
        let told = sh("echo locked >&2").await.unwrap_err();
        assert_eq!(told, "command /bin/sh: its first line: it is empty: locked");
        let told = sh("echo 'sk 1'").await.unwrap_err();
        assert!(told.contains("byte 3") && !told.contains("sk 1"), "{told}");
        let told = sh("yes").await.unwrap_err();
        assert!(told.ends_with("it prints more than 65536 bytes"), "{told}");
        let told = sh("kill -9 $$").await.unwrap_err();
        assert!(told.contains("signal: 9"), "{told}");
        let told = read(&["/no/such/program".to_owned()]).await.unwrap_err();
        assert!(told.contains("not started"), "{told}");
    }
}
