use std::{collections::BTreeMap, time::Duration};

use domain::{
    Budget, ClosePolicy, Config, GateConfig, GateName, Kind, KindConfig, MicroUsd, OnUnknown,
    PayerConfig, ResetPolicy, RetryBudget, Sats,
};

use super::{
    DecodeError, Wire, anthropic, at,
    credential::{provider_of, provider_to},
    handler::{handler_of, handler_to},
    millis, parse, parse_all, parse_some, required,
    sensor::{sensor_of, sensor_to, while_closed_of, while_closed_to},
    texts,
};
use crate::{message::AppliedConfig, proto};

impl Wire for AppliedConfig {
    type Proto = proto::Config;

    fn to_proto(&self) -> proto::Config {
        let config = &self.config;
        proto::Config {
            version: config.version,
            schema: self.schema,
            applied_by: self.by.clone(),
            applied_at_ms: self.at.as_millis(),
            note: self.note.clone(),
            kinds: config.kinds.iter().map(|(kind, config)| kind_to(kind, config)).collect(),
            gates: config.gates.iter().map(|(gate, config)| gate_to(gate, config)).collect(),
            sensors: config.sensors.iter().map(|(name, config)| sensor_to(name, config)).collect(),
            payer: config.payer.as_ref().map(payer_to),
            budgets: config.budgets.iter().map(|(kind, budget)| budget_to(kind, budget)).collect(),
            providers: config.providers.iter().map(provider_to).collect(),
            prices: config.prices.iter().map(anthropic::price_to).collect(),
        }
    }

    fn of_proto(applied: proto::Config) -> Result<Self, DecodeError> {
        let config = Config {
            version: applied.version,
            kinds: collect(applied.kinds, kind_of)?,
            gates: collect(applied.gates, gate_of)?,
            sensors: collect(applied.sensors, sensor_of)?,
            payer: applied.payer.map(payer_of),
            budgets: collect(applied.budgets, budget_of)?,
            providers: collect(applied.providers, provider_of)?,
            prices: collect(applied.prices, anthropic::price_of)?,
        };
        Ok(AppliedConfig {
            config,
            schema: applied.schema,
            by: applied.applied_by,
            at: at(applied.applied_at_ms),
            note: applied.note,
        })
    }
}

fn collect<P, K: Ord, V>(
    protos: Vec<P>,
    of: impl Fn(P) -> Result<(K, V), DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    protos.into_iter().map(of).collect()
}

fn kind_to(kind: &Kind, config: &KindConfig) -> proto::KindConfig {
    proto::KindConfig {
        kind: kind.to_string(),
        needs: texts(&config.needs),
        attempts_max: config.attempts_max,
        rest_ms: millis(config.rest),
        rest_max_ms: millis(config.rest_max),
        concurrency: config.concurrency.unwrap_or(0),
        lease_ms: millis(config.lease),
        timeout_ms: millis(config.timeout),
        handler: Some(handler_to(&config.handler)),
        on_unknown: config.on_unknown.word().to_owned(),
        priority: config.priority.to_string(),
        retries: Some(config.retries.to_proto()),
        cost_max_micro_usd: config.cost_max.map(MicroUsd::get),
        while_closed: while_closed_to(config.while_closed),
    }
}

fn kind_of(kind: proto::KindConfig) -> Result<(Kind, KindConfig), DecodeError> {
    let handler = handler_of(required("kinds.handler", kind.handler)?)?;
    // A configuration of before names none: what was so then stays so.
    let on_unknown = parse_some("kinds.on_unknown", &kind.on_unknown)?;
    let config = KindConfig {
        on_unknown: on_unknown.unwrap_or(OnUnknown::of(&handler)),
        handler,
        needs: parse_all("kinds.needs", &kind.needs)?,
        attempts_max: kind.attempts_max,
        rest: Duration::from_millis(kind.rest_ms),
        rest_max: Duration::from_millis(kind.rest_max_ms),
        concurrency: some(kind.concurrency),
        lease: Duration::from_millis(kind.lease_ms),
        timeout: Duration::from_millis(kind.timeout_ms),
        priority: parse_some("kinds.priority", &kind.priority)?.unwrap_or_default(),
        retries: match kind.retries {
            Some(retries) => RetryBudget::of_proto(retries)?,
            None => RetryBudget::DEFAULT,
        },
        cost_max: kind.cost_max_micro_usd.map(MicroUsd::new),
        while_closed: while_closed_of(kind.while_closed)?,
    };
    Ok((parse("kinds.kind", &kind.kind)?, config))
}

