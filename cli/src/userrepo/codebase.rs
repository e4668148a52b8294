//! What a repository holds at a commit, in a few lines: an engine that knows where things are looks less.

use super::{RepoError, UserRepo, shown, zero_ended};
use arena_domain::id::Commit;
use arena_domain::text::sanitise_line;
use std::collections::BTreeMap;

/// Folders that get a line of their own; the largest ones.
const FOLDERS: usize = 12;
/// Kinds of files that a line names; the most frequent ones.
const KINDS: usize = 3;
/// Files at the top that are named.
const TOP_FILES: usize = 20;
const LONGEST_NAME: usize = 60;

#[derive(Default)]
struct Folder {
    files: usize,
    kinds: BTreeMap<String, usize>,
}

impl UserRepo {
    /// The top folders with what is in them, and the files beside them; nothing whose name holds one of `hidden`.
    pub(crate) fn codebase(&self, commit: &Commit, hidden: &[String]) -> Result<Vec<String>, RepoError> {
        let listed = self.git().out(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.as_str()])?;
        let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
        let mut top = Vec::new();
        for path in zero_ended(&listed).map(shown) {
            if hidden.iter().any(|name| path.contains(name)) {
                continue;
            }
            match path.split_once('/') {
                None => top.push(sanitise_line(&path, LONGEST_NAME)),
                Some((first, rest)) => {
                    let folder = folders.entry(sanitise_line(first, LONGEST_NAME)).or_default();
                    folder.files += 1;
                    *folder.kinds.entry(kind(rest)).or_default() += 1;
                }
            }
        }
        Ok(lines(folders, &top))
    }
}

/// The extension of a file, or the words for one without.
fn kind(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => sanitise_line(&format!(".{extension}"), 12),
        Some(_) | None => "other".to_owned(),
    }
}

fn lines(folders: BTreeMap<String, Folder>, top: &[String]) -> Vec<String> {
    let mut by_size: Vec<(String, Folder)> = folders.into_iter().collect();
    by_size.sort_by(|(one, a), (other, b)| b.files.cmp(&a.files).then_with(|| one.cmp(other)));
    let more = by_size.len().saturating_sub(FOLDERS);
    let mut lines: Vec<String> = by_size.iter().take(FOLDERS).map(|(name, folder)| line(name, folder)).collect();
    if more > 0 {
        lines.push(format!("and {more} smaller folders"));
    }
    if !top.is_empty() {
        let rest = top.len().saturating_sub(TOP_FILES);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        lines.push(format!("at the top: {}{more}", top[..top.len() - rest].join(", ")));
    }
    lines
}

fn line(name: &str, folder: &Folder) -> String {
    let mut kinds: Vec<(&String, &usize)> = folder.kinds.iter().collect();
    kinds.sort_by(|(one, a), (other, b)| b.cmp(a).then_with(|| one.cmp(other)));
    let kinds: Vec<String> = kinds.iter().take(KINDS).map(|(kind, many)| format!("{many} {kind}")).collect();
    format!("{name}/: {} files ({})", folder.files, kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_folders_come_first_and_kinds_are_counted() {
        let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
        for (folder, path) in [("src", "a.rs"), ("src", "deep/b.rs"), ("src", "Makefile"), ("tests", "t.py")] {
            let entry = folders.entry(folder.into()).or_default();
            entry.files += 1;
            *entry.kinds.entry(kind(path)).or_default() += 1;
        }
        let top: Vec<String> = (0..22).map(|number| format!("f{number}")).collect();
        let told = lines(folders, &top);
        assert_eq!(told[..2], ["src/: 3 files (2 .rs, 1 other)", "tests/: 1 files (1 .py)"]);
        assert!(told[2].starts_with("at the top: f0, f1, ") && told[2].ends_with("f19 and 2 more"), "{}", told[2]);
        assert_eq!((kind(".gitignore"), kind("a.tar.gz")), ("other".into(), ".gz".into()));
    }
}
