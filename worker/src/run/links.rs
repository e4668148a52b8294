//! Links that a submission brings: none may lead out of the repository, to what is protected, or through what the
//! repository does not hold.
//!
//! A link is followed through every other link of the tree that would result, step by step as the kernel does it.

use super::rule::Reason;
use crate::repository::{RawChange, Repository, RepositoryError, Side};
use arena_domain::id::Commit;
use arena_domain::outcome::FlagKind;
use arena_domain::scope::{Lock, Ruling, is_litter};
use arena_domain::text::shown;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const LINK: &str = "120000";
/// As many as Linux follows on one way.
const HOPS: usize = 40;
/// Names on one way; a longer one is not worth following.
const STEPS: usize = 256;
/// What is put back may change where other links lead. After this many looks all that are left go.
const LOOKS: usize = 8;

/// What a submission's links are followed in.
pub(super) struct Links {
    base: Vec<(Vec<u8>, Side)>,
    /// Of every link of the base and of the submission, by blob.
    targets: HashMap<String, Vec<u8>>,
    protected: BTreeSet<Vec<u8>>,
}

/// Path to where it leads, if it is a link.
type Tree<'a> = BTreeMap<&'a [u8], Option<&'a [u8]>>;

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// `..` after a name that is no folder of the tree: only the machine that follows it knows where that is.
    Astray,
    /// Round in a circle.
    Nowhere,
    At(Vec<u8>),
}

impl Links {
    /// `None` when the submission makes no link.
    pub(super) fn of(
        repository: &Repository,
        lock: &Lock,
        base: &Commit,
        all: &[RawChange],
    ) -> Result<Option<Self>, RepositoryError> {
        if !all.iter().any(makes_link) {
            return Ok(None);
        }
        let base = repository.listing(base)?;
        let sides = base.iter().map(|(_, side)| side).chain(all.iter().filter_map(|change| change.after.as_ref()));
        let blobs: BTreeSet<&str> = sides.filter(|side| side.mode == LINK).map(|side| side.blob.as_str()).collect();
        let read = repository.blobs(&blobs.into_iter().collect::<Vec<_>>())?;
        let targets = read.into_iter().map(|(blob, target)| (blob.to_owned(), target)).collect();
        let paths = base.iter().map(|(path, _)| path);
        let protected = paths.filter(|path| lock.rule(&shown(path)) == Ruling::Protected).cloned().collect();
        Ok(Some(Self { base, targets, protected }))
    }

    /// Puts bad links back. Returns whether there were any.
    pub(super) fn put_back(&self, lock: &Lock, all: &[RawChange], reasons: &mut [Option<Reason>]) -> bool {
        let mut any = false;
        for look in 0.. {
            let bad = self.bad(lock, all, reasons, look >= LOOKS);
            if bad.is_empty() {
                return any;
            }
            any = true;
            for (index, why) in bad {
                reasons[index] = Some((FlagKind::ScopeViolation, why));
            }
        }
        any
    }

    fn bad(
        &self,
        lock: &Lock,
        all: &[RawChange],
        reasons: &[Option<Reason>],
        every: bool,
    ) -> Vec<(usize, &'static str)> {
        let tree = self.tree(all, reasons);
        let kept = all.iter().enumerate().filter(|(index, change)| reasons[*index].is_none() && makes_link(change));
        let judged: Vec<(usize, Option<&str>)> = kept
            .map(|(index, change)| {
                let place = tree.get(change.path.as_slice()).copied().flatten();
                (index, place.and_then(|target| self.why(lock, &follow(&tree, &change.path, target))))
            })
            .collect();
        // A link of the base that leads astray now does so by a new one in its way.
        let every = every || self.is_bent(lock, &tree);
        let reason = |(index, why): &(usize, Option<&'static str>)| {
            why.or(every.then_some("a link that changes where others lead; put back")).map(|why| (*index, why))
        };
        judged.iter().filter_map(reason).collect()
    }

    /// Whether a link of the base leads where it must not, and did not so before.
    fn is_bent(&self, lock: &Lock, tree: &Tree<'_>) -> bool {
        let before = self.tree(&[], &[]);
        before.iter().any(|(path, target)| {
            let Some(target) = target.filter(|target| tree.get(path) == Some(&Some(*target))) else { return false };
            let now = follow(tree, path, target);
            self.why(lock, &now).is_some() && now != follow(&before, path, target)
        })
    }

