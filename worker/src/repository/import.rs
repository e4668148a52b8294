//! From the walker into the trusted repository: one `git fast-import`, no index, no filter, no attribute.

use super::{AUTHOR, RawChange, Repository, RepositoryError, changes::shown};
use crate::collect::{CollectError, Found};
use crate::git::GitError;
use arena_domain::id::{Commit, JobId};
use std::io::{self, Write};

/// What was found in a workspace, as a commit on the base.
#[derive(Debug)]
pub struct Imported {
    pub commit: Commit,
    /// Entries that a tree cannot hold, with the reason.
    pub refused: Vec<(String, &'static str)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Repository {
    /// Stores the changes that `walk` visits on top of the base, under the job's name.
    pub fn import(
        &self,
        job: &JobId,
        base: &Commit,
        walk: impl FnOnce(&mut dyn FnMut(Found<'_>) -> io::Result<()>) -> Result<(), CollectError>,
    ) -> Result<Imported, ImportError> {
        let mut refused = Vec::new();
        let mut stream = header(job, base);
        walk(&mut |found| write(&mut stream, &mut refused, found))?;
        let commit = self.fast_import(&stream)?;
        Ok(Imported { commit, refused })
    }

    /// The base with these changes only.
    pub fn keep(&self, job: &JobId, base: &Commit, kept: &[&RawChange]) -> Result<Commit, RepositoryError> {
        let mut stream = header(job, base);
        for change in kept {
            match &change.after {
                Some(side) => stream.extend(format!("M {} {} ", side.mode, side.blob).bytes()),
                None => stream.extend(b"D "),
            }
            stream.extend(quote(&change.path));
            stream.push(b'\n');
        }
        Ok(self.fast_import(&stream)?)
    }

    /// `get-mark` answers on standard output with the commit's id.
    fn fast_import(&self, stream: &[u8]) -> Result<Commit, GitError> {
        let whole = [stream, b"\nget-mark :1\ndone\n"].concat();
        let args = ["fast-import", "--quiet", "--done", "--force", "--cat-blob-fd=1"];
        let answer = self.git.feed(&self.mirror, &args, &[], &whole)?;
        Ok(Commit::new(String::from_utf8_lossy(&answer).trim()))
    }
}

/// A commit on the job's own branch, which each import moves.
fn header(job: &JobId, base: &Commit) -> Vec<u8> {
    let message = "arena submission\n";
    let branch = super::branch(job);
    format!(
        "feature done\ncommit {branch}\nmark :1\ncommitter {AUTHOR}\ndata {}\n{message}from {base}\n",
        message.len()
    )
    .into_bytes()
}

fn write(stream: &mut Vec<u8>, refused: &mut Vec<(String, &'static str)>, found: Found<'_>) -> io::Result<()> {
    match found {
        Found::File { path, executable, size, content } => {
            let mode = if executable { "100755" } else { "100644" };
            head(stream, &format!("M {mode} inline "), path);
            stream.extend(format!("data {size}\n").bytes());
            let before = stream.len();
            io::copy(content, stream)?;
            if (stream.len() - before) as u64 != size {
                return Err(io::Error::other(format!("{} changed while it was read", shown(path))));
            }
            stream.push(b'\n');
        }
        Found::Link { path, target } => {
            head(stream, "M 120000 inline ", path);
            stream.extend(format!("data {}\n", target.len()).bytes());
            stream.write_all(&target)?;
            stream.push(b'\n');
        }
        Found::Removed { path } | Found::Emptied { path } => head(stream, "D ", path),
        Found::Refused { path, why } => refused.push((shown(path), why)),
    }
    Ok(())
}

fn head(stream: &mut Vec<u8>, command: &str, path: &[u8]) {
    stream.extend(command.bytes());
    stream.extend(quote(path));
    stream.push(b'\n');
}

/// C-style, as fast-import reads it; every byte that could mean something is written in octal.
fn quote(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in path {
        match byte {
            b'"' | b'\\' | 0..=31 | 127..=255 => quoted.extend(format!("\\{byte:03o}").bytes()),
            plain => quoted.push(*plain),
        }
    }
    quoted.push(b'"');
    quoted
}
