//! How a comparison looks to people and to programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use logic::reconcile::{Difference, Facts, Findings};
use serde_json::{Value, json};

use crate::{out::Out, show::lasts};

pub(super) struct Told<'a> {
    pub(super) facts: &'a Facts,
    pub(super) findings: &'a Findings,
    pub(super) within: Option<Duration>,
    pub(super) network: &'a str,
}

impl Told<'_> {
    pub(super) fn text(&self, out: &Out) -> String {
        let mut text = String::new();
        let Told { facts, findings, network, .. } = self;
        let window = match self.within {
            Some(within) => format!("the last {} (since {})", lasts(within), facts.since),
            None => "everything there ever was".to_owned(),
        };
        let _ = writeln!(text, "record, inbox and chain of {network}, {window}");
        for book in &facts.wallets {
            let _ = writeln!(text, "wallet {}", book.record.address);
        }
        let _ = writeln!(text, "compared: {}", self.compared());
        if !findings.fresh.is_empty() {
            let within = lasts(facts.settles_within);
            let _ = writeln!(
                text,
                "of these {} settled within {within} and need not show in the world yet",
                findings.fresh.len()
            );
        }
        for difference in &findings.differences {
            let _ = write!(text, "\n{}", block(difference, out));
        }
        text.push('\n');
        let _ = writeln!(text, "{}", total(findings));
        for line in &findings.not_compared {
            let _ = writeln!(text, "not compared: {line}");
        }
        text
    }

    /// `61 payments = 58 settled + 3 unknown; 58 transfers of 5800 sats; 58 messages`.
    fn compared(&self) -> String {
        let Findings { payments, transfers, sats_moved, messages, .. } = self.findings;
        let sum: usize = payments.values().sum();
        let payments = match sum {
            0 => "no payments".to_owned(),
            sum => format!("{} = {}", count(sum, "payment"), parts(payments)),
        };
        let transfers = match self.chain_told() {
            true => format!("{} of {sats_moved} sats", count(*transfers, "transfer")),
            false => "transfers not known".to_owned(),
        };
        let messages = match self.inbox_told() {
            true => count(*messages, "message"),
            false => "messages not known".to_owned(),
        };
        format!("{payments}; {transfers}; {messages}")
    }

    fn chain_told(&self) -> bool {
        self.facts.wallets.iter().all(|book| book.mined.is_ok())
    }

    fn inbox_told(&self) -> bool {
        self.facts.wallets.iter().all(|book| book.sent.is_ok())
    }

    pub(super) fn object(&self) -> Value {
        let Told { facts, findings, network, .. } = self;
        let (chain, inbox) = (self.chain_told(), self.inbox_told());
        let wallets: Vec<&str> =
            facts.wallets.iter().map(|book| book.record.address.as_str()).collect();
        let differences: Vec<Value> = findings.differences.iter().map(object).collect();
        json!({
            "clean": findings.differences.is_empty() && findings.not_compared.is_empty(),
            "network": network,
            "wallets": wallets,
            "since": self.within.map(|_| facts.since.to_string()),
            "asked": facts.asked.to_string(),
            "compared": {
                "payments": findings.payments.values().sum::<usize>(),
                "payments_by_stage": findings.payments,
                "transfers": chain.then_some(findings.transfers),
                "sats_moved": chain.then_some(findings.sats_moved),
                "messages": inbox.then_some(findings.messages),
                "fresh": findings.fresh.len(),
            },
            "differences": differences,
            "by_kind": by_kind(findings),
            "not_compared": findings.not_compared,
        })
    }
}

fn total(findings: &Findings) -> String {
    let by_kind = by_kind(findings);
    let unknown = match findings.not_compared.len() {
        0 => String::new(),
        1 => "; one part was not compared".to_owned(),
        count => format!("; {count} parts were not compared"),
    };
    match findings.differences.len() {
        0 if unknown.is_empty() => "no difference".to_owned(),
        0 => format!("no difference as far as was seen{unknown}"),
        1 => format!("1 difference = {}{unknown}", parts(&by_kind)),
        count => format!("{count} differences = {}{unknown}", parts(&by_kind)),
    }
}

fn by_kind(findings: &Findings) -> BTreeMap<&'static str, usize> {
    let mut by_kind = BTreeMap::new();
    for difference in &findings.differences {
        *by_kind.entry(difference.kind.word()).or_default() += 1;
    }
    by_kind
}

/// `1 payment`, `2 payments`.
pub(super) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn parts(counts: &BTreeMap<&'static str, usize>) -> String {
    let parts = counts.iter().map(|(word, count)| format!("{count} {word}"));
    parts.collect::<Vec<_>>().join(" + ")
}

fn block(difference: &Difference, out: &Out) -> String {
    let Difference { agent, wallet, nonce, what, remedy, .. } = difference;
    let whom = agent.clone().unwrap_or_else(|| format!("wallet {wallet}"));
    let nonce = nonce.map_or_else(String::new, |nonce| format!("  nonce {nonce}"));
    let head = out.loud(difference.kind.word());
    format!("{head}  {whom}{nonce}\n  {what}\n  -> {remedy}\n")
}

fn object(difference: &Difference) -> Value {
    json!({
        "kind": difference.kind.word(),
        "agent": difference.agent,
        "wallet": difference.wallet,
        "key": difference.key.map(|key| key.to_string()),
        "nonce": difference.nonce,
        "txid": difference.txid,
        "what": difference.what,
        "remedy": difference.remedy,
    })
}
