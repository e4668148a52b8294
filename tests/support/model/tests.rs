//! The model itself, asked by a small client in all four APIs.

mod client;

use super::*;
use client::{Ended, Got, post};
use serde_json::{Value, json};

const APIS: [Api; 4] = [Api::Responses, Api::Chat, Api::Messages, Api::Google];

/// A conversation as each API writes it.
struct Talk {
    api: Api,
    prompt: String,
    streams: bool,
    tools: bool,
    calls: usize,
}

impl Talk {
    fn new(api: Api) -> Self {
        Self { api, prompt: "do it".into(), streams: false, tools: true, calls: 0 }
    }

    fn streamed(self) -> Self {
        Self { streams: true, ..self }
    }

    fn after(self, calls: usize) -> Self {
        Self { calls, ..self }
    }

    fn prompt(self, prompt: &str) -> Self {
        Self { prompt: prompt.into(), ..self }
    }

    fn path(&self) -> &'static str {
        match (self.api, self.streams) {
            (Api::Responses, _) => "/v1/responses",
            (Api::Chat, _) => "/v1/chat/completions",
            (Api::Messages, _) => "/v1/messages?beta=true",
            (Api::Google, false) => "/v1beta/models/m:generateContent",
            (Api::Google, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
        }
    }

    fn body(&self) -> Value {
        let text = &self.prompt;
        let schema = json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]});
        let tools = |list: Value| if self.tools { list } else { json!([]) };
        let talk = |first: Value, call: Value, result: Value| {
            let mut all = vec![first];
            (0..self.calls).for_each(|_| all.extend([call.clone(), result.clone()]));
            all
        };
        match self.api {
            Api::Responses => json!({
                "model": "m", "stream": self.streams,
                "tools": tools(json!([{"type": "function", "name": "shell_command", "parameters": schema}])),
                "input": talk(json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}),
                    json!({"type": "function_call", "call_id": "c", "name": "shell_command", "arguments": "{}"}),
                    json!({"type": "function_call_output", "call_id": "c", "output": "ok"})),
            }),
            Api::Chat => json!({
                "model": "m", "stream": self.streams, "stream_options": {"include_usage": true},
                "tools": tools(json!([{"type": "function", "function": {"name": "bash", "parameters": schema}}])),
                "messages": talk(json!({"role": "user", "content": text}),
                    json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c"}]}),
                    json!({"role": "tool", "tool_call_id": "c", "content": "ok"})),
            }),
            Api::Messages => json!({
                "model": "m", "stream": self.streams, "max_tokens": 9,
                "tools": tools(json!([{"name": "Bash", "input_schema": schema}])),
                "messages": talk(json!({"role": "user", "content": text}),
                    json!({"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "Bash", "input": {}}]}),
                    json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]})),
            }),
            Api::Google => json!({
                "tools": tools(json!([{"functionDeclarations": [{"name": "run_shell_command", "parametersJsonSchema": schema}]}])),
                "contents": talk(json!({"role": "user", "parts": [{"text": text}]}),
                    json!({"role": "model", "parts": [{"functionCall": {"name": "run_shell_command", "args": {}}}]}),
                    json!({"role": "user", "parts": [{"functionResponse": {"name": "run_shell_command"}}]})),
            }),
        }
    }

    fn ask(&self, model: &Model) -> Got {
        post(model.port(), self.path(), &[], &self.body()).expect("an answer")
    }
}

/// What an answer means, read back as an engine would: text, command, and usage as input, cached and output.
#[derive(Debug, PartialEq, Eq)]
struct Meaning {
    text: String,
    command: String,
    usage: [u64; 3],
}

