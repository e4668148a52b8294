//! First pass over a packet: every key is known, every needed key is there, every value has the shape of its kind.
//!
//! What passes here is read without further complaint by the second pass (`section.rs` and the builders).

use toml_edit::{Item, TableLike, Value};

use super::keys::{self, Key, Kind, Need};
use super::nearest;
use super::problem::{Lines, Sink, Spot};
use super::section::{is_unknown, tables};
use super::value;

/// Unknown keys that are answered with a suggestion; the rest are counted.
const MOST_UNKNOWN_KEYS: usize = 100;

pub(super) fn check(root: &dyn TableLike, lines: &Lines, sink: &mut Sink) {
    let mut pass = Pass { lines, sink, unknown_keys: 0 };
    pass.table(root, "", &Spot::file());
    let more = pass.unknown_keys.saturating_sub(MOST_UNKNOWN_KEYS);
    if more > 0 {
        sink.problem(&Spot::file(), format!("{more} more unknown keys"), "is this an Arena packet?");
    }
}

struct Pass<'a> {
    lines: &'a Lines,
    sink: &'a mut Sink,
    unknown_keys: usize,
}

impl Pass<'_> {
    fn table(&mut self, table: &dyn TableLike, pattern: &str, spot: &Spot) {
        for (name, item) in table.iter() {
            let line = table.key(name).and_then(|key| self.lines.line(key.span()));
            match keys::child(pattern, name) {
                Some(key) => self.item(key, item, &spot.at(line, name)),
                None => self.unknown_key(pattern, name, &spot.at(line, name)),
            }
        }
        for key in keys::children(pattern).filter(|key| key.need != Need::Optional && !table.contains_key(key.leaf())) {
            self.missing(key, &spot.at(None, key.leaf()));
        }
    }

    fn missing(&mut self, key: &Key, spot: &Spot) {
        if key.kind == Kind::Table {
            return self.table(&toml_edit::Table::new(), key.path, spot);
        }
        self.sink.problem(spot, "is missing", format!("add `{} = …`: {}", key.leaf(), key.doc));
    }

    fn unknown_key(&mut self, pattern: &str, name: &str, spot: &Spot) {
        self.unknown_keys += 1;
        if self.unknown_keys <= MOST_UNKNOWN_KEYS {
            self.sink.problem(spot, "unknown key", nearest::known_key(pattern, name));
        }
    }

    fn item(&mut self, key: &Key, item: &Item, spot: &Spot) {
        if is_unknown(item) && key.kind != Kind::Words {
            return self.said_unknown(key, spot);
        }
        match key.kind {
            Kind::Table => match item.as_table_like() {
                Some(table) => self.table(table, key.path, spot),
                None => self.wrong(spot, item, &format!("write a table, [{}]", key.path)),
            },
            Kind::Tables(most) => self.tables(key, most, item, spot),
            Kind::Named(most) => self.named(key, most, item, spot),
            Kind::Source(names) => self.source(key, names, item, spot),
            Kind::Texts | Kind::Words => self.texts(key, item, spot),
            Kind::Text => match item.as_str() {
                Some(text) => self.text(key.need, text, spot),
                None => self.wrong(spot, item, "write it in quotes"),
            },
            Kind::Whole { .. }
            | Kind::Number { .. }
            | Kind::Switch
            | Kind::Duration
            | Kind::Size
            | Kind::Share
            | Kind::Confidence
            | Kind::OneOf(_) => self.scalar(key.kind, item, spot),
        }
    }

    fn said_unknown(&mut self, key: &Key, spot: &Spot) {
        self.sink.unknown.push(spot.path.clone());
        match key.need {
            Need::Known => {
                if key.kind == Kind::Table {
                    return self.missing(key, spot);
                }
                self.sink.problem(spot, "is unknown, and nothing can run without it", format!("say it: {}", key.doc));
            }
            Need::Optional | Need::Stated => {}
        }
    }

    fn tables(&mut self, key: &Key, most: usize, item: &Item, spot: &Spot) {
        let Some(tables) = tables(item) else {
            return self.wrong(spot, item, &format!("write [[{}]], once for each", key.path));
        };
        if tables.len() > most {
            let reason = format!("{} of them; the limit is {most}", tables.len());
            return self.sink.problem(spot, reason, format!("keep at most {most}"));
        }
        for (index, (table, span)) in tables.into_iter().enumerate() {
            self.table(table, key.path, &spot.element(self.lines.line(span), index));
        }
    }

    fn named(&mut self, key: &Key, most: usize, item: &Item, spot: &Spot) {
        let Some(names) = item.as_table_like() else {
            return self.wrong(spot, item, &format!("write [{}.NAME]", key.path));
        };
        if names.len() > most {
            let reason = format!("{} of them; the limit is {most}", names.len());
            return self.sink.problem(spot, reason, format!("keep at most {most}"));
        }
        let pattern = format!("{}.*", key.path);
        for (name, item) in names.iter() {
            let line = names.key(name).and_then(|key| self.lines.line(key.span()));
            let spot = spot.at(line, name);
            match item.as_table_like() {
                Some(table) => self.table(table, &pattern, &spot),
                None if is_unknown(item) => self.sink.unknown.push(spot.path),
                None => self.wrong(&spot, item, &format!("write a table, [{}.NAME]", key.path)),
            }
        }
    }

    fn source(&mut self, key: &Key, names: &[&str], item: &Item, spot: &Spot) {
        let mend = format!("write one of {}, {{ json = \"/pointer\" }} or {{ regex = \"…\" }}", quoted(names));
        if let Some(table) = item.as_table_like() {
            self.table(table, key.path, spot);
            let ways = keys::children(key.path).filter(|way| table.contains_key(way.leaf())).count();
            if ways != 1 {
                self.sink.problem(spot, "needs exactly one of `json` and `regex`", mend);
            }
        } else if let Some(text) = item.as_str() {
            if !names.contains(&text) {
                self.sink.problem(
                    spot,
                    format!("\"{text}\" is no source"),
                    nearest::value(text, names).unwrap_or(mend),
                );
            }
        } else {
            self.wrong(spot, item, &mend);
        }
    }

    fn texts(&mut self, key: &Key, item: &Item, spot: &Spot) {
        let Some(array) = item.as_array() else {
            return self.wrong(spot, item, "write a list of texts, [\"…\"]");
        };
        for (index, value) in array.iter().enumerate() {
            let spot = spot.element(self.lines.line(value.span()), index);
            match value.as_str() {
                Some("unknown") if key.kind == Kind::Texts => self.sink.unknown.push(spot.path),
                Some(text) if key.kind == Kind::Texts => self.text(Need::Known, text, &spot),
                Some(text) => self.text(Need::Optional, text, &spot),
                None => self.wrong(&spot, &Item::Value(value.clone()), "write it in quotes"),
            }
        }
        if (key.need == Need::Known || key.kind == Kind::Words) && array.is_empty() {
            self.sink.problem(spot, "is empty", format!("add at least one: {}", key.doc));
        }
    }

    fn text(&mut self, need: Need, text: &str, spot: &Spot) {
        if need != Need::Optional && text.trim().is_empty() {
            self.sink.problem(spot, "is empty", "say it, or take it away");
        }
        if text.contains('\0') {
            self.sink.problem(spot, "holds a NUL character", "take it away: no command or path can carry it");
        }
    }

    fn scalar(&mut self, kind: Kind, item: &Item, spot: &Spot) {
        let Some(mend) = refusal(kind, item) else { return };
        let shown = match item.as_value() {
            Some(Value::String(text)) => format!("\"{}\" does not fit", text.value()),
            Some(Value::Integer(number)) => format!("{} does not fit", number.value()),
            Some(Value::Float(number)) => format!("{} does not fit", number.value()),
            Some(Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_)) | None => {
                return self.wrong(spot, item, &mend);
            }
        };
        self.sink.problem(spot, shown, mend);
    }

    fn wrong(&mut self, spot: &Spot, item: &Item, mend: &str) {
        self.sink.problem(spot, format!("has the wrong type ({})", item.type_name()), mend);
    }
}

