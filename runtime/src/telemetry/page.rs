//! The page that Prometheus reads: its text format over plain HTTP, with the names that OpenTelemetry's own rules give.

use super::meter::{Figure, Kind};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Readers at a time; Prometheus is one.
const MOST_READERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);

static READER: OnceLock<Shared> = OnceLock::new();

/// The reader of the page; one in each process.
pub(super) fn reader() -> Shared {
    READER.get_or_init(Shared::new).clone()
}

/// Clones are the same reader.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<ManualReader>);

impl Shared {
    pub(super) fn new() -> Self {
        Self(Arc::new(ManualReader::builder().build()))
    }
}

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// Binds the address; what is returned serves `GET /metrics` for as long as it is polled.
pub async fn serve(address: SocketAddr) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = TcpListener::bind(address).await?;
    Ok(accept(listener))
}

async fn accept(listener: TcpListener) {
    let readers = Arc::new(Semaphore::new(MOST_READERS));
    let mut tasks = crate::tasks::Tasks::default();
    loop {
        let Ok(permit) = readers.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: soon there may be some again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tasks.spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let server = server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // Whoever leaves before the answer has it no more.
            let _ =
                tokio::time::timeout(PATIENCE, server.serve_connection(TokioIo::new(stream), service_fn(answer))).await;
            drop(permit);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text()),
        (_, _) => (StatusCode::NOT_FOUND, "text/plain", "only GET /metrics is here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

/// All figures of this process as they are now.
pub fn text() -> String {
    let mut metrics = ResourceMetrics::default();
    let mut text = String::new();
    if let Some(reader) = READER.get()
        && reader.collect(&mut metrics).is_ok()
    {
        let all = metrics.scope_metrics().flat_map(|scope| scope.metrics());
        all.for_each(|metric| write(&mut text, metric));
    }
    text
}

fn write(page: &mut String, metric: &Metric) {
    match metric.data() {
        AggregatedMetrics::F64(data) => write_data(page, metric, data),
        AggregatedMetrics::U64(data) => write_data(page, metric, data),
        AggregatedMetrics::I64(data) => write_data(page, metric, data),
    }
}

fn write_data<T: Copy + std::fmt::Display>(page: &mut String, metric: &Metric, data: &MetricData<T>) {
    let kind = match data {
        MetricData::Gauge(_) => Kind::Gauge,
        MetricData::Sum(sum) if sum.is_monotonic() => Kind::Counter,
        MetricData::Sum(_) => Kind::Gauge,
        MetricData::Histogram(_) => Kind::Histogram,
        // None of ours is one.
        MetricData::ExponentialHistogram(_) => return,
    };
    let name = name_of(metric.name(), metric.unit(), kind);
    let word = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {word}", metric.description().replace('\n', " "));
    let mut line = |suffix: &str, labels: &str, value: &dyn std::fmt::Display| {
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(page, "{name}{suffix}{braces} {value}");
    };
    match data {
        MetricData::Gauge(gauge) => {
            gauge.data_points().for_each(|point| line("", &labels(point.attributes()), &point.value()));
        }
        MetricData::Sum(sum) => {
            sum.data_points().for_each(|point| line("", &labels(point.attributes()), &point.value()));
        }
        MetricData::Histogram(histogram) => {
            for point in histogram.data_points() {
                let labels = labels(point.attributes());
                let comma = if labels.is_empty() { "" } else { "," };
                let mut below = 0;
                let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
                for (bound, count) in bounds.zip(point.bucket_counts()) {
                    below += count;
                    line("_bucket", &format!("{labels}{comma}le=\"{bound}\""), &below);
                }
                line("_sum", &labels, &point.sum());
                line("_count", &labels, &point.count());
            }
        }
        MetricData::ExponentialHistogram(_) => {}
    }
}

/// As OpenTelemetry's rules for Prometheus name it: the unit in words, `_total` for what only grows.
pub fn prometheus_name(figure: &Figure) -> String {
    name_of(figure.name, figure.unit, figure.kind)
}

fn name_of(name: &str, unit: &str, kind: Kind) -> String {
    let mut name = plain(name);
    let unit = match unit {
        "s" => "seconds",
        "By" => "bytes",
        "1" if kind == Kind::Gauge => "ratio",
        // Units in braces are remarks.
        _ => "",
    };
    if !unit.is_empty() && !name.ends_with(unit) {
        name = format!("{name}_{unit}");
    }
    if kind == Kind::Counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    name
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let label = |pair: &KeyValue| {
        let value = pair.value.as_str().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{}=\"{value}\"", plain(pair.key.as_str()))
    };
    let mut labels: Vec<String> = attributes.map(label).collect();
    labels.sort();
    labels.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_the_rules_of_opentelemetry_give_it() {
        let rows = [
            ("arena.queue.wait", "s", Kind::Histogram, "arena_queue_wait_seconds"),
            ("arena.queue.depth", "{job}", Kind::Gauge, "arena_queue_depth"),
            ("arena.cost.usd", "{USD}", Kind::Counter, "arena_cost_usd_total"),
            ("arena.share", "1", Kind::Gauge, "arena_share_ratio"),
        ];
        for (name, unit, kind, expected) in rows {
            assert_eq!(name_of(name, unit, kind), expected);
        }
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let pair = KeyValue::new("arena.tenant", "a\"b\\c\nd");
        assert_eq!(labels([&pair].into_iter()), r#"arena_tenant="a\"b\\c\nd""#);
    }
}
