//! One request as whoever watches sees it: by the conventions for calls of models, without a word of what was said.

use super::audit::Line;
use super::desk::Desk;
use crate::figures::{ANSWERS, COST, REQUESTS, USAGE};
use arena_runtime::telemetry;
use tracing::Span;
use tracing::field::Empty;

/// Below the phase of the engine that asks.
pub(super) fn request(desk: &Desk) -> Span {
    tracing::info_span!(
        target: telemetry::TARGET,
        parent: &desk.policy.span,
        "request",
        otel.name = Empty,
        otel.kind = "client",
        gen_ai.operation.name = Empty,
        gen_ai.provider.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        http.request.resend_count = Empty,
        http.response.status_code = Empty,
        arena.cost.usd = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// The request is over, and its line is written.
pub(super) fn close(desk: &Desk, span: &Span, line: &Line) {
    let provider = provider(line.provider.as_deref());
    let asks = line.model.is_some();
    let model = model(desk, line.model.as_deref());
    let failed = failure(line);
    if asks {
        span.record("otel.name", format!("chat {model}"));
        span.record("gen_ai.operation.name", "chat");
        span.record("gen_ai.provider.name", provider);
        span.record("gen_ai.request.model", model);
    } else {
        span.record("otel.name", "egress");
    }
    span.record("http.response.status_code", line.status);
    if line.attempts > 1 {
        span.record("http.request.resend_count", line.attempts - 1);
    }
    if !failed.is_empty() {
        span.record("error.type", failed);
        span.record("otel.status_code", "ERROR");
    }
    let engine = desk.policy.engine.as_str();
    let all = [("gen_ai.provider.name", provider), ("arena.engine", engine), ("error.type", failed)];
    REQUESTS.add(1.0, &all);
    if !asks || line.refused.is_some() && line.attempts == 0 {
        return;
    }
    let of_model =
        [("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", provider), ("gen_ai.request.model", model)];
    ANSWERS.record(line.ms as f64 / 1000.0, &[of_model[0], of_model[1], of_model[2], ("error.type", failed)]);
    for (kind, tokens) in [("input", line.input_tokens), ("output", line.output_tokens)] {
        if let Some(tokens) = tokens {
            USAGE.record(tokens as f64, &[of_model[0], of_model[1], of_model[2], ("gen_ai.token.type", kind)]);
        }
    }
    if let Some(tokens) = line.input_tokens {
        span.record("gen_ai.usage.input_tokens", tokens);
    }
    if let Some(tokens) = line.output_tokens {
        span.record("gen_ai.usage.output_tokens", tokens);
    }
    if let Some(cost) = line.cost_usd {
        span.record("arena.cost.usd", cost);
        COST.add(cost, &[of_model[1], of_model[2], ("arena.engine", engine)]);
    }
}

/// As the conventions name it.
fn provider(name: Option<&str>) -> &str {
    match name {
        Some("google") => "gcp.gemini",
        Some(name) => name,
        None => "none",
    }
}

/// A name that the packet or the configuration knows. An engine may ask for any, and what it wrote is not passed on.
fn model<'a>(desk: &'a Desk, asked: Option<&str>) -> &'a str {
    let provider = desk.provider.as_ref();
    let prices = provider.into_iter().flat_map(|provider| provider.price.keys());
    let models = provider.into_iter().flat_map(|provider| &provider.models);
    let mut known = desk.policy.model.iter().chain(prices).chain(models);
    known.find(|known| Some(known.as_str()) == asked).map_or("other", String::as_str)
}

/// In few words; empty: it went well.
fn failure(line: &Line) -> &'static str {
    match (&line.trouble, &line.refused, line.status) {
        (_, Some(_), _) => "refused",
        (Some(trouble), None, _) if trouble == "left" => "left",
        (Some(_), None, 429) => "rate_limited",
        (Some(_), None, _) => "failed",
        (None, None, 400..) => "answered_with_an_error",
        (None, None, _) => "",
    }
}
