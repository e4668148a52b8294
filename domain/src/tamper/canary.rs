//! A test that must fail, to be planted beside one that exists: a gate that passes with it in place judges nothing.
//!
//! It begins as its neighbour does, so that it loads the same code; only its name and its last test are its own.

use super::layout::{Language, Place, place};
use std::collections::BTreeMap;

/// A new file with a test that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    pub path: String,
    pub content: String,
}

/// Names that a test of anything may have.
const WORDS: [&str; 32] = [
    "after", "basic", "bounds", "cases", "chain", "counts", "default", "edge", "empty", "errors", "extra", "first",
    "format", "input", "items", "keys", "large", "last", "limits", "mixed", "names", "nested", "order", "output",
    "paths", "ranges", "repeat", "result", "small", "state", "values", "width",
];

/// What a word of a command says of the language whose tests it runs.
const RUNNERS: [(Language, &[&str]); 4] = [
    (Language::Python, &["pytest", "py.test", "unittest", "python", "python3", "tox", "nox"]),
    (Language::Rust, &["cargo", "cargo-nextest"]),
    (Language::Go, &["go", "gotestsum"]),
    (Language::JavaScript, &["node", "npm", "npx", "yarn", "pnpm", "jest", "vitest", "mocha", "bun"]),
];

/// The tests beside which a canary may stand, by language: those of the languages that the command names, or of all when
/// it names none.
pub fn hosts<'a>(command: &str, paths: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || ";&|()'\"/=".contains(c)).collect();
    let named = |(_, runners): &&(Language, &[&str])| runners.iter().any(|runner| words.contains(runner));
    let mut wanted: Vec<Language> = RUNNERS.iter().filter(named).map(|(language, _)| *language).collect();
    if wanted.is_empty() {
        wanted = RUNNERS.map(|(language, _)| language).to_vec();
    }
    let mut found: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for path in paths {
        let nth = Language::of(path).and_then(|language| wanted.iter().position(|one| *one == language));
        if let Some(nth) = nth.filter(|_| named_as(path, "x").is_some()) {
            found.entry(nth).or_default().push(path);
        }
    }
    found.into_values().collect()
}

/// The canary beside this test. `chance` decides on its name.
pub fn canary(host: &str, content: &str, chance: u64) -> Option<Canary> {
    let word = |at: u64| WORDS[(at % WORDS.len() as u64) as usize];
    let (one, two) = (word(chance), word(chance / 32));
    let name = format!("{one}_{two}");
    let camel = [one, two].map(|word| word[..1].to_uppercase() + &word[1..]).concat();
    let (got, want) = (chance / 1024 % 7 + 2, chance / 1024 % 7 + 3);
    let added = match Language::of(host)? {
        Language::Python if content.contains("unittest") => format!(
            "import unittest\n\n\nclass {camel}Test(unittest.TestCase):\n    def test_{name}(self):\n        self.assertEqual({got}, {want})\n"
        ),
        Language::Python => format!("\ndef test_{name}():\n    assert {got} == {want}\n"),
        Language::Rust => format!("#[test]\nfn {name}() {{\n    assert_eq!({got}, {want});\n}}\n"),
        // What is declared at the top of the neighbour, or by the runner itself. A throw is what is left without either.
        Language::JavaScript => format!(
            ";(typeof it === 'function' ? it : typeof test === 'function' ? test : (_, run) => run())('{one} {two}', () => {{\n  throw new Error('expected {got} to equal {want}');\n}});\n"
        ),
        // All files of a folder are one package: a second copy of its tests would not compile.
        Language::Go => {
            let package = content.lines().find(|line| line.starts_with("package "))?;
            let test =
                format!("\tif got := {got}; got != {want} {{\n\t\tt.Fatalf(\"got %d, want {want}\", got)\n\t}}\n");
            let content = format!("{package}\n\nimport \"testing\"\n\nfunc Test{camel}(t *testing.T) {{\n{test}}}\n");
            return Some(Canary { path: named_as(host, &name)?, content });
        }
        Language::Java | Language::CSharp | Language::Ruby | Language::Php | Language::Cpp => return None,
    };
    Some(Canary { path: named_as(host, &name)?, content: format!("{content}\n\n{added}") })
}

