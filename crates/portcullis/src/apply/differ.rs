//! What one configuration says differently from another, setting by setting.

mod models;
mod providers;
mod sensors;

use std::collections::BTreeMap;

use domain::{Budget, Config, GateConfig, Handler, KindConfig, PayerConfig};

use crate::file::{spell_duration, spell_permille};

/// One setting that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the file would address it: `kinds.welcome.attempts`.
    pub path: String,
    /// `None` where there was nothing.
    pub from: Option<String>,
    /// `None` where there is nothing any more.
    pub to: Option<String>,
}

impl Difference {
    /// `+`, `-` or `~`, and what it was and is.
    pub fn line(&self) -> String {
        match (&self.from, &self.to) {
            (None, Some(to)) => format!("+ {} = {to}", self.path),
            (Some(from), None) => format!("- {} (was {from})", self.path),
            (from, to) => {
                let word = |word: &Option<String>| word.clone().unwrap_or_default();
                format!("~ {}: {} -> {}", self.path, word(from), word(to))
            }
        }
    }
}

/// Every difference, in the order of the paths. The version does not count.
pub fn differences(old: Option<&Config>, new: &Config) -> Vec<Difference> {
    let (old, new) = (old.map(settings).unwrap_or_default(), settings(new));
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |path: &String| Difference {
        path: path.clone(),
        from: old.get(path).cloned(),
        to: new.get(path).cloned(),
    };
    let all = paths.into_iter().map(difference);
    all.filter(|difference| difference.from != difference.to).collect()
}

type Settings = BTreeMap<String, String>;

fn settings(config: &Config) -> Settings {
    let mut all = Settings::new();
    let mut put = |prefix: String, settings: Vec<(&str, String)>| {
        all.extend(settings.into_iter().map(|(key, value)| (format!("{prefix}.{key}"), value)));
    };
    for (kind, config) in &config.kinds {
        put(format!("kinds.{kind}"), of_kind(config));
    }
    for (gate, config) in &config.gates {
        put(format!("gates.{gate}"), of_gate(config));
        for policy in &config.closes_on {
            let rule = format!("{} within {}", policy.tasks, spell_duration(policy.within));
            put(format!("gates.{gate}.closes_on"), vec![(policy.cause.as_str(), rule)]);
        }
    }
    for (gate, config) in &config.gates {
        let notes = config.resets.iter().map(|policy| (policy.cause.as_str(), policy.note.clone()));
        put(format!("gates.{gate}.resets"), notes.collect());
    }
    for (sensor, config) in &config.sensors {
        put(format!("sensors.{sensor}"), sensors::settings(config));
    }
    if let Some(payer) = &config.payer {
        put("payer".to_owned(), of_payer(payer));
    }
    for (kind, budget) in &config.budgets {
        put(format!("budgets.{kind}"), of_budget(budget));
    }
    for (model, price) in &config.prices {
        put(format!("prices.{model:?}"), models::of_price(price));
    }
    let providers = config.providers.iter();
    all.extend(providers.flat_map(|(name, provider)| providers::settings(name, provider)));
    all
}

fn of_kind(kind: &KindConfig) -> Vec<(&'static str, String)> {
    let mut settings = of_handler(&kind.handler);
    settings.extend([
        ("needs", list(&kind.needs)),
        ("attempts", kind.attempts_max.to_string()),
        ("rest", spell_duration(kind.rest)),
        ("rest_max", spell_duration(kind.rest_max)),
        ("concurrency", kind.concurrency.map_or("no limit".to_owned(), |limit| limit.to_string())),
        ("lease", spell_duration(kind.lease)),
        ("timeout", spell_duration(kind.timeout)),
        ("on_unknown", kind.on_unknown.to_string()),
        ("priority", kind.priority.to_string()),
        ("retries.share", spell_permille(kind.retries.share_permille)),
        ("retries.floor", kind.retries.floor.to_string()),
        ("retries.per", spell_duration(kind.retries.per)),
        ("while_closed", kind.while_closed.word().to_owned()),
    ]);
    settings.extend(kind.cost_max.map(|most| ("cost_max", most.to_string())));
    settings
}

fn of_handler(handler: &Handler) -> Vec<(&'static str, String)> {
    match handler {
        Handler::Service { name } => vec![("handler.service", name.to_string())],
        Handler::JsonService { name } => {
            vec![("handler.service", name.to_string()), ("handler.format", "json".to_owned())]
        }
        Handler::Exec(exec) => {
            let mut settings = vec![
                ("handler.exec.command", format!("{:?}", exec.command)),
                ("handler.exec.env", list(&exec.env)),
                ("handler.exec.output", exec.output.word().to_owned()),
                ("handler.exec.output_max", exec.output_max.to_string()),
            ];
            settings.extend(exec.dir.clone().map(|dir| ("handler.exec.dir", dir)));
            settings
        }
        Handler::Anthropic(config) => models::of_handler(config),
    }
}

fn of_budget(budget: &Budget) -> Vec<(&'static str, String)> {
    let limit = |sats: Option<domain::Sats>| sats.map(|sats| sats.get().to_string());
    let dollars = |limit: Option<domain::MicroUsd>| limit.map(|limit| limit.to_string());
    let set = [
        ("sats_day", limit(budget.day)),
        ("sats_total", limit(budget.total)),
        ("usd_day", dollars(budget.usd_day)),
        ("usd_total", dollars(budget.usd_total)),
    ];
    set.into_iter().filter_map(|(key, limit)| Some((key, limit?))).collect()
}

fn of_gate(gate: &GateConfig) -> Vec<(&'static str, String)> {
    vec![
        ("about", format!("{:?}", gate.about)),
        ("remedy", format!("{:?}", gate.remedy)),
        ("drain_max", gate.drain_max.map_or("no limit".to_owned(), |max| max.to_string())),
    ]
}

fn of_payer(payer: &PayerConfig) -> Vec<(&'static str, String)> {
    vec![
        ("network", payer.network.clone()),
        ("inbox_url", payer.inbox_url.clone()),
        ("relay_url", payer.relay_url.clone()),
        ("stacks_url", payer.stacks_url.clone()),
        ("amount_max_sats", payer.amount_max.get().to_string()),
        ("in_flight", payer.in_flight.to_string()),
        ("unconfirmed_after", spell_duration(payer.unconfirmed_after)),
        ("unresolved_after", spell_duration(payer.unresolved_after)),
        ("ask_every", spell_duration(payer.ask_every)),
        ("depth", payer.depth.to_string()),
    ]
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(", "))
}
