//! Manifests: the eight that come along, their commands, and what a wrong one is told.

use super::*;
use arena_proto::packet::BUILT_IN_ENGINES;

fn one(name: &str) -> &'static Manifest {
    find(built_in(), name).unwrap()
}

fn command(name: &str, request: &Request<'_>) -> Vec<String> {
    one(name).invocation(request).unwrap().command
}

#[test]
fn every_embedded_manifest_parses_and_the_packets_know_the_same_names() {
    for (file, text) in EMBEDDED {
        let parsed = parse::parse(file, text, None);
        assert_eq!(parsed.as_ref().map(|one| format!("{}.toml", one.name)), Ok(file.to_owned()));
    }
    let names: Vec<&str> = built_in().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, BUILT_IN_ENGINES);
}

#[test]
fn no_command_is_left_with_a_placeholder_and_none_holds_a_key() {
    for manifest in built_in() {
        let request = Request { model: Some("a-model"), budget_usd: Some(1.0), review: false };
        let run = manifest.invocation(&request).unwrap();
        let placed = run.placed.iter().map(|file| &file.content);
        let texts: Vec<&String> =
            run.command.iter().chain(run.env.iter().map(|(_, value)| value)).chain(placed).collect();
        for name in fill::NAMES {
            assert!(!texts.iter().any(|text| text.contains(&format!("{{{name}}}"))), "{} {name}", manifest.name);
        }
        assert!(texts.iter().any(|text| text.contains("a-model")), "{}", manifest.name);
        assert!(!manifest.version_command().is_empty() && !manifest.how_to_install().ends_with(": "));
        // The broker's address is all that it may know of a provider.
        assert!(texts.iter().any(|text| text.contains(crate::engine::BROKER)), "{}", manifest.name);
    }
}

#[test]
fn an_argument_whose_placeholder_has_no_value_is_left_out_with_its_flag() {
    let without = command("claude", &Request::default());
    let with = command("claude", &Request { budget_usd: Some(1.5), ..Request::default() });
    assert_eq!(with[..without.len()], without);
    assert_eq!(with[without.len()..], ["--max-budget-usd", "1.50"]);
    let cheap = command("claude", &Request { budget_usd: Some(0.0001), ..Request::default() });
    assert_eq!(cheap.last().map(String::as_str), Some("0.01"));
}

#[test]
fn the_model_is_the_competitors_or_else_the_manifests_or_else_asked_for() {
    let asked = Request { model: Some("other"), ..Request::default() };
    let model = |command: &[String]| command.iter().skip_while(|word| *word != "-m").nth(1).cloned();
    assert_eq!(model(&command("codex", &Request::default())).as_deref(), Some("gpt-5.5"));
    assert_eq!(model(&command("codex", &asked)).as_deref(), Some("other"));
    assert_eq!(one("aider").invocation(&Request::default()), Err(Unfit::NoModel("aider".into())));
    assert_eq!(one("kimi").invocation(&Request::default()), Err(Unfit::NoModel("kimi".into())));
}

#[test]
fn an_engine_without_a_model_of_its_own_says_that_a_competitor_must_name_one() {
    let needy: Vec<&str> = built_in().iter().filter(|one| one.needs_model()).map(|one| one.name.as_str()).collect();
    assert_eq!(needy, ["qwen", "aider", "mini-swe-agent", "kimi"]);
    for one in built_in() {
        assert_eq!(one.invocation(&Request::default()).is_err(), one.needs_model(), "{}", one.name);
    }
    let any = Manifest { provider: "any".into(), model: None, ..one("codex").clone() };
    let none = Manifest { command: vec![Group(vec!["x".into()])], ..any.clone() };
    assert!(any.needs_model() && none.needs_model(), "without one, nobody could choose its provider");
    let file = Placed { path: "/etc/x".into(), content: "model = {model}".into() };
    let placed = Manifest { provider: "openai".into(), env: Vec::new(), files: vec![file], ..none };
    assert_eq!(placed.invocation(&Request::default()), Err(Unfit::NoModel("codex".into())));
}

#[test]
fn a_review_has_its_own_command_where_there_is_one() {
    let review = Request { review: true, ..Request::default() };
    assert_eq!(command("codex", &review)[1..4], ["exec", "review", "--uncommitted"]);
    assert_eq!(one("aider").invocation(&review), Err(Unfit::NoReview("aider".into())));
}

