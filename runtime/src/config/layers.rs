//! Defaults, file, environment and flags laid over each other, key by key.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Document, Item, TableLike, Value};

use super::ConfigProblem;
use super::keys::{self, DEPTH, KEYS, Kind, Place};

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// `defaults`, the file, the variable or the flag.
    pub(super) source: String,
    /// Of a file; counted from one.
    pub(super) line: Option<usize>,
}

impl Origin {
    pub(super) fn problem(&self, path: &str, reason: &str, mend: &str) -> ConfigProblem {
        ConfigProblem {
            origin: self.source.clone(),
            line: self.line,
            path: path.to_owned(),
            reason: reason.to_owned(),
            mend: mend.to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// From a path to what is said there.
pub(super) type Layer = BTreeMap<Vec<String>, Entry>;

/// Where a key comes from is one of these.
const KEY_SOURCES: [&str; 3] = ["key_env", "key_file", "login"];

/// Lays `upper` over `lower`. A key has one source, so whichever the upper layer says takes the others away.
pub(super) fn lay(lower: &mut Layer, upper: Layer) {
    for (path, entry) in upper {
        for other in other_sources(&path) {
            lower.remove(&other);
        }
        lower.insert(path, entry);
    }
}

/// The paths of the sources that this one excludes, in their order; none when it is no source.
fn other_sources(path: &[String]) -> Vec<Vec<String>> {
    match path {
        [section, name, leaf] if section == "provider" && KEY_SOURCES.contains(&leaf.as_str()) => {
            let others = KEY_SOURCES.iter().filter(|source| *source != leaf);
            others.map(|source| vec![section.clone(), name.clone(), (*source).to_owned()]).collect()
        }
        _ => Vec::new(),
    }
}

/// A configuration file.
pub(super) fn file(source: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Layer {
    let line = |at: Option<std::ops::Range<usize>>| {
        at.and_then(|at| text.get(..at.start)).map(|before| before.bytes().filter(|byte| *byte == b'\n').count() + 1)
    };
    let mut layer = Layer::new();
    match Document::parse(text) {
        Ok(document) => {
            let mut walk = Walk { source, line: &line, layer: &mut layer, problems };
            walk.table(&mut Vec::new(), document.as_table(), Some(1));
        }
        Err(error) => {
            let origin = Origin { source: source.to_owned(), line: line(error.span()) };
            problems.push(origin.problem("", &format!("is not TOML: {}", error.message()), "mend the syntax there"));
        }
    }
    both_keys(&layer, problems);
    layer
}

/// Within one layer neither can be said to come after the other.
fn both_keys(layer: &Layer, problems: &mut Vec<ConfigProblem>) {
    for (path, entry) in layer {
        // Each pair is reported once, at the one that comes first.
        let later = other_sources(path).into_iter().filter(|other| other > path && layer.contains_key(other));
        for other in later.filter_map(|other| other.last().cloned()) {
            let reason = format!("stands beside `{other}`");
            problems.push(entry.origin.problem(&path.join("."), &reason, "keep one of them"));
        }
    }
}

struct Walk<'a> {
    source: &'a str,
    line: &'a dyn Fn(Option<std::ops::Range<usize>>) -> Option<usize>,
    layer: &'a mut Layer,
    problems: &'a mut Vec<ConfigProblem>,
}

impl Walk<'_> {
    fn table(&mut self, path: &mut Vec<String>, table: &dyn TableLike, above: Option<usize>) {
        for (name, item) in table.iter() {
            let line = table.key(name).and_then(|key| (self.line)(key.span())).or(above);
            path.push(name.to_owned());
            self.item(path, item, line);
            path.pop();
        }
    }

    fn item(&mut self, path: &mut Vec<String>, item: &Item, line: Option<usize>) {
        let origin = Origin { source: self.source.to_owned(), line };
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let refuse = |reason: &str, mend: &str| origin.problem(&parts.join("."), reason, mend);
        match keys::place(&parts) {
            Place::Unknown => self.problems.push(refuse("unknown key", &keys::nearest(&parts))),
            Place::Table => match item.as_table_like() {
                Some(_) if !is_named_well(&parts) => self.problems.push(refuse("is no name", NAME_RULE)),
                Some(table) => self.table(path, table, line),
                None => self.problems.push(refuse("is no table", "write [section] above its keys")),
            },
            Place::Leaf(key) => {
                let value = item.clone().into_value().ok();
                match value.filter(|value| keys::refusal(key.kind, value).is_none()) {
                    Some(value) => {
                        self.layer.insert(path.clone(), Entry { value, origin });
                    }
                    None => {
                        let mend = keys::refusal(key.kind, &Value::from(false)).unwrap_or_default();
                        self.problems.push(refuse("does not fit", mend));
                    }
                }
            }
        }
    }
}

/// Of a table that the user named: tenants may have dots in their names, since no variable is made of them.
fn is_named_well(parts: &[&str]) -> bool {
    match parts {
        [_, name] => is_name(name),
        [_, _, name] => name.split('.').all(is_name),
        _ => true,
    }
}

const NAME_RULE: &str = "use letters, digits, `_` and `-`";

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The variables of every key; of names that the user chose, those that `below` holds.
pub(super) fn environment(
    variable: &dyn Fn(&str) -> Option<String>,
    below: &Layer,
    problems: &mut Vec<ConfigProblem>,
) -> Layer {
    let named: BTreeSet<&str> =
        below.keys().filter(|path| path.len() == 3 && path[0] == "provider").map(|path| path[1].as_str()).collect();
    let mut layer = Layer::new();
    let mut read = |path: Vec<String>, kind: Kind| {
        let name = variable_name(&path);
        if let Some(text) = variable(&name).filter(|text| !text.trim().is_empty()) {
            let origin = Origin { source: name, line: None };
            put(&mut layer, path, kind, &text, origin, problems);
        }
    };
    for key in KEYS {
        let parts: Vec<&str> = key.path.split('.').collect();
        match parts.iter().position(|part| *part == "*") {
            None => read(parts.iter().map(|part| (*part).to_owned()).collect(), key.kind),
            Some(1) => {
                for name in &named {
                    read(vec![parts[0].to_owned(), (*name).to_owned(), parts[2].to_owned()], key.kind);
                }
            }
            Some(_) => {}
        }
    }
    engine_limits(variable, &mut layer, problems);
    both_keys(&layer, problems);
    layer
}

pub(super) fn variable_name(path: &[String]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("ARENA_{}", path.join("_").chars().map(plain).collect::<String>())
}

/// `ARENA_LIMITS_ENGINE=codex=2,claude=1`: the names are in the value, since variables cannot be listed.
fn engine_limits(variable: &dyn Fn(&str) -> Option<String>, layer: &mut Layer, problems: &mut Vec<ConfigProblem>) {
    let source = "ARENA_LIMITS_ENGINE";
    let Some(text) = variable(source) else { return };
    let origin = Origin { source: source.to_owned(), line: None };
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((name, number)) => {
                let path = vec!["limits".to_owned(), "engine".to_owned(), name.trim().to_owned()];
                put(layer, path, Kind::Count, number, origin.clone(), problems);
            }
            None => problems.push(origin.problem("limits.engine", "does not fit", "write codex=2,claude=1")),
        }
    }
}