/// The host itself with a failing assertion in one of its tests, which `chance` chooses: nothing is there that has another
/// name. Nothing where no test of it can be told for sure.
pub fn canary_within(host: &str, content: &str, chance: u64) -> Option<Canary> {
    let language = Language::of(host)?;
    let lines: Vec<&str> = content.lines().collect();
    let places: Vec<usize> = (0..lines.len()).filter(|at| opens_test(language, &lines, *at)).collect();
    let count = u64::try_from(places.len()).ok().filter(|count| *count > 0)?;
    let after = places[usize::try_from(chance % count).ok()?] + 1;
    let body = lines.get(after).filter(|line| !line.trim().is_empty())?;
    let indent = &body[..body.len() - body.trim_start().len()];
    let (got, want) = (chance / 1024 % 7 + 2, chance / 1024 % 7 + 3);
    let failing = match language {
        Language::Python => format!("assert {got} == {want}"),
        Language::Rust => format!("assert_eq!({got}, {want});"),
        Language::JavaScript => format!("throw new Error('expected {got} to equal {want}');"),
        Language::Go => format!("if got := {got}; got != {want} {{ t.Fatalf(\"got %d, want {want}\", got) }}"),
        Language::Java | Language::CSharp | Language::Ruby | Language::Php | Language::Cpp => return None,
    };
    let planted = format!("{indent}{failing}");
    let all: Vec<&str> =
        lines[..after].iter().copied().chain([planted.as_str()]).chain(lines[after..].to_vec()).collect();
    Some(Canary { path: host.to_owned(), content: all.join("\n") + "\n" })
}

/// A line that ends with the opening of a test's body, of the plainest form; what a mark stands before is left alone.
fn opens_test(language: Language, lines: &[&str], at: usize) -> bool {
    let line = lines[at].trim();
    let before = |many: usize| at.checked_sub(many).map_or("", |before| lines[before].trim());
    match language {
        Language::Python => {
            let plain = line.strip_prefix("async ").unwrap_or(line);
            plain.starts_with("def test_") && plain.ends_with("):") && !before(1).starts_with('@')
        }
        Language::Rust => {
            before(1) == "#[test]" && !before(2).starts_with("#[") && line.starts_with("fn ") && line.ends_with("() {")
        }
        Language::JavaScript => (line.starts_with("it(") || line.starts_with("test(")) && line.ends_with("=> {"),
        Language::Go => line.starts_with("func Test") && line.ends_with("(t *testing.T) {"),
        Language::Java | Language::CSharp | Language::Ruby | Language::Php | Language::Cpp => false,
    }
}

/// A path beside this one that the same runner finds.
fn named_as(host: &str, name: &str) -> Option<String> {
    let language = Language::of(host)?;
    let (folder, file) = host.rsplit_once('/').map_or(("", host), |(folder, file)| (folder, file));
    let (stem, ending) = file.rsplit_once('.')?;
    let file = match language {
        Language::Python if ending == "py" && stem.starts_with("test_") => format!("test_{name}.py"),
        Language::Python if ending == "py" && stem.ends_with("_test") => format!("{name}_test.py"),
        Language::Go if stem.ends_with("_test") => format!("{name}_test.go"),
        Language::Rust if folder.rsplit('/').next() == Some("tests") => format!("{name}.rs"),
        Language::JavaScript if place(host, language) != Place::Elsewhere => script(stem, ending, name),
        Language::Python
        | Language::Go
        | Language::Rust
        | Language::JavaScript
        | Language::Java
        | Language::CSharp
        | Language::Ruby
        | Language::Php
        | Language::Cpp => return None,
    };
    Some(if folder.is_empty() { file } else { format!("{folder}/{file}") })
}

