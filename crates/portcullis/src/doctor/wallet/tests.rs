use serde_json::json;
use stacks::sbtc_asset;

use super::*;
use crate::doctor::{answer::json as says, check::Verdict};

const US: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
const OTHER: &str = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";

fn config() -> Config {
    let toml = format!(
        r#"
[kinds.welcome]
handler = {{ service = "welcome-payer" }}
needs = ["relay", "wallet", "inbox", "chain"]
[gates.relay]
[gates.wallet]
[gates.inbox]
[gates.chain]
[sensors.aibtc.directory]
kind = "welcome"
network = "mainnet"
cap_day = 3
exclude = ["{US}"]
message = "Welcome"
[payer]
network = "mainnet"
"#
    );
    crate::file::load("test.toml", &toml).unwrap().0
}

fn wallet(next: u64) -> Wallet {
    let (address, unfinished, holes) = (US.to_owned(), Vec::new(), Vec::new());
    Wallet { address, next, unfinished, holes, spent: next }
}

fn world(chain_next: u64, waiting: &[u64]) -> WalletFacts {
    let mut facts = WalletFacts::default();
    (facts.chain_next, facts.mempool) = (chain_next, waiting.to_vec());
    facts
}

fn balance_of(sats: &str) -> Said<Answer> {
    let asset = sbtc_asset(Network::Mainnet);
    let token = format!("{}::{}", asset.contract, asset.name);
    says(200, json!({ "fungible_tokens": { token: { "balance": sats } } }))
}

/// A wallet about which all is well.
fn sound() -> Purse {
    let account = Account {
        info: says(200, json!({ "network_id": 1 })),
        nonces: Ok(world(7, &[])),
        balances: balance_of("1000"),
    };
    let address: Address = US.parse().unwrap();
    Purse {
        network: Network::Mainnet,
        key: Key::Usable { address, mode: Some(0o100_400) },
        records: Some(Ok(vec![wallet(7)])),
        address: Some(address),
        account: Some(account),
        now: Timestamp::from_millis(1_000_000),
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Purse), expected: &[(&str, Verdict, &str)]) {
    let (mut purse, config) = (sound(), config());
    change(&mut purse);
    let payer = config.payer.clone().unwrap();
    let wrong = judge(&purse, &payer, &config).into_iter();
    let wrong: Vec<Check> = wrong.filter(|check| check.verdict != Verdict::Ok).collect();
    let named: Vec<(&str, Verdict)> =
        wrong.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    let names: Vec<(&str, Verdict)> = expected.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(named, names, "{wrong:?}");
    for (check, (_, _, part)) in wrong.iter().zip(expected) {
        let all = format!("{} {}", check.measured, check.remedy);
        assert!(all.contains(part), "{part:?} is not in {check:?}");
    }
}

fn account(purse: &mut Purse) -> &mut Account {
    purse.account.as_mut().unwrap()
}

/// The key must be the record's, sound, and for its owner alone.
#[test]
fn keys() {
    use Verdict::{Fail, NotAsked, Warn};
    check(|_| (), &[]);
    let of_another = |it: &mut Purse| {
        it.records = Some(Ok(vec![Wallet { address: OTHER.to_owned(), ..wallet(7) }]))
    };
    check(of_another, &[("key", Fail, OTHER)]);
    check(|it| it.records = Some(Ok(Vec::new())), &[]);
    let mode = |it: &mut Purse, mode| {
        it.key = Key::Usable { address: US.parse().unwrap(), mode };
    };
    check(|it| mode(it, Some(0o100_644)), &[("key file", Fail, "0644")]);
    check(|it| mode(it, Some(0o100_440)), &[("key file", Fail, "chmod")]);
    check(|it| mode(it, Some(0o100_600)), &[]);
    check(|it| mode(it, None), &[("key file", Warn, "WALLET_KEY_FILE")]);
    let unusable = |it: &mut Purse| it.key = Key::Unusable("not hexadecimal".to_owned());
    check(unusable, &[("key", Fail, "mnemonic"), ("key file", NotAsked, "")]);
    let none = |it: &mut Purse| it.key = Key::NotGiven;
    check(none, &[("key", NotAsked, "WALLET_KEY_FILE"), ("key file", NotAsked, "")]);
    let stranger = |it: &mut Purse| it.address = Some(OTHER.parse().unwrap());
    check(stranger, &[("exclude", Warn, OTHER)]);
}

/// M4: what a wallet holds is told in payments; less than one stops, less than a day's worth
/// warns, and an account that is not listed holds nothing.
#[test]
fn balances() {
    use Verdict::{Fail, Warn};
    let set = |sats: &'static str| move |it: &mut Purse| account(it).balances = balance_of(sats);
    check(set("300"), &[]);
    check(set("299"), &[("sbtc balance", Warn, "2 payments of 100")]);
    check(set("99"), &[("sbtc balance", Fail, "up to 300 sats")]);
    check(set("-1"), &[("sbtc balance", Fail, "can be read")]);
    let none = says(200, json!({ "fungible_tokens": {} }));
    check(|it| account(it).balances = none, &[("sbtc balance", Fail, "0 sats")]);
    let garbage = says(200, json!([]));
    check(|it| account(it).balances = garbage, &[("sbtc balance", Fail, "can be read")]);
}

/// Section 8: a record that is older than the world shows before the payer meets it; what waits
/// in the mempool counts as used.
#[test]
fn a_record_that_is_behind() {
    use Verdict::{Fail, NotAsked};
    let behind = ("nonces", Fail, "payment adopt");
    check(|it| it.records = Some(Ok(vec![wallet(6)])), &[behind]);
    check(|it| account(it).nonces = Ok(world(7, &[7])), &[behind]);
    let ahead = Wallet { spent: 7, ..wallet(9) };
    check(|it| it.records = Some(Ok(vec![ahead])), &[("nonces", Fail, "gate show wallet")]);
    check(|it| account(it).nonces = Err("refused".to_owned()), &[("nonces", Fail, "refused")]);
    let other = says(200, json!({ "network_id": 2_147_483_648_u64 }));
    let unasked = |name| (name, NotAsked, "another chain");
    check(|it| account(it).info = other, &[unasked("sbtc balance"), unasked("nonces")]);
}
