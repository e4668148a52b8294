//! JSON of any shape in bounded memory: what lies beyond the bounds is passed over, not kept.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use std::ops::Index;

/// Values of one line that are kept. The longest line of a real engine, a list of all its tools, has some hundreds.
const NODES: usize = 20_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Null, and what is not there.
    Nothing,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

static NOTHING: Tree = Tree::Nothing;

impl Tree {
    /// `None`: no JSON object. The parser refuses what is nested more than 128 deep.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let left = Cell::new(NODES);
        let mut parser = serde_json::Deserializer::from_slice(line);
        let tree = Seed { left: &left }.deserialize(&mut parser).ok()?;
        parser.end().ok()?;
        matches!(tree, Self::Table(_)).then_some(tree)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text() == Some(text)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }

    /// A whole number that is not negative; a hostile one is as good as none.
    pub(super) fn count(&self) -> Option<u64> {
        let number = self.number()?;
        (number >= 0.0 && number <= 9e15 && number.fract() == 0.0).then_some(number as u64)
    }

    pub(super) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) fn items(&self) -> &[Tree] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn entries(&self) -> &[(String, Tree)] {
        if let Self::Table(entries) = self { entries } else { &[] }
    }

    /// The first of these that is a text.
    pub(super) fn first_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self[*name].text())
    }
}

impl Index<&str> for Tree {
    type Output = Tree;

    fn index(&self, name: &str) -> &Tree {
        self.entries().iter().find(|(key, _)| key == name).map_or(&NOTHING, |(_, value)| value)
    }
}

/// Reads one value, as long as there are values left to keep.
struct Seed<'a> {
    left: &'a Cell<usize>,
}

impl Seed<'_> {
    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        if self.take() {
            deserializer.deserialize_any(self)
        } else {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Tree::Nothing)
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while self.left.get() > 0 {
            match access.next_element_seed(Seed { left: self.left })? {
                Some(item) => items.push(item),
                None => return Ok(Tree::List(items)),
            }
        }
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while self.left.get() > 0 {
            match access.next_key::<String>()? {
                Some(name) => entries.push((name, access.next_value_seed(Seed { left: self.left })?)),
                None => return Ok(Tree::Table(entries)),
            }
        }
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tree::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_names_and_what_is_not_there_is_nothing() {
        let tree = Tree::parse(br#"{"a":{"b":[1,true,null,"x"]},"n":-1,"f":1.5,"big":1e300}"#).unwrap();
        assert_eq!(tree["a"]["b"].items()[0].count(), Some(1));
        assert_eq!((tree["a"]["b"].items()[1].flag(), tree["a"]["b"].items()[3].text()), (Some(true), Some("x")));
        assert_eq!((tree["n"].count(), tree["f"].count(), tree["big"].count()), (None, None, None));
        assert_eq!(tree["a"]["c"]["d"], Tree::Nothing);
    }

    #[test]
    fn what_is_no_object_is_none() {
        for line in ["", "[]", "1", "{", "{}x", "\u{feff}{}", "{\"a\":01}", &"[".repeat(100_000)] {
            assert_eq!(Tree::parse(line.as_bytes()), None, "{line:.20}");
        }
        assert_eq!(Tree::parse(b"{\"a\":\"\xff\"}"), None);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(Tree::parse(deep.as_bytes()), None);
    }

    #[test]
    fn a_line_of_a_million_values_keeps_some_of_them_and_its_end() {
        let line = format!(
            "{{\"type\":\"x\",\"a\":[{}1],\"b\":{{{}\"z\":1}}}}",
            "1,".repeat(1_000_000),
            "\"k\":[[]],".repeat(9)
        );
        let tree = Tree::parse(line.as_bytes()).unwrap();
        assert!(tree["type"].is("x"));
        assert!(tree["a"].items().len() <= NODES);
    }
}