#[test]
fn geminis_settings_lie_where_the_repository_cannot_reach_them() {
    let run = one("gemini").invocation(&Request::default()).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&run.placed[0].content).unwrap();
    assert_eq!(run.placed[0].path, "/etc/gemini-cli/settings.json");
    assert_eq!(settings["hooksConfig"]["enabled"], false);
    let run = one("opencode").invocation(&Request { model: Some("m"), ..Request::default() }).unwrap();
    let config: serde_json::Value = serde_json::from_str(&run.placed[0].content).unwrap();
    assert_eq!(
        (&config["model"], &config["provider"]["arena"]["models"]["m"]["name"]),
        (&"arena/m".into(), &"m".into())
    );
}

#[test]
fn a_version_is_tested_within_its_range_alone() {
    let rows = [
        ("codex", "codex-cli 0.163.0", true),
        ("codex", "0.163.9-alpha.1", true),
        ("codex", "0.162.9", false),
        ("codex", "0.164.0", false),
        ("codex", "", false),
        ("claude", "2.1.329 (Claude Code)", true),
        ("opencode", "1.18.33", true),
        ("opencode", "1.2.33", false),
        ("kimi", "1.0", false),
    ];
    for (name, version, expected) in rows {
        assert_eq!(one(name).is_tested(version), expected, "{name} {version}");
    }
}

#[test]
fn an_alias_finds_its_engine_and_a_name_comes_before_an_alias() {
    assert_eq!(one("claude-code").name, "claude");
    assert_eq!(find(built_in(), "nobody"), None);
    let mut own = built_in().to_vec();
    own.push(Manifest { name: "mini".into(), aliases: Vec::new(), ..one("codex").clone() });
    assert_eq!(find(&own, "mini").map(|one| one.title.as_str()), Some("OpenAI Codex CLI"));
}

#[test]
fn a_folder_adds_engines_and_replaces_those_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(load(&folder.path().join("nowhere"), &[]).unwrap(), built_in());
    let file = folder.path().join("own.toml");
    fs::write(&file, "name = \"own\"\ncommand = [\"own\", \"{model}\"]\n").unwrap();
    fs::write(folder.path().join("kimi.toml"), "name = \"kimi\"\ncommand = [\"other\"]\n").unwrap();
    fs::write(folder.path().join("notes.txt"), "not read").unwrap();
    let all = load(folder.path(), &[]).unwrap();
    assert_eq!(all.len(), built_in().len() + 1);
    assert_eq!(find(&all, "own").unwrap().origin.as_deref(), Some(file.as_path()));
    assert_eq!(find(&all, "kimi").unwrap().invocation(&Request::default()).unwrap().command, ["other"]);
}

#[test]
fn a_wrong_manifest_is_told_every_fault_with_its_line() {
    let rows = [
        (
            "name = \"x\"\ncommnd = [\"x\"]\ncommand = [\"x\"]",
            "x.toml: line 2: commnd: unknown key; did you mean `command`?",
        ),
        ("name = \"x\"", "x.toml: command: is missing"),
        ("command = [\"x\"]", "x.toml: name: is missing"),
        ("name = \"../x\"\ncommand = [\"x\"]", "line 1: name: \"../x\" is no name"),
        (
            "name = \"x\"\ncommand = [\"x\", \"{modle}\"]",
            "line 2: command: there is no placeholder {modle}; known here: pack, model",
        ),
        ("name = \"x\"\ncommand = [1]", "line 2: command: holds what is no text"),
        ("name = \"x\"\ncommand = \"x\"", "line 2: command: is no list"),
        ("name = \"x\"\ncommand = [\"x\"]\ndialect = \"codx\"", "line 3: dialect: \"codx\" is none of codex, claude"),
        ("name = \"x\"\ncommand = [\"x\"]\n[env]\nA = 1", "line 4: env.A: is no text"),
        (
            "name = \"x\"\ncommand = [\"x\"]\nbad_invocation = [256]",
            "line 3: bad_invocation: holds what is no exit code",
        ),
        ("name = \"x\"\ncommand = [\"x\"]\nwritable = [\"/work/x\"]", "line 3: writable: \"/work/x\" is no place"),
        (
            "name = \"x\"\ncommand = [\"x\"]\n[[file]]\npath = \"/etc/../x\"\ncontent = \"\"",
            "line 4: path: \"/etc/../x\"",
        ),
        ("name = \"x\"\ncommand = [\"x\"]\n[tested]\nfrom = \"1\"", "tested.below: is missing"),
        ("name = \"x\"\ncommand = [\"x\"]\n[pack]\nversion = \"1\"", "line 3: pack.packages: is missing"),
        (
            "name = \"x\"\ncommand = [\"x\"]\n[pack]\nversion = \"1\"\npackages = [\"a\"]\nlnks = {}",
            "pack.lnks: unknown key",
        ),
        ("name = ", "x.toml: line 1: is not TOML"),
        (
            "name = \"x\"\ncommand = [\"x\"]\nprovider = \"opnai\"",
            "line 3: provider: there is no provider \"opnai\"; did you mean `openai`? Or add [provider.opnai]",
        ),
        (
            "name = \"x\"\ncommand = [\"x\"]\ntested = { from = \"2.0\", below = \"2.0\" }",
            "line 3: tested: no version is 2.0 or later and before 2.0",
        ),
        ("name = \"x\"\ncommand = [\"x\"]\ntested = { from = \"new\", below = \"2\" }", "line 3: tested: no version"),
        (
            "name = \"x\"\ncommand = [\"x\"]\n[env]\nB = \"\"\n\"A=B\" = \"c\"",
            "line 5: env: \"A=B\" is no name of a variable; letters",
        ),
        (
            "name = \"x\"\ncommand = [\"x\"]\n[pack]\nversion = \"1\"\npackages = [\"a\", \"--global\"]",
            "line 5: pack.packages: \"--global\" is no package; write a name",
        ),
        ("name = \"x\"\naliases = [\"-y\"]\ncommand = [\"x\"]", "line 2: aliases: \"-y\" is no name"),
    ];
    let providers = ["openai".to_owned(), "anthropic".to_owned()];
    for (text, says) in rows {
        let problems = parse::parse("x.toml", text, Some(&providers)).expect_err(text);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|one| one.contains(says)), "{said:#?} should say: {says}");
    }
    let all = parse::parse("x.toml", "nme = 1\nstyle = \"loud\"\n[tested]\nfrm = \"1\"\n", None).unwrap_err();
    assert_eq!(all.len(), 7, "{all:#?}");
}

