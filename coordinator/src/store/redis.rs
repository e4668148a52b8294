//! The fleet's store: one cell in Redis. Each command is one function, so it happens whole or not at all.
//!
//! What the functions decide is what the domain's scheduler says. Three connections: what is written and must reach
//! replicas, what is read and renewed, and what waits for news; so none holds up another.

mod class;
mod leases;
mod link;
mod profile;
mod records;
mod script;
pub(super) mod settings;
mod shelf;
mod sights;
mod sweep;
mod trouble;

use super::StoreError;
use arena_domain::job::Millis;
use arena_domain::schedule::{Limits, Terms};
use link::Link;
use profile::Info;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use script::Script;
use settings::RedisSettings;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a call waits before it finds the server anew and asks again.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Redis {
    settings: RedisSettings,
    limits: Vec<(String, String)>,
    terms: Terms,
    /// Tests give the time with each call; everybody else has the server's.
    callers_clock: bool,
    writes: Link,
    reads: Link,
    waits: Link,
    /// One waits for all: a blocking read holds up whatever follows it on its connection.
    waiting: tokio::sync::Mutex<()>,
    /// Where the next sweep begins.
    swept: AtomicU64,
    /// It was said that others' limits hold.
    warned: AtomicBool,
}

/// How often a server that does not know a function is given the library before that is an error.
const TRIES: usize = 4;

/// Whether the limits of this process become those of the cell, or only where it has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    Takes,
    Keeps,
}

/// Whether a call whose answer was lost may be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It is answered the same.
    Same,
    /// It would be done twice.
    Never,
}

/// A function and its arguments, after the time.
struct Call<'a> {
    script: &'a Script,
    args: Vec<Vec<u8>>,
    now: Millis,
    again: Again,
}

/// `arena:{CELL}:NAME`: the braces keep the keys of a cell in one slot.
fn key(cell: &str, name: &str) -> String {
    format!("arena:{{{cell}}}:{name}")
}

/// A name as a part of a key; the scripts do the same.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

/// An engine as the scripts name it.
fn engine(name: Option<&str>) -> String {
    name.map_or_else(|| "-".to_owned(), |name| format!("={name}"))
}