/// `a.test.js`, `test-a.mjs`, `a_test.js`, or any name in a folder of tests.
fn script(stem: &str, ending: &str, name: &str) -> String {
    if let Some((_, kind)) = stem.split_once('.') {
        return format!("{name}.{kind}.{ending}");
    }
    let before = ["test-", "test_"].into_iter().find(|mark| stem.starts_with(mark)).unwrap_or_default();
    let after = ["-test", "_test"].into_iter().find(|mark| stem.ends_with(mark)).unwrap_or_default();
    format!("{before}{name}{after}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_within_a_test_is_its_first_statement() {
        let within = |host: &str, content: &str, chance| canary_within(host, content, chance).map(|one| one.content);
        let two = "def test_a():\n    x()\n\nclass T:\n    def test_b(self):\n        y()\n";
        let rows = [
            (
                "test_a.py",
                two,
                0,
                Some("def test_a():\n    assert 2 == 3\n    x()\n\nclass T:\n    def test_b(self):\n        y()\n"),
            ),
            (
                "test_a.py",
                two,
                1,
                Some("def test_a():\n    x()\n\nclass T:\n    def test_b(self):\n        assert 2 == 3\n        y()\n"),
            ),
            ("test_a.py", "@skip\ndef test_a():\n    x()\n", 0, None),
            (
                "tests/a.rs",
                "#[test]\nfn a() {\n    b();\n}\n",
                0,
                Some("#[test]\nfn a() {\n    assert_eq!(2, 3);\n    b();\n}\n"),
            ),
            ("tests/a.rs", "#[ignore]\n#[test]\nfn a() {\n    b();\n}\n", 0, None),
            (
                "a.test.js",
                "test('a', async () => {\n  b();\n});\n",
                0,
                Some("test('a', async () => {\n  throw new Error('expected 2 to equal 3');\n  b();\n});\n"),
            ),
            (
                "a_test.go",
                "func TestA(t *testing.T) {\n\tb()\n}\n",
                0,
                Some(
                    "func TestA(t *testing.T) {\n\tif got := 2; got != 3 { t.Fatalf(\"got %d, want 3\", got) }\n\tb()\n}\n",
                ),
            ),
            ("test_a.rb", "def test_a\n  b\nend\n", 0, None),
        ];
        for (host, content, chance, expected) in rows {
            assert_eq!(within(host, content, chance).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn a_canary_has_a_name_that_the_runner_of_its_neighbour_finds() {
        let rows = [
            ("tests/test_a.py", Some("tests/test_x.py")),
            ("a_test.py", Some("x_test.py")),
            ("tests/helpers.py", None),
            ("tests/conftest.py", None),
            ("pkg/a_test.go", Some("pkg/x_test.go")),
            ("pkg/a.go", None),
            ("tests/a.rs", Some("tests/x.rs")),
            ("crates/one/tests/a.rs", Some("crates/one/tests/x.rs")),
            ("src/tests.rs", None),
            ("tests/common/mod.rs", None),
            ("src/a.test.ts", Some("src/x.test.ts")),
            ("src/a.b.spec.mjs", Some("src/x.b.spec.mjs")),
            ("test/a.mjs", Some("test/x.mjs")),
            ("test-a.js", Some("test-x.js")),
            ("lib/a_test.js", Some("lib/x_test.js")),
            ("src/a.js", None),
            ("src/ATest.java", None),
            ("README", None),
        ];
        for (host, expected) in rows {
            assert_eq!(named_as(host, "x").as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn a_command_tells_whose_tests_it_runs_and_one_that_does_not_may_run_all() {
        let paths = ["tests/test_a.py", "tests/a.rs", "b_test.go", "src/a.test.js", "src/ATest.java", "lib.rs"];
        let of = |command: &str| hosts(command, paths.into_iter());
        assert_eq!(of("python3 -m pytest -q"), [["tests/test_a.py"]]);
        assert_eq!(of("cd core && /usr/bin/cargo test"), [["tests/a.rs"]]);
        assert_eq!(of("CGO_ENABLED=0 go test ./..."), [["b_test.go"]]);
        assert_eq!(of("node --test"), [["src/a.test.js"]]);
        assert_eq!(of("make test"), [["tests/test_a.py"], ["tests/a.rs"], ["b_test.go"], ["src/a.test.js"]]);
        assert_eq!(of("mvn test"), of("make test"), "what no known runner reads changes nothing");
    }

    #[test]
    fn a_canary_is_its_neighbour_and_one_test_that_fails() {
        let of = |host, content| canary(host, content, 0).unwrap().content;
        assert_eq!(
            canary("tests/test_a.py", "import a", 5 + 32 * 2 + 1024),
            Some(Canary {
                path: "tests/test_counts_bounds.py".into(),
                content: "import a\n\n\ndef test_counts_bounds():\n    assert 3 == 4\n".into()
            })
        );
        assert!(
            of("test_a.py", "import unittest")
                .ends_with("def test_after_after(self):\n        self.assertEqual(2, 3)\n")
        );
        assert!(of("tests/a.rs", "use a;").starts_with("use a;\n\n#[test]\nfn after_after() {\n    assert_eq!(2, 3);"));
        assert!(of("a.test.js", "x()").starts_with("x()\n\n;(typeof it"));
        assert!(
            of("a_test.go", "// x\npackage a_test\nfunc TestX()").starts_with("package a_test\n\nimport \"testing\"")
        );
        assert_eq!(canary("a_test.go", "no clause", 0), None);
    }

    #[test]
    fn every_chance_gives_a_name() {
        for chance in (0..5000).chain([u64::MAX]) {
            assert!(canary("test_a.py", "", chance).unwrap().path.starts_with("test_"), "{chance}");
        }
    }
}
