//! The folder of a run, which is emptied at each start: so it must be one of ours, and no
//! other run may live in it.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use crate::exit::{Code, Ended};

/// Its presence says that the folder may be emptied.
const MARK: &str = "made-by-portcullis-up";
/// Where the run's NATS server is found by whoever looks.
const NATS_URL: &str = "nats.url";

/// Makes the folder, empty.
///
/// # Errors
///
/// When it holds anybody else's files, or another run uses it.
pub(super) fn prepare(dir: &Path) -> anyhow::Result<PathBuf> {
    let entries = check(dir)?;
    if 0 < entries {
        fs::remove_dir_all(dir).context("empty the folder of the last run")?;
    }
    make(dir, "Emptied at each start.\n")
}

/// Makes the folder, or goes on with what the last run has left in it.
///
/// # Errors
///
/// As [`prepare`].
pub(super) fn reuse(dir: &Path) -> anyhow::Result<PathBuf> {
    check(dir)?;
    make(dir, "Kept from one start to the next.\n")
}

fn make(dir: &Path, mark: &str) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(dir).context("make the folder of this run")?;
    fs::write(dir.join(MARK), mark).context("mark the folder")?;
    dir.canonicalize().context("find the folder of this run")
}

/// How much lies in the folder, which must be of an earlier run that is over.
fn check(dir: &Path) -> anyhow::Result<usize> {
    let entries = fs::read_dir(dir).map(|entries| entries.count()).unwrap_or(0);
    let ours = [MARK, NATS_URL].iter().any(|name| dir.join(name).is_file());
    if 0 < entries && !ours {
        let text = format!(
            "{} holds files that `portcullis up` did not write, and it is not to be touched: \
             name another folder with --dir",
            dir.display()
        );
        return Err(Ended::refused(text).into());
    }
    if let Some(url) = url_of_last_run(dir).filter(|url| listens(url)) {
        let text = format!(
            "another `portcullis up` runs from {} (its NATS server listens on {url}): stop it, \
             or name another folder with --dir, and other ports",
            dir.display()
        );
        return Err(Ended::refused(text).into());
    }
    Ok(entries)
}

/// Writes down where this run's NATS server listens.
pub(super) fn note_url(dir: &Path, url: &str) -> anyhow::Result<()> {
    fs::write(dir.join(NATS_URL), url).context("write nats.url")
}

/// Where the NATS server of the last run in this folder listened.
pub(super) fn url_of_last_run(dir: &Path) -> Option<String> {
    let url = fs::read_to_string(dir.join(NATS_URL)).ok()?;
    Some(url.trim().to_owned())
}

/// Refuses a port that somebody has, by the flag that changes it.
pub(super) fn free_port(port: u16, flag: &str, what: &str) -> Result<(), Ended> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = format!(
                "port {port} for {what} is not free ({error}): stop what listens there, perhaps \
                 another `portcullis up`, or choose another with {flag}"
            );
            Err(Ended::new(Code::Failed, text))
        }
    }
}

fn listens(url: &str) -> bool {
    const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
    let address = url.strip_prefix("nats://").unwrap_or(url).parse();
    address.is_ok_and(|address| TcpStream::connect_timeout(&address, ANSWERS_WITHIN).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a folder that an earlier run has made is emptied, and none in which one runs.
    #[test]
    fn empties_only_its_own() {
        let dir = std::env::temp_dir().join(format!("portcullis-up-{}", std::process::id()));
        let home = dir.join("home");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("thesis.txt"), "all of it").unwrap();
        let refused = prepare(&home).unwrap_err().to_string();
        assert!(refused.contains("--dir") && home.join("thesis.txt").exists(), "{refused}");

        let run = prepare(&dir.join("run")).unwrap();
        fs::write(run.join("old.log"), "old").unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        note_url(&run, &format!("nats://{}", server.local_addr().unwrap())).unwrap();
        let refused = prepare(&run).unwrap_err().to_string();
        assert!(refused.contains("another `portcullis up`"), "{refused}");
        assert!(run.join("old.log").exists());

        drop(server);
        prepare(&run).unwrap();
        assert!(!run.join("old.log").exists());
        fs::remove_dir_all(&dir).unwrap();
    }

    /// A port that is taken is told with the flag that changes it.
    #[test]
    fn taken_ports_name_their_flag() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let refused = free_port(port, "--nats-port", "the NATS server").unwrap_err().to_string();
        assert!(
            refused.contains("--nats-port") && refused.contains(&port.to_string()),
            "{refused}"
        );
        drop(server);
        free_port(port, "--nats-port", "the NATS server").unwrap();
    }
}
