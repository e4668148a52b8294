//! The contradiction canary: a test gate that passed is run once more with a failing test planted in it, and must fail.
//!
//! The base says first what the canary is worth: where its gate passes in spite of it, nothing is concluded.

use super::{Context, RunError, Task, gates};
use crate::layers::{self, Prepared};
use crate::repository::{RawChange, Repository, RepositoryError, Side};
use crate::run::Phase;
use arena_domain::job::Tree;
use arena_domain::outcome::{Exit, Flag, FlagKind, GateResult};
use arena_domain::packet::{Gate, GateKind};
use arena_domain::scope::{Lock, Ruling};
use arena_domain::tamper::{self, Canary};
use arena_runtime::token;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A gate that takes the base longer is not run twice.
const LONGEST: Duration = Duration::from_secs(120);
/// A neighbour that is larger is not copied.
const LARGEST: usize = 1 << 20;
/// Names that are tried for one canary.
const TRIES: usize = 64;

/// What is known of the base's gates.
#[derive(Default)]
pub(crate) struct Canaries {
    /// How each ended without a canary, and how long it took.
    plain: Mutex<HashMap<String, (bool, Duration)>>,
    /// How it is made to fail by a canary in or beside these tests, asked once.
    usable: Mutex<HashMap<Asked, Arc<OnceCell<Option<Way>>>>>,
    /// Which tests the canaries stand in: the same for all, or one could stand where a gate does not look.
    chance: OnceLock<u64>,
}

/// How a canary is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In a test of the base, at the place and by the name that it has.
    Within(u64),
    /// As a new test beside one of the base.
    Beside,
}

/// A gate, and the tests beside which its canaries stand.
type Asked = (String, Vec<String>);

/// The files of the base, and which of these paths the candidate has changed.
struct Ground {
    base: HashMap<String, Side>,
    changed: BTreeSet<String>,
}

/// How a gate ended that had a canary in it.
enum Planted {
    Ended(Exit),
    /// Something stands in the place of the tests' folder.
    NoRoom,
}

impl Canaries {
    pub(super) fn note(&self, results: &[GateResult]) {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.extend(results.iter().map(|gate| (gate.name.clone(), (gate.passed(), gate.duration))));
    }

    fn plain(&self, gate: &Gate) -> Option<(bool, Duration)> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).get(&gate.name).copied()
    }

    fn chance(&self) -> u64 {
        *self.chance.get_or_init(drawn)
    }

    fn cell(&self, gate: &Gate, hosts: &[String]) -> Arc<OnceCell<Option<Way>>> {
        let key = (gate.name.clone(), hosts.to_vec());
        self.usable.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }
}

/// A number of chance.
fn drawn() -> u64 {
    u64::from_str_radix(&token::hex(12), 16).unwrap_or_default()
}

/// Whether there is a gate to ask.
pub(super) fn is_wanted(task: &Task, results: &[GateResult]) -> bool {
    asked(task, results).next().is_some()
}

fn asked<'a>(task: &'a Task, results: &'a [GateResult]) -> impl Iterator<Item = &'a Gate> {
    let passed = |gate: &&Gate| results.iter().any(|result| result.name == gate.name && result.passed());
    task.packet.gates.iter().filter(|gate| gate.kind == GateKind::Test).filter(passed)
}

/// A flag for each test gate of the candidate that does not see a failing test.
pub(super) async fn flags(
    context: &Arc<Context>,
    task: &Task,
    base: &Prepared,
    candidate: &Prepared,
    tree: &Tree,
    results: &[GateResult],
) -> Result<Vec<Flag>, RunError> {
    let ground = Arc::new(Ground::of(context, task, tree).await?);
    let lock = Lock::new(&task.packet.scope).ok();
    let mut flags = Vec::new();
    for gate in asked(task, results) {
        let hosts = ground.hosts(lock.as_ref(), &gate.run);
        if hosts.is_empty() {
            continue;
        }
        let asking = Asking { gate, ground: &ground, hosts: &hosts };
        if let Some(why) = asking.suspicion(context, task, base, candidate).await? {
            flags.push(Flag { kind: FlagKind::OutputSpoofed, path: None, detail: format!("{}: {why}", gate.name) });
        }
    }
    Ok(flags)
}

