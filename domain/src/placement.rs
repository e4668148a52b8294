//! Which worker may take which job: what a job needs, what a worker offers, and for whom a job waits a while.
//!
//! Laws: no worker is given what it lacks the ability, a label or the room for. A job waits for its home no longer than the
//! patience says. What needs much room is not passed over for ever.

use crate::job::{Job, Millis, Work};
use std::collections::BTreeSet;
use std::time::Duration;

/// A job that would fit a worker if less ran there is passed over for so long; from then on, when its turn comes, the
/// worker begins nothing else before it.
pub const SQUEEZED: Duration = Duration::from_secs(60);

/// The longest label.
pub const MOST_LABEL: usize = 64;

/// Labels of one worker.
pub const MOST_LABELS: usize = 32;

/// Printable, and neither empty nor long.
pub fn is_label(text: &str) -> bool {
    (1..=MOST_LABEL).contains(&text.chars().count()) && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// What a job needs of whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// In words, such as `engine codex` or `provider openai`; `None`: a sandbox is enough.
    pub ability: Option<String>,
    /// Each in full: `gpu`, `rack=7`.
    pub labels: BTreeSet<String>,
    pub room: Room,
}

/// Memory and disk, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Room {
    pub memory: u32,
    pub disk: u32,
}

/// Engines wait for their provider and share cores; what measures gets cores of its own. Neither takes the other's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    Engine,
    Measure,
}

/// Where a job would rather run, while it has patience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// The worker of this name has its repository and its setup ready.
    Worker(String),
    /// On machines of this class the session has been measured before.
    Hardware(String),
}

/// How long a job that may run waits for its home before anybody may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub worker: Duration,
    pub hardware: Duration,
}

/// What a worker has to give at the moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The same for every boot of it.
    pub name: String,
    /// The class of its machine; machines of one class measure alike.
    pub hardware: String,
    /// `None`: every one, as far as anybody knows.
    pub abilities: Option<BTreeSet<String>>,
    pub labels: BTreeSet<String>,
    /// The kinds of which a slot is free.
    pub slots: BTreeSet<Slot>,
    /// When nothing runs there.
    pub whole: Room,
    pub free: Room,
}

/// Why no worker that is there can ever run a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// No worker is there at all.
    Nobody,
    Ability(String),
    Label(String),
    /// What it needs of it, and the most that a worker has.
    Memory(u32, u32),
    Disk(u32, u32),
    /// Each has a part of what it needs.
    Together,
}

impl Room {
    pub const ALL: Self = Self { memory: u32::MAX, disk: u32::MAX };

    /// Bytes, rounded up.
    pub fn of(memory: u64, disk: u64) -> Self {
        let mebibytes = |bytes: u64| u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        Self { memory: mebibytes(memory), disk: mebibytes(disk) }
    }

    pub fn holds(self, other: Self) -> bool {
        self.memory >= other.memory && self.disk >= other.disk
    }

    /// What is left when `other` is taken.
    pub fn without(self, other: Self) -> Self {
        Self { memory: self.memory.saturating_sub(other.memory), disk: self.disk.saturating_sub(other.disk) }
    }

    /// A sixteenth less at most: the same for machines that are alike.
    fn about(self) -> Self {
        let about = |amount: u32| amount & (u32::MAX << 28_u32.saturating_sub(amount.leading_zeros()));
        Self { memory: about(self.memory), disk: about(self.disk) }
    }

    pub fn and(self, other: Self) -> Self {
        Self { memory: self.memory.saturating_add(other.memory), disk: self.disk.saturating_add(other.disk) }
    }
}

impl Slot {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Measure => "measure",
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { worker: Duration::from_secs(2), hardware: Duration::from_secs(120) }
    }
}

impl Patience {
    pub fn of(self, home: &Home) -> Millis {
        let patience = match home {
            Home::Worker(_) => self.worker,
            Home::Hardware(_) => self.hardware,
        };
        patience.as_millis() as Millis
    }
}

impl Job {
    pub fn slot(&self) -> Slot {
        match &self.work {
            Work::Implement { .. } => Slot::Engine,
            Work::Evaluate { .. } => Slot::Measure,
        }
    }

    /// Until when only its home may have it, when it may run from `due` on.
    pub fn kept_until(&self, due: Millis, patience: Patience) -> Millis {
        self.home.as_ref().map_or(due, |home| due.saturating_add(patience.of(home)))
    }
}

