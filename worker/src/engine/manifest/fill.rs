//! Placeholders such as `{model}` in a manifest's texts.

use super::super::{BRIEF, BROKER, NO_KEY, PACK};
use crate::sandbox::HOME;

/// All that a manifest may name.
pub(super) const NAMES: [&str; 9] = ["pack", "model", "budget_usd", "url", "key", "brief", "home", "work", "random"];
/// What recipes of packs may name besides.
pub(super) const OF_PACKS: [&str; 3] = ["version", "arch", "machine"];

/// What a placeholder stands for in one run; some may stand for nothing.
pub(super) struct Values {
    model: Option<String>,
    budget_usd: Option<String>,
    /// Drawn for each run, for names that nobody can know before.
    random: String,
}

impl Values {
    pub(super) fn new(model: Option<&str>, budget_usd: Option<f64>) -> Self {
        // Engines read dollars with two decimals; less than a cent would read as no limit.
        let budget_usd = budget_usd.filter(|usd| usd.is_finite()).map(|usd| format!("{:.2}", usd.max(0.01)));
        Self { model: model.map(str::to_owned), budget_usd, random: arena_runtime::token::hex(32) }
    }

    fn of(&self, name: &str) -> Option<&str> {
        match name {
            "pack" => Some(PACK),
            "model" => self.model.as_deref(),
            "budget_usd" => self.budget_usd.as_deref(),
            "url" => Some(BROKER),
            "key" => Some(NO_KEY),
            "brief" => Some(BRIEF),
            "home" => Some(HOME),
            "work" => Some("/work"),
            "random" => Some(&self.random),
            _ => None,
        }
    }

    /// `None`: a placeholder has no value in this run.
    pub(super) fn fill(&self, template: &str) -> Option<String> {
        replace(template, &NAMES, |name| self.of(name).map(str::to_owned))
    }

    pub(super) fn fill_all(&self, templates: &[String]) -> Option<Vec<String>> {
        templates.iter().map(|template| self.fill(template)).collect()
    }
}

/// Replaces `{name}` of known names; other braces are text, since configurations are full of them.
pub(crate) fn replace(template: &str, known: &[&str], value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        match name_of(from).filter(|name| known.contains(name)) {
            Some(name) => {
                filled.push_str(&value(name)?);
                rest = &from[name.len() + 2..];
            }
            None => {
                filled.push('{');
                rest = &from[1..];
            }
        }
    }
    filled.push_str(rest);
    Some(filled)
}

/// The placeholder that this text begins with.
fn name_of(text: &str) -> Option<&str> {
    let inner = &text[1..];
    let end = inner.find(|c: char| !c.is_ascii_lowercase() && c != '_')?;
    (end > 0 && inner[end..].starts_with('}')).then(|| &inner[..end])
}

/// The first `{word}` that is no placeholder: a slip of the finger that would reach the engine as it is.
pub(super) fn stranger<'a>(template: &'a str, known: &[&str]) -> Option<&'a str> {
    template.match_indices('{').filter_map(|(at, _)| name_of(&template[at..])).find(|name| !known.contains(name))
}
