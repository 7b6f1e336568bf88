//! Files, a record, a provider and dispatchers, one step at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    CredentialConfig, CredentialRecord, CredentialSource, CredentialStanding, CredentialUse, Epoch,
    Fingerprint, ProviderConfig, ProviderName, Refusal, Scheme, Timestamp,
};
use logic::credential::{Choice, Effect, Found, Loan, Refused, Ring, Seen, Told};
use proptest::prelude::*;

/// The last one lies in the last place and nowhere else.
pub(crate) const SECRETS: usize = 4;
/// The second expires, at this time.
const EXPIRING: (usize, u64) = (1, 9_000_000);

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The dispatcher does its next step; idle, it begins a call.
    Go(usize),
    Kill(usize),
    Put {
        slot: usize,
        secret: usize,
    },
    /// The file in the first place is gone.
    Lose,
    Allow(usize),
    OpenGate,
    /// Its next write of a refusal fails.
    FailWrite(usize),
    FailNothing,
    Crash(usize),
    /// Seconds.
    Pass(u64),
}

#[derive(Clone, Debug)]
enum Doing {
    Looking,
    Choosing,
    Confirming(Fingerprint),
    Calling(Loan),
    Storing(Vec<Effect>),
}

struct Dispatcher {
    ring: Ring,
    doing: Doing,
    confirmed: BTreeSet<Fingerprint>,
    tried: BTreeMap<Fingerprint, Refusal>,
    /// What was refused to it and may not be on record: under which record and epoch.
    refused_here: BTreeMap<Fingerprint, (u64, Epoch)>,
    /// What it read last of each secret, and the opening that it knew of.
    read: BTreeMap<Fingerprint, Option<CredentialRecord>>,
    opening: Epoch,
    lies: [Option<usize>; 2],
    fails: bool,
    warned: BTreeSet<Fingerprint>,
}

pub(crate) struct World {
    now: Timestamp,
    files: [Option<usize>; 2],
    dead: BTreeSet<usize>,
    records: BTreeMap<Fingerprint, (u64, CredentialRecord)>,
    seq: u64,
    epoch: Epoch,
    opening: Epoch,
    dispatchers: Vec<Dispatcher>,
    told: BTreeSet<(Fingerprint, Epoch)>,
    pub(crate) calls_with_dead: usize,
    pub(crate) answered: usize,
    pub(crate) ended_without_answer: usize,
    /// Which secret served, answer by answer.
    pub(crate) served: Vec<usize>,
}

fn provider() -> ProviderName {
    "anthropic".parse().unwrap()
}

fn print(secret: usize) -> Fingerprint {
    Fingerprint::of("anthropic", &secret.to_string())
}

fn secret_of(fingerprint: Fingerprint) -> usize {
    (0..SECRETS).find(|secret| print(*secret) == fingerprint).unwrap()
}

fn config() -> ProviderConfig {
    let credential = |name: &str| CredentialConfig {
        name: name.parse().unwrap(),
        source: CredentialSource::Env { variable: name.to_owned() },
        scheme: Scheme::ApiKey,
        refresh: None,
    };
    ProviderConfig {
        gate: "anthropic".parse().unwrap(),
        url: String::new(),
        margin: Duration::from_secs(60),
        warn: Duration::from_secs(7_200),
        credentials: vec![credential("first"), credential("last")],
    }
}

impl Dispatcher {
    fn new() -> Self {
        Dispatcher {
            ring: Ring::new(provider(), &config()),
            doing: Doing::Looking,
            confirmed: BTreeSet::new(),
            tried: BTreeMap::new(),
            refused_here: BTreeMap::new(),
            read: BTreeMap::new(),
            opening: Epoch::default(),
            lies: [None; 2],
            fails: false,
            warned: BTreeSet::new(),
        }
    }

    /// Whether what it read last of a secret is a refusal that stands.
    fn knows_refused(&self, fingerprint: Fingerprint) -> bool {
        let read = self.read.get(&fingerprint).and_then(|record| record.as_ref());
        read.is_some_and(|record| match record.standing {
            CredentialStanding::Refused { epoch, .. } => self.opening <= epoch,
            CredentialStanding::Allowed { .. } => false,
        })
    }
}

