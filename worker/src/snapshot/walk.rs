//! What a tree has become, told as the walker of an upper layer tells it.

use super::read::{NESTED, nested};
use super::{Left, Snapshot, What};
use crate::collect::{CollectError, Found};
use std::collections::BTreeSet;
use std::io;

impl Left {
    /// Visits every change since `before`: removals first, then the rest, folders in the order of their names.
    pub(crate) fn walk(
        &self,
        before: &Snapshot,
        visit: &mut dyn FnMut(Found<'_>) -> io::Result<()>,
    ) -> Result<(), CollectError> {
        let lost = before.entries.keys().filter(|path| self.has_lost(before, path));
        // What is missing in a repository below the top is a change to that repository, which is left out.
        let (in_repositories, mut removed): (Vec<_>, Vec<_>) = lost.partition(|path| nested(path).is_some());
        removed.sort_by_key(|path| in_order(path));
        for path in removed {
            visit(Found::Removed { path })?;
        }
        let touched: BTreeSet<&[u8]> = in_repositories.into_iter().filter_map(|path| nested(path)).collect();
        let refused = self.refused.iter().map(|(path, why)| (path.as_slice(), Some(*why)));
        let known: BTreeSet<&[u8]> = self.refused.iter().map(|(path, _)| path.as_slice()).collect();
        let refused = refused.chain(touched.difference(&known).map(|path| (*path, Some(NESTED))));
        let changed = self
            .snapshot
            .entries
            .iter()
            .filter(|(path, entry)| before.entries.get(*path).is_none_or(|held| held.meta != entry.meta));
        let changed = changed.map(|(path, _)| (path.as_slice(), None));
        let mut all: Vec<(&[u8], Option<&'static str>)> = changed.chain(refused).collect();
        all.sort_by_key(|(path, _)| in_order(path));
        for (path, why) in all {
            match why {
                Some(why) => visit(Found::Refused { path, why })?,
                None => self.visit(path, visit)?,
            }
        }
        Ok(())
    }

    /// Whether git knew a file or link of this name that is no such thing any more.
    fn has_lost(&self, before: &Snapshot, path: &[u8]) -> bool {
        let is_leaf = |snapshot: &Snapshot| snapshot.entries.get(path).is_some_and(|one| one.meta.what != What::Folder);
        is_leaf(before) && !is_leaf(&self.snapshot)
    }

    fn visit(&self, path: &[u8], visit: &mut dyn FnMut(Found<'_>) -> io::Result<()>) -> io::Result<()> {
        let Some(entry) = self.snapshot.entries.get(path) else { return Ok(()) };
        match &entry.meta.what {
            What::Folder => Ok(()),
            What::Link { target } => visit(Found::Link { path, target: target.clone() }),
            What::File { size, .. } => {
                let content = &mut entry.pack.reader(entry.content..entry.content + size);
                visit(Found::File { path, executable: entry.meta.mode & 0o100 != 0, size: *size, content })
            }
        }
    }
}

/// The order of a walk, folder by folder: the separator comes before every byte of a name.
fn in_order(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}