fn meaning(api: Api, whole: &Value) -> Meaning {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number =
        |place: &str| whole.pointer(place).and_then(Value::as_u64).unwrap_or_else(|| panic!("{place}: {whole}"));
    let command = |arguments: &Value| {
        let parsed = arguments.as_str().map(|text| serde_json::from_str::<Value>(text).expect("arguments"));
        text(&parsed.as_ref().unwrap_or(arguments)["command"])
    };
    match api {
        Api::Responses => {
            let item = whole["output"].as_array().and_then(|items| items.last()).expect("an item");
            let usage = ["/usage/input_tokens", "/usage/input_tokens_details/cached_tokens", "/usage/output_tokens"];
            let command = if item["type"] == "function_call" { command(&item["arguments"]) } else { String::new() };
            Meaning { text: text(&item["content"][0]["text"]), command, usage: usage.map(number) }
        }
        Api::Chat => {
            let message = &whole["choices"][0]["message"];
            let call = message["tool_calls"].get(0).map(|call| command(&call["function"]["arguments"]));
            let usage =
                ["/usage/prompt_tokens", "/usage/prompt_tokens_details/cached_tokens", "/usage/completion_tokens"];
            Meaning { text: text(&message["content"]), command: call.unwrap_or_default(), usage: usage.map(number) }
        }
        Api::Messages => {
            let block = &whole["content"][0];
            let [input, cached, output] =
                ["/usage/input_tokens", "/usage/cache_read_input_tokens", "/usage/output_tokens"].map(number);
            Meaning {
                text: text(&block["text"]),
                command: command(&block["input"]),
                usage: [input + cached, cached, output],
            }
        }
        Api::Google => {
            let part = &whole["candidates"][0]["content"]["parts"][0];
            let counted = "/usageMetadata/";
            let input = number(&format!("{counted}promptTokenCount"));
            let usage = [
                input,
                number(&format!("{counted}cachedContentTokenCount")),
                number(&format!("{counted}totalTokenCount")) - input,
            ];
            Meaning { text: text(&part["text"]), command: command(&part["functionCall"]["args"]), usage }
        }
    }
}

/// The whole answer that the events of a stream make, put together as a client does.
fn gathered(api: Api, events: &[Value]) -> Value {
    let texts = |place: &str| -> String { events.iter().filter_map(|event| event.pointer(place)?.as_str()).collect() };
    let last = |place: &str| events.iter().rev().find_map(|event| event.pointer(place)).cloned().unwrap_or_default();
    match api {
        Api::Responses => {
            let whole = last("/response");
            let delta: String = events
                .iter()
                .filter(|event| event["type"].as_str().is_some_and(|kind| kind.ends_with("output_text.delta")))
                .filter_map(|event| event["delta"].as_str())
                .collect();
            if !delta.is_empty() {
                assert_eq!(whole["output"][0]["content"][0]["text"], delta.as_str());
            }
            whole
        }
        Api::Chat => {
            let arguments = texts("/choices/0/delta/tool_calls/0/function/arguments");
            let calls = if arguments.is_empty() { json!([]) } else { json!([{"function": {"arguments": arguments}}]) };
            let message = json!({"content": texts("/choices/0/delta/content"), "tool_calls": calls});
            json!({"choices": [{"message": message}], "usage": last("/usage")})
        }
        Api::Messages => {
            let input = texts("/delta/partial_json");
            json!({"content": [{"text": texts("/delta/text"), "input": input_of(&input)}], "usage": last("/usage")})
        }
        Api::Google => {
            let part = json!({"text": texts("/candidates/0/content/parts/0/text"),
                "functionCall": last("/candidates/0/content/parts/0/functionCall")});
            json!({"candidates": [{"content": {"parts": [part]}}], "usageMetadata": last("/usageMetadata")})
        }
    }
}

fn input_of(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { serde_json::from_str(text).expect("an input") }
}

#[test]
fn each_api_says_the_same_streamed_and_whole() {
    let turns = [shell("make fix").usage(900, 300, 70), text("done, with ünïcode, in the end").piece(3)];
    let model = Model::start(vec![script("fix", turns)]);
    for api in APIS {
        for (calls, said, command, usage) in
            [(0, "", "make fix", [900, 300, 70]), (1, "done, with ünïcode, in the end", "", [1000, 200, 50])]
        {
            let wanted = Meaning { text: said.into(), command: command.into(), usage };
            let whole = Talk::new(api).after(calls).ask(&model);
            assert_eq!((whole.status, whole.end), (200, Ended::Whole));
            assert_eq!(meaning(api, &whole.json()), wanted, "{api:?}");
            let streamed = Talk::new(api).after(calls).streamed().ask(&model);
            assert_eq!(meaning(api, &gathered(api, &streamed.events())), wanted, "{api:?} in a stream");
        }
    }
    assert_eq!(model.turns("fix"), [0, 0, 1, 1].repeat(4));
}

#[test]
fn the_turn_is_that_of_the_conversation_and_the_last_one_is_repeated() {
    let model = Model::start(vec![script("loop", [shell("one"), shell("two")])]);
    for api in APIS {
        let commands =
            [0, 1, 2, 7, 0].map(|calls| meaning(api, &Talk::new(api).after(calls).ask(&model).json()).command);
        assert_eq!(commands, ["one", "two", "two", "two", "one"], "{api:?}");
    }
}

