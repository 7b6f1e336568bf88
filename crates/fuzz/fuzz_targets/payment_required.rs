//! Terms from a stranger: read or refused, never paid beyond what was agreed, and the entry that is
//! agreed to goes back as it came. How to run it is told in `address.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stacks::{Address, Network, sbtc_asset};
use x402::{PaymentPayload, PaymentRequired, Terms, header, select};

/// The most that is agreed to.
const AGREED: u64 = 100;

fuzz_target!(|given: (Option<&str>, &str)| {
    let Ok(required) = PaymentRequired::read(given.0, given.1) else { return };
    let network = Network::Mainnet;
    let pay_to: Address = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7".parse().expect("an address");
    let terms = Terms { network, asset: sbtc_asset(network), max_amount: AGREED, pay_to };
    let Ok(chosen) = select(&required, &terms) else { return };
    assert!((1..=AGREED).contains(&chosen.amount));
    assert_eq!((chosen.pay_to, chosen.network), (pay_to, network));
    let sent = header::encode(&chosen.payment(&[1, 2, 3], None));
    let seen: PaymentPayload = header::decode(&sent).expect("what we write is read");
    let echoed = seen.accepted.expect("the entry goes back");
    assert_eq!(echoed.parse().expect("it was read before").amount, {
        chosen.accepted.parse().expect("it was chosen").amount
    });
});
