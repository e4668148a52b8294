//! A fleet of simulated workers on two real coordinators and one Redis: how long a job waits for an idle worker, what an
//! attached worker takes of a coordinator's memory, and how much of a processor all of it needs.
//!
//! Each worker has a connection of its own with TLS and a certificate (one certificate for all of them), a heartbeat every
//! 15 s, and one slot. Jobs are those of real sessions; nothing is run, a result comes after a moment. The coordinators are
//! processes of their own: this program again, with the services of `arena coordinator`.

mod crowd;
mod figures;
mod processes;

use arena_coordinator::Coordinator;
use arena_coordinator::blobs::Blobs;
use arena_coordinator::store::{RedisSettings, Store};
use arena_domain::id::SessionId;
use arena_domain::schedule::Limits;
use arena_domain::session::Event;
use arena_proto::v1;
use arena_runtime::{clock, token};
use crowd::Crowd;
use figures::{Memory, Sample, percentile};
use processes::{Coordinators, Redis};
use std::error::Error;
use std::time::Duration;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Milliseconds, kilobytes and processors.
const MOST_WAIT: f64 = 50.0;
const MOST_MEMORY: f64 = 50.0;
const MOST_PROCESSOR: f64 = 1.0;

const STEADY: Duration = Duration::from_secs(60);
/// Between two sessions; each has three jobs.
const PAUSE: Duration = Duration::from_millis(200);
const BURST: usize = 100;

fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "coordinator", folder, url] => runtime.block_on(processes::coordinate(folder.as_ref(), url)),
        _ => runtime.block_on(bench()),
    }
}

async fn bench() -> Fallible<()> {
    let many: usize = std::env::var("ARENA_BENCH_WORKERS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    processes::raise_limit(many as u64 + 1_000)?;
    let folder = tempfile::tempdir()?;
    let redis = Redis::start(folder.path())?;
    let coordinators = Coordinators::start(folder.path(), &redis.url)?;
    // Warm: what a coordinator takes before its first worker is not the workers'.
    let few = Crowd::attach(&coordinators.urls, folder.path(), 20).await?;
    few.leave().await;
    let alone = coordinators.memory()?;
    let begun = clock::Stopwatch::start();
    let crowd = Crowd::attach(&coordinators.urls, folder.path(), many).await?;
    println!(
        "fleet: {many} workers on {} coordinators, TLS with certificates, a connection each; attached within {:.0} s",
        coordinators.urls.len(),
        begun.elapsed().as_secs_f64()
    );
    // A whole round of heartbeats.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let full = coordinators.memory()?;
    let store = Store::connect(RedisSettings::server(&redis.url), limits()).await?;
    let submitter = Coordinator::new(store, Blobs::new(folder.path().join("blobs")));

    let before = Sample::take(&coordinators.pids(), redis.pid())?;
    let begun = clock::Stopwatch::start();
    while begun.elapsed() < STEADY {
        submit(&submitter, &crowd).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let used = Sample::take(&coordinators.pids(), redis.pid())?.since(&before);
    crowd.all_done().await?;
    let steady = crowd.waits();
    for _ in 0..BURST {
        submit(&submitter, &crowd).await?;
    }
    crowd.all_done().await?;
    let burst = crowd.waits();
    let good = tell(many, &steady, &burst, full.over(alone, many), used, full);
    crowd.leave().await;
    if good { Ok(()) } else { Err("the fleet is outside its limits".into()) }
}

/// Whether all of it is within the limits.
fn tell(many: usize, steady: &[f64], burst: &[f64], each: f64, used: Sample, full: Memory) -> bool {
    let (half, most) = (percentile(steady, 50.0), percentile(steady, 99.0));
    println!("  dispatch to an idle worker, from the acknowledged enqueue to the job at the worker:");
    println!("    {} jobs, 15 a second: p50 {half:.1} ms, p99 {most:.1} ms (under {MOST_WAIT})", steady.len());
    println!(
        "    {} jobs of {BURST} sessions at once: p50 {:.1} ms, p99 {:.1} ms",
        burst.len(),
        percentile(burst, 50.0),
        percentile(burst, 99.0)
    );
    println!(
        "  memory of an attached worker {each:.1} kB (under {MOST_MEMORY}); of both coordinators {:.0} MB",
        full.mb()
    );
    println!(
        "  processors: coordinators {:.2} (under {MOST_PROCESSOR}), Redis {:.2}, with {:.0} heartbeats a second",
        used.coordinators(),
        used.redis(),
        many as f64 / crowd::HEARTBEAT.as_secs_f64()
    );
    most < MOST_WAIT && each < MOST_MEMORY && used.coordinators() < MOST_PROCESSOR
}

fn limits() -> Limits {
    Limits { fleet: u32::MAX, ..Limits::default() }
}

/// One session, whose first job waits from now on.
async fn submit(submitter: &Coordinator, crowd: &Crowd) -> Fallible<()> {
    let id = SessionId::new(token::hex(12));
    let head = v1::SessionHead {
        id: id.to_string(),
        tenant: "local".into(),
        packet: include_str!("packet.toml").into(),
        base: "0".repeat(40),
        ..v1::SessionHead::default()
    };
    submitter.store.create(head, "bench".into()).await?;
    crowd.expects(&id);
    submitter.happen(&id, Event::Submitted { at: clock::now_millis(), yes: true, base_first: true }).await?;
    crowd.enqueued(id.as_str());
    Ok(())
}
