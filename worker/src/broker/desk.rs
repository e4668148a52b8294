//! All that the requests of one door share.

use super::audit::{self, Log};
use super::bodies::Room;
use super::books::Books;
use super::credential::Missing;
use super::policy::{OpenError, Policy};
use super::purses::SharedPurse;
use super::{Inner, ledger, model, price};
use arena_runtime::config::Provider;
use arena_runtime::tasks::Tasks;
use std::sync::{Arc, Mutex};

/// What a purse holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Dollars,
    Tokens,
}

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) broker: Arc<Inner>,
    pub(super) policy: Policy,
    pub(super) provider: Option<Provider>,
    /// Host in lower case, and port.
    pub(super) egress: Vec<(String, u16)>,
    pub(super) books: Books,
    /// For the bodies of its requests: half of what all jobs have, so that one cannot take it all.
    pub(super) bodies: Room,
    /// Of the job and of the session, where they have a budget of tokens or of money.
    pub(super) purses: Vec<(Unit, Arc<SharedPurse>)>,
    /// Connections of plain HTTP to listed places.
    pub(super) side: Mutex<Tasks>,
}

impl Desk {
    pub(super) fn set(broker: Arc<Inner>, policy: Policy) -> Result<Self, OpenError> {
        let budgeted = policy.budgets.cost_usd.is_some() || policy.session_cost.is_some();
        let provider = match &policy.provider {
            Some(name) => Some(provider(&broker, name, policy.model.as_deref(), budgeted)?.clone()),
            None => None,
        };
        if let (Some(name), Some(model)) = (&policy.provider, &policy.model)
            && !policy.models.is_empty()
            && !model::is_allowed(model, &policy.models, &[])
        {
            return Err(OpenError::Model { provider: name.clone(), model: model.clone() });
        }
        let egress = policy.egress.iter().map(|entry| {
            let place = authority(entry).filter(|(_, port)| *port > 0);
            place.ok_or_else(|| OpenError::Egress { entry: entry.clone() })
        });
        let egress = egress.collect::<Result<Vec<_>, _>>()?;
        let path = audit::path(&broker.settings.audit, &policy.session);
        let before = ledger::read(&path, Some(policy.job.as_str()))?;
        let log = Log::open(&path)?;
        let mut purses = Vec::new();
        if provider.is_some() {
            if let Some(limit) = policy.budgets.tokens {
                let purse = SharedPurse::new(limit as f64, before.charged_tokens as f64);
                purses.push((Unit::Tokens, Arc::new(purse)));
            }
            if let Some(limit) = policy.budgets.cost_usd {
                purses.push((Unit::Dollars, Arc::new(SharedPurse::new(limit, before.charged_usd))));
            }
            if let Some(cost) = policy.session_cost {
                purses.push((Unit::Dollars, broker.purses.open(&policy.session, cost)?));
            }
        }
        let books = Books::new(policy.budgets, log, policy.job.to_string(), before);
        let bodies = Room::new(broker.settings.limits.bodies / 2);
        Ok(Self { broker, policy, provider, egress, books, bodies, purses, side: Mutex::default() })
    }
}

/// The provider of this name, when its key is there and it can be asked for this model, within a budget of money or without.
pub(super) fn provider<'a>(
    broker: &'a Inner,
    name: &str,
    model: Option<&str>,
    budgeted: bool,
) -> Result<&'a Provider, OpenError> {
    let unknown = || OpenError::UnknownProvider { name: name.to_owned() };
    let provider = broker.settings.providers.get(name).ok_or_else(unknown)?;
    let resolved = broker.secrets.resolve(name, provider, &broker.settings.environment);
    resolved.map_err(|Missing { reason, mend }| OpenError::NoCredential { reason, mend })?;
    if let Some(model) = model
        && !model::is_allowed(model, &provider.models, &[])
    {
        return Err(OpenError::Model { provider: name.to_owned(), model: model.to_owned() });
    }
    let priced = match model {
        Some(model) => price::of(&provider.price, model).is_some(),
        None => !provider.price.is_empty(),
    };
    if budgeted && !priced {
        let model = model.unwrap_or("MODEL").to_owned();
        return Err(OpenError::Unpriced { provider: name.to_owned(), model });
    }
    Ok(provider)
}

/// `host:port` or `[address]:port`; the host in lower case and without brackets.
pub(super) fn authority(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.then(|| port.parse().ok()).flatten()?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            (!host.is_empty() && host.chars().all(plain)).then(|| host.to_ascii_lowercase())?
        }
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_place_is_a_host_and_a_port() {
        let rows = [
            ("Example.org:443", Some(("example.org", 443))),
            ("[::1]:80", Some(("::1", 80))),
            ("example.org", None),
            ("example.org:", None),
            ("example.org:+1", None),
            ("example.org:99999", None),
            (":443", None),
            ("user@example.org:443", None),
            ("*.example.org:443", None),
            ("::1:80", None),
        ];
        for (text, expected) in rows {
            assert_eq!(super::authority(text), expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
        }
    }
}
