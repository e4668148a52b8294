//! What `docs/fairness.md` promises, on the simulation that draws its figures.

#[path = "../examples/fairness/figures.rs"]
mod figures;
#[path = "../examples/fairness/simulation.rs"]
mod simulation;

use arena_domain::schedule::Limits;
use figures::{Curve, SEED};
use simulation::{Load, MINUTE, Scenario, Served, run, scenarios};

fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

/// Slot time of a series from one minute to another, in slots.
fn slots(served: &[Served], series: &str, from: u64, to: u64) -> f64 {
    let (from, to) = (from * MINUTE, to * MINUTE);
    let within = |one: &Served| one.ended.min(to).saturating_sub(one.began.max(from));
    let used: u64 = served.iter().filter(|one| one.series == series).map(within).sum();
    used as f64 / (to - from) as f64
}

#[test]
fn the_committed_figures_are_those_of_a_fresh_simulation() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mend = "cargo run -p arena-domain --example fairness -- docs";
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
    assert!(read("fairness.csv") == figures::csv(), "docs/fairness.csv is another one; {mend}");
    assert!(read("fairness.svg") == figures::svg(), "docs/fairness.svg is another one; {mend}");
    let points = |(_, curves): &(Scenario, Vec<Curve>)| curves.iter().all(|curve| curve.points.len() > 10);
    assert!(figures::curves().iter().all(points), "every curve has its points");
}

#[test]
fn whoever_comes_late_gets_the_first_slot_that_is_freed_whatever_the_flood() {
    for seed in 0..12 {
        let late = Load { from: 7 * MINUTE + seed * 10_000, ..Load::new("late", 1, (5, 15)) };
        let came = late.from;
        let flood = Load { jobs: 400, ..Load::new("flood", 400, (5, 15)) };
        let limits = Limits { fleet: 6, ..Limits::default() };
        let served = run(&Scenario { name: "", says: "", limits, loads: vec![flood, late], ends: 60 * MINUTE }, seed);
        let freed = served.iter().map(|one| one.ended).filter(|ended| *ended >= came).min();
        let began = served.iter().find(|one| one.series == "late").map(|one| one.began);
        assert_eq!(began, freed, "seed {seed}");
    }
}

#[test]
fn tenants_have_slots_by_their_weights() {
    let served = run(&scenario("weights"), SEED);
    let shares = ["one", "two", "four"].map(|series| slots(&served, series, 75, 115));
    for (share, wanted) in shares.into_iter().zip([2.0, 4.0, 8.0]) {
        assert!((share - wanted).abs() < 0.15, "{shares:?}");
    }
}

#[test]
fn long_jobs_have_no_more_slots_than_short_ones() {
    let served = run(&scenario("long"), SEED);
    let shares = ["long", "short"].map(|series| slots(&served, series, 90, 330));
    assert!(shares.iter().all(|share| (share - 2.0).abs() < 0.1), "{shares:?}");
}

#[test]
fn what_a_limit_holds_back_keeps_nobody_else_waiting() {
    let served = run(&scenario("parked"), SEED);
    let shares = ["limited", "free"].map(|series| slots(&served, series, 10, 110));
    assert_eq!(shares.map(f64::round), [2.0, 4.0], "{shares:?}");
}

#[test]
fn a_priority_is_worth_its_head_start_and_no_more() {
    let served = run(&scenario("priority"), SEED);
    let wait = |series: &str| {
        let late = served.iter().filter(|one| one.series == series && one.arrived >= 60 * MINUTE);
        let waits: Vec<f64> = late.map(|one| (one.began - one.arrived) as f64 / MINUTE as f64).collect();
        waits.iter().sum::<f64>() / waits.len() as f64
    };
    let (plain, urgent) = (wait("plain"), wait("urgent"));
    assert!(urgent < plain && plain - urgent <= 6.0, "{plain} {urgent}");
    assert!(served.iter().filter(|one| one.series == "plain").count() > 40, "nobody starves");
}
