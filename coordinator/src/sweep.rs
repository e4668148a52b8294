//! Takes away the blobs that no kept session names: what is named is marked, and of the rest goes what is old.
//!
//! A blob is set aside when no record holds its digest, it was written longer ago than [`YOUNG`], and before the oldest session
//! of its tenant that is still under way was submitted: a worker may hold a result of that for as long as it likes, and what
//! the result names was stored since. From aside it goes after [`ASIDE`], unless a record names it by then.

use crate::access::audit::{self, Act};
use crate::blobs::{FRESH, Lying, Owners, What};
use crate::dispatch::Coordinator;
use crate::sessions::{SessionError, has_ended};
use crate::store::{Shelf, Store};
use arena_domain::id::{SessionId, Tenant};
use arena_domain::job::Millis;
use arena_proto::v1;
use arena_runtime::{clock, token};
use prost::Message;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

const HOUR: Millis = 3_600_000;
/// Between two looks whether a sweep is due.
const LOOK: Duration = Duration::from_secs(60);
/// Between two sweeps, whichever coordinator does them.
pub(crate) const EVERY: Millis = 6 * HOUR;
/// Whoever stores a blob has so long to submit or report what names it.
pub(crate) const YOUNG: Millis = 24 * HOUR;
/// Whoever was told that a blob is there, as well.
pub(crate) const ASIDE: Millis = 24 * HOUR;
/// A store that is new at a place leaves all as it is for so long: it may be there by mistake, or not alone.
const NEW: Millis = 12 * HOUR;
/// The clocks of the place and of coordinators may differ by so much.
const SKEW: Millis = FRESH + HOUR;
/// Hexadecimal digits of a digest, and those of them that are remembered.
const DIGITS: usize = 64;
const PREFIX: usize = 16;
const OWNER: &str = "owner";
const SWEPT: &str = "swept";

/// What begins as a digest does: there may be millions of them, and one too much only keeps a blob.
type Mark = u64;

fn mark(hex: &[u8]) -> Option<Mark> {
    let digits = hex.get(..PREFIX).filter(|_| hex.len() == DIGITS)?;
    Mark::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Blob(#[from] crate::blobs::BlobError),
}

impl From<crate::store::StoreError> for SweepError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Session(error.into())
    }
}

/// What a sweep did, and the bytes of blobs that each tenant has now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub aside: usize,
    pub back: usize,
    pub gone: usize,
    pub bytes: BTreeMap<Tenant, u64>,
}

/// What the records name.
#[derive(Debug, Default)]
struct Marks {
    named: HashSet<Mark>,
    /// By tenant: when the oldest session was submitted that is under way.
    since: BTreeMap<Tenant, Millis>,
}

impl Marks {
    /// Nothing: there is no session at all. Whoever opened the wrong store must not lose what that one does not name.
    async fn of(store: &Store) -> Result<Option<Self>, SessionError> {
        let (mut marks, sessions) = (Self::default(), store.sessions().await?);
        let any = !sessions.is_empty();
        for one in sessions {
            let record = match store.record(&SessionId::new(&one.id)).await {
                // It was taken away since the list was read.
                Err(crate::store::StoreError::NotFound(_)) => continue,
                record => record?,
            };
            if !has_ended(&one.status) {
                let since = marks.since.entry(tenant_of(&record.head)).or_insert(one.created);
                *since = (*since).min(one.created);
            }
            marks.mark(&record.head.encode_to_vec());
            record.events.iter().for_each(|event| marks.mark(&event.encode_to_vec()));
        }
        Ok(any.then_some(marks))
    }

    /// Whatever looks like a digest is one: so no field is forgotten that names a blob in some version.
    fn mark(&mut self, bytes: &[u8]) {
        for run in bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= DIGITS) {
            // What follows a text in a record may be a digit by chance.
            self.named.extend(run.windows(DIGITS).filter_map(mark));
        }
    }

    fn names(&self, digest: &str) -> bool {
        mark(digest.as_bytes()).is_some_and(|mark| self.named.contains(&mark))
    }

    fn is_garbage(&self, tenant: &Tenant, (digest, written): (&str, Millis), now: Millis) -> bool {
        let before = self.since.get(tenant).copied().unwrap_or(now);
        !self.names(digest) && written + YOUNG < now && written + SKEW < before
    }
}

