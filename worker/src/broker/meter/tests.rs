use super::*;
use proptest::prelude::*;

const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"usage\":null}}\n\n\
    event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello wo\"}\n\n\
    data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1000,\"input_tokens_details\":{\"cached_tokens\":200},\"output_tokens\":50}}}\n\n";
const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"hello wo\"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":200}}}\n\n\
    data: [DONE]\n\n";
const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":700,\"cache_read_input_tokens\":200,\"cache_creation_input_tokens\":100,\"output_tokens\":1}}}\n\n\
    data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hello wo\"}}\n\n\
    data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":50}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hello wo\"}]}}],\"usageMetadata\":{\"promptTokenCount\":1000}}\n\n\
    data: {\"candidates\":[{\"content\":{\"parts\":[]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1000,\"cachedContentTokenCount\":200,\"candidatesTokenCount\":40,\"thoughtsTokenCount\":10}}\n\n";

const STREAMS: [(Api, &str, u64); 4] =
    [(Api::Responses, RESPONSES, 0), (Api::Chat, CHAT, 0), (Api::Messages, MESSAGES, 100), (Api::Gemini, GEMINI, 0)];

fn tokens(cache_write: u64) -> Tokens {
    Tokens { input: 1000, cached: 200, cache_write, output: 50 }
}

#[test]
fn every_api_says_what_its_stream_cost() {
    for (api, stream, cache_write) in STREAMS {
        let mut meter = Meter::new(api, true, 7);
        meter.push(stream.as_bytes());
        let reading = Reading { tokens: Some(tokens(cache_write)), whole: true, failed: None };
        assert_eq!(meter.finish(), reading, "{api:?}");
        assert_eq!(meter.running(), tokens(cache_write), "{api:?}");
    }
}

#[test]
fn a_stream_that_was_cut_is_unknown_and_guessed() {
    for (api, stream, cache_write) in STREAMS {
        let mut meter = Meter::new(api, true, 7);
        let cut = stream.find("hello wo").unwrap();
        let event = cut + stream[cut..].find('\n').unwrap() + 3;
        meter.push(&stream.as_bytes()[..event]);
        assert_eq!(meter.finish(), Reading { tokens: None, whole: false, failed: None }, "{api:?}");
        let input = match api {
            Api::Messages | Api::Gemini => 1000,
            Api::Responses | Api::Chat => 7,
        };
        let running = meter.running();
        assert_eq!((running.input, running.cache_write, running.output), (input, cache_write, 2), "{api:?}");
    }
}

#[test]
fn every_api_says_what_a_whole_answer_cost() {
    let rows = [
        (
            Api::Responses,
            r#"{"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":200},"output_tokens":50},"error":null}"#,
            0,
        ),
        (
            Api::Chat,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":200}}}"#,
            0,
        ),
        (
            Api::Messages,
            r#"{"type":"message","usage":{"input_tokens":700,"cache_read_input_tokens":200,"cache_creation_input_tokens":100,"output_tokens":50}}"#,
            100,
        ),
        (
            Api::Gemini,
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":200,"candidatesTokenCount":50}}"#,
            0,
        ),
        (
            Api::Gemini,
            r#"[{"candidates":[]},{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":200,"candidatesTokenCount":50}}]"#,
            0,
        ),
    ];
    for (api, body, cache_write) in rows {
        let mut meter = Meter::new(api, false, 7);
        let (head, tail) = body.as_bytes().split_at(9);
        meter.push(head);
        meter.push(tail);
        let reading = Reading { tokens: Some(tokens(cache_write)), whole: true, failed: None };
        assert_eq!(meter.finish(), reading, "{body}");
    }
    let mut meter = Meter::new(Api::Chat, false, 7);
    meter.push(b"{\"choices\":[]}");
    assert_eq!(meter.finish(), Reading { tokens: None, whole: true, failed: None }, "no usage is unknown, not zero");
}

#[test]
fn a_failure_within_a_stream_is_classed_by_its_code() {
    let rows = [
        (
            Api::Responses,
            r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}"#,
            Trouble::RateLimit,
        ),
        (Api::Responses, r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#, Trouble::Server),
        (Api::Chat, r#"{"error":{"code":"insufficient_quota","type":"x"}}"#, Trouble::Auth),
        (Api::Messages, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Trouble::Server),
        (Api::Gemini, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, Trouble::Auth),
    ];
    for (api, data, expected) in rows {
        let mut meter = Meter::new(api, true, 0);
        meter.push(format!("data: {data}\n\n").as_bytes());
        assert_eq!(meter.finish().failed, Some(expected), "{data}");
    }
}

proptest! {
    #[test]
    fn chunks_may_be_cut_anywhere(which in 0usize..4, cuts in prop::collection::vec(1usize..40, 0..60)) {
        let (api, stream, cache_write) = STREAMS[which];
        let mut meter = Meter::new(api, true, 7);
        let mut rest = stream.as_bytes();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            meter.push(head);
            rest = tail;
        }
        meter.push(rest);
        prop_assert_eq!(meter.finish().tokens, Some(tokens(cache_write)));
    }

    #[test]
    fn nothing_that_a_provider_says_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0usize..4, streamed: bool) {
        let mut meter = Meter::new(STREAMS[which].0, streamed, 7);
        meter.push(&bytes);
        meter.finish();
    }
}
