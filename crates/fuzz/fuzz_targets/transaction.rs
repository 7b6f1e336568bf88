//! What is decoded is encoded to the same bytes, and everything that is asked of it has an answer.
//! How to run it is told in `address.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(transaction) = stacks::decode(bytes) else { return };
    assert_eq!(transaction.encode(), bytes);
    assert_eq!(stacks::decode(&transaction.encode()).as_ref(), Ok(&transaction));
    // Whether they are good is not the question, only that they end.
    let _ = transaction.verify_origin();
    let _ = transaction.verify_sponsor();
    if let Ok(call) = transaction.sbtc_transfer() {
        assert_eq!(call.recipient.to_string().parse(), Ok(call.recipient));
    }
    let _ = (transaction.txid(), transaction.origin_address(), transaction.sponsor_address());
});
