//! `arena tokens`: who may ask a team's coordinators for what.

use super::Done;
use super::dry_run::{self, would};
use super::fleet::whose;
use crate::args::{Common, TokensAction};
use crate::failure::{Failure, NOT_FOUND, USAGE};
use crate::home::Home;
use crate::output;
use arena_coordinator::access::{Role, is_name};
use arena_domain::text::sanitise_line;
use arena_proto::v1::dry_run_request::Call;
use arena_proto::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Scope, Token};
use arena_runtime::clock;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

const DAY: u64 = 86_400_000;
const LISTED: &str = "`arena tokens list` lists them";

pub(super) async fn tokens(common: &Common, action: TokensAction) -> Done {
    match action {
        TokensAction::Create { name, role, tenant, every_tenant, days, dry_run } => {
            let scope = Scope { every: every_tenant, tenant: tenant.unwrap_or_default() };
            named_well(&name, &scope)?;
            let expires = days.map_or(0, |days| clock::now_millis() + u64::from(days) * DAY);
            let request = CreateTokenRequest { name, role, scope: Some(scope), expires };
            if dry_run { would_create(common, request).await } else { create(common, request).await }
        }
        TokensAction::List => list(common).await,
        TokensAction::Revoke { id, dry_run: true } => would_revoke(common, id).await,
        TokensAction::Revoke { id, dry_run: false } => revoke(common, id).await,
    }
}

/// Before anybody is asked, so that a dry run refuses it too.
fn named_well(name: &str, Scope { every, tenant }: &Scope) -> Result<(), Failure> {
    if !is_name(name) {
        let what = format!("'{}' is no name", sanitise_line(name, 80));
        return Err(Failure::new(USAGE, what, "use letters, digits, `.`, `_` and `-`"));
    }
    if !every && !is_name(tenant) {
        let mend = "use letters, digits, `.`, `_` and `-`; for every tenant say `--every-tenant` instead of `--tenant`";
        return Err(Failure::new(USAGE, format!("'{}' is no name of a tenant", sanitise_line(tenant, 80)), mend));
    }
    Ok(())
}

async fn create(common: &Common, request: CreateTokenRequest) -> Done {
    let created = Home::founded(common).await?.fleet().create_token(request).await?.into_inner();
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

async fn would_create(common: &Common, request: CreateTokenRequest) -> Done {
    let (token, folder) = match Home::begun(common).await? {
        Ok(home) => (would_be(&home, request).await?, None),
        Err(folder) => (drawn(request)?, Some(folder)),
    };
    if common.json {
        let mut said = document(&token);
        said["id"] = Value::Null;
        if let Some(folder) = folder {
            said["would_make"] = folder.display().to_string().into();
        }
        output::json(&would(said));
    } else {
        let Token { name, role, scope, .. } = &token;
        let first = |folder: PathBuf| format!(", and first a store in the state directory {}", folder.display());
        let first = folder.map(first).unwrap_or_default();
        let scope = whose(scope.as_ref());
        output::line(&format!("a token of {name}, {role} of {scope}, would be made{first}; nothing was changed"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn would_be(home: &Home, request: CreateTokenRequest) -> Result<Token, Failure> {
    if let Some(answer) = dry_run::asked(home, Call::CreateToken(request.clone())).await? {
        return Ok(answer.token.unwrap_or_default());
    }
    // Whoever may not list tokens may not make one either.
    home.fleet().list_tokens(ListTokensRequest {}).await?;
    drawn(request)
}

/// As it is known without anybody who makes it.
fn drawn(request: CreateTokenRequest) -> Result<Token, Failure> {
    let CreateTokenRequest { name, role, scope, expires } = request;
    if Role::parse(&role).is_none() {
        let what = format!("'{}' is no role", sanitise_line(&role, 80));
        return Err(Failure::new(USAGE, what, "one of viewer, submitter, operator, admin"));
    }
    Ok(Token { name, role, scope, created: clock::now_millis(), expires, ..Token::default() })
}

async fn would_revoke(common: &Common, id: String) -> Done {
    let home = dry_run::home(common).await?;
    let asked = dry_run::asked(&home, Call::RevokeToken(RevokeTokenRequest { id: id.clone() })).await;
    let token = match asked.map_err(|failure| failure.listed_by(LISTED))? {
        Some(answer) => answer.token.unwrap_or_default(),
        None => listed(&home, &id).await?,
    };
    if common.json {
        output::json(&would(document(&token)));
    } else {
        let what = if token.revoked == 0 { "would open nothing any more" } else { "opens nothing already" };
        output::line(&format!("token {id} of {} {what}; nothing was changed", token.name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn listed(home: &Home, id: &str) -> Result<Token, Failure> {
    let tokens = home.fleet().list_tokens(ListTokensRequest {}).await?.into_inner().tokens;
    let unknown = || Failure::new(NOT_FOUND, format!("no token '{id}'"), LISTED);
    tokens.into_iter().find(|one| one.id == id).ok_or_else(unknown)
}

async fn list(common: &Common) -> Done {
    let tokens = match Home::begun(common).await? {
        Ok(home) => home.fleet().list_tokens(ListTokensRequest {}).await?.into_inner().tokens,
        Err(_) => Vec::new(),
    };
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

async fn revoke(common: &Common, id: String) -> Done {
    let revoked = Home::existing(common)
        .await?
        .fleet()
        .revoke_token(RevokeTokenRequest { id })
        .await
        .map_err(|status| Failure::from(status).listed_by(LISTED))?;
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
