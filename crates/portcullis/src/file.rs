//! The configuration file: `portcullis.toml` read into [`domain::Config`].
//!
//! It decides what a file may say, and promises that a refused file is refused once: every
//! problem in it is told, with its line and what to do about it, not only the first one.
//! Nothing that depends on the bus is decided here.

mod agree;
mod budgets;
mod exclude;
mod gates;
mod handlers;
mod kinds;
mod models;
mod notes;
mod payer;
mod prices;
mod prompts;
mod providers;
mod queueing;
mod resets;
mod section;
mod sensors;
mod spend;
mod value;

use domain::Config;
use toml::de::DeTable;

pub(crate) use agree::PAYER;
pub use notes::{Problem, Warning};
pub(crate) use spend::BUDGET;
pub(crate) use value::{nearest, parse_duration, spell_duration, spell_permille};

pub(crate) use prices::{parse_dollars, spell_dollars};

use notes::Notes;
use section::Section;

/// Reads the text of the file at `path`; the path is only used to say where something is.
///
/// The configuration has version 0: `apply` gives it its number.
///
/// # Errors
///
/// Every problem of the file, by line.
///
/// ```
/// let text = "[kinds.welcome]\nhandler = { service = \"welcome-payer\" }\nneeds = [\"relay\"]";
/// let problems = portcullis::file::load("portcullis.toml", text).unwrap_err();
/// assert!(problems[0].to_string().starts_with("portcullis.toml:"));
/// ```
pub fn load(path: &str, text: &str) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    let mut notes = Notes::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        notes.problem(&span, format!("{}; this is not TOML", error.message()));
    }
    if notes.any_problem() {
        // What the parser made up to recover would only lead to problems that are none.
        return Err(notes.into_problems());
    }
    let mut root = Section::root(document.get_ref());
    let gates = gates::read(&mut root, &mut notes);
    let kinds = kinds::read(&mut root, &mut notes);
    let sensors = sensors::read(&mut root, &mut notes);
    let payer = payer::read(&mut root, &mut notes);
    let budgets = budgets::read(&mut root, &mut notes);
    let providers = providers::read(&mut root, &mut notes);
    let prices = prices::read(&mut root, &mut notes);
    root.finish(&mut notes);
    agree::check(&kinds, &gates, &sensors, payer.as_ref(), &mut notes);
    providers::gates_exist(&providers, &gates, &mut notes);
    spend::check(&budgets, &kinds, &gates, payer.as_ref(), &mut notes);
    models::agree(&kinds, &prices, &providers, &mut notes);
    let places = resets::places(&gates);
    let config = Config {
        version: 0,
        kinds: kinds.into_iter().filter_map(|(name, kind)| Some((name, kind.config?))).collect(),
        gates: gates.into_iter().map(|(name, gate)| (name, gate.config)).collect(),
        sensors: sensors.into_iter().filter_map(|(name, it)| Some((name, it.config?))).collect(),
        payer: payer.and_then(|payer| payer.config),
        budgets: budgets.into_iter().map(|(kind, budget)| (kind, budget.config)).collect(),
        providers: providers
            .into_iter()
            .filter_map(|(name, it)| Some((name, it.config?)))
            .collect(),
        prices: prices.into_iter().map(|(model, price)| (model, price.config)).collect(),
    };
    resets::check(&config, &places, &mut notes);
    if notes.any_problem() {
        Err(notes.into_problems())
    } else {
        Ok((config, notes.into_warnings()))
    }
}

/// Reads the file at `path` for a command that applies nothing: the configuration, and how the
/// file is called. Warnings are talk.
pub(crate) fn read(
    path: &std::path::Path,
    out: &crate::out::Out,
) -> Result<(Config, String), crate::exit::Ended> {
    use crate::exit::Ended;
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Ended::usage(format!("read {name}: {error}; name the file with -f")))?;
    let (config, warnings) = load(&name, &text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Ended::usage(format!("the configuration has problems:\n{}", lines.join("\n")))
    })?;
    for warning in &warnings {
        out.talk(&warning.to_string());
    }
    Ok((config, name))
}

#[cfg(test)]
mod tests;
