//! Asking record, inbox and chain, in the order that [`Facts`] wants.

use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use domain::{PayerConfig, Payment, Timestamp, Wallet};
use kit::Clock;
use logic::reconcile::{Book, Contacts, Facts, horizon};
use stacks::{Address, Network};
use welcome_payer::{AibtcInbox, Chain};

use super::record::{self, Newest};

/// What was asked, and what of the record makes no sense.
pub(super) struct Asked {
    pub(super) facts: Facts,
    /// What cannot be compared although every source answered.
    pub(super) unread: Vec<String>,
}

/// Asks all three. `within`: no further back than this; `None` for everything.
///
/// # Errors
///
/// When the record cannot be read. What inbox and chain do not say stands in the facts.
pub(super) async fn ask(
    bus: &Bus,
    config: &PayerConfig,
    within: Option<Duration>,
) -> anyhow::Result<Asked> {
    let network: Network = config.network.parse().context("read payer.network")?;
    let mut unread = Vec::new();
    let payments = of_network(readable(record::payments(bus).await?, &mut Vec::new()), network);
    let wallets = ours(readable(record::wallets(bus).await?, &mut Vec::new()), network);
    let asked = Clock.now();
    let since = within.map_or(0, |within| {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        asked.as_millis().saturating_sub(within)
    });
    let since = Timestamp::from_millis(since);
    let records: Vec<Wallet> = wallets.iter().map(|(_, wallet)| wallet.clone()).collect();
    let back = horizon(&payments, &records, since);
    let mut books = Vec::new();
    for (address, wallet) in &wallets {
        books.push(book(config, network, *address, wallet, back).await?);
    }
    // Once more, since whatever the world showed was on record before.
    let payments = of_network(readable(record::payments(bus).await?, &mut unread), network);
    for (_, wallet) in ours(readable(record::wallets(bus).await?, &mut unread), network) {
        let mut known = books.iter_mut().filter(|book| book.record.address == wallet.address);
        if let Some(book) = known.next() {
            book.record = wallet;
        }
    }
    if books.is_empty() {
        unread.push(format!(
            "no wallet of {network} is on record, so that neither chain nor inbox could be asked; \
             the first payment begins one"
        ));
    }
    let contacts = contacts(bus, &mut unread).await?;
    let facts = Facts {
        asked,
        since,
        settles_within: config.unconfirmed_after,
        finishes_within: config.unresolved_after,
        payments,
        contacts,
        wallets: books,
    };
    Ok(Asked { facts, unread })
}

async fn book(
    config: &PayerConfig,
    network: Network,
    address: Address,
    wallet: &Wallet,
    back: Timestamp,
) -> anyhow::Result<Book> {
    let chain = Chain::new(config, network, address).context("prepare to ask the chain")?;
    let inbox = AibtcInbox::new(config, network, address).context("prepare to ask the inbox")?;
    let (nonces, mined, sent) =
        tokio::join!(chain.wallet_facts(), chain.history(back), inbox.sent_since(back));
    Ok(Book {
        record: wallet.clone(),
        nonces: nonces.map_err(|silent| format!("nonces of {address}: {silent}")),
        mined: mined.map_err(|silent| format!("transfers of {address}: {silent}")),
        sent: sent.map_err(|silent| format!("messages of {address}: {silent}")),
    })
}

async fn contacts(bus: &Bus, unread: &mut Vec<String>) -> anyhow::Result<Contacts> {
    let mut contacts = Contacts::default();
    for found in record::contacts(bus).await? {
        let key = found.subject.rsplit('.').next().and_then(|key| key.parse().ok());
        match (key, found.value) {
            (Some(key), Ok(contact)) => {
                contacts.keys.insert(key);
                contacts.agents.insert(canonical(&contact.address));
            }
            (_, Err(error)) => unread.push(format!("`{}` makes no sense: {error}", found.subject)),
            (None, Ok(_)) => unread.push(format!("`{}` is no contact's subject", found.subject)),
        }
    }
    Ok(contacts)
}

fn readable<T>(found: Vec<Newest<T>>, unread: &mut Vec<String>) -> Vec<T> {
    let mut values = Vec::new();
    for Newest { subject, value, .. } in found {
        match value {
            Ok(value) => values.push(value),
            Err(error) => unread.push(format!("`{subject}` makes no sense: {error}")),
        }
    }
    values
}

/// The payments of the network, each payee in the canonical spelling of the address.
fn of_network(payments: Vec<Payment>, network: Network) -> Vec<Payment> {
    let network = network.to_string();
    let mut payments: Vec<Payment> =
        payments.into_iter().filter(|payment| payment.payee.network == network).collect();
    for payment in &mut payments {
        if let Ok(address) = Address::new(payment.payee.version, payment.payee.hash160) {
            payment.payee.address = address.to_string();
        }
    }
    payments
}

fn ours(wallets: Vec<Wallet>, network: Network) -> Vec<(Address, Wallet)> {
    let parsed = wallets.into_iter().filter_map(|wallet| {
        let address: Address = wallet.address.parse().ok()?;
        Some((address, wallet))
    });
    parsed.filter(|(address, _)| address.network() == Some(network)).collect()
}

fn canonical(address: &str) -> String {
    address.parse().map_or_else(|_| address.to_owned(), |address: Address| address.to_string())
}
