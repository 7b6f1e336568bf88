//! What a person asks before money may move: the checklist, and the payment that is not made.

mod checklist;
mod rehearsal;
mod testnet;
mod work;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Output};

use portcullis::up::stage::PLAY_KEY;
use serde_json::Value;
use stacks::{Address, PrivateKey};

use crate::harness::Job;

/// The address that pays on the job's chain.
fn wallet(job: &Job) -> Address {
    PrivateKey::from_hex(PLAY_KEY).unwrap().address(job.settings.network)
}

/// A file with a key, for its owner alone.
fn key_file(job: &Job, name: &str, key: &str) -> PathBuf {
    let path = job.world.dir().join(name);
    if !path.exists() {
        fs::write(&path, format!("{key}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    path
}

/// The job's configuration with our own address excluded.
fn toml(job: &Job) -> String {
    let excluded = format!("exclude = [\"{}\"]\npurpose =", wallet(job));
    job.toml().replacen("purpose =", &excluded, 1)
}

/// Writes a configuration that differs from the job's, and names the file.
fn file(job: &Job, name: &str, change: impl FnOnce(String) -> String) -> String {
    let path = job.world.dir().join(name);
    fs::write(&path, change(toml(job))).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs `portcullis` with the wallet's key.
async fn with_key(job: &Job, args: &[&str]) -> Output {
    let key = key_file(job, "wallet.key", PLAY_KEY);
    let output =
        job.world.cli(&[args, &["--wallet-key-file", key.to_str().unwrap()]].concat()).await;
    keeps_secrets(&output);
    output
}

/// Neither the key nor anything from which a payment could be made is ever shown: the longest
/// word is a name, an address or a hash.
fn keeps_secrets(output: &Output) {
    for shown in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(shown).to_lowercase();
        assert!(!text.contains(&PLAY_KEY[..64]), "the key is shown: {text}");
        let long = |word: &&str| 120 < word.len();
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=_".contains(c));
        assert_eq!(words.find(long), None, "{text}");
    }
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {}: {said}", String::from_utf8_lossy(&output.stdout))
    })
}
