//! Google generateContent, as gemini speaks it. Its thoughts are counted beside the candidates, not among them.

use super::{Answer, Conversation, Said, Wire};
use crate::model::script::Refusal;
use crate::model::tools::{Shape, Tool};
use serde_json::{Value, json};

pub(super) struct Google;

impl Wire for Google {
    fn tools(&self, body: &Value) -> Vec<Tool> {
        let groups = body["tools"].as_array().into_iter().flatten();
        let functions = groups.filter_map(|group| group["functionDeclarations"].as_array()).flatten();
        let tool = |function: &Value| {
            let name = function["name"].as_str()?.to_owned();
            let schema = function.get("parametersJsonSchema").unwrap_or(&function["parameters"]);
            Some(Tool { name, namespace: None, shape: Shape::Schema(schema.clone()) })
        };
        functions.filter_map(tool).collect()
    }

    fn conversation(&self, body: &Value) -> Conversation {
        let mut conversation = Conversation::default();
        for content in body["contents"].as_array().into_iter().flatten() {
            let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let said = parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str());
            let text: String = said.collect();
            if content["role"] != "model" {
                conversation.user(&text);
                continue;
            }
            let calls = parts.iter().filter(|part| part.get("functionCall").is_some()).count();
            if calls == 0 {
                conversation.text(text);
            }
            conversation.said.extend((0..calls).map(|_| Said::Call));
        }
        conversation
    }

    fn schema(&self, body: &Value) -> Option<Value> {
        let settings = &body["generationConfig"];
        settings.get("responseJsonSchema").or_else(|| settings.get("responseSchema")).cloned()
    }

    fn whole(&self, answer: &Answer) -> Value {
        let text = answer.text.as_ref().map(|text| json!({"text": text}));
        response(answer, text.into_iter().chain(call_part(answer)).collect(), true)
    }

    fn stream(&self, answer: &Answer) -> Vec<String> {
        let mut parts: Vec<Value> = answer.pieces().iter().map(|piece| json!({"text": piece})).collect();
        parts.extend(call_part(answer));
        if parts.is_empty() {
            parts.push(json!({"text": ""}));
        }
        let last = parts.len().saturating_sub(1);
        let chunks = parts.into_iter().enumerate().map(|(place, part)| response(answer, vec![part], place == last));
        chunks.map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let status = match refusal.status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            _ => "INTERNAL",
        };
        let mut details = Vec::new();
        if refusal.code.as_deref() == Some("insufficient_quota") {
            let violation = json!({"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "0"});
            details.push(json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}));
        }
        if let Some(seconds) = refusal.retry_after_s {
            let delay = format!("{seconds}s");
            details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
        }
        let (code, message) = (refusal.status, &refusal.message);
        json!({"error": {"code": code, "message": message, "status": status, "details": details}})
    }

    fn fault(&self, message: &str) -> String {
        let error = json!({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}});
        format!("data: {error}\r\n\r\n")
    }
}

fn call_part(answer: &Answer) -> Option<Value> {
    let call = answer.call.as_ref()?;
    Some(json!({"functionCall": {"id": answer.id("call"), "name": call.tool, "args": call.arguments}}))
}

fn response(answer: &Answer, parts: Vec<Value>, last: bool) -> Value {
    let usage = answer.usage;
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if last {
        candidate["finishReason"] = json!("STOP");
    }
    json!({
        "candidates": [candidate], "modelVersion": answer.model, "responseId": answer.id("response"),
        "usageMetadata": {
            "promptTokenCount": usage.input, "cachedContentTokenCount": usage.cached,
            "candidatesTokenCount": usage.output - usage.reasoning, "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": usage.input + usage.output,
        },
    })
}
