use std::{collections::BTreeMap, time::Duration};

use crate::{
    AnthropicConfig, Blame, Budget, Cause, ExecConfig, GateName, HttpConfig, Kind, MicroUsd,
    OnUnknown, Price, Priority, ProviderConfig, ProviderName, RetryBudget, RuleBlame, Sats,
    ScheduleConfig, SensorName, ServiceName, WhileClosed,
};

/// The whole configuration, as `portcullis apply` published it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// One more for each apply; the epoch of the gate `_config`.
    pub version: u64,
    pub kinds: BTreeMap<Kind, KindConfig>,
    /// The gates that are named; each kind's own stands in none of this.
    pub gates: BTreeMap<GateName, GateConfig>,
    pub sensors: BTreeMap<SensorName, SensorConfig>,
    pub payer: Option<PayerConfig>,
    /// What each kind may spend; one that is not named has no limit.
    pub budgets: BTreeMap<Kind, Budget>,
    /// Who takes credentials, and where those are found.
    pub providers: BTreeMap<ProviderName, ProviderConfig>,
    /// What language models cost, by their name.
    pub prices: BTreeMap<String, Price>,
}

/// How one kind of work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindConfig {
    pub handler: Handler,
    /// The named gates that must admit; the kind's own comes on top.
    pub needs: Vec<GateName>,
    /// How many attempts may be charged before the task is dead.
    pub attempts_max: u32,
    /// The first delay after a failure of its own; it doubles, jittered, up to `rest_max`.
    pub rest: Duration,
    pub rest_max: Duration,
    /// At most so many attempts at once in the whole fleet; `None` for no limit.
    pub concurrency: Option<u32>,
    /// How long a holder may be silent before another takes over.
    pub lease: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What follows when nobody knows what an attempt did.
    pub on_unknown: OnUnknown,
    pub priority: Priority,
    /// How many attempts may be repeated ones, in the whole fleet.
    pub retries: RetryBudget,
    /// The most that one attempt can cost, where its handler cannot tell by itself.
    pub cost_max: Option<MicroUsd>,
    /// What becomes of a schedule's firings while a gate does not admit.
    pub while_closed: WhileClosed,
}

/// Who does the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// A service on NATS, asked on `svc.<name>.run`.
    Service { name: ServiceName },
    /// The same, spoken to in JSON.
    JsonService { name: ServiceName },
    /// A command on the dispatcher's host.
    Exec(ExecConfig),
    /// Anthropic's Messages API, asked by the dispatcher.
    Anthropic(AnthropicConfig),
}

/// A named gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateConfig {
    /// What it guards, in words.
    pub about: String,
    /// What to look at and do before opening it, for whoever clears it.
    pub remedy: String,
    /// Overrides of the rule set.
    pub closes_on: Vec<ClosePolicy>,
    /// The causes that pass by themselves, at the time that is named with them.
    pub resets: Vec<ResetPolicy>,
    /// The most attempts at once while draining; `None`: doubles until the backlog is gone.
    pub drain_max: Option<u32>,
}

/// How many failures within what window close a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosePolicy {
    pub cause: Cause,
    /// Distinct tasks; 0 for never.
    pub tasks: u32,
    pub within: Duration,
}

/// A cause after which a canary may go at the time that its upstream named, without a person
/// being asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetPolicy {
    pub cause: Cause,
    /// Why that is so, in the words of whoever decided it.
    pub note: String,
}

/// Where work comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorConfig {
    Directory(DirectoryConfig),
    Http(HttpConfig),
    Schedule(ScheduleConfig),
}

/// The AIBTC directory: one task for each new agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryConfig {
    pub kind: Kind,
    /// The base of the API, e.g. `https://aibtc.com/api`.
    pub url: String,
    /// `mainnet` or `testnet`; addresses of the other are skipped.
    pub network: String,
    pub every: Duration,
    /// Tasks created in one cycle, and in one day (UTC), at most.
    pub cap_cycle: u32,
    pub cap_day: u32,
    /// Addresses that are never greeted, our own among them.
    pub exclude: Vec<String>,
    /// The purpose under which contact is recorded, e.g. `welcome`.
    pub purpose: String,
    /// What to say; `{name}` stands for the agent's display name.
    pub message: String,
}

/// The welcome-payer: whom it talks to and what it may spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerConfig {
    /// `mainnet` or `testnet`.
    pub network: String,
    /// The base of the inbox API, e.g. `https://aibtc.com/api`.
    pub inbox_url: String,
    /// The base of the relay, asked about payments; never used to send.
    pub relay_url: String,
    /// The base of the Stacks API.
    pub stacks_url: String,
    /// The most that one payment may cost.
    pub amount_max: Sats,
    /// Payments under way at once, in nonce order.
    pub in_flight: u32,
    /// Accepted but not confirmed for so long is a failure of the relay.
    pub unconfirmed_after: Duration,
    /// In doubt for so long with nobody able to tell closes the wallet.
    pub unresolved_after: Duration,
    /// How often unfinished payments are asked after.
    pub ask_every: Duration,
    /// Blocks on top before the chain's word that a nonce went elsewhere is believed.
    pub depth: u32,
}