impl Offer {
    /// Of a worker that can do everything and has nothing to do.
    pub fn everything(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            hardware: String::new(),
            abilities: None,
            labels: BTreeSet::new(),
            slots: BTreeSet::from([Slot::Engine, Slot::Measure]),
            whole: Room::ALL,
            free: Room::ALL,
        }
    }

    /// Whether it could run this if it had nothing else to do.
    pub fn can(&self, needs: &Needs) -> bool {
        self.is_able(needs) && self.carries(needs) && self.whole.holds(needs.room)
    }

    pub fn is(&self, home: &Home) -> bool {
        match home {
            Home::Worker(name) => *name == self.name,
            Home::Hardware(class) => *class == self.hardware,
        }
    }

    /// What many workers have in common with this one.
    pub fn about(self) -> Self {
        Self { name: String::new(), whole: self.whole.about(), free: self.free.about(), ..self }
    }

    fn is_able(&self, needs: &Needs) -> bool {
        match (&self.abilities, &needs.ability) {
            (Some(has), Some(wants)) => has.contains(wants),
            (None, _) | (_, None) => true,
        }
    }

    fn carries(&self, needs: &Needs) -> bool {
        needs.labels.is_subset(&self.labels)
    }
}

/// What all of these workers lack for this; `None`: one of them can run it, now or when it has less to do.
pub fn lack(needs: &Needs, offers: &[Offer]) -> Option<Lack> {
    if offers.is_empty() {
        return Some(Lack::Nobody);
    }
    if offers.iter().any(|offer| offer.can(needs)) {
        return None;
    }
    if let Some(ability) = needs.ability.as_ref().filter(|_| !offers.iter().any(|offer| offer.is_able(needs))) {
        return Some(Lack::Ability(ability.clone()));
    }
    let nobodys = |label: &&String| !offers.iter().any(|offer| offer.labels.contains(*label));
    if let Some(label) = needs.labels.iter().find(nobodys) {
        return Some(Lack::Label(label.clone()));
    }
    let most = |part: fn(&Room) -> u32| offers.iter().map(|offer| part(&offer.whole)).max().unwrap_or(0);
    let (memory, disk) = (most(|room| room.memory), most(|room| room.disk));
    Some(match () {
        () if memory < needs.room.memory => Lack::Memory(needs.room.memory, memory),
        () if disk < needs.room.disk => Lack::Disk(needs.room.disk, disk),
        () => Lack::Together,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn worker(abilities: &[&str], labels: &[&str], memory: u32) -> Offer {
        let whole = Room { memory, disk: 100 };
        Offer {
            abilities: Some(set(abilities)),
            labels: set(labels),
            whole,
            free: Room::default(),
            ..Offer::everything("one")
        }
    }

    fn needs(ability: Option<&str>, labels: &[&str], memory: u32, disk: u32) -> Needs {
        Needs { ability: ability.map(str::to_owned), labels: set(labels), room: Room { memory, disk } }
    }

    #[test]
    fn machines_that_are_alike_are_about_the_same() {
        let of = |name: &str, memory| Offer { name: name.into(), ..worker(&["engine a"], &["gpu"], memory) }.about();
        assert_eq!(of("one", 64_300), of("two", 64_000));
        assert_ne!(of("one", 64_300), of("two", 32_000));
        for memory in [0, 1, 15, 16, 1_000, u32::MAX] {
            let about = of("one", memory).whole.memory;
            assert!(about <= memory && memory - about <= memory / 16, "{about} of {memory}");
        }
    }

    #[test]
    fn what_nobody_has_is_named_and_what_is_only_busy_is_not() {
        let fleet = [worker(&["engine a"], &["gpu", "rack=7"], 10), worker(&["engine b"], &[], 20)];
        let rows = [
            (needs(None, &[], 10, 100), None),
            (needs(Some("engine a"), &["gpu"], 10, 1), None),
            (needs(Some("engine c"), &["gpu"], 99, 1), Some(Lack::Ability("engine c".into()))),
            (needs(None, &["gpu", "rack"], 1, 1), Some(Lack::Label("rack".into()))),
            (needs(None, &[], 21, 1), Some(Lack::Memory(21, 20))),
            (needs(None, &[], 1, 101), Some(Lack::Disk(101, 100))),
            (needs(Some("engine b"), &["gpu"], 1, 1), Some(Lack::Together)),
            (needs(Some("engine a"), &[], 20, 1), Some(Lack::Together)),
        ];
        for (needs, expected) in rows {
            assert_eq!(lack(&needs, &fleet), expected, "{needs:?}");
            assert_eq!(lack(&needs, &fleet).is_none(), fleet.iter().any(|offer| offer.can(&needs)), "{needs:?}");
        }
        assert_eq!(lack(&Needs::default(), &[]), Some(Lack::Nobody));
    }

    #[test]
    fn a_worker_that_does_not_say_what_it_can_is_believed_to_can_all() {
        let silent = Offer::everything("one");
        assert!(silent.can(&needs(Some("engine x"), &[], u32::MAX, u32::MAX)));
        assert!(!silent.can(&needs(None, &["gpu"], 0, 0)), "a label is never guessed");
    }
}
