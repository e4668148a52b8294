//! What becomes of a container whose worker was killed: nothing outlives the one that would hear of it.

use super::{Bench, IMAGE};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Attached by a process of its own, which can be killed as a worker can.
fn attached(bench: &Bench, init: &[&str], lease: &str, script: &str) -> (Child, String) {
    let name = format!("arena-leash-{}-{}{}", bench.label, init.len(), lease.trim());
    let mut command = Command::new("docker");
    command.args(["run", "-i", "--network", "none", "--name", &name]);
    command.args(["--label", &format!("arena.test={}", bench.label)]);
    command.args(["-v", &format!("{}:/relay:ro", bench.relay.display()), IMAGE]);
    command.args(init).args(["bash", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let order = format!("{} 0{lease}\n", "0123456789abcdef".repeat(4));
    child.stdin.as_mut().unwrap().write_all(order.as_bytes()).unwrap();
    (child, name)
}

fn runs(name: &str) -> bool {
    let seen = Command::new("docker").args(["inspect", "--format", "{{.State.Running}}", name]).output().unwrap();
    String::from_utf8_lossy(&seen.stdout).trim() == "true"
}

async fn within(most: Duration, done: impl Fn() -> bool) -> bool {
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < most {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_takes_what_ran_with_it_and_without_the_relay_it_would_go_on() {
    let Some(bench) = Bench::open().await else { return };
    // It reads nothing, ignores hang-ups and has a child in a session of its own.
    let script = "trap '' HUP TERM; setsid sleep 300 & sleep 300";
    let (mut held, leashed) = attached(&bench, &["/relay", "run", "--"], "", script);
    let (mut control, free) = attached(&bench, &["env"], "", script);
    assert!(within(Duration::from_secs(20), || runs(&leashed) && runs(&free)).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(runs(&leashed), "it runs for as long as its worker is there");
    for child in [&mut held, &mut control] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(within(Duration::from_secs(5), || !runs(&leashed)).await, "it outlived its worker");
    assert!(runs(&free), "without the relay it goes on, so it was the relay that ended the other one");
    for name in [leashed, free] {
        assert!(Command::new("docker").args(["rm", "-f", &name]).output().unwrap().status.success());
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_keeps_its_containers_no_longer_than_its_lease() {
    let Some(bench) = Bench::open().await else { return };
    let relay = ["/relay", "run", "--"];
    let (mut silent, hangs) = attached(&bench, &relay, " 3", "sleep 300");
    let (mut heard, renewed) = attached(&bench, &relay, " 4", "sleep 300");
    let mut input = heard.stdin.take().unwrap();
    let speaks = tokio::task::spawn_blocking(move || {
        // Far past the first one, each word counting from when it comes.
        for _ in 0..8 {
            std::thread::sleep(Duration::from_secs(1));
            input.write_all(&[60]).unwrap();
        }
        input
    });
    assert!(within(Duration::from_secs(20), || runs(&hangs) && runs(&renewed)).await);
    assert!(within(Duration::from_secs(20), || !runs(&hangs)).await, "its lease was over");
    let input = speaks.await.unwrap();
    assert!(runs(&renewed), "its lease was renewed");
    drop(input);
    assert!(within(Duration::from_secs(5), || !runs(&renewed)).await, "and its worker's end ends it as ever");
    for (mut child, name) in [(silent.kill().map(|()| silent).unwrap(), hangs), (heard, renewed)] {
        child.wait().unwrap();
        assert!(Command::new("docker").args(["rm", "-f", &name]).output().unwrap().status.success());
    }
    bench.close().await;
}
