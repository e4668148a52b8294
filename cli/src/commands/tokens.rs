//! `arena tokens`: who may ask a team's coordinators for what.

use super::Done;
use super::fleet::{whose, would};
use crate::args::{Common, TokensAction};
use crate::failure::{Failure, NOT_FOUND, USAGE};
use crate::home::Home;
use crate::output;
use arena_coordinator::access::{Role, is_name};
use arena_proto::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Scope, Token};
use arena_runtime::clock;
use serde_json::{Value, json};
use std::process::ExitCode;

const DAY: u64 = 86_400_000;

pub(super) async fn tokens(common: &Common, home: &Home, action: TokensAction) -> Done {
    match action {
        TokensAction::Create { name, role, tenant, every_tenant, days, dry_run } => {
            let scope = Scope { every: every_tenant, tenant: tenant.unwrap_or_default() };
            named_well(&name, &scope)?;
            let expires = days.map_or(0, |days| clock::now_millis() + u64::from(days) * DAY);
            let request = CreateTokenRequest { name, role, scope: Some(scope), expires };
            if dry_run { would_create(common, home, &request).await } else { create(common, home, request).await }
        }
        TokensAction::List => list(common, home).await,
        TokensAction::Revoke { id, dry_run: true } => would_revoke(common, home, &id).await,
        TokensAction::Revoke { id, dry_run: false } => revoke(common, home, id).await,
    }
}

/// Before anybody is asked, so that a dry run refuses it too.
fn named_well(name: &str, Scope { every, tenant }: &Scope) -> Result<(), Failure> {
    if !is_name(name) {
        return Err(Failure::new(USAGE, format!("'{name}' is no name"), "use letters, digits, `.`, `_` and `-`"));
    }
    if !every && !is_name(tenant) {
        let mend = "use letters, digits, `.`, `_` and `-`; for every tenant say `--every-tenant` instead of `--tenant`";
        return Err(Failure::new(USAGE, format!("'{tenant}' is no name of a tenant"), mend));
    }
    Ok(())
}

async fn create(common: &Common, home: &Home, request: CreateTokenRequest) -> Done {
    let created = home.fleet().create_token(request).await?.into_inner();
    let token = created.token.unwrap_or_default();
    if common.json {
        let mut row = document(&token);
        row["token"] = created.secret.into();
        output::json(&row);
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&format!("token {} of {}, {}: it is shown once", token.id, token.name, token.role));
    output::line(&created.secret);
    Ok(ExitCode::SUCCESS)
}

/// Whoever may not list tokens may not make one either.
async fn would_create(common: &Common, home: &Home, request: &CreateTokenRequest) -> Done {
    let CreateTokenRequest { name, role, scope, expires } = request;
    if Role::parse(role).is_none() {
        let what = format!("'{role}' is no role");
        return Err(Failure::new(USAGE, what, "one of viewer, submitter, operator, admin"));
    }
    home.fleet().list_tokens(ListTokensRequest {}).await?;
    if common.json {
        let made = Token {
            name: name.clone(),
            role: role.clone(),
            scope: scope.clone(),
            created: clock::now_millis(),
            expires: *expires,
            ..Token::default()
        };
        output::json(&would(document(&made)));
    } else {
        let scope = whose(scope.as_ref());
        output::line(&format!("a token of {name}, {role} of {scope}, would be made; nothing was changed"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn would_revoke(common: &Common, home: &Home, id: &str) -> Done {
    let tokens = home.fleet().list_tokens(ListTokensRequest {}).await?.into_inner().tokens;
    let Some(token) = tokens.iter().find(|one| one.id == id) else {
        return Err(Failure::new(NOT_FOUND, format!("no token {id}"), "`arena tokens list` lists them"));
    };
    if common.json {
        output::json(&would(document(token)));
    } else {
        output::line(&format!("token {id} of {} would open nothing any more; nothing was changed", token.name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(common: &Common, home: &Home) -> Done {
    let tokens = home.fleet().list_tokens(ListTokensRequest {}).await?.into_inner().tokens;
    if common.json {
        output::json(&Value::Array(tokens.iter().map(document).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if tokens.is_empty() {
        output::line("no tokens yet: arena tokens create NAME --tenant TENANT");
    }
    for one in &tokens {
        let scope = whose(one.scope.as_ref());
        output::line(&format!("{}  {:<20} {:<10} {scope:<16} {}", one.id, one.name, one.role, state(one)));
    }
    Ok(ExitCode::SUCCESS)
}

fn state(token: &Token) -> String {
    match (token.revoked, token.expires) {
        (0, 0) => "does not end".into(),
        (0, ends) if ends <= clock::now_millis() => format!("ended {}", clock::rfc3339(ends)),
        (0, ends) => format!("ends {}", clock::rfc3339(ends)),
        (revoked, _) => format!("revoked {}", clock::rfc3339(revoked)),
    }
}

async fn revoke(common: &Common, home: &Home, id: String) -> Done {
    let revoked = home
        .fleet()
        .revoke_token(RevokeTokenRequest { id })
        .await
        .map_err(|status| Failure::from(status).listed_by("`arena tokens list` lists them"))?;
    let token = revoked.into_inner();
    if common.json {
        output::json(&document(&token));
    } else {
        output::line(&format!("token {} of {} opens nothing any more", token.id, token.name));
    }
    Ok(ExitCode::SUCCESS)
}

fn document(token: &Token) -> Value {
    let date = |millis: u64| Some(clock::rfc3339(millis)).filter(|_| millis > 0);
    json!({
        "id": token.id, "name": token.name, "role": token.role, "tenant": whose(token.scope.as_ref()),
        "created": clock::rfc3339(token.created), "expires": date(token.expires), "revoked": date(token.revoked),
    })
}
