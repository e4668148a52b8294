//! What the broker would refuse to the competitors of a packet, found before anything runs; and what they may cost.

use crate::engines::{Known, Missing};
use arena_domain::packet::{Competitor, Packet};
use arena_proto::packet::{Places, Problem};
use arena_runtime::config::Price;
use arena_worker::broker::OpenError;

/// What one run of an engine is taken for when its cost is estimated: some twenty requests of a growing conversation, most
/// of which the provider still has. Real runs differ by ten times and more.
pub(crate) const INPUT_TOKENS: u32 = 500_000;
pub(crate) const CACHED_TOKENS: u32 = 400_000;
pub(crate) const OUTPUT_TOKENS: u32 = 10_000;

/// How far it reaches that a door would not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// This machine lacks something, and another one may have it.
    Here,
    /// It is so wherever this configuration holds; a team's workers have another.
    AsConfigured,
    Everywhere,
}

/// A door that would not open.
pub(crate) struct Shut {
    /// Where the packet says what is wrong.
    pub place: String,
    pub missing: Missing,
    pub wrong: Wrong,
}

impl Shut {
    pub(crate) fn problem(&self, places: &Places) -> Problem {
        places.problem(&self.place, &self.missing.reason, &self.missing.mend)
    }
}

/// Each thing once, in the order of competitors. Engines that are not ready here at all are told of elsewhere.
pub(crate) fn shut(packet: &Packet, places: &Places, known: &Known) -> Vec<Shut> {
    let mut all: Vec<Shut> = Vec::new();
    for (index, one) in packet.competitors.iter().enumerate() {
        let one_by_one = places.has(&format!("competitor[{index}]"));
        let declared =
            |key: &str| if one_by_one { format!("competitor[{index}].{key}") } else { format!("matrix.{key}") };
        let shut = match known.lacks_model(packet, one) {
            Some(missing) => Some(Shut { place: declared("model"), missing, wrong: Wrong::Everywhere }),
            None => refused(packet, one, &declared, known),
        };
        all.extend(
            shut.filter(|shut| !all.iter().any(|told| told.place == shut.place && told.missing == shut.missing)),
        );
    }
    all
}

/// What the broker would say to this competitor, at the place in the packet that it comes of.
fn refused(packet: &Packet, one: &Competitor, declared: &dyn Fn(&str) -> String, known: &Known) -> Option<Shut> {
    let is_own = packet.engines.contains_key(&one.engine);
    if !is_own && known.missing(&one.engine).is_some() {
        return None;
    }
    if let Some(missing) = known.lacks_provider(one).filter(|_| !is_own) {
        return Some(Shut { place: declared("model"), missing, wrong: Wrong::Here });
    }
    let (provider, model) = known.asks(packet, one)?;
    let error = known.refusal(&provider, model.as_deref(), packet.budget.cost_usd.is_some())?;
    let of_engine = if is_own { format!("engine.{}.provider", one.engine) } else { declared("engine") };
    let place = match &error {
        OpenError::Unpriced { .. } => "budget.cost_usd".to_owned(),
        OpenError::Model { .. } if one.model.is_some() => declared("model"),
        OpenError::Model { .. }
        | OpenError::UnknownProvider { .. }
        | OpenError::NoCredential { .. }
        | OpenError::Egress { .. }
        | OpenError::Trust(_)
        | OpenError::Io(_) => of_engine,
    };
    let is_unknown = matches!(error, OpenError::UnknownProvider { .. });
    let wrong = if is_unknown { Wrong::AsConfigured } else { Wrong::Here };
    let mend = match (&error, known.nearest_provider(&provider)) {
        (OpenError::UnknownProvider { .. }, Some(near)) => format!("did you mean \"{near}\"? Or {}", error.mend()),
        _ => error.mend(),
    };
    Some(Shut { place, missing: Missing { reason: error.to_string(), mend }, wrong })
}

/// What one run of each competitor may cost, in dollars; `None`: nobody can know.
pub(crate) fn costs(packet: &Packet, known: &Known) -> Vec<Option<f64>> {
    let cost = |one| {
        let (provider, model) = known.asks(packet, one)?;
        known.price(&provider, &model?).map(of_a_run)
    };
    packet.competitors.iter().map(cost).collect()
}

fn of_a_run(price: Price) -> f64 {
    let plain = f64::from(INPUT_TOKENS - CACHED_TOKENS) * price.input;
    let cached = f64::from(CACHED_TOKENS) * price.cached_input;
    (plain + cached + f64::from(OUTPUT_TOKENS) * price.output) / 1e6
}

/// Of all runs together, by the costs of one run of each; one that is not known makes the sum unknown.
pub(crate) fn sum(costs: &[Option<f64>], rounds: u32) -> Option<f64> {
    costs.iter().copied().sum::<Option<f64>>().map(|round| round * f64::from(rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_an_unknown_part_is_unknown_and_not_less() {
        let price = Price { input: 1.0, cached_input: 0.5, cache_write: 1.25, output: 10.0 };
        assert!((of_a_run(price) - 0.4).abs() < 1e-12);
        assert_eq!(sum(&[Some(0.5), Some(0.25)], 2), Some(1.5));
        assert_eq!(sum(&[Some(0.5), None], 2), None);
    }
}
