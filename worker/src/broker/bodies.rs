//! What the bodies of requests may hold together, of one job and of all: a body has its room before a byte of it is read.
//!
//! A body says its length or is taken for the longest one, and asks once: two that each hold a half cannot wait for each
//! other. The room is given back when the provider's answer begins, since until then the request may be sent again.

use super::refusal::Refusal;
use arena_domain::ending::Trouble;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A whole conversation is sent each time, with images in it.
pub(super) const MOST_BODY: usize = 32 << 20;
/// For the engine to send its body.
const BODY_TIME: Duration = Duration::from_secs(60);
/// For others to give room back; engines wait longer than this for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room is counted in these.
const UNIT: usize = 4 << 10;

/// For so many bytes of bodies at once.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    pub(super) patience: Duration,
}

/// Room that is taken, of the job and of the worker.
#[derive(Debug)]
pub(super) struct Held(Vec<OwnedSemaphorePermit>);

impl Room {
    /// At least the longest body fits, so that each one comes in some day.
    pub(super) fn new(bytes: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(units(bytes.max(MOST_BODY)) as usize)), patience: PATIENCE }
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let waited = tokio::time::timeout(self.patience, self.free.clone().acquire_many_owned(units(bytes))).await;
        waited.ok().and_then(Result::ok)
    }
}

/// The job's own room comes first: who waits for that stands in nobody's way.
async fn room(of_job: &Room, of_worker: &Room, bytes: usize) -> Result<Held, Refusal> {
    let mut held = Vec::new();
    for (room, whose) in [(of_job, "this job"), (of_worker, "this worker")] {
        held.push(room.take(bytes).await.ok_or_else(|| {
            let message = format!(
                "arena: the requests of {whose} hold all the memory that they may; send fewer large ones at a time, or \
                 raise bodies_mib under [broker]"
            );
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message, Some(Trouble::Server))
        })?);
    }
    Ok(Held(held))
}

impl Held {
    /// Gives back what a body of this length does not need.
    fn shrink(&mut self, bytes: usize) {
        let needed = units(bytes) as usize;
        for permit in &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }
}

/// Bodies are at most [`MOST_BODY`] long, so the number is small.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// The whole body, and the room that it takes for as long as it is kept.
pub(super) async fn read(of_job: &Room, of_worker: &Room, mut body: Incoming) -> Result<(Bytes, Held), Refusal> {
    let hint = body.size_hint();
    // By its own word, before a byte of it is read.
    if hint.lower() > MOST_BODY as u64 {
        return Err(too_long());
    }
    let said = hint.exact().and_then(|exact| usize::try_from(exact).ok());
    let mut held = room(of_job, of_worker, said.unwrap_or(MOST_BODY)).await?;
    let reading = async {
        let mut whole = BytesMut::with_capacity(said.unwrap_or(0));
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| too_long())?.into_data().unwrap_or_default();
            if whole.len() + data.len() > MOST_BODY {
                return Err(too_long());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    let slow = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "arena: the request came too slowly", None);
    let whole = tokio::time::timeout(BODY_TIME, reading).await.map_err(|_| slow())??;
    held.shrink(whole.len());
    Ok((whole, held))
}

fn too_long() -> Refusal {
    let message = format!("arena: the request is broken, or longer than {} MiB", MOST_BODY >> 20);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Without any patience, so that nothing here waits for a clock.
    fn hasty(bytes: usize) -> Room {
        Room { patience: Duration::ZERO, ..Room::new(bytes) }
    }

    #[tokio::test]
    async fn a_body_waits_for_room_and_is_refused_when_none_comes() {
        let (job, worker) = (hasty(48 * MIB), hasty(64 * MIB));
        let first = room(&job, &worker, 31 * MIB).await.unwrap();
        let refused = room(&job, &worker, 31 * MIB).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.trouble), (503, Some(Trouble::Server)));
        assert!(refused.message.contains("this job") && refused.message.contains("bodies_mib"), "{refused:?}");
        let other = hasty(48 * MIB);
        let second = room(&other, &worker, 31 * MIB).await.unwrap();
        let third = hasty(48 * MIB);
        assert!(room(&third, &worker, 31 * MIB).await.unwrap_err().message.contains("this worker"));
        assert_eq!(third.free.available_permits(), units(48 * MIB) as usize, "what was refused holds nothing");
        let patient = Room { patience: PATIENCE, ..job };
        let (came, ()) = tokio::join!(room(&patient, &worker, 31 * MIB), async { drop(first) });
        drop((came.unwrap(), second));
        assert_eq!(worker.free.available_permits(), units(64 * MIB) as usize);
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_keeps_what_it_needs_alone() {
        let (job, worker) = (Room::new(0), Room::new(64 * MIB));
        let mut held = room(&job, &worker, MOST_BODY).await.unwrap();
        held.shrink(5 * UNIT - 1);
        assert_eq!(worker.free.available_permits(), units(64 * MIB) as usize - 5);
        assert_eq!(job.free.available_permits(), units(MOST_BODY) as usize - 5);
    }
}
