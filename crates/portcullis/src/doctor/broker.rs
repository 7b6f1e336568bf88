//! What Portcullis needs of NATS: a server that is new enough, the streams as `apply` lays
//! them, leaders and copies, and a disk that has what was acknowledged.

use std::time::Duration;

use bus::Server;
use domain::Timestamp;

use super::check::{Check, Said};
use crate::{ping::Standing, show::lasts};

/// What was found out about NATS.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) server: Server,
    /// What it lacks, in the words of the check that `apply` makes too.
    pub(crate) jetstream: Said<()>,
    /// Empty without JetStream.
    pub(crate) streams: Vec<Laid>,
    pub(crate) consumers: Vec<Laid>,
    pub(crate) leaders: Vec<Said<Standing>>,
    /// One for each address given.
    pub(crate) monitors: Vec<Monitor>,
    /// `None` before the first apply: there is nothing yet that the time could be asked of.
    pub(crate) clock: Option<Said<Clocks>>,
}

/// A stream or consumer, and how it differs from what `apply` would lay.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    pub(crate) name: String,
    /// `Ok(None)`: it is not there.
    pub(crate) differs: Said<Option<Vec<String>>>,
}

/// What the monitoring port of one server says of its JetStream.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) url: String,
    pub(crate) said: Said<Disk>,
}

/// How a server writes to its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) server_id: String,
    /// `None`: before each acknowledgement.
    pub(crate) syncs_every: Option<Duration>,
}

/// Two clocks, read at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) broker: Timestamp,
    pub(crate) host: Timestamp,
}

/// The oldest server with what the fence and the atomic batches rest on.
const VERSION_MIN: (u64, u64) = (2, 12);
/// As the services judge their own host.
const CLOCK_WRONG_FROM: Duration = Duration::from_secs(5);
const APPLY: &str = "portcullis apply -f portcullis.toml";

pub(crate) fn judge(broker: &Broker) -> Vec<Check> {
    let mut checks = vec![server(&broker.server), jetstream(&broker.jetstream)];
    if broker.jetstream.is_err() {
        let others = ["streams", "consumers", "leaders", "durability", "clock"];
        let skipped = |name| Check::not_asked(name, "JetStream does not answer", "");
        checks.extend(others.map(skipped));
        return checks;
    }
    let streams = laid("streams", &broker.streams);
    let bare = broker.streams.iter().all(|laid| matches!(laid.differs, Ok(None)));
    checks.push(streams);
    checks.push(match bare {
        true => Check::not_asked("consumers", "there are no streams yet", ""),
        false if broker.consumers.is_empty() => {
            Check::not_asked("consumers", "no configuration says which", "")
        }
        false => laid("consumers", &broker.consumers),
    });
    checks.push(leaders(&broker.leaders, broker.server.cluster.is_some()));
    checks.push(durability(broker));
    checks.push(clock(broker.clock.as_ref()));
    checks
}

fn server(server: &Server) -> Check {
    let Server { name, version, cluster, .. } = server;
    let stands = match cluster {
        Some(cluster) => format!("in cluster {cluster}"),
        None => "alone".to_owned(),
    };
    let measured = format!("nats-server {version} ({}, {stands})", short(name));
    match number(version) {
        Some(found) if found < VERSION_MIN => {
            Check::fail("server", measured, "run nats-server 2.12 or newer")
        }
        Some(_) => Check::ok("server", measured),
        None => Check::warn("server", measured, "see that it is nats-server 2.12 or newer"),
    }
}

/// A server without a name of its own is called by its id, of which the start will do.
fn short(name: &str) -> String {
    if name.len() < 40 { name.to_owned() } else { name.chars().take(8).collect() }
}

/// Major and minor.
fn number(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn jetstream(said: &Said<()>) -> Check {
    match said {
        Ok(()) => Check::ok("jetstream", "on, and has a leader"),
        Err(why) => Check::fail(
            "jetstream",
            why.clone(),
            "start nats-server with `-js` (deploy/nats.conf), and enough of its cluster; \
             then ask `portcullis ping`",
        ),
    }
}

fn laid(name: &'static str, all: &[Laid]) -> Check {
    let missing = all.iter().filter(|laid| matches!(laid.differs, Ok(None)));
    let missing: Vec<&str> = missing.map(|laid| laid.name.as_str()).collect();
    let silent =
        |laid: &Laid| laid.differs.as_ref().err().map(|why| format!("{}: {why}", laid.name));
    let silent: Vec<String> = all.iter().filter_map(silent).collect();
    let other = |laid: &Laid| match &laid.differs {
        Ok(Some(lines)) if !lines.is_empty() => {
            Some(format!("{}: {}", laid.name, lines.join("; ")))
        }
        _ => None,
    };
    let other: Vec<String> = all.iter().filter_map(other).collect();
    let names = || all.iter().map(|laid| laid.name.as_str()).collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        Check::fail(name, format!("not there: {}", missing.join(", ")), format!("run `{APPLY}`"))
    } else if !silent.is_empty() {
        let remedy = "if the server answers, the credentials may lack the right to ask: \
                      $JS.API.STREAM.INFO.*, $JS.API.CONSUMER.INFO.>";
        Check::fail(name, silent.join("; "), remedy)
    } else if !other.is_empty() {
        let remedy = format!("`{APPLY} --dry-run` shows what would change; then apply");
        Check::fail(name, format!("not as apply lays them: {}", other.join("; ")), remedy)
    } else {
        Check::ok(name, format!("as apply lays them: {}", names()))
    }
}

