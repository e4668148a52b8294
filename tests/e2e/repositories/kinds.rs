//! Heads, bases, places, dirt, depth, submodules, attributes.

use crate::trees::{content, held, judged, listing, snapshot};
use support::{Output, Packet, World, git, ready};

fn low() -> Packet {
    listing(Packet::lower(&[("low", "echo 3 > value")]))
}

/// `low` has won, its branch stands on the base, and the judge saw what the branch holds.
fn won(world: &World, output: &Output) -> String {
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!(result["winner"], "low", "{result}");
    let branch = output.entry("low")["branch"].as_str().unwrap().to_owned();
    assert_eq!(git(&world.repo, &["rev-parse", &format!("{branch}^")]), result["base"].as_str().unwrap());
    let session = result["session"].as_str().unwrap();
    assert_eq!(judged(world, session, "low"), held(&world.repo, &branch), "judged is what is delivered");
    world.assert_clean();
    branch
}

#[test]
fn a_detached_head_is_the_base_and_stays_detached() {
    if !ready("a_detached_head") {
        return;
    }
    let world = World::new();
    let first = git(&world.repo, &["rev-parse", "HEAD"]);
    world.write("value", "99\n");
    world.commit("newer");
    git(&world.repo, &["switch", "-q", "--detach", &first]);
    let before = snapshot(&world.repo);
    let output = world.run(&low());
    won(&world, &output);
    assert_eq!(output.result()["base"], first.as_str());
    assert_eq!(output.entry("low")["kpis"][0]["baseline"], 10.0);
    assert_eq!(snapshot(&world.repo), before);
}

#[test]
fn a_base_is_a_branch_a_tag_or_the_beginning_of_a_commit() {
    if !ready("a_base_is_a_branch") {
        return;
    }
    let world = World::new();
    let first = git(&world.repo, &["rev-parse", "HEAD"]);
    git(&world.repo, &["tag", "light"]);
    git(&world.repo, &["tag", "-a", "-m", "annotated", "heavy"]);
    git(&world.repo, &["branch", "feature/one"]);
    world.write("value", "99\n");
    world.commit("newer");
    for base in ["light", "heavy", "feature/one", &first[..9], "main~1", "HEAD~1"] {
        let mut packet = low();
        packet.session += &format!("\nbase = \"{base}\"");
        world.packet(&packet);
        let plan = world.arena(&["plan", "arena.toml", "--json"]);
        assert_eq!((plan.code, &plan.document()["base"]), (0, &first.as_str().into()), "{base}");
    }
    let mut packet = low();
    packet.session += "\nbase = \"heavy\"";
    let output = world.run(&packet);
    won(&world, &output);
    assert_eq!(output.result()["base"], first.as_str());
}

#[test]
fn a_packet_in_a_subdirectory_and_an_absolute_path_find_the_same_repository() {
    if !ready("a_packet_in_a_subdirectory") {
        return;
    }
    let world = World::new();
    world.write("deep/er/keep", "");
    world.commit("folders");
    let absolute = world.repo.to_string_lossy().into_owned();
    for (place, repository) in [("deep/er", "."), ("deep", ".."), ("deep/er", absolute.as_str())] {
        let text = low().text().replace("[session]", &format!("[session]\nrepository = \"{repository}\""));
        let path = world.repo.join(place).join("arena.toml");
        std::fs::write(&path, text).unwrap();
        let output = world.arena(&["run", path.to_str().unwrap(), "--json"]);
        won(&world, &output);
        assert_eq!(git(&world.repo, &["status", "--porcelain"]), format!("?? {place}/arena.toml"));
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_shallow_clone_is_run_as_it_is_and_stays_shallow() {
    if !ready("a_shallow_clone") {
        return;
    }
    let world = World::new();
    for value in 11..14 {
        world.write("value", format!("{value}\n"));
        world.commit("more");
    }
    let origin = world.repo.with_file_name("origin");
    std::fs::rename(&world.repo, &origin).unwrap();
    let url = format!("file://{}", origin.display());
    git(origin.parent().unwrap(), &["clone", "-q", "--depth", "2", &url, "repo"]);
    let shallow = std::fs::read(world.repo.join(".git/shallow")).unwrap();
    for (history, commits) in [("none", "1"), ("base", "2")] {
        let mut packet = listing(Packet::lower(&[("low", "git rev-list --all --count > seen; echo 3 > value")]));
        packet.sandbox += &format!("\nhistory = \"{history}\"");
        let output = world.run(&packet);
        let branch = won(&world, &output);
        assert_eq!(git(&world.repo, &["show", &format!("{branch}:seen")]), commits, "{history}");
    }
    assert_eq!(std::fs::read(world.repo.join(".git/shallow")).unwrap(), shallow);
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
}

#[test]
fn a_dirty_tree_is_judged_at_its_base_and_stays_byte_for_byte() {
    if !ready("a_dirty_tree") {
        return;
    }
    let world = World::new();
    world.write("other", "as committed\n");
    world.commit("other");
    world.write("value", "1\n");
    git(&world.repo, &["add", "value"]);
    world.write("value", "not even a number\n");
    world.write("staged-new", "x");
    git(&world.repo, &["add", "staged-new"]);
    world.write("untracked", b"\x00\xff");
    std::fs::remove_file(world.repo.join("other")).unwrap();
    let (before, status) = (snapshot(&world.repo), git(&world.repo, &["status", "--porcelain"]));
    let output = world.run(&low());
    let branch = won(&world, &output);
    assert_eq!(output.entry("low")["kpis"][0]["baseline"], 10.0, "the base, not what lies in the checkout");
    assert_eq!(git(&world.repo, &["show", &format!("{branch}:other")]), "as committed");
    assert!(!held(&world.repo, &branch).iter().any(|line| line.ends_with("756e747261636b6564")), "untracked");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), status);
    // `git status` may refresh the index: the checkout is compared with what it was before.
    let after = snapshot(&world.repo);
    let differing: Vec<_> = before.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(differing.is_empty() && before.len() == after.len(), "{differing:?}");
}

