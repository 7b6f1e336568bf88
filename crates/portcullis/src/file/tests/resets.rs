use super::*;

/// Mistakes in what a gate resets on.
#[test]
fn mistakes() {
    let with = |more: &str| format!("[gates.relay]\n{more}");
    check(
        "[gates.relay]",
        &with("resets = [{ cause = \"relay.unavailable\" }]"),
        "p.toml:5: [gates.relay.resets] has no `note`; add note = \"why it passes by itself\"",
    );
    check(
        "[gates.relay]",
        &with("resets = [{ cause = \"relay.unavailable\", note = \" \" }]"),
        "p.toml:5: `note` in [gates.relay.resets] is empty: say why it passes by itself",
    );
    let reset = "{ cause = \"relay.unavailable\", note = \"restarts nightly\" }";
    check(
        "[gates.relay]",
        &with(&format!("resets = [{reset}, {reset}]")),
        "p.toml:5: cause `relay.unavailable` stands twice in `resets` of [gates.relay]; keep one",
    );
}

/// What will do nothing, or what no time heals, is told and applied.
#[test]
fn warnings() {
    let resets =
        |cause: &str| format!("resets = [{{ cause = \"{cause}\", note = \"n\" }}]\n[gates.wallet]");
    check_warning(
        "[gates.wallet]",
        &resets("relay.rate-limited"),
        "p.toml:5: warning: cause `relay.rate-limited` never closes gate `relay`, so nothing \
         resets; add it to its `closes_on`: { cause = \"relay.rate-limited\", tasks = 1 }",
    );
    check_warning(
        "[gates.wallet]",
        &resets("inbox.unavailable"),
        "p.toml:5: warning: cause `inbox.unavailable` never closes gate `relay`, so nothing \
         resets; it closes `inbox`, so say it there",
    );
    check_warning(
        "[gates.wallet]",
        &resets("relay.nonce-conflict"),
        "p.toml:5: warning: cause `relay.nonce-conflict` does not pass by itself: someone has to \
         clear it, whatever time is named with it; leave it out of the `resets` of gate `relay`",
    );
}
