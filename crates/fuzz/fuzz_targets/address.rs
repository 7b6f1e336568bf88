//! Whatever is read as an address or a principal is written back to the letter: one account, one
//! spelling. And nothing panics.
//!
//! With `cargo install cargo-fuzz`, each target runs from the top of the project like this:
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir crates/fuzz address -- -max_total_time=180
//! ```
//!
//! (`RUSTC_BOOTSTRAP=1` only for a stable toolchain.) What is found lies in `crates/fuzz/artifacts`
//! and belongs into a test of the crate that it was found in. Good seeds are the recorded vectors:
//! give their folder after the target's name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stacks::{Address, ContractId, Principal};

fuzz_target!(|text: &str| {
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::new(address.version(), *address.hash160()), Ok(address));
    }
    if let Ok(contract) = text.parse::<ContractId>() {
        assert_eq!(contract.to_string(), text);
    }
    if let Ok(principal) = text.parse::<Principal>() {
        assert_eq!(principal.to_string(), text);
    }
});
