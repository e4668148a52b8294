//! `[telemetry]`: where traces and metrics go, if anywhere.

use super::build::Build;
use std::net::SocketAddr;

#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// A receiver of OTLP over gRPC; none: nothing is exported.
    pub otlp: Option<String>,
    pub service_name: String,
    /// From 0 to 1: the share of traces that are exported.
    pub sample_ratio: f64,
    /// Where Prometheus may read.
    pub prometheus: Option<SocketAddr>,
    /// Log lines as JSON.
    pub json_logs: bool,
}

impl Build<'_> {
    pub(super) fn telemetry(&mut self) -> TelemetryConfig {
        TelemetryConfig {
            otlp: self.otlp(),
            service_name: self.text(&["telemetry", "service_name"]).unwrap_or_default(),
            sample_ratio: self.share(&["telemetry", "sample_ratio"]),
            prometheus: self.prometheus(),
            json_logs: self.json_logs(),
        }
    }

    fn otlp(&mut self) -> Option<String> {
        let path = ["telemetry", "otlp"];
        let address = self.text(&path)?;
        let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', ' '])) {
            self.refuse(&path, "is no address of a receiver", "write http://host:4317, without user or password");
            return None;
        }
        Some(address)
    }

    fn prometheus(&mut self) -> Option<SocketAddr> {
        let path = ["telemetry", "prometheus"];
        let address = self.text(&path)?.parse();
        if address.is_err() {
            self.refuse(&path, "is no address to listen on", "write an IP address and a port, such as 127.0.0.1:9464");
        }
        address.ok()
    }

    fn json_logs(&mut self) -> bool {
        let path = ["telemetry", "log"];
        match self.text(&path).unwrap_or_default().as_str() {
            "text" => false,
            "json" => true,
            _ => {
                self.refuse(&path, "is neither text nor json", "write \"text\"");
                false
            }
        }
    }

    fn share(&self, path: &[&str]) -> f64 {
        self.entry(path).and_then(|entry| super::keys::amount(&entry.value)).unwrap_or(1.0)
    }
}
