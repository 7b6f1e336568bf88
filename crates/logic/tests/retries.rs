//! The promises of `logic::retries`, over dispatchers that read, ask and write in any order, held
//! against a plain list of when each attempt began.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use domain::{RetriesSpent, RetryBudget, Timestamp};
use logic::retries::{repeat, report, width};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    /// Reads the record.
    Read(usize),
    /// Asks by what it read last, and writes if nobody wrote since.
    Repeat(usize),
    /// A first attempt begins.
    First(usize),
    /// Reports its first attempts, by what it read last.
    Report(usize),
    /// Vanishes, with whatever it had not reported.
    Crash(usize),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0usize..3;
    prop_oneof![
        6 => who().prop_map(Act::Read),
        6 => who().prop_map(Act::Repeat),
        4 => who().prop_map(Act::First),
        1 => who().prop_map(Act::Report),
        1 => who().prop_map(Act::Crash),
        2 => (0u64..400).prop_map(Act::Pass),
        1 => (0u64..4_000).prop_map(Act::Pass),
    ]
}

fn budget() -> impl Strategy<Value = RetryBudget> {
    (0u32..1_001, 1u32..5, 1u64..3_000).prop_map(|(share_permille, floor, per)| RetryBudget {
        share_permille,
        floor,
        per: Duration::from_millis(per),
    })
}

#[derive(Clone, Default)]
struct Dispatcher {
    read: (RetriesSpent, u64),
    unreported: u32,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// However dispatchers interleave and vanish: looking back from any repeated attempt, no
    /// more were repeated within the budget's time than its floor and its share of the first
    /// ones that had been reported within it.
    #[test]
    fn never_more_than_the_budget(
        budget in budget(),
        acts in prop::collection::vec(act(), 0..300),
    ) {
        let (mut record, mut now) = ((RetriesSpent::default(), 0), 1_000_000_u64);
        let mut dispatchers = vec![Dispatcher::default(); 3];
        let (mut repeated, mut first) = (Vec::<u64>::new(), Vec::<(u64, u32)>::new());
        let per = u64::try_from(budget.per.as_millis()).unwrap();
        for act in acts {
            let at = Timestamp::from_millis(now);
            match act {
                Act::Read(who) => dispatchers[who].read = record.clone(),
                Act::First(who) => dispatchers[who].unreported += 1,
                Act::Crash(who) => dispatchers[who] = Dispatcher::default(),
                Act::Pass(millis) => now += millis,
                Act::Report(who) | Act::Repeat(who) => {
                    let Dispatcher { read: (read, seq), unreported } = dispatchers[who].clone();
                    let repeats = matches!(act, Act::Repeat(_));
                    let next = if repeats {
                        repeat(&read, &budget, unreported, at)
                    } else {
                        Ok(report(&read, &budget, unreported, at))
                    };
                    let next = match next {
                        Err(wait) => {
                            prop_assert!(wait <= budget.per + width(&budget));
                            prop_assert!(Duration::ZERO < wait);
                            continue;
                        }
                        Ok(_) if seq != record.1 => continue,
                        Ok(next) => next,
                    };
                    record = (next, seq + 1);
                    dispatchers[who].unreported = 0;
                    first.push((now, unreported));
                    if repeats {
                        repeated.push(now);
                        let since = now - per;
                        let many = repeated.iter().filter(|at| since <= **at).count() as u64;
                        let firsts = first.iter().filter(|(at, _)| since <= *at);
                        let firsts: u64 = firsts.map(|(_, count)| u64::from(*count)).sum();
                        let most =
                            u64::from(budget.floor) + firsts * u64::from(budget.share_permille) / 1_000;
                        prop_assert!(many <= most, "{many} repeated, {most} allowed");
                    }
                    prop_assert!(record.0.slices.len() <= 13, "the record stays small");
                }
            }
        }
    }

    /// Nothing waits for ever: with nothing new, whoever comes back when it was told to goes in
    /// its turn, all of them within as many times as the floor needs for so many.
    #[test]
    fn all_that_wait_go(budget in budget(), waiting in 1usize..60) {
        let (mut record, start) = (RetriesSpent::default(), Timestamp::from_millis(1_000_000));
        let mut queue: Vec<Timestamp> = vec![start; waiting];
        let mut last = start;
        while let Some(at) = queue.iter().copied().min() {
            let place = queue.iter().position(|other| *other == at).unwrap();
            match repeat(&record, &budget, 0, at) {
                Ok(next) => {
                    record = next;
                    queue.swap_remove(place);
                    last = at;
                }
                Err(wait) => queue[place] = at.after(wait),
            }
        }
        let floor = usize::try_from(budget.floor).unwrap();
        let times = u32::try_from(waiting.div_ceil(floor)).unwrap();
        let most = (budget.per + width(&budget) * 2) * times;
        prop_assert!(last.since(start) <= most, "{:?} of {:?}", last.since(start), most);
    }
}

/// A share lets more go the more is begun for the first time, and a clock that is behind the
/// record's newest slice counts on into that.
#[test]
fn counts_what_was_begun() {
    let budget = RetryBudget { share_permille: 200, floor: 1, per: Duration::from_secs(10) };
    let at = Timestamp::from_millis;
    let one = repeat(&RetriesSpent::default(), &budget, 0, at(100_500)).unwrap();
    assert_eq!(repeat(&one, &budget, 4, at(100_600)), Err(Duration::from_millis(10_400)));
    let two = repeat(&one, &budget, 5, at(99_000)).unwrap();
    assert_eq!((two.slices.len(), two.slices[0].first, two.slices[0].repeated), (1, 5, 2));
    assert!(repeat(&two, &budget, 0, at(110_999)).is_err());
    assert!(repeat(&two, &budget, 0, at(111_000)).is_ok());
}