#[test]
fn braces_that_are_no_placeholders_stay_as_they_are() {
    let values = fill::Values::new(Some("m"), None);
    let rows = [
        ("{model}", Some("m")),
        ("{\"a\":{\"b\":1}}", Some("{\"a\":{\"b\":1}}")),
        ("x={name=\"{model}\"}", Some("x={name=\"m\"}")),
        ("{{model}}", Some("{m}")),
        ("{", Some("{")),
        ("{}{MODEL}", Some("{}{MODEL}")),
        ("a {budget_usd}", None),
    ];
    for (template, expected) in rows {
        assert_eq!(values.fill(template).as_deref(), expected, "{template}");
    }
}

#[test]
fn the_one_server_that_is_allowed_has_a_name_that_nobody_can_know() {
    for name in ["gemini", "qwen"] {
        let allowed = || {
            let request = Request { model: Some("a-model"), ..Request::default() };
            let words = command(name, &request);
            let at = words.iter().position(|word| word == "--allowed-mcp-server-names").unwrap();
            words[at + 1].clone()
        };
        let (first, second) = (allowed(), allowed());
        assert!(first.len() == 32 && first != second, "{first} {second}");
    }
}

#[test]
fn only_a_name_at_the_top_of_the_repository_can_be_hidden() {
    for bad in ["", ".", "..", "a/b", "/etc", ".git", ".GIT"] {
        let text = format!("name = \"one\"\ncommand = [\"one\"]\nhide = [\".one\", \"{bad}\"]\n");
        let problems = parse::parse("one.toml", &text, None).unwrap_err();
        assert_eq!((problems.len(), problems[0].line, problems[0].path.as_str()), (1, Some(3), "hide"), "{bad}");
    }
}

#[test]
fn what_an_engine_takes_for_its_own_settings_is_hidden_from_it() {
    let rows: [(&str, &[&str]); 8] = [
        ("codex", &[".codex"]),
        ("claude", &[".claude", ".mcp.json"]),
        ("gemini", &[".gemini"]),
        ("opencode", &[".opencode", "opencode.json", "opencode.jsonc"]),
        ("qwen", &[".qwen", ".mcp.json", ".lsp.json", ".env"]),
        (
            "aider",
            &[".aider.conf.yml", ".aider.model.settings.yml", ".aider.model.metadata.json", ".env", ".aiderignore"],
        ),
        ("mini-swe-agent", &["mini.yaml"]),
        ("kimi", &[".kimi"]),
    ];
    for (name, names) in rows {
        let run = one(name).invocation(&Request { model: Some("m"), ..Request::default() }).unwrap();
        assert!(names.iter().all(|name| run.hidden.iter().any(|hidden| hidden == name)), "{name}: {:?}", run.hidden);
    }
    assert_eq!(rows.len(), built_in().len());
}
