use std::{collections::BTreeMap, time::Duration};

use domain::{Handler, KindConfig};
use logic::sensor::{Cycle, Found, Reason, Seen};
use serde_json::Value;

use super::*;

const STX: &str = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";
const BTC: &str = "bc1q0lylxhl4upwwy77vv6j6fkkhswexz2p20xws7u";

/// A configuration with one sensor, changed by `change`.
fn settings(change: impl FnOnce(&mut DirectoryConfig)) -> Result<Settings, SettingsError> {
    let kind: Kind = "welcome".parse().unwrap();
    let minute = Duration::from_secs(60);
    let work = KindConfig {
        needs: Vec::new(),
        attempts_max: 3,
        rest: minute,
        rest_max: minute,
        concurrency: None,
        lease: minute,
        timeout: minute,
        ..KindConfig::of(Handler::Service { name: "welcome-payer".parse().unwrap() })
    };
    let mut directory = DirectoryConfig {
        kind: kind.clone(),
        url: "https://aibtc.com/api".to_owned(),
        network: "mainnet".to_owned(),
        every: minute,
        cap_cycle: 10,
        cap_day: 100,
        exclude: Vec::new(),
        purpose: "welcome".to_owned(),
        message: "Hello {name}!".to_owned(),
    };
    change(&mut directory);
    let name: SensorName = "aibtc-directory".parse().unwrap();
    let config = Config {
        version: 3,
        kinds: BTreeMap::from([(kind, work)]),
        gates: BTreeMap::new(),
        sensors: BTreeMap::from([(name.clone(), SensorConfig::Directory(directory))]),
        payer: None,
        budgets: BTreeMap::new(),
        ..Config::default()
    };
    Settings::of(&name, &config)
}

fn agent(name: Option<&str>) -> Agent {
    let (address, btc_address) = (STX.parse().unwrap(), BTC.to_owned());
    Agent { address, btc_address, name: name.map(str::to_owned) }
}

/// The task says all that its handler needs, and its keys are those of the payee.
#[test]
fn a_task_says_whom_and_what() {
    let settings = settings(|_| ()).unwrap();
    let at = Timestamp::from_millis(7);
    let task = settings.task(&agent(Some("Ionic \"Anchor\"")), at).unwrap();
    assert_eq!(task.source_key.as_str(), format!("welcome/{STX}"));
    assert_eq!((task.created_by.as_str(), task.created_at), ("sensor/aibtc-directory", at));
    let address: Address = STX.parse().unwrap();
    let contact = domain::Key::of_payee("mainnet", 22, address.hash160(), "welcome");
    assert_eq!(task.contact, Some(contact));
    let payload: Value = serde_json::from_str(&task.payload).unwrap();
    let expected = json!({
        "address": STX,
        "btc_address": BTC,
        "name": "Ionic \"Anchor\"",
        "message": "Hello Ionic \"Anchor\"!",
        "purpose": "welcome",
        "network": "mainnet",
    });
    assert_eq!(payload, expected);
}

/// An excluded address is skipped by what it decodes to, and no other is.
#[test]
fn the_excluded_are_skipped() {
    let settings = settings(|directory| directory.exclude = vec![format!(" {STX} ")]).unwrap();
    let mut cycle = Cycle::new(settings.plan(true));
    let ours = payee(&STX.parse().unwrap());
    assert_eq!(cycle.row(Found::Good(ours)), Seen::Skip(Reason::Excluded));
    let other = Payee { version: 22, hash160: [7; 20] };
    assert_eq!(cycle.row(Found::Good(other)), Seen::Candidate(other));
}

/// What could greet the wrong one, or say the wrong thing, makes the sensor do nothing.
#[test]
fn what_cannot_be_trusted_is_refused() {
    let check = |change: fn(&mut DirectoryConfig), says: &str| {
        let error = settings(change).unwrap_err();
        assert!(crate::told::chain(&error).contains(says), "{error}");
    };
    check(|directory| directory.exclude = vec![STX.to_lowercase()], "exclusion list");
    check(|directory| directory.network = "regtest".to_owned(), "regtest");
    check(|directory| directory.message = " ".to_owned(), "blank");
    check(|directory| directory.message = "x".repeat(501), "501");
    check(|directory| directory.purpose = "a/b".to_owned(), "purpose");
    check(|directory| directory.purpose = "a\nb".to_owned(), "purpose");
    check(|directory| directory.kind = "prompt".parse().unwrap(), "no kind prompt");
}

/// While nothing can be created, one page is read and no more.
#[test]
fn a_held_sensor_only_glances() {
    let settings = settings(|_| ()).unwrap();
    assert_eq!(settings.plan(false).pages_max, 1);
    assert_eq!(settings.plan(true).pages_max, PAGES_MAX);
}
