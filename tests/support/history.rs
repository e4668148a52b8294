//! Large repositories in one import: many files and a long history cost a second instead of minutes.

use crate::world::{World, git};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

impl World {
    /// A repository whose first commit holds these files, by path and content; of `commits` in all each writes its number
    /// into `counter`, from 1 on.
    pub fn imported(commits: usize, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let world = Self::bare();
        let mut stream = begin(1);
        for (path, content) in files {
            put(&mut stream, &path, &content);
        }
        put(&mut stream, "counter", "1\n");
        for commit in 2..=commits {
            stream += &begin(commit);
            put(&mut stream, "counter", &format!("{commit}\n"));
        }
        let mut import = Command::new("git");
        import.arg("-C").arg(&world.repo).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut child = import.spawn().expect("git");
        child.stdin.take().expect("its input").write_all(stream.as_bytes()).expect("an import");
        assert!(child.wait().expect("its end").success());
        git(&world.repo, &["reset", "-q", "--hard"]);
        world
    }
}

fn begin(commit: usize) -> String {
    format!("commit refs/heads/main\ncommitter Test <test@localhost> {} +0000\ndata 1\nc\n", 1_700_000_000 + commit)
}

fn put(stream: &mut String, path: &str, content: &str) {
    let _ = write!(stream, "M 644 inline {path}\ndata {}\n{content}\n", content.len());
}
