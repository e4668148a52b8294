//! The real engines' streams, as rows, and the laws of reading.

use super::*;
use proptest::prelude::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/", $name, ".stdout")).as_slice()
    };
}

/// Every stream that was recorded.
const ALL: [(Dialect, &[u8]); 22] = [
    (Dialect::Codex, fixture!("codex-success")),
    (Dialect::Codex, fixture!("codex-400")),
    (Dialect::Codex, fixture!("codex-401")),
    (Dialect::Codex, fixture!("codex-500")),
    (Dialect::Codex, fixture!("codex-budget-midway")),
    (Dialect::Codex, fixture!("codex-stream-cut-once")),
    (Dialect::Claude, fixture!("claude-success")),
    (Dialect::Claude, fixture!("claude-400")),
    (Dialect::Claude, fixture!("claude-402")),
    (Dialect::Claude, fixture!("claude-budget-midway")),
    (Dialect::Claude, fixture!("claude-no-key")),
    (Dialect::Claude, fixture!("claude-own-budget")),
    (Dialect::Claude, fixture!("claude-own-turn-limit")),
    (Dialect::Gemini, fixture!("gemini-success")),
    (Dialect::Gemini, fixture!("gemini-400")),
    (Dialect::Gemini, fixture!("gemini-401")),
    (Dialect::Gemini, fixture!("gemini-403-midway")),
    (Dialect::Opencode, fixture!("opencode-success")),
    (Dialect::Opencode, fixture!("opencode-budget-midway")),
    (Dialect::Plain, fixture!("codex-success")),
    (Dialect::Claude, fixture!("qwen-success")),
    (Dialect::Mini, fixture!("mini-success")),
];

fn read(dialect: Dialect, bytes: &[u8]) -> Story {
    let mut reader = Reader::new(dialect);
    reader.feed(bytes);
    reader.finish()
}

fn usage(input: u64, cached: u64, output: u64) -> Usage {
    let (input, cached, output) = (Some(input), Some(cached), Some(output));
    Usage { input_tokens: input, cached_input_tokens: cached, output_tokens: output, ..Usage::default() }
}

fn with_cost(usage: Usage, cost: f64) -> Usage {
    Usage { cost_usd: Some(cost), ..usage }
}

