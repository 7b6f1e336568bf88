use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::{codegen::root, run};

const USAGE: &str = "usage: cargo xtask welcomes [--agents N] [--seed S]";

/// Builds every service, then welcomes `--agents N` in the weather of `--seed S`, by default
/// a thousand in a fresh one. The test prints the seed, its figures, and what broke.
pub(crate) fn welcome(args: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let settings = read(args)?;
    run("cargo build --workspace --bins --locked")?;
    let test = "test -p tests --test it --locked -- --exact \
                welcomes::everybody_is_welcomed_once_in_any_weather --nocapture";
    let mut cargo = Command::new("cargo");
    cargo.args(test.split_whitespace()).current_dir(root()).envs(settings);
    ensure!(cargo.status().context("run the welcomes")?.success(), "the welcomes broke something");
    Ok(())
}

/// What the test is told, by name.
fn read(mut args: impl Iterator<Item = String>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut settings = vec![("WELCOMES", "1000".to_owned())];
    while let Some(flag) = args.next() {
        let name = match flag.as_str() {
            "--agents" => "WELCOMES",
            "--seed" => "WELCOMES_SEED",
            _ => bail!(USAGE),
        };
        let value = args.next().with_context(|| format!("read the value of {flag}; {USAGE}"))?;
        let number: u64 = value.parse().with_context(|| format!("read {flag} {value}"))?;
        ensure!(flag != "--agents" || number > 0, "--agents is at least 1");
        settings.push((name, value));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
        read(line.split_whitespace().map(ToOwned::to_owned))
    }

    /// A thousand unless told otherwise, and what is not understood is refused.
    #[test]
    fn reads_its_flags() {
        assert_eq!(of("").unwrap(), [("WELCOMES", "1000".to_owned())]);
        let told = of("--agents 60 --seed 7").unwrap();
        assert_eq!(told[1..], [("WELCOMES", "60".to_owned()), ("WELCOMES_SEED", "7".to_owned())]);
        for wrong in ["--agent 3", "--agents", "--agents x", "--agents 0", "7"] {
            of(wrong).unwrap_err();
        }
    }
}
