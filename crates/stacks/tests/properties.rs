//! Encoding and decoding are each other's inverse, and no input makes anything panic.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::{collection::vec, prelude::*};
use stacks::{
    Address, AnchorMode, Asset, ClarityName, ContractCall, ContractId, ContractName, FungibleCode,
    KeyEncoding, Network, NonFungibleCode, Payload, PostCondition, PostConditionMode,
    PostConditionPrincipal, Principal, PrivateKey, SpendingCondition, TokenTransfer, Transaction,
    Transfer, TransferError, Value, decode, sign_transfer, sponsor,
};

fn network() -> impl Strategy<Value = Network> {
    prop_oneof![Just(Network::Mainnet), Just(Network::Testnet)]
}

/// Many leading zeros, since they are what base 32 gets wrong.
fn address() -> impl Strategy<Value = Address> {
    (0u8..32, 0usize..=20, any::<[u8; 20]>()).prop_map(|(version, zeros, mut hash160)| {
        hash160[..zeros].fill(0);
        Address::new(version, hash160).unwrap()
    })
}

fn contract() -> impl Strategy<Value = ContractId> {
    let name = "[a-zA-Z][a-zA-Z0-9_-]{0,39}".prop_map(|name| name.parse().unwrap());
    (address(), name).prop_map(|(address, name): (_, ContractName)| ContractId { address, name })
}

fn principal() -> impl Strategy<Value = Principal> {
    prop_oneof![address().prop_map(Principal::Standard), contract().prop_map(Principal::Contract)]
}

fn clarity_name() -> impl Strategy<Value = ClarityName> {
    let name = prop_oneof!["[a-zA-Z][a-zA-Z0-9_!?+<>=/*-]{0,20}", Just("<=".to_owned())];
    name.prop_map(|name| name.parse().unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        any::<i128>().prop_map(Value::Int),
        any::<u128>().prop_map(Value::UInt),
        bytes().prop_map(Value::Buffer),
        any::<bool>().prop_map(Value::Bool),
        principal().prop_map(Value::Principal),
        Just(Value::None),
        bytes().prop_map(Value::StringAscii),
        bytes().prop_map(Value::StringUtf8),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Value::Ok),
            boxed.clone().prop_map(Value::Err),
            boxed.prop_map(Value::Some),
            vec(inner.clone(), 0..4).prop_map(Value::List),
            vec((clarity_name(), inner), 0..4).prop_map(Value::Tuple),
        ]
    })
}

fn post_condition() -> impl Strategy<Value = PostCondition> {
    let who = prop_oneof![
        Just(PostConditionPrincipal::Origin),
        address().prop_map(PostConditionPrincipal::Standard),
        contract().prop_map(PostConditionPrincipal::Contract),
    ];
    let asset = (contract(), clarity_name()).prop_map(|(contract, name)| Asset { contract, name });
    let code = prop_oneof![
        Just(FungibleCode::Equal),
        Just(FungibleCode::Greater),
        Just(FungibleCode::GreaterOrEqual),
        Just(FungibleCode::Less),
        Just(FungibleCode::LessOrEqual),
    ];
    let nft = prop_oneof![Just(NonFungibleCode::Sent), Just(NonFungibleCode::NotSent)];
    (0..3, who, asset, code, nft, any::<u64>(), value()).prop_map(
        |(kind, principal, asset, code, nft, amount, id)| match kind {
            0 => PostCondition::Stx { principal, code, amount },
            1 => PostCondition::Fungible { principal, asset, code, amount },
            _ => PostCondition::NonFungible { principal, asset, id, code: nft },
        },
    )
}

fn condition() -> impl Strategy<Value = SpendingCondition> {
    let encoding = prop_oneof![Just(KeyEncoding::Compressed), Just(KeyEncoding::Uncompressed)];
    (any::<[u8; 20]>(), any::<u64>(), any::<u64>(), encoding, any::<[u8; 32]>(), any::<u8>())
        .prop_map(|(signer, nonce, fee, key_encoding, half, first)| {
            let mut signature = [first; 65];
            signature[1..33].copy_from_slice(&half);
            SpendingCondition { signer, nonce, fee, key_encoding, signature }
        })
}

fn payload() -> impl Strategy<Value = Payload> {
    let call = (contract(), clarity_name(), vec(value(), 0..4)).prop_map(
        |(contract, function, arguments)| {
            Payload::ContractCall(ContractCall { contract, function, arguments })
        },
    );
    let transfer =
        (principal(), any::<u64>(), any::<u8>()).prop_map(|(recipient, amount, byte)| {
            Payload::TokenTransfer(TokenTransfer { recipient, amount, memo: [byte; 34] })
        });
    prop_oneof![call, transfer]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let anchor =
        prop_oneof![Just(AnchorMode::OnChain), Just(AnchorMode::OffChain), Just(AnchorMode::Any)];
    let mode = prop_oneof![Just(PostConditionMode::Allow), Just(PostConditionMode::Deny)];
    let auth = (condition(), proptest::option::of(condition()));
    (network(), auth, anchor, mode, vec(post_condition(), 0..3), payload()).prop_map(
        |(
            network,
            (origin, sponsor),
            anchor_mode,
            post_condition_mode,
            post_conditions,
            payload,
        )| {
            Transaction {
                network,
                origin,
                sponsor,
                anchor_mode,
                post_condition_mode,
                post_conditions,
                payload,
            }
        },
    )
}