impl Ground {
    async fn of(context: &Arc<Context>, task: &Task, tree: &Tree) -> Result<Self, RunError> {
        let changed = layers::changes(context, task, tree).await?;
        let (repository, base) = (context.repository(task).await?, task.base.clone());
        let listed = tokio::task::spawn_blocking(move || repository.listing(&base)).await??;
        let files = listed.into_iter().filter(|(_, side)| side.mode.starts_with("100"));
        let named = files.filter_map(|(path, side)| Some((String::from_utf8(path).ok()?, side)));
        Ok(Self { base: named.collect(), changed: changed.into_iter().map(|change| change.shown).collect() })
    }

    /// One test of each language that the gate may run, such that base and candidate have the same; protected ones first.
    fn hosts(&self, lock: Option<&Lock>, command: &str) -> Vec<String> {
        let rank = |path: &&&str| {
            let open = lock.is_none_or(|lock| lock.rule(path) != Ruling::Protected);
            (open, path.matches('/').count(), path.to_string())
        };
        let same = self.base.keys().map(String::as_str).filter(|path| !self.changed.contains(*path));
        let groups = tamper::hosts(command, same);
        groups.iter().filter_map(|group| group.iter().min_by_key(rank)).map(|path| (*path).to_owned()).collect()
    }

    /// The tests to replace, or the files to add under names that neither tree has.
    fn canaries(&self, repository: &Repository, hosts: &[String], way: Way) -> Result<Vec<RawChange>, RepositoryError> {
        let mut changes = Vec::new();
        for (host, side) in hosts.iter().filter_map(|host| Some((host, self.base.get(host)?))) {
            let content = repository.blob(&side.blob)?;
            let Some(content) = std::str::from_utf8(&content).ok().filter(|text| text.len() <= LARGEST) else {
                continue;
            };
            let is_new =
                |canary: &Canary| !self.base.contains_key(&canary.path) && !self.changed.contains(&canary.path);
            let mut chances = (0..TRIES).map(|_| drawn());
            let found = match way {
                Way::Within(chance) => tamper::canary_within(host, content, chance),
                Way::Beside => chances.find_map(|chance| tamper::canary(host, content, chance).filter(is_new)),
            };
            let Some(canary) = found else { continue };
            let blob = repository.store(canary.content.as_bytes())?;
            let after = Some(Side { mode: side.mode.clone(), blob });
            let (path, shown) = (canary.path.clone().into_bytes(), canary.path);
            changes.push(RawChange {
                path,
                shown,
                before: (way != Way::Beside).then(|| side.clone()),
                after,
                added_lines: 0,
                removed_lines: 0,
                binary: false,
            });
        }
        Ok(changes)
    }
}

/// One gate, and the tests beside which its canaries stand.
struct Asking<'a> {
    gate: &'a Gate,
    ground: &'a Arc<Ground>,
    hosts: &'a [String],
}

