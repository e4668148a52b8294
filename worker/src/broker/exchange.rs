//! One request from its arrival to its line in the audit. It is settled exactly once, whoever ends it.

use super::answer::Body;
use super::ask::Asked;
use super::audit::{Line, Sent};
use super::desk::Desk;
use super::meter::{Meter, Reading};
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
    shares: Vec<Share>,
    counted_tokens: u64,
    guessed_input: u64,
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
    /// The provider answered with an error, which costs nothing.
    Failed { trouble: Option<Trouble> },
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
            counted_tokens: 0,
            guessed_input: 0,
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
        self.close(0.0);
        refusal.answer(api)
    }

    fn note(&mut self, trouble: Trouble) {
        self.line.trouble = Some(format!("{trouble:?}").to_lowercase());
        self.desk.books.trouble(trouble);
    }

    /// Sets money aside, of the job's budget and of the session's, and writes down that it is.
    pub(super) async fn set_aside(&mut self, asked: &Asked, price: Option<Price>) -> Result<(), Refusal> {
        self.price = price;
        if self.desk.purses.is_empty() {
            return Ok(());
        }
        let Some(price) = price else {
            let message = format!("arena: there is a cost budget, and model '{}' has no price", self.shown_model());
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message, Some(Trouble::Model)));
        };
        let output = asked.most_output.unwrap_or(u64::from(self.desk.broker.settings.limits.output_tokens));
        // All of the input may be written to a cache, which costs most.
        let dearest = price.input.max(price.cache_write);
        let input = asked.guessed_input as f64 * dearest;
        let estimate = (input + output as f64 * price.output) / 1e6;
        for purse in self.desk.purses.clone() {
            match purse.share(estimate, PATIENCE).await {
                Ok(share) => self.shares.push(share),
                Err(NoShare::Empty) => return Err(Refusal::exhausted()),
                Err(NoShare::Busy) => {
                    let message = "arena: the budget is set aside for other requests; try again later";
                    return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message, Some(Trouble::Budget)));
                }
            }
        }
        let sent = Sent { event: "sent", id: &self.line.id, set_aside_usd: estimate };
        self.desk.books.log().append(&sent).map(drop).map_err(|_| {
            let message = "arena: what is spent cannot be written down";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message, Some(Trouble::Server))
        })
    }

    fn shown_model(&self) -> &str {
        self.line.model.as_deref().unwrap_or_default()
    }

    /// From now on it may cost. An engine that leaves before the answer has still sent its input.
    pub(super) fn sends(&mut self, api: Api, guessed_input: u64) {
        let meter = Meter::new(api, true, guessed_input);
        let running = self.price.map_or(0.0, |price| price::cost(price, meter.running()));
        self.guessed_input = guessed_input;
        self.meter = Some(meter);
        self.shares.iter_mut().for_each(|share| {
            share.covers(running);
        });
    }

    /// `false`: too many bytes.
    pub(super) fn bytes_up(&mut self, bytes: u64) -> bool {
        self.line.bytes_up += bytes;
        self.desk.books.bytes(bytes, 0)
    }

    pub(super) fn attempted(&mut self, attempts: u32) {
        self.line.attempts = attempts;
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
        self.meter = Some(Meter::new(api, streamed, self.guessed_input));
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
            let running = meter.running();
            fits &= self.desk.books.tokens(self.counted_tokens, running.total());
            self.counted_tokens = running.total();
            if let Some(price) = self.price {
                let cost = price::cost(price, running);
                for share in &mut self.shares {
                    fits &= share.covers(cost);
                }
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
                self.line.refused = Some(message);
                self.note(trouble);
            }
            End::Failed { trouble } => {
                if let Some(trouble) = trouble {
                    self.note(trouble);
                }
                self.meter = None;
                self.close(0.0);
                return false;
            }
        }
        self.settle();
        // What failed by its own word has been told.
        is_whole || reading.is_some_and(|reading| reading.failed.is_some())
    }

    /// By the provider's word where there is one, else by what was seen of it.
    fn settle(&mut self) {
        let Some(mut meter) = self.meter.take() else {
            self.close(0.0);
            return;
        };
        let tokens = meter.finish().tokens;
        let cost = self.price.zip(tokens).map(|(price, tokens)| price::cost(price, tokens));
        let charged = cost.or_else(|| self.price.map(|price| price::cost(price, meter.running()))).unwrap_or(0.0);
        self.desk.books.tokens(self.counted_tokens, meter.running().total());
        self.line.input_tokens = tokens.map(|tokens| tokens.input);
        self.line.cached_input_tokens = tokens.map(|tokens| tokens.cached);
        self.line.output_tokens = tokens.map(|tokens| tokens.output);
        self.line.cost_usd = cost;
        self.desk.books.paid(tokens, cost);
        self.close(charged);
    }

    fn close(&mut self, charged: f64) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.line.ms = self.watch.elapsed().as_millis() as u64;
        self.line.charged_usd = charged;
        self.desk.books.record(&self.line);
        watched::close(&self.desk, &std::mem::replace(&mut self.span, Span::none()), &self.line);
        self.shares.drain(..).for_each(|share| share.settle(charged));
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
