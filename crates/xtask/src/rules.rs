use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use crate::codegen::root;

/// A file of more lines is two ideas.
const LINES_MAX: usize = 400;

/// What must not stand in a source file, and why. Written in halves, so that this file does
/// not find itself.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("to", "do!(", "finish it or leave it out"),
    ("#[ig", "nore]", "a test that does not run shows nothing"),
    ("unimpl", "emented!(", "finish it or leave it out"),
];

/// Only these may use the NATS client: everyone else goes through `bus`.
const NATS_CLIENT: &str = concat!("async", "_nats::");

/// Fails on a file that breaks one of the few rules that no lint knows.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for path in sources()? {
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let lines = text.lines().count();
        if LINES_MAX < lines {
            wrong.push(format!("{shown}: {lines} lines, more than {LINES_MAX}"));
        }
        for (head, tail, why) in FORBIDDEN {
            if text.contains(&format!("{head}{tail}")) {
                wrong.push(format!("{shown}: contains {head}{tail}: {why}"));
            }
        }
        let is_bus = shown.contains("crates/bus/") || shown.contains("tests/");
        if !is_bus && text.contains(NATS_CLIENT) && !shown.contains("xtask") {
            wrong.push(format!("{shown}: uses {NATS_CLIENT}; go through `bus`"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Every Rust file that people write.
fn sources() -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["crates", "tests"] {
        collect(&root().join(folder), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("list a folder")?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "gen" && name != "target") {
                collect(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
