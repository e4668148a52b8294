//! A project in Python, by its manifest or by its files, and whose tests they are: pytest's or unittest's.

use super::{Found, MOST_TOP_FILES, Manifest, everything, is_apart, is_tests};
use crate::init::survey::Survey;
use arena_domain::text::shell_quote;

/// Test files that are read to tell whose they are.
const MOST_READ: usize = 200;

/// Python without a manifest: scripts at the top, or packages.
pub(super) fn is_bare(survey: &Survey) -> bool {
    let other = ["Cargo.toml", "package.json", "go.mod"].iter().any(|name| survey.has_file(name));
    !other && (!survey.top_files(".py").is_empty() || survey.any_file(|path| path.ends_with("/__init__.py")))
}

pub(super) fn look(survey: &Survey, manifest: Manifest<'_>, found: &mut Found) {
    found.endings.insert(".py");
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
    let tool = |path: &str| ["setup.py", "conftest.py", "noxfile.py"].contains(&path);
    let sources = top.iter().filter(|path| !is_test(path) && !tool(path));
    found.sources.extend(sources.take(MOST_TOP_FILES).map(|path| (*path).to_owned()));
    // What decides how tests run is theirs.
    found.tests.extend(survey.has_file("conftest.py").then(|| "conftest.py".to_owned()));
    let within =
        |path: &str| is_test(path) && path.split_once('/').is_some_and(|(top, _)| !test_folders.contains(&top));
    if survey.any_file(within) {
        let named = |prefix: bool| survey.any_file(|path| within(path) && path.ends_with("_test.py") != prefix);
        found.tests.extend(named(true).then(|| "**/test_*.py".to_owned()));
        found.tests.extend(named(false).then(|| "**/*_test.py".to_owned()));
    }
    gate(survey, manifest, &test_folders, found);
    found.setup.extend(survey.has_file("requirements.txt").then(|| "pip install -r requirements.txt".to_owned()));
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    (name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py")
}

fn gate(survey: &Survey, manifest: Manifest<'_>, folders: &[&str], found: &mut Found) {
    // A package below src/ is not found by itself when it is not installed.
    let path = if survey.holds("src", &["/__init__.py"]) { "PYTHONPATH=src " } else { "" };
    let tests: Vec<&str> = survey.files.iter().map(String::as_str).filter(|path| is_test(path)).collect();
    if tests.is_empty() {
        return found.gate("compiles", "build", "python3 -m compileall -q .");
    }
    if names_pytest(survey, manifest) || !are_unittest(&tests, manifest) {
        return found.gate("tests", "test", &format!("{path}python3 -m pytest -q"));
    }
    let place = folders.first().map_or_else(String::new, |folder| format!(" -s {}", shell_quote(folder)));
    // unittest looks for test*.py unless it is told.
    let pattern = if tests.iter().all(|path| path.ends_with("_test.py")) { " -p '*_test.py'" } else { "" };
    found.gate("tests", "test", &format!("{path}python3 -m unittest discover{place}{pattern}"));
}

/// Whether a configuration or a list of what is needed says pytest.
fn names_pytest(survey: &Survey, manifest: Manifest<'_>) -> bool {
    let own = |path: &str| path.ends_with("conftest.py") || path.ends_with("pytest.ini");
    let lists = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let known = ["pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "Pipfile", "environment.yml"];
        let required = name.ends_with(".txt") || name.ends_with(".in");
        known.contains(path) || (required && path.contains("requirements"))
    };
    survey.any_file(own)
        || survey.files.iter().map(String::as_str).filter(lists).any(|path| manifest(path).contains("pytest"))
}

/// Only classes of unittest's, in every test file; unittest finds nothing else.
fn are_unittest(tests: &[&str], manifest: Manifest<'_>) -> bool {
    let classes = |path: &&str| {
        let text = manifest(path);
        let bare = text.lines().any(|line| line.starts_with("def test") || line.starts_with("async def test"));
        let pytest = text.lines().map(str::trim_start).any(|line| {
            line.starts_with("import pytest") || line.starts_with("from pytest") || line.starts_with("@pytest.")
        });
        text.contains("TestCase") && !bare && !pytest
    };
    tests.len() <= MOST_READ && tests.iter().all(classes)
}
