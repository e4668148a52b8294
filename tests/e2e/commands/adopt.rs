//! `adopt` in a checkout whose user is in the middle of something.

use support::{Output, Packet, World, git, ready, run};

fn adopt(world: &World, id: &str, more: &[&str]) -> Output {
    let mut command = world.command(&[&["adopt", id], more].concat());
    for (key, value) in [("NAME", "Test"), ("EMAIL", "test@localhost")] {
        command.env(format!("GIT_AUTHOR_{key}"), value).env(format!("GIT_COMMITTER_{key}"), value);
    }
    run(&mut command)
}

#[test]
fn what_is_not_committed_and_in_the_way_is_said_before_a_gate_runs() {
    if !ready("what_is_not_committed_and_in_the_way") {
        return;
    }
    let world = World::new();
    let output = world.run(&Packet::lower(&[("low", "echo 3 > value; echo new > fresh"), ("mid", "echo 7 > value")]));
    assert_eq!(output.code, 0, "{output:?}");
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let head = git(&world.repo, &["rev-parse", "HEAD"]);
    world.write("value", "9\n");
    world.write("fresh", "mine\n");
    for more in [&[][..], &["--dry-run"], &["--json"]] {
        let refused = adopt(&world, &id, more);
        assert_eq!(refused.code, 1, "{more:?}: {refused:?}");
        for part in ["  value\n", "  fresh\n", "mend: `git stash -u`"] {
            assert!(refused.stderr.contains(part), "{more:?}: {part}: {refused:?}");
        }
        assert!(!refused.stderr.contains("verifying"), "no gate has run: {refused:?}");
        let read = |path: &str| std::fs::read_to_string(world.repo.join(path)).unwrap();
        assert_eq!((read("value"), read("fresh")), ("9\n".into(), "mine\n".into()));
        assert_eq!(git(&world.repo, &["rev-parse", "HEAD"]), head);
    }
    // What the error says helps.
    git(&world.repo, &["stash", "-u", "-q"]);
    world.write("notes", "of mine\n");
    let planned = adopt(&world, &id, &["--dry-run", "--json"]).document();
    assert_eq!(planned, serde_json::json!({ "session": id, "would_adopt": ["low"], "files": ["fresh", "value"] }));
    let adopted = adopt(&world, &id, &["--json"]);
    assert_eq!((adopted.code, &adopted.document()["gates"][0]["passed"]), (0, &true.into()), "{adopted:?}");
    assert_eq!(git(&world.repo, &["show", "HEAD:value"]), "3");
    assert_eq!(adopt(&world, &id, &["--undo"]).code, 0);
    assert_eq!(git(&world.repo, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "?? notes");
    git(&world.repo, &["stash", "pop", "-q"]);
    assert_eq!(std::fs::read_to_string(world.repo.join("value")).unwrap(), "9\n");
    world.assert_clean();
}
