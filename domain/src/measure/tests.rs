//! What an estimate must say of known data, and how often it may be wrong on noise.

use super::*;
use crate::packet::KpiSource;
use proptest::prelude::*;

fn kpi(source: KpiSource, better: Better) -> Kpi {
    Kpi {
        name: "k".into(),
        source,
        unit: String::new(),
        better,
        weight: 1.0,
        guard: None,
        target: None,
        known_baseline: None,
    }
}

fn series(scenario: &str, base: &[f64], candidate: &[f64]) -> Series {
    Series {
        kpi: "k".into(),
        scenario: scenario.into(),
        holdout: false,
        base: base.into(),
        candidate: candidate.into(),
    }
}

fn judged(all: &[Series], kpi: &Kpi) -> Option<Estimate> {
    estimate(&all.iter().collect::<Vec<_>>(), kpi, &Scoring::default())
}

/// Chance for the trials: SplitMix64, with normal deviates as sums of twelve uniform ones.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// One run: lognormal noise, and now and then three times as slow.
    fn run(&mut self, middle: f64, noise: f64, outliers: f64) -> f64 {
        let slow = if self.uniform() < outliers { 3.0 } else { 1.0 };
        middle * (noise * self.normal()).exp() * slow
    }
}

/// How often each verdict falls in 2,000 sessions of three scenarios with `repeats` pairs.
fn verdicts(ratio: f64, noise: f64, outliers: f64, repeats: usize, min_effect: f64) -> [f64; 4] {
    const TRIALS: u64 = 2_000;
    let kpi = kpi(KpiSource::WallTime, Better::Lower);
    let scoring = Scoring { min_effect, ..Scoring::default() };
    let mut counts = [0.0; 4];
    for trial in 0..TRIALS {
        let mut chance = Chance(trial.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let all: Vec<Series> = [1.0, 3.0, 0.2]
            .iter()
            .map(|&middle| {
                let pairs: Vec<(f64, f64)> = (0..repeats)
                    .map(|_| (chance.run(middle, noise, outliers), chance.run(middle * ratio, noise, outliers)))
                    .collect();
                let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
                series(&middle.to_string(), &base, &candidate)
            })
            .collect();
        let verdict = estimate(&all.iter().collect::<Vec<_>>(), &kpi, &scoring).unwrap().verdict;
        counts[Verdict::ALL.iter().position(|one| *one == verdict).unwrap()] += 1.0 / TRIALS as f64;
    }
    counts
}

#[test]
fn the_same_code_on_both_sides_seldom_wins() {
    for min_effect in [0.0, 0.01] {
        for (noise, outliers) in [(0.01, 0.0), (0.03, 0.0), (0.10, 0.0), (0.03, 0.05), (0.03, 0.10), (0.05, 0.02)] {
            for repeats in [3, 5, 10] {
                let [better, worse, ..] = verdicts(1.0, noise, outliers, repeats, min_effect);
                let case = format!("noise {noise}, outliers {outliers}, repeats {repeats}, min effect {min_effect}");
                assert!(better <= 0.025 + 0.010, "{case}: {better} win");
                assert!(worse <= 0.025 + 0.010, "{case}: {worse} lose");
            }
        }
    }
}

#[test]
fn a_real_gain_is_found() {
    for outliers in [0.0, 0.02] {
        let [better, ..] = verdicts(0.8, 0.03, outliers, 5, 0.01);
        assert!(better > 0.95, "outliers {outliers}: {better}");
    }
    let [better, ..] = verdicts(0.95, 0.01, 0.0, 5, 0.01);
    assert!(better > 0.95, "{better}");
}

#[test]
fn a_real_loss_is_found() {
    let [_, worse, ..] = verdicts(1.2, 0.03, 0.0, 5, 0.01);
    assert!(worse > 0.95, "{worse}");
}

#[test]
fn one_run_that_met_noise_does_not_hide_a_gain() {
    let base = [1.00, 1.01, 0.99, 1.02, 1.00];
    let candidate = [0.80, 8.00, 0.81, 0.79, 0.80];
    let all = [series("a", &base, &candidate), series("b", &base, &[0.80, 0.81, 0.79, 0.80, 0.80])];
    let found = judged(&all, &kpi(KpiSource::WallTime, Better::Lower)).unwrap();
    assert_eq!(found.verdict, Verdict::Better);
    assert!((found.ratio - 0.8).abs() < 0.01, "{found:?}");
}

#[test]
fn verdicts_follow_the_interval_and_the_direction() {
    use Verdict::{Better as Wins, Inconclusive, Same, Worse};
    let rows = [
        (0.80, 0.85, 0.82, Wins, Worse),
        (0.98, 0.9999, 0.99, Wins, Worse),
        (0.980, 0.999, 0.991, Inconclusive, Inconclusive),
        (0.995, 0.999, 0.997, Same, Same),
        (0.99, 1.01, 1.0, Same, Same),
        (0.9, 1.1, 1.0, Inconclusive, Inconclusive),
        (0.9, 1.0, 0.95, Inconclusive, Inconclusive),
        (1.02, 1.2, 1.1, Worse, Wins),
        (1.0, 1.0, 1.0, Same, Same),
        (0.99, 0.99, 0.99, Wins, Worse),
        (1.001, 1.05, 1.005, Inconclusive, Inconclusive),
    ];
    for (low, high, ratio, lower, higher) in rows {
        assert_eq!(judge(ratio, (low, high), Better::Lower, 0.01), lower, "{low} {high}");
        assert_eq!(judge(ratio, (low, high), Better::Higher, 0.01), higher, "{low} {high}");
    }
}

#[test]
fn a_count_is_exact_even_from_one_pair() {
    let all = [series("a", &[200.0], &[100.0]), series("b", &[50.0, 50.0], &[25.0, 25.0])];
    let found = judged(&all, &kpi(KpiSource::Json("/allocations".into()), Better::Lower)).unwrap();
    assert_eq!(
        found,
        Estimate {
            baseline: 125.0,
            value: 62.5,
            ratio: found.ratio,
            ci: Some((found.ratio, found.ratio)),
            verdict: Verdict::Better,
            scenarios: vec![("a".into(), found.scenarios[0].1), ("b".into(), found.scenarios[1].1)],
        }
    );
    assert!((found.ratio - 0.5).abs() < 1e-12);
}

#[test]
fn too_few_pairs_have_no_interval_and_no_verdict() {
    let clocked = kpi(KpiSource::WallTime, Better::Lower);
    let printed = kpi(KpiSource::Stdout, Better::Lower);
    let rows: [(&[Series], &Kpi); 5] = [
        (&[series("a", &[1.0], &[0.1])], &clocked),
        (&[series("a", &[1.0, 1.1], &[0.1, 0.1])], &clocked),
        (&[series("a", &[1.0, 1.1, 1.0], &[0.1, 0.1, 0.1]), series("b", &[1.0], &[0.1])], &clocked),
        (&[series("a", &[1.0, 1.1, 1.0], &[0.1, 0.1, 0.1]), series("b", &[1.0], &[0.1])], &printed),
        (&[series("a", &[1.0, 1.0], &[0.1, f64::NAN])], &printed),
    ];
    for (all, kpi) in rows {
        let found = judged(all, kpi).unwrap();
        assert_eq!((found.ci, found.verdict), (None, Verdict::Inconclusive), "{all:?}");
    }
}

#[test]
fn an_absurd_interval_is_never_shown() {
    let all = [series("a", &[1.0, 100.0, 1.0], &[50.0, 1.0, 2.0])];
    let found = judged(&all, &kpi(KpiSource::WallTime, Better::Lower)).unwrap();
    assert_eq!((found.ci, found.verdict), (None, Verdict::Inconclusive));
}

#[test]
fn nothing_measured_is_no_estimate() {
    let kpi = kpi(KpiSource::WallTime, Better::Lower);
    assert_eq!(judged(&[], &kpi), None);
    assert_eq!(judged(&[series("a", &[1.0, 2.0], &[])], &kpi), None);
    assert_eq!(judged(&[series("a", &[f64::NAN], &[1.0])], &kpi), None);
}

#[test]
fn zero_and_negative_values_have_a_ratio_in_units_of_the_base() {
    let printed = |better| kpi(KpiSource::Stdout, better);
    type Row<'a> = (&'a [(f64, f64)], Better, f64, Verdict);
    let rows: [Row<'_>; 8] = [
        (&[(0.0, 0.0)], Better::Lower, 1.0, Verdict::Same),
        (&[(4.0, 0.0)], Better::Lower, 0.0, Verdict::Better),
        (&[(0.0, 3.0)], Better::Lower, 2.0, Verdict::Worse),
        (&[(0.0, -3.0)], Better::Lower, 0.0, Verdict::Better),
        (&[(-5.0, -4.0)], Better::Higher, 1.2, Verdict::Better),
        (&[(-5.0, -4.0)], Better::Lower, 1.2, Verdict::Worse),
        (&[(0.0, 0.0), (4.0, 2.0)], Better::Lower, 0.75, Verdict::Better),
        (&[(0.0, 2.0), (4.0, 4.0)], Better::Lower, 1.5, Verdict::Worse),
    ];
    for (pairs, better, ratio, verdict) in rows {
        let all: Vec<Series> = pairs
            .iter()
            .enumerate()
            .map(|(at, &(base, candidate))| series(&at.to_string(), &[base], &[candidate]))
            .collect();
        let found = judged(&all, &printed(better)).unwrap();
        assert!((found.ratio - ratio).abs() < 1e-12, "{pairs:?}: {}", found.ratio);
        assert_eq!(found.verdict, verdict, "{pairs:?}");
    }
}

