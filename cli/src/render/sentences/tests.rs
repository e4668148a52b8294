//! Every sentence that the domain and the worker can make is in the table; a report in Japanese is read as a whole.

use super::*;
use std::collections::BTreeSet;
use std::fs;

/// Where sentences for a report are made.
const SOURCES: &[&str] = &[
    "domain/src/session.rs",
    "domain/src/session/judge.rs",
    "domain/src/session/compete.rs",
    "domain/src/standing/place.rs",
    "domain/src/tests_run.rs",
    "domain/src/measure/suspicion.rs",
    "domain/src/report/bundle.rs",
    "domain/src/report/compose.rs",
    "domain/src/tamper.rs",
    "domain/src/tamper/strength.rs",
    "domain/src/tamper/reach.rs",
    "domain/src/outcome.rs",
    "domain/src/ending.rs",
    "worker/src/run/implement/told.rs",
    "worker/src/collect.rs",
    "worker/src/run/measure.rs",
    "worker/src/run/rule.rs",
    "worker/src/run/implement.rs",
];

/// Literals there that no report shows: progress, errors of commands, and pieces of sentences that are in the table.
const ELSEWHERE: &[&str] = &[
    "arena diff",
    "arena adopt",
    "arena archive",
    "competitors at",
    "run them all?",
    "is not an answer; answers",
    "has ended",
    "is not a pending job",
    "waits for no answer",
    "does not run",
    "was submitted before",
    "nearly every event",
    "most settled jobs are engine runs",
    "the best of each on scenarios",
    "run the harness by hand on the base commit",
    "the tree cannot be read",
    "the look for tampering ended early",
    "correct the pattern in [scope]",
    "is not known to this worker",
    "with its command to the packet",
    "a holdout one",
    "the only one",
    "base, scenario",
    ", pair {} of",
    "and {} more",
    " holdout)",
    "the tree has more than",
    "the tree is deeper than",
    "the changed files hold more than",
    ", interval {} to {}",
    " ({} to {})",
    "skipped or set aside",
    "exits, dead branches",
    "that cannot fail",
    "{} {} instead of {}",
    "{} more {}",
    "{} {}{}",
    "{} changed, +{} -{} lines",
    "{} of {} failed",
    "{}: {} {} on the base",
    "holdout scenario",
    "\\\"pytest\\\" in sys.modules",
    "sh -c",
    "of no known type",
    "{} ({})",
    " of the base{}",
    "the harness does not measure the base",
    "is no number",
    "a box would only cost a step",
];

/// The text of every literal outside of comments and tests, with `{}` for each place.
fn literals(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or(source);
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n");
    let mut found = BTreeSet::new();
    let mut rest = code.as_str();
    while let Some(start) = rest.find('"') {
        let body = &rest[start + 1..];
        let mut escaped = false;
        let end = body
            .char_indices()
            .find(|(_, c)| {
                let end = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                end
            })
            .map_or(body.len(), |(end, _)| end);
        found.insert(places(&body[..end]));
        rest = body.get(end + 1..).unwrap_or_default();
    }
    found
}

fn places(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(['{', '[', '<']) {
        let open = rest.as_bytes()[before.len()];
        let end = after.find(['}', ']', '>']);
        let is_place = end.is_some_and(|end| open == b'{' || after[..end].bytes().all(|byte| byte.is_ascii_digit()));
        plain.push_str(before);
        match end.filter(|_| is_place) {
            Some(end) => {
                plain.push_str("{}");
                rest = &after[end + 1..];
            }
            None => {
                plain.push(char::from(open));
                rest = after;
            }
        }
    }
    plain + rest
}

fn is_sentence(text: &str) -> bool {
    let words = text.split_whitespace().filter(|word| word.bytes().filter(u8::is_ascii_lowercase).count() > 1).count();
    words >= 2 && !text.starts_with("refs/") && !text.contains("://")
}

