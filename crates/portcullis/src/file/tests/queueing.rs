use domain::{Priority, RetryBudget};

use super::*;

/// What a file says of priority and repeated attempts is what is applied; what it leaves out is
/// what the example shows.
#[test]
fn reads_priority_and_retries() {
    let read = |more: &str| {
        let text = SOUND.replacen("[gates.relay]", &format!("{more}\n[gates.relay]"), 1);
        let (config, _) = load("p.toml", &text).unwrap();
        let kind = &config.kinds[&"welcome".parse().unwrap()];
        (kind.priority, kind.retries)
    };
    assert_eq!(read(""), (Priority::Normal, RetryBudget::DEFAULT));
    let per = Duration::from_secs(60);
    assert_eq!(
        read("priority = \"low\"\nretries = { share = 0.5, floor = 3, per = \"1m\" }"),
        (Priority::Low, RetryBudget { share_permille: 500, floor: 3, per })
    );
    let floor = RetryBudget { floor: 7, ..RetryBudget::DEFAULT };
    assert_eq!(read("retries = { floor = 7 }"), (Priority::Normal, floor));
}

/// What makes no sense is told with its line and what to write.
#[test]
fn refuses_what_makes_no_sense() {
    let check = |line: &str, expected: &str| {
        check("[gates.relay]", &format!("{line}\n[gates.relay]"), expected);
    };
    check(
        "priority = \"urgent\"",
        "p.toml:4: `priority` in [kinds.welcome]: \"urgent\" is no priority; write \"high\", \
         \"normal\" or \"low\"",
    );
    check(
        "retries = { share = 1.5 }",
        "p.toml:4: `share = 1.5` in [kinds.welcome.retries] is no share; write a part of one with \
         at most three digits, such as 0.2",
    );
    check(
        "retries = { floor = 0 }",
        "p.toml:4: `floor = 0` in [kinds.welcome.retries] is out of range: what failed would \
         never be tried again; write a whole number from 1 on",
    );
}