    /// The base with every change that is not put back.
    fn tree<'a>(&'a self, all: &'a [RawChange], reasons: &[Option<Reason>]) -> Tree<'a> {
        let entry = |path: &'a [u8], side: &Side| {
            let target = self.targets.get(&side.blob).filter(|_| side.mode == LINK);
            (path, target.map(Vec::as_slice))
        };
        let mut tree: Tree<'a> = self.base.iter().map(|(path, side)| entry(path, side)).collect();
        for (change, _) in all.iter().zip(reasons).filter(|(change, reason)| reason.is_none() && !is_lost(change)) {
            match &change.after {
                Some(side) => tree.extend([entry(&change.path, side)]),
                None => _ = tree.remove(change.path.as_slice()),
            }
        }
        tree
    }

    fn why(&self, lock: &Lock, place: &Place) -> Option<&'static str> {
        match place {
            Place::Outside => Some("a link that leads out of the repository; put back"),
            Place::Astray => Some("a link through what the repository does not hold; put back"),
            Place::At(path) if path.is_empty() => Some("a link to the whole repository; put back"),
            Place::At(path) if path.split(|byte| *byte == b'/').any(|name| name.eq_ignore_ascii_case(b".git")) => {
                Some("a link into .git; put back")
            }
            Place::At(path) if self.reaches_protected(lock, path) => Some("a link to a protected path; put back"),
            Place::Nowhere | Place::At(_) => None,
        }
    }

    /// A folder is asked for what the base holds in it, and for what it might hold.
    fn reaches_protected(&self, lock: &Lock, path: &[u8]) -> bool {
        let is_protected = |path: &[u8]| lock.rule(&shown(path)) == Ruling::Protected;
        let folder = [path, b"/"].concat();
        let within = self.protected.range(folder.clone()..).next().is_some_and(|one| one.starts_with(&folder));
        within || is_protected(path) || is_protected(&[folder.as_slice(), b"x"].concat())
    }
}

fn makes_link(change: &RawChange) -> bool {
    change.after.as_ref().is_some_and(|side| side.mode == LINK)
}

/// What running things leaves behind is no part of the tree.
fn is_lost(change: &RawChange) -> bool {
    change.before.is_none() && is_litter(&change.shown)
}

fn follow(tree: &Tree<'_>, link: &[u8], target: &[u8]) -> Place {
    let mut place = link.iter().rposition(|byte| *byte == b'/').map_or(Vec::new(), |slash| link[..slash].to_vec());
    let mut names: Vec<&[u8]> = Vec::new();
    let mut next = Some(target);
    let (mut hops, mut steps) = (0, 0);
    loop {
        if let Some(target) = next.take() {
            hops += 1;
            if hops > HOPS {
                return Place::Nowhere;
            }
            if target.starts_with(b"/") {
                return Place::Outside;
            }
            names.extend(target.rsplit(|byte| *byte == b'/'));
        }
        let Some(name) = names.pop() else { return Place::At(place) };
        steps += 1;
        if steps > STEPS {
            return Place::Astray;
        }
        match name {
            b"" | b"." => {}
            b".." if place.is_empty() => return Place::Outside,
            b".." if !is_folder(tree, &place) => return Place::Astray,
            b".." => up(&mut place),
            name => {
                if !place.is_empty() {
                    place.push(b'/');
                }
                place.extend_from_slice(name);
                next = tree.get(place.as_slice()).copied().flatten();
                if next.is_some() {
                    up(&mut place);
                }
            }
        }
    }
}

fn up(place: &mut Vec<u8>) {
    let slash = place.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    place.truncate(slash);
}

