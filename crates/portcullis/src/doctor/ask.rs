//! Finding out: everything is asked once, bounded in time, and nothing is moved.

mod bus;
mod list;
mod provider;
#[cfg(test)]
mod script;
mod web;

use ::bus::Bus;
use domain::{Config, DirectoryConfig, PayerConfig, Wallet};
use kit::Clock;
use stacks::{Address, Network};

use super::{
    DoctorArgs, Report, alive, broker,
    check::{Area, Check, Said},
    command, outside, wallet,
};
use crate::{file, out::Out, reach};

/// Asks everybody and judges the answers.
///
/// # Errors
///
/// When the file cannot be used, or NATS does not answer and there is no file to go by.
pub(crate) async fn everything(args: &DoctorArgs, out: &Out) -> anyhow::Result<Report> {
    let named = args.file.as_deref().map(|path| file::read(path, out)).transpose()?;
    let reached = reach::bus(&args.bus.nats, "doctor").await;
    let bus = reached.as_ref().ok();
    let in_force = match bus {
        Some(bus) => bus::in_force(bus).await,
        None => Err("NATS does not answer".to_owned()),
    };
    let config = named.as_ref().map(|(config, _)| config).or(in_force.as_ref().ok());
    let (nats, fleet, web) = tokio::join!(
        nats_area(args, &reached, config),
        fleet_area(bus, in_force.as_ref()),
        web_areas(args, bus, config)
    );
    let mut nats = nats;
    if let (Some((wanted, path)), Ok(applied)) = (&named, &in_force) {
        nats.checks.push(agrees(wanted, applied, path));
    }
    let by = match (&named, &in_force) {
        (Some((_, path)), _) => path.clone(),
        (None, Ok(config)) => format!("configuration {}, which is in force", config.version),
        (None, Err(_)) => "no configuration".to_owned(),
    };
    let areas = [nats, fleet].into_iter().chain(web).chain(commands(config)).collect();
    Ok(Report { areas, nats: reached.is_ok(), by })
}

/// Whether what is in force is what the file says.
fn agrees(wanted: &Config, applied: &Config, path: &str) -> Check {
    let differences = crate::apply::differences(Some(applied), wanted);
    let version = applied.version;
    let Some(first) = differences.first() else {
        return Check::ok("in force", format!("configuration {version} says what {path} says"));
    };
    let measured = format!(
        "configuration {version} differs from {path} in {} settings, first {}",
        differences.len(),
        crate::show::line(&first.line(), 120)
    );
    Check::warn("in force", measured, format!("portcullis apply -f {path}"))
}

async fn nats_area(
    args: &DoctorArgs,
    reached: &anyhow::Result<Bus>,
    config: Option<&Config>,
) -> Area {
    let checks = match reached {
        Ok(bus) => broker::judge(&bus::broker(bus, args, config).await),
        Err(error) => vec![Check::fail(
            "server",
            format!("{:#}", error.root_cause()),
            format!(
                "start nats-server, or name it with --nats-url or NATS_URL (now {})",
                args.bus.nats.nats_url
            ),
        )],
    };
    Area { name: "NATS", checks }
}

async fn fleet_area(bus: Option<&Bus>, in_force: Result<&Config, &String>) -> Area {
    let asked = match (bus, in_force) {
        (Some(bus), Ok(config)) => bus::alive(bus, config).await,
        (_, Err(why)) => return unasked("Fleet", why),
        (None, _) => return unasked("Fleet", "NATS does not answer"),
    };
    let checks = match asked {
        Ok(alive) => alive::judge(&alive),
        Err(why) => vec![Check::fail("gates", why, "look at `portcullis ping`")],
    };
    Area { name: "Fleet", checks }
}

fn unasked(name: &'static str, why: &str) -> Area {
    Area { name, checks: vec![Check::not_asked("everything", why, "")] }
}

/// The directories, and whoever the payer deals with.
async fn web_areas(args: &DoctorArgs, bus: Option<&Bus>, config: Option<&Config>) -> Vec<Area> {
    let Some(config) = config else {
        let why = "no configuration says whom to ask";
        let remedy = "name one: portcullis doctor -f portcullis.toml";
        let check = Check::not_asked("everything", why, remedy);
        return vec![Area { name: "Outside", checks: vec![check] }];
    };
    let (directories, lists, providers) =
        tokio::join!(web::directories(config), list::checks(config), provider::checks(config, bus));
    let newest = directories.iter().find_map(newest);
    let mut outside: Vec<Check> = directories.iter().map(outside::directory).collect();
    outside.extend(lists.into_iter().chain(providers));
    let Some((payer, network)) = payer(config) else {
        return vec![Area { name: "Outside", checks: outside }];
    };
    let key = web::key(args, network);
    let records = match bus {
        Some(bus) => bus::wallets(bus, key.address()).await,
        None => None,
    };
    let address = key.address().or_else(|| newest_wallet(records.as_ref()));
    let (asked, account) = tokio::join!(
        web::dealt_with(payer, network, newest),
        web::account(payer, network, address)
    );
    outside.push(outside::inbox(&asked.inbox));
    outside.push(outside::relay(&asked.relay));
    outside.push(outside::chain(&asked.chain));
    let purse = wallet::Purse { network, key, records, address, account, now: Clock.of_host() };
    let wallet = wallet::judge(&purse, payer, config);
    vec![Area { name: "Outside", checks: outside }, Area { name: "Wallet", checks: wallet }]
}

/// The commands of the configuration, if it has any.
fn commands(config: Option<&Config>) -> Option<Area> {
    let here = std::env::current_dir();
    let here = here.as_deref().map_err(|error| error.kind().into());
    let checks = command::checks(config?, here);
    (!checks.is_empty()).then_some(Area { name: "Commands", checks })
}

/// The newest agent that can be greeted.
fn newest(directory: &outside::Directory) -> Option<(Address, String)> {
    let answer = directory.said.as_ref().ok()?;
    let page = outside::page(&answer.body, directory.network).ok()?;
    page.agents.into_iter().next()
}

/// Without a key, the wallet that the record wrote last is looked at.
fn newest_wallet(records: Option<&Said<Vec<Wallet>>>) -> Option<Address> {
    let wallets = records?.as_ref().ok()?;
    wallets.last()?.address.parse().ok()
}

fn payer(config: &Config) -> Option<(&PayerConfig, Network)> {
    let payer = config.payer.as_ref()?;
    Some((payer, payer.network.parse().ok()?))
}

/// The network that a sensor looks for agents of.
fn network_of(directory: &DirectoryConfig) -> Network {
    directory.network.parse().unwrap_or(Network::Mainnet)
}

/// An error as one line.
fn told(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}
