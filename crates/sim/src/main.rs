//! Runs seeds, and says what they came to.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sim::{Mutant, Plan, Ran, run};

const USAGE: &str = "sim [--seeds 1000] [--from 1] [--steps 6000] [--jobs 1]   runs seeds
sim --seed 7 [--steps 6000] [--mutant NAME] [--log]      runs one, and shows its log
sim --mutants [--seeds 400] [--steps 6000]               runs the seeded faults";

/// Lines of the log that are shown of a seed that failed.
const TAIL: usize = 60;

#[derive(Clone, Copy)]
struct Args {
    seeds: u64,
    from: u64,
    steps: u64,
    jobs: u64,
    seed: Option<u64>,
    mutant: Option<Mutant>,
    log: bool,
    mutants: bool,
}

/// What many seeds came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    time: u64,
    tally: BTreeMap<&'static str, u64>,
    failed: Vec<(u64, Ran)>,
}

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(wrong) => {
            writeln!(out, "{wrong}\n{USAGE}")?;
            return Ok(ExitCode::from(2));
        }
    };
    match args.seed {
        Some(seed) => one(&mut out, &args, seed),
        None if args.mutants => mutants(&mut out, &args),
        None => many(&mut out, &args),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args {
        seeds: 1_000,
        from: 1,
        steps: 6_000,
        jobs: 1,
        seed: None,
        mutant: None,
        log: false,
        mutants: false,
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse::<u64>().map_err(|_| format!("{text} is no number"))
        };
        match word.as_str() {
            "--seeds" => args.seeds = number()?,
            "--from" => args.from = number()?,
            "--steps" => args.steps = number()?,
            "--jobs" => args.jobs = number()?.max(1),
            "--seed" => args.seed = Some(number()?),
            "--log" => args.log = true,
            "--mutants" => args.mutants = true,
            "--mutant" => {
                let name = words.next().unwrap_or_default();
                let named = |mutant: &Mutant| format!("{mutant:?}") == name;
                let found = Mutant::ALL.into_iter().find(named);
                args.mutant = Some(found.ok_or_else(|| format!("no mutant {name:?}"))?);
            }
            _ => return Err(format!("what is {word}?")),
        }
    }
    Ok(args)
}

fn one(out: &mut impl Write, args: &Args, seed: u64) -> io::Result<ExitCode> {
    let plan = Plan { seed, steps: args.steps, mutant: args.mutant, log: true };
    let ran = run(&plan);
    let skipped = if args.log { 0 } else { ran.log.len().saturating_sub(TAIL) };
    for line in ran.log.iter().skip(skipped) {
        writeln!(out, "{line}")?;
    }
    table(out, &ran.tally)?;
    writeln!(out, "seed {seed}: {} steps, {} s of virtual time", ran.steps, ran.time / 1_000)?;
    match ran.broken {
        Some(broken) => {
            writeln!(out, "{} is broken: {}", broken.promise, broken.what)?;
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn many(out: &mut impl Write, args: &Args) -> io::Result<ExitCode> {
    let begun = clock();
    let sum = Mutex::new(Sum::default());
    let next = AtomicU64::new(args.from);
    let end = args.from.saturating_add(args.seeds);
    thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if end <= seed {
                        return;
                    }
                    let plan = Plan { seed, steps: args.steps, mutant: args.mutant, log: false };
                    let ran = run(&plan);
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(seed, ran);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.failed.sort_by_key(|(seed, _)| *seed);
    let time = clock().duration_since(begun);
    table(out, &sum.tally)?;
    let rate = |count: u64| u128::from(count) * 1_000 / time.as_millis().max(1);
    writeln!(
        out,
        "{} seeds, {} steps, {} h of virtual time in {:.1} s: {} steps a second, {} seeds a minute",
        sum.seeds,
        sum.steps,
        sum.time / 3_600_000,
        time.as_secs_f64(),
        rate(sum.steps),
        rate(sum.seeds) * 60,
    )?;
    failures(out, args, &sum)
}

fn failures(out: &mut impl Write, args: &Args, sum: &Sum) -> io::Result<ExitCode> {
    let Some((seed, _)) = sum.failed.first() else {
        writeln!(out, "every promise held")?;
        return Ok(ExitCode::SUCCESS);
    };
    // The same seed does the same again: now with its log.
    let plan = Plan { seed: *seed, steps: args.steps, mutant: args.mutant, log: true };
    let log = run(&plan).log;
    for line in log.iter().skip(log.len().saturating_sub(TAIL)) {
        writeln!(out, "{line}")?;
    }
    for (seed, ran) in &sum.failed {
        let Some(broken) = &ran.broken else { continue };
        writeln!(out, "seed {seed}: {} is broken: {}", broken.promise, broken.what)?;
    }
    let (failed, steps) = (sum.failed.len(), args.steps);
    writeln!(
        out,
        "{failed} seeds failed; again: cargo run -p sim -- --seed {seed} --steps {steps} --log"
    )?;
    Ok(ExitCode::FAILURE)
}

fn mutants(out: &mut impl Write, args: &Args) -> io::Result<ExitCode> {
    let mut missed = 0;
    writeln!(out, "{:<50} {:<9} {:<7} what was seen", "seeded fault", "caught by", "seeds")?;
    for mutant in Mutant::ALL {
        let caught = (args.from..args.from + args.seeds).find_map(|seed| {
            let plan = Plan { seed, steps: args.steps, mutant: Some(mutant), log: false };
            Some((seed, run(&plan).broken?))
        });
        match caught {
            Some((seed, broken)) => {
                let seeds = seed + 1 - args.from;
                let what: String = broken.what.chars().take(70).collect();
                writeln!(out, "{:<50} {:<9} {seeds:<7} {what}", mutant.told(), broken.promise)?;
            }
            None => {
                missed += 1;
                writeln!(out, "{:<50} {:<9} {}", mutant.told(), "nothing", args.seeds)?;
            }
        }
        out.flush()?;
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(out: &mut impl Write, tally: &BTreeMap<&'static str, u64>) -> io::Result<()> {
    for (what, count) in tally {
        writeln!(out, "{count:>10}  {what}")?;
    }
    Ok(())
}

impl Sum {
    fn add(&mut self, seed: u64, ran: Ran) {
        self.seeds += 1;
        self.steps += ran.steps;
        self.time += ran.time;
        for (what, count) in &ran.tally {
            *self.tally.entry(what).or_insert(0) += count;
        }
        if ran.broken.is_some() {
            self.failed.push((seed, ran));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how fast it goes is measured, and nothing else")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}
