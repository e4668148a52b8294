//! What an engine may do to a tree, each kind of change once: the branch holds it, and the judge saw the same.

use crate::trees::{content, entries, held, judged, listing};
use serde_json::{Value, json};
use support::{Output, Packet, World, git, ready};

/// A repository with folders, links, a binary and an ignore file.
fn world() -> World {
    let world = World::new();
    world.write("run.sh", "echo run\n");
    world.write("data.bin", b"\x00\x01\x02\xff");
    world.write("old/a", "a\n");
    world.write("old/deep/b", "b\n");
    world.write("folder/one", "one\n");
    world.write("folder/two", "two\n");
    world.write("plain", "plain\n");
    world.write(".gitignore", "*.log\nbuild/\n");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, world.repo.join(name)).unwrap();
    link("plain", "inside");
    link("old", "to-folder");
    link("nowhere", "dangling");
    link("/etc/passwd", "outside");
    link("../outside-of-it", "upwards");
    world.commit("all kinds");
    world
}

/// Every competitor qualified, and what was judged is what its branch holds.
fn check(world: &World, output: &Output, names: &[&str]) {
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    for name in names {
        let entry = output.entry(name);
        assert_eq!(entry["qualified"], true, "{name}: {entry}");
        assert_eq!(entry["scope"]["kept"], true, "{name}: {entry}");
        let branch = entry["branch"].as_str().unwrap();
        assert_eq!(judged(world, &session, name), held(&world.repo, branch), "{name}: judged is what is delivered");
    }
    assert_eq!(git(&world.repo, &["status", "--porcelain", "--ignored"]), "");
    world.assert_clean();
}

fn changed(output: &Output, name: &str) -> Value {
    output.entry(name)["files_changed"].clone()
}

fn branch(output: &Output, name: &str) -> String {
    output.entry(name)["branch"].as_str().unwrap().to_owned()
}

#[test]
fn modes_binaries_and_ignored_files_are_delivered_as_they_were_made() {
    if !ready("modes_binaries_and_ignored_files") {
        return;
    }
    let world = world();
    let engines = [
        ("mode", "echo 3 > value; chmod +x run.sh"),
        ("binary", "echo 3 > value; printf '\\000\\377\\000new' > data.bin; head -c 5000 /dev/zero > zeros.bin"),
        ("hidden", "echo 3 > value; mkdir build; echo x > build/out; echo y > trace.log; echo '*' > .git/info/exclude"),
        ("touch", "echo 3 > value; touch plain; cp plain copy; mv copy plain; chmod 600 old/a; chmod -R g-w,o-rwx ."),
    ];
    let output = world.run(&listing(Packet::lower(&engines)));
    check(&world, &output, &["mode", "binary", "hidden", "touch"]);
    assert_eq!(changed(&output, "mode"), json!(["run.sh", "value"]));
    let held = entries(&world.repo, &branch(&output, "mode"));
    assert_eq!(held[b"run.sh".as_slice()].0, "100755");
    assert_eq!(content(&world.repo, &branch(&output, "mode"), b"run.sh"), b"echo run\n");
    assert_eq!(changed(&output, "binary"), json!(["data.bin", "value", "zeros.bin"]));
    assert_eq!(content(&world.repo, &branch(&output, "binary"), b"data.bin"), b"\x00\xff\x00new");
    assert_eq!(content(&world.repo, &branch(&output, "binary"), b"zeros.bin"), [0; 5000]);
    assert_eq!(changed(&output, "hidden"), json!(["build/out", "trace.log", "value"]), "an ignore file hides nothing");
    assert_eq!(changed(&output, "touch"), json!(["value"]), "what has the same bytes is unchanged");
}

#[test]
fn an_empty_change_and_one_of_modes_alone_are_told_apart() {
    if !ready("an_empty_change") {
        return;
    }
    let world = world();
    let engines = [
        ("idle", "mkdir empty; touch plain"),
        ("mode", "chmod +x run.sh"),
        ("undo", "rm plain; git checkout -q -- plain"),
    ];
    let output = world.run(&Packet::lower(&engines));
    assert_eq!(output.code, 3, "{output:?}");
    for name in ["idle", "undo"] {
        let entry = output.entry(name);
        assert_eq!(entry["disqualified_for"], json!(["nothing was changed"]), "{entry}");
        assert_eq!((&entry["commit"], &entry["files_changed"]), (&Value::Null, &json!([])), "{entry}");
        let diff = world.arena(&["diff", output.result()["session"].as_str().unwrap(), name]);
        assert_eq!(diff.code, 5, "{diff:?}");
        assert!(diff.stderr.contains("arena logs"), "{diff:?}");
    }
    assert_eq!(changed(&output, "mode"), json!(["run.sh"]));
    assert_eq!(output.entry("mode")["kpis"][0]["verdict"], "same");
    let branches = git(&world.repo, &["for-each-ref", "--format=%(refname:short)", "refs/heads/arena"]);
    assert_eq!(branches, branch(&output, "mode"), "no branch for no change");
    world.assert_clean();
}

