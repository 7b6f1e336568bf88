//! Finding a program before it is started.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The file of a program that is started in `dir`: a path by itself, anything else as the PATH
/// has it.
///
/// # Errors
///
/// A sentence for people: what is missing, or may not be run.
pub fn find_program(program: &str, dir: &Path) -> Result<PathBuf, String> {
    if !dir.is_dir() {
        return Err(format!("there is no directory {}", dir.display()));
    }
    let found = if program.contains('/') {
        let path = dir.join(program);
        runnable(&path).map(|()| path)
    } else {
        on_path(program)
    };
    found.map_err(|why| format!("{program} cannot be run in {}: {why}", dir.display()))
}

fn on_path(program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|folder| folder.join(program));
    found
        .find(|path| runnable(path).is_ok())
        .ok_or_else(|| "no such program is on the PATH".to_owned())
}

fn runnable(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is not executable: chmod +x".to_owned());
    }
    Ok(())
}
