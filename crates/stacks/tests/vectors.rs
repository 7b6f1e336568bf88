//! Byte for byte the same as stacks.js 7.6, over its recorded answers (`vectors/stacks.json`).

#![allow(clippy::unwrap_used, reason = "a test")]

mod recorded;

use recorded::{ErrorVector, TransferVector, vectors};
use stacks::{
    Address, AddressError, ConditionOn, KeyEncoding, KeyError, NameError, Network, Payload,
    PostCondition, Principal, PrincipalError, PrivateKey, Transfer, TransferError, decode, hex,
    sbtc_contract, sign_transfer, sponsor,
};

fn transfer_of(vector: &TransferVector) -> Transfer {
    Transfer {
        network: vector.network.parse().unwrap(),
        nonce: vector.nonce.parse().unwrap(),
        amount: vector.amount.parse().unwrap(),
        recipient: vector.recipient.parse().unwrap(),
        memo: vector.memo_hex.as_ref().map(|memo| hex::decode(memo).unwrap()),
        condition_on: match vector.post_condition_principal.as_str() {
            "standard" => ConditionOn::Sender,
            "origin" => ConditionOn::Origin,
            other => panic!("no condition on {other:?}"),
        },
    }
}

/// Contracts and the bytes of both networks are the recorded ones.
#[test]
fn knows_both_networks() {
    let known = vectors().constants;
    for network in [Network::Mainnet, Network::Testnet] {
        let of = |pair: &recorded::ByNetwork<String>| match network {
            Network::Mainnet => pair.mainnet.clone(),
            Network::Testnet => pair.testnet.clone(),
        };
        assert_eq!(sbtc_contract(network).to_string(), of(&known.sbtc_contract));
        assert_eq!(network.caip2(), of(&known.caip2));
        assert_eq!(Network::from_caip2(network.caip2()), Some(network));
        assert_eq!(network.to_string().parse(), Ok(network));
    }
    assert_eq!(Network::Mainnet.version_byte(), known.tx_version.mainnet);
    assert_eq!(Network::Testnet.version_byte(), known.tx_version.testnet);
    assert_eq!(Network::Mainnet.chain_id(), known.chain_id.mainnet);
    assert_eq!(Network::Testnet.chain_id(), known.chain_id.testnet);
}

/// Every recorded transfer is signed to the same bytes and the same id.
#[test]
fn signs_the_same_bytes() {
    let vectors = vectors().transfers;
    assert_eq!(vectors.len(), 56);
    for vector in vectors {
        let key = PrivateKey::from_hex(&vector.private_key_01).unwrap();
        let signed = sign_transfer(&transfer_of(&vector), &key).unwrap();
        assert_eq!(hex::encode(&signed.bytes), vector.tx_hex, "{}", vector.id);
        assert_eq!(signed.txid.to_string(), vector.txid, "{}", vector.id);
    }
}

/// Keys give the recorded public key and addresses, with or without the wallets' `01`.
#[test]
fn derives_the_same_addresses_from_keys() {
    for vector in vectors().transfers {
        for text in [&vector.private_key, &vector.private_key_01] {
            let key = PrivateKey::from_hex(text).unwrap();
            assert_eq!(hex::encode(&key.public_key().to_bytes()), vector.public_key);
            assert_eq!(hex::encode(&key.public_key().hash160()), vector.signer_hash160);
            assert_eq!(key.address(Network::Mainnet).to_string(), vector.sender_mainnet);
            assert_eq!(key.address(Network::Testnet).to_string(), vector.sender_testnet);
        }
    }
}