#[test]
fn every_sentence_of_the_domain_has_a_japanese_form() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let known: Vec<String> = table::SENTENCES.iter().map(|(english, _)| places(english)).collect();
    let mut missing = Vec::new();
    for path in SOURCES {
        let source = fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"));
        for text in literals(&source).into_iter().filter(|text| is_sentence(text)) {
            let stands = |known: &String| known == &text || known.starts_with(&text) || known.ends_with(&text);
            if !known.iter().any(stands) && !ELSEWHERE.iter().any(|piece| text.contains(piece)) {
                missing.push(format!("{path}: {text}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "add them to the table, or to ELSEWHERE where no report shows them");
}

#[test]
fn every_row_says_something_of_its_own_and_fills_the_same_places() {
    let holes = |text: &str| -> BTreeSet<String> {
        text.split(['{', '[', '<'])
            .skip(1)
            .filter_map(|rest| rest.split(['}', ']', '>']).next())
            .map(str::to_owned)
            .collect()
    };
    let mut seen = BTreeSet::new();
    for (english, japanese) in table::SENTENCES {
        assert!(seen.insert(english), "twice: {english}");
        assert_eq!(holes(english), holes(japanese), "{english}");
        assert!(!japanese.is_ascii() && english.is_ascii(), "{english}: {japanese}");
    }
}

#[test]
fn sentences_are_japanese_with_names_figures_and_commands_as_they_came() {
    let rows = [
        ("reverted: gate tests failed: exit 1", "取り消し：ゲート tests が不合格：終了コード 1"),
        ("kept: 0.800 of the base (0.780 to 0.830), better", "採用：基準の 0.800 倍（0.780～0.830）、改善"),
        ("kept: 0.300 of the base, better", "採用：基準の 0.300 倍、改善"),
        (
            "low: value at 0.300 of the base, interval 0.300 to 0.300; next is mid (value at 0.700 of the base, interval 0.700 to 0.700)",
            "low: value は基準の 0.300 倍、信頼区間 0.300～0.300。次点は mid（value は基準の 0.700 倍、信頼区間 0.700～0.700）",
        ),
        (
            "no competitor qualified; a: gate tests failed: timed out",
            "有効な競技者なし。a：ゲート tests が不合格：時間切れ",
        ),
        (
            "test_weakened tests/a.py: 1 assertions instead of 3; 2 more skipped or set aside",
            "test_weakened tests/a.py：検証 3 件が 1 件に；除外されたテストが 2 件増",
        ),
        ("tests_not_run: tests: 3 tests passed, 5 on the base", "tests_not_run：tests：合格テスト 3 件、基準では 5 件"),
        ("run the gate tests by hand: sh -c 'exit 1'; true", "ゲート tests を手動で実行：sh -c 'exit 1'; true"),
        ("arena adopt 0123", "arena adopt 0123"),
        ("pipe (a named pipe)", "pipe (a named pipe)"),
        ("a named pipe; left out", "名前付きパイプのため除外"),
        ("2 rounds: round 1 is the best; rounds used up", "2 ラウンド：最良はラウンド 1。ラウンドを使い切った"),
        (
            "value: 10 points on the base, 3 points now (0.300 of the base, interval 0.300 to 0.300, better)",
            "value：基準 10 points、現在 3 points（基準の 0.300 倍、信頼区間 0.300～0.300、改善）",
        ),
        (
            "the tree is deeper than 128 folders; have the engine leave less behind",
            "フォルダが 128 段より深い。エンジンが残すものを減らすこと",
        ),
        ("“I replaced the loop by a table.”", "“I replaced the loop by a table.”"),
    ];
    for (english, expected) in rows {
        assert_eq!(sentence(english, Language::Japanese), expected);
        assert_eq!(sentence(english, Language::English), english);
    }
}

proptest::proptest! {
    #[test]
    fn what_is_no_sentence_of_ours_comes_out_as_it_came(text in "[A-Zé;: (){}'“]{0,80}") {
        proptest::prop_assert_eq!(sentence(&text, Language::Japanese), text);
    }

    #[test]
    fn no_text_makes_a_sentence_panic(text in "\\PC{0,200}") {
        let _ = sentence(&text, Language::Japanese);
    }
}
