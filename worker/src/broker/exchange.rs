//! One request from its arrival to its line in the audit. It is settled exactly once, whoever ends it.

use super::answer::Body;
use super::ask::Asked;
use super::audit::{Line, Sent};
use super::desk::{Desk, Unit};
use super::meter::{Meter, Reading, Tokens};
use super::price;
use super::purses::{NoShare, PATIENCE, Share};
use super::refusal::{EXHAUSTED, Refusal};
use super::watched;
use arena_domain::ending::Trouble;
use arena_runtime::clock::{self, Stopwatch};
use arena_runtime::config::{Api, Price};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use tracing::Span;

pub(super) struct Exchange {
    desk: Arc<Desk>,
    line: Line,
    watch: Stopwatch,
    span: Span,
    /// Of requests that cost money.
    meter: Option<Meter>,
    price: Option<Price>,
    shares: Vec<(Unit, Share)>,
    /// The most that one answer should come to.
    expected: Tokens,
    /// The engine said how long its answer may be, and the provider keeps to it.
    is_bounded: bool,
    /// Attempts that broke: the provider may have answered each.
    broken: u32,
    /// The broker ended it for the sake of a budget.
    is_ended: bool,
    /// It may cost, which is written down.
    sent: bool,
    /// The provider began an answer that costs.
    answering: bool,
    closed: bool,
}

/// How an answer ended.
pub(super) enum End {
    /// The provider sent its last byte.
    Finished,
    /// The provider's connection broke.
    Cut,
    /// The broker ended it.
    Stopped { trouble: Trouble, message: String },
    /// The provider answered with an error or was not reached, which costs nothing.
    Failed { trouble: Option<Trouble> },
    /// The provider took it and did not answer in a way that can be read: nobody knows what it cost.
    Unknown { trouble: Option<Trouble> },
}

impl Exchange {
    pub(super) fn new(desk: &Arc<Desk>, method: &str, path: &str) -> Self {
        let policy = &desk.policy;
        let line = Line {
            event: "request",
            time: clock::rfc3339_millis(clock::now_millis()),
            id: arena_runtime::token::hex(16),
            session: policy.session.to_string(),
            job: policy.job.to_string(),
            competitor: policy.competitor.as_ref().map(ToString::to_string),
            engine: policy.engine.clone(),
            provider: policy.provider.clone(),
            method: shortened(method),
            path: desk.broker.secrets.redactor().text(&shortened(path)),
            ..Line::default()
        };
        Self {
            desk: desk.clone(),
            line,
            watch: Stopwatch::start(),
            span: watched::request(desk),
            meter: None,
            price: None,
            shares: Vec::new(),
            expected: Tokens::default(),
            is_bounded: false,
            broken: 0,
            is_ended: false,
            sent: false,
            answering: false,
            closed: false,
        }
    }

    pub(super) fn model(&mut self, model: &str) {
        self.line.model = Some(self.desk.broker.secrets.redactor().text(&shortened(model)));
    }

    pub(super) fn refuse(mut self, api: Option<Api>, refusal: &Refusal) -> Response<Body> {
        self.line.status = refusal.status.as_u16();
        self.line.refused = Some(refusal.message.clone());
        if let Some(trouble) = refusal.trouble {
            self.note(trouble);
        }
        self.close(Tokens::default(), 0.0);
        refusal.answer(api)
    }

    fn note(&mut self, trouble: Trouble) {
        self.line.trouble = Some(format!("{trouble:?}").to_lowercase());
        self.desk.books.trouble(trouble);
    }

