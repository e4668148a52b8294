//! Chance: ids that do not collide and nonces that cannot be guessed.

/// `digits` lower-case hexadecimal digits, at most 32.
pub fn hex(digits: usize) -> String {
    let mut text = uuid::Uuid::new_v4().simple().to_string();
    text.truncate(digits);
    text
}

/// A nonce of 122 random bits.
pub fn nonce() -> String {
    hex(32)
}

/// A number from 0 to 1.
pub fn chance() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    high as f64 / u64::MAX as f64
}
