//! The session's packet with one competitor that replays what was recorded; the rest stays as the user wrote it.

use super::ArchiveError;
use arena_domain::id::{Commit, CompetitorName};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

/// What `reproduce.sh` replaces by the path of the repository it was given.
pub(super) const REPOSITORY: &str = "@REPOSITORY@";
/// The engine that applies the archived files.
const ENGINE: &str = "replay";

/// Same harness, gates, KPIs, scenarios and sandbox; the base by its commit, one round, one competitor.
pub(super) fn replaying(text: &str, base: &Commit, name: &CompetitorName) -> Result<String, ArchiveError> {
    let bad = |reason: String| ArchiveError::Packet { reason };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| bad(error.to_string()))?;
    let root = document.as_table_mut();
    for key in ["competitor", "matrix", "engine"] {
        root.remove(key);
    }
    let session = root.get_mut("session").and_then(Item::as_table_like_mut);
    let session = session.ok_or_else(|| bad("it has no [session]".to_owned()))?;
    set(session, "repository", REPOSITORY);
    set(session, "base", base.as_str());
    set(session, "paradigm", "compete");
    set(session, "mode", "solo");
    if root.get("budget").is_none_or(|budget| !budget.is_table_like()) {
        root.insert("budget", Item::Table(Table::new()));
    }
    if let Some(budget) = root.get_mut("budget").and_then(Item::as_table_like_mut) {
        set(budget, "rounds", 1);
    }
    add_replay(root, name);
    let text = document.to_string();
    check(&text, name).map_err(bad)?;
    Ok(text)
}

/// Sets a value and leaves the comment beside it.
fn set(table: &mut dyn TableLike, key: &str, new: impl Into<Value>) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(held) => {
            let decor = held.decor().clone();
            *held = new.into();
            *held.decor_mut() = decor;
        }
        None => {
            table.insert(key, Item::Value(new.into()));
        }
    }
}

fn add_replay(root: &mut Table, name: &CompetitorName) {
    let list = |words: &[&str]| value(words.iter().copied().collect::<Array>());
    let mut engine = Table::new();
    engine.insert("command", list(&["sh", "/arena/files/apply.sh"]));
    engine.insert("files", list(&["winner.tar", "apply.sh"]));
    let mut engines = Table::new();
    engines.set_implicit(true);
    engines.insert(ENGINE, Item::Table(engine));
    root.insert("engine", Item::Table(engines));

    let mut competitor = InlineTable::new();
    competitor.insert("name", name.as_str().into());
    competitor.insert("engine", ENGINE.into());
    let mut competitors = ArrayOfTables::new();
    competitors.push(competitor.into_table());
    root.insert("competitor", Item::ArrayOfTables(competitors));
}

/// What was written is read again as `arena run` will read it.
fn check(text: &str, name: &CompetitorName) -> Result<(), String> {
    let parsed = arena_proto::packet::parse(text)
        .map_err(|problems| problems.first().map_or_else(|| "it is not valid".to_owned(), ToString::to_string))?;
    match parsed.packet.competitors.as_slice() {
        [one] if &one.name == name && one.engine == ENGINE => Ok(()),
        _ => Err("it does not come down to one competitor".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::packet::{Packet, Paradigm};

    const BODY: &str = r#"# My packet.
[session]
title = "t"   # the title
goal = "g"
repository = "."   # here
base = "main"
mode = "team"
[brief]
specification = "Sort the lines of a file"
acceptance = ["tests pass"]
[scope]
allowed = ["src/**"]
forbidden = []
[[competitor]]
engine = "codex"
[matrix]
engine = ["fixer"]
approach = ["minimal", "robust"]
[engine.fixer]
command = ["sh", "-c", "true"]
[[gate]]   # the gate
name = "tests"
run = "make test"
[harness]
run = "bench {scenario}"
scenarios = ["1", "2"]
holdout = ["71"]
[[kpi]]
name = "wall"
source = "wall_time"
[budget]
rounds = 7   # many
wall = "1h"
[sandbox]
image = "mine"
"#;

    fn packet(text: &str) -> Packet {
        arena_proto::packet::parse(text).map(|parsed| parsed.packet).unwrap()
    }

    fn replayed(text: &str) -> String {
        replaying(text, &Commit::new("a".repeat(40)), &CompetitorName::new("fixer-robust")).unwrap()
    }

    #[test]
    fn only_who_competes_and_what_is_pinned_differs() {
        let (old, text) = (packet(BODY), replayed(BODY));
        let new = packet(&text);
        assert_eq!(new.competitors.len(), 1);
        assert_eq!(new.engines.keys().collect::<Vec<_>>(), ["replay"]);
        let expected = Packet {
            repository: REPOSITORY.into(),
            base: Some("a".repeat(40)),
            mode: arena_domain::packet::Mode::Solo,
            competitors: new.competitors.clone(),
            engines: new.engines.clone(),
            budget: arena_domain::packet::Budget { rounds: 1, ..old.budget.clone() },
            ..old
        };
        assert_eq!(new, expected);
        for comment in [
            "# My packet.\n",
            "\"t\"   # the title\n",
            "\"@REPOSITORY@\"   # here\n",
            "1   # many\n",
            "]]   # the gate\n",
        ] {
            assert!(text.contains(comment), "{comment:?} is not in {text}");
        }
    }

    #[test]
    fn every_way_to_write_a_table_is_rewritten() {
        let rows = [
            "session = { title = \"t\", goal = \"g\", paradigm = \"auto\" }\n\
             brief = { specification = \"Sort the lines of a file\", acceptance = [\"a\"] }\n\
             scope = { allowed = [\"src/**\"], forbidden = [] }\n\
             competitor = [{ engine = \"own\" }]\nengine = { own = { command = [\"x\"] } }\nbudget = \"unknown\"\n",
            "session.title = \"t\"\nsession.goal = \"g\"\nsession.base = \"unknown\"\n\
             brief.specification = \"Sort the lines of a file\"\nbrief.acceptance = [\"a\"]\n\
             scope.allowed = [\"src/**\"]\nscope.forbidden = []\nengine.own.command = [\"x\"]\n\
             budget.rounds = 3\nmatrix.engine = [\"own\"]\n",
        ];
        for text in rows {
            let packet = packet(&replayed(text));
            assert_eq!((packet.competitors.len(), packet.budget.rounds), (1, 1), "{text}");
            assert_eq!((packet.paradigm, packet.base), (Paradigm::Compete, Some("a".repeat(40))));
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for text in ["", "[", "session = 3", "[session]\ntitle = \"t\""] {
            let name = CompetitorName::new("a");
            let error = replaying(text, &Commit::new("a".repeat(40)), &name).unwrap_err();
            assert!(matches!(error, ArchiveError::Packet { .. }), "{error}");
        }
    }
}
