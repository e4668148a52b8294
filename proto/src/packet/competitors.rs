//! Who takes part: `[[competitor]]` and the product of `[matrix]`, under unique names.

use std::collections::HashSet;

use arena_domain::id::CompetitorName;
use arena_domain::packet::{Competitor, MAX_COMPETITORS, Verbosity};

use super::engines;
use super::nearest;
use super::paths;
use super::problem::{Sink, Spot};
use super::section::{Entry, Section};

const LONGEST_NAME: usize = 64;
/// Of one variant's part in a name, so that free text does not fill it.
const LONGEST_PART: usize = 24;

const VERBOSITIES: [(&str, Verbosity); 2] = [("concise", Verbosity::Concise), ("detailed", Verbosity::Detailed)];

pub(super) fn competitors(root: &Section<'_>, sink: &mut Sink) -> Vec<Competitor> {
    let declared = root.tables("competitor");
    if declared.len() > MAX_COMPETITORS {
        // The first pass has said so.
        return Vec::new();
    }
    let matrix = Matrix::read(root);
    let all = declared.len().saturating_add(matrix.product());
    if all > MAX_COMPETITORS {
        let reason = format!("{all} competitors in all; the limit is {MAX_COMPETITORS}");
        sink.problem(root.table("matrix").own_spot(), reason, "shorten the lists of [matrix]");
        return Vec::new();
    }
    if all == 0 {
        let mend = "add [[competitor]] with `engine = \"codex\"`, or [matrix] with `engine = [\"codex\", \"claude\"]`";
        sink.problem(&root.spot("competitor"), "there is no competitor", mend);
    }
    let own = engines::own_names(root);
    matrix.check(&own, sink);
    let mut taken = declared_names(&declared, sink);
    let mut competitors: Vec<Competitor> =
        declared.iter().map(|section| one(section, &own, &mut taken, sink)).collect();
    competitors.extend(matrix.expand(&mut taken));
    competitors
}

/// The names of `[[competitor]]`, which names that are made here give way to.
fn declared_names(declared: &[Section<'_>], sink: &mut Sink) -> HashSet<String> {
    let mut taken = HashSet::new();
    for section in declared {
        let Some(name) = section.text("name") else { continue };
        if !is_name(name) {
            sink.problem(&section.spot("name"), format!("\"{name}\" is no name"), NAME_RULE);
        }
        if !taken.insert(name.to_owned()) {
            sink.problem(&section.spot("name"), format!("\"{name}\" is taken"), "give every competitor its own name");
        }
    }
    taken
}

fn one(section: &Section<'_>, own: &[&str], taken: &mut HashSet<String>, sink: &mut Sink) -> Competitor {
    let engine = section.text("engine").unwrap_or_default();
    if !engine.is_empty() {
        check_engine(engine, &section.spot("engine"), own, sink);
    }
    let deck = section.text("deck");
    if let Some(text) = deck {
        paths::check(&[Entry { text, spot: section.spot("deck") }], "beside the packet", sink);
    }
    let verbosity = section.choice("verbosity", &VERBOSITIES);
    let word = verbosity.and_then(|_| section.text("verbosity"));
    let variant = [section.text("model"), section.text("approach"), word, deck.map(stem)];
    let name = section.owned("name").unwrap_or_else(|| unique(&name_of(engine, &variant, [0; 4]), taken));
    Competitor {
        name: CompetitorName::new(name),
        engine: engine.to_owned(),
        model: section.owned("model"),
        approach: section.owned("approach"),
        verbosity: verbosity.unwrap_or_default(),
        deck: section.owned("deck"),
        subtask: section.owned("subtask"),
    }
}

/// The lists of `[matrix]`; an empty one does not vary.
struct Matrix<'a> {
    engines: Vec<Entry<'a>>,
    models: Vec<Entry<'a>>,
    approaches: Vec<Entry<'a>>,
    verbosities: Vec<Entry<'a>>,
    decks: Vec<Entry<'a>>,
}

impl<'a> Matrix<'a> {
    fn read(root: &Section<'a>) -> Self {
        let section = root.table("matrix");
        Self {
            engines: section.texts("engine"),
            models: section.texts("model"),
            approaches: section.texts("approach"),
            verbosities: section.texts("verbosity"),
            decks: section.texts("deck"),
        }
    }

    /// How many competitors it would make; nothing is expanded to find out.
    fn product(&self) -> usize {
        [&self.models, &self.approaches, &self.verbosities, &self.decks]
            .into_iter()
            .fold(self.engines.len(), |product, list| product.saturating_mul(list.len().max(1)))
    }

    fn check(&self, own: &[&str], sink: &mut Sink) {
        for entry in &self.engines {
            check_engine(entry.text, &entry.spot, own, sink);
        }
        paths::check(&self.decks, "beside the packet", sink);
        for entry in &self.verbosities {
            if VERBOSITIES.iter().all(|(name, _)| *name != entry.text) {
                let reason = format!("\"{}\" is no verbosity", entry.text);
                sink.problem(&entry.spot, reason, "write \"concise\" or \"detailed\"");
            }
        }
    }