#[test]
fn folders_are_deleted_renamed_and_replaced() {
    if !ready("folders_are_deleted") {
        return;
    }
    let world = world();
    let engines = [
        ("deleted", "echo 3 > value; rm -rf old"),
        ("renamed", "echo 3 > value; mv old new"),
        ("tofile", "echo 3 > value; rm -rf folder; echo file > folder"),
        ("tofolder", "echo 3 > value; rm plain; mkdir -p plain/sub; echo x > plain/sub/x"),
        ("back", "echo 3 > value; rm plain; mkdir plain; echo x > plain/x; rm -rf plain; echo plain > plain"),
        ("again", "echo 3 > value; rm -rf folder; mkdir folder; echo one > folder/one; echo 3 > folder/three"),
    ];
    let output = world.run(&listing(Packet::lower(&engines)));
    check(&world, &output, &["deleted", "renamed", "tofile", "tofolder", "back", "again"]);
    assert_eq!(changed(&output, "deleted"), json!(["old/a", "old/deep/b", "value"]));
    assert_eq!(changed(&output, "renamed"), json!(["new/a", "new/deep/b", "old/a", "old/deep/b", "value"]));
    assert_eq!(content(&world.repo, &branch(&output, "renamed"), b"new/deep/b"), b"b\n");
    assert_eq!(changed(&output, "tofile"), json!(["folder", "folder/one", "folder/two", "value"]));
    assert_eq!(content(&world.repo, &branch(&output, "tofile"), b"folder"), b"file\n");
    assert_eq!(changed(&output, "tofolder"), json!(["plain", "plain/sub/x", "value"]));
    assert_eq!(changed(&output, "back"), json!(["value"]), "a folder that is a file again is no change");
    assert_eq!(changed(&output, "again"), json!(["folder/three", "folder/two", "value"]));
}

#[test]
fn a_second_round_goes_on_where_the_first_replaced_files_and_folders() {
    if !ready("a_second_round_goes_on") {
        return;
    }
    let world = world();
    let first = "rm -rf folder old; echo file > folder; ln -s /etc old; rm plain; mkdir plain; echo x > plain/x; echo 5 > value";
    let second = "rm old folder; mkdir -p old folder; echo back > old/a; echo one > folder/one; echo y > plain/y; echo 2 > value";
    let shell = format!("if [ $ARENA_ROUND = 1 ]; then {first}; else {second}; fi");
    let mut packet = listing(Packet::lower(&[("turn", &shell)]));
    packet.budget = "rounds = 2".into();
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let entry = output.entry("turn");
    assert_eq!((&entry["rounds"], &entry["kpis"][0]["best"]), (&json!(2), &json!(2.0)));
    let name = branch(&output, "turn");
    assert_eq!(content(&world.repo, &name, b"old/a"), b"back\n");
    let paths: Vec<String> =
        entries(&world.repo, &name).into_keys().map(|path| String::from_utf8(path).unwrap()).collect();
    let of = |prefix: &str| paths.iter().filter(|path| path.starts_with(prefix)).cloned().collect::<Vec<_>>();
    assert_eq!(of("folder"), ["folder/one"]);
    assert_eq!(of("old"), ["old/a"]);
    assert_eq!(of("plain"), ["plain/x", "plain/y"]);
    world.assert_clean();
}

