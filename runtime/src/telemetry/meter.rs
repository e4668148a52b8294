//! Figures: each a static where it is counted, made on its first use, and nothing at all while nobody looks.

use opentelemetry::metrics::{self, Meter};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::{Instrument, Stream};
use std::sync::OnceLock;

/// Sets of attributes that one figure holds; all further ones are counted together.
pub const MOST_SETS: usize = 200;
/// Characters of an attribute: names of users end up there.
const LONGEST: usize = 64;

/// Attributes of one observation.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

static METER: OnceLock<Meter> = OnceLock::new();

pub(super) fn install() {
    let _ = METER.set(global::meter("arena"));
}

/// Somebody looks at figures.
pub fn is_on() -> bool {
    METER.get().is_some()
}

/// The bound on what one figure holds in memory and sends.
pub(super) fn bounded(_: &Instrument) -> Option<Stream> {
    Stream::builder().with_cardinality_limit(MOST_SETS).build().ok()
}

/// What a figure is; the name as OpenTelemetry writes it.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub text: &'static str,
    pub kind: Kind,
    /// Of a histogram: the upper bounds of its buckets, rising.
    pub buckets: &'static [f64],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $type:ident, $made:ty, $call:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $type {
            pub figure: Figure,
            made: OnceLock<$made>,
        }

        impl $type {
            /// One observation.
            pub fn $call(&self, value: f64, attributes: Attributes<'_>) {
                let Some(meter) = METER.get() else { return };
                let made = self.made.get_or_init(|| self.make(meter));
                let attributes: Vec<KeyValue> = attributes.iter().map(pair).collect();
                made.$call(value, &attributes);
            }
        }
    )*};
}

kinds! {
    /// Only grows.
    Counter, metrics::Counter<f64>, add;
    /// What is now.
    Gauge, metrics::Gauge<f64>, record;
    /// How values are spread.
    Histogram, metrics::Histogram<f64>, record;
}

impl Counter {
    pub const fn new(name: &'static str, unit: &'static str, text: &'static str) -> Self {
        Self { figure: Figure { name, unit, text, kind: Kind::Counter, buckets: &[] }, made: OnceLock::new() }
    }

    fn make(&self, meter: &Meter) -> metrics::Counter<f64> {
        let Figure { name, unit, text, kind: _, buckets: _ } = self.figure;
        meter.f64_counter(name).with_unit(unit).with_description(text).build()
    }
}

impl Gauge {
    pub const fn new(name: &'static str, unit: &'static str, text: &'static str) -> Self {
        Self { figure: Figure { name, unit, text, kind: Kind::Gauge, buckets: &[] }, made: OnceLock::new() }
    }

    fn make(&self, meter: &Meter) -> metrics::Gauge<f64> {
        let Figure { name, unit, text, kind: _, buckets: _ } = self.figure;
        meter.f64_gauge(name).with_unit(unit).with_description(text).build()
    }
}

impl Histogram {
    pub const fn new(name: &'static str, unit: &'static str, text: &'static str, buckets: &'static [f64]) -> Self {
        Self { figure: Figure { name, unit, text, kind: Kind::Histogram, buckets }, made: OnceLock::new() }
    }

    fn make(&self, meter: &Meter) -> metrics::Histogram<f64> {
        let Figure { name, unit, text, kind: _, buckets } = self.figure;
        let made = meter.f64_histogram(name).with_unit(unit).with_description(text);
        made.with_boundaries(buckets.to_vec()).build()
    }
}

fn pair((key, value): &(&'static str, &str)) -> KeyValue {
    KeyValue::new(*key, value.chars().take(LONGEST).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::page::Shared;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
    use opentelemetry_sdk::metrics::reader::MetricReader;

    #[test]
    fn a_figure_holds_a_bounded_number_of_sets_and_loses_no_count() {
        let reader = Shared::new();
        let provider = SdkMeterProvider::builder().with_view(bounded).with_reader(reader.clone()).build();
        static MANY: Counter = Counter::new("many", "{job}", "Of many tenants.");
        let made = MANY.make(&provider.meter("test"));
        for tenant in 0..5 * MOST_SETS {
            made.add(1.0, &[pair(&("arena.tenant", &tenant.to_string()))]);
        }
        let mut found = ResourceMetrics::default();
        reader.collect(&mut found).unwrap();
        let metric = found.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
        let AggregatedMetrics::F64(MetricData::Sum(sum)) = metric.data() else { panic!("{metric:?}") };
        assert!(sum.data_points().count() <= MOST_SETS + 1, "{}", sum.data_points().count());
        let all: f64 = sum.data_points().map(|point| point.value()).sum();
        assert_eq!(all, (5 * MOST_SETS) as f64);
    }

    #[test]
    fn a_long_name_is_cut() {
        let pair = pair(&("arena.tenant", &"x".repeat(1000)));
        assert_eq!(pair.value.as_str().len(), LONGEST);
    }
}
