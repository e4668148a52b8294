//! Figures on a repository of 20,000 files and 500 commits. Only `cargo test --release --test large` runs them, with a
//! binary of the same build; lines of figures begin with `large:`.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use support::{Packet, World, ready};

const FILES: usize = 20_000;
const COMMITS: usize = 500;
/// Milliseconds, on overlays.
const LIMIT: f64 = 50.0;
/// Of a plain copy, on volumes.
const RATIO: f64 = 1.5;
/// A loaded machine gets this many tries.
const TRIES: usize = 3;

/// One commit of all files, then many of one file each.
fn large() -> World {
    let files = (0..FILES).map(|number| (format!("d{}/f{number}", number % 50), format!("{number}\n").repeat(20)));
    World::imported(COMMITS, files.chain([("value".to_owned(), "1000\n".to_owned())]))
}

/// What an engine does that takes no time, and one that takes a little.
const QUICK: &str = "echo 5 > value";
const SLOW: &str = "sleep 3; echo 5 > value";

fn packet(shell: &str) -> Packet {
    let names = ["one", "two", "three", "four", "five", "six"];
    let engines: Vec<(&str, &str)> = names.iter().map(|name| (*name, shell)).collect();
    let mut packet = Packet::lower(&engines);
    packet.session = packet.session.replace("parallel = 2", "parallel = 1");
    packet
}

/// Milliseconds of a day.
fn at(event: &Value) -> f64 {
    let text = event["at"].as_str().unwrap();
    let time: Vec<f64> = text[11..text.len() - 1].split(':').map(|part| part.parse().unwrap()).collect();
    ((time[0] * 60.0 + time[1]) * 60.0 + time[2]) * 1000.0
}

fn median(mut numbers: Vec<f64>) -> f64 {
    assert!(!numbers.is_empty());
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// How long the later competitors waited for their workspaces, and how long it took to collect their change.
fn measure(world: &World, shell: &str) -> (f64, f64) {
    let output = world.run(&packet(shell));
    assert_eq!(output.code, 0, "{output:?}");
    let events = output.events();
    let (mut ready, mut collect) = (Vec::new(), Vec::new());
    for name in ["two", "three", "four", "five", "six"] {
        let place = |phase: &str| {
            events.iter().position(|event| event["competitor"] == name && event["phase"] == phase).unwrap()
        };
        let (prepare, engine, collected) = (place("prepare"), place("engine"), place("collect"));
        ready.push(at(&events[engine]) - at(&events[prepare]));
        // One job runs at a time, so whatever comes next comes when the change is stored; often another's job.
        collect.push(at(&events[collected + 1]) - at(&events[collected]));
    }
    world.assert_clean();
    (median(ready), median(collect))
}

/// The fastest of three, of the working tree alone, without any history.
fn plain_copy(world: &World, within: &Path) -> f64 {
    let copies = (0..3).map(|_| {
        let target = tempfile::tempdir_in(within).unwrap();
        let begun = Instant::now();
        let mut copy = Command::new("sh");
        let copied = copy.args(["-c", "cp -a \"$0\"/* \"$1\""]).arg(&world.repo).arg(target.path()).status().unwrap();
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        assert!(copied.success());
        took
    });
    copies.fold(f64::INFINITY, f64::min)
}

#[test]
fn later_workspaces_and_collecting_cost_the_same_whatever_the_tree() {
    if !ready("later_workspaces") {
        return;
    }
    let world = large().on("overlay");
    let mut good = false;
    for _ in 0..TRIES {
        let (ready, collect) = measure(&world, QUICK);
        println!("large: overlay: ready {ready:.0} ms, collect {collect:.0} ms (each under {LIMIT:.0} ms)");
        good = ready < LIMIT && collect < LIMIT;
        if good {
            break;
        }
    }
    assert!(good, "over the limit {TRIES} times");
}

#[test]
fn workspaces_in_memory_cost_about_a_plain_copy() {
    if !ready("workspaces_in_memory") {
        return;
    }
    let world = large().on("volume");
    let mut good = false;
    for _ in 0..TRIES {
        let (ready, _) = measure(&world, SLOW);
        let (hasty, collect) = measure(&world, QUICK);
        let disk = plain_copy(&world, &world.repo.join(".."));
        // Where there is a file system in memory, copying to it is the faster copy; the limit is that of the faster.
        let memory = Some(Path::new("/dev/shm")).filter(|place| place.is_dir()).map(|place| plain_copy(&world, place));
        let copy = disk.min(memory.unwrap_or(disk));
        println!(
            "large: volume: ready {ready:.0} ms, plain copy {copy:.0} ms, ratio {:.2} (under {RATIO})",
            ready / copy
        );
        println!("large: volume: ready {hasty:.0} ms behind engines that take no time, ratio {:.2}", hasty / copy);
        println!(
            "large: volume: collect {collect:.0} ms, ratio {:.2}; plain copy to disk {disk:.0} ms",
            collect / copy
        );
        good = ready < RATIO * copy;
        if good {
            break;
        }
    }
    assert!(good, "over the limit {TRIES} times");
}
