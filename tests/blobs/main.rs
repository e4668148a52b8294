//! Blobs in a folder, in memory and on a real S3-compatible server: one contract, and what each place has of its own.

mod bucket;
mod contract;
mod folder;
mod sweep;

use arena_coordinator::blobs::Blobs;
use contract::Subject;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let raw = Arc::new(InMemory::new());
    let below = Path::from("some/where");
    let subject = Subject { blobs: Blobs::over(raw.clone(), below.clone()), raw, below };
    contract::holds(&subject).await;
    sweep::holds(&subject).await;
}
