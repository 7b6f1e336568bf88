use std::time::Duration;

use domain::{PayerConfig, Sats};
use logic::payment::IN_FLIGHT_MAX;
use stacks::Network;

use super::{
    exclude,
    notes::Notes,
    section::{Section, Span, Word},
};

/// The payer of the file.
pub(super) struct PayerRead {
    pub(super) span: Span,
    pub(super) network: Option<Word<Network>>,
    pub(super) config: Option<PayerConfig>,
}

/// What the inbox asks of everyone: sats for one message.
const AMOUNT_USUAL: u64 = 100;

pub(super) fn read(root: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<PayerRead> {
    let mut section = root.section("payer", notes)?;
    let network = exclude::network(&mut section, notes);
    let payer = payer(&mut section, network.as_ref().map(|word| word.value), notes);
    let read = PayerRead { span: section.span.clone(), network, config: payer };
    section.finish(notes);
    Some(read)
}

fn payer(
    section: &mut Section<'_>,
    network: Option<Network>,
    notes: &mut Notes<'_>,
) -> Option<PayerConfig> {
    let (relay, stacks) = match network {
        Some(Network::Testnet) => ("https://x402-relay.aibtc.dev", "https://api.testnet.hiro.so"),
        _ => ("https://x402-relay.aibtc.com", "https://api.mainnet.hiro.so"),
    };
    let inbox_url = url(section, "inbox_url", "https://aibtc.com/api", notes);
    let relay_url = url(section, "relay_url", relay, notes);
    let stacks_url = url(section, "stacks_url", stacks, notes);
    let (second, moment) = (Duration::from_secs(1), Duration::from_millis(100));
    let amount = section.number::<u64>("amount_max_sats", 1, "nothing could ever be paid", notes);
    let in_flight = in_flight(section, notes);
    let unconfirmed_after = section.duration("unconfirmed_after", second * 900, moment, notes);
    let unresolved_after = section.duration("unresolved_after", second * 600, moment, notes);
    let ask_every = section.duration("ask_every", second * 15, moment, notes);
    let depth =
        section.number("depth", 1, "a block without any on top may still be replaced", notes);
    Some(PayerConfig {
        network: network?.to_string(),
        inbox_url,
        relay_url,
        stacks_url,
        amount_max: Sats::new(amount.unwrap_or(AMOUNT_USUAL)),
        in_flight: in_flight.unwrap_or(1),
        unconfirmed_after,
        unresolved_after,
        ask_every,
        depth: depth.unwrap_or(6),
    })
}

fn in_flight(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<u32> {
    let in_flight = section.number("in_flight", 1, "nothing could ever be paid", notes)?;
    if u32::try_from(IN_FLIGHT_MAX).is_ok_and(|max| max < in_flight) {
        let text = format!(
            "`in_flight = {in_flight}`{} is too many: a relay lets {IN_FLIGHT_MAX} payments of one \
             wallet wait, and a node 25; write at most {IN_FLIGHT_MAX}",
            section.within()
        );
        notes.problem(&section.span, text);
    }
    Some(in_flight)
}

/// The base of an API, without a slash at its end.
pub(super) fn url(
    section: &mut Section<'_>,
    key: &'static str,
    otherwise: &str,
    notes: &mut Notes<'_>,
) -> String {
    let Some(word) = section.text(key, notes) else { return otherwise.to_owned() };
    let host = word.value.strip_prefix("https://").or_else(|| word.value.strip_prefix("http://"));
    let sound = |host: &str| {
        let name = host.split(['/', ':']).next().unwrap_or_default();
        !name.is_empty() && !host.contains(char::is_whitespace) && !host.contains(['?', '#', '@'])
    };
    if !host.is_some_and(sound) {
        let text =
            format!("`{key} = {:?}`{} is not the base of an API", word.value, section.within());
        notes.problem(&word.span, format!("{text}; write it like \"{otherwise}\""));
    }
    word.value.trim_end_matches('/').to_owned()
}
