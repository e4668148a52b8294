//! Which ecosystems a repository belongs to, and what each says of sources, tests and gates.

use super::survey::Survey;
use std::collections::BTreeSet;

/// Single files named in a pattern list; a repository with more has them in folders.
const MOST_TOP_FILES: usize = 20;
const SCRIPTS: &[&str] = &[".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx"];

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

pub(crate) fn find(survey: &Survey, manifest: Manifest<'_>) -> Found {
    let mut found = Found::default();
    if survey.has_file("Cargo.toml") {
        rust(survey, &mut found);
    }
    let manifests = ["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"];
    if manifests.iter().any(|name| survey.has_file(name)) || is_python(survey) {
        python(survey, manifest, &mut found);
    }
    if survey.has_file("package.json") {
        node(survey, &manifest("package.json"), &mut found);
    }
    if survey.has_file("go.mod") {
        go(survey, &mut found);
    }
    if found.ecosystems.is_empty() {
        unknown(survey, &manifest("Makefile"), &mut found);
    }
    // A pattern for tests is not one for sources, too.
    found.sources = found.sources.difference(&found.tests).cloned().collect();
    found
}

/// Python without a manifest: scripts at the top, or packages.
fn is_python(survey: &Survey) -> bool {
    let other = ["Cargo.toml", "package.json", "go.mod"].iter().any(|name| survey.has_file(name));
    !other && (!survey.top_files(".py").is_empty() || survey.any_file(|path| path.ends_with("/__init__.py")))
}

fn rust(survey: &Survey, found: &mut Found) {
    found.ecosystems.push(Ecosystem::Rust);
    found.endings.insert(".rs");
    let beside_manifest = |folder: &&str| match folder.rsplit_once('/') {
        Some((parent, _)) => survey.has_file(&format!("{parent}/Cargo.toml")),
        None => true,
    };
    let below = |name: &str| {
        let folders = survey.named(name).into_iter().filter(beside_manifest);
        folders.filter(|folder| survey.holds(folder, &[".rs"])).map(everything).collect::<Vec<_>>()
    };
    found.sources.extend(below("src"));
    found.tests.extend(below("tests"));
    found.tests.extend(below("benches"));
    found.gate("build", "build", "cargo build --all-targets");
    found.gate("tests", "test", "cargo test");
    found.setup.push("cargo fetch".into());
}

fn python(survey: &Survey, manifest: Manifest<'_>, found: &mut Found) {
    found.ecosystems.push(Ecosystem::Python);
    found.endings.insert(".py");
    let is_test = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py")
    };
    let test_folders: Vec<&str> = survey.top_folders().into_iter().filter(|name| is_tests(name)).collect();
    let test_folders: Vec<&str> = test_folders.into_iter().filter(|name| survey.holds(name, &[".py"])).collect();
    found.tests.extend(test_folders.iter().copied().map(everything));
    for name in survey.top_folders() {
        if !is_tests(name) && !is_apart(name) && survey.holds(name, &[".py"]) {
            found.sources.insert(everything(name));
        }
    }
    let top = survey.top_files(".py");
    found.tests.extend(top.iter().filter(|path| is_test(path)).map(|path| (*path).to_owned()));
    let sources = top.iter().filter(|path| !is_test(path) && **path != "setup.py" && **path != "conftest.py");
    found.sources.extend(sources.take(MOST_TOP_FILES).map(|path| (*path).to_owned()));
    let within =
        |path: &str| is_test(path) && path.split_once('/').is_some_and(|(top, _)| !test_folders.contains(&top));
    if survey.any_file(within) {
        let named = |prefix: bool| survey.any_file(|path| within(path) && path.ends_with("_test.py") != prefix);
        found.tests.extend(named(true).then(|| "**/test_*.py".to_owned()));
        found.tests.extend(named(false).then(|| "**/*_test.py".to_owned()));
    }
    python_gate(survey, manifest, &test_folders, survey.any_file(is_test), found);
    if survey.has_file("requirements.txt") {
        found.setup.push("pip install -r requirements.txt".into());
    }
}