impl World {
    pub(crate) fn new(dispatchers: usize) -> Self {
        World {
            now: Timestamp::from_millis(1_000_000),
            files: [Some(0), Some(SECRETS - 1)],
            dead: BTreeSet::new(),
            records: BTreeMap::new(),
            seq: 0,
            epoch: Epoch::FIRST,
            opening: Epoch::FIRST,
            dispatchers: (0..dispatchers).map(|_| Dispatcher::new()).collect(),
            told: BTreeSet::new(),
            calls_with_dead: 0,
            answered: 0,
            ended_without_answer: 0,
            served: Vec::new(),
        }
    }

    pub(crate) fn under_way(&self, who: usize) -> bool {
        matches!(self.dispatchers[who].doing, Doing::Calling(_))
    }

    pub(crate) fn refusals_told(&self) -> usize {
        self.told.len()
    }

    pub(crate) fn act(&mut self, act: Act) -> Result<(), TestCaseError> {
        match act {
            Act::Go(who) => return self.go(who),
            Act::Kill(secret) => drop(self.dead.insert(secret)),
            Act::Put { slot, secret } => self.files[slot] = Some(secret),
            Act::Lose => self.files[0] = None,
            Act::Allow(secret) => {
                let standing = CredentialStanding::Allowed { note: "mended".to_owned() };
                self.store(print(secret), standing, "ann");
                self.dead.remove(&secret);
            }
            Act::OpenGate => {
                self.epoch = self.epoch.next();
                self.opening = self.epoch;
            }
            Act::FailWrite(who) => self.dispatchers[who].fails = true,
            Act::FailNothing => self.dispatchers.iter_mut().for_each(|it| it.fails = false),
            Act::Crash(who) => self.dispatchers[who] = Dispatcher::new(),
            Act::Pass(seconds) => {
                self.now = self.now.after(Duration::from_secs(seconds));
                for who in 0..self.dispatchers.len() {
                    let effects = self.dispatchers[who].ring.due(self.now);
                    self.obey(who, effects)?;
                }
            }
        }
        Ok(())
    }

    fn go(&mut self, who: usize) -> Result<(), TestCaseError> {
        let (now, epoch, opening) = (self.now, self.epoch, self.opening);
        let it = &mut self.dispatchers[who];
        match it.doing.clone() {
            Doing::Looking => {
                let mut effects = Vec::new();
                for (slot, file) in self.files.iter().enumerate() {
                    it.lies[slot] = *file;
                    effects.extend(it.ring.on_found(slot, found(*file), now));
                }
                it.doing = Doing::Choosing;
                self.obey(who, effects)
            }
            Doing::Choosing => {
                it.opening = opening;
                it.ring.on_opening(opening);
                let choice = it.ring.choose(now, epoch, &it.confirmed, &it.tried);
                self.chosen(who, choice)
            }
            Doing::Confirming(fingerprint) => {
                it.confirmed.insert(fingerprint);
                it.doing = Doing::Choosing;
                self.read(who, fingerprint)
            }
            Doing::Calling(loan) => {
                let secret = secret_of(loan.used.fingerprint);
                if !self.dead.contains(&secret) {
                    self.answered += 1;
                    self.served.push(secret);
                    return self.end(who);
                }
                self.calls_with_dead += 1;
                it.tried.insert(loan.used.fingerprint, Refusal::Expired);
                it.refused_here.insert(loan.used.fingerprint, (loan.seq, loan.epoch));
                it.confirmed.clear();
                let (evidence, by) = ("401".to_owned(), who.to_string());
                let refused = Refused { why: Refusal::Expired, evidence, by, at: now };
                it.doing = Doing::Storing(it.ring.on_refused(&loan, refused));
                Ok(())
            }
            Doing::Storing(effects) => {
                it.doing = Doing::Looking;
                self.obey(who, effects)
            }
        }
    }

    fn read(&mut self, who: usize, fingerprint: Fingerprint) -> Result<(), TestCaseError> {
        let it = &mut self.dispatchers[who];
        let record = self.records.get(&fingerprint).cloned();
        it.read.insert(fingerprint, record.clone().map(|(_, record)| record));
        let seq = record.as_ref().map_or(0, |(seq, _)| *seq);
        it.refused_here.retain(|print, (last, _)| *print != fingerprint || seq <= *last);
        let effects = it.ring.on_record(fingerprint, record, self.now);
        self.obey(who, effects)
    }

