//! Anthropic Messages, as claude speaks it. Its `input_tokens` are without those that came from the cache.

use super::{Answer, Conversation, Said, Wire, event, joined};
use crate::model::script::Refusal;
use crate::model::tools::{Shape, Tool};
use serde_json::{Value, json};

pub(super) struct Messages;

impl Wire for Messages {
    fn tools(&self, body: &Value) -> Vec<Tool> {
        let tool = |tool: &Value| {
            let name = tool["name"].as_str()?.to_owned();
            // What the provider runs by itself has no schema and is not ours to call.
            Some(Tool { name, namespace: None, shape: Shape::Schema(tool.get("input_schema")?.clone()) })
        };
        body["tools"].as_array().into_iter().flatten().filter_map(tool).collect()
    }

    fn conversation(&self, body: &Value) -> Conversation {
        let mut conversation = Conversation::default();
        for message in body["messages"].as_array().into_iter().flatten() {
            let text = joined(&message["content"]);
            if message["role"] == "user" {
                conversation.user(&text);
                continue;
            }
            let blocks = message["content"].as_array().into_iter().flatten();
            let calls = blocks.filter(|block| block["type"] == "tool_use").count();
            if calls == 0 {
                conversation.text(text);
            }
            conversation.said.extend((0..calls).map(|_| Said::Call));
        }
        conversation
    }

    fn schema(&self, body: &Value) -> Option<Value> {
        let formats = [&body["output_config"]["format"], &body["output_format"]];
        formats.iter().find_map(|format| format.get("schema")).cloned()
    }

    fn whole(&self, answer: &Answer) -> Value {
        message(answer, blocks(answer), Some(stop(answer)), answer.usage.output)
    }

    fn stream(&self, answer: &Answer) -> Vec<String> {
        let mut sent = Vec::new();
        let mut add = |kind: &str, mut data: Value| {
            data["type"] = json!(kind);
            sent.push(event(kind, &data));
        };
        add("message_start", json!({"message": message(answer, Vec::new(), None, 1)}));
        add("ping", json!({}));
        for (index, block) in blocks(answer).into_iter().enumerate() {
            let mut empty = block.clone();
            let deltas: Vec<Value> = if block["type"] == "text" {
                empty["text"] = json!("");
                answer.pieces().iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect()
            } else {
                empty["input"] = json!({});
                vec![json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})]
            };
            add("content_block_start", json!({"index": index, "content_block": empty}));
            for delta in deltas {
                add("content_block_delta", json!({"index": index, "delta": delta}));
            }
            add("content_block_stop", json!({"index": index}));
        }
        let delta = json!({"stop_reason": stop(answer), "stop_sequence": null});
        add("message_delta", json!({"delta": delta, "usage": usage(answer, answer.usage.output)}));
        add("message_stop", json!({}));
        sent
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let kind = match refusal.status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500..=599 => "api_error",
            _ => "invalid_request_error",
        };
        let error = json!({"type": kind, "message": refusal.message});
        json!({"type": "error", "error": error, "request_id": "req_scripted"})
    }

    fn fault(&self, message: &str) -> String {
        event("error", &json!({"type": "error", "error": {"type": "overloaded_error", "message": message}}))
    }
}

fn blocks(answer: &Answer) -> Vec<Value> {
    let text = answer.text.as_ref().map(|text| json!({"type": "text", "text": text}));
    let call = answer
        .call
        .as_ref()
        .map(|call| json!({"type": "tool_use", "id": answer.id("toolu"), "name": call.tool, "input": call.arguments}));
    text.into_iter().chain(call).collect()
}

fn stop(answer: &Answer) -> &'static str {
    if answer.call.is_some() { "tool_use" } else { "end_turn" }
}

fn message(answer: &Answer, content: Vec<Value>, stop: Option<&str>, output: u64) -> Value {
    json!({
        "id": answer.id("msg"), "type": "message", "role": "assistant", "model": answer.model, "content": content,
        "stop_reason": stop, "stop_sequence": null, "usage": usage(answer, output),
    })
}

fn usage(answer: &Answer, output: u64) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.input - usage.cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached, "output_tokens": output,
    })
}
