//! Chores that `cargo` alone cannot do: `cargo xtask <chore>`.
//!
//! * `codegen`: writes the Rust of `proto/` into `crates/wire/src/gen`;
//! * `check`: everything that CI runs, in the order in which it is cheapest to fail;
//! * `storm`: the whole system under every fault at once, for as long as you like;
//! * `welcomes`: so many agents through a world that misbehaves in every known way.

mod codegen;
mod edges;
mod rules;
mod storm;
mod welcomes;

use std::process::Command;

use anyhow::{Context as _, bail, ensure};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("codegen") => codegen::write(),
        Some("check") => check(),
        Some("storm") => storm::blow(std::env::args().skip(2)),
        Some("welcomes") => welcomes::welcome(std::env::args().skip(2)),
        _ => bail!("usage: cargo xtask codegen | check | storm | welcomes"),
    }
}

/// What CI runs.
fn check() -> anyhow::Result<()> {
    step("generated code is current", codegen::check)?;
    step("crates depend only on crates above them", edges::check)?;
    step("code rules", rules::check)?;
    step("formatting", || run("cargo fmt --all -- --check"))?;
    step("lints", || run("cargo clippy --workspace --all-targets --locked -- -D warnings"))?;
    // Left out of all targets, since only containers can run it.
    step("lints of the compose test", || {
        run("cargo clippy --package tests --test compose --locked -- -D warnings")
    })?;
    // The integration tests run the services as the processes that they are.
    step("build", || run("cargo build --workspace --bins --locked"))?;
    step("tests", || run("cargo test --workspace --locked --no-fail-fast"))?;
    // What is on three nodes anyway need not run twice, nor what is about HTTP answers alone;
    // `xtask storm --nodes 3` is for long runs.
    step("integration tests on three nodes", || {
        let line = "cargo test -p tests --test it --locked --no-fail-fast -- --skip cluster:: \
                    --skip storm:: --skip payments::rows::";
        run_with(line, &[("NODES", "3")])
    })
}

fn step(name: &str, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    say(&format!("==> {name}"));
    check().context(name.to_owned())
}

fn run(line: &str) -> anyhow::Result<()> {
    run_with(line, &[])
}

fn run_with(line: &str, env: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut words = line.split(' ');
    let program = words.next().context("split command")?;
    let status = Command::new(program)
        .args(words)
        .envs(env.iter().copied())
        .current_dir(codegen::root())
        .status()
        .with_context(|| format!("run `{line}`"))?;
    ensure!(status.success(), "`{line}` failed");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this is what a person watches")]
fn say(line: &str) {
    eprintln!("{line}");
}
