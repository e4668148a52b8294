//! A real receiver of OTLP over gRPC on loopback: it keeps what it is sent, or hangs for ever.

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// One span as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty: the first of its trace.
    pub parent: String,
    pub links: Vec<String>,
    pub kind: i32,
    /// Nanoseconds since the epoch.
    pub start: u64,
    pub end: u64,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
}

impl Told {
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Told>,
    /// By name, the sets of attributes that were seen.
    metrics: BTreeMap<String, BTreeSet<BTreeMap<String, String>>>,
    /// Who sent any of it.
    senders: BTreeSet<BTreeMap<String, String>>,
    bytes: Vec<u8>,
}

/// Ends, and every connection with it, when dropped.
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Service {
    kept: Arc<Mutex<Kept>>,
    hangs: bool,
}

impl Service {
    async fn keep(&self, message: &impl Message, into: impl FnOnce(&mut Kept)) {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes.extend(message.encode_to_vec());
        into(&mut kept);
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let message = request.into_inner();
        let spans = spans(&message);
        let senders = senders(message.resource_spans.iter().map(|one| &one.resource));
        self.keep(&message, |kept| {
            kept.spans.extend(spans);
            kept.senders.extend(senders);
        })
        .await;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let message = request.into_inner();
        let found = metrics(&message);
        let senders = senders(message.resource_metrics.iter().map(|one| &one.resource));
        self.keep(&message, |kept| {
            kept.senders.extend(senders);
            found.into_iter().for_each(|(name, sets)| kept.metrics.entry(name).or_default().extend(sets));
        })
        .await;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn spans(message: &ExportTraceServiceRequest) -> Vec<Told> {
    let scopes = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let told = |span: &opentelemetry_proto::tonic::trace::v1::Span| Told {
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        kind: span.kind,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
        attributes: attributes(&span.attributes),
    };
    scopes.flat_map(|scope| &scope.spans).map(told).collect()
}

fn metrics(message: &ExportMetricsServiceRequest) -> Vec<(String, BTreeSet<BTreeMap<String, String>>)> {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let scopes = message.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let sets = |data: &Option<Data>| match data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        Some(Data::Sum(sum)) => sum.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        Some(Data::Histogram(all)) => all.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => BTreeSet::new(),
    };
    scopes.flat_map(|scope| &scope.metrics).map(|metric| (metric.name.clone(), sets(&metric.data))).collect()
}

fn senders<'a>(resources: impl Iterator<Item = &'a Option<Resource>>) -> BTreeSet<BTreeMap<String, String>> {
    resources.flatten().map(|resource| attributes(&resource.attributes)).collect()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Receiver {
    pub fn start() -> Self {
        Self::serving(false)
    }

    /// Takes every call and answers none.
    pub fn hanging() -> Self {
        Self::serving(true)
    }

    fn serving(hangs: bool) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let service = Service { kept: kept.clone(), hangs };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).expect("a socket"));
                let server = tonic::transport::Server::builder()
                    .add_service(TraceServiceServer::new(service.clone()))
                    .add_service(MetricsServiceServer::new(service))
                    .serve_with_incoming(incoming);
                tokio::select! {
                    served = server => served.expect("a server"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, kept, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far, in the order of their beginning.
    pub fn spans(&self) -> Vec<Told> {
        let mut spans = self.kept().spans.clone();
        spans.sort_by_key(|span| (span.start, span.end, span.name.clone()));
        spans
    }

    /// All metrics so far: by name, the sets of attributes.
    pub fn metrics(&self) -> BTreeMap<String, BTreeSet<BTreeMap<String, String>>> {
        self.kept().metrics.clone()
    }

    /// Who sent it: the attributes of each process.
    pub fn senders(&self) -> BTreeSet<BTreeMap<String, String>> {
        self.kept().senders.clone()
    }

    /// The names of all attributes so far.
    pub fn names(&self) -> BTreeSet<String> {
        let kept = self.kept();
        let spans = kept.spans.iter().map(|span| &span.attributes);
        let all = spans.chain(kept.metrics.values().flatten()).chain(&kept.senders);
        all.flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Whether this text is in anything that was sent.
    pub fn holds(&self, text: &str) -> bool {
        self.kept().bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
