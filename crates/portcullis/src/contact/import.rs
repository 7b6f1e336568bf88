//! `portcullis contact add` and `import`.

use std::{fs, io::Read as _, path::Path};

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, Timestamp};
use kit::Clock;
use serde_json::{Value, json};
use stacks::{Address, Network};
use welcome_payer::{AibtcInbox, Unlisted};

use super::{
    AddArgs, Format, ImportArgs,
    desk::Desk,
    rows::{self, Bad, Row, Rows},
};
use crate::{
    exit::{Code, Ended},
    look,
    out::Out,
    payment::record,
};

pub(super) async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let person = args.person.name()?;
    let bus = &crate::reach::bus(&args.bus.nats, "contact").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = look::config(bus).await?;
    let desk = Desk::open(bus, &config).await?;
    let address = rows::checked(args.address.trim(), desk.network).map_err(Ended::usage)?;
    let purpose = desk.purpose(args.purpose.as_deref()).map_err(Ended::usage)?;
    let how = said(&person, "added", &args.how);
    let new = desk.create(&address, &purpose, how.clone(), Clock.now()).await?;
    if out.json {
        let (address, key) = (address.to_string(), desk.key(&address, &purpose).to_string());
        out.object(&json!({
            "address": address, "purpose": purpose, "key": key, "new": new,
            "how": new.then_some(how),
        }))?;
    } else if new {
        out.data(&format!("{address} is on record for {purpose}: never to be greeted"))?;
    } else {
        out.data(&format!("{address} was on record for {purpose} already: nothing changed"))?;
    }
    Ok(())
}

pub(super) async fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let person = args.person.name()?;
    let bus = &crate::reach::bus(&args.bus.nats, "contact").await?;
    fleet::go_by_brokers_time(bus).await;
    let config = look::config(bus).await?;
    let mut desk = Desk::open(bus, &config).await?;
    let (rows, verb, cut) = match &args.file {
        Some(file) => (from_file(file, args.format, desk.network)?, imported_from(file), None),
        None => {
            let (rows, cut) = from_inbox(bus, &config, desk.network, &args.wallet).await?;
            (rows, "imported from the inbox's sent list".to_owned(), cut)
        }
    };
    let (good, bad) = with_purposes(rows, &desk, args.purpose.as_deref());
    // The inbox's list is not ours to mend: what of it is no address can be nobody's contact.
    let refused = !bad.is_empty() && !args.skip_bad && !args.from_inbox;
    let mut counts = Counts { bad: bad.len(), ..Counts::default() };
    if !refused {
        import(&mut desk, &good, (&person, &verb), args.dry_run, &mut counts).await?;
    }
    tell(out, args, &counts, &bad, refused)?;
    match cut {
        _ if refused => Err(Ended::usage(
            "nothing was imported, since some rows are bad: mend them, or leave them out with \
             --skip-bad",
        )
        .into()),
        Some(cut) => Err(Ended::new(Code::Bus, format!("{cut}: the rest is not imported")).into()),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    new: usize,
    known: usize,
    bad: usize,
}

async fn import(
    desk: &mut Desk<'_>,
    good: &[(Row, String)],
    (person, verb): (&str, &str),
    dry_run: bool,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    for (row, purpose) in good {
        let mut new = desk.is_new(desk.key(&row.address, purpose));
        if new && !dry_run {
            let how = said(person, verb, &row.how);
            new = desk.create(&row.address, purpose, how, Clock.now()).await?;
        }
        counts.new += usize::from(new);
        counts.known += usize::from(!new);
    }
    Ok(())
}

/// Each row with its purpose; one that no sensor greets for makes a row bad.
fn with_purposes(
    rows: Rows,
    desk: &Desk<'_>,
    usual: Option<&str>,
) -> (Vec<(Row, String)>, Vec<Bad>) {
    let (mut good, mut bad) = (Vec::new(), rows.bad);
    for row in rows.good {
        match desk.purpose(row.purpose.as_deref().or(usual)) {
            Ok(purpose) => good.push((row, purpose)),
            Err(why) => bad.push(Bad { line: row.line, why: format!("{}: {why}", row.address) }),
        }
    }
    (good, bad)
}

