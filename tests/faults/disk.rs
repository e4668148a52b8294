//! A state directory that is read-only, full before the start, or filled in mid-run.

use crate::common::{Story, assert_clean, packet, slow};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{World, ready};

/// A file system of its own below a world, unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// The world's state directory is moved onto it.
    fn below(world: &mut World, megabytes: u32) -> Self {
        let folder = world.repo.parent().expect("a folder").to_owned();
        let (image, point) = (folder.join("disk.img"), folder.join("disk"));
        std::fs::create_dir(&point).expect("a folder");
        File::create(&image).and_then(|file| file.set_len(u64::from(megabytes) << 20)).expect("an image");
        call("mkfs.ext4", &["-q", "-F", "-m", "0", &image.to_string_lossy()]);
        call("mount", &["-o", "loop", &image.to_string_lossy(), &point.to_string_lossy()]);
        world.state = point.join("state");
        Self(point)
    }

    fn fill(&self, leave: u64) {
        let free = room(&self.0);
        let file = File::create(self.0.join("filler")).expect("a filler");
        // What the file system itself needs is not known to the byte: less and less is asked for.
        for part in (0..=64).map(|step| free.saturating_sub(leave + (step << 16))) {
            if fallocate(&file, FallocateFlags::empty(), 0, part).is_ok() {
                return;
            }
        }
        panic!("cannot fill {free} bytes");
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn room(place: &Path) -> u64 {
    let stat = statvfs(place).expect("a disk");
    stat.f_bavail * stat.f_frsize
}

fn call(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A state directory as an earlier run has left it.
fn make(world: &World) {
    std::fs::create_dir_all(&world.state).expect("a state directory");
    assert_eq!(world.arena(&["sessions"]).code, 0);
}

#[test]
fn a_read_only_state_directory_is_refused_with_the_option_that_mends_it() {
    if !ready("a_read_only_state_directory") {
        return;
    }
    for made_before in [false, true] {
        let mut world = World::new();
        let mounted = Mounted::below(&mut world, 64);
        world.packet(&packet());
        if made_before {
            make(&world);
        }
        call("mount", &["-o", "remount,ro", &mounted.0.to_string_lossy()]);
        let output = world.arena(&["run", "arena.toml", "--json"]);
        assert_eq!(output.code, 77, "{output:?}");
        assert!(output.stderr.contains("cannot be written") && output.stderr.contains("--state DIR"), "{output:?}");
        assert_eq!(output.document()["exit"], 77);
        assert_clean(&world);
        drop(mounted);
    }
}

#[test]
fn a_full_disk_is_refused_before_anything_is_made() {
    if !ready("a_full_disk") {
        return;
    }
    for (leave, made_before) in [(0, false), (0, true), (8 << 20, false), (40 << 20, true)] {
        let mut world = World::new();
        let mounted = Mounted::below(&mut world, 128);
        world.packet(&packet());
        if made_before {
            make(&world);
        }
        mounted.fill(leave);
        let output = world.arena(&["run", "arena.toml", "--json"]);
        assert_eq!(output.code, 75, "{leave} bytes free: {output:?}");
        assert!(
            output.stderr.contains("disk of the state directory") && output.stderr.contains("free some space"),
            "{output:?}"
        );
        mounted.empty();
        let half_made = world.state.exists().then(|| world.arena(&["sessions", "--json"]).document());
        assert!(half_made.is_none_or(|list| list == serde_json::json!([])), "no half-made session");
        assert!(!world.state.join("reserve").exists(), "no room is held on a full disk");
        assert_clean(&world);
        drop(mounted);
    }
}

fn filled_when(test: &str, phase: &str, times: usize) {
    if !ready(test) {
        return;
    }
    let mut world = World::new();
    let mounted = Mounted::below(&mut world, 400);
    let mut story = Story::begun(world, &slow("2"), &[]);
    story.until_phase(phase, times);
    mounted.fill(0);
    let code = story.ends();
    let said = story.world.said();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("free some space") && said.contains("arena resume"), "{said}");
    mounted.empty();
    story.resumed();
    drop(mounted);
}

#[test]
fn a_disk_that_fills_while_engines_work_stops_the_run_and_loses_nothing_stored() {
    filled_when("a_disk_that_fills_while_engines_work", "engine", 2);
}

#[test]
fn a_disk_that_fills_in_the_second_round_stops_the_run_and_loses_nothing_stored() {
    filled_when("a_disk_that_fills_in_the_second_round", "engine", 3);
}

#[test]
fn a_disk_that_fills_while_a_tree_is_collected_keeps_the_tree() {
    filled_when("a_disk_that_fills_while_a_tree_is_collected", "collect", 1);
}