/// Recorded bytes are read to the recorded meaning, hash to the recorded hashes, and are written
/// back unchanged.
#[test]
fn decodes_what_was_recorded() {
    for vector in vectors().transfers {
        let bytes = hex::decode(&vector.tx_hex).unwrap();
        let transaction = decode(&bytes).unwrap();
        assert_eq!(transaction.encode(), bytes, "{}", vector.id);
        assert_eq!(transaction.txid().to_string(), vector.txid);
        assert_eq!(transaction.network.to_string(), vector.network);
        assert_eq!(transaction.origin_address().to_string(), vector.sender);
        assert_eq!(transaction.origin.nonce.to_string(), vector.nonce);
        assert_eq!(transaction.origin.fee.to_string(), vector.fee);
        assert_eq!(hex::encode(&transaction.origin.signature), vector.signature_vrs);
        assert_eq!(hex::encode(&transaction.initial_sighash()), vector.initial_sighash);
        assert_eq!(hex::encode(&transaction.origin_presign_sighash()), vector.presign_sighash);
        assert_eq!(hex::encode(&transaction.origin_postsign_sighash()), vector.postsign_sighash);
        assert!(transaction.sponsored() && transaction.sponsor_slot_empty());
        transaction.verify_origin().unwrap();
        transaction.verify_sponsor().unwrap_err();

        let call = transaction.sbtc_transfer().unwrap();
        assert_eq!(sbtc_contract(transaction.network).to_string(), vector.contract);
        assert_eq!(call.amount.to_string(), vector.amount);
        assert_eq!(call.sender.to_string(), vector.sender);
        assert_eq!(call.recipient.to_string(), vector.recipient);
        assert_eq!(call.memo.map(|memo| hex::encode(&memo)), vector.memo_hex);
        let is_contract = matches!(call.recipient, Principal::Contract(_));
        assert_eq!(is_contract, vector.recipient_kind == "contract", "{}", vector.id);
    }
}

/// What we sign names the recorded asset and function, in the recorded modes, and leaves the
/// sponsor's slot as stacks.js leaves it.
#[test]
fn signs_in_the_recorded_modes() {
    let vectors = vectors();
    let known = vectors.constants;
    for vector in vectors.transfers {
        let key = PrivateKey::from_hex(&vector.private_key_01).unwrap();
        let bytes = sign_transfer(&transfer_of(&vector), &key).unwrap().bytes;
        assert_eq!((bytes[5], bytes[6]), (known.auth_type_sponsored, known.hash_mode_p2pkh));
        // Auth byte, two spending conditions of 103 bytes, then the two modes.
        let modes = (bytes[6 + 2 * 103], bytes[6 + 2 * 103 + 1]);
        assert_eq!(modes, (known.anchor_mode_any, known.post_condition_mode_deny));
        let transaction = decode(&bytes).unwrap();
        let signer = transaction.sponsor.unwrap().signer;
        assert_eq!(hex::encode(&signer), known.placeholder_sponsor_signer_hash160);
        let Payload::ContractCall(call) = &transaction.payload else { panic!("{}", vector.id) };
        assert_eq!(call.function.to_string(), vector.function_name);
        let [PostCondition::Fungible { asset, .. }] = &transaction.post_conditions[..] else {
            panic!("{}", vector.id)
        };
        assert_eq!(asset.name.to_string(), vector.asset_name);
        assert_eq!(asset.name.to_string(), known.asset_name);
        assert_eq!(asset.contract.to_string(), vector.contract);
    }
}

/// A sponsor's signature comes out as recorded, on top of what the origin signed.
#[test]
fn sponsors_the_same_bytes() {
    let mut sponsored_count = 0;
    for vector in vectors().transfers {
        let Some(expected) = vector.sponsored else { continue };
        sponsored_count += 1;
        let origin_signed = decode(&hex::decode(&vector.tx_hex).unwrap()).unwrap();
        let (nonce, fee) = (expected.sponsor_nonce.parse(), expected.sponsor_fee.parse());
        let (nonce, fee): (u64, u64) = (nonce.unwrap(), fee.unwrap());
        for text in [&expected.sponsor_private_key, &expected.sponsor_private_key_01] {
            let key = PrivateKey::from_hex(text).unwrap();
            let sponsored = sponsor(&origin_signed, &key, nonce, fee).unwrap();
            assert_eq!(hex::encode(&sponsored.encode()), expected.tx_hex, "{}", vector.id);
            assert_eq!(sponsored.txid().to_string(), expected.txid);
            assert_eq!(decode(&sponsored.encode()), Ok(sponsored.clone()));

            let digest = sponsored.sponsor_presign_sighash().unwrap();
            assert_eq!(hex::encode(&digest), expected.sponsor_presign_sighash);
            let signature = sponsored.sponsor.unwrap().signature;
            assert_eq!(hex::encode(&signature), expected.sponsor_signature_vrs);
            let address = sponsored.sponsor_address().unwrap();
            assert_eq!(address.to_string(), expected.sponsor_address);
            assert_eq!(sponsored.sponsor_slot_empty(), fee == 0);
            sponsored.verify_origin().unwrap();
            sponsored.verify_sponsor().unwrap();
        }
    }
    assert_eq!(sponsored_count, 8);
}