#[test]
fn a_submodule_is_left_alone_whatever_an_engine_does_to_its_folder() {
    if !ready("a_submodule") {
        return;
    }
    let world = World::new();
    let library = world.repo.with_file_name("library");
    std::fs::create_dir(&library).unwrap();
    git(&library, &["init", "-q", "-b", "main"]);
    git(&library, &["commit", "-q", "--allow-empty", "-m", "library"]);
    let url = library.to_string_lossy().into_owned();
    git(&world.repo, &["-c", "protocol.file.allow=always", "submodule", "add", "-q", &url, "deps/my lib"]);
    world.commit("with a submodule");
    let pinned = git(&library, &["rev-parse", "HEAD"]);
    let fill =
        "echo 3 > value; echo x > 'deps/my lib/planted'; mkdir -p 'deps/my lib/sub'; echo y > 'deps/my lib/sub/z'";
    let engines = [("low", "echo 3 > value"), ("fill", fill), ("drop", "echo 3 > value; rm -rf deps")];
    let swap = "echo 3 > value; rmdir 'deps/my lib'; echo 160000 > 'deps/my lib'";
    let output = world.run(&listing(Packet::lower(&[engines[0], engines[1], engines[2], ("swap", swap)])));
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    for name in ["low", "fill", "drop", "swap"] {
        let entry = output.entry(name);
        assert_eq!(entry["files_changed"], serde_json::json!(["value"]), "{name}: {entry}");
        assert_eq!(entry["scope"]["kept"], name == "low", "{name}: {entry}");
        let branch = entry["branch"].as_str().unwrap();
        let link = git(&world.repo, &["ls-tree", branch, "--", "deps/my lib"]);
        assert!(link.starts_with(&format!("160000 commit {pinned}")), "{name}: {link}");
        assert_eq!(judged(&world, &session, name), held(&world.repo, branch), "{name}");
    }
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    world.assert_clean();
}

#[test]
fn attributes_change_no_byte_and_run_nothing_of_the_worker() {
    if !ready("attributes_change_no_byte") {
        return;
    }
    let world = World::new();
    let marker = world.repo.with_file_name("filter-ran");
    // Written while no attribute holds, so that the blobs are these bytes.
    world.write("crlf.txt", "one\ntwo\n");
    world.write("mixed.txt", b"one\r\ntwo\n\xff\xfe");
    world.write("ident.c", "/* $Id$ */\n");
    world.write("shout.up", "quiet\n");
    world.commit("plain bytes");
    let rules = "*.txt text eol=crlf\n*.c ident\n*.up filter=shout\nvalue working-tree-encoding=UTF-16\n";
    world.write(".gitattributes", rules);
    git(&world.repo, &["add", ".gitattributes"]);
    git(&world.repo, &["commit", "-q", "-m", "attributes"]);
    for way in ["clean", "smudge"] {
        let command = format!("sh -c 'pwd >> {}; tr a-z A-Z'", marker.display());
        git(&world.repo, &["config", &format!("filter.shout.{way}"), &command]);
    }
    git(&world.repo, &["config", "filter.shout.required", "true"]);
    let index = std::fs::read(world.repo.join(".git/index")).unwrap();
    let shell = "cat crlf.txt mixed.txt ident.c shout.up > seen; printf 'a\\r\\nb\\n' > new.txt; \
                 echo '/* $Id: x $ */' > new.c; echo soft > new.up; printf 'one\\r\\ntwo\\n' > crlf.txt; echo 3 > value";
    let output = world.run(&listing(Packet::lower(&[("low", shell)])));
    let branch = won(&world, &output);
    let rows: [(&str, &[u8]); 7] = [
        ("seen", b"one\ntwo\none\r\ntwo\n\xff\xfe/* $Id$ */\nquiet\n"),
        ("new.txt", b"a\r\nb\n"),
        ("new.c", b"/* $Id: x $ */\n"),
        ("new.up", b"soft\n"),
        ("crlf.txt", b"one\r\ntwo\n"),
        ("mixed.txt", b"one\r\ntwo\n\xff\xfe"),
        ("value", b"3\n"),
    ];
    for (path, expected) in rows {
        assert_eq!(content(&world.repo, &branch, path.as_bytes()), expected, "{path}");
    }
    // Git may ask the user's own filter about the user's own checkout, and nowhere else.
    let ran = std::fs::read_to_string(&marker).unwrap_or_default();
    assert!(ran.lines().all(|place| place == world.repo.to_str().unwrap()), "a filter ran elsewhere: {ran}");
    assert_eq!(std::fs::read(world.repo.join(".git/index")).unwrap(), index);
}
