//! Crockford's base 32 as Stacks uses it: most significant digit first, one `0` for each leading
//! zero byte, and no letters that can be mistaken for digits.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The digit of a character, which must be the canonical one: upper case, no `O`, `I` or `L`.
pub(crate) fn digit(character: u8) -> Option<u8> {
    let at = ALPHABET.iter().position(|&letter| letter == character)?;
    u8::try_from(at).ok()
}

/// The character of a digit, of which only the low five bits count.
pub(crate) fn character(digit: u8) -> char {
    char::from(ALPHABET[usize::from(digit & 31)])
}

/// The shortest spelling, after one `0` for each leading zero byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let mut digits = Vec::with_capacity(bytes.len() * 8 / 5 + 1);
    let mut carry = 0u32;
    let mut bits = 0u32;
    for &byte in bytes.iter().rev() {
        carry |= u32::from(byte) << bits;
        bits += 8;
        while bits >= 5 {
            digits.push(low_five(carry));
            carry >>= 5;
            bits -= 5;
        }
    }
    digits.push(low_five(carry));
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let zeros = std::iter::repeat_n(0, zeros);
    zeros.chain(digits.into_iter().rev()).map(character).collect()
}

/// The `N` low bytes of the number that `digits` spell; `None` if it needs more.
pub(crate) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0u8; N];
    for &digit in digits {
        let mut carry = u32::from(digit);
        for byte in bytes.iter_mut().rev() {
            carry |= u32::from(*byte) << 5;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(bytes)
}

fn low_five(number: u32) -> u8 {
    number.to_le_bytes()[0] & 31
}
