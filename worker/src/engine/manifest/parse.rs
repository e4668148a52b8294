//! A manifest's text to a `Manifest`, or everything that is wrong with it, with lines.

use super::fill::{self, NAMES, OF_PACKS};
use super::{Group, Manifest, Placed, Problem, Tested};
use crate::engine::packs::{Client, Recipe};
use crate::engine::stream::Dialect;
use arena_domain::packet::BriefStyle;
use toml_edit::{Array, Document, Item, Table, TableLike, Value};

const ROOT: &[&str] = &[
    "name",
    "aliases",
    "title",
    "provider",
    "dialect",
    "style",
    "model",
    "command",
    "review",
    "env",
    "file",
    "writable",
    "hide",
    "version",
    "tested",
    "bad_invocation",
    "pack",
    "image",
];
const TESTED: &[&str] = &["from", "below"];
const FILE: &[&str] = &["path", "content"];
const PACK: &[&str] = &["client", "version", "packages", "libraries", "links", "files"];

/// Larger files are no manifests.
const MOST_BYTES: usize = 256 << 10;

/// `origin` is the file's name, for problems.
pub(super) fn parse(origin: &str, text: &str) -> Result<Manifest, Vec<Problem>> {
    let mut reader = Reader { origin, text, problems: Vec::new() };
    if text.len() > MOST_BYTES {
        reader.say(None, "", format!("is larger than {MOST_BYTES} bytes"), "keep one engine in a file");
        return Err(reader.problems);
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map(|span| reader.line(span.start));
            reader.say(line, "", format!("is not TOML: {}", error.message()), "mend the syntax on this line");
            return Err(reader.problems);
        }
    };
    let manifest = reader.manifest(document.as_table());
    if reader.problems.is_empty() {
        return Ok(manifest);
    }
    reader.problems.sort_by_key(|problem| problem.line);
    Err(reader.problems)
}

struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn manifest(&mut self, root: &Table) -> Manifest {
        self.known(root, "", ROOT);
        let name = self.needed(root, "", "name");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(plain) || name.starts_with(['-', '.']) {
            let line = self.line_of(root, "name");
            self.say(line, "name", format!("\"{name}\" is no name"), "letters, digits, `-`, `_` and `.`");
        }
        let (command, review) = (self.groups(root, "command"), self.groups(root, "review"));
        if command.is_empty() && !root.contains_key("command") {
            self.say(None, "command", "is missing", "write [\"program\", \"argument\"]");
        }
        Manifest {
            title: self.text_of(root, "", "title").unwrap_or_else(|| name.clone()),
            name,
            aliases: self.texts(root, "", "aliases"),
            provider: self.text_of(root, "", "provider").unwrap_or_else(|| "any".to_owned()),
            dialect: self.choice(root, "dialect", &Dialect::ALL.map(|one| (one.as_str(), one)), Dialect::Plain),
            style: self.choice(root, "style", &STYLES, BriefStyle::Contextual),
            model: self.text_of(root, "", "model"),
            command,
            review,
            env: self.pairs(root, "", "env", &NAMES),
            files: self.files(root),
            writable: self.paths(root, "writable"),
            hide: self.top_names(root, "hide"),
            version: self.templates(root, "", "version", &NAMES),
            tested: self.tested(root),
            bad_invocation: self.codes(root),
            pack: self.pack(root),
            image: self.text_of(root, "", "image").unwrap_or_default(),
            origin: None,
        }
    }

    fn tested(&mut self, root: &Table) -> Option<Tested> {
        let table = self.table(root, "tested")?;
        self.known(table, "tested", TESTED);
        Some(Tested { from: self.needed(table, "tested", "from"), below: self.needed(table, "tested", "below") })
    }

    fn pack(&mut self, root: &Table) -> Option<Recipe> {
        let table = self.table(root, "pack")?;
        self.known(table, "pack", PACK);
        let client = self.choice(table, "client", &[("npm", Client::Npm), ("pip", Client::Pip)], Client::Npm);
        let packages = self.templates(table, "pack", "packages", &OF_PACKS);
        if packages.is_empty() {
            self.say(self.line_of(root, "pack"), "pack.packages", "is missing", "write [\"name@{version}\"]");
        }
        Some(Recipe {
            client,
            version: self.needed(table, "pack", "version"),
            packages,
            libraries: self.texts(table, "pack", "libraries"),
            links: self.pairs(table, "pack", "links", &OF_PACKS),
            files: self.pairs(table, "pack", "files", &OF_PACKS),
        })
    }

    fn files(&mut self, root: &Table) -> Vec<Placed> {
        let Some(item) = root.get("file") else { return Vec::new() };
        let Some(tables) = item.as_array_of_tables() else {
            self.say(self.line_of(root, "file"), "file", "is no list of tables", "write [[file]]");
            return Vec::new();
        };
        let read = |table: &Table| {
            self.known(table, "file", FILE);
            let placed =
                Placed { path: self.needed(table, "file", "path"), content: self.needed(table, "file", "content") };
            self.absolute(table, "path", &placed.path);
            self.strangers(self.line_of(table, "content"), "file.content", &placed.content, &NAMES);
            placed
        };
        tables.iter().map(read).collect()
    }

    fn paths(&mut self, root: &Table, key: &str) -> Vec<String> {
        let paths = self.texts(root, "", key);
        for path in &paths {
            self.absolute(root, key, path);
        }
        paths
    }

    /// What lies deeper could be reached through a link in the place of a folder.
    fn top_names(&mut self, root: &Table, key: &str) -> Vec<String> {
        let names = self.texts(root, "", key);
        for name in &names {
            let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
            if !plain || crate::collect::is_git(name.as_bytes()) {
                let reason = format!("\"{name}\" is no name at the top of a repository");
                self.say(self.line_of(root, key), key, reason, "write a name without folders, such as \".NAME\"");
            }
        }
        names
    }

    /// A mount elsewhere would hide what Arena put there.
    fn absolute(&mut self, table: &dyn TableLike, key: &str, path: &str) {
        let ours = ["/work", "/arena", "/proc", "/sys", "/dev", "/tmp"];
        let clean = path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
        if !clean || ours.iter().any(|own| path == *own || path.starts_with(&format!("{own}/"))) {
            let mend = "write an absolute path of its own, such as /etc/NAME/settings.json";
            self.say(self.line_of(table, key), key, format!("\"{path}\" is no place for it"), mend);
        }
    }

    /// Texts, and lists of texts for arguments that stand or fall together.
    fn groups(&mut self, root: &Table, key: &str) -> Vec<Group> {
        let mut groups = Vec::new();
        for value in self.array(root, "", key).into_iter().flat_map(Array::iter) {
            let words: Option<Vec<String>> = match value {
                Value::String(word) => Some(vec![word.value().clone()]),
                Value::Array(words) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
                Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::InlineTable(_) => None,
            };
            match words {
                Some(words) => groups.push(Group(words)),
                None => self.say(self.line_of(root, key), key, "holds what is no text", "quote every argument"),
            }
        }
        for word in groups.iter().flat_map(|group| &group.0) {
            self.strangers(self.line_of(root, key), key, word, &NAMES);
        }
        groups
    }

    fn codes(&mut self, root: &Table) -> Vec<i32> {
        let mut codes = Vec::new();
        for value in self.array(root, "", "bad_invocation").into_iter().flat_map(Array::iter) {
            match value.as_integer().and_then(|code| u8::try_from(code).ok()) {
                Some(code) => codes.push(i32::from(code)),
                None => {
                    let line = self.line_of(root, "bad_invocation");
                    self.say(line, "bad_invocation", "holds what is no exit code", "write numbers from 0 to 255");
                }
            }
        }
        codes
    }
}

const STYLES: [(&str, BriefStyle); 2] = [("directive", BriefStyle::Directive), ("contextual", BriefStyle::Contextual)];

