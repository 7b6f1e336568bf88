//! The recorded answers of stacks.js, as they lie in `vectors/stacks.json`. Numbers that may pass
//! 2^53 are texts, bytes are lower-case hexadecimal.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) constants: Constants,
    pub(crate) transfers: Vec<TransferVector>,
    pub(crate) transfers_uncompressed_key: Vec<UncompressedVector>,
    pub(crate) transfer_errors: Vec<ErrorVector>,
    pub(crate) addresses_valid: Vec<ValidAddress>,
    pub(crate) addresses_invalid: Vec<InvalidAddress>,
    pub(crate) addresses_noncanonical: Vec<NoncanonicalAddress>,
    pub(crate) mnemonics: Vec<MnemonicVector>,
    pub(crate) mnemonics_invalid: Vec<InvalidMnemonic>,
}

#[derive(Deserialize)]
pub(crate) struct Constants {
    pub(crate) sbtc_contract: ByNetwork<String>,
    pub(crate) asset_name: String,
    pub(crate) auth_type_sponsored: u8,
    pub(crate) hash_mode_p2pkh: u8,
    pub(crate) anchor_mode_any: u8,
    pub(crate) post_condition_mode_deny: u8,
    pub(crate) placeholder_sponsor_signer_hash160: String,
    pub(crate) caip2: ByNetwork<String>,
    pub(crate) tx_version: ByNetwork<u8>,
    pub(crate) chain_id: ByNetwork<u32>,
}

#[derive(Deserialize)]
pub(crate) struct ByNetwork<T> {
    pub(crate) mainnet: T,
    pub(crate) testnet: T,
}

#[derive(Deserialize)]
pub(crate) struct TransferVector {
    pub(crate) id: String,
    pub(crate) network: String,
    pub(crate) private_key: String,
    pub(crate) private_key_01: String,
    pub(crate) public_key: String,
    pub(crate) signer_hash160: String,
    pub(crate) sender: String,
    pub(crate) sender_mainnet: String,
    pub(crate) sender_testnet: String,
    pub(crate) contract: String,
    pub(crate) function_name: String,
    pub(crate) asset_name: String,
    pub(crate) nonce: String,
    pub(crate) fee: String,
    pub(crate) amount: String,
    pub(crate) recipient: String,
    pub(crate) recipient_kind: String,
    pub(crate) memo_hex: Option<String>,
    pub(crate) post_condition_principal: String,
    pub(crate) initial_sighash: String,
    pub(crate) presign_sighash: String,
    pub(crate) signature_vrs: String,
    pub(crate) postsign_sighash: String,
    pub(crate) tx_hex: String,
    pub(crate) txid: String,
    pub(crate) sponsored: Option<SponsoredVector>,
}

#[derive(Deserialize)]
pub(crate) struct SponsoredVector {
    pub(crate) sponsor_private_key: String,
    pub(crate) sponsor_private_key_01: String,
    pub(crate) sponsor_address: String,
    pub(crate) sponsor_nonce: String,
    pub(crate) sponsor_fee: String,
    pub(crate) sponsor_presign_sighash: String,
    pub(crate) sponsor_signature_vrs: String,
    pub(crate) tx_hex: String,
    pub(crate) txid: String,
}

#[derive(Deserialize)]
pub(crate) struct UncompressedVector {
    pub(crate) sender: String,
    pub(crate) amount: String,
    pub(crate) presign_sighash: String,
    pub(crate) tx_hex: String,
    pub(crate) txid: String,
}

#[derive(Deserialize)]
pub(crate) struct ErrorVector {
    pub(crate) network: String,
    pub(crate) private_key_01: String,
    pub(crate) nonce: String,
    pub(crate) recipient: String,
    pub(crate) memo_hex: Option<String>,
    pub(crate) amount: String,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
pub(crate) struct ValidAddress {
    pub(crate) address: String,
    pub(crate) version: u8,
    pub(crate) hash160: String,
    pub(crate) kind: String,
}

#[derive(Deserialize)]
pub(crate) struct InvalidAddress {
    pub(crate) address: String,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
pub(crate) struct NoncanonicalAddress {
    pub(crate) address: String,
    pub(crate) canonical: String,
}

#[derive(Deserialize)]
pub(crate) struct MnemonicVector {
    pub(crate) mnemonic: String,
    pub(crate) accounts: Vec<AccountVector>,
}

#[derive(Deserialize)]
pub(crate) struct AccountVector {
    pub(crate) index: u32,
    pub(crate) private_key_01: String,
    pub(crate) address_mainnet: String,
    pub(crate) address_testnet: String,
}

#[derive(Deserialize)]
pub(crate) struct InvalidMnemonic {
    pub(crate) mnemonic: String,
    pub(crate) reason: String,
}

pub(crate) fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/stacks.json")).unwrap()
}