#[test]
fn links_are_data_and_are_never_followed() {
    if !ready("links_are_data") {
        return;
    }
    let world = world();
    let beside = world.repo.with_file_name("outside-of-it");
    std::fs::write(&beside, "mine\n").unwrap();
    let engines = [
        ("kept", "echo 3 > value"),
        ("tonew", "echo 3 > value; rm -rf folder; ln -s old folder"),
        ("through", "echo 3 > value; echo x > to-folder/new; echo y > inside"),
        ("loops", "echo 3 > value; ln -s loop loop; ln -s . old/here; ln -s \"$(printf 'odd\\377\\ntarget')\" odd"),
        ("turned", "echo 3 > value; rm outside to-folder; echo mine > outside; mkdir to-folder; echo z > to-folder/z"),
    ];
    let output = world.run(&listing(Packet::lower(&engines)));
    check(&world, &output, &["kept", "tonew", "through", "loops", "turned"]);
    assert_eq!(changed(&output, "tonew"), json!(["folder", "folder/one", "folder/two", "value"]));
    let tonew = branch(&output, "tonew");
    assert_eq!(entries(&world.repo, &tonew)[b"folder".as_slice()].0, "120000");
    assert_eq!(content(&world.repo, &tonew, b"folder"), b"old");
    assert_eq!(changed(&output, "through"), json!(["old/new", "plain", "value"]), "where a link leads is what changed");
    assert_eq!(content(&world.repo, &branch(&output, "loops"), b"odd"), b"odd\xff\ntarget");
    assert_eq!(content(&world.repo, &branch(&output, "loops"), b"old/here"), b".");
    assert_eq!(changed(&output, "turned"), json!(["outside", "to-folder", "to-folder/z", "value"]));
    for (path, target) in [("outside", "/etc/passwd"), ("dangling", "nowhere"), ("upwards", "../outside-of-it")] {
        assert_eq!(content(&world.repo, &branch(&output, "kept"), path.as_bytes()), target.as_bytes());
    }
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), "mine\n", "the host's file is as it was");
    assert!(std::path::Path::new("/etc/passwd").is_file());
}

#[test]
fn links_out_of_the_repository_or_to_what_is_protected_are_put_back() {
    if !ready("links_out_of_the_repository") {
        return;
    }
    let world = world();
    let beside = world.repo.with_file_name("outside-of-it");
    std::fs::write(&beside, "mine\n").unwrap();
    let host = format!("echo 3 > value; ln -s {} host; rm upwards; ln -s {0} upwards", beside.display());
    let rows = [
        ("toetc", "echo 3 > value; rm -rf old; ln -s /etc old", "old", "out of the repository"),
        ("host", host.as_str(), "host", "out of the repository"),
        ("chain", "echo 3 > value; ln -s b a; ln -s old/.. b", "a", "to the whole repository"),
        ("tests", "echo 3 > value; ln -s old/../tests more", "more", "to a protected path"),
        ("base", "echo 3 > value; ln -s outside more", "more", "out of the repository"),
        ("own", "echo 3 > value; ln -s .git/config more", "more", "into .git"),
    ];
    let output = world.run(&listing(Packet::lower(&rows.map(|(name, shell, ..)| (name, shell)))));
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    for (name, _, path, why) in rows {
        let entry = output.entry(name);
        assert_eq!((&entry["qualified"], &entry["scope"]["kept"]), (&json!(true), &json!(false)), "{name}: {entry}");
        assert!(entry["scope"]["reverted"].as_array().unwrap().contains(&path.into()), "{name}: {entry}");
        let detail = format!("a link {}{why}; put back", if why.starts_with("out") { "that leads " } else { "" });
        let flag = json!({"kind": "scope_violation", "path": path, "detail": detail});
        assert!(entry["flags"].as_array().unwrap().contains(&flag), "{name}: {entry}");
        assert_eq!(judged(&world, &session, name), held(&world.repo, &branch(&output, name)), "{name}");
    }
    assert_eq!(changed(&output, "toetc"), json!(["old/a", "old/deep/b", "value"]));
    for name in ["host", "chain", "tests", "base", "own"] {
        assert_eq!(changed(&output, name), json!(["value"]), "{name}");
    }
    assert_eq!(content(&world.repo, &branch(&output, "host"), b"upwards"), b"../outside-of-it");
    world.assert_clean();
}

#[test]
fn a_forbidden_file_is_not_removed_by_putting_something_in_its_place() {
    if !ready("a_forbidden_file_is_not_removed") {
        return;
    }
    let world = world();
    world.write("folder/Makefile", "all:\n");
    world.write("server.key", "secret\n");
    world.commit("what is forbidden");
    let engines = [
        ("file", "echo 3 > value; rm -rf folder; echo x > folder"),
        ("folder", "echo 3 > value; rm server.key; mkdir server.key; echo x > server.key/x"),
        ("link", "echo 3 > value; rm -rf folder; ln -s old folder"),
    ];
    let output = world.run(&listing(Packet::lower(&engines)));
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    for (name, _) in engines {
        let branch = branch(&output, name);
        assert_eq!(content(&world.repo, &branch, b"folder/Makefile"), b"all:\n", "{name}");
        assert_eq!(content(&world.repo, &branch, b"server.key"), b"secret\n", "{name}");
        assert_eq!(output.entry(name)["scope"]["kept"], false, "{name}");
        assert_eq!(judged(&world, &session, name), held(&world.repo, &branch), "{name}");
    }
    assert_eq!(changed(&output, "folder"), json!(["value"]));
    world.assert_clean();
}
