//! What the functions of the Redis store cost, as ratios to an empty script on the same server, by the server's own count of
//! the time in each. A shared machine is noisy, and an empty script takes a microsecond or two: each part is measured many
//! times in turn with empty scripts, and of each the turn counts that was disturbed least.

use arena_coordinator::store::{RedisSettings, Store, Transition};
use arena_domain::id::{Fence, JobId, Request, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Mark, Work};
use arena_domain::schedule::{Ask, Limits};
use arena_proto::v1;
use arena_runtime::clock;
use std::collections::BTreeMap;
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
            // While it is written anew beside, every write copies a page.
            .args(["--auto-aof-rewrite-percentage", "0"])
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

/// How many jobs of a session may run at once, and how many kinds of them there are.
#[derive(Clone, Copy)]
struct Shape {
    limit: u32,
    kinds: u32,
}

const FREE: Shape = Shape { limit: u32::MAX, kinds: 2 };

fn job(tenant: u32, session: u32, number: u32, Shape { limit, kinds }: Shape) -> Job {
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
        engine: Some(format!("e{}", number % kinds)),
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
async fn fill(store: &Store, tenant: u32, session: u32, jobs: u32, shape: Shape) -> Fallible<SessionId> {
    let jobs: Vec<Job> = (0..jobs).map(|number| job(tenant, session, number, shape)).collect();
    let id = jobs[0].session.clone();
    let head = v1::SessionHead { id: id.to_string(), tenant: format!("t{tenant}"), ..v1::SessionHead::default() };
    store.create(head, "bench".into()).await?;
    store.commit(transition(&id, 0, jobs)).await?;
    Ok(id)
}

/// Workers that ask in turn, so that each runs a few jobs at once and not hundreds.
const WORKERS: u32 = 50;

async fn claim(store: &Store, worker: u32, request: String) -> Fallible<(JobId, Fence)> {
    let ask = Ask::any(WorkerId::new(format!("w{worker}")), Request::new(request));
    let place = store.claim(ask, 0).await?.ok_or("nothing to claim")?;
    Ok((place.job.id.clone(), place.fence().ok_or("no fence")?.clone()))
}

async fn claims(store: &Store, count: u32, name: &str) -> Fallible<Vec<(JobId, Fence)>> {
    let mut leases = Vec::new();
    for number in 0..count {
        leases.push(claim(store, number % WORKERS, format!("{name}{number}")).await?);
    }
    Ok(leases)
}

async fn store(server: &Server) -> Fallible<Store> {
    let limits = Limits { fleet: u32::MAX, ..Limits::default() };
    Ok(Store::connect(RedisSettings::server(&server.url), limits).await?)
}

/// A session that goes on by transitions, each with so many new jobs.
struct Course {
    id: SessionId,
    tenant: u32,
    made: u32,
}

impl Course {
    async fn begin(store: &Store, tenant: u32) -> Fallible<Self> {
        Ok(Self { id: fill(store, tenant, 0, 1, FREE).await?, tenant, made: 1 })
    }

    async fn goes_on(&mut self, store: &Store, (steps, jobs): (u32, u32), versions: &mut Versions) -> Fallible<()> {
        let version = versions.entry(self.id.clone()).or_insert(1);
        for _ in 0..steps {
            let enqueue = (self.made..self.made + jobs).map(|number| job(self.tenant, 0, number, FREE)).collect();
            store.commit(transition(&self.id, *version, enqueue)).await?;
            *version += 1;
            self.made += jobs;
        }
        Ok(())
    }
}

/// How far each session is.
type Versions = BTreeMap<SessionId, u64>;

/// The result of each lease, by one transition of its session.
async fn complete(store: &Store, leases: &[(JobId, Fence)], versions: &mut Versions) -> Fallible<()> {
    for (id, fence) in leases {
        let session = SessionId::new(id.as_str().split('/').next().unwrap_or_default());
        let version = versions.entry(session.clone()).or_insert(1);
        let settle = Some((id.clone(), fence.clone()));
        store.commit(Transition { settle, ..transition(&session, *version, Vec::new()) }).await?;
        *version += 1;
    }
    Ok(())
}

/// Turns of each kind of work, and calls in one.
const TURNS: usize = 8;
const CALLS: u32 = 250;

/// What is busy beside only adds to it.
fn least(all: Vec<f64>) -> f64 {
    all.into_iter().min_by(f64::total_cmp).unwrap_or(f64::NAN)
}

/// Microseconds of each kind of work, the first of them an empty script: the least of turns, in which each comes once.
async fn by_turns(server: &Server, store: &Store) -> Fallible<[f64; 6]> {
    let mut empties = Empties::load(server)?;
    let (mut alone, mut ten) = (Course::begin(store, 50).await?, Course::begin(store, 52).await?);
    let mut versions = Versions::new();
    let mut all: [Vec<f64>; 6] = Default::default();
    for turn in 0..TURNS {
        let mut leases = Vec::new();
        all[0].push(server.cost(async || empties.run(20 * CALLS)).await?);
        let claiming = async || {
            leases = claims(store, CALLS, &format!("{turn}-")).await?;
            Ok(())
        };
        all[1].push(server.cost(claiming).await?);
        let renewing = async || {
            for part in leases.chunks(10).cycle().take(CALLS as usize).filter(|part| part.len() == 10) {
                store.renew(part.to_vec(), 0).await?;
            }
            Ok(())
        };
        all[2].push(server.cost(renewing).await?);
        all[3].push(server.cost(async || complete(store, &leases, &mut versions).await).await?);
        all[4].push(server.cost(async || alone.goes_on(store, (CALLS, 0), &mut versions).await).await?);
        all[5].push(server.cost(async || ten.goes_on(store, (CALLS / 5, 10), &mut versions).await).await?);
    }
    Ok(all.map(least))
}

/// An empty script, as often as is asked for.
struct Empties {
    open: redis::Connection,
    script: redis::Script,
}

impl Empties {
    fn load(server: &Server) -> Fallible<Self> {
        let (text, mut open) = ("#!lua\nreturn 1", server.open()?);
        let _: String = redis::cmd("SCRIPT").arg("LOAD").arg(text).query(&mut open)?;
        Ok(Self { open, script: redis::Script::new(text) })
    }

    fn run(&mut self, times: u32) -> Fallible<()> {
        for _ in 0..times {
            let _: i64 = redis::cmd("EVALSHA").arg(self.script.get_hash()).arg(1).arg("k").query(&mut self.open)?;
        }
        Ok(())
    }
}

/// A server with ten thousand queued jobs.
async fn filled(kinds: u32) -> Fallible<(Server, Store)> {
    let server = Server::start()?;
    let store = store(&server).await?;
    for session in 0..100 {
        fill(&store, session % 10, session, 100, Shape { kinds, ..FREE }).await?;
    }
    Ok((server, store))
}

/// The cost of one operation each, on ten thousand queued jobs; and what a queued job takes of memory. Whether all is within its
/// goal.
async fn operations() -> Fallible<bool> {
    let empty = Server::start()?;
    store(&empty).await?;
    let before = empty.info("memory", "used_memory")?;
    drop(empty);
    let (server, store) = filled(FREE.kinds).await?;
    let each = (server.info("memory", "used_memory")? - before) / 10_000.0;
    println!("  memory of a queued job          {each:6.0} bytes (about 900)");
    let [empty, claiming, renewing, completing, alone, ten] = by_turns(&server, &store).await?;
    let mut good = true;
    let mut say = |name: &str, cost: f64, empty: f64, goal: Option<f64>| {
        let times = cost / empty;
        good &= goal.is_none_or(|goal| times <= goal);
        let goal = goal.map_or_else(String::new, |goal| {
            format!(" (goal {goal}{})", if times <= goal { "" } else { ": NOT reached" })
        });
        println!("  {name:<32} {cost:6.1} µs, {times:5.1} x an empty script{goal}");
    };
    say("an empty script", empty, empty, None);
    say("claim", claiming, empty, Some(60.0));
    for (name, kinds) in [("  where all jobs are of one kind", 1), ("  where they are of five kinds", 5)] {
        let (server, store) = filled(kinds).await?;
        let (claiming, empty) = claims_by_turns(&server, &store).await?;
        say(name, claiming, empty, Some(60.0));
    }
    // What moves the session's record, its events and its feed, and no job, is no cost of the queue.
    say("a transition alone", alone, empty, None);
    say("  with a result", completing, empty, None);
    say("enqueue, of ten at once", (ten - alone) / 10.0, empty, Some(30.0));
    say("complete, beside its transition", completing - alone, empty, Some(45.0));
    say("renew, ten leases at once", renewing, empty, None);
    say("renew, each of ten", renewing / 10.0, empty, Some(10.0));
    Ok(good)
}

/// A claim and an empty script, by the least disturbed of turns of each.
async fn claims_by_turns(server: &Server, store: &Store) -> Fallible<(f64, f64)> {
    let mut empties = Empties::load(server)?;
    let (mut all, mut none) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        none.push(server.cost(async || empties.run(20 * CALLS)).await?);
        all.push(server.cost(async || claims(store, CALLS, &format!("{turn}-")).await.map(drop)).await?);
    }
    Ok((least(all), least(none)))
}

