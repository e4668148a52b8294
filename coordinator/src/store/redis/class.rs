//! What the functions know of placement: the class of a job, its home, and what a worker offers.

use super::engine;
use arena_domain::job::Job;
use arena_domain::placement::{Home, Needs, Offer, Room};
use arena_runtime::digest;
use serde_json::{Map, Value};

/// Digits of a class: enough for any number of them, and short in every key.
const DIGITS: usize = 16;

/// Bytes of the name of a worker or of hardware.
const LONGEST_HOME: usize = 200;

/// A digest of what a job needs, and that itself as the functions read it.
pub(super) fn class(job: &Job) -> (String, String) {
    let Needs { ability, labels, room: Room { memory, disk } } = &job.needs;
    let mut all = Map::new();
    all.insert("engine".into(), engine(job.engine.as_deref()).into());
    all.insert("slot".into(), job.slot().as_str().into());
    all.insert("labels".into(), labels.iter().cloned().collect());
    all.insert("memory".into(), (*memory).into());
    all.insert("disk".into(), (*disk).into());
    all.extend(ability.iter().map(|ability| ("ability".to_owned(), Value::from(ability.as_str()))));
    let text = Value::Object(all).to_string();
    let mut id = digest::sha256(text.as_bytes());
    id.truncate(DIGITS);
    (id, text)
}

/// The first letter says what kind it is, by which the functions know its patience. It is part of keys: a long name is known by
/// its digest.
pub(super) fn home(home: &Home) -> String {
    let short = |name: &str| {
        if name.len() > LONGEST_HOME { digest::sha256(name.as_bytes()) } else { name.to_owned() }
    };
    match home {
        Home::Worker(name) => format!("w:{}", short(name)),
        Home::Hardware(class) => format!("h:{}", short(class)),
    }
}

pub(super) fn of_home(text: &str) -> Option<Home> {
    match text.split_once(':')? {
        ("w", name) => Some(Home::Worker(name.to_owned())),
        ("h", class) => Some(Home::Hardware(class.to_owned())),
        _ => None,
    }
}

/// As `claim.lua` reads it: a digest, by which it is known again, and all that itself: homes, slots, what it has and what is
/// free, how many abilities or nothing for every one, they, and the labels.
pub(super) fn offer(offer: &Offer) -> Vec<Vec<u8>> {
    let Offer { name, hardware, abilities, labels, slots, whole, free } = offer;
    let mut all = vec![home(&Home::Worker(name.clone())), home(&Home::Hardware(hardware.clone()))];
    all.push(slots.iter().map(|slot| slot.as_str()).collect::<Vec<_>>().join(" "));
    all.extend([whole.memory, whole.disk, free.memory, free.disk].map(|amount| amount.to_string()));
    all.push(abilities.as_ref().map_or_else(String::new, |all| all.len().to_string()));
    all.extend(abilities.iter().flatten().chain(labels).cloned());
    let written: String = all.iter().flat_map(|one| [one.len().to_string(), ":".into(), one.clone()]).collect();
    let mut id = digest::sha256(written.as_bytes());
    id.truncate(DIGITS);
    all.insert(0, id);
    all.into_iter().map(String::into_bytes).collect()
}
