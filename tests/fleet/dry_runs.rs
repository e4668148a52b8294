//! A dry run says what the command would: it ends as that does, and leaves everything as it was.

use serde_json::json;
use std::path::Path;
use std::process::Command;
use support::{Fleet, Older, Output, binary, run};

fn ask_dry(fleet: &Fleet, token: &str, args: &[&str]) -> Output {
    fleet.ask(token, &[args, &["--dry-run"]].concat())
}

fn certs(fleet: &Fleet, args: &[&str]) -> Output {
    run(Command::new(binary()).arg("certs").args(args).arg("--dir").arg(fleet.certs_dir()))
}

/// The names and the bytes of all in a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().display().to_string(), std::fs::read(entry.path()).expect("a file")))
        .collect();
    files.sort();
    files
}

#[test]
fn whoever_may_not_give_or_take_a_token_is_refused_the_dry_run_too() {
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let (vic, ada) = (fleet.token("vic", "viewer", "blue"), fleet.token("ada", "admin", "blue"));
    let list = run(&mut fleet.as_holder("coordinator", &fleet.team(), &["tokens", "list", "--json"])).document();
    let id = |name: &str| {
        let found = list.as_array().expect("a list").iter().find(|one| one["name"] == name);
        found.expect("a token")["id"].as_str().expect("an id").to_owned()
    };
    let own = id("vic");
    let rows: [(&str, &[&str], i32); 11] = [
        (&vic, &["tokens", "create", "bob", "--tenant", "blue"], 77),
        (&vic, &["tokens", "revoke", &own], 77),
        (&vic, &["drain", "one"], 77),
        (&vic, &["dead", "--requeue", "--all"], 77),
        (&ada, &["tokens", "create", "bob", "--every-tenant"], 77),
        (&ada, &["tokens", "create", "bob", "--tenant", "red"], 77),
        (&ada, &["tokens", "create", "", "--tenant", "blue"], 2),
        (&ada, &["tokens", "create", "bo\nb", "--tenant", "blue"], 2),
        (&ada, &["tokens", "create", "bob", "--tenant", "bl ue"], 2),
        (&ada, &["tokens", "create", "bob", "--tenant", "blue", "--role", "king"], 2),
        (&ada, &["tokens", "revoke", "nobody"], 5),
    ];
    for (token, args, code) in rows {
        let (tried, done) = (ask_dry(&fleet, token, args), fleet.ask(token, args));
        assert_eq!((tried.code, done.code), (code, code), "{args:?}: {tried:?} {done:?}");
        assert_eq!((&tried.stdout, &tried.stderr), (&done.stdout, &done.stderr), "{args:?}");
        assert_eq!(tried.stderr.lines().count(), 2, "{args:?}: the error and its mend: {tried:?}");
    }
    let refused = run(&mut fleet.as_holder("coordinator", &fleet.team(), &["audit", "--json"])).stdout;
    assert_eq!(refused.matches("it reaches beyond the caller's own tenant").count(), 4, "each twice: {refused}");
    let revoke = ["tokens", "revoke", &own];
    assert!(ask_dry(&fleet, &ada, &revoke).stdout.contains("of vic would open nothing any more"));
    assert_eq!(fleet.ask(&ada, &revoke).code, 0);
    assert!(ask_dry(&fleet, &ada, &revoke).stdout.contains("of vic opens nothing already"));
}

#[test]
fn a_dry_run_where_nothing_is_yet_makes_nothing_and_says_what_would_be_made() {
    let fleet = Fleet::new();
    let state = fleet.team();
    let here = |args: &[&str]| run(&mut fleet.as_holder("coordinator", &state, args));
    let create = ["tokens", "create", "ann", "--role", "admin", "--tenant", "blue", "--dry-run"];
    for made_before in [false, true] {
        if made_before {
            std::fs::create_dir(&state).expect("an empty folder");
        }
        let said = here(&create);
        let words = ["of ann, admin of blue, would be made", &state.display().to_string(), "nothing was changed"];
        assert!(said.code == 0 && words.iter().all(|word| said.stdout.contains(word)), "{said:?}");
        let document = here(&[&create[..], &["--json"]].concat()).document();
        let place = state.display().to_string();
        assert_eq!(
            (&document["id"], &document["would_make"], &document["dry_run"]),
            (&json!(null), &json!(place), &json!(true)),
            "{document}"
        );
        assert_eq!(here(&["tokens", "create", "ann", "--role", "king", "--tenant", "blue", "--dry-run"]).code, 2);
        assert_eq!(here(&["tokens", "list", "--json"]).document(), json!([]));
        for args in [&["tokens", "revoke", "x"][..], &["drain", "one"], &["dead", "--requeue", "--all"]] {
            assert_eq!(here(&[args, &["--dry-run"]].concat()).code, 5, "{args:?}");
        }
        assert_eq!(state.exists(), made_before, "no folder");
        assert!(!made_before || contents(&state).is_empty(), "and nothing in it");
    }
    let file = fleet.certs_dir().join("ca.pem");
    let below = run(&mut fleet.as_holder("coordinator", &file.join("below"), &create));
    assert!(below.code == 2 && below.stderr.contains("name a directory: `--state DIR`"), "{below:?}");
    assert_eq!(here(&create[..create.len() - 1]).code, 0);
    assert!(state.join("arena.db").exists(), "as it was said");
    assert!(!here(&create).stdout.contains("state directory"), "and is there now");
}

