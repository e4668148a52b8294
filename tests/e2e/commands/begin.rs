//! From nothing to a packet that runs: `init`, `check`, `plan`, `engines`, `doctor`, `schema`, `completions`.

use support::{Packet, World, git, ready};

type Files = &'static [(&'static str, &'static str)];

/// One real repository of each kind, and a gate that its packet must have.
const SAMPLES: [(&str, Files, &str); 4] = [
    (
        "Rust",
        &[
            ("Cargo.toml", "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
            ("src/lib.rs", "pub fn add(a: u32, b: u32) -> u32 {\n    a + b\n}\n"),
            ("tests/add.rs", "#[test]\nfn adds() {\n    assert_eq!(sample::add(1, 2), 3);\n}\n"),
        ],
        "cargo test",
    ),
    (
        "Python",
        &[
            ("pyproject.toml", "[project]\nname = \"sample\"\nversion = \"0.1.0\"\n[tool.pytest.ini_options]\n"),
            ("src/sample/__init__.py", "def add(a, b):   \n    return a + b\n"),
            ("tests/test_add.py", "from sample import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"),
        ],
        "pytest",
    ),
    (
        "Node",
        &[
            (
                "package.json",
                "{\"name\": \"sample\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node --test\"}}\n",
            ),
            ("src/add.js", "module.exports = (a, b) => a + b;\n"),
            ("test/add.test.js", "require('node:test')('adds', () => {});\n"),
        ],
        "npm test",
    ),
    (
        "Go",
        &[
            ("go.mod", "module example.org/sample\n\ngo 1.22\n"),
            ("add.go", "package sample\n\nfunc Add(a, b int) int { return a + b }\n"),
            ("add_test.go", "package sample\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {}\n"),
        ],
        "go test ./...",
    ),
];

fn sample(files: Files) -> World {
    let world = World::bare();
    for (path, text) in files {
        world.write(path, text);
    }
    world.commit("sample");
    world
}

/// What a user does with an editor: every text that says EDIT is written anew, and nothing else.
fn edited(text: &str) -> String {
    let written = |line: &str| {
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        match (key, line.contains("EDIT") && !line.starts_with('#')) {
            ("title" | "goal", true) => format!("{key} = \"Remove blanks at the ends of lines\""),
            ("acceptance" | "constraints", true) => format!("{key} = [\"All gates pass\"]"),
            ("", true) => "Remove the blanks at the ends of all lines of the sources.".to_owned(),
            _ => line.to_owned(),
        }
    };
    text.lines().map(|line| written(line) + "\n").collect()
}

#[test]
fn a_packet_of_init_passes_check_and_runs_once_it_is_edited() {
    for (name, files, gate) in SAMPLES {
        let world = sample(files);
        let repo = world.repo.to_str().unwrap();
        let made = world.arena(&["init", repo]);
        assert_eq!(made.code, 0, "{name}: {made:?}");
        let path = world.repo.join("arena.toml");
        let packet = path.to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(gate), "{name}: {text}");
        let raw = world.arena(&["check", packet]);
        assert_eq!((raw.code, raw.stderr.as_str()), (0, ""), "{name}: {raw:?}");
        assert!(raw.stdout.contains("valid, 2 competitors"), "{name}: {raw:?}");
        assert_eq!(raw.stdout.matches("placeholder EDIT, and `arena run` refuses it").count(), 5, "{name}: {raw:?}");
        let run = world.arena(&["run", packet]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{name}: {run:?}");
        assert!(run.stderr.contains("line 5: session.title: still holds the placeholder EDIT"), "{name}: {run:?}");
        assert!(!world.state.exists(), "{name}: nothing has begun");
        std::fs::write(&path, edited(&text)).unwrap();
        let checked = world.arena(&["check", packet]);
        assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{name}: {checked:?}");
        assert!(checked.stdout.contains("valid, 2 competitors"), "{name}: {checked:?}");
        let plan = world.arena(&["plan", packet, "--json"]);
        assert_eq!(plan.document()["competitors"].as_array().unwrap().len(), 2, "{name}");
        let again = world.arena(&["init", repo]);
        assert_eq!(again.code, 1, "{name}: {again:?}");
        assert!(again.stderr.contains("--force"), "{again:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), edited(&text), "what is there is not replaced");
        let forced = world.arena(&["init", repo, "--force", "--json"]);
        assert_eq!(forced.document()["packet"], packet);
        let printed = world.arena(&["init", repo, "--output", "-"]);
        assert_eq!(printed.stdout, text);
        assert_eq!(git(&world.repo, &["status", "--porcelain"]), "?? arena.toml");
    }
}

#[test]
fn init_without_a_word_more_writes_a_packet_where_one_is() {
    let world = sample(SAMPLES[0].1);
    let output = world.command(&["init"]).current_dir(&world.repo).output().expect("arena");
    assert!(output.status.success(), "{output:?}");
    let checked = world.command(&["check", "arena.toml"]).current_dir(&world.repo).output().expect("arena");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn init_in_a_folder_without_a_repository_says_how_to_make_one() {
    let world = World::bare();
    let folder = world.repo.with_file_name("plain folder");
    std::fs::create_dir(&folder).unwrap();
    let made = world.arena(&["init", folder.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stderr.contains("a session needs a git repository with a commit"), "{made:?}");
    let command = format!("mend: git init '{}' && ", folder.display());
    assert!(made.stderr.contains(&command), "{made:?}");
}

#[test]
fn a_packet_of_init_runs_in_a_python_repository() {
    if !ready("a_packet_of_init_runs") {
        return;
    }
    let world = sample(SAMPLES[1].1);
    let repo = world.repo.to_str().unwrap().to_owned();
    assert_eq!(world.arena(&["init", &repo]).code, 0);
    let path = world.repo.join("arena.toml");
    // A smaller disk than a user would give: it is made and thrown away here.
    let text = edited(&std::fs::read_to_string(&path).unwrap()).replace("disk   = \"2GiB\"", "disk   = \"64MiB\"");
    std::fs::write(&path, text).unwrap();
    let output = world.arena(&["run", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    let entry = output.entry("fixer-minimal");
    assert_eq!(entry["files_changed"], serde_json::json!(["src/sample/__init__.py"]), "{entry}");
    assert_eq!(entry["gates"][0]["passed"], true, "{entry}");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "?? arena.toml");
    world.assert_clean();
}

#[test]
fn plan_and_dry_runs_change_nothing() {
    if !ready("plan_and_dry_runs") {
        return;
    }
    let world = World::new();
    world.packet(&Packet::lower(&[("low", "echo 3 > value"), ("mid", "echo 7 > value")]));
    let before = git(&world.repo, &["for-each-ref"]);
    let plan = world.arena(&["plan", "arena.toml"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""), "{plan:?}");
    for part in
        ["brief of low", "brief of mid", "at most 2 engine runs and 3 evaluations, 2 at a time", "cost: unknown"]
    {
        assert!(plan.stdout.contains(part), "{part}: {}", plan.stdout);
    }
    assert_eq!(world.arena(&["run", "arena.toml", "--dry-run"]).stdout, plan.stdout);
    let document = world.arena(&["plan", "arena.toml", "--json"]).document();
    assert_eq!(document["jobs"], serde_json::json!({ "implement": 2, "evaluate": 3 }));
    assert!(document["competitors"][0]["brief"].as_str().unwrap().contains("Write a smaller number"));
    assert!(!world.state.exists(), "not even a state directory");
    assert_eq!(git(&world.repo, &["for-each-ref"]), before);
}

#[test]
fn check_says_every_problem_with_line_reason_and_mend() {
    let world = World::new();
    let text = Packet::lower(&[("low", "true")]).text();
    let text = text.replace("parallel = 2", "paralel = 2\nmode = \"fast\"").replace("rounds = 1", "rounds = 0");
    std::fs::write(world.repo.with_file_name("arena.toml"), text).unwrap();
    let output = world.arena(&["check", "arena.toml", "--json"]);
    assert_eq!(output.code, 2, "{output:?}");
    let document = output.document();
    assert_eq!(document["valid"], false);
    let problems = document["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{document}");
    for problem in problems {
        assert!(problem["line"].as_u64().unwrap() > 0 && !problem["reason"].as_str().unwrap().is_empty(), "{problem}");
        assert!(!problem["mend"].as_str().unwrap().is_empty(), "{problem}");
    }
    assert!(problems[0].to_string().contains("session.parallel"), "the nearest known key: {document}");
    let plain = world.arena(&["check", "arena.toml"]);
    assert!(plain.stdout.contains("arena.toml: line 4: session.paralel"), "{plain:?}");
}

#[test]
fn check_warns_of_what_is_legal_and_idle_and_refuses_what_cannot_run_here() {
    let world = World::new();
    let mut packet = Packet::lower(&[("low", "true")]);
    packet.scope = packet.scope.replace("\"tests/**\"", "\"test/**\"");
    packet.brief += "\ntargets = [\"value\", \"volume\"]";
    packet.harness = packet.harness.replace("cat value", "python3 bench.py").replace("\"stdout\"", "\"wall_time\"");
    packet.budget += "\ncost_usd = 1.0";
    world.packet(&packet);
    let output = world.arena(&["check", "arena.toml", "--json"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    let document = output.document();
    let warnings = document["warnings"].as_array().unwrap();
    let paths: Vec<&str> = warnings.iter().map(|one| one["path"].as_str().unwrap()).collect();
    let expected = ["brief.targets[1]", "scope.protected[0]", "harness.run", "harness.repeats", "budget.cost_usd"];
    assert_eq!(paths, expected, "{document}");
    let lines: Vec<u64> = warnings.iter().map(|one| one["line"].as_u64().unwrap()).collect();
    assert!(lines.is_sorted() && lines[0] > 1, "{document}");
    assert!(warnings.iter().all(|one| !one["mend"].as_str().unwrap().is_empty()), "{document}");
    let plain = world.arena(&["check", "arena.toml"]);
    assert_eq!((plain.code, plain.stdout.matches("warning: arena.toml: line ").count()), (0, 5), "{plain:?}");
    let plan = world.arena(&["plan", "arena.toml", "--json"]);
    assert_eq!((plan.code, plan.stderr.matches("warning: ").count()), (0, 5), "{plan:?}");

    packet.sandbox = "cpus = 4000\nmemory = \"1KiB\"".into();
    world.packet(&packet);
    let refused = world.arena(&["check", "arena.toml"]);
    assert!(refused.code == 2 && refused.stdout.contains("write at least \"16MiB\""), "{refused:?}");
    packet.sandbox = "cpus = 4000\nimage = \"arena/base\"".into();
    packet.session += "\nbase = \"nowhere\"";
    world.packet(&packet);
    let document = world.arena(&["check", "arena.toml", "--json"]).document();
    let problems = document["problems"].as_array().unwrap();
    let paths: Vec<&str> = problems.iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!((paths, &document["valid"]), (vec!["session.base", "sandbox.cpus"], &false.into()), "{document}");
    assert_eq!(world.arena(&["run", "arena.toml"]).code, 2);
}

#[test]
fn doctor_does_not_call_a_provider_without_a_key_ok() {
    let world = World::new();
    let packs = world.repo.join("../packs");
    let doctor = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("ARENA_WORKER_ENGINE_PACKS", &packs).env("OPENAI_API_KEY", "canary-55d0");
        support::run(command.env_remove("ANTHROPIC_API_KEY").env_remove("GEMINI_API_KEY"))
    };
    let line = |output: &support::Output, name: &str| {
        let provider = |line: &&str| line.contains(" provider ") && line.contains(name);
        output.stdout.lines().find(provider).unwrap_or_else(|| panic!("no {name} in {output:?}")).to_owned()
    };
    let shown = doctor(&["doctor"]);
    assert_eq!(line(&shown, "openai: ready").split(' ').next(), Some("ok"));
    assert!(line(&shown, "google: there is no key").starts_with("none provider"), "{shown:?}");
    assert!(shown.stdout.contains("mend:      export GEMINI_API_KEY=…"), "{shown:?}");
    let findings = doctor(&["doctor", "--json"]).document()["findings"].clone();
    let google = findings.as_array().unwrap().iter().find(|one| one["text"].as_str().unwrap().starts_with("google"));
    assert_eq!(google.expect("a provider")["ok"], false);
    // What is installed and cannot run is wrong.
    let folder = packs.join("claude/2.1.329");
    std::fs::create_dir_all(&folder).unwrap();
    let record = "{\"name\":\"claude\",\"version\":\"2.1.329\",\"source\":[],\"bytes\":1,\"files\":1,\"digest\":\"\"}";
    std::fs::write(folder.join("pack.json"), record).unwrap();
    let wrong = doctor(&["doctor"]);
    let claude = line(&wrong, "anthropic");
    assert!(wrong.code == 1 && claude.starts_with("BAD  provider"), "{wrong:?}");
    assert!(claude.contains("none of claude can run"), "{claude}");
    assert!(line(&wrong, "google: there is no key").starts_with("none provider"), "{wrong:?}");
}

#[test]
fn engines_doctor_schema_and_completions_answer() {
    if !ready("engines_doctor_schema") {
        return;
    }
    let world = World::new();
    world.packet(&Packet::lower(&[("low", "echo 3 > value")]));
    // What this machine has installed is no matter of the test.
    let listed = |arguments: &[&str]| {
        let output = world.command(arguments).env("ARENA_WORKER_ENGINE_PACKS", "/nowhere").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let engines: serde_json::Value = serde_json::from_str(&listed(&["engines", "arena.toml", "--json"])).unwrap();
    let rows = engines.as_array().unwrap();
    assert!(rows.iter().any(|row| row["engine"] == "low" && row["installed"] == true), "{engines}");
    assert!(rows.iter().any(|row| row["engine"] == "codex" && row["installed"] == false), "{engines}");
    assert!(listed(&["engines"]).contains("not installed: arena engines install codex"));
    let doctor = world.arena(&["doctor", "--json"]);
    let findings = doctor.document()["findings"].as_array().unwrap().clone();
    for what in ["git", "mkfs.ext4", "workspaces", "cgroups", "state", "config", "engines", "docker", "image"] {
        assert!(findings.iter().any(|one| one["what"] == what), "{what}: {doctor:?}");
    }
    for finding in &findings {
        assert_eq!(finding["ok"] == true, finding["mend"].is_null(), "what is wrong has its mend: {finding}");
    }
    assert_eq!(doctor.code == 0, doctor.document()["ok"] == true);
    let bad = world.command(&["doctor"]).env("ARENA_CONFIG", "/nowhere/config.toml").output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("BAD  config"), "{bad:?}");
    let schema = world.arena(&["schema"]).document();
    assert!(schema["properties"]["session"].is_object(), "{schema}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.arena(&["completions", shell]);
        assert_eq!(script.code, 0, "{shell}");
        assert!(script.stdout.contains("arena"), "{shell}");
    }
    assert_eq!(world.arena(&["completions", "tcsh"]).code, 2);
    assert_eq!(world.arena(&["frobnicate"]).code, 2);
    assert_eq!(world.arena(&["--help"]).code, 0);
    world.assert_clean();
}

#[test]
fn a_packet_for_a_team_is_not_held_against_the_keys_and_providers_of_this_machine() {
    let world = World::new();
    let mut packet = Packet::lower(&[]);
    packet.rest = "[[competitor]]\nengine = \"mine\"\n\n[engine.mine]\ncommand = [\"true\"]\nprovider = \"ours\"\n\n\
                   [[competitor]]\nengine = \"codex\""
        .into();
    world.packet(&packet);
    let here = world.arena(&["check", "arena.toml", "--json"]);
    let paths = |document: &serde_json::Value, kind: &str| -> Vec<String> {
        let all = document[kind].as_array().expect("a list").iter();
        all.map(|one| one["path"].as_str().expect("a path").to_owned()).collect()
    };
    assert_eq!((here.code, paths(&here.document(), "problems")), (2, vec!["engine.mine.provider".into()]), "{here:?}");
    let team = ["--coordinator", "https://arena.example:7443"];
    let there = world.arena(&[&["check", "arena.toml", "--json"], &team[..]].concat());
    assert_eq!((there.code, paths(&there.document(), "problems")), (0, vec![]), "{there:?}");
    let warnings = paths(&there.document(), "warnings");
    assert!(warnings.contains(&"engine.mine.provider".to_owned()), "it may be misspelt: {there:?}");
    assert!(!there.stdout.contains("OPENAI_API_KEY") && !there.stdout.contains("engines install"), "{there:?}");
    assert_eq!(world.arena(&[&["plan", "arena.toml"], &team[..]].concat()).code, 0);
}
