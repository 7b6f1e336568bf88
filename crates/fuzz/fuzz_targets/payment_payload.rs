//! A payment from a stranger is read or refused; what is read is written so that it reads the same.
//! How to run it is told in `address.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x402::{PaymentPayload, SettleResponse, header};

fuzz_target!(|text: &str| {
    if let Ok(payload) = header::decode::<PaymentPayload>(text) {
        let _ = (payload.transaction(), payload.id());
        let again: PaymentPayload =
            header::decode(&header::encode(&payload)).expect("what we write is read");
        assert_eq!(again.payload, payload.payload);
        assert_eq!(again.id(), payload.id());
    }
    if let Ok(settled) = header::decode::<SettleResponse>(text) {
        let _ = settled.txid();
        let again: SettleResponse =
            header::decode(&header::encode(&settled)).expect("what we write is read");
        assert_eq!(again, settled);
    }
});