#[test]
fn a_marker_chooses_the_script_and_an_unknown_one_is_said() {
    let model = Model::start(vec![script("a", [text("from a")]), script("b", [text("from b")])]);
    for api in APIS {
        let ask = |prompt: &str| Talk::new(api).prompt(prompt).ask(&model);
        assert_eq!(meaning(api, &ask("go").json()).text, "from a");
        assert_eq!(meaning(api, &ask("go [[script:b]] and [[script:a]]").json()).text, "from b");
        let unknown = ask("[[script:c]]");
        assert_eq!(unknown.status, 400);
        assert!(unknown.text().contains("no script c"), "{}", unknown.text());
    }
}

#[test]
fn a_failure_is_played_so_often_to_each_conversation() {
    let model =
        Model::start(vec![script("fail", [error(500).times(2), shell("go"), error(429).times(1), text("done")])]);
    for api in APIS {
        for prompt in ["first", "second"] {
            let statuses = |calls| {
                let ask = || Talk::new(api).prompt(prompt).after(calls).ask(&model).status;
                [ask(), ask(), ask(), ask()]
            };
            assert_eq!(statuses(0), [500, 500, 200, 200], "{api:?}");
            assert_eq!(statuses(1), [429, 200, 200, 200], "{api:?}");
        }
    }
    assert_eq!(model.turns("fail"), [0, 0, 1, 1, 2, 3, 3, 3].repeat(8));
}