#[test]
fn series_of_one_scenario_are_joined() {
    let all = [series("a", &[1.0, 1.0], &[2.0, 2.0]), series("b", &[1.0], &[1.0]), series("a", &[1.0], &[2.0])];
    let found = judged(&all, &kpi(KpiSource::Stdout, Better::Higher)).unwrap();
    let names: Vec<&str> = found.scenarios.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!((found.ratio - 2f64.sqrt()).abs() < 1e-12);
}

fn samples() -> impl Strategy<Value = Vec<Series>> {
    let pairs = prop::collection::vec((0.01f64..100.0, 0.01f64..100.0), 1..9);
    prop::collection::vec(pairs, 1..5).prop_map(|scenarios| {
        let split = |pairs: Vec<(f64, f64)>| -> (Vec<f64>, Vec<f64>) { pairs.into_iter().unzip() };
        scenarios
            .into_iter()
            .map(split)
            .enumerate()
            .map(|(at, (base, candidate))| series(&at.to_string(), &base, &candidate))
            .collect()
    })
}

proptest! {
    #[test]
    fn swapping_the_sides_inverts_the_ratio_and_the_interval(all in samples()) {
        let kpi = kpi(KpiSource::WallTime, Better::Lower);
        let swapped: Vec<Series> = all.iter().map(|one| series(&one.scenario, &one.candidate, &one.base)).collect();
        let (there, back) = (judged(&all, &kpi).unwrap(), judged(&swapped, &kpi).unwrap());
        prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
        prop_assert_eq!(there.ci.is_some(), back.ci.is_some());
        if let (Some((low, high)), Some((other_low, other_high))) = (there.ci, back.ci) {
            prop_assert!((low * other_high - 1.0).abs() < 1e-9 && (high * other_low - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_unit_of_a_scenario_does_not_matter(all in samples(), unit in 0.001f64..1000.0) {
        let kpi = kpi(KpiSource::WallTime, Better::Higher);
        let scaled: Vec<Series> = all.iter().map(|one| {
            let times = |values: &[f64]| values.iter().map(|value| value * unit).collect::<Vec<_>>();
            series(&one.scenario, &times(&one.base), &times(&one.candidate))
        }).collect();
        let (one, other) = (judged(&all, &kpi).unwrap(), judged(&scaled, &kpi).unwrap());
        prop_assert!((one.ratio / other.ratio - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_interval_holds_the_ratio_and_is_never_absurd(all in samples()) {
        let found = judged(&all, &kpi(KpiSource::CpuTime, Better::Lower)).unwrap();
        match found.ci {
            Some((low, high)) => prop_assert!(low <= found.ratio && found.ratio <= high && high / low <= 100.0 + 1e-6),
            None => prop_assert_eq!(found.verdict, Verdict::Inconclusive),
        }
    }

    #[test]
    fn any_values_at_all_are_judged_without_a_panic(
        base in prop::collection::vec(prop::num::f64::ANY, 0..7), candidate in prop::collection::vec(prop::num::f64::ANY, 0..7)
    ) {
        let all = [series("a", &base, &candidate)];
        for source in [KpiSource::WallTime, KpiSource::Stdout] {
            if let Some(found) = judged(&all, &kpi(source, Better::Lower)) {
                prop_assert!(found.ci.is_none_or(|(low, high)| low.is_finite() && high.is_finite() && low <= high));
            }
        }
    }
}

#[test]
fn the_fewest_repeats_are_enough_for_a_verdict_and_one_less_never_is() {
    for source in [KpiSource::WallTime, KpiSource::CpuTime, KpiSource::PeakMemory, KpiSource::Stdout] {
        let kpi = kpi(source, Better::Lower);
        for scenarios in 1..6 {
            let half = |repeats: u32| {
                let values: Vec<f64> = (0..repeats).map(|at| 10.0 + 0.001 * f64::from(at)).collect();
                let faster: Vec<f64> = values.iter().map(|value| value * 0.5).collect();
                let all: Vec<Series> = (0..scenarios).map(|at| series(&at.to_string(), &values, &faster)).collect();
                judged(&all, &kpi).map(|estimate| estimate.verdict)
            };
            let least = fewest_repeats(&kpi.source, scenarios);
            assert_eq!(half(least), Some(Verdict::Better), "{:?} {scenarios}", kpi.source);
            assert_ne!(half(least - 1), Some(Verdict::Better), "{:?} {scenarios}", kpi.source);
        }
    }
}

fn guarded(better: Better, source: KpiSource, guard: f64) -> Kpi {
    Kpi { guard: Some(guard), ..kpi(source, better) }
}

/// How often a guard of 5 % is broken in 2,000 sessions, where the last scenario is at `ratio` of its base.
fn broken(ratio: f64, noise: f64, outliers: f64, repeats: usize, scenarios: usize) -> f64 {
    const TRIALS: u64 = 2_000;
    let kpi = guarded(Better::Lower, KpiSource::WallTime, 0.05);
    let trial = |trial: u64| {
        let mut chance = Chance(trial.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let all: Vec<Series> = (1..=scenarios)
            .map(|at| {
                let ratio = if at == scenarios { ratio } else { 1.0 };
                let pair = |_| (chance.run(1.0, noise, outliers), chance.run(ratio, noise, outliers));
                let (base, candidate): (Vec<f64>, Vec<f64>) = (0..repeats).map(pair).unzip();
                series(&at.to_string(), &base, &candidate)
            })
            .collect();
        guard_breach(&all.iter().collect::<Vec<_>>(), &kpi, 0.95, scenarios).is_some_and(|breach| breach.certain)
    };
    (0..TRIALS).filter(|seed| trial(*seed)).count() as f64 / TRIALS as f64
}

#[test]
fn the_same_code_on_both_sides_seldom_breaks_a_guard() {
    for scenarios in [1, 2, 4, 8] {
        for (noise, outliers) in [(0.01, 0.0), (0.05, 0.0), (0.10, 0.0), (0.30, 0.0), (0.05, 0.05), (0.05, 0.10)] {
            for repeats in [3, 5, 10] {
                let found = broken(1.0, noise, outliers, repeats, scenarios);
                let case = format!("noise {noise}, outliers {outliers}, repeats {repeats}, scenarios {scenarios}");
                assert!(found <= 0.05, "{case}: {found} are disqualified");
            }
        }
    }
}

/// Five pairs tell a scenario that is half as slow again where noise is small; ten do where it is not.
#[test]
fn a_regression_well_beyond_the_guard_is_found() {
    for (ratio, noise, outliers, repeats, scenarios) in [
        (1.5, 0.01, 0.0, 5, 1),
        (1.5, 0.01, 0.0, 5, 8),
        (1.5, 0.03, 0.0, 5, 2),
        (2.0, 0.03, 0.0, 5, 4),
        (1.5, 0.05, 0.0, 10, 2),
        (1.5, 0.05, 0.0, 10, 8),
        (1.5, 0.05, 0.02, 10, 2),
    ] {
        let found = broken(ratio, noise, outliers, repeats, scenarios);
        let case = format!("ratio {ratio}, noise {noise}, outliers {outliers}, {repeats} x {scenarios}");
        assert!(found > 0.9, "{case}: {found}");
    }
}

/// Base, candidate of each scenario.
type Sides<'a> = &'a [(&'a [f64], &'a [f64])];

#[test]
fn a_guard_names_the_scenario_that_broke_it_most() {
    use KpiSource::{Stdout, WallTime};
    type Row<'a> = (Better, KpiSource, Option<f64>, Sides<'a>, Option<(&'a str, f64, bool)>);
    let base: &[f64] = &[1.0, 1.0, 1.0];
    let rows: [Row<'_>; 12] = [
        (Better::Lower, Stdout, None, &[(base, &[9.0; 3])], None),
        (Better::Lower, Stdout, Some(0.02), &[(base, &[0.9; 3]), (base, &[1.02; 3])], None),
        (
            Better::Lower,
            Stdout,
            Some(0.02),
            &[(base, &[0.9; 3]), (base, &[1.25; 3]), (base, &[1.5; 3])],
            Some(("2", 1.5, true)),
        ),
        (Better::Lower, Stdout, Some(0.0), &[(base, base)], None),
        (Better::Higher, Stdout, Some(0.1), &[(base, &[2.0; 3]), (base, &[0.95; 3])], None),
        (Better::Higher, Stdout, Some(0.1), &[(base, &[2.0; 3]), (base, &[0.5; 3])], Some(("1", 0.5, true))),
        (Better::Higher, Stdout, Some(0.1), &[], None),
        // One pair without spread decides; of a clock it does not.
        (Better::Lower, Stdout, Some(0.1), &[(&[1.0], &[2.0])], Some(("0", 2.0, true))),
        (Better::Lower, WallTime, Some(0.1), &[(&[1.0], &[2.0])], Some(("0", 2.0, false))),
        (Better::Lower, WallTime, Some(0.1), &[(&[1.0], &[1.05])], None),
        // The point is beyond, the interval is not.
        (Better::Lower, WallTime, Some(0.05), &[(base, &[1.0, 1.1, 1.4])], None),
        // What is certain stands before what is worse and not.
        (Better::Lower, Stdout, Some(0.1), &[(base, &[2.0; 3]), (base, &[f64::NAN, 8.0, 8.0])], Some(("0", 2.0, true))),
    ];
    for (better, source, guard, sides, expected) in rows {
        let kpi = Kpi { guard, ..kpi(source, better) };
        let all: Vec<Series> =
            sides.iter().enumerate().map(|(at, (base, candidate))| series(&at.to_string(), base, candidate)).collect();
        let found = guard_breach(&all.iter().collect::<Vec<_>>(), &kpi, 0.95, sides.len());
        let found = found.map(|one| (one.scenario, (one.ratio * 1e6).round() / 1e6, one.certain));
        assert_eq!(found, expected.map(|(name, ratio, certain)| (name.to_owned(), ratio, certain)), "{sides:?}");
    }
}
