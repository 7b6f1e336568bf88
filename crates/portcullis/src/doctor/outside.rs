//! The services of other people: directory, inbox, relay, Stacks API.
//!
//! Each is asked something harmless. That a relay says it is well proves nothing, and is told
//! so: only a payment shows that it can pay.

use domain::Timestamp;
use serde_json::Value;
use stacks::{Address, Network};

use super::{
    answer::{Answer, good},
    check::{Check, Said},
};
use crate::show::lasts;

/// One directory, its newest agents asked for.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// The sensor that reads it.
    pub(crate) sensor: String,
    pub(crate) url: String,
    pub(crate) network: Network,
    pub(crate) said: Said<Answer>,
}

/// The inbox of the newest agent, asked for one message.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    pub(crate) url: String,
    /// `None`: there is no agent to ask about.
    pub(crate) said: Option<Said<Answer>>,
}

/// What the relay says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) url: String,
    pub(crate) network: Network,
    pub(crate) health: Said<Answer>,
    pub(crate) supported: Said<Answer>,
    /// Only newer relays have it.
    pub(crate) sponsor: Said<Answer>,
}

/// What the Stacks API says of its chain.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) url: String,
    pub(crate) network: Network,
    pub(crate) info: Said<Answer>,
    pub(crate) blocks: Said<Answer>,
    pub(crate) now: Timestamp,
}

/// The rows of a page that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) rows: usize,
    /// Stacks and Bitcoin address, newest first.
    pub(crate) agents: Vec<(Address, String)>,
    /// Sound, and of the other network.
    pub(crate) foreign: usize,
}

/// Reads a page of the directory; rows that make no sense are only counted.
pub(crate) fn page(body: &Value, network: Network) -> Result<Page, String> {
    let rows = body.get("agents").and_then(Value::as_array);
    let rows = rows.ok_or("an answer without a list `agents`")?;
    let mut page = Page { rows: rows.len(), ..Page::default() };
    for row in rows {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let (Some(stacks), Some(bitcoin)) = (text("stxAddress"), text("btcAddress")) else {
            continue;
        };
        match stacks.parse::<Address>() {
            Ok(address) if address.network() == Some(network) => {
                page.agents.push((address, bitcoin.to_owned()));
            }
            Ok(_) => page.foreign += 1,
            Err(_) => (),
        }
    }
    Ok(page)
}

pub(crate) fn directory(directory: &Directory) -> Check {
    let Directory { sensor, url, network, said } = directory;
    let name = format!("directory {sensor}");
    let remedy = format!(
        "ask it yourself: curl '{url}/agents?limit=1'; it is `url` in [sensors.{sensor}.directory]"
    );
    let read = good(said).and_then(|answer| Ok((page(&answer.body, *network)?, answer)));
    let (page, answer) = match read {
        Ok(read) => read,
        Err(why) => return Check::fail(name, format!("{url}: {why}"), remedy),
    };
    let Page { rows, agents, foreign } = page;
    let broken = rows.saturating_sub(agents.len() + foreign);
    let measured = format!("{url}: {} of the {rows} newest agents can be greeted", agents.len());
    if rows == 0 {
        return Check::warn(name, format!("{url}: it lists nobody"), remedy);
    }
    if agents.is_empty() && 0 < foreign {
        let remedy = format!(
            "`network` in [sensors.{sensor}.directory] is {network}: make it the directory's"
        );
        return Check::fail(
            name,
            format!("{measured}; {foreign} are of the other network"),
            remedy,
        );
    }
    if agents.is_empty() {
        let measured = format!("{measured}; none has two sound addresses");
        return Check::fail(name, measured, remedy);
    }
    let more = match (broken, foreign) {
        (0, 0) => String::new(),
        (broken, 0) => format!("; {broken} broken rows are passed over"),
        (broken, foreign) => {
            format!("; {broken} broken and {foreign} foreign rows are passed over")
        }
    };
    Check::ok(name, format!("{measured}{more} ({} ms)", answer.took.as_millis()))
}

pub(crate) fn inbox(inbox: &Inbox) -> Check {
    let url = &inbox.url;
    let Some(said) = &inbox.said else {
        let why = "there is no agent whose messages could be asked for";
        return Check::not_asked("inbox", why, "");
    };
    let terms = "to see its terms: welcome-payer --dry-run <address>";
    match good(said) {
        Ok(answer) if answer.body.pointer("/inbox/messages").is_some_and(Value::is_array) => {
            let took = answer.took.as_millis();
            Check::ok("inbox", format!("{url}: lists messages ({took} ms); {terms}"))
        }
        Ok(answer) => fails(url, &format!("{}, which is no inbox", answer.complaint())),
        Err(why) if matches!(said, Ok(answer) if answer.status == 404 && answer.body["error"].is_string()) =>
        {
            let remedy = "the directory and the inbox disagree about who is registered: are \
                          `url` of the sensor and `inbox_url` of [payer] of the same place?";
            Check::warn("inbox", format!("{url}: {why}"), remedy)
        }
        Err(why) => fails(url, &why),
    }
}

fn fails(url: &str, why: &str) -> Check {
    let remedy =
        "nothing can be paid through it: look whether it is up, and at `inbox_url` in [payer]";
    Check::fail("inbox", format!("{url}: {why}"), remedy)
}

