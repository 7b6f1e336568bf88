/// The native segwit address (`bc1q…`) of a key hash, as BIP 173 spells it.
pub(crate) fn segwit(hash160: &[u8; 20]) -> String {
    let mut digits = vec![0_u8];
    digits.extend(five_bit_groups(hash160));
    let sum = checksum(&digits);
    let spelled = digits.iter().chain(&sum).map(|digit| char::from(CHARSET[usize::from(*digit)]));
    format!("bc1{}", spelled.collect::<String>())
}

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// `bc`, expanded as the checksum wants it.
const PREFIX: [u8; 5] = [3, 3, 0, 2, 3];

/// 160 bits are exactly 32 groups of five.
fn five_bit_groups(bytes: &[u8; 20]) -> Vec<u8> {
    let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
    (0..32).map(|group| (0..5).fold(0, |digit, at| digit << 1 | bit(group * 5 + at))).collect()
}

fn checksum(digits: &[u8]) -> [u8; 6] {
    let padded = PREFIX.iter().chain(digits).copied().chain([0; 6]);
    let folded = padded.fold(1_u32, |sum, digit| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(digit);
        GENERATOR.iter().enumerate().fold(next, |next, (bit, generator)| {
            if top >> bit & 1 == 1 { next ^ generator } else { next }
        })
    }) ^ 1;
    std::array::from_fn(|at| (folded >> (5 * (5 - at)) & 31).to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of BIP 173 comes out as printed there.
    #[test]
    fn spells_the_published_example() {
        let hash160 = [
            0x75, 0x1e, 0x76, 0xe8, 0x19, 0x91, 0x96, 0xd4, 0x54, 0x94, 0x1c, 0x45, 0xd1, 0xb3,
            0xa3, 0x23, 0xf1, 0x43, 0x3b, 0xd6,
        ];
        assert_eq!(segwit(&hash160), "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    }
}
