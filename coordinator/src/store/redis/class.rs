//! What the scripts know of placement: the class of a job, its home, and what a worker offers.

use super::engine;
use arena_domain::job::Job;
use arena_domain::placement::{Home, Needs, Offer, Room};
use arena_runtime::digest;
use serde_json::{Map, Value, json};

/// Digits of a class: enough for any number of them, and short in every key.
const DIGITS: usize = 16;

/// A digest of what a job needs, and that itself as the scripts read it.
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

/// The first letter says what kind it is, by which the scripts know its patience.
pub(super) fn home(home: &Home) -> String {
    match home {
        Home::Worker(name) => format!("w:{name}"),
        Home::Hardware(class) => format!("h:{class}"),
    }
}

pub(super) fn of_home(text: &str) -> Option<Home> {
    match text.split_once(':')? {
        ("w", name) => Some(Home::Worker(name.to_owned())),
        ("h", class) => Some(Home::Hardware(class.to_owned())),
        _ => None,
    }
}

/// As `claim.lua` reads it.
pub(super) fn offer(offer: &Offer) -> String {
    let Offer { name, hardware, abilities, labels, slots, whole, free } = offer;
    let room = |room: &Room| json!([room.memory, room.disk]);
    let mut all = Map::new();
    all.insert("homes".into(), json!([home(&Home::Worker(name.clone())), home(&Home::Hardware(hardware.clone()))]));
    all.insert("labels".into(), labels.iter().cloned().collect());
    all.insert("slots".into(), slots.iter().map(|slot| slot.as_str()).collect());
    all.insert("whole".into(), room(whole));
    all.insert("free".into(), room(free));
    all.extend(abilities.iter().map(|all| ("abilities".to_owned(), all.iter().cloned().collect::<Value>())));
    Value::Object(all).to_string()
}
