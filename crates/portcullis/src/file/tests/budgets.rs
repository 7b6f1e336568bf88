use domain::{Blame, Budget, Sats};

use super::*;

/// A gate and a budget, in the place of a line of the sound file.
const BUDGET: &str = "[gates.chain]\n[gates.budget]\n[budgets.welcome]\nsats_day = 300";
const NEEDED: &str = "\"relay\", \"wallet\", \"budget\"]";

/// The sound file with such limits, and with a kind that needs the gate.
fn with(limits: &str) -> String {
    let text = SOUND.replacen("\"relay\", \"wallet\"]", NEEDED, 1);
    text.replacen("[gates.chain]", &BUDGET.replacen("sats_day = 300", limits, 1), 1)
}

#[track_caller]
fn check_limits(limits: &str, expected: &[&str]) {
    assert_eq!(problems(&with(limits)), expected);
}

/// M4: limits arrive as they are written, and reaching one is laid on the gate `budget`.
#[test]
fn limits_arrive() {
    for (limits, day, total) in [
        ("sats_day = 10_000", Some(10_000), None),
        ("sats_total = 500", None, Some(500)),
        ("sats_day = 300\nsats_total = 90_000", Some(300), Some(90_000)),
    ] {
        let (config, warnings) = load("p.toml", &with(limits)).unwrap();
        assert_eq!(warnings, []);
        let kind = "welcome".parse().unwrap();
        let (day, total) = (day.map(Sats::new), total.map(Sats::new));
        let expected = Budget { day, total, ..Budget::default() };
        assert_eq!(config.budgets[&kind], expected);
        let blame = config.blame(&kind, &"budget.reached".parse().unwrap());
        let Blame::Shared { gate, tasks: 1, .. } = blame else { panic!("{blame:?}") };
        assert_eq!(gate.as_str(), "budget");
    }
}

/// Mistakes in a budget: each is told with its line and what to do.
#[test]
fn mistakes() {
    let nothing = "nothing could ever be paid; leave it out for no limit, or suspend the kind \
                   with `portcullis gate close`; write a whole number from 1 on";
    let range = |setting: &str| {
        format!("p.toml:14: `{setting}` in [budgets.welcome] is out of range: {nothing}")
    };
    check_limits("sats_day = 0", &[&range("sats_day = 0")]);
    check_limits("sats_total = -5", &[&range("sats_total = -5")]);
    let empty = "p.toml:13: [budgets.welcome] limits nothing; add sats_day = 10_000, or \
                 sats_total, or usd_day = \"5.00\", or usd_total, or take it away";
    check_limits("", &[empty]);
    let unknown = "p.toml:14: unknown key `sats_dya` in [budgets.welcome]; did you mean \
                   `sats_day`?";
    check_limits("sats_dya = 300", &[empty, unknown]);
    let unknown = with("sats_day = 300").replacen("[budgets.welcome]", "[budgets.welcom]", 1);
    assert_eq!(
        problems(&unknown),
        ["p.toml:13: [budgets.welcom] is for the unknown kind `welcom`; did you mean \
          [budgets.welcome]?"]
    );
}

/// M4: a kind whose budget would be reached unseen, because it does not need the gate that this
/// closes, is refused with what to add.
#[test]
fn a_budget_needs_its_gate() {
    let lacks = "p.toml:1: kind `welcome` has a budget and does not need the gate `budget`, so \
                 that reaching it would be charged to its tasks; add \"budget\" to its `needs`";
    check("[gates.chain]", BUDGET, lacks);
    let ungated = "[gates.chain]\n[budgets.welcome]\nsats_day = 300";
    check("[gates.chain]", ungated, &format!("{lacks}, and a table [gates.budget]"));
}

/// What cannot be meant, but breaks nothing, is told and applied.
#[test]
fn strange_budgets() {
    let check = |text: &str, expected: &str| {
        let (_, warnings) = load("p.toml", text).unwrap();
        let found: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected]);
    };
    check(
        &with("sats_day = 300\nsats_total = 200"),
        "p.toml:13: warning: [budgets.welcome] allows 300 sats a day and 200 sats in all: the \
         first day may spend it all",
    );
    check(
        &with("sats_day = 99"),
        "p.toml:13: warning: [budgets.welcome] allows 99 sats, and [payer] up to 100 sats for one \
         payment: that one could never be made",
    );
    let other = "[kinds.other]\nhandler = { service = \"echo\" }\nneeds = [\"budget\"]\n\
                 [budgets.other]\nsats_day = 300\n";
    check(
        &(with("sats_day = 300") + other),
        "p.toml:18: warning: [budgets.other] limits no sats: they are only spent by kinds that \
         `welcome-payer` handles",
    );
}

/// More payments at once than a relay lets wait are refused.
#[test]
fn too_many_at_once() {
    let most = SOUND.replacen("[payer]", "[payer]\nin_flight = 20", 1);
    assert_eq!(load("p.toml", &most).unwrap().0.payer.unwrap().in_flight, 20);
    check(
        "[payer]",
        "[payer]\nin_flight = 21",
        "p.toml:8: `in_flight = 21` in [payer] is too many: a relay lets 20 payments of one \
         wallet wait, and a node 25; write at most 20",
    );
}

/// M4: dollars arrive as they are written, for a kind whose attempts say what they may cost.
#[test]
fn dollars_arrive() {
    let limits = "usd_day = \"5.00\"\nusd_total = \"90\"";
    let costs = with(limits).replacen("[kinds.welcome]", "[kinds.welcome]\ncost_max = \"0.1\"", 1);
    let (config, warnings) = load("p.toml", &costs).unwrap();
    assert_eq!(warnings, []);
    let kind = "welcome".parse().unwrap();
    let usd = |micro| Some(domain::MicroUsd::new(micro));
    let expected =
        Budget { usd_day: usd(5_000_000), usd_total: usd(90_000_000), ..Budget::default() };
    assert_eq!((config.budgets[&kind], config.kinds[&kind].cost_max), (expected, usd(100_000)));
    let dear = costs.replacen("\"0.1\"", "\"5.01\"", 1);
    let (_, warnings) = load("p.toml", &dear).unwrap();
    let told =
        "[budgets.welcome] allows $5.00, and one attempt may cost $5.01: it could never begin";
    assert_eq!(warnings.iter().map(|warning| warning.text()).collect::<Vec<_>>(), [told]);
}

/// M4: a budget of dollars for a kind of which nobody knows what it may cost is refused, and so
/// is what is no amount.
#[test]
fn dollars_need_a_most() {
    check_limits(
        "usd_day = \"5.00\"",
        &["p.toml:13: [budgets.welcome] limits dollars, and nobody can say what one attempt of \
           kind `welcome` may cost; add cost_max = \"0.10\" to [kinds.welcome]"],
    );
    check_limits(
        "sats_day = 300\nusd_day = \"five\"",
        &["p.toml:15: `usd_day = \"five\"` in [budgets.welcome] is no amount of dollars; write \
           them like \"5.00\", with at most six decimals"],
    );
    check_limits(
        "sats_day = 300\nusd_total = 5",
        &["p.toml:15: `usd_total` in [budgets.welcome] is a whole number; write dollars in \
           quotes: \"5.00\""],
    );
}