fn python_gate(survey: &Survey, manifest: Manifest<'_>, folders: &[&str], tests: bool, found: &mut Found) {
    let manifests = ["pyproject.toml", "setup.cfg", "tox.ini", "requirements.txt", "requirements-dev.txt"];
    let pytest = survey.any_file(|path| path.ends_with("conftest.py") || path == "pytest.ini")
        || manifests.iter().any(|name| manifest(name).contains("pytest"));
    // A package below src/ is not found by itself when it is not installed.
    let path = if survey.holds("src", &["/__init__.py"]) { "PYTHONPATH=src " } else { "" };
    match (tests, pytest, folders.first()) {
        (true, true, _) => found.gate("tests", "test", &format!("{path}python3 -m pytest -q")),
        (true, false, Some(folder)) => {
            let folder = arena_domain::text::shell_quote(folder);
            found.gate("tests", "test", &format!("{path}python3 -m unittest discover -s {folder}"));
        }
        (true, false, None) => found.gate("tests", "test", &format!("{path}python3 -m unittest discover")),
        (false, _, _) => found.gate("compiles", "build", "python3 -m compileall -q ."),
    }
}

fn node(survey: &Survey, manifest: &str, found: &mut Found) {
    found.ecosystems.push(Ecosystem::Node);
    let scripts: serde_json::Value = serde_json::from_str(manifest).unwrap_or_default();
    let script = |name: &str| scripts["scripts"][name].as_str().filter(|script| !script.contains("no test specified"));
    for (name, kind, run) in
        [("lint", "lint", "npm run lint"), ("build", "build", "npm run build"), ("test", "test", "npm test")]
    {
        if script(name).is_some() {
            found.gate(if name == "test" { "tests" } else { name }, kind, run);
        }
    }
    for name in ["src", "lib", "app"] {
        let folders = survey.named(name).into_iter().filter(|folder| survey.holds(folder, SCRIPTS));
        let beside = |folder: &str| match folder.rsplit_once('/') {
            Some((parent, _)) => survey.has_file(&format!("{parent}/package.json")),
            None => true,
        };
        found.sources.extend(folders.filter(|folder| beside(folder)).map(everything));
    }
    let is_test = |path: &str| path.contains(".test.") || path.contains(".spec.");
    for ending in SCRIPTS {
        let top = survey.top_files(ending).into_iter().filter(|path| !is_test(path) && !path.contains(".config."));
        found.sources.extend(top.take(MOST_TOP_FILES).map(str::to_owned));
        if survey.any_file(|path| path.ends_with(ending)) {
            found.endings.insert(ending);
        }
        for middle in ["test", "spec"] {
            let end = format!(".{middle}{ending}");
            found.tests.extend(survey.any_file(|path| path.ends_with(&end)).then(|| format!("**/*{end}")));
        }
    }
    for name in survey.top_folders() {
        if is_tests(name) && survey.holds(name, SCRIPTS) {
            found.tests.insert(everything(name));
        }
    }
    found.setup.push(if survey.has_file("package-lock.json") { "npm ci" } else { "npm install" }.into());
}

fn go(survey: &Survey, found: &mut Found) {
    found.ecosystems.push(Ecosystem::Go);
    found.endings.insert(".go");
    for name in survey.top_folders() {
        if !is_tests(name) && survey.holds(name, &[".go"]) {
            found.sources.insert(everything(name));
        }
    }
    let top = survey.top_files(".go").into_iter().filter(|path| !path.ends_with("_test.go"));
    found.sources.extend(top.take(MOST_TOP_FILES).map(str::to_owned));
    if survey.any_file(|path| path.ends_with("_test.go")) {
        found.tests.insert("**/*_test.go".into());
    }
    found.tests.extend(survey.top_folders().into_iter().filter(|name| is_tests(name)).map(everything));
    found.gate("build", "build", "go build ./...");
    found.gate("vet", "static", "go vet ./...");
    found.gate("tests", "test", "go test ./...");
    found.setup.push("go mod download".into());
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
    /// Names are told apart in repositories of several ecosystems.
    fn gate(&mut self, name: &str, kind: &'static str, run: &str) {
        let taken = self.gates.iter().any(|gate| gate.name == name);
        let name = match (taken, self.ecosystems.last()) {
            (true, Some(ecosystem)) => format!("{name}-{}", ecosystem.name().to_lowercase()),
            (true, None) | (false, _) => name.to_owned(),
        };
        self.gates.push(Gate { name, kind, run: run.into() });
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
