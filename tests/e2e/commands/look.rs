//! The commands that look at a session: `sessions show watch report diff logs why`.

use arena_coordinator::store::Store;
use arena_domain::schedule::Limits;
use arena_proto::v1::SessionHead;
use serde_json::Value;
use support::{Packet, World, git, ready};

/// Colours, a title, a link, a cleared screen, a bell, an eight-bit control, a turned text, and bytes that are no text.
const NOISE: &str = r#"printf '\033[5;31mred\033[0m \033]0;owned\007 \033]8;;http://evil\033\\link \033[2J \007 \302\2335m \342\200\256turned \377\376 end\n'"#;

fn noisy(world: &World) -> String {
    let engine = format!("{NOISE}; {NOISE} >&2; echo 3 > value; printf 'a\\033[31mb\\n' > colour; chmod +x value");
    let mut packet = Packet::lower(&[("low", &engine), ("mid", "echo 7 > value"), ("idle", "true")]);
    packet.gates = packet.gates.replace("run = \"", "run = \"cat colour 2>/dev/null; ");
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    calm(&output.stdout);
    calm(&output.stderr);
    output.result()["session"].as_str().unwrap().to_owned()
}

/// Nothing that a terminal would act on.
fn calm(text: &str) {
    let harm = |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(harm), "{text:?}");
}

#[test]
fn every_command_that_looks_answers_people_and_scripts() {
    if !ready("every_command_that_looks") {
        return;
    }
    let world = World::new();
    let id = noisy(&world);
    let job = world.arena(&["why", &id, "--json"]);
    assert_eq!(job.code, 5, "{job:?}");
    let job =
        job.stderr.split(['`', ' ', ',']).find(|word| word.starts_with(&format!("{id}/"))).unwrap().trim().to_owned();
    let commands: [&[&str]; 9] = [
        &["sessions"],
        &["show", &id],
        &["report", &id],
        &["report", &id[..11]],
        &["diff", &id, "low"],
        &["diff", &id, "mid", "--stat"],
        &["logs", &id, "low"],
        &["logs", &id, "low", "--round", "1"],
        &["why", &job],
    ];
    for command in commands {
        let plain = world.arena(command);
        assert_eq!((plain.code, plain.stderr.as_str()), (0, ""), "{command:?}: {plain:?}");
        assert!(!plain.stdout.is_empty(), "{command:?}");
        calm(&plain.stdout);
        let json = world.arena(&[command, &["--json"]].concat());
        assert_eq!((json.code, json.stderr.as_str()), (0, ""), "{command:?}: {json:?}");
        json.document();
        calm(&json.stdout);
    }
    let list = world.arena(&["sessions", "--json"]).document();
    assert_eq!(
        (&list[0]["session"], &list[0]["status"], &list[0]["winner"]),
        (&id.as_str().into(), &"winner".into(), &"low".into())
    );
    let shown = world.arena(&["show", &id, "--json"]).document();
    let resumed = world.arena(&["resume", &id, "--json"]);
    assert_eq!((resumed.code, resumed.result()), (0, shown), "one result, whoever asks");
    let none = world.arena(&["logs", &id, "low", "--round", "9", "--json"]);
    assert_eq!((none.code, &none.document()["error"]), (5, &serde_json::json!("no round 9 of low")), "{none:?}");
    world.assert_clean();
}

