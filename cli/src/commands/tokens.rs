//! `arena tokens`: who may ask a team's coordinators for what.

use super::Done;
use super::fleet::whose;
use crate::args::{Common, TokensAction};
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use arena_proto::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Scope, Token};
use arena_runtime::clock;
use serde_json::{Value, json};
use std::process::ExitCode;

const DAY: u64 = 86_400_000;

pub(super) async fn tokens(common: &Common, home: &Home, action: TokensAction) -> Done {
    match action {
        TokensAction::Create { name, role, tenant, every_tenant, days } => {
            let scope = Scope { every: every_tenant, tenant: tenant.unwrap_or_default() };
            let expires = days.map_or(0, |days| clock::now_millis() + u64::from(days) * DAY);
            create(common, home, CreateTokenRequest { name, role, scope: Some(scope), expires }).await
        }
        TokensAction::List => list(common, home).await,
        TokensAction::Revoke { id } => revoke(common, home, id).await,
    }
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
