//! What NATS and the fleet say.

use std::time::Duration;

use bus::Bus;
use domain::{Config, Timestamp, Wallet};
use fleet::store::{self, StoreError};
use kit::Clock;
use serde_json::Value;
use stacks::Address;
use wire::subject;

use super::{Said, told, web};
use crate::{
    apply::{server, streams},
    doctor::{
        DoctorArgs,
        alive::Alive,
        broker::{Broker, Clocks, Disk, Laid, Monitor},
    },
    look::{Pulse, Seen},
    ping,
};

/// A leader answers within milliseconds; a cluster without one does not answer at all.
const WITHIN: Duration = Duration::from_secs(3);
/// The next nonces of all wallets.
const ANY_WALLET: &str = "nonce.>";

/// The configuration in force.
pub(super) async fn in_force(bus: &Bus) -> Said<Config> {
    match tokio::time::timeout(WITHIN, fleet::current_config(bus)).await {
        Ok(read) => read.map(|applied| applied.config).map_err(told),
        Err(_) => Err("the configuration in force cannot be read".to_owned()),
    }
}

pub(super) async fn broker(bus: &Bus, args: &DoctorArgs, config: Option<&Config>) -> Broker {
    let mut broker = Broker {
        server: bus.server(),
        jetstream: server::check(bus, WITHIN).await.map_err(told),
        streams: Vec::new(),
        consumers: Vec::new(),
        leaders: Vec::new(),
        monitors: Vec::new(),
        clock: None,
    };
    if broker.jetstream.is_err() {
        return broker;
    }
    for wanted in streams::streams(0) {
        let differs = bus.compare_stream(&wanted).await.map_err(told);
        if matches!(differs, Ok(Some(_)) | Err(_))
            && let Some(name) = known(&wanted.name)
        {
            broker.leaders.push(ping::ask(bus, name).await.map_err(told));
        }
        broker.streams.push(Laid { name: wanted.name, differs });
    }
    let laid = broker.streams.iter().any(|laid| matches!(laid.differs, Ok(Some(_))));
    for (stream, wanted) in config.filter(|_| laid).map(streams::consumers).unwrap_or_default() {
        let differs = bus.compare_consumer(stream, &wanted).await.map_err(told);
        broker.consumers.push(Laid { name: wanted.durable_name.unwrap_or_default(), differs });
    }
    broker.monitors = monitors(args).await;
    broker.clock = if laid { Some(clocks(bus).await) } else { None };
    broker
}

fn known(name: &str) -> Option<&'static str> {
    let all = [subject::WORK, subject::STATE, subject::RECORD, subject::EVENTS];
    all.into_iter().find(|stream| *stream == name)
}

/// The broker's answer is of some moment between question and answer: the middle of the two.
async fn clocks(bus: &Bus) -> Said<Clocks> {
    let asked = Clock.of_host();
    let shown = bus.time(subject::WORK, subject::GATE_LOG_CONSUMER).await.map_err(told)?;
    let answered = Clock.of_host();
    let host = asked.after(answered.since(asked) / 2);
    Ok(Clocks { broker: Timestamp::from_millis(shown), host })
}

async fn monitors(args: &DoctorArgs) -> Vec<Monitor> {
    let mut monitors = Vec::new();
    for url in args.nats_monitor.iter().map(|url| url.trim().trim_end_matches('/')) {
        let said = web::get(url, "/jsz?config=true").await;
        let said = said.and_then(|answer| disk(&answer.body));
        monitors.push(Monitor { url: url.to_owned(), said });
    }
    monitors
}

/// Reads what `/jsz` says of the disk: `sync_always`, or an interval in nanoseconds.
fn disk(body: &Value) -> Said<Disk> {
    let server_id = body["server_id"].as_str().ok_or("it is no monitoring port of NATS")?;
    let config = body.get("config").ok_or("it tells no configuration of JetStream")?;
    let always = config["sync_always"] == true;
    let every = config["sync_interval"].as_u64().map(Duration::from_nanos);
    let syncs_every = match (always, every) {
        (true, _) => None,
        (false, Some(every)) => Some(every),
        (false, None) => return Err("it does not tell its sync_interval".to_owned()),
    };
    Ok(Disk { server_id: server_id.to_owned(), syncs_every })
}

pub(super) async fn alive(bus: &Bus, config: &Config) -> Said<Alive> {
    let (pulse, gates) = tokio::join!(Pulse::listen(bus), Seen::all(bus, config));
    let (pulse, gates) = (pulse.map_err(told)?, gates.map_err(told)?);
    Ok(Alive { config: config.clone(), pulse, gates, now: Clock.of_host() })
}

/// The wallet that the record wrote last, and `own` if that is another; `None`: there is no
/// record yet.
pub(super) async fn wallets(bus: &Bus, own: Option<Address>) -> Option<Said<Vec<Wallet>>> {
    let mut wallets: Vec<Wallet> = Vec::new();
    let named = own.map(|own| subject::nonce(&own.to_string()));
    for subject in named.iter().map(String::as_str).chain([ANY_WALLET]) {
        match store::read::<Wallet>(bus, subject::RECORD, subject).await {
            Ok(Some(found)) if !wallets.contains(&found.value) => wallets.push(found.value),
            Ok(_) => (),
            Err(StoreError::Bus(error)) if error.is_absent() => return None,
            Err(error) => return Some(Err(told(error))),
        }
    }
    Some(Ok(wallets))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Both ways in which a server tells of its disk are read, and what tells nothing is not
    /// taken for a server that syncs.
    #[test]
    fn disks() {
        let says = |config: Value| disk(&json!({ "server_id": "N1", "config": config }));
        let every = |secs| Some(Duration::from_secs(secs));
        let syncs = |config| says(config).map(|disk| disk.syncs_every);
        assert_eq!(syncs(json!({ "sync_always": true })), Ok(None));
        assert_eq!(syncs(json!({ "sync_interval": 120_000_000_000_u64 })), Ok(every(120)));
        assert!(syncs(json!({})).is_err() && disk(&json!({ "config": {} })).is_err());
    }
}
