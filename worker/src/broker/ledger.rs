//! What an audit says was spent before: by a worker that was killed, or by an earlier run of a job.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Sums over the requests that were sent; one that never settled counts with all that was set aside for it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Before {
    pub(super) charged_usd: f64,
    pub(super) charged_tokens: u64,
    /// Sent, whatever came of them.
    pub(super) requests: u64,
    /// Of those, the ones that were paid for.
    pub(super) paid: u64,
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
    pub(super) cost_usd: f64,
    /// Paid for, and nobody knows how much.
    pub(super) unmetered: u64,
    pub(super) unpriced: u64,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    job: Cow<'a, str>,
    #[serde(default)]
    is_priced: bool,
    #[serde(default)]
    set_aside_usd: f64,
    #[serde(default)]
    charged_usd: f64,
    #[serde(default)]
    charged_tokens: u64,
    input_tokens: Option<u64>,
    cached_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

/// Of one job, or of all. A line that a kill cut short is passed over.
pub(super) fn read(path: &Path, job: Option<&str>) -> io::Result<Before> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::default()),
        Err(error) => return Err(error),
    };
    let (mut sum, mut open) = (Before::default(), BTreeMap::<String, Before>::new());
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let Ok(said) = serde_json::from_slice::<Read<'_>>(&line) else { continue };
        if job.is_some_and(|job| job != said.job) {
            continue;
        }
        if said.event == "sent" {
            open.insert(said.id.to_string(), said.sent());
        } else {
            // One that was refused was never sent.
            let was_sent = open.remove(said.id.as_ref()).is_some();
            sum.add(said.settled(was_sent));
        }
    }
    open.into_values().for_each(|sent| sum.add(sent));
    Ok(sum)
}

impl Read<'_> {
    /// As if it had come to all that was set aside.
    fn sent(&self) -> Before {
        let (input, output) = (self.input_tokens.unwrap_or(0), self.output_tokens.unwrap_or(0));
        Before {
            charged_usd: self.set_aside_usd,
            charged_tokens: input.saturating_add(output),
            requests: 1,
            paid: 1,
            input,
            output,
            cost_usd: self.set_aside_usd,
            unpriced: u64::from(!self.is_priced),
            ..Before::default()
        }
    }

    fn settled(&self, was_sent: bool) -> Before {
        let is_paid = self.input_tokens.is_some() || self.charged_tokens > 0 || self.charged_usd > 0.0;
        Before {
            charged_usd: self.charged_usd,
            charged_tokens: self.charged_tokens,
            requests: u64::from(was_sent),
            paid: u64::from(is_paid),
            input: self.input_tokens.unwrap_or(0),
            cached: self.cached_input_tokens.unwrap_or(0),
            output: self.output_tokens.unwrap_or(0),
            cost_usd: self.cost_usd.unwrap_or(0.0),
            unmetered: u64::from(is_paid && self.output_tokens.is_none()),
            unpriced: u64::from(is_paid && self.cost_usd.is_none()),
        }
    }
}

impl Before {
    fn add(&mut self, more: Self) {
        self.charged_usd += more.charged_usd;
        self.charged_tokens = self.charged_tokens.saturating_add(more.charged_tokens);
        self.requests += more.requests;
        self.paid += more.paid;
        self.input = self.input.saturating_add(more.input);
        self.cached = self.cached.saturating_add(more.cached);
        self.output = self.output.saturating_add(more.output);
        self.cost_usd += more.cost_usd;
        self.unmetered += more.unmetered;
        self.unpriced += more.unpriced;
    }
}
