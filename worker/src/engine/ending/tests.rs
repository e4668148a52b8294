//! How the recorded runs ended, as rows.

use super::*;
use crate::engine::stream::Reader;

macro_rules! run {
    ($name:literal) => {
        (include_bytes!(concat!("../fixtures/", $name, ".stdout")).as_slice(), $name)
    };
}

fn story(dialect: Dialect, bytes: &[u8]) -> Story {
    let mut reader = Reader::new(dialect);
    reader.feed(bytes);
    reader.finish()
}

fn facts<'a>(dialect: Dialect, story: &'a Story, exit: Exit) -> Facts<'a> {
    Facts { exit, dialect, story, trouble: None, bad_invocation: &[2, 41], stderr: b"" }
}

#[test]
fn every_recorded_run_has_its_class_even_where_the_broker_knows_nothing() {
    use Dialect::{Claude, Codex, Gemini, Opencode};
    use Ending::{Done, EngineError, OutOfBudget, OwnLimit, ProviderError, Refused};
    let rows = [
        (Codex, run!("codex-success"), 0, Done),
        (Codex, run!("codex-success"), 1, EngineError),
        (Codex, run!("codex-400"), 1, OutOfBudget),
        (Codex, run!("codex-401"), 1, Refused),
        (Codex, run!("codex-500"), 1, ProviderError),
        (Codex, run!("codex-budget-midway"), 1, OutOfBudget),
        (Codex, run!("codex-budget-midway"), 0, OutOfBudget),
        (Codex, run!("codex-stream-cut-once"), 0, Done),
        (Claude, run!("claude-success"), 0, Done),
        (Claude, run!("claude-400"), 1, OutOfBudget),
        (Claude, run!("claude-400"), 0, OutOfBudget),
        (Claude, run!("claude-402"), 1, Refused),
        (Claude, run!("claude-budget-midway"), 1, OutOfBudget),
        (Claude, run!("claude-no-key"), 1, Refused),
        (Claude, run!("claude-own-budget"), 1, OwnLimit),
        (Claude, run!("claude-own-turn-limit"), 1, OwnLimit),
        (Gemini, run!("gemini-success"), 0, Done),
        (Gemini, run!("gemini-400"), 144, OutOfBudget),
        (Gemini, run!("gemini-401"), 145, Refused),
        (Gemini, run!("gemini-403-midway"), 147, OutOfBudget),
        (Opencode, run!("opencode-success"), 0, Done),
        (Opencode, run!("opencode-budget-midway"), 1, OutOfBudget),
        (Opencode, run!("opencode-budget-midway"), 0, OutOfBudget),
    ];
    for (dialect, (bytes, name), code, expected) in rows {
        let story = story(dialect, bytes);
        let (ending, detail) = ending(&facts(dialect, &story, Exit::Code(code)));
        assert_eq!(ending, expected, "{name}, exit {code}: {detail}");
        assert_eq!(detail.is_empty(), expected == Done, "{name}, exit {code}: {detail}");
    }
}

#[test]
fn success_needs_all_four() {
    let good = story(Dialect::Codex, run!("codex-success").0);
    let facts = facts(Dialect::Codex, &good, Exit::Code(0));
    assert_eq!(ending(&facts), (Ending::Done, String::new()));
    for trouble in Trouble::ALL {
        assert_eq!(ending(&Facts { trouble: Some(trouble), ..facts }).0, trouble.ending());
    }
    let exits = [
        (Exit::Code(1), Ending::EngineError),
        (Exit::OutOfMemory, Ending::OutOfMemory),
        (Exit::DeadlinePassed, Ending::TimedOut),
        (Exit::Cancelled, Ending::Cancelled),
        (Exit::Killed, Ending::Killed),
    ];
    for (exit, expected) in exits {
        assert_eq!(ending(&Facts { exit, ..facts }).0, expected);
    }
    let silent = Story::default();
    let (class, detail) = ending(&Facts { story: &silent, ..facts });
    assert_eq!((class, detail.as_str()), (Ending::EngineError, "it ended without a word on whether it was done"));
}

