//! Where each value of a packet stands, for what can only be said by whoever knows the repository or the machine.

use std::collections::BTreeMap;

use toml_edit::{Document, Item, TableLike, Value};

use super::problem::{Lines, Problem, Spot};
use super::section::tables;

/// Lines by path, as in `gate[0].run`.
#[derive(Debug, Clone, Default)]
pub struct Places {
    lines: BTreeMap<String, usize>,
}

impl Places {
    /// Of a text that has been parsed; nothing is known of any other.
    pub fn of(text: &str) -> Self {
        let mut places = Self::default();
        if let Ok(document) = Document::parse(text) {
            places.table(document.as_table(), &Lines::of(text), &Spot::file());
        }
        places
    }

    /// Something to say of the value at `path`; its line is that of the nearest table around it when it is absent.
    pub fn problem(&self, path: &str, reason: impl AsRef<str>, mend: impl AsRef<str>) -> Problem {
        Problem::new(&Spot { line: self.line(path), path: path.to_owned() }, reason, mend)
    }

    /// Whether the packet says anything at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    fn line(&self, path: &str) -> usize {
        let mut known = path;
        loop {
            if let Some(line) = self.lines.get(known) {
                return *line;
            }
            match known.rfind(['.', '[']) {
                Some(end) => known = &known[..end],
                None => return 1,
            }
        }
    }

    fn table(&mut self, table: &dyn TableLike, lines: &Lines, spot: &Spot) {
        for (name, item) in table.iter() {
            let spot = spot.at(table.key(name).and_then(|key| lines.line(key.span())), name);
            self.lines.insert(spot.path.clone(), spot.line);
            self.item(item, lines, &spot);
        }
    }

    fn item(&mut self, item: &Item, lines: &Lines, spot: &Spot) {
        if let Some(table) = item.as_table_like() {
            self.table(table, lines, spot);
        } else if let Some(tables) = tables(item) {
            for (index, (table, span)) in tables.into_iter().enumerate() {
                let spot = spot.element(lines.line(span), index);
                self.lines.insert(spot.path.clone(), spot.line);
                self.table(table, lines, &spot);
            }
        } else if let Some(array) = item.as_array() {
            for (index, value) in array.iter().enumerate() {
                let spot = spot.element(lines.line(Value::span(value)), index);
                self.lines.insert(spot.path, spot.line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_an_absent_one_by_its_table() {
        let text = "[scope]\nallowed = [\n  \"a\",\n  \"b\",\n]\n[[gate]]\nname = \"g\"\n[[gate]]\nrun = \"r\"\n\
                    [engine.own]\nfiles = [\"x\"]\n";
        let places = Places::of(text);
        let rows = [
            ("scope", 1),
            ("scope.allowed", 2),
            ("scope.allowed[1]", 4),
            ("scope.allowed[9]", 2),
            ("gate[0].name", 7),
            ("gate[0].run", 6),
            ("gate[1].run", 9),
            ("engine.own.files[0]", 11),
            ("session.base", 1),
            ("", 1),
        ];
        for (path, line) in rows {
            let problem = places.problem(path, "r", "m");
            assert_eq!((problem.line, problem.path.as_str()), (line, path));
        }
        assert_eq!(Places::of("not = [toml").problem("a.b", "r", "m").line, 1);
    }
}