/// Whatever it says informs and proves nothing: in March 2026 it said "ok" all along.
pub(crate) fn relay(relay: &Relay) -> Check {
    let Relay { url, network, .. } = relay;
    let health = match good(&relay.health) {
        Ok(health) => health,
        Err(why) => {
            let remedy = "the inbox settles through it, so nothing would be paid: wait until it \
                          is up, or correct `relay_url` in [payer]";
            return Check::fail("relay", format!("{url}: {why}"), remedy);
        }
    };
    let other = |found: &str| {
        let remedy = format!("`network` in [payer] is {network}: set the relay_url of {network}");
        Check::fail("relay", format!("{url} is a relay of {found}"), remedy)
    };
    if let Some(found) = health.text("/network").filter(|found| *found != network.to_string()) {
        return other(found);
    }
    let kinds = good(&relay.supported).ok().and_then(|it| it.body["kinds"].as_array());
    if let Some(kinds) = kinds {
        let offers = |kind: &Value| kind["scheme"] == "exact" && kind["network"] == network.caip2();
        if !kinds.iter().any(offers) {
            let found: Vec<&str> =
                kinds.iter().filter_map(|kind| kind["network"].as_str()).collect();
            return other(&found.join(", "));
        }
    }
    let version = health.text("/version").unwrap_or("of a version it does not tell");
    let status = health.text("/status").unwrap_or("nothing of its state");
    let measured = format!("{url}, {version}, {network}, says {status}");
    match complaints(health, good(&relay.sponsor).ok()) {
        None => {
            Check::ok("relay", format!("{measured} (informs, proves nothing: only a payment does)"))
        }
        Some(why) => {
            let remedy = "payments may be refused: a gate closes by itself if they are; ask the \
                          relay's operators, and begin with `cap_day = 1`";
            Check::warn("relay", format!("{measured}; {why}"), remedy)
        }
    }
}

/// What it admits, in whichever of the shapes that its versions have.
fn complaints(health: &Answer, sponsor: Option<&Answer>) -> Option<String> {
    let mut why = Vec::new();
    if health.text("/status").is_some_and(|status| status != "ok") {
        why.push("its health is not ok".to_owned());
    }
    // Between March 12 and 30 the pool was part of its health.
    if health.body.pointer("/nonce/circuitBreakerOpen") == Some(&Value::Bool(true)) {
        why.push("its circuit breaker is open".to_owned());
    }
    if let Some(pool) = health.text("/nonce/poolStatus").filter(|pool| *pool != "healthy") {
        why.push(format!("its nonce pool is {pool}"));
    }
    if let Some(sponsor) = sponsor
        && sponsor.body.get("canSponsor") == Some(&Value::Bool(false))
    {
        let reasons = sponsor.body["reasons"].as_array().into_iter().flatten();
        let reasons: Vec<&str> = reasons.filter_map(Value::as_str).take(5).collect();
        why.push(format!("it cannot sponsor ({})", reasons.join(", ")));
    }
    (!why.is_empty()).then(|| why.join(", "))
}

/// A block that is older is worth a look, or stops all settling.
const TIP_OLD_SECS: u64 = 20 * 60;
const TIP_DEAD_SECS: u64 = 3 * 3_600;

pub(crate) fn chain(chain: &Chain) -> Check {
    let Chain { url, network, .. } = chain;
    let info = match good(&chain.info) {
        Ok(info) => info,
        Err(why) => {
            let remedy = format!(
                "ask it yourself: curl {url}/v2/info; it is `stacks_url` in [payer], and without \
                 it nobody can say what has settled"
            );
            return Check::fail("chain", format!("{url}: {why}"), remedy);
        }
    };
    if let Some(other) = other_chain(info, *network) {
        let remedy = format!("`network` in [payer] is {network}: set the stacks_url of {network}");
        return Check::fail("chain", format!("{url} is of {other}"), remedy);
    }
    let height = info.number("/stacks_tip_height");
    let told = height.map_or("its height is not told".to_owned(), |it| format!("block {it}"));
    let measured = format!("{url}, {network} (chain id {:#x}), {told}", network.chain_id());
    let at = good(&chain.blocks).ok().and_then(|it| it.number("/results/0/block_time"));
    let Some(at) = at.and_then(|at| at.checked_mul(1_000)) else {
        return Check::warn("chain", format!("{measured}, of unknown age"), "look at an explorer");
    };
    let age = chain.now.since(Timestamp::from_millis(at));
    let (measured, remedy) = (
        format!("{measured}, {} old", lasts(age)),
        "look at an explorer whether the chain or only this API stands still; nothing settles \
         meanwhile",
    );
    match age.as_secs() {
        0..=TIP_OLD_SECS => Check::ok("chain", measured),
        secs if secs < TIP_DEAD_SECS => Check::warn("chain", measured, remedy),
        _ => Check::fail("chain", measured, remedy),
    }
}

/// What the API calls its chain, if that is not `network`.
pub(crate) fn other_chain(info: &Answer, network: Network) -> Option<String> {
    let found = info.number("/network_id");
    let told = found.map_or("a chain that it does not name".to_owned(), |id| {
        let known = [Network::Mainnet, Network::Testnet];
        let known = known.into_iter().find(|known| u64::from(known.chain_id()) == id);
        known.map_or(format!("chain {id:#x}"), |known| known.to_string())
    });
    (found != Some(u64::from(network.chain_id()))).then_some(told)
}

#[cfg(test)]
mod tests;