fn key() -> impl Strategy<Value = PrivateKey> {
    "0[1-9a-f][0-9a-f]{62}".prop_map(|text| PrivateKey::from_hex(&text).unwrap())
}

/// Asks everything there is to ask of a transaction, wherever it came from.
fn exercise(transaction: &Transaction) {
    let _ = transaction.verify_origin();
    let _ = transaction.verify_sponsor();
    let _ = transaction.sbtc_transfer();
    let _ = transaction.sponsor_slot_empty();
    let _ = transaction.origin_address().to_string();
    let _ = transaction.txid();
}

proptest! {
    /// Whatever can be said in a transaction survives the wire.
    #[test]
    fn transactions_survive_the_wire(transaction in transaction()) {
        let bytes = transaction.encode();
        prop_assert_eq!(decode(&bytes), Ok(transaction.clone()));
        exercise(&transaction);
    }

    /// A transaction that breaks off, or is followed by anything, is none.
    #[test]
    fn takes_nothing_less_and_nothing_more(transaction in transaction(), at in any::<prop::sample::Index>()) {
        let mut bytes = transaction.encode();
        prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    /// Damaged bytes are refused or mean something else, and what they mean is written back so.
    #[test]
    fn damage_is_seen(
        transaction in transaction(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bytes = transaction.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = decode(&bytes) {
            prop_assert_ne!(&other, &transaction);
            prop_assert_eq!(other.encode(), bytes);
            exercise(&other);
        }
    }

    /// Noise, also behind a believable start, is refused without a panic.
    #[test]
    fn noise_is_no_transaction(noise in vec(any::<u8>(), 0..400), start in any::<bool>()) {
        let mut bytes = if start { vec![0, 0, 0, 0, 1, 5] } else { Vec::new() };
        bytes.extend(noise);
        if let Ok(transaction) = decode(&bytes) {
            exercise(&transaction);
        }
    }

    /// Addresses and principals survive being written.
    #[test]
    fn principals_survive_text(principal in principal()) {
        prop_assert_eq!(principal.to_string().parse(), Ok(principal));
    }

    /// An address with one character changed is refused, unless nothing was changed.
    #[test]
    fn a_mistyped_address_is_refused(
        address in address(),
        at in any::<prop::sample::Index>(),
        typed in "[0-9A-Z]",
    ) {
        let text = address.to_string();
        let at = at.index(text.len());
        let mut mistyped = text.clone();
        mistyped.replace_range(at..=at, &typed);
        prop_assert_eq!(mistyped.parse::<Address>().is_ok(), mistyped == text);
    }

    /// No text makes a parser panic.
    #[test]
    fn no_text_panics(text in "\\PC{0,60}", like in "S[0-9A-Z]{0,44}(\\.[a-z-]{0,44})?") {
        for text in [text, like] {
            let _ = text.parse::<Address>();
            let _ = text.parse::<Principal>();
            let _ = text.parse::<ContractId>();
            let _ = text.parse::<ClarityName>();
            let _ = text.parse::<stacks::TxId>();
            let _ = stacks::hex::decode(&text);
            let _ = PrivateKey::from_hex(&text);
            let _ = PrivateKey::from_mnemonic(&text, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A signed transfer says what was asked, verifies, can be sponsored, and verifies still; a
    /// changed one does not.
    #[test]
    fn signed_transfers_verify(
        network in network(),
        (key, relay) in (key(), key()),
        (nonce, amount, fee) in (any::<u64>(), 1u64.., 1u64..),
        recipient in principal(),
        memo in proptest::option::of(vec(any::<u8>(), 0..40)),
    ) {
        let transfer = Transfer { memo, ..Transfer::new(network, nonce, amount, recipient) };
        let signed = match sign_transfer(&transfer, &key) {
            Ok(signed) => signed,
            Err(TransferError::OtherNetwork { .. }) => {
                prop_assert_ne!(transfer.recipient.address().network(), Some(network));
                return Ok(());
            }
            Err(TransferError::MemoTooLong { len }) => {
                prop_assert!(len > stacks::MEMO_LEN_MAX);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let seen = decode(&signed.bytes).unwrap();
        prop_assert_eq!(seen.verify_origin(), Ok(()));
        prop_assert_eq!(seen.origin_address(), key.address(network));
        prop_assert_eq!(seen.origin.nonce, nonce);
        let call = seen.sbtc_transfer().unwrap();
        prop_assert_eq!((call.amount, &call.memo), (u128::from(amount), &transfer.memo));
        prop_assert_eq!(&call.recipient, &transfer.recipient);

        let sponsored = sponsor(&seen, &relay, 3, fee).unwrap();
        prop_assert_eq!(sponsored.verify_origin(), Ok(()));
        prop_assert_eq!(sponsored.verify_sponsor(), Ok(()));
        prop_assert!(!sponsored.sponsor_slot_empty());
        prop_assert_ne!(sponsored.txid(), signed.txid);

        let mut forged = sponsored;
        forged.origin.nonce = forged.origin.nonce.wrapping_add(1);
        prop_assert!(forged.verify_origin().is_err());
        prop_assert!(forged.verify_sponsor().is_err());
    }

    /// What its origin pays for cannot be sponsored.
    #[test]
    fn standard_transactions_want_no_sponsor(transaction in transaction(), key in key()) {
        let standard = Transaction { sponsor: None, ..transaction };
        prop_assert!(sponsor(&standard, &key, 0, 1).is_err());
        prop_assert!(!standard.sponsor_slot_empty());
    }
}
