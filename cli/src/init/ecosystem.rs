//! Which ecosystems a repository belongs to, and what each says of sources, tests and gates.

mod go;
mod node;
mod python;
mod rust;

use super::survey::Survey;
use arena_domain::text::shell_quote;
use std::collections::BTreeSet;

/// Single files named in a pattern list; a repository with more has them in folders.
const MOST_TOP_FILES: usize = 20;
/// Projects of one ecosystem in folders of their own that are named; a repository with more needs a person's choice.
const MOST_PROJECTS: usize = 6;

/// Reads a manifest by its path; empty when there is none.
type Manifest<'a> = &'a dyn Fn(&str) -> String;

/// What all ecosystems of a repository say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) ecosystems: Vec<Ecosystem>,
    /// Patterns of sources.
    pub(crate) sources: BTreeSet<String>,
    /// Patterns of tests and benchmarks.
    pub(crate) tests: BTreeSet<String>,
    pub(crate) gates: Vec<Gate>,
    /// What fetches the dependencies before the network is cut.
    pub(crate) setup: Vec<String>,
    /// Endings of source files, for the example engine.
    pub(crate) endings: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ecosystem {
    Rust,
    Python,
    Node,
    Go,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) run: String,
}

impl Ecosystem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Node => "Node",
            Self::Go => "Go",
        }
    }

    /// What the image must hold for the gates to run.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::Rust => "cargo",
            Self::Python => "python3",
            Self::Node => "node and npm",
            Self::Go => "go",
        }
    }
}

/// Tells what one project says of itself; paths are relative to the project.
type Look = fn(&Survey, Manifest<'_>, &mut Found);

/// Every ecosystem with the files that make a folder a project of it.
const KINDS: [(Ecosystem, &[&str], Look); 4] = [
    (Ecosystem::Rust, &["Cargo.toml"], rust::look),
    (Ecosystem::Python, &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"], python::look),
    (Ecosystem::Node, &["package.json"], node::look),
    (Ecosystem::Go, &["go.mod"], go::look),
];

pub(crate) fn find(survey: &Survey, manifest: Manifest<'_>) -> Found {
    let mut found = Found::default();
    for (kind, manifests, look) in KINDS {
        let bare = kind == Ecosystem::Python && python::is_bare(survey) && all_projects(survey).next().is_none();
        if bare || manifests.iter().any(|name| survey.has_file(name)) {
            found.add(kind, "", survey, manifest, look);
        }
    }
    let beside = found.ecosystems.is_empty();
    for (kind, manifests, look) in KINDS {
        // Each module of Go is tested by itself, also below another one; elsewhere the root speaks for what is below.
        if beside || (kind == Ecosystem::Go && found.ecosystems.contains(&kind)) {
            for folder in projects(survey, kind, manifests).into_iter().take(MOST_PROJECTS) {
                found.add(kind, folder, &survey.below(folder), manifest, look);
            }
        }
    }
    if found.ecosystems.is_empty() {
        unknown(survey, &manifest("Makefile"), &mut found);
    }
    // A pattern for tests is not one for sources, too.
    found.sources = found.sources.difference(&found.tests).cloned().collect();
    found
}

/// Folders below the root that are projects of a kind, and not inside another one of it unless that is Go.
fn projects<'a>(survey: &'a Survey, kind: Ecosystem, manifests: &[&str]) -> Vec<&'a str> {
    let is = |folder: &&str| manifests.iter().any(|name| survey.has_file(&format!("{folder}/{name}")));
    let all: Vec<&str> = survey.folders.iter().map(String::as_str).filter(is).collect();
    let apart = |folder: &str| folder.split('/').any(|name| is_apart(name) || is_tests(name));
    let inside =
        |folder: &str| all.iter().any(|other| folder.strip_prefix(other).is_some_and(|rest| rest.starts_with('/')));
    all.iter().copied().filter(|folder| !apart(folder) && (kind == Ecosystem::Go || !inside(folder))).collect()
}

fn all_projects(survey: &Survey) -> impl Iterator<Item = &str> {
    KINDS.into_iter().flat_map(|(kind, manifests, _)| projects(survey, kind, manifests))
}

/// Nothing that we know: the folders as they are, and `make test` where there is one.
fn unknown(survey: &Survey, makefile: &str, found: &mut Found) {
    let (tests, rest): (Vec<&str>, Vec<&str>) = survey.top_folders().into_iter().partition(|name| is_tests(name));
    found.tests.extend(tests.into_iter().map(everything));
    found.sources.extend(rest.into_iter().filter(|name| !is_apart(name)).map(everything));
    if makefile.lines().any(|line| line.starts_with("test:")) {
        found.gate("tests", "test", "make test");
    }
}

impl Found {
    /// Takes in what the project in `folder` says; the root is the empty one.
    fn add(&mut self, kind: Ecosystem, folder: &str, survey: &Survey, manifest: Manifest<'_>, look: Look) {
        let mut part = Self::default();
        let at = |path: &str| if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
        look(survey, &|path| manifest(&at(path)), &mut part);
        if !self.ecosystems.contains(&kind) {
            self.ecosystems.push(kind);
        }
        let inside = |run: String| if folder.is_empty() { run } else { format!("cd {} && {run}", shell_quote(folder)) };
        self.sources.extend(part.sources.iter().map(|pattern| at(pattern)));
        self.tests.extend(part.tests.iter().map(|pattern| at(pattern)));
        self.endings.extend(part.endings);
        // Each in a shell of its own: the next one begins at the root again.
        let alone = |run: String| if folder.is_empty() { run } else { format!("({})", inside(run)) };
        self.setup.extend(part.setup.into_iter().map(alone));
        for gate in part.gates {
            let name = self.free_name(&gate.name, kind, folder);
            self.gates.push(Gate { name, kind: gate.kind, run: inside(gate.run) });
        }
    }

    fn gate(&mut self, name: &str, kind: &'static str, run: &str) {
        self.gates.push(Gate { name: name.into(), kind, run: run.into() });
    }

    /// Names are told apart by the ecosystem, then by the folder.
    fn free_name(&self, name: &str, kind: Ecosystem, folder: &str) -> String {
        let slug: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let by_kind = format!("{name}-{}", kind.name().to_lowercase());
        let by_folder = if slug.is_empty() { by_kind.clone() } else { format!("{name}-{slug}") };
        let numbered = (2..).map(|number| format!("{by_folder}-{number}"));
        let mut names = [name.to_owned(), by_kind, by_folder.clone()].into_iter().chain(numbered);
        let taken = |name: &String| self.gates.iter().any(|gate| &gate.name == name);
        names.find(|name| !taken(name)).unwrap_or(by_folder)
    }
}

fn everything(folder: &str) -> String {
    format!("{folder}/**")
}

fn is_tests(name: &str) -> bool {
    ["tests", "test", "testing", "__tests__", "spec", "bench", "benches", "benchmarks", "testdata", "e2e"]
        .contains(&name)
}

/// Folders that are not what a session is about.
fn is_apart(name: &str) -> bool {
    ["doc", "docs", "examples", "scripts", "assets", "tools"].contains(&name)
}
