use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

/// A program that this one has started, and that ends with it.
///
/// It runs in a process group of its own, so that a Ctrl-C at the terminal reaches only its
/// parent, which then stops everything in order. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// How to start a [`Process`].
#[derive(Debug)]
pub struct Launch<'a> {
    /// What people call it; also the name of its log file.
    pub name: &'a str,
    pub program: &'a Path,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Where its output goes, as `<name>.log`.
    pub log_dir: &'a Path,
}

impl Process {
    /// # Errors
    ///
    /// When the program or its log file cannot be opened.
    pub fn start(launch: Launch<'_>) -> anyhow::Result<Process> {
        Process::start_in(launch, Path::new("."))
    }

    /// The same, where `dir` is its working directory.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn start_in(launch: Launch<'_>, dir: &Path) -> anyhow::Result<Process> {
        let log = launch.log_dir.join(format!("{}.log", launch.name));
        fs::create_dir_all(launch.log_dir).context("make the log folder")?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let child = Command::new(launch.program)
            .args(launch.args.iter().map(OsStr::new))
            .envs(launch.env)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("share the log file")?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", launch.program.display()))?;
        Ok(Process { name: launch.name.to_owned(), child, log })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself and says how.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Sends a signal by name: `TERM`, `STOP`, `CONT`.
    pub async fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
            let _ = sent.await;
        }
    }

    /// Kills it without a chance to clean up.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    /// Asks it to stop, waits up to `grace`, then kills it.
    pub async fn stop(&mut self, grace: Duration) {
        self.signal("TERM").await;
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            tracing::warn!(process = self.name, "did not stop in time, killed");
            self.kill().await;
        }
    }

    /// Waits until its log holds `text` and returns that line.
    ///
    /// # Errors
    ///
    /// When it ends first, or does not say so within `wait`.
    pub async fn says(&mut self, text: &str, wait: Duration) -> anyhow::Result<String> {
        let said = async {
            loop {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                if let Some(line) = log.lines().find(|line| line.contains(text)) {
                    return Ok(line.to_owned());
                }
                if !self.runs() {
                    bail!("{} ended at once, see {}:\n{log}", self.name, self.log.display());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(wait, said).await.context("wait for it to start")?
    }
}
