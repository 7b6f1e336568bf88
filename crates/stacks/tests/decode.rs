//! What is refused, and that the refusal says what it is.

#![allow(clippy::unwrap_used, reason = "a test")]

use stacks::{
    Address, AddressError, BYTES_MAX, ContractCall, DecodeError, NameError, Network, NotATransfer,
    Payload, Principal, PrivateKey, TokenTransfer, Transaction, Transfer, Value, VerifyError,
    decode, sbtc_contract, sign_transfer,
};

/// Where the parts of a sponsored transaction begin.
const AUTH: usize = 5;
const HASH_MODE: usize = 6;
const ORIGIN_SIGNATURE: usize = 44;
const KEY_ENCODING: usize = 43;
const ANCHOR_MODE: usize = 212;

fn signed() -> Vec<u8> {
    let key = PrivateKey::from_hex(&format!("{:064x}", 7)).unwrap();
    let recipient = "SP2J6EDFG52M1T96VY5Z2QAX5R6W741CMDRP7G2BT".parse().unwrap();
    sign_transfer(&Transfer::new(Network::Mainnet, 4, 100, recipient), &key).unwrap().bytes
}

fn transaction() -> Transaction {
    decode(&signed()).unwrap()
}

#[track_caller]
fn check(at: usize, byte: u8, what: &'static str) {
    let mut bytes = signed();
    bytes[at] = byte;
    assert_eq!(decode(&bytes), Err(DecodeError::Unknown { what, byte }));
}

/// What is not known is named: other chains, multi-signature accounts, and bytes that mean nothing.
#[test]
fn names_what_it_does_not_know() {
    check(0, 0x01, "version");
    check(AUTH, 0x06, "auth type");
    check(HASH_MODE, 0x01, "hash mode");
    check(KEY_ENCODING, 0x02, "key encoding");
    check(ANCHOR_MODE, 0x00, "anchor mode");
    check(ANCHOR_MODE + 1, 0x03, "post-condition mode");
    check(ANCHOR_MODE + 6, 0x03, "post-condition");
    check(ANCHOR_MODE + 7, 0x00, "post-condition principal");
}

/// A version and a chain id that do not belong together are refused.
#[test]
fn refuses_a_chain_that_is_not_the_versions() {
    let mut bytes = signed();
    bytes[1] = 0x80;
    let found = 0x8000_0001;
    assert_eq!(decode(&bytes), Err(DecodeError::ChainId { network: Network::Mainnet, found }));
}

/// Too little, too much, and far too much.
#[test]
fn refuses_other_lengths() {
    let bytes = signed();
    let half = &bytes[..bytes.len() / 2];
    assert_eq!(decode(half), Err(DecodeError::Truncated { len: half.len() }));
    assert_eq!(decode(&[&bytes[..], &[0, 0]].concat()), Err(DecodeError::Trailing { extra: 2 }));
    let long = vec![0; BYTES_MAX + 1];
    assert_eq!(decode(&long), Err(DecodeError::TooLong { len: long.len() }));
    assert_eq!(decode(&[]), Err(DecodeError::Truncated { len: 0 }));
}

/// A name on the wire keeps the rules that it keeps in text.
#[test]
fn refuses_bad_names() {
    let mut bytes = signed();
    let name = b"sbtc-token";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at] = b'!';
    let refusal = NameError::BadStart { found: '!' };
    assert_eq!(decode(&bytes), Err(DecodeError::Name(refusal)));
    bytes[at] = 0xff;
    assert_eq!(decode(&bytes), Err(DecodeError::NotText));
}

/// A signature by another key, a broken one and a missing sponsor are three things.
#[test]
fn tells_bad_signatures_apart() {
    let other = PrivateKey::from_hex(&format!("{:064x}", 8)).unwrap();
    let mut forged = transaction();
    forged.origin.signer = other.public_key().hash160();
    assert_eq!(forged.verify_origin(), Err(VerifyError::OtherKey));

    let mut bytes = signed();
    bytes[ORIGIN_SIGNATURE] = 9;
    assert_eq!(decode(&bytes).unwrap().verify_origin(), Err(VerifyError::NoKey));

    let standard = Transaction { sponsor: None, ..transaction() };
    assert_eq!(standard.verify_sponsor(), Err(VerifyError::NotSponsored));
}

/// Whatever is no sBTC transfer says in which way it is none.
#[test]
fn tells_what_is_no_transfer() {
    let of = |edit: &dyn Fn(&mut ContractCall)| {
        let mut transaction = transaction();
        let Payload::ContractCall(call) = &mut transaction.payload else { panic!("a call") };
        edit(call);
        transaction.sbtc_transfer()
    };
    assert_eq!(of(&|_| ()).unwrap().amount, 100);

    let contract = sbtc_contract(Network::Testnet);
    let other_contract = NotATransfer::OtherContract { contract: contract.clone() };
    assert_eq!(of(&|call| call.contract = contract.clone()), Err(other_contract));
    let function = "transfer-many".parse().unwrap();
    let answer = of(&|call| call.function = "transfer-many".parse().unwrap());
    assert_eq!(answer, Err(NotATransfer::OtherFunction { function }));

    let other_arguments = Err(NotATransfer::OtherArguments);
    assert_eq!(of(&|call| call.arguments.truncate(3)), other_arguments);
    assert_eq!(of(&|call| call.arguments[0] = Value::Int(100)), other_arguments);
    let memo = |bytes| Value::Some(Box::new(Value::Buffer(vec![0; bytes])));
    assert_eq!(of(&|call| call.arguments[3] = memo(35)), other_arguments);
    assert_eq!(of(&|call| call.arguments[3] = memo(34)).unwrap().memo, Some(vec![0; 34]));

    let recipient = Principal::Contract(sbtc_contract(Network::Mainnet));
    let stx = TokenTransfer { recipient, amount: 1, memo: [0; 34] };
    let stx = Transaction { payload: Payload::TokenTransfer(stx), ..transaction() };
    assert_eq!(stx.sbtc_transfer(), Err(NotATransfer::NoCall));
    assert_eq!(decode(&stx.encode()), Ok(stx));
}

/// Leading zeros are part of the spelling: one too few or too many is another text.
#[test]
fn counts_leading_zeros() {
    let text = "SP001S61QHRQT9GK673DBGB8Y3MK8AQ3SNAHT1E3";
    text.parse::<Address>().unwrap();
    for other in [text.replacen("00", "0", 1), text.replacen("00", "000", 1)] {
        assert_eq!(other.parse::<Address>(), Err(AddressError::NotCanonical), "{other}");
    }
    assert_eq!(Address::new(32, [0; 20]), Err(AddressError::Version { version: 32 }));
}
