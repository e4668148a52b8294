//! How runs end, and that nothing is left of them.

use super::super::{Error, Stream};
use super::{Bench, text};
use arena_domain::outcome::Exit;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_and_both_outputs_come_back_apart_and_without_records() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.shell("cat; echo; echo err >&2; exit 3");
    spec.stdin = b"given".to_vec();
    let finished = bench.run(&spec).await;
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!((text(&finished.stdout), text(&finished.stderr)), ("given\n", "err\n"));
    let report = finished.relay.unwrap();
    assert!(report.wall > Duration::ZERO && report.wall < finished.elapsed, "{report:?} {:?}", finished.elapsed);
    assert!(report.peak_bytes > 1 << 20 && report.survivors == 0 && report.cpu > Duration::ZERO, "{report:?}");
    assert!(!finished.oom && !finished.truncated && !finished.flooded);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_as_a_shell_would_say() {
    let Some(bench) = Bench::open().await else { return };
    let rows: [(&[&str], i32); 5] = [
        (&["true"], 0),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
        (&["bash", "-c", "kill -SEGV $$"], 139),
        (&["bash", "-c", "kill -40 $$"], 168),
    ];
    for (command, code) in rows {
        assert_eq!(bench.run(&bench.spec(command)).await.exit, Exit::Code(code), "{command:?}");
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_of_input_arrives_whole_or_is_left_unread() {
    let Some(bench) = Bench::open().await else { return };
    let stdin = vec![b'x'; 1 << 20];
    let read = bench.run(&super::Spec { stdin: stdin.clone(), ..bench.shell("wc -c") }).await;
    assert_eq!(text(&read.stdout).trim(), "1048576");
    let unread = bench.run(&super::Spec { stdin, ..bench.shell("exit 4") }).await;
    assert_eq!(unread.exit, Exit::Code(4));
    let none = bench.run(&bench.shell("wc -c")).await;
    assert_eq!(text(&none.stdout).trim(), "0");
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_command_that_ignores_every_signal() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.shell("trap '' TERM INT HUP; echo begun; while :; do sleep 1; done");
    spec.deadline = Duration::from_millis(800);
    let finished = bench.run(&spec).await;
    assert_eq!((finished.exit, text(&finished.stdout)), (Exit::DeadlinePassed, "begun\n"));
    assert!(finished.relay.is_none() && finished.elapsed < Duration::from_secs(5), "{:?}", finished.elapsed);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_at_once_and_keeps_its_output() {
    let Some(bench) = Bench::open().await else { return };
    let (cancel, (sender, mut live)) = (CancellationToken::new(), mpsc::channel(4));
    let spec = bench.shell("echo begun; sleep 60");
    let run = bench.docker.run(&spec, &cancel, Some(sender));
    let stop = async {
        let first = live.recv().await.unwrap();
        cancel.cancel();
        first
    };
    let (finished, first) = tokio::join!(run, stop);
    let finished = finished.unwrap();
    assert_eq!((finished.exit, text(&finished.stdout)), (Exit::Cancelled, "begun\n"));
    assert_eq!((first.0, text(&first.1)), (Stream::Stdout, "begun\n"));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_run_leaves_no_container() {
    let Some(bench) = Bench::open().await else { return };
    let cancel = CancellationToken::new();
    for millis in [0, 2, 5, 20, 100, 400] {
        let spec = bench.shell("sleep 60");
        let run = bench.docker.run(&spec, &cancel, None);
        assert!(tokio::time::timeout(Duration::from_millis(millis), run).await.is_err());
    }
    bench.docker.settle().await;
    assert_eq!(bench.left().await, 0);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_memory_is_told_apart_from_failing() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.python("x = bytearray(512 << 20)");
    spec.memory_bytes = 64 << 20;
    let finished = bench.run(&spec).await;
    assert_eq!((finished.exit, finished.oom), (Exit::OutOfMemory, true));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_child_that_ran_out_of_memory_is_seen_behind_an_exit_of_zero() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.shell("python3 -c 'x = bytearray(512 << 20)'; exit 0");
    spec.memory_bytes = 64 << 20;
    let finished = bench.run(&spec).await;
    assert_eq!((finished.exit, finished.oom), (Exit::Code(0), true));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survivors_are_counted_and_gone() {
    let Some(bench) = Bench::open().await else { return };
    let script = "for i in 1 2 3; do setsid bash -c 'trap \"\" TERM; while :; do sleep 60; done' & done; sleep 0.5";
    let finished = bench.run(&bench.shell(script)).await;
    let survivors = finished.relay.unwrap().survivors;
    assert!(finished.exit == Exit::Code(0) && survivors == 6, "three shells, each with a sleep: {survivors}");
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_ends_by_itself_is_no_survivor() {
    let Some(bench) = Bench::open().await else { return };
    let finished = bench.run(&bench.shell("setsid sleep 0.01 & exit 0")).await;
    assert_eq!(finished.relay.unwrap().survivors, 0);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_stays_within_its_limit_and_ends() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.python("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass");
    (spec.pids, spec.deadline) = (64, Duration::from_secs(2));
    let finished = bench.run(&spec).await;
    assert_eq!(finished.exit, Exit::DeadlinePassed);
    assert!(finished.elapsed < Duration::from_secs(15), "{:?}", finished.elapsed);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_up_to_the_cap_and_a_flood_is_killed() {
    let Some(bench) = Bench::open().await else { return };
    let mut spec = bench.shell("head -c 3000 /dev/zero; head -c 100 /dev/zero >&2; exit 5");
    spec.output_cap = 1000;
    let more = bench.run(&spec).await;
    assert_eq!((more.exit, more.stdout.len(), more.stderr.len()), (Exit::Code(5), 1000, 100));
    assert!(more.truncated && !more.flooded);

    spec = super::Spec { output_cap: 1 << 16, ..bench.shell("tr '\\0' '\\036' </dev/zero >&2") };
    let flood = bench.run(&spec).await;
    assert!(flood.flooded && flood.truncated && flood.exit == Exit::Killed, "{:?}", flood.exit);
    assert!(flood.stderr.len() == 1 << 16 && flood.elapsed < Duration::from_secs(20), "{:?}", flood.elapsed);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_never_reads_delays_a_run_and_does_not_change_its_end() {
    let Some(bench) = Bench::open().await else { return };
    let (sender, _unread) = mpsc::channel(1);
    let spec = bench.shell("echo one; sleep 0.2; echo two; sleep 0.2; echo three; exit 6");
    let finished = bench.docker.run(&spec, &CancellationToken::new(), Some(sender)).await.unwrap();
    assert_eq!((finished.exit, text(&finished.stdout)), (Exit::Code(6), "one\ntwo\nthree\n"));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_what_is_missing() {
    let Some(bench) = Bench::open().await else { return };
    let cancel = CancellationToken::new();
    let image = super::Spec { image: "arena/none-such".into(), ..bench.shell("true") };
    assert_eq!(bench.docker.run(&image, &cancel, None).await, Err(Error::NoImage("arena/none-such".into())));
    let relay = super::Spec { relay: "/nowhere/relay".into(), ..bench.shell("true") };
    let refused = bench.docker.run(&relay, &cancel, None).await;
    assert!(matches!(&refused, Err(error @ Error::Refused(_)) if !error.is_transient()), "{refused:?}");
    let gone = super::Docker::connect(Some("/nowhere/docker.sock")).await.err().unwrap();
    assert!(matches!(gone, Error::Unreachable(_)) && gone.is_transient());
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_killed_from_outside_is_killed_and_not_failed() {
    let Some(bench) = Bench::open().await else { return };
    let (sender, mut live) = mpsc::channel(4);
    let (spec, cancel) = (bench.shell("echo begun; sleep 60"), CancellationToken::new());
    let run = bench.docker.run(&spec, &cancel, Some(sender));
    let kill = async {
        live.recv().await.unwrap();
        let found = bench.docker.list(&format!("arena.test={}", bench.label)).await.unwrap();
        bench.docker.engine.kill(&found[0].id).await.unwrap();
    };
    let (finished, ()) = tokio::join!(run, kill);
    let finished = finished.unwrap();
    assert_eq!((finished.exit, finished.relay), (Exit::Killed, None));
    bench.close().await;
}

/// A child of such a parent is never waited for, so its time is in no sum of reaped children.
#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_ignores_its_children_hides_no_processor_time() {
    let Some(bench) = Bench::open().await else { return };
    let script = "
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    while time.process_time() < 0.5: pass
    os._exit(0)
try: os.waitpid(pid, 0)
except ChildProcessError: pass";
    let report = bench.run(&bench.python(script)).await.relay.unwrap();
    assert!(report.cpu >= Duration::from_millis(500), "{report:?}");
    bench.close().await;
}
