//! Second pass: reads the values of one table quietly. What does not fit was reported by the first pass and is absent here.

use std::ops::Range;
use std::time::Duration;

use toml_edit::{Item, TableLike, Value};

use super::problem::{Lines, Spot};
use super::value;

/// A table of the packet and where it stands; an absent table reads as an empty one.
#[derive(Clone)]
pub(super) struct Section<'a> {
    table: Option<&'a dyn TableLike>,
    lines: &'a Lines,
    spot: Spot,
}

/// One text of a list.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub(super) text: &'a str,
    pub(super) spot: Spot,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: &'a dyn TableLike, lines: &'a Lines) -> Self {
        Self { table: Some(table), lines, spot: Spot::file() }
    }

    pub(super) fn table(&self, name: &str) -> Self {
        let table = self.item(name).and_then(Item::as_table_like);
        Self { table, lines: self.lines, spot: self.spot(name) }
    }

    pub(super) fn tables(&self, name: &str) -> Vec<Self> {
        let parent = self.spot(name);
        let found = self.item(name).and_then(tables).unwrap_or_default();
        found
            .into_iter()
            .enumerate()
            .map(|(index, (table, span))| {
                let spot = parent.element(self.lines.line(span), index);
                Self { table: Some(table), lines: self.lines, spot }
            })
            .collect()
    }

    /// The tables under names the user chose.
    pub(super) fn named(&self) -> Vec<(&'a str, Self)> {
        let Some(table) = self.table else { return Vec::new() };
        let section =
            |name, item: &'a Item| Some((name, Self { table: Some(item.as_table_like()?), ..self.child(name) }));
        table.iter().filter_map(|(name, item)| section(name, item)).collect()
    }

    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the key is there at all, whatever it says.
    pub(super) fn has(&self, name: &str) -> bool {
        self.item(name).is_some()
    }

    pub(super) fn says_unknown(&self, name: &str) -> bool {
        self.item(name).is_some_and(is_unknown)
    }

    /// Where the key stands, or its table when it is absent.
    pub(super) fn spot(&self, name: &str) -> Spot {
        let span = self.table.and_then(|table| table.key(name)).and_then(|key| key.span());
        self.spot.at(self.lines.line(span), name)
    }

    pub(super) fn own_spot(&self) -> &Spot {
        &self.spot
    }

    /// A text that says something.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.item(name)?.as_str().filter(|text| !text.trim().is_empty() && *text != "unknown")
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A choice by its name; the first pass has refused any other.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value)
    }

    pub(super) fn texts(&self, name: &str) -> Vec<Entry<'a>> {
        self.words(name).into_iter().filter(|entry| entry.text != "unknown").collect()
    }

    pub(super) fn words(&self, name: &str) -> Vec<Entry<'a>> {
        let Some(array) = self.item(name).and_then(Item::as_array) else { return Vec::new() };
        let parent = self.spot(name);
        let entry = |(index, value): (usize, &'a Value)| {
            let spot = parent.element(self.lines.line(value.span()), index);
            value.as_str().map(|text| Entry { text, spot })
        };
        array.iter().enumerate().filter_map(entry).collect()
    }

    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        self.texts(name).into_iter().map(|entry| entry.text.to_owned()).collect()
    }

    pub(super) fn whole(&self, name: &str) -> Option<u32> {
        self.item(name)?.as_integer().and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        number(self.item(name)?)
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.item(name)?.as_bool()
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        value::duration(self.text(name)?)
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        value::size(self.text(name)?)
    }

    pub(super) fn share(&self, name: &str) -> Option<f64> {
        share(self.item(name)?)
    }

    fn item(&self, name: &str) -> Option<&'a Item> {
        self.table?.get(name)
    }

    fn child(&self, name: &str) -> Self {
        Self { table: None, lines: self.lines, spot: self.spot(name) }
    }
}

pub(super) fn is_unknown(item: &Item) -> bool {
    item.as_str() == Some("unknown")
}

/// A finite number, with or without a point.
pub(super) fn number(item: &Item) -> Option<f64> {
    item.as_float().or_else(|| item.as_integer().map(|whole| whole as f64)).filter(|number| number.is_finite())
}

/// `"2%"`, or a number that is at most the whole: 2 would more likely mean two percent than two hundred.
pub(super) fn share(item: &Item) -> Option<f64> {
    match item.as_str() {
        Some(text) => value::percentage(text),
        None => number(item).filter(|share| (0.0..=1.0).contains(share)),
    }
}

type Spanned<'a> = (&'a dyn TableLike, Option<Range<usize>>);

/// `[[name]]`, or a list of inline tables.
pub(super) fn tables(item: &Item) -> Option<Vec<Spanned<'_>>> {
    if let Some(tables) = item.as_array_of_tables() {
        return Some(tables.iter().map(|table| (table as &dyn TableLike, table.span())).collect());
    }
    let tables = item.as_array()?.iter().map(Value::as_inline_table);
    tables.map(|table| table.map(|table| (table as &dyn TableLike, table.span()))).collect()
}
