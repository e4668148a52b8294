//! Who may have which job: what the property over random commands holds the scheduler to, and the two bounds of waiting.

use super::*;

/// A worker as chance has it.
pub(super) fn offer(dice: u16, engine: Option<u8>) -> Offer {
    let says = |bit: u16| dice >> bit & 1 == 1;
    let whole = Room { memory: if says(5) { 60 } else { 80 }, disk: 10 };
    let used = Room { memory: 20 * u32::from(dice >> 6 & 3), disk: 0 };
    Offer {
        name: if says(0) { "near" } else { "far" }.into(),
        hardware: if says(1) { "big" } else { "small" }.into(),
        abilities: engine.map(|n| BTreeSet::from([format!("e{n}")])),
        labels: says(2).then(|| "gpu".to_owned()).into_iter().collect(),
        slots: [(3, Slot::Engine), (4, Slot::Measure)]
            .into_iter()
            .filter(|(bit, _)| says(*bit))
            .map(|(_, s)| s)
            .collect(),
        whole,
        free: whole.without(used),
    }
}

/// What an eligible job needs, and whether it waited long; spelt out again, so that the code is held to it.
pub(super) fn room_of(world: &World, place: &Place, ask: &Ask) -> Option<(Room, bool)> {
    let State::Queued { due } = place.state else { return None };
    let (job, offer) = (&place.job, &ask.offer);
    let patience = match &job.home {
        Some(Home::Worker(name)) if *name != offer.name => 2_000,
        Some(Home::Hardware(class)) if *class != offer.hardware => 120_000,
        Some(_) | None => 0,
    };
    let patience = if ask.only.is_some() { 0 } else { patience };
    let engine = !matches!((&offer.abilities, &job.needs.ability), (Some(has), Some(wants)) if !has.contains(wants));
    let slot = if matches!(job.work, Work::Implement { .. }) { Slot::Engine } else { Slot::Measure };
    let mine = ask.only.as_ref().is_none_or(|only| *only == job.session)
        && ask.tenant.as_ref().is_none_or(|tenant| *tenant == job.tenant);
    let running = limits::Running::count(world.queue.places().filter(|other| other.job.id != job.id));
    let eligible = mine
        && engine
        && due + patience <= world.now
        && offer.slots.contains(&slot)
        && job.needs.labels.iter().all(|label| offer.labels.contains(label))
        && job.needs.room.memory <= offer.whole.memory
        && job.needs.room.disk <= offer.whole.disk
        && running.blocks(job, &limits()).is_none();
    eligible.then(|| (job.needs.room, world.now - due >= SQUEEZED.as_millis() as Millis))
}

fn sized(number: u8, memory: u32) -> Job {
    let needs = Needs { room: Room { memory, disk: 0 }, ..Needs::default() };
    Job { needs, session_limit: 100, home: None, engine: None, ..job(0, 0, number, 3) }
}

#[test]
fn what_needs_a_whole_machine_is_passed_over_for_a_while_and_then_waited_for() {
    let mut queue = Queue::new(Limits { fleet: 100, ..Limits::default() });
    queue.enqueue(sized(1, 80), 0, 0);
    for number in 2..50 {
        queue.enqueue(sized(number, 20), 0, 0);
    }
    let whole = Room { memory: 80, disk: 0 };
    let mut free = whole.without(Room { memory: 20, disk: 0 });
    let mut given = Vec::new();
    for turn in 0..70 {
        // One small job ends each second.
        let offer = Offer { whole, free, ..ask("").offer };
        if let Some(place) = queue.claim(&Ask { offer, ..ask(&format!("r{turn}")) }, turn * 1_000) {
            given.push((turn, place.job.needs.room.memory));
            free = free.without(place.job.needs.room);
        }
        free = Room { memory: (free.memory + 20).min(80), disk: 0 };
        if given.last().is_some_and(|(_, memory)| *memory == 80) {
            break;
        }
    }
    let small = given.iter().filter(|(_, memory)| *memory == 20).count();
    let last = given.last().copied().unwrap();
    assert!(small >= 40 && last.1 == 80 && last.0 <= 64, "{given:?}");
}

#[test]
fn a_job_waits_for_its_home_as_long_as_it_has_patience() {
    let rows = [(Home::Worker("near".into()), 2_000), (Home::Hardware("big".into()), 120_000)];
    for (home, patience) in rows {
        let mut queue = Queue::new(limits());
        let kept = Job { home: Some(home.clone()), ..sized(1, 1) };
        let far = Offer { name: "far".into(), hardware: "small".into(), ..ask("").offer };
        let at_home = Offer { name: "near".into(), hardware: "big".into(), ..far.clone() };
        queue.enqueue(kept.clone(), 500, 0);
        let asked = |offer: &Offer, only: Option<SessionId>| Ask { offer: offer.clone(), only, ..ask("r") };
        let given = |offer, only, now| queue.clone().claim(&asked(offer, only), now).is_some();
        assert!(!given(&at_home, None, 499) && given(&at_home, None, 500), "{home:?}");
        assert!(!given(&far, None, 500 + patience - 1) && given(&far, None, 500 + patience), "{home:?}");
        assert!(given(&far, Some(kept.session.clone()), 500), "who serves this session alone is its home");
        assert_eq!(queue.why(&kept.id, 500), Why::Kept { home, until: 500 + patience });
        assert_eq!(queue.why(&kept.id, 500 + patience), Why::Ready { ahead: 0 });
    }
}
