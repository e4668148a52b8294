//! What looks, and changes no job.

use super::{Call, Redis, class, encoded, script, texts, trouble};
use crate::store::StoreError;
use crate::store::port::{Durability, News, Records, Sights, Which};
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Millis, worn_out};
use arena_domain::schedule::Why;
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::clock::Stopwatch;
use async_trait::async_trait;
use prost::Message;
use redis::{FromRedisValue, Value};
use std::time::Duration;

/// Beyond its patience a blocking read may take this long; then the server is gone.
const GRACE: Duration = Duration::from_secs(2);

/// So many news are kept at least (`common.lua`), and as many are read at once.
const MOST_NEWS: usize = 64;

/// Jobs that one call looks at.
const MOST_AT_ONCE: usize = 1_000;

#[async_trait]
impl Sights for Redis {
    async fn failures(&self, id: &JobId, fence: &Fence) -> Result<Option<u32>, StoreError> {
        let held = self.states(std::slice::from_ref(id)).await?;
        let mine = held.into_iter().find(|(state, held, _)| state == "l" && held == fence.as_str());
        Ok(mine.map(|(_, _, failed)| failed))
    }

    async fn not_held(&self, leases: Vec<(JobId, Fence)>) -> Result<Vec<JobId>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, fences): (Vec<JobId>, Vec<Fence>) = leases.into_iter().unzip();
        let states = self.states(&ids).await?;
        let lost = |((_, fence), (state, held, _)): &((&JobId, &Fence), (String, String, u32))| {
            state != "l" || held != fence.as_str()
        };
        Ok(ids.iter().zip(&fences).zip(states).filter(lost).map(|((id, _), _)| id.clone()).collect())
    }

    async fn accepted(&self, id: &JobId, fence: &Fence) -> Result<bool, StoreError> {
        let states = self.states(std::slice::from_ref(id)).await?;
        Ok(states.iter().any(|(state, held, _)| state == "d" && held == fence.as_str()))
    }

    /// Every session of a fleet is moved, so none is idle.
    async fn why(&self, id: JobId, _: Vec<SessionId>, now: Millis) -> Result<Why, StoreError> {
        let answer: Vec<Value> = self.read(Call::new(&script::WHY, now, texts([id.as_str()]))).await?;
        let text =
            |n: usize| answer.get(n).and_then(|value| String::from_redis_value_ref(value).ok()).unwrap_or_default();
        let number =
            |n: usize| answer.get(n).and_then(|value| u64::from_redis_value_ref(value).ok()).unwrap_or_default();
        let count = |n: usize| u32::try_from(number(n)).unwrap_or(u32::MAX);
        Ok(match text(0).as_str() {
            "unknown" => Why::Unknown,
            "ended" => Why::Ended,
            "dead" => Why::Dead { reason: worn_out(count(1), count(2)).unwrap_or_default() },
            "suspect" => Why::Suspect { worker: WorkerId::new(text(1)), until: number(2) },
            "runs" => Why::Runs { worker: WorkerId::new(text(1)) },
            "not_due" => Why::NotDue { at: number(1) },
            "kept" => {
                let unknown = || StoreError::Record(format!("a home '{}'", text(1)));
                Why::Kept { home: class::of_home(&text(1)).ok_or_else(unknown)?, until: number(2) }
            }
            "ready" => Why::Ready { ahead: count(1) },
            "limit" => {
                Why::Limit { dimension: dimension(&text(1))?, name: text(2), running: count(3), limit: count(4) }
            }
            other => return Err(StoreError::Record(format!("the script answered '{other}'"))),
        })
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(self.key(&format!("b:{}", encoded(id.as_str()))));
        let (body,): (Option<Vec<u8>>,) = self.looked(&pipe).await?;
        body.map(|body| Ok(Job::from_wire(v1::Job::decode(body.as_slice())?)?)).transpose()
    }

    async fn jobs(&self, session: &SessionId) -> Result<Vec<v1::JobState>, StoreError> {
        let call = Call::new(&script::JOBS, 0, texts([session.as_str()]));
        let rows: Vec<(String, String, String, u32)> = self.read(call).await?;
        let row = |(id, state, worker, attempt): (String, String, String, u32)| {
            Ok(v1::JobState { id, state: word(&state)?.to_owned(), worker, attempt })
        };
        rows.into_iter().map(row).collect()
    }

    async fn kinds(&self, tenant: &Tenant) -> Result<u32, StoreError> {
        self.read(Call::new(&script::KINDS, 0, texts([tenant.as_str()]))).await
    }

    async fn live(&self) -> Result<Vec<(Job, &'static str)>, StoreError> {
        let mut all = Vec::new();
        for session in self.sessions(Which::UnderWay).await?.into_iter().filter(|one| one.status == "running") {
            let rows: Vec<(bool, Vec<u8>)> = self.read(Call::new(&script::LIVE, 0, texts([&session.id]))).await?;
            for (leased, body) in rows {
                let job = Job::from_wire(v1::Job::decode(body.as_slice())?)?;
                all.push((job, if leased { "leased" } else { "queued" }));
            }
        }
        Ok(all)
    }

    async fn data_version(&self) -> Result<i64, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.key("cell")).arg("changes");
        let (changes,): (Option<i64>,) = self.looked(&pipe).await?;
        Ok(changes.unwrap_or(0))
    }

    async fn news(&self, seen: i64, patience: Duration) -> Result<News, StoreError> {
        let waited = Stopwatch::start();
        let Ok(_waiting) = tokio::time::timeout(patience, self.waiting.lock()).await else {
            return self.after(seen).await;
        };
        let patience = patience.saturating_sub(waited.elapsed());
        let (mut open, _) = self.waits.connection().await?;
        let mut command = redis::cmd("XREAD");
        // Redis takes a wait of nothing for a wait for ever.
        command.arg("COUNT").arg(MOST_NEWS).arg("BLOCK").arg(patience.as_millis().max(1) as u64);
        command.arg("STREAMS").arg(self.key("news")).arg(format!("{seen}-0"));
        match tokio::time::timeout(patience + GRACE, self.waits.ask::<Heard>(&mut open, &command)).await {
            Ok(Ok(Some(((_, entries),)))) => Ok(told(seen, &entries)),
            Ok(Ok(None)) => self.after(seen).await,
            Ok(Err(error)) => Err(trouble::of(&error)),
            Err(_) => {
                self.waits.let_go().await;
                self.after(seen).await
            }
        }
    }

    async fn sweep(&self) -> Result<Vec<String>, StoreError> {
        self.sweep_part().await
    }

    async fn now(&self) -> Result<Millis, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME");
        let ((seconds, micros),): ((u64, u64),) = self.looked(&pipe).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    fn durability(&self) -> Durability {
        match self.settings.replicas.count {
            0 => Durability::Server,
            replicas => Durability::Replicated { replicas },
        }
    }
}

