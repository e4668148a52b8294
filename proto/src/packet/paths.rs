//! Paths and globs that stay inside the repository, or beside the packet.

use arena_domain::packet::{OnViolation, Scope};
use arena_domain::scope::Lock;

use super::problem::{Sink, Spot};
use super::section::{Entry, Section};

/// Of one scope, in all its lists; each costs compilation whenever the scope is locked.
const MOST_PATTERNS: usize = 512;

/// Refuses what leads out of the place it belongs to.
pub(super) fn check(entries: &[Entry<'_>], place: &str, sink: &mut Sink) {
    for entry in entries {
        if let Some(reason) = leads_out(entry.text) {
            sink.problem(&entry.spot, format!("\"{}\" {reason}", entry.text), format!("write a path {place}"));
        }
    }
}

fn leads_out(path: &str) -> Option<&'static str> {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if path.starts_with(['/', '\\', '~']) || drive {
        Some("is absolute")
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Some("leads upwards by `..`")
    } else {
        None
    }
}

pub(super) fn scope(root: &Section<'_>, sink: &mut Sink) -> Scope {
    let section = root.table("scope");
    if section.is_present() && (!section.has("forbidden") || section.says_unknown("forbidden")) {
        let mend = "add `forbidden = []` to say that the defaults are enough";
        let reason = "is not stated: only the defaults (manifests, locks, secrets, CI, containers, build config) hold";
        sink.warn(&section.spot("forbidden"), reason, mend);
    }
    let allowed = section.texts("allowed");
    if allowed.is_empty() && !section.words("allowed").is_empty() {
        // The first pass has named a list that is missing, unknown or empty; this one holds only `unknown`.
        sink.problem(&section.spot("allowed"), "allows nothing", "add at least one glob, such as \"src/**\"");
    }
    let forbidden = section.texts("forbidden");
    let protected = section.texts("protected");
    for list in [&allowed, &forbidden, &protected] {
        check(list, "in the repository", sink);
    }
    let violations = [("revert", OnViolation::Revert), ("disqualify", OnViolation::Disqualify)];
    let scope = Scope {
        allowed: section.strings("allowed"),
        forbidden: section.strings("forbidden"),
        protected: section.strings("protected"),
        on_violation: section.choice("on_violation", &violations).unwrap_or(OnViolation::Revert),
    };
    let patterns: Vec<Entry<'_>> = allowed.into_iter().chain(forbidden).chain(protected).collect();
    globs(&scope, &patterns, section.own_spot(), sink);
    scope
}

/// Asks the lock about all patterns, and where it refuses, about each alone, so that every bad one is named.
fn globs(scope: &Scope, patterns: &[Entry<'_>], spot: &Spot, sink: &mut Sink) {
    if patterns.len() > MOST_PATTERNS {
        let reason = format!("has {} patterns; the limit is {MOST_PATTERNS}", patterns.len());
        return sink.problem(spot, reason, "name directories, such as \"src/**\", instead of files");
    }
    let Err(whole) = Lock::new(scope) else { return };
    let before = sink.problems.len();
    // What leads out or is empty has been named before, and the lock would only name it again.
    let sound = |entry: &&Entry<'_>| leads_out(entry.text).is_none() && !entry.text.trim().is_empty();
    for entry in patterns.iter().filter(sound) {
        let alone = Scope {
            allowed: vec![entry.text.to_owned()],
            forbidden: Vec::new(),
            protected: Vec::new(),
            on_violation: OnViolation::Revert,
        };
        if let Err(bad) = Lock::new(&alone) {
            sink.problem(&entry.spot, bad.to_string(), "write a glob such as \"src/**\" or \"**/*.rs\"");
        }
    }
    if sink.problems.len() == before && patterns.iter().all(|entry| sound(&entry)) {
        sink.problem(spot, whole.to_string(), "use fewer and shorter patterns");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_where_it_belongs() {
        let rows = [
            ("src/**", true),
            ("src/a..b/c", true),
            ("..rc", true),
            ("/etc/passwd", false),
            ("~/.ssh", false),
            ("C:\\x", false),
            ("src/../../x", false),
            ("..", false),
            ("a\\..\\b", false),
        ];
        for (path, stays) in rows {
            assert_eq!(leads_out(path).is_none(), stays, "{path}");
        }
    }
}
