//! Traces and metrics for whoever collects them. Off unless an address says where to; then nothing here costs anything.
//!
//! Law: telemetry never slows or fails what it looks at. What cannot be exported is dropped and counted.

mod export;
mod log;
pub mod meter;
pub mod page;
mod settings;
mod trace;

pub use opentelemetry::Value;
pub use settings::Settings;
pub use trace::{Kind, Past, child, current, derived, fresh, metadata, of, place, read, write};

pub use export::EXPORTED;

use export::Health;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The target of the spans that are exported; nothing else reaches an exporter, so no text of a log can.
pub const TARGET: &str = "arena.trace";
/// For everything that waits at the end of the program.
const FLUSH: Duration = Duration::from_secs(2);
/// For a receiver that did not answer before either.
const FLUSH_OF_SILENCE: Duration = Duration::from_millis(100);

/// What is on, to be finished at the end of the program.
#[derive(Debug, Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    health: Arc<Health>,
    /// What could not be started, in words; the program goes on without it.
    pub troubles: Vec<String>,
}

impl Telemetry {
    /// Starts the logs of the program (`filter` as in `ARENA_LOG`), and what the settings ask for. Exporters need a
    /// runtime around them; without one they are not started.
    pub fn start(settings: &Settings, filter: &str) -> Self {
        let mut telemetry = Self::default();
        let resource = resource(settings);
        if settings.exports() && tokio::runtime::Handle::try_current().is_ok() {
            telemetry.start_traces(settings, &resource);
        }
        let tracer = telemetry.traces.as_ref().map(|provider| provider.tracer("arena"));
        if let Some(tracer) = &tracer {
            trace::install(tracer.clone(), settings.sample_ratio);
        }
        let exported = tracer.map(|tracer| {
            let layer = tracing_opentelemetry::layer().with_location(false).with_threads(false).with_target(false);
            layer
                .with_level(false)
                .with_tracked_inactivity(false)
                .with_tracer(tracer)
                .with_filter(Targets::new().with_target(TARGET, tracing::Level::INFO))
        });
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
        // A second start in one process (tests) keeps the first.
        let _ = tracing_subscriber::registry()
            .with(exported)
            .with(log::layer(settings.json_logs).with_filter(filter))
            .try_init();
        if settings.measures() && tokio::runtime::Handle::try_current().is_ok() {
            telemetry.start_metrics(settings, resource);
        }
        telemetry
    }

    fn start_traces(&mut self, settings: &Settings, resource: &Resource) {
        let Some(endpoint) = &settings.traces else { return };
        match export::traces(endpoint, &self.health) {
            Ok(processor) => {
                let provider = SdkTracerProvider::builder()
                    .with_span_processor(processor)
                    .with_sampler(trace::Inherited)
                    .with_id_generator(trace::Ids)
                    .with_resource(resource.clone());
                self.traces = Some(provider.build());
            }
            Err(error) => self.troubles.push(format!("traces are not exported: {error}")),
        }
    }

    fn start_metrics(&mut self, settings: &Settings, resource: Resource) {
        let mut provider = SdkMeterProvider::builder().with_resource(resource).with_view(meter::bounded);
        if let Some(endpoint) = &settings.metrics {
            match export::metrics(endpoint) {
                Ok(reader) => provider = provider.with_reader(reader),
                Err(error) => self.troubles.push(format!("metrics are not exported: {error}")),
            }
        }
        if settings.prometheus.is_some() {
            provider = provider.with_reader(page::reader());
        }
        let provider = provider.build();
        global::set_meter_provider(provider.clone());
        meter::install();
        self.metrics = Some(provider);
    }

    /// Exports what waits, for a bounded time. Blocks, so it is for the end of the program.
    pub fn finish(self) {
        let patience = if self.health.is_stuck() { FLUSH_OF_SILENCE } else { FLUSH };
        let Self { traces, metrics, health, troubles: _ } = self;
        let (done, all_done) = channel();
        let mut waiting = 0;
        // Each on a thread of its own, which the end of the program ends: the SDK waits longer than we do.
        let mut shut = |work: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            waiting += 1;
            thread::spawn(move || {
                work();
                let _ = done.send(());
            });
        };
        if let Some(traces) = traces {
            shut(Box::new(move || drop(traces.shutdown_with_timeout(FLUSH))));
        }
        if let Some(metrics) = metrics {
            shut(Box::new(move || drop(metrics.shutdown())));
        }
        let clock = crate::clock::Stopwatch::start();
        for _ in 0..waiting {
            let left = patience.saturating_sub(clock.elapsed());
            if let Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) = all_done.recv_timeout(left) {
                break;
            }
        }
        let lost = health.lost();
        if lost > 0 {
            tracing::warn!(spans = lost, "the receiver of telemetry was away or slow; so many spans were not exported");
        }
    }
}

/// Who this process is. Neither its command line nor its environment is part of it.
fn resource(settings: &Settings) -> Resource {
    Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(opentelemetry::KeyValue::new("service.version", settings.service_version.clone()))
        .with_attribute(opentelemetry::KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()))
        .build()
}