/// A claim in empty scripts of the same server and time.
async fn claiming(server: &Server, store: &Store) -> Fallible<f64> {
    let (all, none) = claims_by_turns(server, store).await?;
    Ok(all / none)
}

/// A claim with so many jobs in line.
async fn in_line(jobs: u32) -> Fallible<f64> {
    let server = Server::start()?;
    let store = store(&server).await?;
    for session in 0..jobs / 1_000 {
        fill(&store, session % 10, session, 1_000, FREE).await?;
    }
    claiming(&server, &store).await
}

/// A claim with so many blocked jobs ahead: each of their sessions is at its limit.
async fn blocked(jobs: u32) -> Fallible<f64> {
    let server = Server::start()?;
    let store = store(&server).await?;
    let sessions = jobs / 100;
    for session in 0..sessions {
        fill(&store, 1, session, 101, Shape { limit: 1, ..FREE }).await?;
    }
    claims(&store, sessions, "b").await?;
    for session in 0..25 {
        fill(&store, 2, session, 101, FREE).await?;
    }
    claiming(&server, &store).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    println!("redis store, by the least disturbed of {TURNS} turns of {CALLS} calls each:");
    let mut good = operations().await?;
    let most: u32 = std::env::var("ARENA_BENCH_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (few, many) = (in_line(10_000).await?, in_line(most).await?);
    good &= many / few <= 2.0;
    println!("  claim with {most} in line: {many:.1} empty scripts, {:.2} x that with 10000 (at most 2)", many / few);
    let (none, some) = (blocked(0).await?, blocked(100_000).await?);
    good &= some / none <= 1.5;
    println!("  claim with 100000 blocked: {some:.1} empty scripts, {:.2} x that with none (at most 1.5)", some / none);
    if good { Ok(()) } else { Err("a function of the redis store costs more than its goal".into()) }
}
