use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::{codegen::root, run};

/// What a storm is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    minutes: Option<String>,
    seed: Option<String>,
    nodes: Option<String>,
}

/// Builds every service, then lets a storm blow: `--minutes N --seed S --nodes 1|3`, each with a
/// default. The test prints the seed, how it goes, and what broke.
pub(crate) fn blow(args: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let asked = read(args)?;
    run("cargo build --workspace --bins --locked")?;
    let test = "test -p tests --test it --locked -- --exact storm::storm --nocapture";
    let mut cargo = Command::new("cargo");
    cargo.args(test.split(' ')).current_dir(root());
    let settings =
        [("STORM_MINUTES", asked.minutes), ("STORM_SEED", asked.seed), ("NODES", asked.nodes)];
    for (name, value) in settings {
        if let Some(value) = value {
            cargo.env(name, value);
        }
    }
    ensure!(cargo.status().context("run the storm")?.success(), "the storm broke something");
    Ok(())
}

fn read(mut args: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut asked = Asked::default();
    while let Some(flag) = args.next() {
        let place = match flag.as_str() {
            "--minutes" => &mut asked.minutes,
            "--seed" => &mut asked.seed,
            "--nodes" => &mut asked.nodes,
            _ => bail!("usage: cargo xtask storm [--minutes N] [--seed S] [--nodes 1|3]"),
        };
        let value = args.next().with_context(|| format!("read the value of {flag}"))?;
        let number: u64 = value.parse().with_context(|| format!("read {flag} {value}"))?;
        ensure!(flag != "--nodes" || matches!(number, 1 | 3), "--nodes is 1 or 3");
        *place = Some(value);
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> anyhow::Result<Asked> {
        read(line.split_whitespace().map(ToOwned::to_owned))
    }

    /// What is not understood is refused: a mistyped storm would show nothing.
    #[test]
    fn reads_its_flags() {
        assert_eq!(of("").unwrap(), Asked::default());
        let asked = of("--minutes 30 --seed 7 --nodes 3").unwrap();
        assert_eq!(asked.minutes.as_deref(), Some("30"));
        assert_eq!((asked.seed.as_deref(), asked.nodes.as_deref()), (Some("7"), Some("3")));
        for wrong in ["--minute 3", "--minutes", "--minutes x", "--nodes 2", "7"] {
            of(wrong).unwrap_err();
        }
    }
}