#[test]
fn a_dry_run_of_certificates_refuses_what_the_command_does_and_names_whose_they_are() {
    let fleet = Fleet::new();
    fleet.certs(&["issue", "worker", "w1"]);
    fleet.certs(&["issue", "worker", "w2"]);
    fleet.certs(&["revoke", "w2"]);
    std::fs::write(fleet.certs_dir().join("lone.key"), "of somebody").expect("a file");
    let before = contents(&fleet.certs_dir());
    let refused: [&[&str]; 6] = [
        &["issue", "worker", "ca"],
        &["issue", "worker", "revoked"],
        &["issue", "client", "w1"],
        &["issue", "worker", "lone"],
        &["issue", "coordinator", "c2", "--host", "a host"],
        &["revoke", "nobody"],
    ];
    for args in refused {
        let tried = certs(&fleet, &[args, &["--dry-run"]].concat());
        let done = certs(&fleet, args);
        assert_eq!((tried.code, &tried.stdout), (2, &done.stdout), "{args:?}: {tried:?}");
        assert_eq!((tried.code, tried.stderr), (done.code, done.stderr), "{args:?}");
    }
    let again = certs(&fleet, &["issue", "worker", "w1", "--dry-run"]);
    assert!(again.code == 0 && again.stdout.contains("w1.pem: worker w1 would be replaced"), "{again:?}");
    let told = certs(&fleet, &["revoke", "w1", "w2", "coordinator", "--dry-run"]);
    let list = fleet.certs_dir().canonicalize().expect("the folder").join("revoked.pem").display().to_string();
    let words = [
        "of worker w1 would be revoked\n",
        "of worker w2 was revoked before\n",
        "of coordinator coordinator would be revoked\n",
        &format!("{list}: the list would be written; nothing was changed\n"),
    ];
    assert!(told.code == 0 && words.iter().all(|word| told.stdout.contains(word)), "{told:?}");
    let document = certs(&fleet, &["revoke", "w2", "--dry-run", "--json"]).document();
    assert_eq!((&document["list"], &document["revoked"][0]["before"]), (&json!(list), &json!(true)), "{document}");
    assert_eq!(contents(&fleet.certs_dir()), before, "nothing was changed");
    let elsewhere = fleet.certs_dir().with_file_name("elsewhere");
    let init = |more: &[&str]| run(Command::new(binary()).args(["certs", "init", "--dir"]).arg(&elsewhere).args(more));
    let founds = init(&["--dry-run"]);
    assert!(founds.code == 0 && founds.stdout.contains("ca.pem: an authority would be made"), "{founds:?}");
    assert!(!elsewhere.exists());
    std::fs::create_dir(&elsewhere).expect("a folder");
    std::fs::write(elsewhere.join("coordinator.key"), "of somebody").expect("a file");
    assert_eq!([init(&["--dry-run"]).code, init(&[]).code], [2, 2]);
    assert!(!elsewhere.join("ca.pem").exists(), "no authority without the certificate that was asked for");
}

#[test]
fn a_coordinator_that_does_not_know_dry_runs_is_looked_at_and_never_has_to_act() {
    let mut fleet = Fleet::new();
    let older = Older::start(&fleet.certs_dir());
    fleet.urls = vec![older.url()];
    let rows: [(&[&str], i32, &str); 8] = [
        (&["drain", "one"], 0, "worker one would begin nothing more"),
        (&["drain", "two"], 5, "no worker 'two' is attached"),
        (&["dead", "--requeue", "--all"], 0, "held: would wait again"),
        (&["dead", "--requeue", "told"], 1, "told: would not wait again: its session was told"),
        (&["dead", "--requeue", "nobody"], 5, "not among the dead"),
        (&["tokens", "create", "bob", "--tenant", "blue"], 0, "a token of bob, submitter of blue, would be made"),
        (&["tokens", "revoke", "0123456789ab"], 0, "of vic would open nothing any more"),
        (&["tokens", "revoke", "nobody"], 5, "no token 'nobody'"),
    ];
    for (args, code, word) in rows {
        let said = ask_dry(&fleet, "arena_any", args);
        assert!(said.code == code && (said.stdout.contains(word) || said.stderr.contains(word)), "{args:?}: {said:?}");
        assert!(said.stderr.contains("older version: whether you may do that was not asked"), "{args:?}: {said:?}");
    }
    assert_eq!(older.acted(), 0);
    assert!(!fleet.world.state.exists(), "nor is a state directory made for what a team is asked");
    fleet.ask("arena_any", &["drain", "one"]);
    assert_eq!(older.acted(), 1, "it would have");
}