/// Values by their type; every problem is noted and a stand-in given back, so that one hides no other.
impl Reader<'_> {
    fn text_of(&mut self, table: &dyn TableLike, path: &str, key: &str) -> Option<String> {
        let item = table.get(key)?;
        let text = item.as_str().map(str::to_owned);
        if text.as_deref().is_none_or(|text| text.contains('\0')) {
            self.say(self.line_of(table, key), &joined(path, key), "is no text", "write it in quotes");
        }
        text
    }

    fn needed(&mut self, table: &dyn TableLike, path: &str, key: &str) -> String {
        let text = self.text_of(table, path, key);
        if text.as_deref().is_none_or(str::is_empty) && table.get(key).is_none_or(Item::is_str) {
            self.say(self.line_of(table, key), &joined(path, key), "is missing", "write it in quotes");
        }
        text.unwrap_or_default()
    }

    fn choice<T: Copy>(&mut self, table: &dyn TableLike, key: &str, rows: &[(&str, T)], usual: T) -> T {
        let Some(text) = self.text_of(table, "", key) else { return usual };
        if let Some((_, value)) = rows.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let known: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        let reason = format!("\"{text}\" is none of {}", known.join(", "));
        self.say(self.line_of(table, key), key, reason, "write one of them");
        usual
    }

    fn array<'t>(&mut self, table: &'t dyn TableLike, path: &str, key: &str) -> Option<&'t Array> {
        let item = table.get(key)?;
        if item.as_array().is_none() {
            self.say(self.line_of(table, key), &joined(path, key), "is no list", "write [\"…\", \"…\"]");
        }
        item.as_array()
    }

    fn texts(&mut self, table: &dyn TableLike, path: &str, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for value in self.array(table, path, key).into_iter().flat_map(Array::iter) {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.say(self.line_of(table, key), &joined(path, key), "holds what is no text", "quote each"),
            }
        }
        texts
    }

    fn templates(&mut self, table: &dyn TableLike, path: &str, key: &str, known: &[&str]) -> Vec<String> {
        let texts = self.texts(table, path, key);
        for text in &texts {
            self.strangers(self.line_of(table, key), &joined(path, key), text, known);
        }
        texts
    }

    fn table<'t>(&mut self, table: &'t Table, key: &str) -> Option<&'t dyn TableLike> {
        let item = table.get(key)?;
        if item.as_table_like().is_none() {
            self.say(self.line_of(table, key), key, "is no table", format!("write [{key}]"));
        }
        item.as_table_like()
    }

    fn pairs(&mut self, table: &dyn TableLike, path: &str, key: &str, known: &[&str]) -> Vec<(String, String)> {
        let Some(item) = table.get(key) else { return Vec::new() };
        let whole = joined(path, key);
        let Some(held) = item.as_table_like() else {
            self.say(self.line_of(table, key), &whole, "is no table", "write NAME = \"text\" in it");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in held.iter() {
            let line = self.line_of(held, name);
            match value.as_str() {
                Some(text) => {
                    self.strangers(line, &joined(&whole, name), text, known);
                    pairs.push((name.to_owned(), text.to_owned()));
                }
                None => self.say(line, &joined(&whole, name), "is no text", "write it in quotes"),
            }
        }
        pairs
    }

    fn known(&mut self, table: &dyn TableLike, path: &str, known: &[&str]) {
        for (name, _) in table.iter().filter(|(name, _)| !known.contains(name)) {
            let mend = nearest(name, known);
            self.say(self.line_of(table, name), &joined(path, name), "unknown key", mend);
        }
    }

    fn strangers(&mut self, line: Option<usize>, path: &str, text: &str, known: &[&str]) {
        if let Some(name) = fill::stranger(text, known) {
            let mend = format!("known here: {}", known.join(", "));
            self.say(line, path, format!("there is no placeholder {{{name}}}"), mend);
        }
    }

    fn line_of(&self, table: &dyn TableLike, key: &str) -> Option<usize> {
        let (name, item) = table.get_key_value(key)?;
        let span = name.span().or_else(|| item.span())?;
        Some(self.line(span.start))
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn say(&mut self, line: Option<usize>, path: &str, reason: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem {
            origin: self.origin.to_owned(),
            line,
            path: path.to_owned(),
            reason: reason.into(),
            mend: mend.into(),
        });
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn nearest(name: &str, known: &[&str]) -> String {
    let short: String = name.chars().take(64).collect();
    let scored = known.iter().map(|one| (one, strsim::jaro_winkler(&short, one)));
    match scored.filter(|(_, score)| *score >= 0.7).max_by(|one, other| one.1.total_cmp(&other.1)) {
        Some((best, _)) => format!("did you mean `{best}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
