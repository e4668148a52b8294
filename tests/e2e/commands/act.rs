//! The commands that act on a session: `decide`, `resume`, `cancel`, from another process than the one that runs it.

use support::{Packet, World, git, ready};

/// Nine competitors: more than are run without asking.
fn nine() -> Packet {
    let shells: Vec<(String, String)> = (1..=9).map(|at| (format!("c{at}"), format!("echo {at} > value"))).collect();
    let engines: Vec<(&str, &str)> = shells.iter().map(|(name, shell)| (name.as_str(), shell.as_str())).collect();
    Packet::lower(&engines)
}

#[test]
fn nine_competitors_wait_for_a_decision_and_then_run() {
    if !ready("nine_competitors_wait") {
        return;
    }
    let world = World::new();
    let output = world.run(&nine());
    assert_eq!(output.code, 4, "{output:?}");
    let question = output.result();
    assert_eq!((&question["event"], &question["recommended"]), (&"question".into(), &"all".into()));
    let id = question["session"].as_str().unwrap().to_owned();
    assert!(output.stderr.contains(&format!("arena decide {id} all, then: arena resume {id}")), "{output:?}");
    let shown = world.arena(&["show", &id, "--json"]).document();
    assert_eq!((&shown["status"], &shown["question"]["options"]), (&"waiting".into(), &question["options"]));
    let report = world.arena(&["report", &id]);
    assert_eq!(report.code, 4, "{report:?}");
    let again = world.arena(&["resume", &id, "--json"]);
    assert_eq!((again.code, &again.result()["event"]), (4, &"question".into()), "it still waits");
    // Who watches is told what it takes, and waits for it only when told to.
    let watched = world.arena(&["watch", &id]);
    let answer = format!("arena decide {id} all|first-8|cancel");
    assert!(watched.code == 4 && watched.stderr.contains(&answer), "{watched:?}");
    let mut watching = world.start(&["watch", &id, "--wait"]);
    world.await_word(&answer, &mut watching);
    drop(watching);
    let wrong = world.arena(&["decide", &id, "maybe"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(
        wrong.stderr.contains(&format!("mend: one of: all, first-8, cancel; `arena decide {id} all`")),
        "{wrong:?}"
    );
    let dry = world.arena(&["decide", &id, "first-8", "--dry-run", "--json"]);
    assert_eq!((dry.code, &dry.document()["status"]), (0, &"waiting".into()), "nothing is answered by a dry run");
    let decided = world.arena(&["decide", &id, "first-8", "--json"]);
    assert_eq!((decided.code, &decided.document()["next"]), (0, &format!("arena resume {id}").into()), "{decided:?}");
    let twice = world.arena(&["decide", &id, "all"]);
    assert_eq!(twice.code, 2, "{twice:?}");
    assert!(twice.stderr.contains("waits for no answer"), "{twice:?}");
    let dry = world.arena(&["resume", &id, "--dry-run", "--json"]);
    assert_eq!((dry.code, &dry.document()["session"]), (0, &id.as_str().into()), "{dry:?}");
    let resumed = world.arena(&["resume", &id, "--json"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let result = resumed.result();
    assert_eq!((&result["winner"], result["standing"].as_array().unwrap().len()), (&"c1".into(), 8));
    world.assert_clean();
}

#[test]
fn a_question_is_answered_by_yes_or_by_cancelling() {
    if !ready("a_question_is_answered") {
        return;
    }
    let world = World::new();
    world.packet(&nine());
    let waiting = world.arena(&["run", "arena.toml"]);
    assert_eq!((waiting.code, waiting.stdout.as_str()), (4, ""), "{waiting:?}");
    let id = world.session();
    let dry = world.arena(&["cancel", &id, "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(world.arena(&["show", &id, "--json"]).document()["status"], "waiting");
    assert_eq!(world.arena(&["decide", &id, "cancel"]).code, 0);
    assert_eq!(world.arena(&["show", &id, "--json"]).document()["status"], "cancelled");
    let late = world.arena(&["cancel", &id]);
    assert_eq!(late.code, 2, "{late:?}");
    assert!(late.stderr.contains("has ended") && late.stderr.contains("arena report"), "{late:?}");
    let yes = world.arena(&["run", "arena.toml", "--yes", "--json"]);
    assert_eq!(yes.code, 0, "{yes:?}");
    assert_eq!(yes.result()["standing"].as_array().unwrap().len(), 9);
    world.assert_clean();
}

#[test]
fn a_running_session_is_seen_watched_and_cancelled_from_another_process() {
    if !ready("a_running_session") {
        return;
    }
    let world = World::new();
    world.packet(&Packet::lower(&[("quick", "echo 3 > value"), ("sleeper", "echo 1 > value; sleep 3600")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("the round of quick", &mut running, |said| said.contains("\"event\":\"round\""));
    let id = world.session();
    let shown = world.arena(&["show", &id, "--json"]).document();
    assert_eq!((&shown["status"], &shown["running_here"]), (&"running".into(), &true.into()), "{shown}");
    let jobs = shown["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["state"] == "leased").unwrap_or_else(|| panic!("{shown}"));
    let why = world.arena(&["why", job["job"].as_str().unwrap(), "--json"]).document();
    assert_eq!(why["kind"], "runs", "{why}");
    let report = world.arena(&["report", &id]);
    assert_eq!(report.code, 4, "{report:?}");
    assert!(report.stderr.contains("arena watch"), "{report:?}");
    let other = world.arena(&["resume", &id]);
    assert_eq!(other.code, 75, "{other:?}");
    assert!(other.stderr.contains("runs in another process") && other.stderr.contains("arena watch"), "{other:?}");
    let dry = world.arena(&["cancel", &id, "--dry-run", "--json"]);
    assert_eq!(dry.document()["status"], "running");
    let watching = world.command(&["watch", &id, "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let cancelled = world.arena(&["cancel", &id, "--json"]);
    assert_eq!((cancelled.code, &cancelled.document()["status"]), (0, &"cancelled".into()), "{cancelled:?}");
    world.until("the result", &mut running, |said| said.contains("\"event\":\"result\""));
    assert_eq!(running.child.wait().unwrap().code(), Some(3));
    let watched = watching.wait_with_output().unwrap();
    let last = String::from_utf8_lossy(&watched.stdout).lines().last().unwrap_or_default().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).expect(&last);
    assert_eq!((&last["event"], &last["status"]), (&"result".into(), &"cancelled".into()));
    assert_eq!(world.arena(&["show", &id, "--json"]).document()["status"], "cancelled");
    let plain = world.arena(&["show", &id]).stdout;
    assert!(plain.contains("! not judged: stopped in round 1") && !plain.contains("disqualified"), "{plain}");
    let again = world.arena(&["resume", &id]);
    assert!(again.stderr.contains("has ended already (cancelled); this is its result"), "{again:?}");
    assert!(again.stdout.contains("sleeper"), "{again:?}");
    let dry = world.arena(&["resume", &id, "--dry-run"]);
    assert!(dry.stdout.contains("it has ended already"), "{dry:?}");
    assert_eq!(world.arena(&["sessions", "--json"]).document()[0]["status"], "cancelled");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    world.assert_clean();
}

#[test]
fn who_watches_a_session_that_nobody_moves_is_told_to_resume_it() {
    if !ready("who_watches_a_session") {
        return;
    }
    let world = World::new();
    world.packet(&Packet::lower(&[
        ("quick", "echo 3 > value"),
        ("slow", "while [ ! -e value.go ]; do sleep 0.1; done"),
    ]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("the round of quick", &mut running, |said| said.contains("\"event\":\"round\""));
    let id = world.session();
    let watching = world.command(&["watch", &id]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // One who watched already, and one who comes later.
    let resume = format!("mend: `arena resume {id}`");
    let watched = watching.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&watched.stderr).into_owned();
    assert!(watched.status.code() == Some(4) && said.contains(&resume), "{said}");
    let late = world.arena(&["watch", &id, "--json"]);
    assert_eq!((late.code, &late.result()["event"], &late.result()["exit"]), (4, &"error".into(), &4.into()));
    let job = format!("{id}/slow/1/implement");
    let why = world.arena(&["why", &job, "--json"]).document();
    let told =
        serde_json::json!({ "job": job, "kind": "interrupted", "why": format!("interrupted: `arena resume {id}`") });
    assert_eq!(why, told);
    let status = |args: &[&str]| world.arena(args).document()["status"].clone();
    assert_eq!(status(&["show", &id, "--json"]), "interrupted");
    assert_eq!(status(&["resume", &id, "--dry-run", "--json"]), "interrupted");
    assert_eq!(status(&["cancel", &id, "--dry-run", "--json"]), "interrupted");
    assert_eq!(world.arena(&["sessions", "--json"]).document()[0]["status"], "interrupted");
    assert!(late.stdout.contains("\"event\":\"round\"") && late.stderr.contains(&resume), "{late:?}");
    assert_eq!(world.arena(&["cancel", &id]).code, 0);
    let ended = world.arena(&["watch", &id]);
    assert!(ended.code == 0 && ended.stdout.contains("cancelled"), "{ended:?}");
    assert_eq!(world.arena(&["resume", &id]).code, 3);
    world.assert_clean();
}

#[test]
fn the_beginning_of_an_id_is_enough_unless_two_share_it() {
    if !ready("the_beginning_of_an_id") {
        return;
    }
    let world = World::new();
    let packet = nine();
    // Seventeen ids of hexadecimal digits: two of them begin alike.
    for _ in 0..17 {
        assert_eq!(world.run(&packet).code, 4);
    }
    let list = world.arena(&["sessions", "--json"]).document();
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|one| one["session"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 17);
    let shared =
        ids.iter().map(|id| &id[..1]).find(|first| ids.iter().filter(|id| id.starts_with(first)).count() > 1).unwrap();
    for prefix in [shared, ""] {
        for command in [vec!["show", prefix], vec!["cancel", prefix], vec!["decide", prefix, "all"]] {
            let output = world.arena(&command);
            assert_eq!(output.code, 2, "{command:?}: {output:?}");
            assert!(output.stderr.contains("mend:"), "{output:?}");
        }
    }
    for id in &ids {
        assert_eq!(world.arena(&["show", &id[..11], "--json"]).document()["session"], *id);
    }
    assert!(list.as_array().unwrap().iter().all(|one| one["status"] == "waiting"), "nothing was decided by mistake");
    world.assert_clean();
}
