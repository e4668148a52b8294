//! A user's own login as the credential: the broker reads its file on the host, and nothing of it goes anywhere but upstream.

use crate::keys::{HUNT, holding, said_nowhere};
use crate::stage::{Stage, packet, ready};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use support::git;
use support::model::{echo_headers, script, shell};

/// As `codex login` leaves it: a token that says of itself that it lasts until the year 2100.
fn login(home: &Path, token: &str, refresh: &str) -> std::path::PathBuf {
    let file = home.join(".codex/auth.json");
    fs::create_dir(home.join(".codex")).expect("a folder");
    let tokens =
        json!({"access_token": token, "refresh_token": refresh, "id_token": "e30.e30.none", "account_id": "acc-7"});
    let text = json!({"OPENAI_API_KEY": null, "tokens": tokens, "last_refresh": "2026-01-01T00:00:00Z"}).to_string();
    fs::write(&file, text).expect("a login");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the mode");
    file
}

#[test]
fn a_login_of_the_users_own_reaches_the_provider_and_no_container() {
    if !ready("a_login_of_the_users_own", &["codex"]) {
        return;
    }
    let canary = || format!("canary-{}", arena_runtime::token::hex(32));
    let (secret, refresh) = (canary(), canary());
    // The claims are {"exp":4102444800}.
    let token = format!("e30.eyJleHAiOjQxMDI0NDQ4MDB9.{secret}");
    let home = tempfile::tempdir().expect("a home");
    let file = login(home.path(), &token, &refresh);
    let before = (fs::read(&file).expect("a login"), fs::metadata(&file).expect("a login"));
    // The model says the headers it was sent in one piece, and in chunks that tear the token apart.
    let echoes = [("whole", echo_headers().piece(4096)), ("torn", echo_headers().piece(4096).chunk(7))];
    let stage =
        Stage::of_login(home.path(), &token, echoes.map(|(name, echo)| script(name, [shell(HUNT), echo])).into());
    let planted = "canary-0123456789abcdef0123456789abcdef";
    stage.world.write("notes/planted", planted);
    stage.world.commit("a key that is no secret");
    let output = stage.run(&packet(&[("codex", "codex", "whole"), ("torn", "codex", "torn")]));
    for name in ["codex", "torn"] {
        let entry = output.entry(name);
        assert_eq!(entry["ending"], "done", "{entry}");
        let branch = entry["branch"].as_str().expect("a branch");
        let found = git(&stage.world.repo, &["show", &format!("{branch}:found.txt")]);
        assert_eq!(found, planted, "{name}: the hunt finds the planted key and nothing of the login");
    }
    let asked = stage.model.requests();
    assert!(asked.len() >= 4, "{} requests", asked.len());
    for one in &asked {
        assert_eq!(one.path, "/backend-api/codex/responses", "this upstream knows no version");
        assert_eq!(one.header("authorization"), Some(format!("Bearer {token}").as_str()));
        assert_eq!(one.header("chatgpt-account-id"), Some("acc-7"));
        assert!(one.headers.iter().all(|(_, value)| !value.contains(&refresh)), "what renews a login stays");
    }
    for word in [&secret, &refresh] {
        said_nowhere(&stage, &output, word);
    }
    let root = stage.world.repo.parent().expect("the world");
    assert!(!holding(root, "The headers of this request").is_empty(), "the logs hold what the model echoed");
    let after = (fs::read(&file).expect("a login"), fs::metadata(&file).expect("a login"));
    assert_eq!(after.0, before.0);
    assert_eq!((after.1.mtime_nsec(), after.1.mode()), (before.1.mtime_nsec(), before.1.mode()), "it is only read");
    let left: Vec<_> = fs::read_dir(home.path().join(".codex")).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "nothing is put beside it: {left:?}");
    stage.world.assert_clean();
}

#[test]
fn a_login_that_is_missing_is_said_with_the_command_that_makes_one() {
    if !ready("a_login_that_is_missing", &["codex"]) {
        return;
    }
    let home = tempfile::tempdir().expect("a home");
    let stage = Stage::of_login(home.path(), "none", vec![script("fix", [shell("echo 5 > value"), echo_headers()])]);
    let output = stage.run(&packet(&[("codex", "codex", "fix")]));
    assert!(output.code == 2 && output.stderr.contains("there is no login of codex at"), "{output:?}");
    assert!(output.stderr.contains("mend: codex login"), "{output:?}");
    assert_eq!(stage.model.requests().len(), 0);
}
