//! What one page of the directory says, row by row.
//!
//! The directory is other people's: fields come and go, are null or of another type, and rows
//! may be broken (wire facts: directory). So a row is read for the three fields that matter,
//! each on its own, and a row that makes no sense is a row that is skipped, never a page that
//! failed.

use domain::Timestamp;
use logic::sensor::{Found, Payee};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use stacks::{Address, Network};

use crate::letter;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Newest agents first, as many as the directory chose to send.
    pub(crate) rows: Vec<Row>,
    /// Whether the directory claims to have more. It may be wrong.
    pub(crate) has_more: bool,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// One of the two addresses is missing: a registration that was not finished.
    Missing,
    /// Something that is no address stands where one should.
    Bad {
        why: String,
    },
    /// A good address, of another network.
    Foreign {
        address: Address,
    },
    Agent(Agent),
}

/// Someone who could be greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) address: Address,
    /// By which the inbox is found.
    pub(crate) btc_address: String,
    /// Fit to be shown, see [`letter::name`].
    pub(crate) name: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    agents: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pagination: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPagination<'a> {
    #[serde(borrow, default)]
    total: Option<&'a RawValue>,
    #[serde(borrow, default)]
    has_more: Option<&'a RawValue>,
}

/// A row whose fields are not read yet: one that is unreadable must not take the others along.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRow<'a> {
    #[serde(borrow, default)]
    stx_address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    btc_address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    display_name: Option<&'a RawValue>,
}

impl Page {
    /// Reads the body of a page that began at `offset`.
    ///
    /// # Errors
    ///
    /// When it is no JSON object with an array `agents`.
    pub(crate) fn read(
        body: &[u8],
        network: Network,
        offset: u64,
    ) -> Result<Page, serde_json::Error> {
        // A broken character in somebody's description is no reason to greet nobody.
        let text = String::from_utf8_lossy(body);
        let raw: RawPage<'_> = object(&text)?;
        let rows: Vec<Row> = raw.agents.iter().map(|row| Row::read(row.get(), network)).collect();
        let pagination: RawPagination<'_> =
            raw.pagination.and_then(|raw| object(raw.get()).ok()).unwrap_or_default();
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let more_by_total =
            field::<u64>(pagination.total).map(|total| offset.saturating_add(count) < total);
        let says_more = field::<bool>(pagination.has_more);
        // Where the two disagree, or neither is there, one more page settles it: an empty one
        // ends the scan.
        let has_more = match (says_more, more_by_total) {
            (None, None) => 0 < count,
            (says, counts) => says.unwrap_or(false) || counts.unwrap_or(false),
        };
        Ok(Page { rows, has_more })
    }
}

impl Row {
    fn read(text: &str, network: Network) -> Row {
        let Ok(raw) = object::<RawRow<'_>>(text) else { return Row::Missing };
        let (Some(stx_address), Some(btc_address)) = (raw.stx_address, raw.btc_address) else {
            return Row::Missing;
        };
        let address: Address = match text_field(stx_address).map(|text| text.parse()) {
            Some(Ok(address)) => address,
            Some(Err(error)) => return Row::Bad { why: format!("{error}") },
            None => return Row::Bad { why: "stxAddress is not a text".to_owned() },
        };
        if address.network() != Some(network) {
            return Row::Foreign { address };
        }
        match text_field(btc_address).filter(|text| is_segwit(text)) {
            Some(btc_address) => {
                let name = field::<String>(raw.display_name).and_then(|name| letter::name(&name));
                Row::Agent(Agent { address, btc_address, name })
            }
            None => Row::Bad { why: "btcAddress is not a segwit address".to_owned() },
        }
    }

    pub(crate) fn found(&self) -> Found {
        match self {
            Row::Missing => Found::Missing,
            Row::Bad { .. } => Found::Bad,
            Row::Foreign { .. } => Found::Foreign,
            Row::Agent(agent) => Found::Good(payee(&agent.address)),
        }
    }
}

/// What makes two spellings the same agent.
pub(crate) fn payee(address: &Address) -> Payee {
    Payee { version: address.version(), hash160: *address.hash160() }
}

/// Reads an object. An array is none, though its elements could be taken for the fields.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text),
        false => Err(serde::de::Error::custom("not a JSON object")),
    }
}

/// A field, if it is there and of the type that it should be.
fn field<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn text_field(raw: &RawValue) -> Option<String> {
    field(Some(raw))
}

/// The shape that the inbox accepts (wire facts: what identifies an agent). Its checksum is
/// the inbox's to know; the shape matters here since the text becomes part of a URL.
fn is_segwit(text: &str) -> bool {
    let rest = text.strip_prefix("bc1").or_else(|| text.strip_prefix("tb1"));
    rest.is_some_and(|rest| {
        (39..=59).contains(&rest.len()) && rest.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'))
    })
}

/// How long an answer with this `Retry-After` asks to wait: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<std::time::Duration> {
    use time::{OffsetDateTime, format_description::well_known::Rfc2822};
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(std::time::Duration::from_secs(seconds));
    }
    let due = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    let due = Timestamp::from_millis(u64::try_from(due).ok()?.checked_mul(1_000)?);
    Some(due.since(now))
}

#[cfg(test)]
mod tests;
