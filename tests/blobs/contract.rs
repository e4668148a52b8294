//! What every place of blobs must do, whatever it is.

use arena_coordinator::blobs::{BlobError, Blobs};
use arena_domain::id::Tenant;
use arena_runtime::clock::Stopwatch;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use std::time::Duration;

/// Blobs, and what lies below them.
pub struct Subject {
    pub blobs: Blobs,
    pub raw: Arc<dyn ObjectStore>,
    pub below: Path,
}

impl Subject {
    fn at(&self, digest: &str) -> Path {
        self.below.clone().join(&digest[..2]).join(&digest[2..])
    }

    async fn objects(&self) -> Vec<String> {
        let all: Vec<_> = self.raw.list(Some(&self.below)).try_collect().await.expect("a list");
        let mut names: Vec<String> = all.into_iter().map(|object| object.location.to_string()).collect();
        names.sort();
        names
    }
}

/// More than one part of an upload, and no multiple of one.
const LARGE: usize = (24 << 20) + 7;

pub async fn holds(subject: &Subject) {
    nothing_is_there_before(subject).await;
    what_is_put_comes_back(subject).await;
    what_is_broken_off_leaves_nothing(subject).await;
    what_is_damaged_is_refused_and_mended(subject).await;
    tenants_see_their_own(subject).await;
    many_put_the_same(subject).await;
    subject.blobs.check().await.expect("a place that works");
}

async fn nothing_is_there_before(subject: &Subject) {
    let absent = "0".repeat(64);
    assert!(matches!(subject.blobs.get(&absent).await, Err(BlobError::NotFound)));
    assert!(!subject.blobs.has(&absent).await.expect("an answer"));
    for name in ["", "zz", "../../etc/passwd", &"g".repeat(64), &format!("../{}", "0".repeat(61))] {
        assert!(matches!(subject.blobs.get(name).await, Err(BlobError::NoDigest)), "{name}");
        assert!(matches!(subject.blobs.has(name).await, Err(BlobError::NoDigest)), "{name}");
    }
    assert_eq!(subject.objects().await, [] as [String; 0], "looking makes nothing");
}

async fn what_is_put_comes_back(subject: &Subject) {
    for length in [0, 1, 100_000, 8 << 20, LARGE] {
        let bytes = pattern(length);
        let name = subject.blobs.put(&bytes).await.expect("a blob");
        assert_eq!(name, arena_runtime::digest::sha256(&bytes), "{length}");
        assert_eq!(subject.blobs.put(&bytes).await.expect("the same blob"), name, "{length}");
        assert!(subject.blobs.get(&name).await.expect("the blob") == bytes, "{length}");
        assert!(subject.blobs.has(&name).await.expect("an answer"), "{length}");
        let mut outgoing = subject.blobs.open(&name).await.expect("the blob");
        assert_eq!(outgoing.length(), length as u64);
        while let Some(piece) = outgoing.next(1000).await.expect("a piece") {
            assert!((1..=1000).contains(&piece.len()), "{} of {length}", piece.len());
        }
    }
    let objects = subject.objects().await;
    assert_eq!(objects.len(), 5, "one object each, and none of the way there: {objects:?}");
}

async fn what_is_broken_off_leaves_nothing(subject: &Subject) {
    let before = subject.objects().await;
    let mut incoming = subject.blobs.begin();
    for _ in 0..20 {
        incoming.write(Bytes::from(vec![9; 1 << 20])).await.expect("room");
    }
    drop(incoming);
    eventually(async || subject.objects().await == before).await;
}

async fn what_is_damaged_is_refused_and_mended(subject: &Subject) {
    for length in [5, LARGE] {
        let mut bytes = pattern(length);
        bytes[0] = b'd';
        let name = subject.blobs.put(&bytes).await.expect("a blob");
        let mut flipped = bytes.clone();
        flipped[length / 2] ^= 1;
        // A large one is read and written often enough as it is.
        let damages =
            if length == LARGE { vec![flipped] } else { vec![flipped, bytes[..length - 1].to_vec(), Vec::new()] };
        for damaged in damages {
            subject.raw.put(&subject.at(&name), damaged.into()).await.expect("damage");
            let refused = subject.blobs.get(&name).await;
            assert!(matches!(&refused, Err(BlobError::Damaged(found)) if *found == name), "{refused:?}");
            assert_eq!(subject.blobs.put(&bytes).await.expect("the blob"), name);
            assert!(subject.blobs.get(&name).await.expect("it is mended") == bytes);
        }
    }
}

async fn tenants_see_their_own(subject: &Subject) {
    let (blue, red) = (subject.blobs.of(&Tenant::new("blue")), subject.blobs.of(&Tenant::new("red")));
    let name = blue.put(b"a secret of blue").await.expect("a blob");
    assert!(blue.has(&name).await.expect("an answer"));
    for other in [&red, &subject.blobs] {
        assert!(matches!(other.get(&name).await, Err(BlobError::NotFound)));
    }
    assert!(subject.blobs.of(&Tenant::local()).get(&name).await.is_err());
}

async fn many_put_the_same(subject: &Subject) {
    let bytes: Arc<Vec<u8>> = Arc::new(pattern(9 << 20).into_iter().rev().collect());
    let putting: Vec<_> = (0..3)
        .map(|_| {
            let (blobs, bytes) = (subject.blobs.clone(), bytes.clone());
            arena_runtime::tasks::spawn(async move { blobs.put(&bytes).await.expect("a blob") })
        })
        .collect();
    for one in putting {
        let name = one.await.expect("a put that ends");
        assert!(subject.blobs.get(&name).await.expect("the blob") == *bytes);
    }
    let left = subject.objects().await;
    assert!(left.iter().all(|name| !name.contains("incoming")), "{left:?}");
}

pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) >> 3) as u8).collect()
}

/// What happens in the background, within some seconds.
pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let begun = Stopwatch::start();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
