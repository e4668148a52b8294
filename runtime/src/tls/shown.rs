//! What a certificate that was shown says of itself: who holds it, which one it is, and until when it holds.

use super::name::Name;
use rustls::pki_types::CertificateDer;
use std::fmt;
use time::{Date, Month};

/// The most bytes of a serial number, by RFC 5280.
const LONGEST: usize = 20;
pub(super) const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Which one of its authority's certificates it is; without leading zeros.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes[zeros..].to_vec())
    }

    /// From hexadecimal digits, with colons or without.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let number = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let plain = digits.iter().all(u8::is_ascii_hexdigit) && digits.len().is_multiple_of(2);
        let bytes = digits.chunks(2).map(number).collect::<Option<Vec<u8>>>().filter(|_| plain)?;
        let serial = Self::new(&bytes);
        (!serial.0.is_empty() && serial.0.len() <= LONGEST).then_some(serial)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub name: Name,
    pub serial: Serial,
    /// Milliseconds since the epoch: from then on it holds no more.
    pub ends: u64,
}

impl Shown {
    /// Of a certificate that was verified; nothing when it names nobody.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let ends = not_after(certificate.as_ref())?.checked_add(1)?.checked_mul(1000)?;
        Some(Self { name: Name::of(certificate)?, serial: Serial::new(parsed.serial()), ends })
    }

    pub fn has_ended(&self, now: u64) -> bool {
        now >= self.ends
    }
}

/// The last second in which it holds, since the epoch. It is the one thing that webpki reads and does not tell: past
/// version, serial number, algorithm and issuer stand the two dates.
fn not_after(der: &[u8]) -> Option<u64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (kind, text, _) = element(element(validity)?.2)?;
    seconds(kind, text)
}

/// The first element of some DER: its tag, what it holds, and what follows it.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
            (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((*tag, inside, after))
}

/// `YYMMDDhhmmssZ`, whose years are those from 1950 on, or `YYYYMMDDhhmmssZ`.
fn seconds(kind: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |text: &str| text.parse::<u8>().ok();
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = i32::from(number(year)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| number(&rest[at..at + 2]);
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(2)?).ok()?;
    let moment = date.with_hms(part(4)?, part(6)?, part(8)?).ok()?;
    u64::try_from(moment.assume_utc().unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_both_of_its_forms_and_nothing_else_is_one() {
        let rows: [(u8, &str, Option<u64>); 8] = [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "231114221320Z", Some(1_700_000_000)),
            (GENERALIZED_TIME, "20231114221320Z", Some(1_700_000_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (UTC_TIME, "231314221320Z", None),
            (UTC_TIME, "231114221320", None),
            (UTC_TIME, "2311142213+1Z", None),
            (SEQUENCE, "231114221320Z", None),
        ];
        for (kind, text, expected) in rows {
            assert_eq!(seconds(kind, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn half_of_an_element_is_none() {
        let whole = [0x30, 0x81, 0x02, 1, 2, 9];
        assert_eq!(element(&whole), Some((0x30, &[1, 2][..], &[9][..])));
        for length in 0..5 {
            assert_eq!(element(&whole[..length]), None, "{length}");
        }
        assert_eq!(element(&[0x30, 0x80, 0, 0]), None, "of no certain length");
    }

    #[test]
    fn a_serial_number_is_read_as_it_is_shown() {
        let serial = Serial::new(&[0, 0xab, 0x01]);
        assert_eq!(serial.to_string(), "ab01");
        for text in ["ab01", "AB:01", "00ab01"] {
            assert_eq!(Serial::parse(text), Some(serial.clone()), "{text}");
        }
        for text in ["", "a", "w1", "00", "ab 01", &"ab".repeat(21)] {
            assert_eq!(Serial::parse(text), None, "{text}");
        }
    }
}
