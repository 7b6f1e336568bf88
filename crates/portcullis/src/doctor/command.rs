//! Commands that do the work of a kind: whether this host could run them.
//!
//! Dispatchers may run elsewhere, so what is missing here is worth a look and no failure.

use std::{io, path::Path};

use domain::{Config, ExecConfig, Handler, Kind};

use super::check::Check;

/// One line for each kind that a command works for, as it looks from the directory `here`.
pub(crate) fn checks(config: &Config, here: io::Result<&Path>) -> Vec<Check> {
    let commands = config.kinds.iter().filter_map(|(kind, config)| match &config.handler {
        Handler::Exec(exec) => Some((kind, exec)),
        _ => None,
    });
    let here = here.map_err(|error| format!("this directory: {error}"));
    commands.map(|(kind, exec)| check(kind, exec, here.as_deref())).collect()
}

fn check(kind: &Kind, exec: &ExecConfig, here: Result<&Path, &String>) -> Check {
    let name = format!("command {kind}");
    match find(exec, here) {
        Ok(found) => Check::ok(name, found),
        Err(why) => {
            let remedy = format!(
                "where `dispatcher` runs it must be there, or the first task closes the gate \
                 kind-{kind}; it is `command` of `exec` in [kinds.{kind}], seen from that \
                 dispatcher's directory"
            );
            Check::warn(name, why, remedy)
        }
    }
}

fn find(exec: &ExecConfig, here: Result<&Path, &String>) -> Result<String, String> {
    let here = here.map_err(Clone::clone)?;
    let dir = exec.dir.as_ref().map_or(here.to_owned(), |dir| here.join(dir));
    let program = exec.command.first().ok_or("no command is configured")?;
    let found = kit::find_program(program, &dir)?;
    Ok(format!("{} may be run on this host", found.display()))
}

#[cfg(test)]
mod tests;