#[test]
fn what_the_broker_saw_comes_before_a_timeout_and_before_what_the_engine_says() {
    let said = story(Dialect::Codex, run!("codex-401").0);
    let facts = Facts { trouble: Some(Trouble::Server), ..facts(Dialect::Codex, &said, Exit::DeadlinePassed) };
    assert_eq!(ending(&facts).0, Ending::ProviderError);
    let silent = Story::default();
    let mute = Facts { story: &silent, ..facts };
    assert_eq!(ending(&mute), (Ending::ProviderError, "timed out".to_owned()), "how it came to its end is not lost");
    assert_eq!(ending(&Facts { exit: Exit::Code(1), ..facts }).0, Ending::ProviderError);
    // A wish of the user and the kernel's verdict are nobody's fault but their own.
    assert_eq!(ending(&Facts { exit: Exit::Cancelled, ..facts }).0, Ending::Cancelled);
    assert_eq!(ending(&Facts { exit: Exit::OutOfMemory, ..facts }).0, Ending::OutOfMemory);
}

#[test]
fn a_bad_invocation_is_told_from_a_failure_with_the_same_exit() {
    let silent = Story::default();
    let said = story(Dialect::Codex, run!("codex-500").0);
    let stderr = b"error: unexpected argument '--full-auto' found\n";
    for code in [2, 41] {
        let (class, detail) = ending(&Facts { stderr, ..facts(Dialect::Codex, &silent, Exit::Code(code)) });
        assert_eq!(class, Ending::BadInvocation);
        assert_eq!(detail, format!("exit {code}: error: unexpected argument '--full-auto' found"));
        assert_eq!(ending(&facts(Dialect::Codex, &said, Exit::Code(code))).0, Ending::ProviderError);
    }
    assert_eq!(ending(&facts(Dialect::Codex, &silent, Exit::Code(3))).0, Ending::EngineError);
}

#[test]
fn an_engine_without_a_last_word_is_judged_by_its_exit_and_the_broker() {
    let said = story(Dialect::Plain, b"litellm.AuthenticationError: Incorrect API key\n");
    let facts = facts(Dialect::Plain, &said, Exit::Code(0));
    assert_eq!(ending(&facts).0, Ending::Done);
    assert_eq!(ending(&Facts { trouble: Some(Trouble::Auth), ..facts }).0, Ending::Refused);
    assert_eq!(ending(&Facts { exit: Exit::Code(1), ..facts }).0, Ending::EngineError);
}

#[test]
fn an_error_in_words_has_a_class_only_where_the_words_say_one() {
    let rows = [
        ("arena: budget exhausted", Some(Trouble::Budget)),
        ("API Error: 401 arena: budget exhausted", Some(Trouble::Budget)),
        ("unexpected status 404 Not Found", Some(Trouble::Model)),
        ("429 Too Many Requests", Some(Trouble::RateLimit)),
        ("[API Error: {\"error\":{\"code\":503,\"message\":\"x\"}}]", Some(Trouble::Server)),
        ("stream disconnected before completion", Some(Trouble::Server)),
        ("API Error: Unable to connect to API (ECONNREFUSED)", Some(Trouble::Unreachable)),
        ("TypeError: fetch failed", Some(Trouble::Unreachable)),
        ("it wrote 500 lines into 404 files", None),
        ("error: 12345 tests failed", None),
        ("", None),
    ];
    for (text, expected) in rows {
        assert_eq!(trouble_in(text), expected, "{text}");
    }
}

#[test]
fn a_detail_is_one_line_and_safe_for_a_terminal() {
    let stderr = format!("first\n\u{1b}[31mlast {}\n", "x".repeat(500));
    let silent = Story::default();
    let (_, detail) = ending(&Facts { stderr: stderr.as_bytes(), ..facts(Dialect::Codex, &silent, Exit::Code(1)) });
    assert!(detail.starts_with("exit 1: last xxx") && detail.chars().count() <= 200, "{detail}");
}