    fn expand(&self, taken: &mut HashSet<String>) -> Vec<Competitor> {
        let mut competitors = Vec::with_capacity(self.product());
        for engine in &self.engines {
            for (m, model) in varied(&self.models) {
                for (a, approach) in varied(&self.approaches) {
                    for (v, verbosity) in varied(&self.verbosities) {
                        for (d, deck) in varied(&self.decks) {
                            let variant = [model, approach, verbosity, deck.map(stem)];
                            let name = unique(&name_of(engine.text, &variant, [m, a, v, d]), taken);
                            competitors.push(made(name, engine.text, [model, approach, verbosity, deck]));
                        }
                    }
                }
            }
        }
        competitors
    }
}

fn made(name: String, engine: &str, [model, approach, verbosity, deck]: [Option<&str>; 4]) -> Competitor {
    let verbosity = VERBOSITIES.iter().find(|(word, _)| Some(*word) == verbosity).map(|(_, value)| *value);
    Competitor {
        name: CompetitorName::new(name),
        engine: engine.to_owned(),
        model: model.map(str::to_owned),
        approach: approach.map(str::to_owned),
        verbosity: verbosity.unwrap_or_default(),
        deck: deck.map(str::to_owned),
        subtask: None,
    }
}

/// The entries with their places, or one that is absent.
fn varied<'a>(entries: &[Entry<'a>]) -> Vec<(usize, Option<&'a str>)> {
    if entries.is_empty() {
        return vec![(0, None)];
    }
    entries.iter().enumerate().map(|(index, entry)| (index, Some(entry.text))).collect()
}

pub(super) const NAME_RULE: &str =
    "use at most 64 of A-Z a-z 0-9 . _ - with a letter or digit first; no `..`, no `.` or `.lock` last";

/// Names become parts of branches and of file names, so what git refuses in a reference is refused here.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && !name.ends_with('.')
        && !name.ends_with(".lock")
}

fn check_engine(engine: &str, spot: &Spot, own: &[&str], sink: &mut Sink) {
    let Some(engines) = &sink.engines else { return };
    let known: Vec<&str> = engines.iter().map(String::as_str).chain(own.iter().copied()).collect();
    if known.contains(&engine) {
        return;
    }
    let mend = nearest::value(engine, &known)
        .unwrap_or_else(|| format!("define [engine.NAME], or use one of {}", super::shape::quoted(&known)));
    sink.problem(spot, format!("there is no engine \"{engine}\""), mend);
}

/// `engine[-variant…]`; a variant whose text has nothing fit for a name goes by its place in the list.
fn name_of(engine: &str, variant: &[Option<&str>; 4], places: [usize; 4]) -> String {
    let mut name = slug(engine);
    for ((part, place), axis) in variant.iter().zip(places).zip(["model", "approach", "verbosity", "deck"]) {
        let Some(text) = part else { continue };
        let slug = slug(text);
        name.push('-');
        name.push_str(&if slug.is_empty() { format!("{axis}{}", place + 1) } else { slug });
    }
    // Room for the number that `unique` may add.
    name.truncate(LONGEST_NAME - 4);
    let name = name.trim_matches(['-', '.', '_']);
    if name.is_empty() { "competitor".to_owned() } else { name.trim_end_matches(".lock").to_owned() }
}

/// Lower case, everything but letters, digits and single dots turned into single hyphens; ASCII.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        let c = match c {
            'a'..='z' | '0'..='9' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            '.' => '.',
            _ => '-',
        };
        let joins = |c| c == '-' || c == '.';
        if joins(c) && slug.ends_with(joins) {
            continue;
        }
        slug.push(c);
        if slug.len() > LONGEST_PART {
            break;
        }
    }
    slug.truncate(LONGEST_PART);
    slug.trim_matches(['-', '.']).to_owned()
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut number = 1;
    let mut candidate = name.to_owned();
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}-{number}");
    }
    candidate
}

/// The file name of a deck without its ending.
fn stem(deck: &str) -> &str {
    let file = deck.rsplit('/').next().unwrap_or(deck);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_branch_and_a_file() {
        let long = "x".repeat(65);
        let rows = [
            ("codex-minimal", true),
            ("gpt-5.5_A", true),
            ("", false),
            ("a b", false),
            ("a/b", false),
            ("-a", false),
            (".a", false),
            ("a..b", false),
            ("a.", false),
            ("a.lock", false),
            ("名", false),
            (long.as_str(), false),
        ];
        for (name, fits) in rows {
            assert_eq!(is_name(name), fits, "{name}");
        }
    }

    #[test]
    fn a_made_name_says_engine_and_variant() {
        let rows = [
            ("codex", [None, None, None, None], "codex"),
            ("codex", [Some("gpt-5.5"), Some("minimal"), None, None], "codex-gpt-5.5-minimal"),
            (
                "claude",
                [None, Some("Use  SIMD, please!"), Some("concise"), Some("a")],
                "claude-use-simd-please-concise-a",
            ),
            ("codex", [None, Some("最小"), None, None], "codex-approach1"),
        ];
        for (engine, variant, name) in rows {
            assert_eq!(name_of(engine, &variant, [0; 4]), name);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_made_name_is_a_name(engine in ".{0,80}", model in ".{0,80}", approach in ".{0,80}") {
            let name = name_of(&engine, &[Some(&model), Some(&approach), None, Some("x.lock")], [0; 4]);
            proptest::prop_assert!(is_name(&unique(&name, &mut HashSet::from([name.clone()]))), "{}", name);
            proptest::prop_assert!(is_name(&name), "{}", name);
        }
    }
}