fn tell(
    out: &Out,
    args: &ImportArgs,
    counts: &Counts,
    bad: &[Bad],
    refused: bool,
) -> anyhow::Result<()> {
    let place = |bad: &Bad| match bad.line {
        0 => bad.why.clone(),
        line => format!("line {line}: {}", bad.why),
    };
    for bad in bad {
        out.talk(&place(bad));
    }
    if out.json {
        let bad: Vec<Value> =
            bad.iter().map(|bad| json!({ "line": bad.line, "why": bad.why })).collect();
        out.object(&json!({
            "new": counts.new, "known": counts.known, "refused": counts.bad, "bad": bad,
            "imported": !refused && !args.dry_run, "dry_run": args.dry_run,
        }))?;
        return Ok(());
    }
    let Counts { new, known, bad } = counts;
    let sum = format!("{} rows = {new} new + {known} known + {bad} refused", new + known + bad);
    match (refused, args.dry_run) {
        (true, _) => out.data(&format!("nothing imported; {bad} rows are bad"))?,
        (false, true) => out.data(&format!("would import: {sum}"))?,
        (false, false) => out.data(&format!("imported: {sum}"))?,
    }
    Ok(())
}

fn from_file(file: &Path, format: Option<Format>, network: Network) -> anyhow::Result<Rows> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
    } else {
        let read = fs::read_to_string(file);
        text = read.map_err(|error| Ended::usage(format!("read {}: {error}", file.display())))?;
    }
    let format = format.unwrap_or_else(|| format_of(file, &text));
    let rows = rows::read(&text, format, network);
    Ok(rows.map_err(|why| Ended::usage(format!("{}: {why}", file.display())))?)
}

fn format_of(file: &Path, text: &str) -> Format {
    let named = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match named.to_lowercase().as_str() {
        "csv" => Format::Csv,
        "json" | "jsonl" | "ndjson" => Format::Json,
        _ if text.trim_start().starts_with(['[', '{']) => Format::Json,
        _ => Format::Csv,
    }
}

/// What the inbox lists as sent by the wallets on record and by those named; and where its
/// list was cut off, why.
async fn from_inbox(
    bus: &Bus,
    config: &Config,
    network: Network,
    named: &[String],
) -> anyhow::Result<(Rows, Option<String>)> {
    let payer = config.payer.as_ref();
    let payer = payer.ok_or_else(|| Ended::usage("the configuration has no table [payer]"))?;
    let mut wallets: Vec<Address> = Vec::new();
    for name in named {
        wallets.push(rows::checked(name, network).map_err(Ended::usage)?);
    }
    let recorded = record::wallets(bus).await?;
    let recorded =
        recorded.iter().filter_map(|found| found.value.as_ref().ok()?.address.parse().ok());
    wallets.extend(recorded.filter(|wallet: &Address| wallet.network() == Some(network)));
    wallets.sort();
    wallets.dedup();
    if wallets.is_empty() {
        let text = "no wallet is on record yet: name yours with --wallet ADDRESS";
        return Err(Ended::usage(text).into());
    }
    let (mut rows, mut cut) = (Rows::default(), None);
    for wallet in wallets {
        let inbox = AibtcInbox::new(payer, network, wallet).context("prepare to ask the inbox")?;
        let sent = inbox.sent_since(Timestamp::default()).await.map_err(unlisted)?;
        cut = sent.cut.or(cut);
        for message in sent.entries {
            let at = message.at.map_or_else(String::new, |at| format!(" of {at}"));
            let how = format!("message {}{at} by {wallet}", message.message);
            match rows::checked(&message.to, network) {
                Ok(address) => rows.good.push(Row { line: 0, address, purpose: None, how }),
                Err(why) => rows.bad.push(Bad { line: 0, why: format!("{why} ({how})") }),
            }
        }
    }
    Ok((rows, cut))
}

fn unlisted(error: Unlisted) -> Ended {
    Ended::new(Code::Bus, error.to_string())
}

fn imported_from(file: &Path) -> String {
    let name = file.file_name().map_or("standard input".into(), |name| name.to_string_lossy());
    format!("imported from {}", if name == "-" { "standard input".into() } else { name })
}

/// `added by ann: met in May`: who put it on record stands in it for ever.
fn said(person: &str, verb: &str, how: &str) -> String {
    let how: String = how.trim().chars().filter(|c| !c.is_control()).collect();
    match how.is_empty() {
        true => format!("{verb} by {person}"),
        false => format!("{verb} by {person}: {how}"),
    }
}
