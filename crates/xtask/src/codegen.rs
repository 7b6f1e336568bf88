use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes `crates/wire/src/gen` from `proto`. Needs no `protoc`.
pub(crate) fn write() -> anyhow::Result<()> {
    generate(&root().join("crates/wire/src/gen"))
}

/// Fails when the committed code is not what `proto` generates.
pub(crate) fn check() -> anyhow::Result<()> {
    let fresh = root().join("target/codegen-check");
    fs::create_dir_all(&fresh).context("make a folder for fresh code")?;
    generate(&fresh)?;
    let read = |folder: &Path| {
        fs::read_to_string(folder.join("portcullis.v1.rs")).context("read generated code")
    };
    ensure!(
        read(&fresh)? == read(&root().join("crates/wire/src/gen"))?,
        "crates/wire/src/gen is not what proto/ generates: run `cargo xtask codegen`"
    );
    Ok(())
}

fn generate(into: &Path) -> anyhow::Result<()> {
    let proto = root().join("proto");
    let folder = proto.join("portcullis/v1");
    let mut sources: Vec<PathBuf> = fs::read_dir(&folder)
        .context("list proto files")?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect();
    sources.sort();
    let files = protox::compile(&sources, [&proto]).context("compile proto files")?;
    fs::create_dir_all(into).context("make the folder of generated code")?;
    prost_build::Config::new().out_dir(into).compile_fds(files).context("generate Rust")
}
