//! The key that the broker holds: hunted for by the engine's own shell, echoed by the model, and looked for in all that is
//! left. Each hunt finds one that was planted.

use crate::stage::{ENGINES, Stage, packet, ready};
use std::fs;
use std::path::Path;
use support::model::{echo_headers, script, shell};
use support::{Output, git};

/// Writes every key that the container's environment, processes and files show into the submission. Its own words hold
/// the pattern and no key, so that it does not find itself.
pub const HUNT: &str = "{ env; cat /proc/*/environ /proc/*/cmdline /proc/self/mountinfo; \
                    grep -rhsaoE 'canary-[0-9a-f]{32}' /work /home /etc /run /tmp /var /arena /dev/shm /opt; } 2>/dev/null \
                    | grep -aoE 'canary-[0-9a-f]{32}' | sort -u > found.txt";

#[test]
fn the_key_is_nowhere_but_in_the_broker() {
    if !ready("the_key_is_nowhere", &ENGINES) {
        return;
    }
    // The model says the headers it was sent in whole pieces of text, and once in chunks that tear the key apart.
    let echoes = [("whole", echo_headers().piece(4096)), ("torn", echo_headers().piece(4096).chunk(7))];
    let stage = Stage::set("", echoes.map(|(name, echo)| script(name, [shell(HUNT), echo])).into());
    let planted = "canary-0123456789abcdef0123456789abcdef";
    stage.world.write("notes/planted", planted);
    stage.world.commit("a key that is no secret");
    let how = ["whole", "torn", "whole", "torn"];
    let competitors = [0, 1, 2, 3].map(|place| (ENGINES[place], ENGINES[place], how[place]));
    let output = stage.run(&packet(&competitors));
    for engine in ENGINES {
        let entry = output.entry(engine);
        assert_eq!(entry["ending"], "done", "{entry}");
        let branch = entry["branch"].as_str().expect("a branch");
        let found = git(&stage.world.repo, &["show", &format!("{branch}:found.txt")]);
        assert_eq!(found, planted, "{engine}: the hunt finds the planted key and no other");
    }
    let sent =
        stage.model.requests().iter().all(|asked| asked.headers.iter().any(|(_, value)| value.contains(&stage.key)));
    assert!(sent, "the broker puts the key in");
    said_nowhere(&stage, &output, &stage.key);
    let root = stage.world.repo.parent().expect("the world");
    assert!(holding(root, planted).contains(&"repo/notes/planted".to_owned()), "this hunt finds what is there");
    let echoed = holding(root, "The headers of this request");
    assert!(echoed.len() >= ENGINES.len(), "the engines' own logs hold what the model echoed: {echoed:?}");
    let history = git(&stage.world.repo, &["log", "--all", "-p", "--text"]);
    assert!(history.contains(planted));
    stage.world.assert_clean();
}

/// Neither in what a run said, nor in what is told of it, nor in any file of its world, nor in its history.
pub fn said_nowhere(stage: &Stage, output: &Output, secret: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(!said.contains(secret), "the run says it");
    let id = output.result()["session"].as_str().expect("a session").to_owned();
    for args in [
        vec!["report", &id],
        vec!["report", &id, "--html"],
        vec!["logs", &id, "codex"],
        vec!["archive", &id, "archived"],
        vec!["show", &id, "--json"],
    ] {
        let told = stage.world.arena(&args);
        // A second archive has no place; the files of the first are looked through below.
        assert!(told.code == 0 || args[0] == "archive", "{told:?}");
        assert!(!format!("{told:?}").contains(secret), "{args:?} says it");
    }
    let root = stage.world.repo.parent().expect("the world");
    assert!(root.join("archived").is_dir(), "there is an archive to look through");
    assert_eq!(holding(root, secret), Vec::<String>::new());
    assert!(!git(&stage.world.repo, &["log", "--all", "-p", "--text"]).contains(secret));
}

/// The files below a folder that hold a word, as paths within it.
pub fn holding(root: &Path, word: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).expect("a file");
                if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                    found.push(entry.path().strip_prefix(root).expect("below").to_string_lossy().into_owned());
                }
            }
        }
    }
    found
}
