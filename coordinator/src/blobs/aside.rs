//! How blobs leave a place. None is taken away at once: it is set aside, from where whoever asks for it brings it back, and
//! goes when it was aside for long. So no answer that a blob is there has to be taken back by whoever sweeps beside it: what
//! was there when it was asked for stays within reach for as long as things are kept aside.

use super::{BlobError, Blobs};
use arena_domain::id::Tenant;
use arena_domain::job::Millis;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, PutPayload};

const TENANTS: &str = "tenants";
const ASIDE: &str = "aside";
const INCOMING: &str = "incoming";
/// Who keeps blobs here: a store each.
const OWNERS: &str = "owners";

/// One thing that lies at the place, whichever tenant's it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lying {
    pub tenant: Tenant,
    pub what: What,
    pub bytes: u64,
    /// When it was written last, by the clock of the place.
    pub written: Millis,
    at: Path,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Blob(String),
    /// A blob that was set aside.
    Aside {
        digest: String,
        since: Millis,
    },
    /// A blob that never got its name.
    Incoming,
}

/// Stores by their names.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// When this one was written down.
    pub since: Option<Millis>,
    pub others: Vec<String>,
}

impl Blobs {
    /// All that lies here and below, of every tenant, in any order and while it changes.
    pub(crate) fn lying(&self) -> Result<BoxStream<'static, Result<Lying, BlobError>>, BlobError> {
        let store = match self.store(false) {
            Ok(store) => store,
            Err(BlobError::NotFound) => return Ok(futures_util::stream::empty().boxed()),
            Err(error) => return Err(error),
        };
        let below = self.below.clone();
        let known = move |found: ObjectMeta| {
            let known = known(&below, found);
            async move { Ok(known) }
        };
        Ok(store.list(Some(&self.below)).map_err(BlobError::from).try_filter_map(known).boxed())
    }

    /// Nothing is done when it is gone already.
    pub(crate) async fn set_aside(&self, tenant: &Tenant, digest: &str, now: Millis) -> Result<(), BlobError> {
        let (own, store) = (self.of(tenant), self.store(true)?);
        let at = own.at(digest)?;
        let moved = async {
            store.copy(&at, &own.beside(digest, now)).await?;
            store.delete(&at).await
        };
        gone_is_done(moved.await)
    }

    /// From aside, where it is; `false`: it is not. What lies there goes in its time.
    pub(crate) async fn bring_back(&self, digest: &str) -> Result<bool, BlobError> {
        let (at, store) = (self.at(digest)?, self.store(false)?);
        let mut near = store.list(Some(&self.below.clone().join(ASIDE).join(&digest[..2])));
        while let Some(found) = near.try_next().await? {
            let named = found.location.filename().and_then(|name| name.split_once('-'));
            if named.is_some_and(|(rest, _)| rest == &digest[2..]) {
                match store.copy(&found.location, &at).await.map_err(BlobError::from) {
                    // Its time was over.
                    Err(BlobError::NotFound) => {}
                    copied => return copied.map(|()| true),
                }
            }
        }
        Ok(false)
    }

    /// For good.
    pub(crate) async fn let_go(&self, lying: &Lying) -> Result<(), BlobError> {
        gone_is_done(self.store(true)?.delete(&lying.at).await)
    }

    /// Who keeps blobs here: this owner, which is written down as one of them, and others.
    pub(crate) async fn owners(&self, own: &str) -> Result<Owners, BlobError> {
        let (store, owners) = (self.store(true)?, self.below.clone().join(OWNERS));
        let mut found = Owners::default();
        for again in [true, false] {
            let all: Vec<ObjectMeta> = store.list(Some(&owners)).try_collect().await?;
            let named = |one: &ObjectMeta| one.location.filename().map(str::to_owned);
            found.others = all.iter().filter_map(named).filter(|name| name != own).collect();
            found.since = all.iter().find(|one| one.location.filename() == Some(own)).map(written);
            if found.since.is_some() || !again {
                break;
            }
            store.put(&owners.clone().join(own), PutPayload::new()).await?;
        }
        Ok(found)
    }

    fn beside(&self, digest: &str, since: Millis) -> Path {
        self.below.clone().join(ASIDE).join(&digest[..2]).join(format!("{}-{since}", &digest[2..]))
    }
}

fn gone_is_done(done: object_store::Result<()>) -> Result<(), BlobError> {
    match done.map_err(BlobError::from) {
        Err(BlobError::NotFound) => Ok(()),
        done => done,
    }
}

/// Nothing: it is none of ours.
fn known(below: &Path, found: ObjectMeta) -> Option<Lying> {
    let parts: Vec<String> = found.location.prefix_match(below)?.map(|part| part.as_ref().to_owned()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (tenant, parts) = match parts.as_slice() {
        [TENANTS, name, parts @ ..] => (Tenant::new(*name), parts),
        parts => (Tenant::local(), parts),
    };
    let what = match parts {
        [INCOMING, _] => What::Incoming,
        [ASIDE, first, rest] => {
            let (rest, since) = rest.split_once('-')?;
            What::Aside { digest: digest(first, rest)?, since: since.parse().ok()? }
        }
        [first, rest] => What::Blob(digest(first, rest)?),
        _ => return None,
    };
    Some(Lying { tenant, what, bytes: found.size, written: written(&found), at: found.location })
}

pub(super) fn written(found: &ObjectMeta) -> Millis {
    Millis::try_from(found.last_modified.timestamp_millis()).unwrap_or(0)
}

fn digest(first: &str, rest: &str) -> Option<String> {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (first.len() == 2 && rest.len() == 62 && hex(first) && hex(rest)).then(|| format!("{first}{rest}"))
}