    /// Sets tokens and money aside, of the job's budgets and of the session's.
    pub(super) async fn set_aside(&mut self, asked: &Asked, price: Option<Price>) -> Result<(), Refusal> {
        let has_cost = self.desk.purses.iter().any(|(unit, _)| *unit == Unit::Dollars);
        if has_cost && price.is_none() {
            let message = format!("arena: there is a cost budget, and model '{}' has no price", self.shown_model());
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message, Some(Trouble::Model)));
        }
        self.price = price;
        self.is_bounded = asked.most_output.is_some();
        let each = asked.most_output.unwrap_or(u64::from(self.desk.broker.settings.limits.output_tokens));
        let output = each.saturating_mul(asked.answers);
        // All of the input may be written to a cache, where that costs most.
        let dearest = price.is_some_and(|price| price.cache_write > price.input);
        let cache_write = if dearest { asked.most_input } else { 0 };
        self.expected = Tokens { input: asked.most_input, cached: 0, cache_write, output };
        for (unit, purse) in self.desk.purses.clone() {
            let estimate = self.amount(unit, self.expected);
            match purse.share(estimate, PATIENCE).await {
                Ok(share) => self.shares.push((unit, share)),
                Err(NoShare::Empty) => return Err(Refusal::exhausted()),
                Err(NoShare::Busy) => {
                    let message = "arena: the budget is set aside for other requests; try again later";
                    return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message, None));
                }
            }
        }
        Ok(())
    }

    fn amount(&self, unit: Unit, tokens: Tokens) -> f64 {
        match unit {
            Unit::Tokens => tokens.total() as f64,
            Unit::Dollars => self.cost(tokens).unwrap_or(0.0),
        }
    }

    fn cost(&self, tokens: Tokens) -> Option<f64> {
        self.price.map(|price| price::cost(price, tokens))
    }

    fn shown_model(&self) -> &str {
        self.line.model.as_deref().unwrap_or_default()
    }

    /// From now on it may cost, and that is written down.
    pub(super) fn sends(&mut self, api: Api) -> Result<(), Refusal> {
        let sent = Sent {
            event: "sent",
            id: &self.line.id,
            job: &self.line.job,
            is_priced: self.price.is_some(),
            set_aside_usd: self.cost(self.expected).unwrap_or(0.0),
            input_tokens: self.expected.input,
            output_tokens: self.expected.output,
        };
        self.desk.books.log().append(&sent).map_err(|_| {
            let message = "arena: what is spent cannot be written down";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message, Some(Trouble::Server))
        })?;
        self.sent = true;
        self.meter = Some(Meter::new(api, true, self.expected.input));
        Ok(())
    }

    /// `false`: too many bytes.
    pub(super) fn bytes_up(&mut self, bytes: u64) -> bool {
        self.line.bytes_up += bytes;
        self.desk.books.bytes(bytes, 0)
    }

    /// Before each attempt, by its number and by how many before it broke, which the provider may have answered all the same:
    /// `false` when there is no money for one more.
    pub(super) fn may_attempt(&mut self, number: u32, broken: u32) -> bool {
        if broken > self.broken {
            let times = f64::from(broken + 1);
            let expected = self.expected;
            let amounts: Vec<f64> = self.shares.iter().map(|(unit, _)| self.amount(*unit, expected) * times).collect();
            let fits = |((_, share), amount): (&mut (Unit, Share), f64)| share.covers(amount, amount);
            if !self.shares.iter_mut().zip(amounts).all(fits) {
                return false;
            }
            self.broken = broken;
        }
        self.line.attempts = number;
        true
    }

    pub(super) fn status(&mut self, status: StatusCode) {
        self.line.status = status.as_u16();
    }

    /// The provider's answer begins.
    pub(super) fn begins(&mut self, status: StatusCode) {
        self.line.status = status.as_u16();
        self.line.first_byte_ms = Some(self.watch.elapsed().as_millis() as u64);
    }

    /// It is one that costs.
    pub(super) fn meters(&mut self, api: Api, streamed: bool) {
        self.answering = true;
        self.meter = Some(Meter::new(api, streamed, self.expected.input));
    }

    pub(super) fn bytes_down(&mut self, bytes: u64) {
        self.line.bytes_down += bytes;
        self.desk.books.bytes(0, bytes);
    }

    /// Through a tunnel. `false`: too many bytes.
    pub(super) fn passed(&mut self, up: u64, down: u64) -> bool {
        self.line.bytes_up += up;
        self.line.bytes_down += down;
        self.desk.books.bytes(up, down)
    }

    /// Counts a chunk; an error says which budget it passed.
    pub(super) fn chunk(&mut self, data: &[u8]) -> Result<(), &'static str> {
        self.line.bytes_down += data.len() as u64;
        let mut fits = self.desk.books.bytes(0, data.len() as u64);
        if let Some(meter) = &mut self.meter {
            meter.push(data);
            let (mut running, certain) = (meter.running(), meter.certain());
            if self.is_bounded {
                running.output = running.output.min(self.expected.output.max(certain.output));
            }
            let price = self.price;
            let amount = |unit: Unit, tokens: Tokens| match unit {
                Unit::Tokens => tokens.total() as f64,
                Unit::Dollars => price.map_or(0.0, |price| price::cost(price, tokens)),
            };
            for (unit, share) in &mut self.shares {
                fits &= share.covers(amount(*unit, running), amount(*unit, certain));
            }
        }
        if fits { Ok(()) } else { Err(EXHAUSTED) }
    }

    /// Says whether the answer was whole, by its own word.
    pub(super) fn end(mut self, end: End) -> bool {
        let reading = self.meter.as_mut().map(Meter::finish);
        let is_whole = reading.is_none_or(|reading| reading.whole);
        match end {
            End::Finished => match reading {
                Some(Reading { failed: Some(trouble), .. }) => self.note(trouble),
                Some(Reading { whole: false, .. }) => self.note(Trouble::Server),
                Some(_) => self.desk.books.succeeded(),
                None => {}
            },
            End::Cut if self.answering => self.note(Trouble::Server),
            End::Cut => {}
            End::Stopped { trouble, message } => {
                self.is_ended = trouble == Trouble::Budget;
                self.line.refused = Some(message);
                self.note(trouble);
            }
            End::Failed { trouble } => {
                if let Some(trouble) = trouble {
                    self.note(trouble);
                }
                self.meter = None;
                let (tokens, charged) = self.lost();
                self.close(tokens, charged);
                return false;
            }
            End::Unknown { trouble } => trouble.into_iter().for_each(|trouble| self.note(trouble)),
        }
        self.settle();
        // What failed by its own word has been told.
        is_whole || reading.is_some_and(|reading| reading.failed.is_some())
    }

    /// What attempts that broke before the last one may have come to.
    fn lost(&self) -> (Tokens, f64) {
        let many = u64::from(self.broken);
        let Tokens { input, cached, cache_write, output } = self.expected;
        let times = |tokens: u64| tokens.saturating_mul(many);
        let tokens = Tokens {
            input: times(input),
            cached: times(cached),
            cache_write: times(cache_write),
            output: times(output),
        };
        (tokens, self.cost(tokens).unwrap_or(0.0))
    }

    /// By the provider's word where there is one, else as was set aside, or seen when that is more.
    fn settle(&mut self) {
        let Some(mut meter) = self.meter.take() else {
            self.close(Tokens::default(), 0.0);
            return;
        };
        let word = meter.finish().tokens;
        let most = word.unwrap_or_else(|| match meter.said_input() {
            // What it read is certain then, and only what it wrote is not.
            Some(said) => Tokens { output: self.expected.output.max(meter.running().output), ..said },
            None => self.expected.most(meter.running()),
        });
        let tokens = if self.is_ended { Some(most) } else { word };
        let cost = tokens.and_then(|tokens| self.cost(tokens));
        self.line.input_tokens = tokens.map(|tokens| tokens.input);
        self.line.cached_input_tokens = tokens.map(|tokens| tokens.cached);
        self.line.output_tokens = tokens.map(|tokens| tokens.output);
        self.line.cost_usd = cost;
        if self.is_ended && word.is_none() {
            self.desk.books.ended(most, cost);
        } else {
            self.desk.books.paid(tokens, cost);
        }
        let (mut charged, _) = self.lost();
        charged.add(most);
        self.close(charged, self.cost(charged).unwrap_or(0.0));
    }

    fn close(&mut self, tokens: Tokens, charged: f64) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.line.ms = self.watch.elapsed().as_millis() as u64;
        self.line.charged_usd = charged;
        self.line.charged_tokens = tokens.total();
        self.desk.books.lost(self.broken);
        self.desk.books.record(&self.line, self.sent);
        watched::close(&self.desk, &std::mem::replace(&mut self.span, Span::none()), &self.line);
        for (unit, share) in self.shares.drain(..) {
            share.settle(match unit {
                Unit::Tokens => tokens.total() as f64,
                Unit::Dollars => charged,
            });
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.closed {
            self.line.trouble = Some("left".to_owned());
            self.settle();
        }
    }
}

/// Names from inside are kept to a length that a line can hold.
fn shortened(text: &str) -> String {
    text.chars().take(512).collect()
}
