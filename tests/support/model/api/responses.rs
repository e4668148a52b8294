//! OpenAI Responses, as codex speaks it.

use super::{Answer, Conversation, Said, Wire, event, joined};
use crate::model::script::Refusal;
use crate::model::tools::{Call, Shape, Tool};
use serde_json::{Value, json};

pub(super) struct Responses;

impl Wire for Responses {
    fn tools(&self, body: &Value) -> Vec<Tool> {
        let mut found = Vec::new();
        declared(&body["tools"], None, &mut found);
        // Tools may also be declared later, in the conversation.
        for item in body["input"].as_array().into_iter().flatten() {
            declared(&item["tools"], None, &mut found);
        }
        found
    }

    fn conversation(&self, body: &Value) -> Conversation {
        let mut conversation = Conversation::default();
        if let Some(text) = body["input"].as_str() {
            conversation.user(text);
        }
        for item in body["input"].as_array().into_iter().flatten() {
            if item["type"].as_str().is_some_and(|kind| kind.ends_with("_call")) {
                conversation.said.push(Said::Call);
            } else if item["role"] == "assistant" {
                conversation.text(joined(&item["content"]));
            } else if item["role"] == "user" {
                conversation.user(&joined(&item["content"]));
            }
        }
        conversation
    }

    fn schema(&self, body: &Value) -> Option<Value> {
        body["text"]["format"].get("schema").cloned()
    }

    fn whole(&self, answer: &Answer) -> Value {
        response(answer, "completed", items(answer), usage(answer))
    }

    fn stream(&self, answer: &Answer) -> Vec<String> {
        let mut events = Events::default();
        let begun = response(answer, "in_progress", Vec::new(), Value::Null);
        events.add("response.created", json!({"response": begun}));
        events.add("response.in_progress", json!({"response": begun}));
        for (place, item) in items(answer).iter().enumerate() {
            if item["type"] == "message" {
                events.message(place, item, &answer.pieces());
            } else {
                events.call(place, item);
            }
            events.add("response.output_item.done", json!({"output_index": place, "item": item}));
        }
        events.add("response.completed", json!({"response": self.whole(answer)}));
        events.sent
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        openai_error(refusal)
    }

    fn fault(&self, message: &str) -> String {
        let error = json!({"code": "server_error", "message": message});
        let response =
            json!({"id": "resp_scripted", "object": "response", "status": "failed", "error": error, "output": []});
        event("response.failed", &json!({"type": "response.failed", "sequence_number": 0, "response": response}))
    }
}

/// Both of OpenAI's APIs say errors in this shape.
pub(super) fn openai_error(refusal: &Refusal) -> Value {
    let quota = refusal.code.as_deref() == Some("insufficient_quota");
    let (kind, code) = match refusal.status {
        _ if quota => ("insufficient_quota", None),
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500..=599 => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    let code = refusal.code.as_deref().or(code);
    json!({"error": {"message": refusal.message, "type": kind, "param": null, "code": code}})
}

fn declared(tools: &Value, namespace: Option<&str>, found: &mut Vec<Tool>) {
    for tool in tools.as_array().into_iter().flatten() {
        let name = tool["name"].as_str().unwrap_or_default();
        let shape = match tool["type"].as_str() {
            Some("function") => Shape::Schema(tool["parameters"].clone()),
            Some("custom") => Shape::Free,
            Some("namespace") => {
                declared(&tool["tools"], Some(name), found);
                continue;
            }
            _ => continue,
        };
        found.push(Tool { name: name.to_owned(), namespace: namespace.map(str::to_owned), shape });
    }
}

fn items(answer: &Answer) -> Vec<Value> {
    let text = answer.text.as_deref().map(|text| {
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        json!({"type": "message", "id": answer.id("msg"), "role": "assistant", "status": "completed", "content": content})
    });
    text.into_iter().chain(answer.call.as_ref().map(|call| call_item(answer, call))).collect()
}

fn call_item(answer: &Answer, call: &Call) -> Value {
    let mut item =
        json!({"id": answer.id("fc"), "call_id": answer.id("call"), "name": call.tool, "status": "completed"});
    if let Some(namespace) = &call.namespace {
        item["namespace"] = json!(namespace);
    }
    if let Some(free) = call.arguments.as_str() {
        item["type"] = json!("custom_tool_call");
        item["input"] = json!(free);
    } else {
        item["type"] = json!("function_call");
        item["arguments"] = json!(call.arguments.to_string());
    }
    item
}

fn response(answer: &Answer, status: &str, output: Vec<Value>, usage: Value) -> Value {
    json!({
        "id": answer.id("resp"), "object": "response", "created_at": 1_700_000_000, "status": status,
        "model": answer.model, "output": output, "usage": usage, "error": null, "incomplete_details": null,
    })
}

fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.input, "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

/// Events with their running numbers.
#[derive(Default)]
struct Events {
    sent: Vec<String>,
}

impl Events {
    fn add(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.sent.len());
        self.sent.push(event(kind, &data));
    }

    fn message(&mut self, place: usize, item: &Value, pieces: &[String]) {
        let at = |mut data: Value| {
            data["item_id"] = item["id"].clone();
            data["output_index"] = json!(place);
            data["content_index"] = json!(0);
            data
        };
        let mut empty = item.clone();
        empty["content"] = json!([]);
        empty["status"] = json!("in_progress");
        self.add("response.output_item.added", json!({"output_index": place, "item": empty}));
        let part = json!({"type": "output_text", "text": "", "annotations": []});
        self.add("response.content_part.added", at(json!({"part": part})));
        for piece in pieces {
            self.add("response.output_text.delta", at(json!({"delta": piece})));
        }
        let part = &item["content"][0];
        self.add("response.output_text.done", at(json!({"text": part["text"]})));
        self.add("response.content_part.done", at(json!({"part": part})));
    }

    fn call(&mut self, place: usize, item: &Value) {
        let (field, name) = if item["type"] == "function_call" {
            ("arguments", "response.function_call_arguments")
        } else {
            ("input", "response.custom_tool_call_input")
        };
        let mut empty = item.clone();
        empty[field] = json!("");
        empty["status"] = json!("in_progress");
        self.add("response.output_item.added", json!({"output_index": place, "item": empty}));
        let at = json!({"item_id": item["id"], "output_index": place});
        let (mut delta, mut done) = (at.clone(), at);
        delta["delta"] = item[field].clone();
        done[field] = item[field].clone();
        self.add(&format!("{name}.delta"), delta);
        self.add(&format!("{name}.done"), done);
    }
}
