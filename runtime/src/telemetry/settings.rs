//! What the configuration and the standard `OTEL_…` variables say together.
//!
//! A variable of ours comes first, then the standard ones, then the file: the order of all other settings.

use crate::config::TelemetryConfig;
use std::net::SocketAddr;

/// Off: everything is as in `Default`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// `http://host:port` of a receiver of OTLP over gRPC.
    pub traces: Option<String>,
    pub metrics: Option<String>,
    pub service_name: String,
    pub service_version: String,
    /// From 0 to 1; for traces that begin here. All others are as their beginning decided.
    pub sample_ratio: f64,
    /// Where Prometheus may read.
    pub prometheus: Option<SocketAddr>,
    pub json_logs: bool,
    /// What was said and cannot be followed, in words.
    pub notes: Vec<String>,
}

impl Settings {
    /// `version` of the program, for the receiver.
    pub fn new(config: &TelemetryConfig, variable: &dyn Fn(&str) -> Option<String>, version: &str) -> Self {
        let said = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut settings = Self {
            service_name: or(&said, "ARENA_TELEMETRY_SERVICE_NAME", &["OTEL_SERVICE_NAME"], Some(&config.service_name))
                .unwrap_or_default(),
            service_version: version.to_owned(),
            sample_ratio: config.sample_ratio,
            json_logs: config.json_logs,
            ..Self::default()
        };
        if said("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return settings;
        }
        settings.prometheus = config.prometheus;
        let (all, protocol) = ("OTEL_EXPORTER_OTLP_ENDPOINT", said("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let endpoint = |own: &str| or(&said, "ARENA_TELEMETRY_OTLP", &[own, all], config.otlp.as_ref());
        let wanted = |name: &str| said(name).is_none_or(|word| word.split(',').any(|one| one.trim() == "otlp"));
        settings.traces = endpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").filter(|_| wanted("OTEL_TRACES_EXPORTER"));
        settings.metrics = endpoint("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").filter(|_| wanted("OTEL_METRICS_EXPORTER"));
        if let Some(protocol) = protocol.filter(|protocol| protocol != "grpc" && settings.exports()) {
            settings.notes.push(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, and only grpc is spoken: name a gRPC port, usually 4317"
            ));
        }
        if said("ARENA_TELEMETRY_SAMPLE_RATIO").is_none() {
            settings.sample(said("OTEL_TRACES_SAMPLER"), said("OTEL_TRACES_SAMPLER_ARG"));
        }
        settings
    }

    fn sample(&mut self, sampler: Option<String>, argument: Option<String>) {
        let Some(sampler) = sampler else { return };
        let ratio =
            argument.as_deref().and_then(|text| text.parse::<f64>().ok()).filter(|ratio| (0.0..=1.0).contains(ratio));
        match sampler.strip_prefix("parentbased_").unwrap_or(&sampler) {
            "always_on" => self.sample_ratio = 1.0,
            "always_off" => self.sample_ratio = 0.0,
            "traceidratio" => self.sample_ratio = ratio.unwrap_or(1.0),
            _ => self
                .notes
                .push(format!("OTEL_TRACES_SAMPLER is {sampler}, which is not known; the configuration holds")),
        }
    }

    /// Something is sent somewhere.
    pub fn exports(&self) -> bool {
        self.traces.is_some() || self.metrics.is_some()
    }

    /// Somebody looks at figures.
    pub fn measures(&self) -> bool {
        self.metrics.is_some() || self.prometheus.is_some()
    }
}

fn or(said: &dyn Fn(&str) -> Option<String>, ours: &str, standard: &[&str], file: Option<&String>) -> Option<String> {
    if said(ours).is_some() {
        // The configuration has laid it over the file already, and checked it.
        return file.cloned();
    }
    standard.iter().find_map(|name| said(name)).or_else(|| file.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn settings(file: Option<&str>, variables: &[(&str, &str)]) -> Settings {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        let config = TelemetryConfig {
            otlp: file.map(str::to_owned),
            service_name: "arena".into(),
            sample_ratio: 1.0,
            prometheus: None,
            json_logs: false,
        };
        Settings::new(&config, &|name| variables.get(name).map(|value| (*value).to_owned()), "1")
    }

    #[test]
    fn nothing_said_is_off() {
        let off = settings(None, &[]);
        assert!(!off.exports() && !off.measures(), "{off:?}");
    }

    #[test]
    fn the_standard_variables_stand_between_ours_and_the_file() {
        let (file, standard) = ("http://file:1", ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://standard:1"));
        assert_eq!(settings(Some(file), &[]).traces.as_deref(), Some(file));
        assert_eq!(settings(Some(file), &[standard]).traces.as_deref(), Some("http://standard:1"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1");
        let both = settings(None, &[standard, own]);
        assert_eq!(
            (both.traces.as_deref(), both.metrics.as_deref()),
            (Some("http://own:1"), Some("http://standard:1"))
        );
        // As the configuration has it when our variable is set.
        let ours = ("ARENA_TELEMETRY_OTLP", "http://ours:1");
        assert_eq!(settings(Some("http://ours:1"), &[standard, ours]).traces.as_deref(), Some("http://ours:1"));
    }

    #[test]
    fn a_switch_turns_all_or_one_of_it_off() {
        let file = Some("http://file:1");
        assert!(!settings(file, &[("OTEL_SDK_DISABLED", "true")]).exports());
        let one = settings(file, &[("OTEL_METRICS_EXPORTER", "none")]);
        assert!(one.traces.is_some() && one.metrics.is_none(), "{one:?}");
    }

    #[test]
    fn the_sampler_is_read_and_a_strange_one_is_said() {
        let file = Some("http://file:1");
        let ratio =
            settings(file, &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")]);
        assert_eq!(ratio.sample_ratio, 0.25);
        assert_eq!(settings(file, &[("OTEL_TRACES_SAMPLER", "always_off")]).sample_ratio, 0.0);
        assert_eq!(settings(file, &[("OTEL_TRACES_SAMPLER", "jaeger_remote")]).notes.len(), 1);
        assert_eq!(settings(file, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]).notes.len(), 1);
    }
}
