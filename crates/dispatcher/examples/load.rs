//! Measures a fleet of dispatchers: a service that answers at once, and many tasks for it.
//!
//! ```text
//! load echo <service>                  answers; a task's payload says how
//! load flood <kind> <count> [payload]  creates tasks, prints how fast they complete
//! load trickle <kind> <count>          one at a time, prints how long each takes
//! ```
//!
//! A payload is `ok`, `sleep <millis>`, `fail <cause>`, `garbage` or `silence`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a trial")]

use std::time::Duration;

use bus::{Feed, FeedStart, Question};
use domain::{Cost, Outcome, Task};
use fleet::{Fleet, create, gate_log};
use tokio::task::JoinSet;
use wire::{
    Wire as _,
    event::{AttemptTold, AttemptVerb},
    message::{RunReply, RunRequest},
    subject,
};

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    nats: kit::NatsArgs,
    what: String,
    name: String,
    #[arg(default_value_t = 1)]
    count: usize,
    #[arg(default_value = "ok")]
    payload: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = <Args as clap::Parser>::parse();
    let fleet = Fleet::join(&args.nats, "load").await.unwrap();
    match args.what.as_str() {
        "echo" => echo(&fleet, &args.name).await,
        "flood" => flood(&fleet, &args).await,
        "trickle" => trickle(&fleet, &args).await,
        other => panic!("no such trial: {other}"),
    }
}

async fn echo(fleet: &Fleet, service: &str) {
    let on = subject::service_run(&service.parse().unwrap());
    let mut inbox = fleet.bus.serve(&on, service).await.unwrap();
    let mut answers = JoinSet::new();
    loop {
        let question = inbox.question(&fleet.bus).await.unwrap();
        let request = RunRequest::decode(&question.body).unwrap();
        if request.task.payload != "ok" {
            println!(
                "{} attempt {}: {}",
                request.task.source_key, request.attempt, request.task.payload
            );
        }
        answers.spawn(answer(question, request));
        while answers.try_join_next().is_some() {}
    }
}

async fn answer(question: Question, request: RunRequest) {
    let (verb, rest) = request.task.payload.split_once(' ').unwrap_or((&request.task.payload, ""));
    let mut outcome = Outcome::Completed { effect: "echo".to_owned(), cost: Cost::ZERO };
    match verb {
        "sleep" => kit::Clock.sleep(Duration::from_millis(rest.parse().unwrap())).await,
        "fail" => {
            outcome = Outcome::Failed {
                cause: rest.parse().unwrap(),
                evidence: "as asked".to_owned(),
                retry_after: None,
                cost: Cost::ZERO,
            }
        }
        "garbage" => return question.answer(b"garbage".to_vec()).await,
        "silence" => return,
        _ => (),
    }
    question.answer(RunReply { outcome }.encode()).await;
}

async fn flood(fleet: &Fleet, args: &Args) {
    let mut ends = ends(fleet).await;
    let run = kit::fresh_number();
    let token = gate_log::token(&fleet.bus).await.unwrap();
    let begun = kit::Clock.instant();
    let mut creates = JoinSet::new();
    for number in 0..args.count {
        let task = task(args, run, number);
        let bus = fleet.bus.clone();
        creates.spawn(async move { create::create(&bus, &task, token).await });
        if 64 <= creates.len() {
            creates.join_next().await;
        }
    }
    while creates.join_next().await.is_some() {}
    println!("created {} in {:?}", args.count, begun.elapsed());
    for _ in 0..args.count {
        next_end(&mut ends).await;
    }
    let took = begun.elapsed();
    let rate = args.count * 1_000 / usize::try_from(took.as_millis()).unwrap();
    println!("completed {} in {took:?}: {rate} tasks/s", args.count);
}

async fn trickle(fleet: &Fleet, args: &Args) {
    let mut ends = ends(fleet).await;
    let run = kit::fresh_number();
    let mut times = Vec::new();
    for number in 0..args.count {
        kit::Clock.sleep(Duration::from_millis(100 + u64::try_from(number % 37).unwrap())).await;
        let token = gate_log::token(&fleet.bus).await.unwrap();
        let begun = kit::Clock.instant();
        let created = create::create(&fleet.bus, &task(args, run, number), token).await;
        next_end(&mut ends).await;
        times.push(begun.elapsed());
        assert!(matches!(created, create::Created::Created(_)), "{created:?}");
    }
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("create to completed event: p50 {:?} p90 {:?} max {:?}", at(50), at(90), at(100));
}

fn task(args: &Args, run: u64, number: usize) -> Task {
    Task {
        kind: args.name.parse().unwrap(),
        source_key: format!("load/{run:x}/{number}").parse().unwrap(),
        created_by: "load".to_owned(),
        created_at: kit::Clock.now(),
        contact: None,
        payload: args.payload.clone(),
        not_before: None,
        expires_at: None,
        follows: None,
    }
}

async fn ends(fleet: &Fleet) -> Feed {
    let told = vec!["event.task.completed.>".to_owned()];
    fleet.bus.feed(subject::EVENTS, told, FeedStart::New).await.unwrap()
}

async fn next_end(ends: &mut Feed) {
    let told = AttemptTold::from_json(&ends.next().await.unwrap().body).unwrap();
    assert_eq!(told.verb, AttemptVerb::Completed);
}