fn leaders(said: &[Said<Standing>], clustered: bool) -> Check {
    if let Some(why) = said.iter().find_map(|said| said.as_ref().err()) {
        return Check::fail("leaders", why.clone(), "look at `portcullis ping`");
    }
    let there = || said.iter().flatten().filter(|it| it.stands != "absent");
    let lost: Vec<&str> = there().filter(|it| it.stands != "led").map(|it| it.stream).collect();
    if !lost.is_empty() {
        let remedy = "start the NATS servers that are down: a stream needs most of its copies";
        return Check::fail("leaders", format!("no leader for {}", lost.join(", ")), remedy);
    }
    let behind = there().filter(|it| !it.behind.is_empty());
    let behind: Vec<String> =
        behind.map(|it| format!("{} on {}", it.stream, it.behind.join(", "))).collect();
    if !behind.is_empty() {
        let remedy = "look whether those NATS servers run, and wait until they have caught up";
        return Check::warn("leaders", format!("copies lag: {}", behind.join("; ")), remedy);
    }
    let Some(copies) = there().map(|it| it.copies).min() else {
        return Check::not_asked("leaders", "there are no streams yet", "");
    };
    let leader = there().find_map(|it| it.leader.as_deref()).unwrap_or("one server");
    let measured = match clustered {
        false => "a single server leads every stream, and has the only copy".to_owned(),
        true => format!("every stream is led ({}), with {copies} copies", short(leader)),
    };
    if clustered && copies < 3 {
        let remedy = format!("in a cluster keep three: `{APPLY} --replicas 3`");
        return Check::warn("leaders", measured, remedy);
    }
    Check::ok("leaders", measured)
}

const SYNC: &str = "set `sync_interval: always` under `jetstream` in nats.conf (deploy/nats.conf \
                    has it) and restart the server";
const ASK_IT: &str = "give each server `http: 127.0.0.1:8222` and ask with --nats-monitor \
                      http://127.0.0.1:8222, or look into nats.conf for `sync_interval: always`";

/// The default acknowledges up to two minutes before anything is on the disk: a power cut then
/// takes records of payments along.
fn durability(broker: &Broker) -> Check {
    if broker.monitors.is_empty() {
        let why = "NATS tells clients nothing of it; only its monitoring port does";
        return Check::not_asked("durability", why, ASK_IT);
    }
    let (mut lazy, mut silent, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for Monitor { url, said } in &broker.monitors {
        match said {
            Ok(Disk { syncs_every: Some(time), .. }) => {
                lazy.push(format!("{url} syncs each {}", lasts(*time)));
            }
            Ok(disk) => seen.push(disk.server_id.as_str()),
            Err(why) => silent.push(format!("{url}: {why}")),
        }
    }
    if !lazy.is_empty() {
        return Check::fail("durability", lazy.join("; "), SYNC);
    }
    if !silent.is_empty() {
        return Check::fail("durability", silent.join("; "), ASK_IT);
    }
    if !seen.contains(&broker.server.id.as_str()) {
        let why = "none of these is the monitoring port of the server that answers here";
        let clustered = broker.server.cluster.is_some();
        let remedy = "name the monitoring port of every server of the cluster";
        return match clustered {
            true => Check::warn("durability", why, remedy),
            false => Check::fail("durability", why, ASK_IT),
        };
    }
    Check::ok("durability", format!("sync_interval: always, on {} of the servers", seen.len()))
}

fn clock(said: Option<&Said<Clocks>>) -> Check {
    let clocks = match said {
        None => {
            return Check::not_asked("clock", "the time is asked of a stream, once applied", "");
        }
        Some(Err(why)) => {
            return Check::warn("clock", why.clone(), "look at `portcullis ping`");
        }
        Some(Ok(clocks)) => clocks,
    };
    let (ahead, behind) = (clocks.host.since(clocks.broker), clocks.broker.since(clocks.host));
    let (off, side) = if behind < ahead { (ahead, "ahead of") } else { (behind, "behind") };
    if CLOCK_WRONG_FROM < off {
        let measured = format!("this host's clock is {} {side} the broker's", lasts(off));
        let remedy = "set both by NTP; the fleet goes by the broker's, days of caps included";
        return Check::warn("clock", measured, remedy);
    }
    Check::ok("clock", format!("this host's is {} ms {side} the broker's", off.as_millis()))
}

#[cfg(test)]
mod tests;
