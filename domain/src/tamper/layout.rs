//! Which paths hold tests, by the layouts that the common runners find by themselves.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
    Go,
    Rust,
    /// Java and Kotlin.
    Java,
    CSharp,
    Ruby,
    Php,
    /// C and C++.
    Cpp,
}

/// What a path's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The file is named as a test.
    Named,
    /// It lies among tests, and may as well be a helper of theirs.
    Among,
    Elsewhere,
}

impl Language {
    pub(super) fn of(path: &str) -> Option<Self> {
        let (_, name) = split(path);
        Some(match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "py" | "pyi" => Self::Python,
            "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" => Self::JavaScript,
            "go" => Self::Go,
            "rs" => Self::Rust,
            "java" | "kt" | "kts" => Self::Java,
            "cs" => Self::CSharp,
            "rb" => Self::Ruby,
            "php" => Self::Php,
            "c" | "cc" | "cpp" | "cxx" | "h" | "hh" | "hpp" | "hxx" => Self::Cpp,
            _ => return None,
        })
    }
}

pub(super) fn place(path: &str, language: Language) -> Place {
    let (directories, name) = split(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if language == Language::Go {
        // Nothing else is compiled into a test.
        return if stem.ends_with("_test") { Place::Named } else { Place::Elsewhere };
    }
    if is_named(stem, language) {
        Place::Named
    } else if directories.split('/').any(|name| words(name).last().is_some_and(|word| is_kind(word))) {
        Place::Among
    } else {
        Place::Elsewhere
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn is_named(stem: &str, language: Language) -> bool {
    let words = words(stem);
    let helper =
        ["helper", "helpers", "util", "utils", "support", "common", "fixture", "fixtures", "base", "data", "setup"];
    if words.iter().any(|word| helper.contains(&word.as_str())) {
        return false;
    }
    let ends = words.last().is_some_and(|word| is_kind(word));
    let starts = words.first().is_some_and(|word| word == "test");
    match language {
        Language::Java => {
            ends || starts || (words.len() > 1 && matches!(stem, s if s.ends_with("IT") || s.ends_with("TestCase")))
        }
        Language::JavaScript => ends || starts || stem.ends_with(".cy") || stem.ends_with(".e2e"),
        Language::Php => ends || stem.ends_with("Cest"),
        Language::Python | Language::Rust | Language::CSharp | Language::Ruby | Language::Cpp => ends || starts,
        Language::Go => false,
    }
}

fn is_kind(word: &str) -> bool {
    matches!(word, "test" | "tests" | "spec" | "specs" | "unittest" | "unittests" | "e2e")
}

/// The words of a name in lower case, split at separators and at humps: `UserServiceTest`, `__tests__`, `a-b.spec`.
fn words(name: &str) -> Vec<String> {
    let all: Vec<char> = name.chars().collect();
    let mut spaced = String::new();
    for (at, c) in all.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| all[before]);
        let after_low = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let last_of_capitals =
            before.is_some_and(char::is_uppercase) && all.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_low || last_of_capitals) {
            spaced.push(' ');
        }
        spaced.push(if c.is_alphanumeric() { *c } else { ' ' });
    }
    spaced.split(' ').filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tamper::is_test;

    #[test]
    fn tests_are_known_by_their_paths() {
        let tests = [
            "tests/test_a.py",
            "a/test_b.py",
            "b_test.py",
            "app/tests.py",
            "tests/sub/helpers.py",
            "src/a.test.ts",
            "src/a.spec.jsx",
            "src/__tests__/a.js",
            "test/a.mjs",
            "e2e/login.ts",
            "cypress/a.cy.ts",
            "a-test.js",
            "pkg/a_test.go",
            "tests/a.rs",
            "src/parser/tests.rs",
            "src/a_test.rs",
            "src/test/java/a/B.java",
            "src/AServiceTest.java",
            "a/BTests.kt",
            "a/TestC.java",
            "a/LoginIT.java",
            "app/src/androidTest/a/B.kt",
            "My.App.Tests/A.cs",
            "src/FooTests.cs",
            "UnitTest/A.cs",
            "spec/models/user_spec.rb",
            "test/a_test.rb",
            "test/test_a.rb",
            "tests/Unit/A.php",
            "src/ATest.php",
            "a/LoginCest.php",
            "test/a.cc",
            "src/a_unittest.cc",
            "a_test.cpp",
            "test_a.c",
            "unit_tests/a.h",
        ];
        for path in tests {
            assert!(is_test(path), "{path}");
        }
    }

    #[test]
    fn a_name_that_only_sounds_like_a_test_is_none() {
        let others = [
            "src/a.py",
            "contest.py",
            "src/latest.js",
            "README.md",
            "tests/data.json",
            "tests/a.txt",
            "src/testing.go",
            "tests/a.go",
            "src/lib.rs",
            "src/Latest.java",
            "src/Contest.kt",
            "src/Attestation.cs",
            "lib/a.rb",
            "a/Protest.php",
            "src/test.h.in",
            "tests",
            "",
            "src/inspector.ts",
            "test-utils/a.js",
        ];
        for path in others {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn names_fall_into_words() {
        let rows: [(&str, &[&str]); 7] = [
            ("HTTPTest", &["http", "test"]),
            ("UserServiceTest", &["user", "service", "test"]),
            ("__tests__", &["tests"]),
            ("a-b.spec", &["a", "b", "spec"]),
            ("latest", &["latest"]),
            ("My.Project.Tests", &["my", "project", "tests"]),
            ("", &[]),
        ];
        for (name, expected) in rows {
            assert_eq!(words(name), expected, "{name}");
        }
    }
}
