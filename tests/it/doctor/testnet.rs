//! The whole fleet on testnet: addresses, asset and chain follow from one word of the file.

use domain::Payment;
use stacks::{Network, decode, sbtc_contract};
use wire::Wire as _;

use super::{object, toml, wallet, with_key};
use crate::{
    harness::{Job, eventually},
    payments::bench::{all_welcomed_once, ledger, no_gate_moved},
};

/// With `network = "testnet"` everybody is welcomed on testnet: every byte that was signed is
/// for that chain and for its sBTC, and no address of mainnet is paid. The checklist agrees.
#[tokio::test(flavor = "multi_thread")]
async fn agents_are_welcomed_on_testnet() {
    let job = Job::set_with(4, |settings| settings.network = Network::Testnet).await;
    job.world.apply(&toml(&job)).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    let ledger = ledger(&job).await;
    for transfer in ledger["transfers"].as_array().unwrap() {
        for end in ["sender", "recipient"] {
            assert!(transfer[end].as_str().unwrap().starts_with("ST"), "{transfer}");
        }
    }
    let stored = job.world.stored("RECORD", "pay.>").await;
    let mut seen = 0;
    for payment in stored.iter().map(|it| Payment::decode(&it.body).unwrap()) {
        let Some(signed) = payment.signed() else { continue };
        let transaction = decode(&signed.bytes).unwrap();
        assert_eq!(signed.bytes[..5], [0x80, 0x80, 0, 0, 0]);
        assert_eq!(transaction.network, Network::Testnet);
        assert_eq!(transaction.origin_address(), wallet(&job));
        // It is a transfer of testnet's sBTC, or this would be refused.
        let call = transaction.sbtc_transfer().unwrap();
        assert_eq!(call.recipient.to_string(), payment.payee.address);
        seen += 1;
    }
    assert!(4 <= seen);
    assert!(sbtc_contract(Network::Testnet).to_string().starts_with("ST1F7QA2"));
    eventually("nothing to fail", || async {
        let output = with_key(&job, &["doctor", "--json"]).await;
        (object(&output)["healthy"] == true).then_some(())
    })
    .await;
}