impl Redis {
    pub(super) async fn connect(
        settings: RedisSettings,
        limits: Limits,
        begins: Begins,
        callers_clock: bool,
    ) -> Result<Self, StoreError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if settings.cell.is_empty() || !settings.cell.bytes().all(good) {
            let what = format!("'{}' is no name of a cell", settings.cell);
            return Err(StoreError::Unfit(what, "use letters, digits, `-` and `_`".into()));
        }
        let link = |patience| Link::new(settings.clone(), patience);
        let store = Self {
            writes: link(Some(settings.timeout + settings.replicas.timeout)),
            reads: link(Some(settings.timeout)),
            waits: link(None),
            waiting: tokio::sync::Mutex::default(),
            limits: flat(&limits),
            terms: limits.terms,
            swept: AtomicU64::new(0),
            warned: AtomicBool::new(false),
            callers_clock,
            settings,
        };
        let (mut open, _) = store.writes.connection().await?;
        let info = store.look_at(&mut open).await?;
        profile::check_replicas(&info, store.settings.replicas)?;
        if store.settings.replicas.count > 0 {
            profile::check_lag(store.lag(&mut open).await, store.terms.margin)?;
        }
        let others = store.begin(&mut open, &info, begins).await?;
        if others && begins == Begins::Takes {
            tracing::warn!(
                cell = store.settings.cell,
                "the cell had other limits; those of this configuration hold now"
            );
        }
        Ok(store)
    }

    fn key(&self, name: &str) -> String {
        key(&self.settings.cell, name)
    }

    async fn greet(&self, open: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let info = self.look_at(open).await?;
        if self.begin(open, &info, Begins::Keeps).await? {
            self.warn_of_limits();
        }
        Ok(())
    }

    async fn look_at(&self, open: &mut MultiplexedConnection) -> Result<Info, StoreError> {
        let text = self.writes.ask(open, &redis::cmd("INFO")).await.map_err(|error| trouble::of(&error))?;
        let info = Info::new(text);
        profile::check(&info)?;
        Ok(info)
    }

    /// For how many seconds the server goes on writing when no replica answers it; nothing where the user may not ask.
    async fn lag(&self, open: &mut MultiplexedConnection) -> Option<u64> {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("min-replicas-max-lag");
        let found: (String, u64) = self.writes.ask(open, &get).await.ok()?;
        Some(found.1)
    }

    /// Tells the cell which server it is on and which limits hold; whether it had others.
    async fn begin(&self, open: &mut MultiplexedConnection, info: &Info, begins: Begins) -> Result<bool, StoreError> {
        let word = match begins {
            Begins::Takes => "takes",
            Begins::Keeps => "keeps",
        };
        let mut args = texts([info.field("master_replid").unwrap_or_default(), word]);
        args.extend(
            self.limits.iter().flat_map(|(name, value)| [name.clone().into_bytes(), value.clone().into_bytes()]),
        );
        let call = Call { script: &script::BEGIN, args, now: 0, again: Again::Same };
        self.evaluate(&self.writes, open, &call).await.map_err(|error| trouble::of(&error))
    }

    /// Once: a team's configurations are not alike, and whichever coordinator started last said what holds.
    fn warn_of_limits(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let cell = &self.settings.cell;
            tracing::warn!(cell, "another coordinator set other limits than [limits] says here, and those hold");
        }
    }

    /// A write that is answered when the replicas that were asked for have it.
    async fn write<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        let mut tried = 0;
        loop {
            let done = self.written(&call).await;
            tried += 1;
            match done {
                Err(StoreError::Unavailable(_)) if call.again == Again::Same && tried < 3 => {
                    tokio::time::sleep(PAUSE * tried).await;
                }
                done => return done,
            }
        }
    }

    async fn written<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, StoreError> {
        let (mut open, fresh) = self.writes.connection().await?;
        if fresh {
            // Another server perhaps: after a failover it must be as good as the first one. Until it has heard of this
            // coordinator, each call tells it anew.
            if let Err(error) = self.greet(&mut open).await {
                self.writes.let_go().await;
                return Err(error);
            }
        }
        let answer = self.evaluate(&self.writes, &mut open, call).await.map_err(|error| trouble::of(&error))?;
        let wanted = self.settings.replicas;
        if wanted.count > 0 {
            let mut wait = redis::cmd("WAIT");
            wait.arg(wanted.count).arg(wanted.timeout.as_millis() as u64);
            let reached: u32 = self.writes.ask(&mut open, &wait).await.map_err(|error| trouble::of(&error))?;
            if reached < wanted.count {
                let wanted = wanted.count;
                return Err(StoreError::Unavailable(format!("{reached} of {wanted} replicas have the write")));
            }
        }
        Ok(answer)
    }

    /// A read, or a renewal: nothing waits for replicas.
    async fn read<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        let mut tried = 0;
        loop {
            let (mut open, _) = self.reads.connection().await?;
            tried += 1;
            match self.evaluate(&self.reads, &mut open, &call).await {
                Err(error) if trouble::leads_nowhere(&error) && call.again == Again::Same && tried < 3 => {
                    tokio::time::sleep(PAUSE * tried).await;
                }
                answer => return answer.map_err(|error| trouble::of(&error)),
            }
        }
    }

    /// A server that does not know the function is given the library.
    async fn evaluate<T: FromRedisValue>(
        &self,
        link: &Link,
        open: &mut MultiplexedConnection,
        call: &Call<'_>,
    ) -> Result<T, redis::RedisError> {
        let mut command = redis::cmd("FCALL");
        command.arg(call.script.name()).arg(1).arg(self.key("cell"));
        let now = if self.callers_clock { call.now.to_string() } else { String::new() };
        command.arg(format!("{now}/{}/{}", self.terms.lease_millis(), self.terms.margin_millis()));
        command.arg(&call.args);
        // Somebody may flush it again meanwhile.
        for _ in 0..TRIES {
            match link.ask(open, &command).await {
                Err(error) if trouble::is_unknown_function(&error) => {
                    let mut load = redis::cmd("FUNCTION");
                    // Another coordinator may have loaded it meanwhile.
                    load.arg("LOAD").arg("REPLACE").arg(&script::LIBRARY.text);
                    let _: String = link.ask(open, &load).await?;
                }
                answer => return answer,
            }
        }
        link.ask(open, &command).await
    }
}

/// Names and values, as the scripts read them.
fn flat(limits: &Limits) -> Vec<(String, String)> {
    // The terms travel with each call: they are those of whoever asks. Jobs come by the names that count (`store.rs`).
    let Limits { fleet, tenant, tenants, engine: engines, provider, aliases: _, patience, terms: _ } = limits;
    let mut all = vec![("fleet".to_owned(), fleet.to_string()), ("tenant".to_owned(), tenant.to_string())];
    for (kind, patience) in [("w", patience.worker), ("h", patience.hardware)] {
        all.push((format!("patience:{kind}"), patience.as_millis().to_string()));
    }
    for (name, of) in tenants {
        all.push((format!("t:{name}"), of.running.to_string()));
        all.push((format!("w:{name}"), of.weight.clamp(1, 1_000).to_string()));
    }
    all.extend(engines.iter().map(|(name, limit)| (format!("e:{}", engine(Some(name))), limit.to_string())));
    for (name, of) in provider {
        all.push((format!("l:{name}"), of.running.to_string()));
        for one in &of.engines {
            let field = format!("p:{}", engine(Some(one)));
            // Of two providers that name an engine, the first counts.
            if !all.iter().any(|(known, _)| *known == field) {
                all.push((field, name.clone()));
            }
        }
    }
    all
}

impl Call<'_> {
    fn new(script: &Script, now: Millis, args: Vec<Vec<u8>>) -> Call<'_> {
        Call { script, args, now, again: Again::Same }
    }
}

fn texts<const N: usize>(parts: [&str; N]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.as_bytes().to_vec()).collect()
}
