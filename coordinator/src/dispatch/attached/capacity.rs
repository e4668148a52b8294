//! What an attached worker has to give: its slots, its memory and its disk, and what its jobs hold of them.

use crate::fleet;
use arena_domain::id::{Fence, JobId};
use arena_domain::job::Job;
use arena_domain::placement::{Offer, Room, Slot};
use arena_proto::v1;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Capacity {
    /// Of the worker when nothing runs there.
    whole: Offer,
    engines: usize,
    /// `None`: of before there were two kinds of slots, so its engine slots are for everything.
    measures: Option<usize>,
    held: BTreeMap<JobId, (Slot, Room)>,
    /// The only worker of its session: what it begins alone was looked at before, and nobody else would ever take it.
    only: bool,
}

impl Capacity {
    pub(super) fn of(state: &v1::WorkerState, only: bool) -> Self {
        let measures = state.offer.as_ref().map(|offer| offer.measure_slots as usize);
        Self { whole: fleet::offered(state), engines: state.slots as usize, measures, held: BTreeMap::new(), only }
    }

    /// What is free and what jobs hold, as the worker says it.
    pub(super) fn has_disk(&mut self, mebibytes: u32) {
        // Workers that do not say have all that is asked.
        if mebibytes > 0 {
            self.whole.whole.disk = mebibytes;
        }
    }

    /// Those that it runs and that were given before its stream broke.
    pub(super) fn unknown(&self, running: &BTreeMap<JobId, Fence>) -> Vec<JobId> {
        running.keys().filter(|job| !self.held.contains_key(job)).cloned().collect()
    }

    pub(super) fn holds(&mut self, id: JobId, job: Option<&Job>) {
        // One that is not in the store any more ends soon, and takes up a slot until then.
        let held = job.map_or((Slot::Engine, Room::default()), |job| (job.slot(), job.needs.room));
        self.held.insert(id, held);
    }

    /// What it has to give beside what runs; nothing when no slot is free.
    pub(super) fn offer(&mut self, running: &BTreeMap<JobId, Fence>) -> Option<Offer> {
        self.held.retain(|job, _| running.contains_key(job));
        let of = |kind| self.held.values().filter(|(slot, _)| *slot == kind).count();
        let slots: BTreeSet<Slot> = match self.measures {
            None if self.held.len() < self.engines => [Slot::Engine, Slot::Measure].into(),
            None => BTreeSet::new(),
            Some(measures) => [(Slot::Engine, self.engines), (Slot::Measure, measures)]
                .into_iter()
                .filter_map(|(slot, most)| (of(slot) < most).then_some(slot))
                .collect(),
        };
        let all = match self.only && self.held.is_empty() {
            true => Offer::everything(&self.whole.name),
            false => Offer { free: self.free(), ..self.whole.clone() },
        };
        (!slots.is_empty()).then_some(Offer { slots, ..all })
    }

    pub(super) fn free(&self) -> Room {
        self.held.values().fold(self.whole.whole, |free, (_, room)| free.without(*room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::id::{Fence, SessionId, Tenant};
    use arena_domain::job::{Mark, Work};
    use arena_domain::placement::Needs;

    fn job(name: &str, work: Work, memory: u32) -> Job {
        Job {
            id: JobId::new(name),
            session: SessionId::new("s"),
            tenant: Tenant::new("t"),
            competitor: None,
            round: 1,
            work,
            session_limit: 9,
            session_weight: 1,
            priority: 0,
            engine: None,
            needs: Needs { room: Room { memory, disk: 10 }, ..Needs::default() },
            home: None,
            trace: Mark::default(),
        }
    }

    fn engine(name: &str, memory: u32) -> Job {
        job(name, Work::Implement { brief: String::new(), parent: None }, memory)
    }

    fn measure(name: &str) -> Job {
        job(name, Work::Evaluate { tree: None, holdout: false }, 1)
    }

    struct World(Capacity, BTreeMap<JobId, Fence>);

    impl World {
        fn new(offer: Option<v1::Offer>) -> Self {
            let state = v1::WorkerState { slots: 6, offer, ..v1::WorkerState::default() };
            Self(Capacity::of(&state, false), BTreeMap::new())
        }

        fn begin(&mut self, job: &Job) {
            self.0.holds(job.id.clone(), Some(job));
            self.1.insert(job.id.clone(), Fence::new("f"));
        }

        fn slots(&mut self) -> Vec<Slot> {
            self.0.offer(&self.1).map(|offer| offer.slots.into_iter().collect()).unwrap_or_default()
        }
    }

    #[test]
    fn six_engines_and_one_measurement_run_side_by_side_and_neither_takes_the_others_slot() {
        let mut world =
            World::new(Some(v1::Offer { measure_slots: 1, memory_mib: 100, disk_mib: 100, ..v1::Offer::default() }));
        world.begin(&measure("m1"));
        assert_eq!(world.slots(), [Slot::Engine], "one measurement at a time");
        for number in 0..6 {
            assert!(world.slots().contains(&Slot::Engine));
            world.begin(&engine(&format!("e{number}"), 1));
        }
        assert_eq!(world.slots(), []);
        world.1.remove(&JobId::new("m1"));
        assert_eq!(world.slots(), [Slot::Measure]);
    }

    #[test]
    fn what_runs_is_taken_off_what_is_free_until_it_has_ended() {
        let mut world =
            World::new(Some(v1::Offer { measure_slots: 1, memory_mib: 100, disk_mib: 100, ..v1::Offer::default() }));
        world.begin(&engine("a", 70));
        let offer = world.0.offer(&world.1).unwrap();
        assert_eq!((offer.free, offer.whole.memory), (Room { memory: 30, disk: 90 }, 100));
        world.0.has_disk(40);
        assert_eq!(world.0.free(), Room { memory: 30, disk: 30 });
        world.1.clear();
        assert_eq!(world.0.offer(&world.1).unwrap().free, Room { memory: 100, disk: 40 });
    }

    #[test]
    fn the_only_worker_of_a_session_never_leaves_it_waiting_with_nothing_to_do() {
        let offer = v1::Offer { measure_slots: 1, memory_mib: 100, disk_mib: 100, ..v1::Offer::default() };
        let state = v1::WorkerState { slots: 6, offer: Some(offer), ..v1::WorkerState::default() };
        let mut world = World(Capacity::of(&state, true), BTreeMap::new());
        let large = Needs { labels: ["gpu".to_owned()].into(), room: Room { memory: 500, disk: 0 }, ability: None };
        assert!(world.0.offer(&world.1).unwrap().whole.holds(large.room));
        world.begin(&engine("a", 70));
        assert_eq!(world.0.offer(&world.1).unwrap().free, Room { memory: 30, disk: 90 });
    }

    #[test]
    fn a_worker_that_does_not_say_has_one_kind_of_slots_and_all_the_room_there_is() {
        let mut world = World::new(None);
        for number in 0..5 {
            world.begin(&engine(&format!("e{number}"), 1 << 20));
        }
        assert_eq!(world.slots(), [Slot::Engine, Slot::Measure]);
        world.begin(&measure("m"));
        assert_eq!(world.slots(), []);
    }
}