/// One row: what a stream comes to.
struct Row {
    stream: (Dialect, &'static [u8]),
    message: Option<&'static str>,
    usage: Usage,
    /// Success, a limit of its own, and the reason.
    end: (bool, bool, &'static str),
    lines: u64,
    tools: usize,
}

fn row(
    at: usize,
    message: Option<&'static str>,
    usage: Usage,
    end: (bool, bool, &'static str),
    lines: u64,
    tools: usize,
) -> Row {
    Row { stream: ALL[at], message, usage, end, lines, tools }
}

const DONE: (bool, bool, &str) = (true, false, "completed");
const UNAUTHORISED: &str =
    "unexpected status 401 Unauthorized: Incorrect API key, url: http://127.0.0.1:8802/@e401/v1/responses";
const BUSY: &str = "We’re currently experiencing high demand, which may cause temporary errors.";
const BUDGET: (bool, bool, &str) = (false, false, "arena: budget exhausted");
const CLAUDE_BUDGET: (bool, bool, &str) = (false, false, "API Error: 400 arena: budget exhausted");
const GEMINI_400: &str =
    "[API Error: {\"error\":{\"code\":400,\"message\":\"arena: budget exhausted\",\"status\":\"INVALID_ARGUMENT\"}}]";
const GEMINI_401: &str =
    "[API Error: {\"error\":{\"code\":401,\"message\":\"Incorrect API key\",\"status\":\"UNAUTHENTICATED\"}}]";
const GEMINI_403: &str =
    "[API Error: {\"error\":{\"code\":403,\"message\":\"arena: budget exhausted\",\"status\":\"PERMISSION_DENIED\"}}]";

#[test]
fn every_recorded_stream_has_its_message_its_usage_and_its_last_word() {
    let none = Usage::default();
    let rows = [
        row(0, Some("done"), usage(2000, 400, 100), (true, false, "turn completed"), 6, 1),
        row(1, None, none, BUDGET, 4, 0),
        row(2, None, none, (false, false, UNAUTHORISED), 9, 0),
        row(3, None, none, (false, false, BUSY), 9, 0),
        row(4, None, none, BUDGET, 6, 1),
        row(5, Some("done"), usage(1000, 200, 50), (true, false, "turn completed"), 5, 0),
        row(6, Some("done"), with_cost(usage(2000, 400, 100), 0.008480000000000001), DONE, 5, 1),
        row(7, None, usage(0, 0, 0), CLAUDE_BUDGET, 3, 0),
        row(8, None, usage(0, 0, 0), (false, false, "API Error: 402 budget exhausted"), 3, 0),
        row(9, None, with_cost(usage(1000, 200, 50), 0.004240000000000001), CLAUDE_BUDGET, 5, 1),
        row(10, None, usage(0, 0, 0), (false, false, "Not logged in · Please run /login"), 3, 0),
        row(
            11,
            None,
            with_cost(usage(3000, 600, 150), 0.012720000000000002),
            (false, true, "Reached maximum budget ($0.01)"),
            7,
            3,
        ),
        row(
            12,
            None,
            with_cost(usage(3000, 600, 150), 0.012720000000000002),
            (false, true, "Reached maximum number of turns (3)"),
            8,
            3,
        ),
        row(13, Some("done"), usage(2000, 400, 100), (true, false, "success"), 6, 1),
        row(14, None, usage(0, 0, 0), (false, false, GEMINI_400), 3, 0),
        row(15, None, usage(0, 0, 0), (false, false, GEMINI_401), 3, 0),
        row(16, None, usage(1000, 200, 50), (false, false, GEMINI_403), 5, 1),
        row(17, Some("done"), Usage { requests: Some(2), ..usage(2000, 400, 100) }, (true, false, "stop"), 6, 1),
        row(
            18,
            None,
            Usage { requests: Some(1), ..usage(1000, 200, 50) },
            (false, false, "400 arena: budget exhausted"),
            4,
            1,
        ),
    ];
    let rows = rows.into_iter().chain([row(20, Some("done"), usage(2000, 400, 100), DONE, 6, 1)]);
    for Row { stream: (dialect, bytes), message, usage, end: (success, own_limit, reason), lines, tools } in rows {
        let story = read(dialect, bytes);
        let of = format!("{dialect:?}: {reason}");
        assert_eq!(story.final_message.as_deref(), message, "{of}");
        assert_eq!(story.usage, usage, "{of}");
        let terminal = Terminal { success, own_limit, reason: reason.into() };
        assert_eq!(story.terminal, Some(terminal), "{of}");
        assert_eq!(story.fatal.as_deref(), (!success).then_some(reason), "{of}");
        assert_eq!((story.lines, story.unknown_lines), (lines, 0), "{of}");
        let is_tool = |event: &&Event| matches!(event, Event::Tool { .. });
        assert_eq!(story.events.iter().filter(is_tool).count(), tools, "{of}");
    }
}

#[test]
fn a_run_is_told_as_its_events() {
    let events: Vec<Event> = read(Dialect::Codex, ALL[0].1).events.into();
    let command = "/bin/bash -lc \"printf \\\"hello\\\\n\\\" > hello.txt\"";
    let expected = [
        Event::Tool { name: "shell".into(), what: command.into() },
        Event::Message("done".into()),
        Event::Usage(usage(2000, 400, 100)),
        Event::Final("done".into()),
    ];
    assert_eq!(events, expected);
}

#[test]
fn the_live_row_says_in_few_words_what_an_engine_does() {
    let told = |at: usize| {
        let mut reader = Reader::new(ALL[at].0);
        reader.feed(ALL[at].1);
        reader.take_progress()
    };
    let claude = "shell: printf \"hello\\n\" > hello.txt";
    assert_eq!(told(0), ["shell: printf \\\"hello\\\\n\\\" > hello.txt", "says: done"]);
    for at in [6, 13, 17] {
        assert_eq!(told(at), [claude, "says: done"].map(String::from)[..told(at).len()], "{at}");
    }
    let tool = |name: &str, what: &str| progress(&Event::Tool { name: name.into(), what: what.into() });
    assert_eq!(tool("Bash", "bash -lc 'make test'").as_deref(), Some("shell: make test"));
    assert_eq!(tool("Odd\u{1b}[31m", "").as_deref(), Some("Odd"));
    assert_eq!(tool("edit", &"x".repeat(500)).map(|text| text.chars().count()), Some(120));
}

#[test]
fn the_model_and_the_version_are_what_the_engine_says() {
    let story = read(Dialect::Claude, ALL[6].1);
    assert_eq!((story.model.as_deref(), story.version.as_deref()), (Some("claude-opus-5-5"), Some("2.1.329")));
    assert_eq!(read(Dialect::Gemini, ALL[13].1).model.as_deref(), Some("gemini-3.1-pro-preview"));
}

#[test]
fn a_message_in_pieces_is_one_message() {
    let lines = br#"{"type":"message","role":"assistant","content":"all ","delta":true}
{"type":"message","role":"assistant","content":"is well","delta":true}
{"type":"tool_use","tool_name":"read_file","parameters":{"file_path":"a.rs"}}
{"type":"message","role":"assistant","content":"do","delta":true}
{"type":"message","role":"assistant","content":"ne","delta":true}"#;
    let story = read(Dialect::Gemini, lines);
    let expected = [
        Event::Message("all is well".into()),
        Event::Tool { name: "read_file".into(), what: "a.rs".into() },
        Event::Message("done".into()),
    ];
    assert_eq!((Vec::from(story.events), story.final_message.as_deref()), (expected.into(), Some("done")));
    assert_eq!(story.terminal, None);
}

#[test]
fn a_step_after_the_last_word_takes_it_back() {
    let stop = r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":1,"output":1}}}"#;
    let start = r#"{"type":"step_start","part":{}}"#;
    assert!(read(Dialect::Opencode, stop.as_bytes()).terminal.is_some_and(|end| end.success));
    assert_eq!(read(Dialect::Opencode, format!("{stop}\n{start}\n").as_bytes()).terminal, None);
}

#[test]
fn text_for_people_ends_with_the_message_and_a_trajectory_says_more() {
    let story = read(Dialect::Plain, b"one\n\ntwo  \nthree");
    assert_eq!((story.final_message.as_deref(), story.lines, story.unknown_lines), (Some("one\ntwo\nthree"), 3, 0));
    let story = read(Dialect::Mini, ALL[21].1);
    assert_eq!(story.usage, Usage { requests: Some(2), cost_usd: Some(0.011200000000000002), ..Usage::default() });
    assert_eq!((story.final_message.as_deref(), story.version.as_deref()), (Some("done\n"), Some("2.4.6")));
    assert_eq!(story.terminal.map(|end| (end.success, end.reason)), Some((true, "Submitted".into())));
    let failed = read(Dialect::Mini, b"{\"type\":\"mini\",\"info\":{\"exit_status\":\"AuthenticationError\"}}");
    assert_eq!(failed.fatal.as_deref(), Some("AuthenticationError"));
}

#[test]
fn what_is_not_understood_is_counted_and_nothing_more() {
    let lines = b"not json\n\n{\"type\":\"item.novel\"}\n{\"type\":7}\n[1]\n\xff\xfe\n{\"type\":\"turn.started\"}\n";
    let story = read(Dialect::Codex, lines);
    assert_eq!((story.lines, story.unknown_lines), (6, 5));
    assert_eq!(Story { lines: 0, unknown_lines: 0, ..story }, Story::default());
}

#[test]
fn a_line_of_64_mib_is_passed_over_and_the_next_one_read() {
    let mut reader = Reader::new(Dialect::Claude);
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        reader.feed(&piece);
        assert!(reader.line.capacity() <= 2 * LINE, "the buffer grows with the line");
    }
    reader.feed(b"\n");
    reader.feed(ALL[6].1);
    let story = reader.finish();
    assert_eq!((story.lines, story.unknown_lines, story.final_message.as_deref()), (6, 1, Some("done")));
}

#[test]
fn what_is_kept_has_bounds_however_long_a_run_is() {
    let mut reader = Reader::new(Dialect::Codex);
    let text = "y".repeat(100_000);
    let line = format!("{{\"type\":\"item.completed\",\"item\":{{\"type\":\"agent_message\",\"text\":\"{text}\"}}}}\n");
    for _ in 0..EVENTS + 50 {
        reader.feed(line.as_bytes());
    }
    assert_eq!(reader.take_progress().len(), WAITING);
    let story = reader.finish();
    assert_eq!((story.events.len(), story.dropped_events), (EVENTS, 50));
    assert!(story.events.iter().all(|event| matches!(event, Event::Message(text) if text.len() == TEXT)));
    assert_eq!(story.final_message.map(|text| text.len()), Some(FINAL));
}

/// Lines much like real ones, and rubbish.
fn streams() -> impl Strategy<Value = (Dialect, Vec<u8>)> {
    let real = (0..ALL.len()).prop_map(|at| ALL[at].1.to_vec());
    let mixed =
        (0..ALL.len(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..8)).prop_map(|(at, place, rubbish)| {
            let mut bytes = ALL[at].1.to_vec();
            let place = (place % (bytes.len() as u64 + 1)) as usize;
            bytes.splice(place..place.min(bytes.len()), rubbish);
            bytes.truncate(bytes.len() - place / 7);
            bytes
        });
    let noise = prop::collection::vec(any::<u8>(), 0..400);
    let braces = "[\\[\\]{}\":,\n a-e0-9.-]{0,300}".prop_map(String::into_bytes);
    let dialect = prop::sample::select(Dialect::ALL.to_vec());
    (dialect, prop_oneof![real, mixed, noise, braces])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_story(
        (dialect, bytes) in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = read(dialect, &bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut reader = Reader::new(dialect);
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            reader.feed(&bytes[from..to]);
            from = to;
        }
        prop_assert_eq!(reader.finish(), whole);
    }

    #[test]
    fn what_a_line_says_of_numbers_never_overflows(number in any::<f64>(), dialect in 0..5usize) {
        let line = format!(
            "{{\"type\":\"result\",\"modelUsage\":{{\"a\":{{\"inputTokens\":{number},\"cacheReadInputTokens\":9e15}},\"b\":{{\"inputTokens\":9e15}}}},\"stats\":{{\"total_tokens\":{number}}}}}\n{{\"type\":\"step_finish\",\"part\":{{\"cost\":{number},\"tokens\":{{\"input\":9e15,\"output\":{number}}}}}}}\n"
        );
        let story = read(Dialect::ALL[dialect], line.repeat(3).as_bytes());
        prop_assert!(story.lines == 6);
    }
}