#[test]
fn errors_have_the_shape_of_their_api() {
    let quota = error(429).message("no more").code("insufficient_quota").retry_after(7);
    let model = Model::start(vec![script("quota", [quota])]);
    let got = APIS.map(|api| {
        let got = Talk::new(api).streamed().ask(&model);
        assert_eq!((got.status, got.retry_after.as_deref(), got.end), (429, Some("7"), Ended::Whole));
        got.json()
    });
    let openai = json!({"error": {"message": "no more", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}});
    assert_eq!(got[0], openai);
    assert_eq!(got[1], openai);
    let error = json!({"type": "rate_limit_error", "message": "no more"});
    assert_eq!(got[2], json!({"type": "error", "error": error, "request_id": "req_scripted"}));
    assert_eq!(got[3]["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(got[3]["error"]["details"][1]["retryDelay"], "7s");
}

#[test]
fn a_stream_stalls_is_cut_or_ends_with_an_error_and_silence_is_silence() {
    let scripts = [("stall", stall()), ("cut", cut()), ("fault", fault("overloaded")), ("silence", silence())];
    let model = Model::start(scripts.map(|(name, turn)| script(name, [turn])).into());
    for api in APIS {
        let talk = |name: &str| Talk::new(api).streamed().prompt(&format!("[[script:{name}]]"));
        for (name, end) in [("stall", Ended::Silent), ("cut", Ended::Broken), ("fault", Ended::Whole)] {
            let got = talk(name).ask(&model);
            assert_eq!((got.status, got.end), (200, end), "{api:?} {name}");
            assert!(got.text().contains("An a"), "{api:?} {name}: {}", got.text());
            assert_eq!(got.text().contains("overloaded"), name == "fault", "{api:?} {name}");
            let is_final = ["response.completed", "[DONE]", "message_stop", "finishReason"];
            assert!(is_final.iter().all(|word| !got.text().contains(word)), "{api:?} {name}: {}", got.text());
        }
        let silent = talk("silence");
        assert!(post(model.port(), silent.path(), &[], &silent.body()).is_none(), "{api:?}");
    }
}

#[test]
fn a_request_without_tools_is_answered_aside_and_in_the_form_that_it_wants() {
    let model = Model::start(vec![script("fix", [shell("go"), text("done")])]);
    for api in APIS {
        let talk = Talk { tools: false, ..Talk::new(api) };
        assert_eq!(meaning(api, &talk.ask(&model).json()).text, "Scripted");
        let schema = json!({"type": "OBJECT", "properties": {"choice": {"type": "STRING", "enum": ["flash", "pro"]}}});
        let mut body = talk.body();
        body["text"] = json!({"format": {"schema": schema}});
        body["response_format"] = json!({"json_schema": {"schema": schema}});
        body["output_config"] = json!({"format": {"schema": schema}});
        body["generationConfig"] = json!({"responseSchema": schema});
        let got = post(model.port(), talk.path(), &[], &body).expect("an answer");
        assert_eq!(meaning(api, &got.json()).text, r#"{"choice":"flash"}"#, "{api:?}");
    }
    assert!(model.requests().iter().all(|asked| asked.played == Played::Aside));
    assert_eq!(model.turns("fix"), Vec::<usize>::new());
}

#[test]
fn without_its_key_nothing_is_answered_and_every_api_has_its_own_way_to_show_it() {
    let model = Model::start(vec![script("ok", [text("done")])]);
    model.require_key("canary-1");
    let ways = [
        (Api::Responses, "authorization", "Bearer canary-1"),
        (Api::Chat, "authorization", "Bearer canary-1"),
        (Api::Messages, "x-api-key", "canary-1"),
        (Api::Google, "x-goog-api-key", "canary-1"),
    ];
    for (api, header, value) in ways {
        let talk = Talk::new(api);
        let status = |headers: &[(&str, &str)]| {
            post(model.port(), talk.path(), headers, &talk.body()).expect("an answer").status
        };
        assert_eq!(
            [status(&[]), status(&[(header, "Bearer other")]), status(&[(header, value)])],
            [401, 401, 200],
            "{api:?}"
        );
    }
    let refused = model.requests().iter().filter(|asked| asked.played == Played::Unauthorized).count();
    assert_eq!(refused, 8);
}

#[test]
fn what_was_asked_is_written_down_with_its_headers() {
    let model = Model::start(vec![script("echo", [echo_headers()])]);
    let talk = Talk::new(Api::Messages);
    let got = post(model.port(), talk.path(), &[("x-hunted", "leak")], &talk.body()).expect("an answer");
    assert!(meaning(Api::Messages, &got.json()).text.contains("x-hunted: leak\n"), "{}", got.text());
    let body = talk.body();
    let wanted = Asked {
        method: "POST".into(),
        path: "/v1/messages?beta=true".into(),
        headers: vec![("host".into(), "model".into()), ("x-hunted".into(), "leak".into())],
        api: Some(Api::Messages),
        model: "m".into(),
        digest: arena_runtime::digest::sha256(body.to_string().as_bytes()),
        body,
        played: Played::Turn { script: "echo".into(), turn: 0 },
    };
    let mut asked = model.requests();
    asked[0].headers.retain(|(name, _)| name != "content-length");
    assert_eq!(asked, [wanted]);
}

#[test]
fn tokens_are_counted_aside() {
    let model = Model::start(vec![script("ok", [text("done")])]);
    let messages = post(model.port(), "/v1/messages/count_tokens", &[], &json!({"messages": []})).expect("an answer");
    assert!(messages.json()["input_tokens"].is_u64());
    let google = post(model.port(), "/v1beta/models/m:countTokens", &[], &json!({"contents": []})).expect("an answer");
    assert!(google.json()["totalTokens"].is_u64());
    assert!(model.requests().iter().all(|asked| asked.played == Played::Count));
}

#[test]
fn a_text_may_have_ten_thousand_pieces_and_chunks_of_any_length() {
    let model = Model::start(vec![script("many", [many(10_000)]), script("torn", [text("a sëcret").chunk(1)])]);
    for api in APIS {
        let got = Talk::new(api).streamed().ask(&model);
        assert_eq!(got.end, Ended::Whole);
        assert_eq!(meaning(api, &gathered(api, &got.events())).text.len(), 80_000, "{api:?}");
        assert!(got.events().len() >= 10_000, "{api:?}");
        let torn = Talk::new(api).prompt("[[script:torn]]").streamed().ask(&model);
        assert_eq!(meaning(api, &gathered(api, &torn.events())).text, "a sëcret", "{api:?}");
    }
}

#[test]
fn scripts_come_from_a_file_too_and_what_is_no_turn_is_refused() {
    let turns = json!([{"shell": "go", "say": "Now", "usage": [5, 1, 2]}, {"error": 429, "times": 1, "retry_after": 3}, {"text": "done"}]);
    let scripts = scripts_of(&json!({"fix": turns})).expect("scripts");
    let wanted = [shell("go").say("Now").usage(5, 1, 2), error(429).times(1).retry_after(3), text("done")];
    assert_eq!(format!("{scripts:?}"), format!("{:?}", [script("fix", wanted)]));
    assert_eq!(scripts_of(&json!([{"dance": 1}])).expect_err("refused"), r#"this is no turn: {"dance":1}"#);
    assert_eq!(scripts_of(&json!([])).expect_err("refused"), "script default has no turn");
}

#[test]
fn a_model_that_ends_ends_its_connections() {
    let model = Model::start(vec![script("silence", [silence()])]);
    let (port, talk) = (model.port(), Talk::new(Api::Chat));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut silent = std::net::TcpStream::connect(address).expect("a connection");
    let request = format!("POST {} HTTP/1.1\r\nhost: model\r\ncontent-length: 2\r\n\r\n{{}}", talk.path());
    std::io::Write::write_all(&mut silent, request.as_bytes()).expect("sent");
    model.await_turn("silence", 0, 1);
    drop(model);
    let mut rest = Vec::new();
    assert!(matches!(std::io::Read::read_to_end(&mut silent, &mut rest), Ok(0) | Err(_)));
    assert!(std::net::TcpStream::connect(address).is_err());
}
