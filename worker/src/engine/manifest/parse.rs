//! A manifest's text to a `Manifest`, or everything that is wrong with it, with lines.

mod values;

use super::fill::{NAMES, OF_PACKS};
use super::{ANY, Group, Manifest, Placed, Problem, Tested, numbers};
use crate::engine::packs::{Client, Recipe};
use crate::engine::stream::Dialect;
use arena_domain::packet::BriefStyle;
use arena_runtime::config::is_variable;
use toml_edit::{Array, Document, Item, Table, TableLike, Value};
use values::nearest;

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

/// `origin` is the file's name, for problems; `providers` are those of the configuration, where there is one.
pub(super) fn parse(origin: &str, text: &str, providers: Option<&[String]>) -> Result<Manifest, Vec<Problem>> {
    let mut reader = Reader { origin, text, providers, problems: Vec::new() };
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
    providers: Option<&'a [String]>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn manifest(&mut self, root: &Table) -> Manifest {
        self.known(root, "", ROOT);
        let name = self.needed(root, "", "name");
        self.plain(root, "name", &name);
        let (command, review) = (self.groups(root, "command"), self.groups(root, "review"));
        if command.is_empty() && !root.contains_key("command") {
            self.say(None, "command", "is missing", "write [\"program\", \"argument\"]");
        }
        Manifest {
            title: self.text_of(root, "", "title").unwrap_or_else(|| name.clone()),
            name,
            aliases: self.aliases(root),
            provider: self.provider(root),
            dialect: self.choice(root, "dialect", &Dialect::ALL.map(|one| (one.as_str(), one)), Dialect::Plain),
            style: self.choice(root, "style", &STYLES, BriefStyle::Contextual),
            model: self.text_of(root, "", "model"),
            command,
            review,
            env: self.env(root),
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
        let tested =
            Tested { from: self.needed(table, "tested", "from"), below: self.needed(table, "tested", "below") };
        let (from, below) = (numbers(&tested.from), numbers(&tested.below));
        let is_said = !tested.from.is_empty() && !tested.below.is_empty();
        if is_said && (from.is_empty() || from >= below) {
            let reason = format!("no version is {} or later and before {}", tested.from, tested.below);
            let mend = "write the first version that was tried, and the first one after it that was not";
            self.say(self.line_of(root, "tested"), "tested", reason, mend);
        }
        Some(tested)
    }

    fn provider(&mut self, root: &Table) -> String {
        let Some(name) = self.text_of(root, "", "provider") else { return ANY.to_owned() };
        if let Some(known) = self.providers.filter(|known| name != ANY && !known.contains(&name)) {
            let names: Vec<&str> = known.iter().map(String::as_str).chain([ANY]).collect();
            let near = nearest(&name, &names);
            let mend = format!("{near} Or add [provider.{name}] with its upstream to the configuration");
            self.say(self.line_of(root, "provider"), "provider", format!("there is no provider \"{name}\""), mend);
        }
        name
    }

    fn aliases(&mut self, root: &Table) -> Vec<String> {
        let aliases = self.texts(root, "", "aliases");
        for alias in &aliases {
            self.plain(root, "aliases", alias);
        }
        aliases
    }

    /// What a packet can name, and a folder can be called.
    fn plain(&mut self, root: &Table, key: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(plain) || name.starts_with(['-', '.']) {
            let mend = "letters, digits, `-`, `_` and `.`, and a letter or digit first";
            self.say(self.line_of(root, key), key, format!("\"{name}\" is no name"), mend);
        }
    }

    fn env(&mut self, root: &Table) -> Vec<(String, String)> {
        let pairs = self.pairs(root, "", "env", &NAMES);
        let held = root.get("env").and_then(Item::as_table_like);
        for (name, _) in pairs.iter().filter(|(name, _)| !is_variable(name)) {
            let line = held.and_then(|held| self.line_of(held, name));
            let mend = "letters, digits and `_`, and no digit first; the value stands behind the equals sign";
            self.say(line, "env", format!("\"{name}\" is no name of a variable"), mend);
        }
        pairs
    }

    /// A client of packages takes a word that begins with a dash for an option, and an option may do anything.
    fn packages(&mut self, table: &dyn TableLike) -> Vec<String> {
        let packages = self.templates(table, "pack", "packages", &OF_PACKS);
        let is_one = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@' || c == '{')
                && !word.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        for word in packages.iter().filter(|word| !is_one(word)) {
            let line = self.line_of(table, "packages");
            let mend = "write a name and a version, such as \"name@{version}\"";
            self.say(line, "pack.packages", format!("\"{word}\" is no package"), mend);
        }
        packages
    }

    fn pack(&mut self, root: &Table) -> Option<Recipe> {
        let table = self.table(root, "pack")?;
        self.known(table, "pack", PACK);
        let client = self.choice(table, "client", &[("npm", Client::Npm), ("pip", Client::Pip)], Client::Npm);
        let packages = self.packages(table);
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
