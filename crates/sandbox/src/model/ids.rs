/// Identifiers as the services make them, drawn from the world's seed.
#[derive(Debug)]
pub(crate) struct Ids(fastrand::Rng);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Ids(fastrand::Rng::with_seed(seed))
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let digits = format!("{:032x}", self.0.u128(..));
        let variant = ["8", "9", "a", "b"][self.0.usize(..4)];
        let (a, b, c) = (&digits[..8], &digits[8..12], &digits[13..16]);
        format!("{a}-{b}-4{c}-{variant}{}-{}", &digits[17..20], &digits[20..])
    }

    /// What the relay calls a payment: `pay_` and 32 hex digits.
    pub(crate) fn payment(&mut self) -> String {
        format!("pay_{:032x}", self.0.u128(..))
    }

    /// What the inbox calls a message.
    pub(crate) fn message(&mut self, now_ms: u64) -> String {
        format!("msg_{now_ms}_{}", self.uuid())
    }
}