fn tenant_of(head: &v1::SessionHead) -> Tenant {
    if head.tenant.is_empty() { Tenant::local() } else { Tenant::new(&head.tenant) }
}

impl Coordinator {
    /// Once in a while, by one of the coordinators: sweeps where sessions are not kept for ever, and counts.
    pub(crate) async fn tidy(&self, now: Millis) -> Result<(), SweepError> {
        // Said at once, and then each time: another store that keeps blobs here must know that they are this one's.
        self.owners().await?;
        let last = self.store.kept(Shelf::Blobs, SWEPT).await?;
        let last = last.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0);
        // One that lies ahead was written by a clock that was wrong.
        if now.abs_diff(last) < EVERY {
            return Ok(());
        }
        // Before it is done: one that fails is tried again in its time, and not by all of them at once.
        self.store.keep(Shelf::Blobs, SWEPT.into(), now.to_string().into_bytes()).await?;
        let Some(Swept { aside, back, gone, bytes: _ }) = self.sweep(now).await? else { return Ok(()) };
        if aside + back + gone > 0 {
            let detail = format!("{aside} blobs set aside, {back} brought back, {gone} taken away");
            let (who, action) = ("coordinator".to_owned(), "sweep".to_owned());
            audit::write(&self.store, Act { who, action, allowed: true, detail, ..Act::default() }).await?;
        }
        Ok(())
    }

    /// Until `stop`, apart from what must not wait for it.
    pub(crate) async fn keep_blobs(self, stop: CancellationToken) {
        let mut told = String::new();
        loop {
            let tidied = tokio::select! {
                tidied = self.tidy(clock::now_millis()) => tidied,
                () = stop.cancelled() => return,
            };
            let wrong = tidied.err().map(|error| error.to_string()).unwrap_or_default();
            if !wrong.is_empty() && wrong != told {
                tracing::warn!(wrong, "the blobs were not swept; it is tried again");
            }
            told = wrong;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {},
                () = stop.cancelled() => return,
            }
        }
    }

    /// Nothing: sessions are kept for ever, or it is not known who else names blobs here.
    pub async fn sweep(&self, now: Millis) -> Result<Option<Swept>, SweepError> {
        // Whoever names blobs here, what is half written is nobody's.
        let cleared = self.blobs.clear_parts(YOUNG).await?;
        let marks = match self.keep {
            Some(_) if self.is_alone(now).await? => Marks::of(&self.store).await?,
            Some(_) | None => None,
        };
        if marks.is_none() && !self.quotas.bounds_blobs() {
            return Ok(None);
        }
        let (mut swept, mut lying) = (Swept::default(), self.blobs.lying()?);
        while let Some(one) = lying.next().await {
            let one = one?;
            match &marks {
                Some(marks) => self.judge(marks, &one, now, &mut swept).await?,
                None => swept.counts(&one),
            }
        }
        swept.gone += cleared;
        self.usage.counted(&self.store, &swept.bytes, now).await?;
        Ok(marks.map(|_| swept))
    }

    /// Whether nobody else names blobs here, and others had their time to say that they do.
    async fn is_alone(&self, now: Millis) -> Result<bool, SweepError> {
        let Owners { since, others } = self.owners().await?;
        if !others.is_empty() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                owners = others.join(", "),
                "the place of the blobs is another store's too, so that nothing is swept; give each store a place of its own \
                 under [blobs], or take the files of `owners/` away whose stores are gone"
            );
        }
        Ok(others.is_empty() && since.is_some_and(|since| since + NEW < now))
    }

    async fn judge(&self, marks: &Marks, one: &Lying, now: Millis, swept: &mut Swept) -> Result<(), SweepError> {
        let Self { blobs, .. } = self;
        match &one.what {
            What::Blob(digest) if marks.is_garbage(&one.tenant, (digest, one.written), now) => {
                // It may have been stored anew since it was listed.
                match blobs.of(&one.tenant).lies_since(digest).await? {
                    Some(written) if marks.is_garbage(&one.tenant, (digest, written), now) => {
                        blobs.set_aside(&one.tenant, digest, now).await?;
                        swept.aside += 1;
                    }
                    Some(_) => swept.counts(one),
                    None => {}
                }
            }
            What::Blob(_) => swept.counts(one),
            What::Aside { digest, since } => {
                let own = blobs.of(&one.tenant);
                if marks.names(digest) && !own.lies_here(digest).await? && own.comes_back(digest).await? {
                    swept.back += 1;
                }
                if since + ASIDE < now {
                    blobs.let_go(one).await?;
                    swept.gone += 1;
                }
            }
            What::Incoming if one.written + YOUNG < now => {
                blobs.let_go(one).await?;
                swept.gone += 1;
            }
            What::Incoming => {}
        }
        Ok(())
    }

    /// For a run on one machine whose blobs lie elsewhere: whoever else keeps blobs there takes none of them for garbage then.
    pub async fn stands_at_its_blobs(&self) -> Result<(), SweepError> {
        self.owners().await.map(drop)
    }

    /// The stores whose blobs lie at the same place; that this one's do is written down there.
    async fn owners(&self) -> Result<Owners, SweepError> {
        self.store.keep_new(Shelf::Blobs, OWNER.into(), token::nonce().into_bytes()).await?;
        let kept = self.store.kept(Shelf::Blobs, OWNER).await?.unwrap_or_default();
        Ok(self.blobs.owners(&String::from_utf8_lossy(&kept)).await?)
    }
}

