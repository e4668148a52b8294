//! The tokens of people. Only a digest of each is kept: whoever reads the store learns no token.

use super::{Caller, Role, Scope};
use crate::store::{Shelf, Store, StoreError};
use arena_domain::job::Millis;
use arena_proto::v1::Token;
use arena_runtime::{digest, token};
use prost::Message;

/// Tokens of one team.
const MOST: u32 = 10_000;
const PREFIX: &str = "arena";

/// A new one, and its secret, which is shown once.
pub async fn create(
    store: &Store,
    name: &str,
    role: Role,
    scope: &Scope,
    expires: Millis,
    now: Millis,
) -> Result<(Token, String), StoreError> {
    let id = token::hex(12);
    let secret = format!("{PREFIX}_{id}_{}{}", token::nonce(), token::nonce());
    let kept = Token {
        id: id.clone(),
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        scope: Some(scope.to_wire()),
        created: now,
        expires,
        revoked: 0,
        digest: digest::sha256(secret.as_bytes()),
    };
    store.keep(Shelf::Tokens, id, kept.encode_to_vec()).await?;
    Ok((shown(kept), secret))
}

/// Without what the secret is compared with.
fn shown(token: Token) -> Token {
    Token { digest: String::new(), ..token }
}

pub async fn list(store: &Store) -> Result<Vec<Token>, StoreError> {
    let page = store.shelf(Shelf::Tokens, "", MOST).await?;
    page.into_iter().map(|(_, body)| Ok(shown(Token::decode(body.as_slice())?))).collect()
}

async fn by_id(store: &Store, id: &str) -> Result<Option<Token>, StoreError> {
    let body = store.kept(Shelf::Tokens, id).await?;
    body.map(|body| Ok(Token::decode(body.as_slice())?)).transpose()
}

pub async fn find(store: &Store, id: &str) -> Result<Option<Token>, StoreError> {
    Ok(by_id(store, id).await?.map(shown))
}

/// From now on it opens nothing; one that is revoked already stays so.
pub async fn revoke(store: &Store, id: &str, now: Millis) -> Result<Option<Token>, StoreError> {
    let Some(mut token) = by_id(store, id).await? else { return Ok(None) };
    if token.revoked == 0 {
        token.revoked = now;
        store.keep(Shelf::Tokens, id.to_owned(), token.encode_to_vec()).await?;
    }
    Ok(Some(shown(token)))
}

/// Why a secret opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Unknown,
    Expired,
    Revoked,
}

/// Whose it is.
pub async fn check(store: &Store, secret: &str, now: Millis) -> Result<Result<Caller, Refused>, StoreError> {
    let mut parts = secret.split('_');
    let (Some(PREFIX), Some(id)) = (parts.next(), parts.next()) else { return Ok(Err(Refused::Unknown)) };
    let Some(token) = by_id(store, id).await? else { return Ok(Err(Refused::Unknown)) };
    if !same(digest::sha256(secret.as_bytes()).as_bytes(), token.digest.as_bytes()) {
        return Ok(Err(Refused::Unknown));
    }
    if token.revoked != 0 {
        return Ok(Err(Refused::Revoked));
    }
    if token.expires != 0 && token.expires <= now {
        return Ok(Err(Refused::Expired));
    }
    let scope = token.scope.as_ref().and_then(Scope::from_wire);
    let caller =
        Role::parse(&token.role).zip(scope).map(|(role, scope)| Caller::Person { name: token.name, role, scope });
    Ok(caller.ok_or(Refused::Unknown))
}

/// In a time that does not tell where two differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::id::Tenant;
    use arena_domain::schedule::Limits;

    #[tokio::test]
    async fn a_token_opens_until_it_ends_or_is_revoked_and_is_kept_as_a_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Limits::default()).unwrap();
        let scope = Scope::Only(Tenant::new("blue"));
        let (token, secret) = create(&store, "ann", Role::Submitter, &scope, 200, 100).await.unwrap();
        let ann = Caller::Person { name: "ann".into(), role: Role::Submitter, scope };
        assert_eq!(check(&store, &secret, 199).await.unwrap(), Ok(ann));
        assert_eq!(check(&store, &secret, 200).await.unwrap(), Err(Refused::Expired));
        let forged = format!("{}0", &secret[..secret.len() - 1]);
        for wrong in ["", "arena", "arena_", &forged, &secret.replace(&token.id, "0123456789ab")] {
            if wrong != secret {
                assert_eq!(check(&store, wrong, 150).await.unwrap(), Err(Refused::Unknown), "{wrong}");
            }
        }
        let kept = store.kept(Shelf::Tokens, &token.id).await.unwrap().unwrap();
        let random = &secret.rsplit_once('_').unwrap().1.as_bytes()[..16];
        assert!(!kept.windows(random.len()).any(|window| window == random));
        revoke(&store, &token.id, 150).await.unwrap().unwrap();
        assert_eq!(check(&store, &secret, 160).await.unwrap(), Err(Refused::Revoked));
        assert_eq!(list(&store).await.unwrap()[0].revoked, 150);
        assert_eq!(revoke(&store, "nobody", 1).await.unwrap(), None);
    }
}
