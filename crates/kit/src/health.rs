//! What a service says of itself to whoever runs it, without a network port.
//!
//! A running service writes a small file each second: what it is and since when, or why it can
//! do nothing. The same program, started with `--check-health`, reads that file and exits 0 only
//! when it was written just now by a service that can work. A process that is frozen, wedged or
//! gone leaves an old file behind, and so does not pass.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::Timestamp;

use crate::Clock;

/// The flags of health, the same for every service.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct HealthArgs {
    /// File in which this service says each second how it is; without it, it does not
    #[arg(long, value_name = "PATH", env = "HEALTH_FILE")]
    pub health_file: Option<PathBuf>,

    /// Only read the health file of the service that runs: exit 0 when it is well, else 1
    #[arg(long)]
    pub check_health: bool,
}

/// Why a service is not well.
#[derive(Debug, thiserror::Error)]
pub enum Ill {
    #[error("there is no health file to look at: set --health-file or HEALTH_FILE")]
    NoFile,
    #[error("read the health file {path}")]
    Unread { path: PathBuf, source: io::Error },
    #[error("the health file makes no sense: {0:?}")]
    Garbled(String),
    #[error("nothing was heard for {} s: frozen, or gone", .0.as_secs())]
    Silent(Duration),
    #[error("blind: {0}")]
    Blind(String),
}

/// Older than so long, nobody writes it any more. A busy machine may be late by seconds.
const FRESH: Duration = Duration::from_secs(10);

const WELL: &str = "well";
const BLIND: &str = "blind";

impl HealthArgs {
    /// How the service is that writes the file, as far as the file tells.
    ///
    /// # Errors
    ///
    /// When it is not well, with the reason.
    pub fn check(&self) -> Result<(), Ill> {
        let path = self.health_file.as_deref().ok_or(Ill::NoFile)?;
        let text = fs::read_to_string(path)
            .map_err(|source| Ill::Unread { path: path.to_owned(), source })?;
        judge(&text, Clock.of_host())
    }

    /// Says how this service is: blind, with the reason, or well.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; whoever checks then finds an old one, or none.
    pub fn say(&self, blind: Option<&str>) -> io::Result<()> {
        let Some(path) = &self.health_file else { return Ok(()) };
        // The host's clock, right or wrong: whoever checks runs beside this service and has no
        // better one.
        write(path, &line(Clock.of_host(), blind))
    }
}

/// `well 1795303338546`, or `blind 1795303338546 the gates were not read yet`.
fn line(at: Timestamp, blind: Option<&str>) -> String {
    match blind {
        None => format!("{WELL} {}\n", at.as_millis()),
        Some(why) => format!("{BLIND} {} {why}\n", at.as_millis()),
    }
}

/// In one step, so that nobody ever reads half a line.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
}

fn judge(text: &str, now: Timestamp) -> Result<(), Ill> {
    let garbled = || Ill::Garbled(text.trim_end().to_owned());
    let mut words = text.trim_end().splitn(3, ' ');
    let (word, at) = words.next().zip(words.next()).ok_or_else(garbled)?;
    let at = Timestamp::from_millis(at.parse().map_err(|_| garbled())?);
    // A wall clock that was set back leaves a file from the future, until it is written again.
    let age = now.since(at).max(at.since(now));
    match word {
        _ if FRESH < age => Err(Ill::Silent(age)),
        WELL => Ok(()),
        BLIND => Err(Ill::Blind(words.next().unwrap_or_default().to_owned())),
        _ => Err(garbled()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a fresh word of a service that can work passes: silence, blindness, nonsense and a
    /// file from another time do not.
    #[test]
    fn only_a_fresh_good_word_passes() {
        let now = Timestamp::from_millis(1_000_000);
        let ago = |secs: u64| Timestamp::from_millis(1_000_000 - secs * 1_000);
        let check = |text: &str, expected: Option<&str>| {
            let judged = judge(text, now).err().map(|ill| ill.to_string());
            assert_eq!(judged.as_deref(), expected, "{text:?}");
        };
        check(&line(now, None), None);
        check(&line(ago(10), None), None);
        check(&line(ago(11), None), Some("nothing was heard for 11 s: frozen, or gone"));
        check(&line(ago(1), Some("no NATS at all")), Some("blind: no NATS at all"));
        check("well 1011000", Some("nothing was heard for 11 s: frozen, or gone"));
        check("", Some("the health file makes no sense: \"\""));
        check("well", Some("the health file makes no sense: \"well\""));
        check("well soon", Some("the health file makes no sense: \"well soon\""));
        check("fine 1000000", Some("the health file makes no sense: \"fine 1000000\""));
    }

    /// What is said is what is checked, over a real file, also where the fleet's time is not
    /// the host's; without a file nobody passes.
    #[test]
    fn a_file_carries_it() {
        let path = std::env::temp_dir().join(format!("health-{:x}", crate::fresh_number()));
        let health = HealthArgs { health_file: Some(path.clone()), check_health: true };
        assert!(matches!(health.check(), Err(Ill::Unread { .. })));
        Clock.set(Timestamp::from_millis(1_000), Clock.instant());
        health.say(None).unwrap();
        health.check().unwrap();
        health.say(Some("lost")).unwrap();
        assert!(matches!(health.check(), Err(Ill::Blind(why)) if why == "lost"));
        fs::remove_file(path).unwrap();
        assert!(matches!(HealthArgs::default().check(), Err(Ill::NoFile)));
    }
}
