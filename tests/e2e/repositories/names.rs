//! Names with everything in them that a file system allows: from the repository, and from an engine.

use crate::trees::{content, entries, held, judged, listing, write_raw};
use std::collections::BTreeMap;
use support::{Packet, World, ready};

/// Everything but a slash and a zero byte.
const NAMES: [&[u8]; 16] = [
    b"with space",
    b" leading and trailing ",
    b"new\nline",
    b"tab\there",
    b"carriage\rreturn",
    b"invalid-\xff\xfe-utf8",
    b"quote\"double",
    b"quote'single",
    b"-leading-dash",
    b"--upload-pack=x",
    b"back\\slash",
    "grüße-日本語-🦀".as_bytes(),
    b"$(touch pwned)",
    b"*?[a]{b}",
    b":(exclude)magic",
    b"\x01\x1b[31mred\x7f",
];

/// As the octal escapes of `printf`, which a shell can say whatever the bytes are.
fn printf(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:03o}")).collect()
}

/// Each of the names below a folder, with a content of its own.
fn named(folder: &str, content: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let path = |name: &[u8]| [folder.as_bytes(), b"/", name].concat();
    NAMES.iter().enumerate().map(|(at, name)| (path(name), format!("{content} {at}\n").into_bytes())).collect()
}

#[test]
fn odd_names_round_trip_byte_for_byte() {
    if !ready("odd_names") {
        return;
    }
    let world = World::new();
    let old = named("theirs", "old");
    for (name, content) in &old {
        write_raw(&world.repo, name, content);
    }
    world.commit("odd names");
    let mut shell = String::from("mkdir ours && cd ours\n");
    for (at, name) in NAMES.iter().enumerate() {
        // A command substitution would eat a line end at the end of a name; none has one.
        shell += &format!("printf 'new {at}\\n' > ./\"$(printf '{}')\"\n", printf(name));
    }
    shell += "cd ..; echo 3 > value";
    let edit = "for file in theirs/*; do echo more >> \"$file\"; done; echo 3 > value";
    let engines = [
        ("make", shell.as_str()),
        ("edit", edit),
        ("move", "mv theirs moved; echo 3 > value"),
        ("drop", "rm -r theirs; echo 3 > value"),
    ];
    let output = world.run(&listing(Packet::lower(&engines)));
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    let branch = |name: &str| output.entry(name)["branch"].as_str().unwrap().to_owned();
    for name in ["make", "edit", "move", "drop"] {
        let entry = output.entry(name);
        assert_eq!((&entry["qualified"], &entry["scope"]["kept"]), (&true.into(), &true.into()), "{entry}");
        assert_eq!(judged(&world, &session, name), held(&world.repo, &branch(name)), "{name}");
        for command in [vec!["diff", &session, name], vec!["diff", &session, name, "--stat"]] {
            let diff = world.arena(&command);
            assert_eq!(diff.code, 0, "{diff:?}");
            assert!(!diff.stdout.contains('\u{1b}') && !diff.stdout.contains('\u{1}'), "{diff:?}");
        }
    }
    // A script finds every file by the name it is told: the name itself, or its quoted bytes where it is no text.
    let mut told: Vec<String> = NAMES
        .iter()
        .map(|name| match std::str::from_utf8(name) {
            Ok(name) => format!("ours/{name}"),
            Err(_) => "\"ours/invalid-\\377\\376-utf8\"".to_owned(),
        })
        .chain(["value".to_owned()])
        .collect();
    let mut listed: Vec<String> = serde_json::from_value(output.entry("make")["files_changed"].clone()).unwrap();
    told.sort();
    listed.sort();
    assert_eq!(listed, told);
    let edited = old.iter().map(|(name, content)| (name.clone(), [content.as_slice(), b"more\n"].concat())).collect();
    let rows = [("make", named("ours", "new")), ("edit", edited), ("move", named("moved", "old"))];
    for (name, expected) in rows {
        for (path, bytes) in expected {
            assert_eq!(content(&world.repo, &branch(name), &path), bytes, "{name} {}", String::from_utf8_lossy(&path));
        }
    }
    assert!(!entries(&world.repo, &branch("drop")).keys().any(|path| path.starts_with(b"theirs/")));
    assert_eq!(
        entries(&world.repo, &branch("move")).keys().filter(|path| path.starts_with(b"moved/")).count(),
        NAMES.len()
    );
    let report = world.arena(&["report", &session]);
    assert!(!report.stdout.contains('\u{1b}'), "a name never reaches a terminal raw");
    world.assert_clean();
}

#[test]
fn names_that_no_tree_can_hold_are_put_back_and_said() {
    if !ready("names_that_no_tree_can_hold") {
        return;
    }
    let world = World::new();
    let nested =
        "echo 3 > value; git init -q vendored; echo x > vendored/file; mkfifo pipe; mkdir sub; echo g > sub/.GIT";
    let down = |name: &str, times: u32| {
        format!(
            "echo 3 > value; python3 -c 'import os\nfor i in range({times}): os.mkdir(\"{name}\"); os.chdir(\"{name}\")\nopen(\"end\", \"w\")'"
        )
    };
    let (long, deep) = (down(&"d".repeat(200), 30), down("d", 200));
    let output = world.run(&listing(Packet::lower(&[("nested", nested), ("long", &long), ("deep", &deep)])));
    assert_eq!(output.code, 0, "{output:?}");
    let entry = output.entry("nested");
    assert_eq!(entry["files_changed"], serde_json::json!(["value", "vendored/file"]));
    let reverted = entry["scope"]["reverted"].to_string();
    for part in ["vendored/.git (a repository inside the tree)", "pipe (a named pipe)", "sub/.GIT"] {
        assert!(reverted.contains(part), "{part}: {reverted}");
    }
    let flags = entry["flags"].as_array().unwrap();
    let flagged = serde_json::json!({ "kind": "scope_violation", "path": "pipe", "detail": "a named pipe; left out" });
    assert!(flags.contains(&flagged) && flags.len() == 3 && entry["scope"]["kept"] == false, "{entry}");
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let shown = world.arena(&["show", &id]).stdout;
    assert!(
        shown.contains("! scope_violation: changed paths outside the scope: pipe (a named pipe; left out)"),
        "{shown}"
    );
    let report = world.arena(&["report", &id]).stdout;
    let validity = report.split("## Validity").nth(1).and_then(|rest| rest.split("##").next()).unwrap();
    assert!(validity.contains("pipe (a named pipe; left out)"), "{validity}");
    let entry = output.entry("long");
    assert_eq!(entry["files_changed"], serde_json::json!(["value"]), "{entry}");
    assert!(entry["scope"]["reverted"].to_string().contains("a name too long"), "{entry}");
    let why = output.entry("deep")["disqualified_for"].to_string();
    assert!(why.contains("deeper than 128 folders") && why.contains("leave less behind"), "{why}");
    world.assert_clean();
}
