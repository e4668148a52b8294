//! Large files, many files, long histories.

use crate::trees::{bytes, entries};
use support::{Packet, World, git, ready};

const FILES: usize = 20_000;
const COMMITS: usize = 500;

#[test]
fn a_file_of_100_megabytes_is_delivered_byte_for_byte() {
    if !ready("a_file_of_100_megabytes") {
        return;
    }
    let world = World::new();
    // Nothing in it can be compressed away; the engine says its digest.
    let shell = "head -c 100000000 /dev/urandom > big.bin; sha256sum < big.bin | cut -c1-64 > digest; echo 3 > value";
    let mut packet = Packet::lower(&[("big", shell)]);
    packet.sandbox = packet.sandbox.replace("64MiB", "512MiB");
    let check = "sha256sum < big.bin | cut -c1-64 | cmp - digest";
    packet.gates =
        packet.gates.replace("grep -qx", &format!("test ! -e big.bin || {check} && grep -qx")).replace("30s", "60s");
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let branch = output.entry("big")["branch"].as_str().unwrap().to_owned();
    assert_eq!(git(&world.repo, &["cat-file", "-s", &format!("{branch}:big.bin")]), "100000000");
    let said = git(&world.repo, &["show", &format!("{branch}:digest")]);
    let held = bytes(&world.repo, &["show", &format!("{branch}:big.bin")]);
    assert_eq!(arena_runtime::digest::sha256(&held), said);
    world.assert_clean();
}

#[test]
fn a_file_that_is_larger_than_what_is_collected_is_an_error_that_names_the_limit() {
    if !ready("a_file_that_is_larger") {
        return;
    }
    let world = World::new();
    let shell = "truncate -s 600M huge; echo 3 > value";
    let mut packet = Packet::lower(&[("huge", shell), ("low", "echo 4 > value")]);
    packet.sandbox = packet.sandbox.replace("64MiB", "1GiB");
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.result()["winner"], "low");
    let why = output.entry("huge")["disqualified_for"].to_string();
    assert!(why.contains("more than 536870912 bytes") && why.contains("leave less behind"), "{why}");
    world.assert_clean();
}

/// Files in folders of a hundred, and a history in which `counter` is written again and again.
fn large() -> World {
    let files = (0..FILES).map(|file| (format!("d{}/f{file}", file / 100), format!("file {file}\n")));
    World::imported(COMMITS, files.chain([("value".to_owned(), "10\n".to_owned())]))
}

/// What an engine can find out of the repository around it.
const LOOK: &str = "git rev-list --all | wc -l > refs; \
    git cat-file --batch-all-objects --batch-check='%(objecttype)' | grep -c commit > commits; \
    git for-each-ref > names; git rev-parse HEAD > head; git status --porcelain > status; \
    cat counter > seen; find . -name 'f*' -path './d*' | wc -l > files; echo 3 > value";

#[test]
fn a_repository_of_20000_files_and_500_commits_shows_an_engine_what_the_packet_allows() {
    if !ready("a_repository_of_20000_files") {
        return;
    }
    let world = large();
    let base = git(&world.repo, &["rev-parse", "main~10"]);
    git(&world.repo, &["tag", "older", "main~100"]);
    git(&world.repo, &["switch", "-q", "-c", "secret", "main~20"]);
    world.write("secret", "not for engines\n");
    let secret = world.commit("secret");
    git(&world.repo, &["switch", "-q", "main"]);
    let newer = git(&world.repo, &["rev-parse", "main"]);
    let probe = format!("{LOOK}; for id in {secret} {newer}; do git cat-file -e $id && echo $id >> leaked; done; true");
    for (history, commits) in [("none", 1), ("base", COMMITS - 10)] {
        let mut packet = Packet::lower(&[("low", &probe), ("other", "echo 4 > value; rm -r d7")]);
        packet.session += &format!("\nbase = \"{base}\"");
        packet.sandbox += &format!("\nhistory = \"{history}\"");
        let output = world.run(&packet);
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.result()["base"], base.as_str());
        let branch = output.entry("low")["branch"].as_str().unwrap().to_owned();
        let said = |name: &str| git(&world.repo, &["show", &format!("{branch}:{name}")]);
        assert_eq!((said("refs"), said("commits")), (commits.to_string(), commits.to_string()), "{history}");
        assert_eq!(said("names").lines().count(), 1, "{history}: {}", said("names"));
        assert_eq!(said("head") == base, history == "base", "{history}");
        assert_eq!((said("seen"), said("files")), ((COMMITS - 10).to_string(), FILES.to_string()));
        assert_eq!(said("status").lines().filter(|line| !line.starts_with("??")).count(), 0, "{}", said("status"));
        let held = entries(&world.repo, &branch);
        assert!(!held.contains_key(b"leaked".as_slice()), "{history}: newer commits or other branches are there");
        assert_eq!(held.len(), FILES + 2 + 7, "{history}: the whole tree");
        let other = output.entry("other")["branch"].as_str().unwrap().to_owned();
        assert_eq!(entries(&world.repo, &other).len(), FILES + 2 - 100, "a deleted folder");
        world.assert_clean();
    }
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
}
