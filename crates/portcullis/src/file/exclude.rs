use std::str::FromStr as _;

use stacks::{Address, AddressError, Network};

use super::{
    notes::Notes,
    section::{Section, Span, Word},
};

/// The network a section names, by `mainnet` or `testnet`.
pub(super) fn network(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Word<Network>> {
    let word = section.required("network", "\"mainnet\" or \"testnet\"", notes)?;
    match Network::from_str(word.value) {
        Ok(value) => Some(Word { value, span: word.span }),
        Err(_) => {
            let text = format!("unknown network \"{}\"{}", word.value, section.within());
            notes.problem(&word.span, format!("{text}; write \"mainnet\" or \"testnet\""));
            None
        }
    }
}

/// Addresses that are never greeted, each checked, since one with a slip excludes nobody.
pub(super) fn addresses(
    section: &mut Section<'_>,
    network: Option<Network>,
    notes: &mut Notes<'_>,
) -> Vec<String> {
    let mut found = Vec::new();
    for word in section.texts("exclude", notes) {
        match Address::from_str(word.value) {
            Ok(address) => {
                foreign(&address, network, &word.span, notes);
                found.push(address.to_string());
            }
            Err(error) => {
                let text = format!("\"{}\" in `exclude` is not a Stacks address", word.value);
                notes.problem(&word.span, format!("{text}: {}", why(&error)));
            }
        }
    }
    found
}

fn foreign(address: &Address, network: Option<Network>, span: &Span, notes: &mut Notes<'_>) {
    if let Some(network) = network
        && address.network() != Some(network)
    {
        let text = format!("{address} in `exclude` is not of {network}, so it never matches");
        notes.warning(span, text);
    }
}

fn why(error: &AddressError) -> String {
    match error {
        AddressError::Checksum => {
            "its checksum does not fit; a letter is wrong, copy it again".to_owned()
        }
        AddressError::BadChar { found } => {
            format!("{found:?} never stands in one; copy it again")
        }
        AddressError::Prefix { .. } => "it must begin with SP, SM, ST or SN".to_owned(),
        _ => "it is cut off or too long; copy it again".to_owned(),
    }
}