fn gate_to(gate: &GateName, config: &GateConfig) -> proto::GateConfig {
    let policy = |policy: &ClosePolicy| proto::ClosePolicy {
        cause: policy.cause.to_string(),
        tasks: policy.tasks,
        within_ms: millis(policy.within),
    };
    let reset = |policy: &ResetPolicy| proto::ResetPolicy {
        cause: policy.cause.to_string(),
        note: policy.note.clone(),
    };
    proto::GateConfig {
        gate: gate.to_string(),
        about: config.about.clone(),
        remedy: config.remedy.clone(),
        closes_on: config.closes_on.iter().map(policy).collect(),
        drain_max: config.drain_max.unwrap_or(0),
        resets: config.resets.iter().map(reset).collect(),
    }
}

fn gate_of(gate: proto::GateConfig) -> Result<(GateName, GateConfig), DecodeError> {
    let policy = |policy: proto::ClosePolicy| {
        Ok(ClosePolicy {
            cause: parse("gates.closes_on.cause", &policy.cause)?,
            tasks: policy.tasks,
            within: Duration::from_millis(policy.within_ms),
        })
    };
    let reset = |policy: proto::ResetPolicy| {
        let cause = parse("gates.resets.cause", &policy.cause)?;
        Ok(ResetPolicy { cause, note: policy.note })
    };
    let config = GateConfig {
        about: gate.about,
        remedy: gate.remedy,
        closes_on: gate.closes_on.into_iter().map(policy).collect::<Result<_, DecodeError>>()?,
        drain_max: some(gate.drain_max),
        resets: gate.resets.into_iter().map(reset).collect::<Result<_, DecodeError>>()?,
    };
    Ok((parse("gates.gate", &gate.gate)?, config))
}

fn payer_to(payer: &PayerConfig) -> proto::PayerConfig {
    proto::PayerConfig {
        network: payer.network.clone(),
        inbox_url: payer.inbox_url.clone(),
        relay_url: payer.relay_url.clone(),
        stacks_url: payer.stacks_url.clone(),
        amount_max_sats: payer.amount_max.get(),
        in_flight: payer.in_flight,
        unconfirmed_after_ms: millis(payer.unconfirmed_after),
        unresolved_after_ms: millis(payer.unresolved_after),
        ask_every_ms: millis(payer.ask_every),
        depth: payer.depth,
    }
}

fn payer_of(payer: proto::PayerConfig) -> PayerConfig {
    PayerConfig {
        network: payer.network,
        inbox_url: payer.inbox_url,
        relay_url: payer.relay_url,
        stacks_url: payer.stacks_url,
        amount_max: Sats::new(payer.amount_max_sats),
        in_flight: payer.in_flight,
        unconfirmed_after: Duration::from_millis(payer.unconfirmed_after_ms),
        unresolved_after: Duration::from_millis(payer.unresolved_after_ms),
        ask_every: Duration::from_millis(payer.ask_every_ms),
        depth: payer.depth,
    }
}

fn budget_to(kind: &Kind, budget: &Budget) -> proto::BudgetConfig {
    proto::BudgetConfig {
        kind: kind.to_string(),
        sats_day: budget.day.map(Sats::get),
        sats_total: budget.total.map(Sats::get),
        usd_day_micro_usd: budget.usd_day.map(MicroUsd::get),
        usd_total_micro_usd: budget.usd_total.map(MicroUsd::get),
    }
}

fn budget_of(budget: proto::BudgetConfig) -> Result<(Kind, Budget), DecodeError> {
    let limits = Budget {
        day: budget.sats_day.map(Sats::new),
        total: budget.sats_total.map(Sats::new),
        usd_day: budget.usd_day_micro_usd.map(MicroUsd::new),
        usd_total: budget.usd_total_micro_usd.map(MicroUsd::new),
    };
    Ok((parse("budgets.kind", &budget.kind)?, limits))
}

const fn some(number: u32) -> Option<u32> {
    if number == 0 { None } else { Some(number) }
}
