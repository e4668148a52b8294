//! The harness: base and candidate in turn, a fresh container for each run, the worker's own clock.

use super::token::{LINE, Token};
use super::{Context, RunError, Task, User};
use crate::layers::Prepared;
use crate::run::Phase;
use crate::sandbox::Finished;
use crate::trace;
use arena_domain::measure::{Said, lacks};
use arena_domain::outcome::{Flag, FlagKind, Series};
use arena_domain::packet::{Harness, Kpi, KpiSource};
use arena_domain::text;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Instrument;

/// What is kept of each stream of a run.
const HARNESS_OUTPUT: u64 = 1 << 20;
/// So many runs of the base say what varies in the words of the harness.
const CALIBRATED: usize = 5;
/// So many further runs of a candidate have to be cut off before it is blamed.
const AGAIN: usize = 2;

/// What the base's runs print, by scenario; each shape that is new is kept.
#[derive(Debug, Default)]
pub(crate) struct Sayings(Mutex<HashMap<String, Vec<Said>>>);

/// What the harness said, and whether that is all of it.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub series: Vec<Series>,
    pub incomplete: Option<String>,
    pub flags: Vec<Flag>,
}

/// One run of the harness.
struct Ran {
    finished: Finished,
    /// The token, where one is asked for, as the last of its lines.
    said: bool,
}

/// Each scenario once on the base, the holdout too: one that the base itself fails would disqualify everybody, at the end.
pub(super) async fn once(
    context: &Arc<Context>,
    task: &Task,
    harness: &Harness,
    base: &Prepared,
) -> Result<Measured, RunError> {
    let mut measured = Measured::default();
    let shown = harness.matrix().into_iter().map(|scenario| (scenario, false));
    for (scenario, holdout) in shown.chain(harness.holdout.iter().cloned().map(|scenario| (scenario, true))) {
        task.phase(Phase::Measure, format!("base, scenario {scenario}")).await;
        let run = context.cores.with(async |cores| run(context, task, harness, base, &scenario, cores).await).await?;
        match values(&task.packet.kpis, &run) {
            Ok(values) => {
                base.sayings.note(&scenario, &run);
                measured.add(&task.packet.kpis, &scenario, holdout, &values, &[]);
            }
            Err(why) => {
                let kind = if holdout { "holdout scenario" } else { "scenario" };
                measured.incomplete = Some(format!("{kind} '{scenario}': {why}"));
            }
        }
    }
    Ok(measured)
}

/// Interleaved pairs: which of the two is first changes with every pair, so that a drift of the machine hits both alike.
pub(super) async fn pairs(
    context: &Arc<Context>,
    task: &Task,
    harness: &Harness,
    base: &Prepared,
    candidate: &Prepared,
    holdout: bool,
) -> Result<Measured, RunError> {
    let scenarios = if holdout { harness.holdout.clone() } else { harness.matrix() };
    let kpis = &task.packet.kpis;
    let mut measured = Measured::default();
    for scenario in &scenarios {
        for pair in 0..harness.repeats {
            let nth = pair + 1;
            task.phase(Phase::Measure, format!("scenario {scenario}, pair {nth} of {}", harness.repeats)).await;
            let two = context.cores.with(async |cores| {
                let one = async |tree| run(context, task, harness, tree, scenario, cores.clone()).await;
                if pair % 2 == 0 {
                    let before = one(base).await?;
                    Ok::<_, RunError>((before, one(candidate).await?))
                } else {
                    let after = one(candidate).await?;
                    Ok((one(base).await?, after))
                }
            });
            let (before, after) = two.await?;
            base.sayings.note(scenario, &before);
            let before = values(kpis, &before).map_err(|why| format!("the base on scenario '{scenario}': {why}"));
            if let Some(why) = cut_off(context, task, harness, (base, candidate), &after, scenario).await? {
                measured.cut_off(scenario, why);
                return Ok(measured);
            }
            measured.unsaid(&after, scenario);
            measured.survivors(after.finished.relay.map_or(0, |relay| relay.survivors), scenario);
            let after = values(kpis, &after).map_err(|why| format!("scenario '{scenario}': {why}"));
            match (before, after) {
                (Ok(before), Ok(after)) => measured.add(kpis, scenario, holdout, &before, &after),
                (Err(why), _) | (_, Err(why)) => {
                    measured.missing(scenario, why);
                    return Ok(measured);
                }
            }
        }
    }
    Ok(measured)
}

