//! Rulings case by case, and the laws that hold for any scope.

use super::*;
use crate::packet::OnViolation;
use proptest::prelude::*;

fn scope(allowed: &[&str], forbidden: &[&str], protected: &[&str]) -> Scope {
    let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Scope {
        allowed: owned(allowed),
        forbidden: owned(forbidden),
        protected: owned(protected),
        on_violation: OnViolation::Revert,
    }
}

#[test]
fn a_pattern_covers_what_it_says_and_nothing_else() {
    let rows: [(&str, &[&str], &[&str]); 18] = [
        ("src/**", &["src/a.rs", "src/a/b/c.rs", "src/.hidden"], &["src", "srcs/a.rs", "lib/src/a.rs"]),
        ("src/", &["src/a.rs", "src/a/b"], &["src", "a/src/b"]),
        ("src", &["src", "src/a.rs", "src/a/b"], &["srcx", "a/src"]),
        ("./src", &["src", "src/a.rs"], &["a/src"]),
        ("src/*", &["src/a", "src/.a"], &["src/a/b", "src"]),
        ("src/*.rs", &["src/a.rs", "src/.rs"], &["src/a/b.rs", "src/a.rsx"]),
        ("*", &["a", ".a"], &["a/b"]),
        ("**", &["a", "a/b/c"], &[]),
        (".", &["a", "a/b/c"], &[]),
        ("**/*.md", &["a.md", "a/b/c.md"], &["a.mdx"]),
        ("a/**/z", &["a/z", "a/b/z", "a/b/c/z", "a/z/beneath"], &["a/bz", "z", "b/a/z"]),
        ("a?c", &["abc", "a-c"], &["ac", "a/c", "abbc"]),
        ("{src,lib}/*.py", &["src/a.py", "lib/a.py"], &["bin/a.py", "src/a/b.py"]),
        ("{src,lib}", &["src/a.py", "lib/a/b.py", "lib"], &["bin"]),
        ("packages/*/src", &["packages/a/src/x", "packages/a/src"], &["packages/src/x", "packages/a/b/src/x"]),
        ("app/[id]/page.tsx", &["app/[id]/page.tsx"], &["app/i/page.tsx", "app/id/page.tsx"]),
        ("app/[[...all]]/*", &["app/[[...all]]/x"], &["app/a/x"]),
        ("a b/ü!.txt", &["a b/ü!.txt"], &["a/ü!.txt"]),
    ];
    for (pattern, inside, outside) in rows {
        let lock = Lock::new(&scope(&[pattern], &[], &[])).unwrap();
        for path in inside {
            assert_eq!(lock.rule(path), Ruling::Kept, "{pattern} covers {path}");
        }
        for path in outside {
            assert_eq!(lock.rule(path), Ruling::Outside, "{pattern} does not cover {path}");
        }
    }
}

#[test]
fn the_first_rule_that_applies_decides() {
    use Ruling::{Forbidden, Kept, Outside, Protected};
    let lock = Lock::new(&scope(
        &["src/**", "tests/**", "Cargo.toml", "web/package.json", "gen/out.rs", "ci/{Makefile,x}", "deploy/"],
        &["src/generated/**", "gen/out.rs"],
        &["tests/**", "src/bench.rs", "web/a/b.js"],
    ))
    .unwrap();
    let rows = [
        ("src/a.rs", Kept),
        ("src/generated/a.rs", Forbidden),
        ("src/generated", Forbidden),
        ("src/bench.rs", Protected),
        ("src/bench.rs/x", Protected),
        ("tests/a.rs", Protected),
        ("tests/Cargo.toml", Protected),
        ("tests", Protected),
        ("web/a", Protected),
        ("web", Protected),
        ("web/a/c.js", Outside),
        ("Cargo.toml", Kept),
        ("src/Cargo.toml", Forbidden),
        ("web/package.json", Kept),
        ("package.json", Forbidden),
        ("gen/out.rs", Forbidden),
        ("ci/Makefile", Forbidden),
        ("ci/x", Kept),
        ("deploy/Dockerfile.prod", Forbidden),
        ("deploy/run.sh", Kept),
        ("src/.env", Forbidden),
        ("src/.env.local", Forbidden),
        ("src/deep/conftest.py", Forbidden),
        ("src/.cargo/config.toml", Forbidden),
        (".github/workflows/ci.yml", Forbidden),
        (".github", Forbidden),
        ("src/keys/server.pem", Forbidden),
        ("README.md", Outside),
        ("lib/src/a.rs", Outside),
    ];
    for (path, ruling) in rows {
        assert_eq!(lock.rule(path), ruling, "{path}");
    }
}

#[test]
fn what_no_tree_can_hold_is_never_kept() {
    let lock = Lock::new(&scope(&["**"], &[], &[])).unwrap();
    for path in ["", "/etc/passwd", "../a", "a/../b", "./a", "a//b", "a/", ".git/config", "sub/.GIT/hooks/x"] {
        assert_eq!(lock.rule(path), Ruling::Outside, "{path}");
    }
}

#[test]
fn nothing_allowed_keeps_nothing() {
    assert_eq!(Lock::new(&scope(&[], &[], &[])).unwrap().rule("a"), Ruling::Outside);
}

