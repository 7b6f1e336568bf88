//! The table `[prices."<model>"]`: what language models cost.

use std::collections::BTreeMap;

use domain::Price;

use super::{
    notes::Notes,
    section::{Section, Span},
};

/// The prices of one model in the file.
pub(super) struct PriceRead {
    pub(super) span: Span,
    pub(super) config: Price,
}

pub(super) fn read(root: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, PriceRead> {
    let mut prices = BTreeMap::new();
    for (name, mut section) in root.named("prices", notes) {
        let input = required(&mut section, "input", "\"3.00\"", notes);
        let output = required(&mut section, "output", "\"15.00\"", notes);
        // As the provider has them: a tenth for reading, a quarter more for writing.
        let cache_read = optional(&mut section, "cache_read", input / 10, notes);
        let written = input.saturating_add(input / 4);
        let cache_write = optional(&mut section, "cache_write", written, notes);
        section.finish(notes);
        let config = Price { input, output, cache_read, cache_write };
        prices.insert(name.value.to_owned(), PriceRead { span: name.span, config });
    }
    prices
}

fn required(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    notes: &mut Notes<'_>,
) -> u64 {
    let Some(word) = section.required(key, example, notes) else { return 0 };
    dollars(section, key, word.value, &word.span, notes).unwrap_or(0)
}

fn optional(
    section: &mut Section<'_>,
    key: &'static str,
    otherwise: u64,
    notes: &mut Notes<'_>,
) -> u64 {
    let Some(word) = section.text(key, notes) else { return otherwise };
    dollars(section, key, word.value, &word.span, notes).unwrap_or(otherwise)
}

fn dollars(
    section: &Section<'_>,
    key: &str,
    text: &str,
    span: &Span,
    notes: &mut Notes<'_>,
) -> Option<u64> {
    let parsed = parse_dollars(text);
    if parsed.is_none() {
        let problem = format!(
            "`{key} = {text:?}`{} is no price; write dollars per million tokens, with at most six \
             digits after the point: \"3.00\"",
            section.within()
        );
        notes.problem(span, problem);
    }
    parsed
}

/// Dollars with at most six digits after the point, in millionths.
pub(crate) fn parse_dollars(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) || 6 < part.len() {
        return None;
    }
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part)
}

/// Millionths of a dollar as the file has them: at least two digits after the point.
pub(crate) fn spell_dollars(millionths: u64) -> String {
    let part = format!("{:06}", millionths % 1_000_000);
    let kept = part.trim_end_matches('0').len().max(2);
    format!("{}.{}", millionths / 1_000_000, &part[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is spelled reads back as the same price; what is no price is none.
    #[test]
    fn prices_read_back() {
        for text in ["3.00", "0.25", "15.00", "0.000001", "18.75"] {
            assert_eq!(spell_dollars(parse_dollars(text).unwrap()), text);
        }
        assert_eq!(parse_dollars("3"), Some(3_000_000));
        for wrong in ["", ".5", "3.", "-1", "$3", "3,00", "0.0000001", "99999999999999999999"] {
            assert_eq!(parse_dollars(wrong), None, "{wrong:?}");
        }
    }
}
