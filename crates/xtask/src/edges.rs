use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::codegen::root;

/// Which of our crates each may depend on, tests apart. A new edge is a rare change, made
/// here first.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("logic", &["domain"]),
    ("calendar", &["domain"]),
    ("wire", &["domain"]),
    ("bus", &[]),
    ("kit", &["domain"]),
    ("fleet", &["domain", "logic", "wire", "bus", "kit"]),
    ("keyring", &["domain", "logic", "wire", "bus", "kit", "fleet"]),
    ("stacks", &[]),
    ("x402", &["stacks"]),
    ("dispatcher", &["domain", "logic", "wire", "bus", "kit", "fleet", "keyring"]),
    ("sensor", &["domain", "logic", "wire", "bus", "kit", "fleet", "stacks", "calendar"]),
    ("welcome-payer", &["domain", "logic", "wire", "bus", "kit", "fleet", "stacks", "x402"]),
    ("gatekeeper", &["domain", "logic", "wire", "bus", "kit", "fleet"]),
    (
        "portcullis",
        &[
            "domain",
            "logic",
            "wire",
            "bus",
            "kit",
            "fleet",
            "keyring",
            "stacks",
            "x402",
            "welcome-payer",
            "calendar",
        ],
    ),
    ("sandbox", &["domain", "kit", "stacks", "x402"]),
    ("sim", &["domain", "logic"]),
    ("xtask", &[]),
];

/// Crates that must stay free of I/O, and what would give it away in a manifest.
const PURE: &[&str] = &["domain", "logic", "calendar", "stacks", "x402"];
const IMPURE: &[&str] = &["tokio", "async-nats", "reqwest", "tracing", "fastrand", "time"];

/// Fails on an edge between crates that is not in the table.
pub(crate) fn check() -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .context("run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: the lock file may be stale");
    let metadata: Value = serde_json::from_slice(&output.stdout).context("read cargo metadata")?;
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if name == "tests" {
            continue;
        }
        let Some(edges) = allowed.get(name) else {
            wrong.push(format!("{name}: not in the table of crates/xtask/src/edges.rs"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|dependency| dependency["kind"].is_null()) {
            let on = dependency["name"].as_str().unwrap_or_default();
            if allowed.contains_key(on) && !edges.contains(&on) {
                wrong.push(format!("{name} may not depend on {on}"));
            }
            if PURE.contains(&name) && IMPURE.contains(&on) {
                wrong.push(format!("{name} is pure and may not depend on {on}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