#[test]
fn watch_tells_a_session_from_its_beginning_and_ends_with_the_result() {
    if !ready("watch_tells_a_session") {
        return;
    }
    let world = World::new();
    let id = noisy(&world);
    let watched = world.arena(&["watch", &id, "--json"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let events: Vec<Value> = watched.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(events.last().unwrap()["event"], "result");
    let sequence: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(sequence.is_sorted() && sequence.len() > 3, "{sequence:?}");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    for kind in ["started", "base", "round", "ended"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let plain = world.arena(&["watch", &id]);
    assert_eq!(plain.code, 0, "{plain:?}");
    assert!(plain.stderr.contains("low") && plain.stdout.contains("report: "), "{plain:?}");
    calm(&plain.stderr);
    calm(&plain.stdout);
    world.assert_clean();
}

#[test]
fn a_report_is_markdown_a_page_or_a_continuation_and_carries_nothing_foreign() {
    if !ready("a_report_is_markdown") {
        return;
    }
    let world = World::new();
    let id = noisy(&world);
    let markdown = world.arena(&["report", &id]).stdout;
    let page = world.arena(&["report", &id, "--html"]).stdout;
    let next = world.arena(&["report", &id, "--continuation"]).stdout;
    assert!(markdown.starts_with('#') && markdown.contains("low") && markdown.contains("mid"), "{markdown}");
    assert!(page.trim_start().starts_with("<!") && page.contains("<svg") && page.trim_end().ends_with("</html>"));
    for outside in ["src=\"http", "href=\"http", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "a page that stands alone: {outside}");
    }
    assert!(next.starts_with('#') && next != markdown, "{next}");
    for text in [&markdown, &page, &next] {
        calm(text);
    }
    let path = world.arena(&["report", &id, "--json"]).document()["report"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page);
    world.assert_clean();
}

#[test]
fn a_diff_is_the_branchs_own_and_logs_are_raw_on_request_alone() {
    if !ready("a_diff_is_the_branchs_own") {
        return;
    }
    let world = World::new();
    let id = noisy(&world);
    let diff = world.arena(&["diff", &id, "low"]).stdout;
    for part in ["-10", "+3", "new mode 100755"] {
        assert!(diff.lines().any(|line| line.starts_with(part)), "{part}: {diff}");
    }
    let files = world.arena(&["diff", &id, "low", "--json"]).document();
    let branch = format!("arena/{id}/variant-low");
    assert_eq!(files["commit"], git(&world.repo, &["rev-parse", &branch]).as_str());
    let paths: Vec<&str> = files["files"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["colour", "value"]);
    let idle = world.arena(&["diff", &id, "idle"]);
    assert_eq!(idle.code, 5, "{idle:?}");
    assert!(idle.stderr.contains("has changed nothing") && idle.stderr.contains("arena logs"), "{idle:?}");
    let nobody = world.arena(&["logs", &id, "nobody"]);
    assert_eq!(nobody.code, 5, "{nobody:?}");
    assert!(nobody.stderr.contains("competitors: low, mid, idle"), "{nobody:?}");

    let clean = world.arena(&["logs", &id, "low"]).stdout;
    for part in [
        "red",
        "link",
        "turned",
        "end",
        "--- round 1, engine stdout ---",
        "--- round 1, engine stderr ---",
        "gate number",
    ] {
        assert!(clean.contains(part), "{part}: {clean}");
    }
    for part in ["owned", "http://evil", "[31m"] {
        assert!(!clean.contains(part), "{part} is what a terminal acts on: {clean}");
    }
    let raw = world.command(&["logs", &id, "low", "--raw"]).output().unwrap().stdout;
    let said = b"\x1b[5;31mred\x1b[0m \x1b]0;owned\x07 \x1b]8;;http://evil\x1b\\link \x1b[2J \x07 \xc2\x9b5m \xe2\x80\xaeturned \xff\xfe end\n";
    assert!(raw.starts_with(&[said.as_slice(), said].concat()), "{:?}", String::from_utf8_lossy(&raw));
    world.assert_clean();
}

#[test]
fn an_unknown_session_is_not_found_by_any_command() {
    let world = World::new();
    let commands: [&[&str]; 10] = [
        &["show", "nope"],
        &["watch", "nope"],
        &["report", "nope"],
        &["diff", "nope", "low"],
        &["logs", "nope", "low"],
        &["why", "nope/base"],
        &["decide", "nope", "all"],
        &["cancel", "nope"],
        &["resume", "nope"],
        &["show", "%"],
    ];
    for command in commands {
        let output = world.arena(command);
        assert_eq!(output.code, 5, "{command:?}: {output:?}");
        assert!(output.stderr.contains("arena sessions") && output.stdout.is_empty(), "{command:?}: {output:?}");
        let json = world.arena(&[command, &["--json"]].concat());
        assert_eq!(
            (json.code, &json.document()["event"], &json.document()["exit"]),
            (5, &"error".into(), &5.into()),
            "{command:?}"
        );
    }
}

/// So many sessions that have ended, without a run: only their list is asked for.
fn with_sessions(many: u32) -> World {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&world.state, Limits::default()).expect("a store");
        for number in 0..many {
            let id = format!("{number:012x}");
            let head = SessionHead { id, created: 1_700_000_000_000 + u64::from(number / 2), ..SessionHead::default() };
            store.create(head, format!("number {number}")).await.expect("a session");
        }
    });
    world
}

#[test]
fn a_person_is_shown_the_newest_sessions_and_a_script_all_of_them() {
    let world = with_sessions(120);
    let ids = |args: &[&str]| -> Vec<String> {
        let listed = world.arena(&[&["sessions", "--json"], args].concat());
        assert_eq!(listed.code, 0, "{listed:?}");
        let rows = listed.document().as_array().expect("a list").clone();
        rows.iter().map(|one| one["session"].as_str().expect("an id").to_owned()).collect()
    };
    let all = ids(&[]);
    let newest_first: Vec<String> = (0..120).rev().map(|number| format!("{number:012x}")).collect();
    assert_eq!(all, newest_first);
    assert_eq!(ids(&["--last", "7"]), all[..7]);
    assert_eq!(ids(&["--before", &all[6], "--last", "2"]), all[7..9]);
    assert_eq!(ids(&["--before", &all[117]]), all[118..]);
    let shown = world.arena(&["sessions"]);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines.len() == 50 && lines[49].starts_with(&all[49]), "{shown:?}");
    assert_eq!(shown.stderr, format!("there are older ones: arena sessions --before {}, or --all\n", all[49]));
    let rest = world.arena(&["sessions", "--before", &all[49], "--last", "70"]);
    assert_eq!((rest.stdout.lines().count(), rest.stderr.as_str()), (70, ""));
    assert_eq!(world.arena(&["sessions", "--all"]).stdout.lines().count(), 120);
    let unknown = world.arena(&["sessions", "--before", "f00"]);
    assert!(unknown.code == 5 && unknown.stderr.contains("`arena sessions` lists what there is"), "{unknown:?}");
    assert_eq!(world.arena(&["sessions", "--last", "0"]).code, 2);
}