/// As XREAD answers: the stream and its entries, each with its fields.
type Heard = Option<((String, Vec<(String, Vec<String>)>),)>;

/// What the entries after a version tell. As many as are kept may not be all that there were.
fn told(seen: i64, entries: &[(String, Vec<String>)]) -> News {
    let version = |(id, _): &(String, Vec<String>)| id.split('-').next().and_then(|version| version.parse().ok());
    let all = entries.len() >= MOST_NEWS;
    let tells = |letter| all || entries.iter().any(|(_, fields)| fields.iter().any(|field| field.contains(letter)));
    News {
        version: entries.last().and_then(version).unwrap_or(seen),
        work: tells('w'),
        leases: tells('l'),
        drains: tells('d'),
        feed: tells('f'),
    }
}

impl Redis {
    /// Nothing was told after a version. One that went back is of a server that lost its latest writes.
    async fn after(&self, seen: i64) -> Result<News, StoreError> {
        let version = self.data_version().await?;
        let back = version < seen;
        let version = if back { version } else { seen };
        Ok(News { version, work: back, leases: back, drains: back, feed: back })
    }

    /// State, fence and failures of each.
    async fn states(&self, ids: &[JobId]) -> Result<Vec<(String, String, u32)>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        // In parts, so that many hold up the server for no long time.
        for part in ids.chunks(MOST_AT_ONCE) {
            let args = part.iter().map(|id| id.as_str().as_bytes().to_vec()).collect();
            all.extend(self.read::<Vec<(String, String, u32)>>(Call::new(&script::STATES, 0, args)).await?);
        }
        Ok(all)
    }
}

fn word(state: &str) -> Result<&'static str, StoreError> {
    match state {
        "q" => Ok("queued"),
        "l" => Ok("leased"),
        "d" => Ok("done"),
        "c" => Ok("cancelled"),
        "x" => Ok("dead"),
        other => Err(StoreError::Record(format!("a job in state '{other}'"))),
    }
}

fn dimension(name: &str) -> Result<&'static str, StoreError> {
    let known = ["fleet", "tenant", "session", "engine", "provider"];
    known.into_iter().find(|one| *one == name).ok_or_else(|| StoreError::Record(format!("a limit of '{name}'")))
}
