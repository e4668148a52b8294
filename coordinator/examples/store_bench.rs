//! What the functions of the Redis store cost, as ratios to an empty script on the same server, by the server's own count of
//! the time in each. A shared machine is noisy: the ratios tell more than the figures.

use arena_coordinator::store::{RedisSettings, Store, Transition};
use arena_domain::id::{Fence, JobId, Request, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Mark, Work};
use arena_domain::schedule::{Ask, Limits};
use arena_proto::v1;
use arena_runtime::clock;
use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// A server of its own, which ends with the bench.
struct Server {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("redis.sock").display().to_string();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", &socket, "--dir", &folder.path().display().to_string()])
            .args(["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""])
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, url: format!("unix://{socket}"), _folder: folder };
        for _ in 0..200 {
            if server.open().is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("redis-server did not answer".into())
    }

    fn open(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url.as_str())?.get_connection()
    }

    fn info(&self, section: &str, field: &str) -> Fallible<f64> {
        let text: String = redis::cmd("INFO").arg(section).query(&mut self.open()?)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
        Ok(line.trim_start_matches(':').trim().parse()?)
    }

    /// Microseconds that one script takes on the server, over what `work` does.
    async fn cost(&self, work: impl AsyncFnOnce() -> Fallible<()>) -> Fallible<f64> {
        let _: () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut self.open()?)?;
        work().await?;
        let text: String = redis::cmd("INFO").arg("commandstats").query(&mut self.open()?)?;
        let ours = |line: &&str| line.starts_with("cmdstat_fcall:") || line.starts_with("cmdstat_evalsha:");
        let line = text.lines().find(ours).ok_or("no script ran")?;
        let each = line.split(',').find_map(|part| part.strip_prefix("usec_per_call=")).ok_or("no time")?;
        Ok(each.parse()?)
    }
}

fn job(tenant: u32, session: u32, number: u32, limit: u32) -> Job {
    let session = SessionId::new(format!("s{tenant:05}{session:06}"));
    Job {
        id: JobId::new(format!("{session}/c{number}/1/implement")),
        tenant: Tenant::new(format!("t{tenant}")),
        competitor: None,
        round: 1,
        work: Work::Implement { brief: "x".repeat(100), parent: None },
        session_limit: limit,
        session_weight: 1,
        needs: arena_domain::placement::Needs::default(),
        home: None,
        priority: 0,
        engine: Some(format!("e{}", number % 2)),
        trace: Mark::default(),
        session,
    }
}

fn transition(session: &SessionId, version: u64, enqueue: Vec<Job>) -> Transition {
    let now = clock::now_millis();
    let event = v1::session_event::Event::WallPassed(v1::WallPassed {});
    Transition {
        session: session.clone(),
        version,
        settle: None,
        event: v1::SessionEvent { at: now, event: Some(event) },
        enqueue,
        cancel: None,
        feed: Vec::new(),
        status: "running".into(),
        winner: String::new(),
        now,
    }
}

/// A session of so many jobs.
async fn fill(store: &Store, tenant: u32, session: u32, jobs: u32, limit: u32) -> Fallible<SessionId> {
    let jobs: Vec<Job> = (0..jobs).map(|number| job(tenant, session, number, limit)).collect();
    let id = jobs[0].session.clone();
    let head = v1::SessionHead { id: id.to_string(), tenant: format!("t{tenant}"), ..v1::SessionHead::default() };
    store.create(head, "bench".into()).await?;
    store.commit(transition(&id, 0, jobs)).await?;
    Ok(id)
}

async fn claim(store: &Store, request: String) -> Fallible<(JobId, Fence)> {
    let ask = Ask::any(WorkerId::new("w"), Request::new(request));
    let place = store.claim(ask, 0).await?.ok_or("nothing to claim")?;
    Ok((place.job.id.clone(), place.fence().ok_or("no fence")?.clone()))
}

async fn claims(store: &Store, count: u32, name: &str) -> Fallible<Vec<(JobId, Fence)>> {
    let mut leases = Vec::new();
    for number in 0..count {
        leases.push(claim(store, format!("{name}{number}")).await?);
    }
    Ok(leases)
}

async fn store(server: &Server) -> Fallible<Store> {
    let limits = Limits { fleet: u32::MAX, ..Limits::default() };
    Ok(Store::connect(RedisSettings::server(&server.url), limits).await?)
}

/// Transitions of one session, each with so many new jobs.
async fn transitions(store: &Store, tenant: u32, count: u32, jobs: u32) -> Fallible<()> {
    let id = fill(store, tenant, 0, 1, u32::MAX).await?;
    for number in 1..count {
        let enqueue = (0..jobs).map(|one| job(tenant, 0, number * jobs + one, u32::MAX)).collect();
        store.commit(transition(&id, u64::from(number), enqueue)).await?;
    }
    Ok(())
}

