//! Trace context as the text that W3C calls `traceparent`, and spans whose ids outlive the process that began them.
//!
//! An empty text is no context: whoever is off, or was not told, passes it on and nothing is exported. A span that belongs
//! to no trace is never exported, so that looking at things makes no traces.

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Context, Key, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SamplingDecision, SamplingResult, SdkTracer, ShouldSample,
};
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Of the process, when traces are exported.
static TRACER: OnceLock<(SdkTracer, f64)> = OnceLock::new();

pub(super) fn install(tracer: SdkTracer, sample_ratio: f64) {
    let _ = TRACER.set((tracer, sample_ratio));
}

thread_local! {
    /// The ids of the span that is made next on this thread; they were decided before.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, but for spans whose ids were decided before.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| RandomIdGenerator::default().new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| RandomIdGenerator::default().new_span_id(), |(_, span)| span)
    }
}

/// As the parent was decided; what has none is a beginning that was decided before, or belongs nowhere.
#[derive(Debug, Clone)]
pub(super) struct Inherited;

impl ShouldSample for Inherited {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent =
            parent.filter(|parent| parent.has_active_span()).map(|parent| parent.span().span_context().clone());
        let sampled = match parent.filter(SpanContext::is_valid) {
            Some(parent) => parent.is_sampled(),
            None => NEXT.get().is_some(),
        };
        let decision = if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

/// What a span stands for in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Producer,
    Consumer,
}

/// A span that is written when it is over, with times and an id that were known otherwise.
#[derive(Debug, Clone)]
pub struct Past<'a> {
    pub name: String,
    pub kind: Kind,
    /// Its own context.
    pub own: &'a str,
    /// Empty: it is the first of its trace.
    pub parent: &'a str,
    /// Milliseconds since the epoch.
    pub start: u64,
    pub end: u64,
    pub attributes: Vec<(&'static str, Value)>,
    pub links: Vec<&'a str>,
    /// `error.type`, when it ended badly.
    pub error: Option<&'static str>,
}

/// The context of a new trace, or of a new part of the trace that `outer` names; empty when traces are off.
pub fn fresh(outer: &str) -> String {
    let Some((_, ratio)) = TRACER.get() else { return String::new() };
    let ids = RandomIdGenerator::default();
    let (trace, sampled) = match parsed(outer) {
        Some(outer) => (outer.trace_id(), outer.is_sampled()),
        None => (ids.new_trace_id(), crate::token::chance() < *ratio),
    };
    text(&context(trace, ids.new_span_id(), sampled))
}

/// The context of the part of this trace that `seed` names: the same whoever derives it. Empty for none.
pub fn derived(of: &str, seed: &str) -> String {
    let Some(of) = parsed(of) else { return String::new() };
    let digest = crate::digest::sha256(format!("{}/{seed}", of.trace_id()).as_bytes());
    match digest.get(..16).map(SpanId::from_hex) {
        Some(Ok(span)) if span != SpanId::INVALID => text(&context(of.trace_id(), span, of.is_sampled())),
        Some(Ok(_) | Err(_)) | None => String::new(),
    }
}

/// A new span's context within the trace of `of`. Empty for none.
pub fn child(of: &str) -> String {
    if of.is_empty() { String::new() } else { fresh(of) }
}

/// Where the caller is now.
pub fn current() -> String {
    of(&tracing::Span::current())
}

/// The context of this span; empty when it is not exported.
pub fn of(span: &tracing::Span) -> String {
    if TRACER.get().is_none() || span.is_disabled() {
        return String::new();
    }
    text(span.context().span().span_context())
}

/// Puts a span that has just been made into its trace: below `parent`, with the id of `own` unless that is empty, beside
/// `links`. Without a parent it stays where it is.
pub fn place(span: &tracing::Span, parent: &str, own: &str, links: &[&str]) {
    if TRACER.get().is_none() || span.is_disabled() {
        return;
    }
    let Some(parent) = parsed(parent) else { return };
    // A span that was begun already stays where it was begun.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    links.iter().filter_map(|link| parsed(link)).for_each(|link| span.add_link(link));
    if let Some(own) = parsed(own) {
        with_ids(&own, || drop(span.context()));
    }
}

/// Writes a span that is over.
pub fn write(past: Past<'_>) {
    let Some((tracer, _)) = TRACER.get() else { return };
    let Past { name, kind, own, parent, start, end, attributes, links, error } = past;
    let Some(own) = parsed(own).filter(SpanContext::is_sampled) else { return };
    let parent = parsed(parent).map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
    let kind = match kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Producer => SpanKind::Producer,
        Kind::Consumer => SpanKind::Consumer,
    };
    let attributes = attributes.into_iter().map(|(key, value)| KeyValue::new(Key::from_static_str(key), value));
    let links = links.iter().filter_map(|link| parsed(link)).map(Link::with_context);
    let builder = SpanBuilder::from_name(name).with_kind(kind).with_start_time(at(start));
    let builder = builder.with_attributes(attributes).with_links(links.collect());
    let mut span = with_ids(&own, || tracer.build_with_context(builder, &parent));
    if let Some(error) = error {
        span.set_attribute(KeyValue::new("error.type", error));
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(at(end.max(start)));
}

fn with_ids<T>(own: &SpanContext, make: impl FnOnce() -> T) -> T {
    NEXT.set(Some((own.trace_id(), own.span_id())));
    let made = make();
    NEXT.set(None);
    made
}

fn context(trace: TraceId, span: SpanId, sampled: bool) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(trace, span, flags, true, TraceState::default())
}

struct Pair(String);

impl Injector for Pair {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = value;
        }
    }
}

impl Extractor for Pair {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

fn text(context: &SpanContext) -> String {
    let mut pair = Pair(String::new());
    if context.is_valid() {
        let context = Context::new().with_remote_span_context(context.clone());
        TraceContextPropagator::new().inject_context(&context, &mut pair);
    }
    pair.0
}

/// `None` for what is empty or no context.
fn parsed(text: &str) -> Option<SpanContext> {
    if text.is_empty() {
        return None;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Pair(text.to_owned()));
    let found = context.span().span_context().clone();
    found.is_valid().then_some(found)
}

/// Says where the caller is to whoever answers this call.
pub fn metadata(map: &mut MetadataMap) {
    if let Ok(value) = current().parse()
        && TRACER.get().is_some()
    {
        map.insert(MetadataKey::from_static("traceparent"), value);
    }
}

/// Where whoever calls is; empty when they did not say.
pub fn read(value: Option<&[u8]>) -> String {
    let said = value.and_then(|value| std::str::from_utf8(value).ok()).and_then(parsed);
    said.map(|context| text(&context)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_derived_context_is_the_same_for_all_and_stays_in_its_trace() {
        let derived = derived(ONE, "process/s1/low/1/implement/1");
        assert_eq!(derived, super::derived(ONE, "process/s1/low/1/implement/1"));
        assert_ne!(derived, super::derived(ONE, "process/s1/low/1/implement/2"));
        assert_eq!(derived.get(..36), ONE.get(..36));
        assert_eq!(derived.len(), ONE.len());
        assert_eq!(super::derived("", "x"), "");
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in ["", "00-zz-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "word"]
        {
            assert_eq!(read(Some(text.as_bytes())), "", "{text}");
        }
        assert_eq!(read(Some(ONE.as_bytes())), ONE);
        assert_eq!(read(None), "");
    }

    #[test]
    fn off_gives_no_context() {
        assert_eq!((fresh(""), fresh(ONE), child(ONE), current()), Default::default());
    }
}