impl Swept {
    fn counts(&mut self, lying: &Lying) {
        if let What::Blob(_) = lying.what {
            *self.bytes.entry(lying.tenant.clone()).or_default() += lying.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Blobs;
    use crate::store::Store;

    #[tokio::test]
    async fn a_clock_that_was_wrong_once_holds_up_no_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), arena_domain::schedule::Limits::default()).unwrap();
        let coordinator = Coordinator::new(store.clone(), Blobs::new(folder.path().join("blobs")));
        let now = 1_000 * EVERY;
        for (last, wanted) in [(now - EVERY + 1, now - EVERY + 1), (now - EVERY, now), (now + 50 * EVERY, now)] {
            store.keep(Shelf::Blobs, SWEPT.into(), last.to_string().into_bytes()).await.unwrap();
            coordinator.tidy(now).await.unwrap();
            let swept = store.kept(Shelf::Blobs, SWEPT).await.unwrap().unwrap();
            assert_eq!(String::from_utf8(swept).unwrap(), wanted.to_string(), "{last}");
        }
    }
    #[tokio::test]
    async fn what_was_stored_anew_after_it_was_listed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), arena_domain::schedule::Limits::default()).unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        let coordinator = Coordinator::new(store, blobs.clone());
        let digest = blobs.put(b"log").await.unwrap();
        let (now, tenant) = (clock::now_millis(), Tenant::local());
        let mut listed = blobs.lying().unwrap().next().await.unwrap().unwrap();
        listed.written = now - 2 * YOUNG;
        let mut swept = Swept::default();
        coordinator.judge(&Marks::default(), &listed, now, &mut swept).await.unwrap();
        assert!(blobs.lies_here(&digest).await.unwrap());
        assert_eq!((swept.aside, swept.bytes.get(&tenant)), (0, Some(&3)));
        // A day later nobody has named it.
        let later = now + 2 * YOUNG;
        coordinator.judge(&Marks::default(), &listed, later, &mut swept).await.unwrap();
        assert!(!blobs.lies_here(&digest).await.unwrap());
        assert_eq!(swept.aside, 1);
    }

    #[test]
    fn a_digest_is_found_beside_other_digits_and_by_all_that_is_remembered_of_it() {
        let digest = "0123456789abcdef".repeat(4);
        let mut marks = Marks::default();
        marks.mark(format!("x beef{digest}f00d y").as_bytes());
        assert!(marks.names(&digest));
        assert!(!marks.names(&digest.replace('0', "1")) && !marks.names(&digest[1..]));
        assert_eq!(marks.named.len(), 9, "of so many places");
    }
}