fn is_folder(tree: &Tree<'_>, path: &[u8]) -> bool {
    let within = [path, b"/"].concat();
    tree.range(within.as_slice()..).next().is_some_and(|(next, _)| next.starts_with(&within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::packet::{OnViolation, Scope};

    /// Links by path and target on a base of these paths; those that are put back.
    fn judged(base: &[(&str, &str)], made: &[(&str, &str)]) -> Vec<String> {
        let side = |target: &str| Side {
            mode: if target.is_empty() { "100644" } else { LINK }.into(),
            blob: target.to_owned(),
        };
        let scope = Scope {
            allowed: vec!["**".into()],
            forbidden: vec![],
            protected: vec!["tests/**".into()],
            on_violation: OnViolation::Revert,
        };
        let lock = Lock::new(&scope).unwrap();
        let links = Links {
            base: base.iter().map(|(path, target)| (path.as_bytes().to_vec(), side(target))).collect(),
            targets: base.iter().chain(made).map(|(_, to)| ((*to).to_owned(), to.as_bytes().to_vec())).collect(),
            protected: BTreeSet::from([b"tests/test_a.py".to_vec(), b"x/tests/deep".to_vec()]),
        };
        let change = |(path, target): &(&str, &str)| RawChange {
            path: path.as_bytes().to_vec(),
            shown: (*path).to_owned(),
            before: base.iter().find(|(held, _)| held == path).map(|(_, target)| side(target)),
            after: Some(side(target)),
            added_lines: 0,
            removed_lines: 0,
            binary: false,
        };
        let all: Vec<RawChange> = made.iter().map(change).collect();
        let mut reasons = vec![None; all.len()];
        assert_eq!(links.put_back(&lock, &all, &mut reasons), reasons.iter().any(Option::is_some));
        all.iter().zip(&reasons).filter(|(_, reason)| reason.is_some()).map(|(one, _)| one.shown.clone()).collect()
    }

    const BASE: [(&str, &str); 7] = [
        ("tests/test_a.py", ""),
        ("x/tests/deep", ""),
        ("src/a.py", ""),
        ("src/deep/b.py", ""),
        ("out", "/etc"),
        ("to-tests", "tests"),
        ("way", "src/deep/../a.py"),
    ];

    #[test]
    fn a_link_within_the_repository_stays() {
        for (path, target) in [
            ("new", "src/a.py"),
            ("src/deep/up", "../a.py"),
            ("dangling", "nothing/there"),
            ("loop", "loop"),
            ("src/here", "."),
            ("src/deep/x", "../deep/./b.py"),
        ] {
            assert_eq!(judged(&BASE, &[(path, target)]), Vec::<String>::new(), "{path} -> {target}");
        }
    }

    #[test]
    fn a_link_that_leads_out_or_to_what_is_protected_is_put_back() {
        for (path, target) in [
            ("env", "/proc/1/environ"),
            ("passwd", "../etc/passwd"),
            ("src/t", "../tests"),
            ("src/t", "../tests/test_a.py"),
            ("src/t", "../tests/not/yet/there"),
            ("src/x", "../x"),
            ("src/all", ".."),
            ("git", ".git/config"),
            ("git", "src/.GIT"),
            ("through", "out/passwd"),
            ("through", "to-tests/test_a.py"),
            ("lost", "nothing/there/../../../.."),
            ("lost", "nothing/../src/a.py"),
        ] {
            assert_eq!(judged(&BASE, &[(path, target)]), [path], "{path} -> {target}");
        }
    }

    #[test]
    fn links_through_links_of_the_submission_are_followed() {
        assert_eq!(judged(&BASE, &[("a", "b"), ("b", "..")]), ["a", "b"]);
        assert_eq!(judged(&BASE, &[("a", "src/d/../../tests"), ("src/d", "deep")]), ["a"], "from src/deep up is src");
        assert_eq!(judged(&BASE, &[("a", "d/../tests"), ("d", "src")]), ["a"]);
        assert_eq!(judged(&BASE, &[("p/a", "../d/../../tests"), ("d", "src/deep")]), ["p/a"]);
        let chain: Vec<(String, String)> = (0..60).map(|at| (format!("l{at}"), format!("l{}", at + 1))).collect();
        let mut chain: Vec<(&str, &str)> = chain.iter().map(|(path, to)| (path.as_str(), to.as_str())).collect();
        chain.push(("l60", "tests"));
        let back = judged(&BASE, &chain);
        assert!(back.contains(&"l60".to_owned()) && back.contains(&"l25".to_owned()), "{back:?}");
    }

    #[test]
    fn a_link_in_the_way_of_one_of_the_base_does_not_lead_it_elsewhere() {
        let base =
            [BASE.as_slice(), &[("k/one", "../src/deep"), ("k/old", "one/../a.py"), ("k/x", "one/../../way")]].concat();
        assert_eq!(judged(&base, &[("k/one", "../src")]), ["k/one"], "k/x would lead out");
        assert_eq!(judged(&base, &[("k/one", "../src/deep/")]), Vec::<String>::new());
    }

    #[test]
    fn a_way_without_end_is_not_followed_for_ever() {
        let long = "src/deep/../".repeat(200) + "a.py";
        assert_eq!(judged(&BASE, &[("a", &long)]), ["a"]);
        assert_eq!(judged(&BASE, &[("a", "b/b/b"), ("b", "a/a/a")]), Vec::<String>::new());
    }
}