#[test]
fn a_pattern_that_means_nothing_is_refused_with_its_reason() {
    let rows = [
        ("", "empty"),
        ("  ", "empty"),
        ("/etc", "absolute"),
        ("C:/x", "absolute"),
        ("../a", "`..`"),
        ("a/../b", "`..`"),
        ("{a,..}/b", "`..`"),
        ("{a,/b}", "absolute"),
        ("a//b", "empty name"),
        ("a\\b", "backslash"),
        ("a**", "`**`"),
        ("**.rs", "`**`"),
        ("a/***", "`**`"),
        ("{a", "`{`"),
        ("a}", "`}`"),
        ("{a,}", "empty"),
        ("/", "absolute"),
    ];
    for (pattern, reason) in rows {
        for scope in [scope(&[pattern], &[], &[]), scope(&["a"], &[pattern], &[]), scope(&["a"], &[], &["b", pattern])]
        {
            let bad = Lock::new(&scope).unwrap_err();
            assert_eq!(bad.pattern, pattern);
            assert!(bad.reason.contains(reason), "{pattern}: {bad}");
        }
    }
}

/// Matching by trying everything, as slow and as plain as can be.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, _) => path.is_empty(),
        (Some((&"**", rest)), Some((_, beneath))) => {
            if rest.is_empty() {
                true
            } else {
                matches(rest, path) || matches(pattern, beneath)
            }
        }
        (Some(_), None) => false,
        (Some((name, rest)), Some((first, beneath))) => {
            let (name, first): (Vec<char>, Vec<char>) = (name.chars().collect(), first.chars().collect());
            name_matches(&name, &first) && matches(rest, beneath)
        }
    }
}

fn name_matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, _) => name.is_empty(),
        (Some(('*', rest)), None) => name_matches(rest, name),
        (Some(('*', rest)), Some((_, tail))) => name_matches(rest, name) || name_matches(pattern, tail),
        (Some(('?', rest)), Some((_, tail))) => name_matches(rest, tail),
        (Some((c, rest)), Some((d, tail))) => c == d && name_matches(rest, tail),
        (Some(_), None) => false,
    }
}

fn covered(pattern: &str, path: &str) -> bool {
    let names: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    if names.last() == Some(&"**") {
        return matches(&names, &path);
    }
    let beneath = [names.as_slice(), &["**"]].concat();
    let named = names.last().is_some_and(|name| !name.contains(['*', '?']));
    let strictly = (1..path.len()).any(|count| matches(&names, &path[..count])) && matches(&beneath, &path);
    match pattern.ends_with('/') {
        true => strictly,
        false => matches(&names, &path) || (named && strictly),
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab.]{0,1}[ab]{1,2}", 1..4).prop_map(|names| names.join("/"))
}

fn pattern() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("**".to_owned()), "[ab*?]{1,2}", "[ab]{1,2}"]
        .prop_filter("lone", |name: &String| name == "**" || !name.contains("**"));
    (prop::collection::vec(name, 1..4), any::<bool>())
        .prop_map(|(names, directory)| names.join("/") + if directory { "/" } else { "" })
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(pattern(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_kept_path_is_allowed_and_neither_forbidden_nor_protected(
        allowed in patterns(), forbidden in patterns(), protected in patterns(), path in path()
    ) {
        let scope = Scope { allowed, forbidden, protected, on_violation: OnViolation::Revert };
        let ruling = Lock::new(&scope).unwrap().rule(&path);
        let any = |patterns: &[String]| patterns.iter().any(|pattern| covered(pattern, &path));
        if any(&scope.protected) {
            prop_assert_eq!(ruling, Ruling::Protected);
        } else if any(&scope.forbidden) {
            prop_assert!(matches!(ruling, Ruling::Forbidden | Ruling::Protected));
        } else if ruling == Ruling::Kept {
            prop_assert!(any(&scope.allowed), "{path} is kept by {:?}", scope.allowed);
        } else if ruling == Ruling::Outside {
            prop_assert!(!any(&scope.allowed), "{path} is outside of {:?}", scope.allowed);
        }
    }

    #[test]
    fn the_same_lock_always_rules_the_same(allowed in patterns(), protected in patterns(), path in path()) {
        let scope = Scope { allowed, forbidden: vec![], protected, on_violation: OnViolation::Disqualify };
        let lock = Lock::new(&scope).unwrap();
        prop_assert_eq!(lock.rule(&path), lock.rule(&path));
        prop_assert_eq!(lock.rule(&path), Lock::new(&scope).unwrap().rule(&path));
    }

    #[test]
    fn forbidding_more_never_keeps_more(allowed in patterns(), more in pattern(), path in path()) {
        let scope = Scope { allowed, forbidden: vec![], protected: vec![], on_violation: OnViolation::Revert };
        let tighter = Scope { forbidden: vec![more], ..scope.clone() };
        if Lock::new(&tighter).unwrap().rule(&path) == Ruling::Kept {
            prop_assert_eq!(Lock::new(&scope).unwrap().rule(&path), Ruling::Kept);
        }
    }

    #[test]
    fn what_a_pattern_reaches_is_what_it_would_allow(pattern in pattern(), path in path()) {
        let reach = Reach::new(&pattern).unwrap();
        if Lock::new(&scope(&[&pattern], &[], &[])).unwrap().rule(&path) == Ruling::Kept {
            prop_assert!(reach.covers(&path));
            let under = |folder: &String| folder.is_empty() || path.starts_with(&(folder.clone() + "/"));
            prop_assert!(reach.folders().iter().any(under));
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_a_reason_and_any_path_has_a_ruling(text in "\\PC{0,12}", path in "\\PC{0,12}") {
        match Lock::new(&scope(&[&text], &[], &[])) {
            Ok(lock) => { lock.rule(&path); }
            Err(bad) => prop_assert!(!bad.reason.is_empty()),
        }
    }
}
