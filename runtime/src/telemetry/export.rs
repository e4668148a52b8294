//! The way to the receiver: a bounded queue before it, and a count of what did not get there.

use super::meter::Counter;
use crate::clock;
use opentelemetry::Context;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter as Export, SpanProcessor,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Spans that wait at most; about a kilobyte each.
const MOST_WAITING: usize = 8192;
/// Shorter than the standard's 5 s: a process that is killed takes less with it.
const EVERY: Duration = Duration::from_secs(1);
/// An export that takes longer is not waited for at the end.
const SLOW: Duration = Duration::from_secs(1);

/// Spans by what became of them, named as OpenTelemetry names the figures of an SDK itself.
pub static EXPORTED: Counter =
    Counter::new("otel.sdk.exporter.span.exported", "{span}", "Spans by what became of them: error.type names a loss.");

/// What the exporter met.
#[derive(Debug, Default)]
pub(super) struct Health {
    waiting: AtomicUsize,
    refused: AtomicU64,
    failed: AtomicU64,
    /// When the export that is under way began, in milliseconds since the epoch; 0: none is.
    since: AtomicU64,
    /// The last export did not come to a good end.
    ill: AtomicBool,
}

impl Health {
    pub(super) fn lost(&self) -> u64 {
        self.refused.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    /// The receiver has not answered before, so waiting for it now is in vain.
    pub(super) fn is_stuck(&self) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let hangs = since > 0 && clock::now_millis().saturating_sub(since) > SLOW.as_millis() as u64;
        hangs || self.ill.load(Ordering::Relaxed)
    }
}

pub(super) fn traces(endpoint: &str, health: &Arc<Health>) -> Result<Bounded, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let mut config = BatchConfigBuilder::default().with_max_queue_size(MOST_WAITING);
    if std::env::var_os("OTEL_BSP_SCHEDULE_DELAY").is_none() {
        config = config.with_scheduled_delay(EVERY);
    }
    let counted = Counted { inner: exporter, health: health.clone() };
    let inner = BatchSpanProcessor::builder(counted).with_batch_config(config.build()).build();
    Ok(Bounded { inner, health: health.clone() })
}

pub(super) fn metrics(endpoint: &str) -> Result<PeriodicReader<MetricExporter>, ExporterBuildError> {
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(PeriodicReader::builder(exporter).build())
}

/// The queue before the exporter's, so that what does not fit is counted: the SDK only says so in a log.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: BatchSpanProcessor,
    health: Arc<Health>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.health.waiting.fetch_add(1, Ordering::AcqRel) < MOST_WAITING {
            self.inner.on_end(span);
        } else {
            self.health.waiting.fetch_sub(1, Ordering::AcqRel);
            self.health.refused.fetch_add(1, Ordering::Relaxed);
            EXPORTED.add(1.0, &[("error.type", "queue_full")]);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The exporter, counted.
#[derive(Debug)]
struct Counted {
    inner: SpanExporter,
    health: Arc<Health>,
}

impl Export for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let many = batch.len();
        self.health.since.store(clock::now_millis(), Ordering::Relaxed);
        let done = self.inner.export(batch).await;
        self.health.since.store(0, Ordering::Relaxed);
        self.health.ill.store(done.is_err(), Ordering::Relaxed);
        self.health.waiting.fetch_sub(many, Ordering::AcqRel);
        if done.is_err() {
            self.health.failed.fetch_add(many as u64, Ordering::Relaxed);
        }
        let attributes: &[(&'static str, &str)] = if done.is_err() { &[("error.type", "export_failed")] } else { &[] };
        EXPORTED.add(many as f64, attributes);
        done
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