/// We sign with compressed keys only, but read and verify the other kind.
#[test]
fn verifies_uncompressed_keys() {
    for vector in vectors().transfers_uncompressed_key {
        let transaction = decode(&hex::decode(&vector.tx_hex).unwrap()).unwrap();
        assert_eq!(transaction.origin.key_encoding, KeyEncoding::Uncompressed);
        assert_eq!(transaction.origin_address().to_string(), vector.sender);
        assert_eq!(hex::encode(&transaction.origin_presign_sighash()), vector.presign_sighash);
        assert_eq!(transaction.sbtc_transfer().unwrap().amount.to_string(), vector.amount);
        assert_eq!(transaction.txid().to_string(), vector.txid);
        transaction.verify_origin().unwrap();
    }
}

/// What stopped a transfer, wherever between its texts and its signature that was.
#[derive(Debug, PartialEq)]
enum Refusal {
    Key(KeyError),
    Number,
    Recipient(PrincipalError),
    Transfer(TransferError),
}

fn attempt(vector: &ErrorVector) -> Result<(), Refusal> {
    let transfer = Transfer {
        nonce: vector.nonce.parse().map_err(|_| Refusal::Number)?,
        memo: vector.memo_hex.as_ref().map(|memo| hex::decode(memo).unwrap()),
        ..Transfer::new(
            vector.network.parse().unwrap(),
            0,
            vector.amount.parse().map_err(|_| Refusal::Number)?,
            vector.recipient.parse().map_err(Refusal::Recipient)?,
        )
    };
    let key = PrivateKey::from_hex(&vector.private_key_01).map_err(Refusal::Key)?;
    sign_transfer(&transfer, &key).map(|_| ()).map_err(Refusal::Transfer)
}

/// Nothing is signed that cannot settle, and each reason has its own answer. Numbers too big for
/// a post-condition are kept out by the type.
#[test]
fn refuses_what_cannot_settle() {
    let vectors = vectors().transfer_errors;
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        let other_network = || TransferError::OtherNetwork {
            network: Network::Mainnet,
            recipient: vector.recipient.parse().unwrap(),
        };
        let expected = match vector.reason.as_str() {
            "recipient checksum" => {
                Refusal::Recipient(PrincipalError::Address(AddressError::Checksum))
            }
            "contract name must start with a letter" => {
                Refusal::Recipient(PrincipalError::Name(NameError::BadStart { found: '1' }))
            }
            "empty contract name" => Refusal::Recipient(PrincipalError::Name(NameError::Empty)),
            "contract name longer than 128" => {
                let too_long = NameError::TooLong { len: 129, max: 40 };
                Refusal::Recipient(PrincipalError::Name(too_long))
            }
            reason if reason.starts_with("memo longer") => {
                Refusal::Transfer(TransferError::MemoTooLong { len: 35 })
            }
            reason if reason.starts_with("sBTC transfer of 0") => {
                Refusal::Transfer(TransferError::ZeroAmount)
            }
            "recipient of the other network" => Refusal::Transfer(other_network()),
            reason if reason.starts_with("sender == recipient") => {
                Refusal::Transfer(TransferError::ToSender)
            }
            reason if reason.starts_with("private key") => Refusal::Key(KeyError::Range),
            _ => Refusal::Number,
        };
        assert_eq!(attempt(&vector), Err(expected), "{}", vector.reason);
    }
}

/// Valid addresses are read and written back as they were, of every version.
#[test]
fn reads_and_writes_valid_addresses() {
    let vectors = vectors().addresses_valid;
    assert_eq!(vectors.len(), 35);
    for vector in vectors {
        let hash160: [u8; 20] = hex::decode(&vector.hash160).unwrap().try_into().unwrap();
        let address: Address = vector.address.parse().unwrap();
        assert_eq!(address, Address::new(vector.version, hash160).unwrap());
        assert_eq!(address.to_string(), vector.address);
        let network = match vector.kind.split_once('-') {
            Some(("mainnet", _)) => Some(Network::Mainnet),
            Some(("testnet", _)) => Some(Network::Testnet),
            _ => None,
        };
        assert_eq!(address.network(), network, "{}", vector.address);
    }
}

