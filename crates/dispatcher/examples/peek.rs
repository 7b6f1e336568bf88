#![allow(clippy::all, reason="temp")]
use bus::*; use wire::{Wire as _, subject}; use std::time::Duration;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bus = Bus::connect(&Options { servers: std::env::args().nth(3).unwrap_or("nats://127.0.0.1:14998".into()), credentials: None, name: "peek".into(), patience: Duration::from_secs(5) }).await.unwrap();
    let what = std::env::args().nth(1).unwrap(); let filter = std::env::args().nth(2).unwrap_or_default();
    let (stream, subj) = match what.as_str() { "events" => ("EVENTS","event.>"), "record" => ("RECORD",">"), "work" => ("WORK", ">"), _ => ("STATE","state.>") };
    let mut feed = bus.feed(stream, vec![subj.to_string()], FeedStart::All).await.unwrap();
    while let Some(s) = feed.next_within(Duration::from_millis(400)).await.unwrap() {
        let text = match stream { "EVENTS" => String::from_utf8_lossy(&s.body).to_string(), "STATE" => format!("{:?}", domain::TaskState::decode(&s.body)), "RECORD" if s.subject.starts_with("canary") => format!("{:?}", domain::Canary::decode(&s.body)), "RECORD" if s.subject.starts_with("incident") => format!("{:?}", domain::Incident::decode(&s.body)), _ if s.subject.starts_with("gate.") => format!("{:?}", domain::Gate::decode(&s.body)), _ => String::new() };
        let line = format!("{} {} {}", s.seq, s.subject, text);
        if line.contains(&filter) { println!("{line}"); }
    }
    let _ = subject::FENCE;
}