/// Why a run that ended well did not come to its own end, by what it printed; with a token, that is what says it.
async fn cut_off(
    context: &Arc<Context>,
    task: &Task,
    harness: &Harness,
    (base, candidate): (&Prepared, &Prepared),
    after: &Ran,
    scenario: &str,
) -> Result<Option<&'static str>, RunError> {
    let lacks_by = |said: Option<Said>| said.and_then(|said| lacks(&base.sayings.of(scenario), &said));
    if harness.token || lacks_by(after.words()).is_none() {
        return Ok(None);
    }
    // Few runs say little of what varies by itself: a suspicion is worth more of them, on both sides.
    task.phase(Phase::Measure, format!("scenario {scenario}, again for what the harness prints")).await;
    let one = async |tree: &Prepared| {
        context.cores.with(async |cores| run(context, task, harness, tree, scenario, cores).await).await
    };
    for _ in base.sayings.of(scenario).len()..CALIBRATED {
        base.sayings.note(scenario, &one(base).await?);
    }
    let mut why = lacks_by(after.words());
    for _ in 0..AGAIN {
        if why.is_none() {
            break;
        }
        why = lacks_by(one(candidate).await?.words());
    }
    Ok(why)
}

async fn run(
    context: &Arc<Context>,
    task: &Task,
    harness: &Harness,
    tree: &Prepared,
    scenario: &str,
    cores: Option<String>,
) -> Result<Ran, RunError> {
    let workspace = tree.stage(context, task).await?;
    let words = ["sh", "-c", &harness.command(scenario)].map(str::to_owned).to_vec();
    let mut spec = context.spec(task, &workspace, User::Judge, words);
    spec.cpuset = cores;
    spec.output_cap = HARNESS_OUTPUT;
    let token = harness.token.then(Token::by_chance);
    spec.stdin = token.as_ref().map(Token::told).unwrap_or_default();
    let span = trace::kpi(&task.trace.here(), scenario);
    let mut finished = context.sandboxed(task, spec, harness.timeout, None).instrument(span).await?;
    let said = token.is_none_or(|token| token.take_from(&mut finished.stdout));
    Ok(Ran { finished, said })
}

impl Sayings {
    fn note(&self, scenario: &str, ran: &Ran) {
        let Some(said) = ran.words() else { return };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.entry(scenario.to_owned()).or_default();
        // A shape that is known is counted only until there are enough of them.
        if all.len() < CALIBRATED || !all.contains(&said) {
            all.push(said);
        }
    }

    fn of(&self, scenario: &str) -> Vec<Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(scenario).cloned().unwrap_or_default()
    }
}

impl Ran {
    /// Nothing where it failed, or printed more than is kept.
    fn words(&self) -> Option<Said> {
        let whole = self.finished.exit.passed() && !self.finished.truncated;
        whole.then(|| Said::of(&text::sanitise(&self.finished.stdout)))
    }
}

/// One number for each KPI, or why there is none.
fn values(kpis: &[Kpi], ran: &Ran) -> Result<Vec<f64>, String> {
    let run = &ran.finished;
    if !run.exit.passed() {
        let said = [run.stdout.as_slice(), &run.stderr].concat();
        let said = run.flood(HARNESS_OUTPUT).unwrap_or_else(|| text::tail(&said, 2).join(" / "));
        return Err(format!("the harness ended with {}: {said}", run.exit.describe()));
    }
    if !ran.said {
        return Err(format!("the harness ended without the line `{LINE}` and the word it was told"));
    }
    let relay = run.relay.ok_or("the clock of the sandbox did not report")?;
    kpis.iter()
        .map(|kpi| {
            let value = match &kpi.source {
                KpiSource::WallTime => in_unit(relay.wall.as_secs_f64(), &kpi.unit),
                KpiSource::CpuTime => in_unit(relay.cpu.as_secs_f64(), &kpi.unit),
                KpiSource::PeakMemory => relay.peak_bytes as f64 / bytes_of(&kpi.unit),
                KpiSource::Json(pointer) => json(&run.stdout, pointer)?,
                KpiSource::Regex(pattern) => matched(&run.stdout, pattern)?,
                KpiSource::Stdout => number(&text::sanitise(&run.stdout))?,
            };
            value.is_finite().then_some(value).ok_or_else(|| format!("{} is no finite number", kpi.name))
        })
        .collect()
}

