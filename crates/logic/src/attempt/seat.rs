//! Which seats a claim needs, which of them are free, and what is written.
//!
//! A limit on attempts at once holds for the whole fleet by a [`Row`] of seats, kept beside
//! the chains. A claim and the seats that it takes are written in one atomic batch, each by
//! compare-and-set, both or neither; so two claims never share a seat.
//!
//! | what limits                     | seats in its row                                     |
//! | ------------------------------- | ---------------------------------------------------- |
//! | the kind's `concurrency`        | so many                                              |
//! | a gate needed that is DRAINING  | the pace counted under that very epoch, at most the gate's `drain_max`; 1 while that is not known |
//! | OPEN, and no concurrency        | no row: the claim is written alone                   |
//! | PROBING                         | no row: the canary's record lets one through         |
//!
//! | the seat reads                                      | then it is                       |
//! | --------------------------------------------------- | -------------------------------- |
//! | nothing, or an empty message                        | free                             |
//! | an attempt whose chain reads that attempt, claimed  | taken                            |
//! | ... that attempt, not claimed; or a later one       | free: attempts of a chain only grow, it never comes back |
//! | ... nothing, or an earlier one                      | taken: seat and claim were stored together, so the chain was read from a node that lags |
//! | ... what makes no sense                             | free: nobody can renew or end such a claim |
//! | something that makes no sense                       | taken, until a person has looked |
//!
//! So a seat has no lease and nobody gives it back. Whoever vanished with a claim is taken over
//! as ever, and that link frees the seat.
//!
//! Promise: of the attempts that were claimed under a limit of L, at most L are under way at
//! any moment (G4). Those claimed before the limit came into force, while the gate was OPEN or
//! the limit was higher, have seats beyond it or none: they are stragglers, and come on top.

use std::cmp::Ordering;

use domain::{
    Admission, Config, Epoch, Gate, GateName, GateState, Key, Kind, Phase, Row, Seat, TaskState,
};

/// So many seats of a row are looked at before it counts as full for now. Any fewer than all
/// only makes a claim wait.
pub const LOOKS_MAX: u32 = 32;

/// A row, and how many of its seats may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub row: Row,
    /// Never 0.
    pub seats: u32,
}

/// A seat found free, to be taken by compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeSeat {
    pub row: Row,
    pub number: u32,
    /// The sequence of what it reads; 0 for nothing.
    pub last: u64,
}

/// Looks for one free seat in each row. It says what to read next, and is told what that read.
#[derive(Clone, Debug)]
pub struct Search {
    rows: Vec<Looking>,
}

/// What a search needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Read this seat: [`Search::saw`].
    Seat { row: Row, number: u32 },
    /// Read this task's chain, after the seat: [`Search::saw_chain`].
    Chain { kind: Kind, task: Key },
    /// Write the claim together with all of these. Refused: read and decide again.
    Take(Vec<FreeSeat>),
    /// This row has no free seat now.
    Full(Row),
}

/// What a seat was read to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody, with the sequence that says so; 0 when nothing was ever written.
    Empty(u64),
    Seat(Seat, u64),
    Garbled,
}

/// What the chain of an occupant was read to be.
#[derive(Clone, Copy, Debug)]
pub enum Chain<'a> {
    Absent,
    Link(&'a TaskState),
    Garbled,
}

#[derive(Clone, Debug)]
struct Looking {
    limit: Limit,
    /// Where to begin: not all at the same seat.
    start: u64,
    looked: u32,
    /// Who was read to sit there, with the seat's sequence.
    occupant: Option<(Seat, u64)>,
    /// The sequence of the free seat that it came to.
    found: Option<u64>,
}