/// Flags as pairs of a dotted path and a text.
pub(super) fn flags(pairs: &[(String, String)], problems: &mut Vec<ConfigProblem>) -> Layer {
    let mut layer = Layer::new();
    for (flag, text) in pairs {
        let origin = Origin { source: format!("flag {flag}"), line: None };
        // A name in the last place may hold dots, so the longest path that is a key counts.
        let split = |most: usize| flag.splitn(most, '.').collect::<Vec<&str>>();
        let is_leaf = |parts: &Vec<&str>| matches!(keys::place(parts), Place::Leaf(_));
        let parts = (2..=DEPTH).rev().map(split).find(is_leaf).unwrap_or_else(|| split(DEPTH));
        let named = parts.len() != 3 || parts[0] != "provider" || is_name(parts[1]);
        match keys::place(&parts) {
            Place::Leaf(key) if named => {
                let path = parts.iter().map(|part| (*part).to_owned()).collect();
                put(&mut layer, path, key.kind, text, origin, problems);
            }
            Place::Leaf(_) => problems.push(origin.problem(flag, "is no name", NAME_RULE)),
            Place::Table => problems.push(origin.problem(flag, "is a section", "name a key in it")),
            Place::Unknown => problems.push(origin.problem(flag, "unknown key", &keys::nearest(&parts))),
        }
    }
    both_keys(&layer, problems);
    layer
}

fn put(
    layer: &mut Layer,
    path: Vec<String>,
    kind: Kind,
    text: &str,
    origin: Origin,
    problems: &mut Vec<ConfigProblem>,
) {
    let value = keys::from_text(kind, text);
    match keys::refusal(kind, &value) {
        None => {
            layer.insert(path, Entry { value, origin });
        }
        Some(mend) => problems.push(origin.problem(&path.join("."), "does not fit", mend)),
    }
}
