//! The forms in which a secret may turn up.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// As it is, percent-encoded in both cases, and what is sure of its base64 wherever in a longer text it stands.
pub(super) fn of(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec(), percent(secret, false), percent(secret, true)];
    for alphabet in [alphabet::STANDARD, alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        forms.extend((0..3).map(|before| encoded(&engine, secret, before)));
    }
    forms
}

/// The digits that depend on the secret alone, with `before` bytes of something else in its first group.
fn encoded(engine: &GeneralPurpose, secret: &[u8], before: usize) -> Vec<u8> {
    let mut text = vec![0; before];
    text.extend_from_slice(secret);
    let digits = engine.encode(&text).into_bytes();
    let (first, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
    digits[first..end].to_vec()
}

fn percent(secret: &[u8], lower: bool) -> Vec<u8> {
    let mut text = String::with_capacity(secret.len());
    for byte in secret {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(*byte));
        } else if lower {
            text.push_str(&format!("%{byte:02x}"));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.into_bytes()
}