/// Every row in which a claim of `kind` needs a seat, when it was `admitted` so.
///
/// `gate` is how a gate stands now, `pace` what was counted for a drain's epoch. `None` when a
/// gate has moved since the admission: decide again.
pub fn limits(
    config: &Config,
    kind: &Kind,
    admitted: &[Admission],
    gate: impl Fn(&GateName) -> Option<Gate>,
    pace: impl Fn(&GateName, Epoch) -> Option<u32>,
) -> Option<Vec<Limit>> {
    let concurrency = config.kinds.get(kind).and_then(|config| config.concurrency);
    let own = |seats: u32| Limit { row: Row::Kind(kind.clone()), seats: seats.max(1) };
    let mut limits: Vec<Limit> = concurrency.map(own).into_iter().collect();
    for Admission { gate: name, epoch, .. } in admitted {
        let gate = gate(name).filter(|gate| gate.epoch == *epoch)?;
        if gate.state == GateState::Draining {
            let most = config.gates.get(name).and_then(|gate| gate.drain_max);
            let pace = pace(name, *epoch).unwrap_or(1).min(most.unwrap_or(u32::MAX));
            limits.push(Limit { row: Row::Gate(name.clone()), seats: pace.max(1) });
        }
    }
    Some(limits)
}

/// Whether `seat` is free while the chain of its task reads so.
pub fn is_free(seat: &Seat, chain: Chain) -> bool {
    match chain {
        Chain::Garbled => true,
        Chain::Absent => false,
        Chain::Link(link) => match link.attempt.cmp(&seat.attempt) {
            Ordering::Less => false,
            Ordering::Equal => !matches!(link.phase, Phase::Claimed(_)),
            Ordering::Greater => true,
        },
    }
}

impl Search {
    /// `start` draws where to begin in a row; any number will do.
    pub fn new(limits: Vec<Limit>, mut start: impl FnMut() -> u64) -> Self {
        let row = |limit| Looking { limit, start: start(), looked: 0, occupant: None, found: None };
        Search { rows: limits.into_iter().map(row).collect() }
    }

    pub fn next(&self) -> Look {
        let Some(row) = self.rows.iter().find(|row| row.found.is_none()) else {
            return Look::Take(self.rows.iter().map(Looking::free_seat).collect());
        };
        if let Some((seat, _)) = &row.occupant {
            return Look::Chain { kind: seat.kind.clone(), task: seat.task };
        }
        let of = row.limit.row.clone();
        if row.looked < row.limit.seats.min(LOOKS_MAX) {
            Look::Seat { row: of, number: row.number() }
        } else {
            Look::Full(of)
        }
    }

    /// What the seat of [`Look::Seat`] was read to be.
    pub fn saw(&mut self, seen: Seen) {
        let Some(row) = self.looking() else { return };
        match seen {
            Seen::Empty(seq) => row.found = Some(seq),
            Seen::Seat(seat, seq) => row.occupant = Some((seat, seq)),
            Seen::Garbled => row.looked += 1,
        }
    }

    /// What the chain of [`Look::Chain`] was read to be.
    pub fn saw_chain(&mut self, chain: Chain) {
        let Some(row) = self.looking() else { return };
        let Some((seat, seq)) = row.occupant.take() else { return };
        if is_free(&seat, chain) {
            row.found = Some(seq);
        } else {
            row.looked += 1;
        }
    }

    fn looking(&mut self) -> Option<&mut Looking> {
        self.rows.iter_mut().find(|row| row.found.is_none())
    }
}

impl Looking {
    fn number(&self) -> u32 {
        let seats = u64::from(self.limit.seats.max(1));
        let number = (self.start % seats + u64::from(self.looked)) % seats;
        u32::try_from(number).unwrap_or(0)
    }

