//! OpenAI Chat Completions, as opencode, aider, mini-swe-agent and qwen speak it.

use super::responses::openai_error;
use super::{Answer, Conversation, Said, Wire, joined};
use crate::model::script::Refusal;
use crate::model::tools::{Call, Shape, Tool};
use serde_json::{Value, json};

pub(super) struct Chat;

impl Wire for Chat {
    fn tools(&self, body: &Value) -> Vec<Tool> {
        let functions = body["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
        let tool = |function: &Value| {
            let name = function["name"].as_str()?.to_owned();
            Some(Tool { name, namespace: None, shape: Shape::Schema(function["parameters"].clone()) })
        };
        functions.filter_map(tool).collect()
    }

    fn conversation(&self, body: &Value) -> Conversation {
        let mut conversation = Conversation::default();
        for message in body["messages"].as_array().into_iter().flatten() {
            let calls = message["tool_calls"].as_array().map_or(0, Vec::len);
            match message["role"].as_str() {
                Some("assistant") if calls > 0 => conversation.said.extend((0..calls).map(|_| Said::Call)),
                Some("assistant") => conversation.text(joined(&message["content"])),
                Some("user") => conversation.user(&joined(&message["content"])),
                _ => {}
            }
        }
        conversation
    }

    fn schema(&self, body: &Value) -> Option<Value> {
        body["response_format"]["json_schema"].get("schema").cloned()
    }

    fn whole(&self, answer: &Answer) -> Value {
        let mut message = json!({"role": "assistant", "content": answer.text});
        if let Some(call) = &answer.call {
            message["tool_calls"] = json!([tool_call(answer, call)]);
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(answer)});
        envelope(answer, "chat.completion", json!([choice]), Some(usage(answer)))
    }

    fn stream(&self, answer: &Answer) -> Vec<String> {
        let mut sent = vec![delta(answer, json!({"role": "assistant", "content": ""}), None)];
        sent.extend(answer.pieces().iter().map(|piece| delta(answer, json!({"content": piece}), None)));
        if let Some(call) = &answer.call {
            let mut begun = tool_call(answer, call);
            begun["index"] = json!(0);
            let arguments = begun["function"]["arguments"].take();
            begun["function"]["arguments"] = json!("");
            let rest = json!([{"index": 0, "function": {"arguments": arguments}}]);
            sent.push(delta(answer, json!({"tool_calls": [begun]}), None));
            sent.push(delta(answer, json!({"tool_calls": rest}), None));
        }
        sent.push(delta(answer, json!({}), Some(finish(answer))));
        if answer.usage_in_stream {
            sent.push(data(&envelope(answer, "chat.completion.chunk", json!([]), Some(usage(answer)))));
        }
        sent.push("data: [DONE]\n\n".to_owned());
        sent
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        openai_error(refusal)
    }

    fn fault(&self, message: &str) -> String {
        data(&json!({"error": {"message": message, "type": "server_error", "param": null, "code": null}}))
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn envelope(answer: &Answer, object: &str, choices: Value, usage: Option<Value>) -> Value {
    let id = answer.id("chatcmpl");
    let mut whole =
        json!({"id": id, "object": object, "created": 1_700_000_000, "model": answer.model, "choices": choices});
    if let Some(usage) = usage {
        whole["usage"] = usage;
    }
    whole
}

fn delta(answer: &Answer, delta: Value, finish: Option<&str>) -> String {
    let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    data(&envelope(answer, "chat.completion.chunk", choices, None))
}

fn tool_call(answer: &Answer, call: &Call) -> Value {
    let function = json!({"name": call.tool, "arguments": call.arguments.to_string()});
    json!({"id": answer.id("call"), "type": "function", "function": function})
}

fn finish(answer: &Answer) -> &'static str {
    if answer.call.is_some() { "tool_calls" } else { "stop" }
}

fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}
