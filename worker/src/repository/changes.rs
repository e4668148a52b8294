//! What differs between two trees, as git's plumbing says it.

pub(super) use arena_domain::text::{addressed, shown};

use super::{Repository, RepositoryError};
use arena_domain::id::Commit;
use arena_domain::outcome::{Change, ChangeKind};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// One path that differs. The bytes are the name; `shown` is its readable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChange {
    pub path: Vec<u8>,
    pub shown: String,
    pub before: Option<Side>,
    pub after: Option<Side>,
    pub added_lines: u32,
    pub removed_lines: u32,
    pub binary: bool,
}

const SUBMODULE: &str = "160000";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// As git writes it: 100644, 100755, 120000 or 160000.
    pub mode: String,
    pub blob: String,
}

impl RawChange {
    /// A submodule stands or stood here. What it holds is another repository's, and its folder is empty in a workspace.
    pub fn is_submodule(&self) -> bool {
        self.before.iter().chain(&self.after).any(|side| side.mode == SUBMODULE)
    }

    /// As everybody outside of this worker knows it.
    pub fn name(&self) -> String {
        addressed(&self.path)
    }

    pub fn to_domain(&self) -> Change {
        let kind = match (&self.before, &self.after) {
            (None, _) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(_), Some(_)) => ChangeKind::Modified,
        };
        Change {
            path: self.name(),
            kind,
            added_lines: self.added_lines,
            removed_lines: self.removed_lines,
            binary: self.binary,
        }
    }
}

impl Repository {
    /// Every path that differs, with its lines.
    pub fn diff(&self, base: &Commit, commit: &Commit) -> Result<Vec<RawChange>, RepositoryError> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-abbrev", "--no-ext-diff"];
        let args: Vec<&str> = args.into_iter().chain(["--no-textconv", base.as_str(), commit.as_str()]).collect();
        Ok(parse(&self.git.run(&self.mirror, &args)?))
    }

    /// Every file, link and submodule of a commit.
    pub fn listing(&self, commit: &Commit) -> Result<Vec<(Vec<u8>, Side)>, RepositoryError> {
        let listed = self.git.run(&self.mirror, &["ls-tree", "-r", "-z", "--full-tree", commit.as_str()])?;
        Ok(listed.split(|byte| *byte == 0).filter_map(entry).collect())
    }

    /// Many at a time, by one process.
    pub fn blobs<'a>(&self, ids: &[&'a str]) -> Result<HashMap<&'a str, Vec<u8>>, RepositoryError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let asked = ids.join("\n") + "\n";
        let answer = self.git.feed(&self.mirror, &["cat-file", "--batch"], &[], asked.as_bytes())?;
        split(&answer, ids).ok_or_else(|| io::Error::other("git cat-file gave less than was asked for").into())
    }

    /// Keeps content that no tree holds, to be laid out.
    pub fn store(&self, content: &[u8]) -> Result<String, RepositoryError> {
        let id = self.git.feed(&self.mirror, &["hash-object", "-w", "--stdin"], &[], content)?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    pub fn blob(&self, id: &str) -> Result<Vec<u8>, RepositoryError> {
        Ok(self.git.run(&self.mirror, &["cat-file", "blob", id])?)
    }
}

/// `MODE TYPE ID`, a tab, and the path.
fn entry(listed: &[u8]) -> Option<(Vec<u8>, Side)> {
    let tab = listed.iter().position(|byte| *byte == b'\t')?;
    let mut words = std::str::from_utf8(&listed[..tab]).ok()?.split(' ');
    let (mode, blob) = (words.next()?.to_owned(), words.nth(1)?.to_owned());
    Some((listed[tab + 1..].to_vec(), Side { mode, blob }))
}

/// For each blob `ID blob SIZE`, a line's end, the content, and a line's end.
fn split<'a>(mut answer: &[u8], ids: &[&'a str]) -> Option<HashMap<&'a str, Vec<u8>>> {
    let mut blobs = HashMap::new();
    for id in ids {
        let end = answer.iter().position(|byte| *byte == b'\n')?;
        let head = std::str::from_utf8(&answer[..end]).ok()?;
        let size: usize = head.strip_prefix(id)?.strip_prefix(" blob ")?.parse().ok()?;
        let content = answer.get(end + 1..end + 1 + size)?;
        blobs.insert(*id, content.to_vec());
        answer = answer.get(end + size + 2..)?;
    }
    Some(blobs)
}

/// The raw part, then the numbers part, both ended by zero bytes.
fn parse(output: &[u8]) -> Vec<RawChange> {
    let mut fields = output.split(|byte| *byte == 0).peekable();
    let mut changes = Vec::new();
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    while let Some(field) = fields.next() {
        if field.first() == Some(&b':') {
            let words: Vec<String> = String::from_utf8_lossy(&field[1..]).split(' ').map(str::to_owned).collect();
            let (Some(path), [old_mode, new_mode, old, new, _]) = (fields.next(), words.as_slice()) else { continue };
            let side = |mode: &String, blob: &String| {
                (mode != "000000").then(|| Side { mode: mode.clone(), blob: blob.clone() })
            };
            places.insert(path.to_vec(), changes.len());
            changes.push(RawChange {
                path: path.to_vec(),
                shown: shown(path),
                before: side(old_mode, old),
                after: side(new_mode, new),
                added_lines: 0,
                removed_lines: 0,
                binary: false,
            });
        } else {
            let mut parts = field.splitn(3, |byte| *byte == b'\t');
            let (Some(added), Some(removed), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let Some(change) = places.get(path).map(|index| &mut changes[*index]) else { continue };
            let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            change.binary = added == b"-";
            change.added_lines = number(added).unwrap_or(0);
            change.removed_lines = number(removed).unwrap_or(0);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_cut_by_their_sizes_and_a_missing_one_is_noticed() {
        let answer = b"aa blob 3\nx\ny\nbb blob 0\n\n";
        let blobs = split(answer, &["aa", "bb"]).unwrap();
        assert_eq!((blobs["aa"].as_slice(), blobs["bb"].as_slice()), (b"x\ny".as_slice(), b"".as_slice()));
        assert_eq!(split(b"aa missing\n", &["aa"]), None);
        assert_eq!(split(b"aa blob 3\nx", &["aa"]), None);
    }

    #[test]
    fn odd_names_keep_their_lines() {
        let zero = "0".repeat(40);
        let blob = "a".repeat(40);
        let output = [
            format!(":000000 100644 {zero} {blob} A\0new\nline\0:100644 000000 {blob} {zero} D\0").into_bytes(),
            b"odd\xff\0".to_vec(),
            b"3\t0\tnew\nline\0-\t-\todd\xff\0".to_vec(),
        ]
        .concat();
        let changes = parse(&output);
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].shown.as_str(), changes[0].added_lines), ("new\nline", 3));
        assert_eq!((changes[1].shown.as_str(), changes[1].binary), ("odd\\xff", true));
        assert_eq!(changes[1].to_domain().kind, ChangeKind::Deleted);
        assert_eq!((changes[0].name(), changes[1].name()), ("new\nline".into(), "\"odd\\377\"".into()));
    }
}