/// The result of each lease, by one transition of its session.
async fn complete(store: &Store, leases: &[(JobId, Fence)]) -> Fallible<()> {
    let mut versions = std::collections::BTreeMap::<SessionId, u64>::new();
    for (id, fence) in leases {
        let session = SessionId::new(id.as_str().split('/').next().unwrap_or_default());
        let version = versions.entry(session.clone()).or_insert(1);
        let settle = Some((id.clone(), fence.clone()));
        store.commit(Transition { settle, ..transition(&session, *version, Vec::new()) }).await?;
        *version += 1;
    }
    Ok(())
}

/// The cost of one operation each, on ten thousand queued jobs; and what a queued job takes of memory.
async fn operations(empty: f64) -> Fallible<()> {
    let server = Server::start()?;
    let store = store(&server).await?;
    let before = server.info("memory", "used_memory")?;
    for session in 0..100 {
        fill(&store, session % 10, session, 100, u32::MAX).await?;
    }
    let each = (server.info("memory", "used_memory")? - before) / 10_000.0;
    println!("  memory of a queued job          {each:6.0} bytes (about 900)");
    let mut leases = Vec::new();
    let claiming = server
        .cost(async || {
            leases = claims(&store, 1_000, "a").await?;
            Ok(())
        })
        .await?;
    let renewing = server
        .cost(async || {
            for part in leases.chunks(10).cycle().take(1_000) {
                store.renew(part.to_vec(), 0).await?;
            }
            Ok(())
        })
        .await?;
    let completing = server.cost(async || complete(&store, &leases).await).await?;
    // What moves the session's record, its events and its feed, and no job, is no cost of the queue.
    let alone = server.cost(async || transitions(&store, 50, 1_000, 0).await).await?;
    let one = server.cost(async || transitions(&store, 51, 1_000, 1).await).await?;
    let ten = server.cost(async || transitions(&store, 52, 300, 10).await).await?;
    let say = |name: &str, cost: f64, goal: Option<f64>| {
        let times = cost / empty;
        let goal = goal.map_or_else(String::new, |goal| {
            format!(" (goal {goal}{})", if times <= goal { "" } else { ": NOT reached" })
        });
        println!("  {name:<32} {cost:6.1} µs, {times:5.1} x an empty script{goal}");
    };
    say("claim", claiming, Some(60.0));
    say("a transition alone", alone, None);
    say("  with one new job", one, None);
    say("  with a result", completing, None);
    say("enqueue, of ten at once", (ten - alone) / 10.0, Some(30.0));
    say("complete, beside its transition", completing - alone, Some(45.0));
    say("renew, ten leases at once", renewing, None);
    say("renew, each of ten", renewing / 10.0, Some(10.0));
    Ok(())
}

/// A claim with so many jobs in line.
async fn in_line(jobs: u32) -> Fallible<f64> {
    let server = Server::start()?;
    let store = store(&server).await?;
    for session in 0..jobs / 1_000 {
        fill(&store, session % 10, session, 1_000, u32::MAX).await?;
    }
    server.cost(async || claims(&store, 500, "q").await.map(drop)).await
}

/// A claim with so many blocked jobs ahead: each of their sessions is at its limit.
async fn blocked(jobs: u32) -> Fallible<f64> {
    let server = Server::start()?;
    let store = store(&server).await?;
    let sessions = jobs / 100;
    for session in 0..sessions {
        fill(&store, 1, session, 101, 1).await?;
    }
    claims(&store, sessions, "b").await?;
    for session in 0..10 {
        fill(&store, 2, session, 100, u32::MAX).await?;
    }
    server.cost(async || claims(&store, 500, "q").await.map(drop)).await
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let server = Server::start()?;
    let mut open = server.open()?;
    let empty = server
        .cost(async || {
            let text = "#!lua\nreturn 1";
            let _: String = redis::cmd("SCRIPT").arg("LOAD").arg(text).query(&mut open)?;
            let script = redis::Script::new(text);
            for _ in 0..5_000 {
                let _: i64 = redis::cmd("EVALSHA").arg(script.get_hash()).arg(1).arg("k").query(&mut open)?;
            }
            Ok(())
        })
        .await?;
    println!("redis store: an empty script takes {empty:.2} µs of the server");
    operations(empty).await?;
    let most: u32 = std::env::var("ARENA_BENCH_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (few, many) = (in_line(10_000).await?, in_line(most).await?);
    let mut good = many / few <= 2.0;
    println!("  claim with {most} in line: {many:.1} µs, {:.2} x that with 10000 (at most 2)", many / few);
    let (none, some) = (blocked(0).await?, blocked(100_000).await?);
    good &= some / none <= 1.5;
    println!("  claim with 100000 blocked: {some:.1} µs, {:.2} x that with none (at most 1.5)", some / none);
    if good { Ok(()) } else { Err("a claim of the redis store costs more the longer the line is".into()) }
}