impl KindConfig {
    /// A kind of which nothing is said but who does the work: what a file leaves out is this.
    pub const fn of(handler: Handler) -> Self {
        KindConfig {
            on_unknown: OnUnknown::of(&handler),
            handler,
            needs: Vec::new(),
            attempts_max: 5,
            rest: Duration::from_secs(30),
            rest_max: Duration::from_secs(900),
            concurrency: None,
            lease: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            priority: Priority::Normal,
            retries: RetryBudget::DEFAULT,
            cost_max: None,
            while_closed: WhileClosed::Hold,
        }
    }

    /// Whether it is known beforehand what one attempt can cost: else no dollars can be held
    /// for it, and a budget of dollars would be an empty promise (M4).
    pub const fn most_is_known(&self) -> bool {
        match self.handler {
            Handler::Service { .. } | Handler::JsonService { .. } | Handler::Exec(_) => {
                self.cost_max.is_some()
            }
            Handler::Anthropic(_) => true,
        }
    }
}

impl SensorConfig {
    /// The kind of the tasks that it creates.
    pub const fn kind(&self) -> &Kind {
        match self {
            SensorConfig::Directory(DirectoryConfig { kind, .. })
            | SensorConfig::Http(HttpConfig { kind, .. })
            | SensorConfig::Schedule(ScheduleConfig { kind, .. }) => kind,
        }
    }

    /// The time between its cycles; `None` for one that goes by a calendar.
    pub const fn every(&self) -> Option<Duration> {
        match self {
            SensorConfig::Directory(DirectoryConfig { every, .. })
            | SensorConfig::Http(HttpConfig { every, .. }) => Some(*every),
            SensorConfig::Schedule(_) => None,
        }
    }
}

impl Config {
    /// The sensors that look into an AIBTC directory.
    pub fn directories(&self) -> impl Iterator<Item = (&SensorName, &DirectoryConfig)> {
        self.sensors.iter().filter_map(|(name, sensor)| match sensor {
            SensorConfig::Directory(directory) => Some((name, directory)),
            SensorConfig::Http(_) | SensorConfig::Schedule(_) => None,
        })
    }

    /// Every gate that must admit before `kind` may run: its own first, then those it names.
    pub fn needs(&self, kind: &Kind) -> Vec<GateName> {
        let named = self.kinds.get(kind).map(|config| config.needs.clone()).unwrap_or_default();
        std::iter::once(GateName::of_kind(kind)).chain(named).collect()
    }

    /// Every gate there is: the named ones and one for each kind.
    pub fn all_gates(&self) -> Vec<GateName> {
        let own = self.kinds.keys().map(GateName::of_kind);
        self.gates.keys().cloned().chain(own).collect()
    }

    /// The kinds that `gate` holds back when it does not admit.
    pub fn needing(&self, gate: &GateName) -> Vec<Kind> {
        self.kinds.keys().filter(|kind| self.needs(kind).contains(gate)).cloned().collect()
    }

    /// What a person allowed of this gate when it is closed for `cause`.
    pub fn reset(&self, gate: &GateName, cause: &Cause) -> Option<&ResetPolicy> {
        self.gates.get(gate)?.resets.iter().find(|policy| policy.cause == *cause)
    }

    /// Who is to blame when an attempt of `kind` fails for `cause`.
    ///
    /// The configuration's `closes_on` comes before the rule set. A failure shared through a
    /// gate that the kind does not need is its own, since nothing would ever close on it.
    pub fn blame(&self, kind: &Kind, cause: &Cause) -> Blame {
        let needs = self.needs(kind);
        for gate in &needs {
            let policies = self.gates.get(gate).map(|gate| gate.closes_on.as_slice());
            if let Some(policy) =
                policies.unwrap_or_default().iter().find(|policy| policy.cause == *cause)
            {
                let ClosePolicy { tasks, within, .. } = *policy;
                return Blame::Shared { gate: gate.clone(), tasks, within };
            }
        }
        let rule = cause.rule();
        if let Some(RuleBlame::OfKind { tasks, within_secs }) = rule.map(|rule| rule.blame) {
            let (gate, within) = (GateName::of_kind(kind), Duration::from_secs(within_secs));
            return Blame::Shared { gate, tasks, within };
        }
        if let Some(RuleBlame::Provider { tasks, within_secs }) = rule.map(|rule| rule.blame) {
            let provider = cause.provider().and_then(|name| self.providers.get(&name));
            return match provider.filter(|provider| needs.contains(&provider.gate)) {
                Some(ProviderConfig { gate, .. }) => {
                    let within = Duration::from_secs(within_secs);
                    Blame::Shared { gate: gate.clone(), tasks, within }
                }
                None => Blame::Own,
            };
        }
        match rule.map(|rule| rule.blame()) {
            Some(Blame::Shared { gate, .. }) if !needs.contains(&gate) => Blame::Own,
            Some(blame) => blame,
            None => Blame::Own,
        }
    }
}