/// How to mend a single value that does not fit its kind; nothing when it does.
fn refusal(kind: Kind, item: &Item) -> Option<String> {
    let number = super::section::number(item);
    match kind {
        Kind::Whole { least, most } => {
            let fits = item.as_integer().is_some_and(|n| (i64::from(least)..=i64::from(most)).contains(&n));
            (!fits).then(|| format!("write a whole number from {least} to {most}"))
        }
        Kind::Number { least } => {
            let fits = number.is_some_and(|n| least.is_none_or(|least| n >= least));
            let bound = least.map_or_else(String::new, |least| format!(" of at least {least}"));
            (!fits).then(|| format!("write a number{bound}"))
        }
        Kind::Switch => item.as_bool().is_none().then(|| "write true or false".to_owned()),
        Kind::Duration => {
            let fits = item.as_str().and_then(value::duration).is_some();
            (!fits).then(|| "write a duration with its unit, such as \"90s\", \"5m\" or \"1h\"".to_owned())
        }
        Kind::Size => {
            let fits = item.as_str().and_then(value::size).is_some();
            (!fits).then(|| "write a size with its unit, such as \"512MiB\" or \"2GiB\"".to_owned())
        }
        Kind::Share => {
            let fits = super::section::share(item).is_some();
            (!fits).then(|| "write a share, such as \"2%\" or 0.02".to_owned())
        }
        Kind::Confidence => {
            let fits = super::section::share(item).is_some_and(|share| share > 0.5 && share < 1.0);
            (!fits).then(|| "write a share between 0.5 and 1, such as 0.95".to_owned())
        }
        Kind::OneOf(names) => match item.as_str() {
            Some(text) if names.contains(&text) => None,
            Some(text) => nearest::value(text, names).or_else(|| Some(format!("write one of {}", quoted(names)))),
            None => Some(format!("write one of {}", quoted(names))),
        },
        Kind::Table | Kind::Tables(_) | Kind::Named(_) | Kind::Text | Kind::Texts | Kind::Words | Kind::Source(_) => {
            None
        }
    }
}

pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