impl Asking<'_> {
    /// Why the candidate's gate judges nothing, where the base's does.
    async fn suspicion(
        &self,
        context: &Arc<Context>,
        task: &Task,
        base: &Prepared,
        candidate: &Prepared,
    ) -> Result<Option<&'static str>, RunError> {
        let Some(way) = self.usable(context, task, base).await? else { return Ok(None) };
        let name = &self.gate.name;
        task.phase(Phase::Canary, format!("gate {name} with a failing test in it")).await;
        if self.planted(context, task, candidate, way).await?.is_seen() {
            return Ok(None);
        }
        // A base that had failed by chance alone would make everybody a liar: both are asked again.
        task.phase(Phase::Canary, format!("gate {name} once more, on the base and here")).await;
        if !self.planted(context, task, base, way).await?.is_seen() {
            return Ok(None);
        }
        Ok(match self.planted(context, task, candidate, way).await? {
            Planted::NoRoom => Some("can be given no test: something stands in the place of its tests"),
            Planted::Ended(exit) if exit.passed() => Some("passes with a failing test in it, which the base does not"),
            Planted::Ended(_) => None,
        })
    }

    /// The way in which the base's gate fails with a canary and passes without one. What is learnt here is said and is no flag.
    async fn usable(&self, context: &Arc<Context>, task: &Task, base: &Prepared) -> Result<Option<Way>, RunError> {
        let (gate, name) = (self.gate, &self.gate.name);
        let cell = base.canaries.cell(gate, self.hosts);
        let asked = cell.get_or_try_init(async || -> Result<Option<Way>, RunError> {
            let (passed, took) = match base.canaries.plain(gate) {
                Some(known) => known,
                None => {
                    let finished = gates::command(context, task, gate, &base.stage(context, task).await?).await?;
                    (finished.exit.passed(), finished.elapsed)
                }
            };
            if !passed || took > LONGEST {
                let why = if passed { "takes too long to be run twice" } else { "fails on the base" };
                task.phase(Phase::Canary, format!("gate {name} {why}: whether it sees a failing test is not known"))
                    .await;
                return Ok(None);
            }
            task.phase(Phase::Canary, format!("gate {name} on the base with a failing test in it")).await;
            for way in [Way::Within(base.canaries.chance()), Way::Beside] {
                if self.planted(context, task, base, way).await?.is_seen() {
                    return Ok(Some(way));
                }
            }
            let why = "does not see a failing test that is added: nothing is concluded from it";
            task.phase(Phase::Canary, format!("gate {name} {why}")).await;
            Ok(None)
        });
        asked.await.copied()
    }

    /// Runs the gate on a fresh workspace with canaries in it.
    async fn planted(
        &self,
        context: &Arc<Context>,
        task: &Task,
        tree: &Prepared,
        way: Way,
    ) -> Result<Planted, RunError> {
        let (repository, ground, hosts) = (context.repository(task).await?, self.ground.clone(), self.hosts.to_vec());
        let canaries = tokio::task::spawn_blocking(move || ground.canaries(&repository, &hosts, way)).await??;
        if canaries.is_empty() {
            return Ok(Planted::NoRoom);
        }
        let workspace = match tree.changed_stage(context, task, canaries).await {
            Ok(workspace) => workspace,
            Err(RunError::Io(error) | RunError::Repository(RepositoryError::Io(error)))
                if !arena_runtime::files::is_full(&error) =>
            {
                return Ok(Planted::NoRoom);
            }
            Err(error) => return Err(error),
        };
        Ok(Planted::Ended(gates::command(context, task, self.gate, &workspace).await?.exit))
    }
}

impl Planted {
    fn is_seen(&self) -> bool {
        match self {
            Self::Ended(exit) => !exit.passed(),
            Self::NoRoom => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::packet::{OnViolation, Scope};

    #[test]
    fn a_canary_stands_beside_a_test_that_nobody_may_change_if_there_is_one() {
        let side = || Side { mode: "100644".into(), blob: "0".repeat(40) };
        let files = ["test_a.py", "pkg/test_b.py", "tests/deep/test_c.py", "tests/test_d.py", "tests/a.rs", "lib.py"];
        let ground = |changed: &[&str]| Ground {
            base: files.iter().map(|path| ((*path).to_owned(), side())).collect(),
            changed: changed.iter().map(|path| (*path).to_owned()).collect(),
        };
        let scope = |protected: &str| Scope {
            allowed: vec!["**".into()],
            forbidden: vec![],
            protected: vec![protected.into()],
            on_violation: OnViolation::Revert,
        };
        let chosen = |protected: &str, changed: &[&str], command: &str| {
            ground(changed).hosts(Lock::new(&scope(protected)).ok().as_ref(), command)
        };
        assert_eq!(chosen("tests/**", &[], "pytest"), ["tests/test_d.py"]);
        assert_eq!(chosen("other/**", &[], "pytest"), ["test_a.py"]);
        assert_eq!(chosen("other/**", &["test_a.py"], "pytest"), ["pkg/test_b.py"], "not beside what was changed");
        assert_eq!(chosen("tests/**", &[], "make test"), ["tests/test_d.py", "tests/a.rs"], "one of each language");
        assert_eq!(chosen("tests/**", &[], "go test ./..."), Vec::<String>::new());
    }
}