/// Invalid addresses are refused, each for its own reason.
#[test]
fn refuses_invalid_addresses() {
    let vectors = vectors().addresses_invalid;
    assert_eq!(vectors.len(), 18);
    for vector in vectors {
        let refusal = vector.address.parse::<Address>().unwrap_err();
        let expected = match vector.reason.as_str() {
            reason if reason.contains("checksum") => AddressError::Checksum,
            "one character short" => AddressError::Checksum,
            "one character long" => AddressError::TooBig,
            "empty" | "prefix only" | "version only" => {
                AddressError::Length { len: vector.address.len() }
            }
            "contract principal where an address is wanted" | "hex" => {
                AddressError::Length { len: vector.address.len() }
            }
            "does not start with S" => AddressError::Prefix { found: 'X' },
            "leading space" => AddressError::Prefix { found: ' ' },
            "bitcoin base58 address" => AddressError::Prefix { found: '1' },
            "U is not in the alphabet" => AddressError::BadChar { found: 'U' },
            "character outside the alphabet" => AddressError::BadChar { found: '-' },
            "trailing newline" => AddressError::BadChar { found: '\n' },
            "non-ASCII" => AddressError::BadChar { found: 'é' },
            other => panic!("no expectation for {other:?}"),
        };
        assert_eq!(refusal, expected, "{}", vector.reason);
    }
}

/// One account has one spelling: what other decoders take for it is refused.
#[test]
fn refuses_other_spellings() {
    for vector in vectors().addresses_noncanonical {
        vector.canonical.parse::<Address>().unwrap();
        let refusal = vector.address.parse::<Address>().unwrap_err();
        let spelling = matches!(refusal, AddressError::BadChar { .. })
            || refusal == AddressError::Prefix { found: 's' };
        assert!(spelling, "{}: {refusal}", vector.address);
    }
}

/// Wallets give the recorded keys; broken ones are refused without being repeated.
#[test]
fn derives_the_same_keys_from_mnemonics() {
    let vectors = vectors();
    assert_eq!(vectors.mnemonics.len(), 14);
    for vector in vectors.mnemonics {
        for account in vector.accounts {
            let key = PrivateKey::from_mnemonic(&vector.mnemonic, account.index).unwrap();
            let same = PrivateKey::from_hex(&account.private_key_01).unwrap();
            assert_eq!(key.public_key(), same.public_key());
            assert_eq!(key.address(Network::Mainnet).to_string(), account.address_mainnet);
            assert_eq!(key.address(Network::Testnet).to_string(), account.address_testnet);
        }
    }
    for vector in vectors.mnemonics_invalid {
        let refusal = PrivateKey::from_mnemonic(&vector.mnemonic, 0).unwrap_err();
        assert!(matches!(refusal, KeyError::Mnemonic(_)), "{}", vector.reason);
        let told = format!("{refusal} {refusal:?}");
        let repeats = vector.mnemonic.split(' ').any(|word| word.len() > 4 && told.contains(word));
        assert!(!repeats, "{told} repeats the mnemonic");
    }
}

/// An account number that BIP-32 has no room for is refused.
#[test]
fn refuses_accounts_out_of_range() {
    let words = &vectors().mnemonics[0].mnemonic;
    let refusal = PrivateKey::from_mnemonic(words, 1 << 31).unwrap_err();
    assert_eq!(refusal, KeyError::Account { account: 1 << 31 });
}

/// Each way of being no key has its own answer, and none shows what was read.
#[test]
fn reads_keys_strictly() {
    let one = format!("{:064x}", 1);
    let refusal = |text: &str| PrivateKey::from_hex(text).unwrap_err();
    assert_eq!(refusal(&format!("{one}02")), KeyError::Suffix);
    assert_eq!(refusal(&one[2..]), KeyError::Length { len: 31 });
    assert_eq!(refusal(&format!("{one}0101")), KeyError::Length { len: 34 });
    assert_eq!(refusal("not a key"), KeyError::Hex);
    assert_eq!(format!("{:?}", PrivateKey::from_hex(&one).unwrap()), "PrivateKey(..)");
}
