//! Values that are written as text with a unit: durations, sizes and shares.

use std::time::Duration;

/// Longer than any session; it keeps additions of durations far from their limits.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// `"500ms"`, `"90s"`, `"5m"`, `"1h"`, `"1h30m"`, `"2d"`; more than nothing, at most a year.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (total > Duration::ZERO && total <= LONGEST).then_some(total)
}

/// `"512MiB"`, `"2GiB"`, `"1GB"`, in bytes; more than nothing, at most 8 PiB.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = number(text.trim())?;
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let bytes = (number * factor as f64).round();
    // Beyond 2^53 a float no longer holds every whole number.
    (1.0..=9_007_199_254_740_992.0).contains(&bytes).then_some(bytes as u64)
}

/// `"2%"` is 0.02; at most ten times the whole.
pub fn percentage(text: &str) -> Option<f64> {
    let (number, unit) = number(text.trim())?;
    (unit.trim_start() == "%" && number <= 1000.0).then_some(number / 100.0)
}

/// Digits with at most one point in front of a unit; no sign and no exponent.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then_some((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_is_more_than_nothing() {
        let rows = [
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("0s", None),
            ("5", None),
            ("", None),
            ("-5s", None),
            ("5 m", None),
            ("1e9s", None),
            ("9999999999h", None),
            (".s", None),
            ("1..5s", None),
            ("5分", None),
        ];
        for (text, millis) in rows {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_size_is_binary_or_decimal_as_it_says() {
        let rows = [
            ("512MiB", Some(512 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1GB", Some(1_000_000_000)),
            ("1.5GiB", Some(3 << 29)),
            ("100B", Some(100)),
            ("0GiB", None),
            ("512", None),
            ("512M", None),
            ("-1GiB", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn a_percentage_is_a_share() {
        let rows =
            [("2%", Some(0.02)), ("0.5%", Some(0.005)), ("0%", Some(0.0)), ("2", None), ("-2%", None), ("%", None)];
        for (text, share) in rows {
            assert_eq!(percentage(text), share, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_unit_panic(text in ".{0,40}") {
            let _ = (duration(&text), size(&text), percentage(&text));
        }

        #[test]
        fn whole_seconds_come_back(seconds in 1_u64..31_000_000) {
            proptest::prop_assert_eq!(duration(&format!("{seconds}s")), Some(Duration::from_secs(seconds)));
        }
    }
}