    fn free_seat(&self) -> FreeSeat {
        let (row, last) = (self.limit.row.clone(), self.found.unwrap_or(0));
        FreeSeat { row, number: self.number(), last }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(concurrency: Option<u32>, drain_max: Option<u32>) -> Config {
        let secs = std::time::Duration::from_secs;
        let kind = domain::KindConfig {
            needs: vec!["relay".parse().unwrap()],
            attempts_max: 5,
            rest: secs(10),
            rest_max: secs(60),
            concurrency,
            lease: secs(30),
            timeout: secs(60),
            ..domain::KindConfig::of(domain::Handler::Service { name: "payer".parse().unwrap() })
        };
        Config {
            version: 1,
            kinds: BTreeMap::from([("welcome".parse().unwrap(), kind)]),
            gates: BTreeMap::from([(
                "relay".parse().unwrap(),
                domain::GateConfig { drain_max, ..domain::GateConfig::default() },
            )]),
            sensors: BTreeMap::new(),
            payer: None,
            budgets: Default::default(),
            ..Config::default()
        }
    }

    /// Each limit has its row; a pace counts only under the epoch that it was counted for, a
    /// drain of which nothing is known lets one through, and a gate that has moved decides
    /// nothing.
    #[test]
    fn the_limits_of_a_claim() {
        let relay: GateName = "relay".parse().unwrap();
        let stamp =
            crate::gate::Stamp { now: domain::Timestamp::from_millis(0), prev: 0, remedy: "" };
        let first = crate::gate::first(relay.clone(), "ann", &stamp);
        let check = |concurrency, drain_max, state, pace: Option<(u64, u32)>, expected| {
            let gate = Gate { state, epoch: Epoch::new(4), ..first.clone() };
            let admitted =
                |epoch| [Admission { gate: relay.clone(), epoch: Epoch::new(epoch), seq: 1 }];
            let found = |epoch| {
                let limits = limits(
                    &config(concurrency, drain_max),
                    &"welcome".parse().unwrap(),
                    &admitted(epoch),
                    |_| Some(gate.clone()),
                    |_, at| pace.filter(|pace| pace.0 == at.get()).map(|pace| pace.1),
                );
                limits.map(|limits| {
                    let seats = |limit: Limit| (matches!(limit.row, Row::Kind(_)), limit.seats);
                    limits.into_iter().map(seats).collect::<Vec<_>>()
                })
            };
            assert_eq!(found(4), Some(expected));
            assert_eq!(found(3), None);
        };
        use GateState::{Draining, Open, Probing};
        check(None, None, Open, Some((4, 8)), vec![]);
        check(None, None, Probing, Some((4, 8)), vec![]);
        check(Some(3), None, Open, None, vec![(true, 3)]);
        check(Some(3), None, Probing, None, vec![(true, 3)]);
        check(None, None, Draining, Some((4, 8)), vec![(false, 8)]);
        check(None, None, Draining, Some((2, 8)), vec![(false, 1)]);
        check(None, None, Draining, None, vec![(false, 1)]);
        check(Some(3), Some(2), Draining, Some((4, 8)), vec![(true, 3), (false, 2)]);
    }

    /// A long row is not read to its end, and every number drawn begins inside it.
    #[test]
    fn a_search_ends() {
        let row: Row = Row::Kind("welcome".parse().unwrap());
        let seat = Seat {
            kind: "welcome".parse().unwrap(),
            task: "0".repeat(32).parse().unwrap(),
            attempt: 1,
        };
        for (seats, start, reads) in [(1, u64::MAX, 1), (5, u64::MAX, 5), (u32::MAX, 7, LOOKS_MAX)]
        {
            let mut search = Search::new(vec![Limit { row: row.clone(), seats }], || start);
            let mut numbers = Vec::new();
            while let Look::Seat { number, .. } = search.next() {
                assert!(number < seats);
                numbers.push(number);
                search.saw(if number % 2 == 0 {
                    Seen::Garbled
                } else {
                    Seen::Seat(seat.clone(), 9)
                });
                assert!(is_free(&seat, Chain::Garbled) && !is_free(&seat, Chain::Absent));
                if let Look::Chain { .. } = search.next() {
                    let claim = domain::Claim {
                        holder: "d1".parse().unwrap(),
                        begun: domain::Timestamp::from_millis(0),
                        lease: std::time::Duration::from_secs(1),
                        renewals: 0,
                    };
                    search.saw_chain(Chain::Link(&TaskState {
                        kind: seat.kind.clone(),
                        source_key: "a".parse().unwrap(),
                        at: claim.begun,
                        attempt: 1,
                        charged: 0,
                        cost: domain::Cost::ZERO,
                        admitted: Vec::new(),
                        canary: Vec::new(),
                        task: None,
                        phase: Phase::Claimed(claim),
                        newest: domain::Cost::ZERO,
                        credential: None,
                        resets_at: None,
                    }));
                }
            }
            assert_eq!(search.next(), Look::Full(row.clone()));
            let read = u32::try_from(numbers.len()).unwrap();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!((read, numbers.len()), (reads, usize::try_from(reads).unwrap()));
        }
    }
}
