//! How a rehearsal looks.

use serde_json::{Value, json};

use super::{Found, Looked, Rehearsal, Transfer};

impl Found {
    const fn word(self) -> &'static str {
        match self {
            Found::Fine => "ok",
            Found::Refused => "REFUSED",
            Found::Silent => "NO ANSWER",
            Found::Unknown => "NOT FOUND",
            Found::NotAsked => "not asked",
        }
    }

    /// As programs read it.
    const fn name(self) -> &'static str {
        match self {
            Found::Fine => "ok",
            Found::Refused => "refused",
            Found::Silent => "no-answer",
            Found::Unknown => "not-found",
            Found::NotAsked => "not-asked",
        }
    }
}

/// For people.
pub fn text(rehearsal: &Rehearsal) -> String {
    let Rehearsal { network, wallet, payee, looked, transfer } = rehearsal;
    let mut lines =
        vec![format!("dry run: {wallet} would pay {payee} on {network}"), String::new()];
    for Looked { what, found, said } in looked {
        lines.push(format!("  {:9}  {what:9}  {said}", found.word()));
    }
    if let Some(transfer) = transfer {
        lines.push(String::new());
        lines.push("signed and let go of; decoded from its bytes:".to_owned());
        let rows = rows(transfer);
        lines.extend(rows.iter().map(|(name, value)| format!("  {name:15}  {value}")));
    }
    lines.push(String::new());
    lines.push(end(rehearsal));
    lines.join("\n")
}

fn rows(transfer: &Transfer) -> Vec<(&'static str, String)> {
    let conditions = transfer
        .conditions
        .iter()
        .enumerate()
        .map(|(at, told)| (if at == 0 { "post-conditions" } else { "" }, told.clone()));
    let before = [
        ("sender", transfer.sender.clone()),
        ("recipient", transfer.recipient.clone()),
        ("amount", format!("{} sats", transfer.amount)),
        ("asset", transfer.asset.clone()),
        (
            "memo",
            transfer.memo.as_ref().map_or("none".to_owned(), |it| format!("{} bytes", it.len())),
        ),
    ];
    let after = [
        ("nonce", transfer.nonce.to_string()),
        ("fee", format!("{} micro-STX", transfer.fee)),
        ("auth", transfer.auth.clone()),
        ("chain id", format!("{:#010x}", transfer.chain_id)),
        ("txid", format!("{} (another once sponsored)", transfer.txid)),
        ("payment id", transfer.payment_id.clone()),
        ("size", format!("{} bytes, in a header of {}", transfer.bytes_len, transfer.header_len)),
    ];
    before.into_iter().chain(conditions).chain(after).collect()
}

fn end(rehearsal: &Rehearsal) -> String {
    let nothing = "nothing was sent, nothing recorded, no nonce taken";
    match rehearsal.looked.iter().find(|it| !matches!(it.found, Found::Fine | Found::NotAsked)) {
        None => format!("it would be paid; {nothing}"),
        Some(first) => {
            format!("it would NOT be paid, for its {}: {}; {nothing}", first.what, first.said)
        }
    }
}

/// For programs.
pub fn object(rehearsal: &Rehearsal) -> Value {
    let looked =
        |it: &Looked| json!({ "what": it.what, "found": it.found.name(), "said": it.said });
    let transfer = rehearsal.transfer.as_ref().map(|it| {
        json!({
            "sender": it.sender,
            "recipient": it.recipient,
            "amount": it.amount.to_string(),
            "asset": it.asset,
            "memo": it.memo.as_ref().map(|memo| stacks::hex::encode(memo)),
            "nonce": it.nonce,
            "fee": it.fee,
            "auth": it.auth,
            "chain_id": it.chain_id,
            "post_conditions": it.conditions,
            "txid_before_sponsoring": it.txid,
            "payment_id": it.payment_id,
            "bytes": it.bytes_len,
            "header_bytes": it.header_len,
        })
    });
    json!({
        "would_be_paid": rehearsal.would_be_paid(),
        "network": rehearsal.network.to_string(),
        "wallet": rehearsal.wallet.to_string(),
        "payee": rehearsal.payee.to_string(),
        "looked": rehearsal.looked.iter().map(looked).collect::<Vec<_>>(),
        "transfer": transfer,
    })
}