    fn chosen(&mut self, who: usize, choice: Choice) -> Result<(), TestCaseError> {
        let it = &mut self.dispatchers[who];
        match choice {
            Choice::Confirm { fingerprint } => it.doing = Doing::Confirming(fingerprint),
            Choice::Lend(loan) => {
                let print = loan.used.fingerprint;
                prop_assert!(it.confirmed.contains(&print), "lent without asking for the record");
                prop_assert!(!it.knows_refused(print), "lent though it was read to be refused");
                prop_assert!(!it.tried.contains_key(&print), "tried twice in one call");
                let here = it.refused_here.get(&print);
                let remembered = here.is_some_and(|(_, epoch)| it.opening <= *epoch);
                prop_assert!(!remembered, "lent though it was refused here, and nobody allowed it");
                if loan.slot == 1
                    && let Some(first) = it.lies[0]
                {
                    let first_print = self::print(first);
                    let left = first == EXPIRING.0
                        && EXPIRING.1 <= self.now.after(Duration::from_secs(60)).as_millis();
                    let here = it.refused_here.get(&first_print);
                    let unsaved = it.tried.contains_key(&first_print)
                        || here.is_some_and(|(_, epoch)| it.opening <= *epoch);
                    let passed = it.knows_refused(first_print) || left || unsaved;
                    prop_assert!(passed, "the first serves and the second was lent");
                }
                it.doing = Doing::Calling(loan);
            }
            Choice::Exhausted { cause, evidence } => {
                prop_assert_eq!(cause.as_str(), "anthropic.auth-expired");
                prop_assert!(evidence.contains("first: ") && evidence.contains("last: "));
                self.ended_without_answer += 1;
                return self.end(who);
            }
            Choice::Unreadable { .. } | Choice::Exchange { .. } | Choice::Rerun { .. } => {
                prop_assert!(false, "{choice:?}");
            }
        }
        Ok(())
    }

    fn end(&mut self, who: usize) -> Result<(), TestCaseError> {
        let it = &mut self.dispatchers[who];
        (it.doing, it.confirmed, it.tried) = (Doing::Looking, BTreeSet::new(), BTreeMap::new());
        Ok(())
    }

    fn obey(&mut self, who: usize, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Record { .. } if self.dispatchers[who].fails => {
                    self.dispatchers[who].fails = false;
                }
                Effect::Record { last, record } => {
                    let print = record.used.fingerprint;
                    let newest = self.records.get(&print).map_or(0, |(seq, _)| *seq);
                    let stored = (newest == last)
                        .then(|| self.store(print, record.standing.clone(), &record.by));
                    let it = &mut self.dispatchers[who];
                    if stored.is_some() {
                        it.read.insert(print, Some(record));
                    }
                    let effects = it.ring.on_saved(print, stored);
                    self.obey(who, effects)?;
                    if stored.is_none() {
                        // Somebody else wrote first: what that was is read at once.
                        self.read(who, print)?;
                    }
                }
                Effect::Tell(Told::Refused { record }) => {
                    let CredentialStanding::Refused { epoch, .. } = record.standing else {
                        panic!("{record:?}")
                    };
                    self.told.insert((record.used.fingerprint, epoch));
                }
                Effect::Tell(Told::ExpiresSoon { used, .. }) => {
                    let fresh = self.dispatchers[who].warned.insert(used.fingerprint);
                    prop_assert!(fresh, "warned twice");
                }
                Effect::Tell(_) => (),
                Effect::Exchange { .. } | Effect::Rerun { .. } => {
                    prop_assert!(false, "{effect:?}");
                }
            }
        }
        Ok(())
    }

    fn store(&mut self, print: Fingerprint, standing: CredentialStanding, by: &str) -> u64 {
        self.seq += 1;
        let credential = "first".parse().unwrap();
        let used = CredentialUse { provider: provider(), credential, fingerprint: print };
        let record = CredentialRecord { used, standing, by: by.to_owned(), at: self.now };
        self.records.insert(print, (self.seq, record));
        self.seq
    }
}

fn found(file: Option<usize>) -> Found {
    match file {
        Some(secret) => Found::Secret(Seen {
            fingerprint: print(secret),
            expires: (secret == EXPIRING.0).then_some(Timestamp::from_millis(EXPIRING.1)),
            refresh: None,
        }),
        None => Found::Unreadable("gone".to_owned()),
    }
}
