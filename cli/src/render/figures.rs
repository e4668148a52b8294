//! Numbers for people: four significant digits, and "unknown" where there is no number.

use crate::render::words::Word;
use arena_domain::outcome::FlagKind;
use arena_domain::packet::Language;
use arena_domain::standing::{Entry, KpiResult};

/// Four significant digits without trailing zeros; `–` for what is no number.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = (3.0 - size.log10().floor()).clamp(0.0, 8.0) as usize;
    trimmed(format!("{value:.digits$}"))
}

pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    let figure = number(value);
    if unit.is_empty() { figure } else { format!("{figure} {unit}") }
}

/// With its sign, so that a change is seen as one.
pub(crate) fn signed(value: f64, unit: &str) -> String {
    let sign = if value > 0.0 && value.is_finite() { "+" } else { "" };
    format!("{sign}{}", with_unit(value, unit)).replace('-', "−")
}

/// `0.8 (−20 %)`: the ratio to the base, and what it means.
pub(crate) fn ratio(value: f64) -> String {
    if !readable_as_ratio(value) {
        return number(value);
    }
    format!("{} ({} %)", trimmed(format!("{value:.3}")), percent(value))
}

/// Outside of this, three decimals and a percentage say nothing.
fn readable_as_ratio(value: f64) -> bool {
    (0.01..=1000.0).contains(&value)
}

fn percent(ratio: f64) -> String {
    let change = (ratio - 1.0) * 100.0;
    let rounded = trimmed(format!("{change:.1}"));
    if rounded.starts_with('-') {
        rounded.replace('-', "−")
    } else if rounded == "0" {
        rounded
    } else {
        format!("+{rounded}")
    }
}

/// The interval of a ratio.
pub(crate) fn interval(ci: Option<(f64, f64)>, language: Language) -> String {
    match ci {
        Some((low, high)) if readable_as_ratio(low) && readable_as_ratio(high) => format!("{low:.3}–{high:.3}"),
        Some((low, high)) => format!("{}–{}", number(low), number(high)),
        None => Word::TooFewSamples.to(language).into(),
    }
}

/// `12.3 s`, `4 min 05 s`, `2 h 03 min`.
pub(crate) fn seconds(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return "–".into();
    }
    if value < 60.0 {
        return format!("{value:.1} s");
    }
    let whole = value.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours == 0 { format!("{minutes} min {rest:02} s") } else { format!("{hours} h {minutes:02} min") }
}

/// The sum of what is known: exact when all of it is, "at least" when some is, unknown when none is.
pub(crate) fn known_sum(values: &[Option<f64>], language: Language, show: impl Fn(f64) -> String) -> String {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let total = show(known.iter().sum());
    match (known.len(), values.len()) {
        (0, _) => Word::Unknown.to(language).into(),
        (known, all) if known == all => total,
        (_, _) => format!("≥ {total}"),
    }
}

pub(crate) fn dollars(value: f64) -> String {
    if value.abs() < 1e9 { format!("${value:.2}") } else { format!("${}", number(value)) }
}

pub(crate) fn optional(value: Option<u64>, language: Language) -> String {
    value.map_or_else(|| Word::Unknown.to(language).into(), |count| count.to_string())
}

/// The first twelve digits of a commit, enough to name it in any repository.
pub(crate) fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// Added and removed lines over all files.
pub(crate) fn lines(entry: &Entry) -> (u64, u64) {
    entry.changes.iter().fold((0, 0), |(added, removed), change| {
        (added + u64::from(change.added_lines), removed + u64::from(change.removed_lines))
    })
}

pub(crate) fn engine_seconds(entry: &Entry) -> f64 {
    entry.rounds.iter().map(|round| round.engine_seconds).filter(|seconds| seconds.is_finite()).sum()
}

/// Nothing had to be put back, and nothing was found outside afterwards.
pub(crate) fn scope_kept(entry: &Entry) -> bool {
    entry.reverted.is_empty() && !entry.flags.iter().any(|flag| flag.kind == FlagKind::ScopeViolation)
}

/// Passed and all of the required gates.
pub(crate) fn required_gates(entry: &Entry) -> (usize, usize) {
    let required: Vec<_> = entry.gates.iter().filter(|gate| gate.required).collect();
    (required.iter().filter(|gate| gate.passed()).count(), required.len())
}

/// The result of the packet's primary KPI, if this competitor has it.
pub(crate) fn primary<'a>(entry: &'a Entry, name: Option<&str>) -> Option<&'a KpiResult> {
    match name {
        Some(name) => entry.kpis.iter().find(|kpi| kpi.name == name),
        None => entry.kpis.first(),
    }
}

fn trimmed(figure: String) -> String {
    if !figure.contains('.') {
        return figure;
    }
    let short = figure.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".into() } else { short.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_has_four_significant_digits() {
        let rows = [
            (0.0, "0"),
            (1.0, "1"),
            (0.8, "0.8"),
            (1234.56, "1235"),
            (0.012345, "0.01235"),
            (-2.5, "-2.5"),
            (123456789.0, "123456789"),
            (1e-9, "1.000e-9"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (value, shown) in rows {
            assert_eq!(number(value), shown);
        }
    }

    #[test]
    fn a_ratio_says_what_it_means() {
        let rows = [(0.8, "0.8 (−20 %)"), (1.0, "1 (0 %)"), (1.0123, "1.012 (+1.2 %)"), (0.9999, "1 (0 %)")];
        for (value, shown) in rows {
            assert_eq!(ratio(value), shown);
        }
        assert_eq!(signed(-0.2, "s"), "−0.2 s");
        assert_eq!(signed(0.2, "s"), "+0.2 s");
    }

    #[test]
    fn a_duration_is_read_without_counting() {
        let rows = [(0.04, "0.0 s"), (12.34, "12.3 s"), (245.0, "4 min 05 s"), (7380.0, "2 h 03 min"), (-1.0, "–")];
        for (value, shown) in rows {
            assert_eq!(seconds(value), shown);
        }
    }

    #[test]
    fn an_unknown_cost_is_never_zero() {
        let language = Language::English;
        assert_eq!(known_sum(&[None, None], language, dollars), "unknown");
        assert_eq!(known_sum(&[], language, dollars), "unknown");
        assert_eq!(known_sum(&[Some(1.0), None], language, dollars), "≥ $1.00");
        assert_eq!(known_sum(&[Some(1.0), Some(0.25)], language, dollars), "$1.25");
    }

    proptest! {
        #[test]
        fn no_figure_ever_reads_nan_or_inf(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            for shown in [number(value), ratio(value), seconds(value), signed(value, "s"), dollars(value)] {
                prop_assert!(!shown.contains("NaN") && !shown.contains("inf"), "{shown}");
            }
        }
    }
}