fn in_unit(seconds: f64, unit: &str) -> f64 {
    match unit {
        "ms" => seconds * 1e3,
        "us" | "µs" => seconds * 1e6,
        "ns" => seconds * 1e9,
        "min" => seconds / 60.0,
        _ => seconds,
    }
}

fn bytes_of(unit: &str) -> f64 {
    match unit {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "KB" | "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => 1.0,
    }
}

fn json(stdout: &[u8], pointer: &str) -> Result<f64, String> {
    let document: serde_json::Value =
        serde_json::from_slice(stdout).map_err(|error| format!("the output is no JSON: {error}"))?;
    let value = document.pointer(pointer).ok_or_else(|| format!("no {pointer} in the output"))?;
    value.as_f64().ok_or_else(|| format!("{pointer} is no number"))
}

fn matched(stdout: &[u8], pattern: &str) -> Result<f64, String> {
    let expression = regex::Regex::new(pattern).map_err(|error| error.to_string())?;
    let output = String::from_utf8_lossy(stdout);
    // The last match: what a harness prints at its end is its result.
    let last = expression.captures_iter(&output).last();
    let group = last.as_ref().and_then(|captures| captures.get(1));
    number(group.ok_or_else(|| format!("nothing in the output matches {pattern}"))?.as_str())
}

fn number(words: &str) -> Result<f64, String> {
    words.trim().parse().map_err(|_| format!("'{}' is no number", text::sanitise_line(words.trim(), 60)))
}

impl Measured {
    fn add(&mut self, kpis: &[Kpi], scenario: &str, holdout: bool, base: &[f64], candidate: &[f64]) {
        for (index, kpi) in kpis.iter().enumerate() {
            let place = self.series.iter().position(|one| one.kpi == kpi.name && one.scenario == scenario);
            let place = place.unwrap_or_else(|| {
                let (kpi, scenario) = (kpi.name.clone(), scenario.to_owned());
                self.series.push(Series { kpi, scenario, holdout, base: Vec::new(), candidate: Vec::new() });
                self.series.len() - 1
            });
            self.series[place].base.extend(base.get(index));
            self.series[place].candidate.extend(candidate.get(index));
        }
    }

    fn missing(&mut self, scenario: &str, why: String) {
        let detail = format!("scenario '{scenario}' was not measured");
        self.flags.push(Flag { kind: FlagKind::ScenarioMissing, path: None, detail });
        self.incomplete = Some(why);
    }

    /// A harness that ends well and says nothing was ended by what it measures.
    fn unsaid(&mut self, ran: &Ran, scenario: &str) {
        if !ran.said && ran.finished.exit.passed() {
            let detail =
                format!("the harness did not come to its own end on scenario '{scenario}': its token is missing");
            self.flags.push(Flag { kind: FlagKind::OutputSpoofed, path: None, detail });
        }
    }

    fn cut_off(&mut self, scenario: &str, why: &str) {
        let detail = format!("the harness did not come to its own end on scenario '{scenario}': {why}");
        self.flags.push(Flag { kind: FlagKind::OutputSpoofed, path: None, detail });
        self.missing(scenario, format!("scenario '{scenario}': {why}"));
    }

    fn survivors(&mut self, many: u32, scenario: &str) {
        if many > 0 && !self.flags.iter().any(|flag| flag.kind == FlagKind::Survivor) {
            let detail = format!("{many} processes outlived the harness on scenario '{scenario}'");
            self.flags.push(Flag { kind: FlagKind::Survivor, path: None, detail });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_or_the_reason_is_named() {
        assert_eq!(json(br#"{"a":{"b":1.5}}"#, "/a/b"), Ok(1.5));
        assert!(json(b"text", "/a").unwrap_err().contains("no JSON"));
        assert!(json(b"{}", "/a").unwrap_err().contains("no /a"));
        assert_eq!(matched(b"rate: 1\nrate: 2.5\n", "rate: ([0-9.]+)"), Ok(2.5));
        assert!(matched(b"", "x(y)").unwrap_err().contains("matches"));
        assert_eq!(number(" 42\n"), Ok(42.0));
        assert!(number("many").is_err());
    }

    #[test]
    fn a_unit_says_what_the_clock_is_read_in() {
        assert_eq!(in_unit(1.5, "ms"), 1500.0);
        assert_eq!(in_unit(90.0, "min"), 1.5);
        assert_eq!(in_unit(2.0, "s"), 2.0);
        assert_eq!(bytes_of("MiB"), 1_048_576.0);
    }
}
