//! From tokens to dollars.

use super::meter::Tokens;
use super::model::fits;
use arena_runtime::config::Price;
use std::collections::BTreeMap;

const MILLION: f64 = 1e6;

/// The model's own price, or that of the longest pattern that it fits.
pub(super) fn of(prices: &BTreeMap<String, Price>, model: &str) -> Option<Price> {
    let exact = prices.get(model);
    let pattern = || prices.iter().filter(|(name, _)| fits(name, model)).max_by_key(|(name, _)| name.len());
    exact.or_else(|| pattern().map(|(_, price)| price)).copied()
}

pub(super) fn cost(price: Price, tokens: Tokens) -> f64 {
    let Tokens { input, cached, cache_write, output } = tokens;
    let plain = input.saturating_sub(cached).saturating_sub(cache_write);
    let sum = plain as f64 * price.input
        + cached as f64 * price.cached_input
        + cache_write as f64 * price.cache_write
        + output as f64 * price.output;
    sum / MILLION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_token_has_its_price_and_a_dated_model_that_of_its_pattern() {
        let price = Price { input: 2.0, cached_input: 0.5, cache_write: 2.5, output: 10.0 };
        let other = Price { output: 1.0, ..price };
        let prices =
            BTreeMap::from([("m*".to_owned(), other), ("m-5*".to_owned(), price), ("m-5-x".to_owned(), other)]);
        assert_eq!(of(&prices, "m-5-2026"), Some(price));
        assert_eq!(of(&prices, "m-5-x"), Some(other));
        assert_eq!(of(&prices, "n"), None);
        let tokens = Tokens { input: 1_000_000, cached: 400_000, cache_write: 100_000, output: 10_000 };
        assert!((cost(price, tokens) - (1.0 + 0.2 + 0.25 + 0.1)).abs() < 1e-12);
    }
}
