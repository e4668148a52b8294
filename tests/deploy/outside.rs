//! What is asked of Helm, of Kubernetes' schemas and of YAML, by `outside.py` in the Python that `deploy/tools` made.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::skip;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

pub fn deploy(path: &str) -> PathBuf {
    root().join("deploy").join(path)
}

pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub struct Outside(PathBuf);

/// `None`: the test is skipped, by its name.
pub fn outside(test: &str) -> Option<Outside> {
    let folder = std::env::var_os("ARENA_TEST_TOOLS").map(PathBuf::from);
    let python = folder.map(|folder| folder.join("bin/python")).filter(|_| {
        let mark = std::env::var_os("ARENA_TEST_TOOLS").map(|folder| Path::new(&folder).join("installed"));
        mark.is_some_and(|mark| mark.is_file())
    });
    if python.is_none() {
        skip(test, "no Helm and no schemas; `deploy/tools target/tools` installs them");
    }
    python.map(Outside)
}

impl Outside {
    pub fn ask(&self, what: &str, path: &Path, more: &[&str]) -> Value {
        let script = root().join("tests/deploy/outside.py");
        let asked = Command::new(&self.0).arg(script).arg(what).arg(path).args(more).output().expect("Python");
        let said = String::from_utf8_lossy(&asked.stderr);
        assert!(asked.status.success(), "{what} {}: {said}", path.display());
        serde_json::from_slice(&asked.stdout).expect("an answer")
    }

    pub fn yaml(&self, path: &str) -> Value {
        let documents = self.ask("yaml", &deploy(path), &[]);
        documents[0].clone()
    }

    /// The documents of the chart with these values, or why they are refused.
    pub fn render(&self, values: &Value) -> Result<Vec<Value>, String> {
        let answer = self.ask("render", &deploy("helm/arena"), &[&values.to_string()]);
        match answer.get("documents").and_then(Value::as_array) {
            Some(documents) => Ok(documents.clone()),
            None => Err(answer["refused"].as_str().expect("a reason").to_owned()),
        }
    }
}

/// The one document of this kind whose name ends so.
pub fn of<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let fits =
        |one: &&Value| one["kind"] == kind && one["metadata"]["name"].as_str().is_some_and(|n| n.ends_with(name));
    let found: Vec<&Value> = documents.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{kind} …{name}");
    found[0]
}
