//! `sessions`: what there is, newest first. A person is shown the newest; scripts are given all unless they say how many.

use super::Done;
use crate::args::{Common, Listed};
use crate::failure::{Failure, NOT_FOUND};
use crate::home::Home;
use crate::output;
use arena_domain::id::SessionId;
use arena_domain::text::sanitise_line;
use arena_proto::v1::{Cursor, GetRequest, ListRequest, Summary};
use arena_runtime::clock;
use serde_json::Value;
use std::process::ExitCode;

const NONE_YET: &str = "no sessions yet: arena run PACKET";
/// Of as many as that a person sees enough.
const SHOWN: usize = 50;
/// Sessions of one answer.
const PAGE: usize = 1_000;

/// How many of them are wanted.
fn most(common: &Common, wish: &Listed) -> usize {
    match wish.last {
        Some(last) => last as usize,
        None if wish.all || common.json => usize::MAX,
        None => SHOWN,
    }
}

pub(super) async fn sessions(common: &Common, wish: &Listed) -> Done {
    let home = match Home::existing(common).await {
        Ok(home) => home,
        // The usual place, before the first run.
        Err(failure) if failure.code == NOT_FOUND && common.state.is_none() => {
            if common.json {
                output::json(&Value::Array(Vec::new()));
            } else {
                output::line(NONE_YET);
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(failure) => return Err(failure),
    };
    let (sessions, more) = listed(&home, most(common, wish), wish.before.as_deref()).await?;
    let state = |one: &Summary| crate::session::status(&home, &SessionId::new(&one.id), &one.status);
    if common.json {
        let row = |one: &Summary| {
            serde_json::json!({
                "session": one.id, "title": one.title, "status": state(one),
                "winner": Some(&one.winner).filter(|winner| !winner.is_empty()),
                "created": clock::rfc3339(one.created), "repository": one.repository,
            })
        };
        output::json(&Value::Array(sessions.iter().map(row).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if sessions.is_empty() {
        output::line(if wish.before.is_some() { "no older sessions" } else { NONE_YET });
    }
    for one in &sessions {
        let (status, winner) = (state(one), sanitise_line(&one.winner, 24));
        let time = clock::rfc3339(one.created);
        output::line(&format!("{}  {time}  {status:<12} {winner:<24} {}", one.id, sanitise_line(&one.title, 60)));
    }
    if let Some(last) = sessions.last().filter(|_| more) {
        output::note(&format!("there are older ones: arena sessions --before {}, or --all", last.id));
    }
    Ok(ExitCode::SUCCESS)
}

/// At most `most`, and whether there are older ones; in pages, so that no answer is too large.
async fn listed(home: &Home, most: usize, before: Option<&str>) -> Result<(Vec<Summary>, bool), Failure> {
    let mut before = match before {
        Some(id) => Some(cursor(home, id).await?),
        None => None,
    };
    let mut all: Vec<Summary> = Vec::new();
    loop {
        let wanted = (most - all.len()).min(PAGE);
        let request = ListRequest { most: wanted as u32, before, under_way: false };
        let mut answer = home.sessions().list(request).await?.into_inner();
        all.append(&mut answer.sessions);
        if all.len() >= most || !answer.more {
            // A coordinator of before pages were there gives all.
            let more = answer.more || all.len() > most;
            all.truncate(most);
            return Ok((all, more));
        }
        before = all.last().map(|last| Cursor { created: last.created, id: last.id.clone() });
    }
}

/// Where a session stands, by the beginning of its id.
async fn cursor(home: &Home, id: &str) -> Result<Cursor, Failure> {
    let request = GetRequest { id: id.to_owned(), after: u64::MAX };
    let found = home.sessions().get(request).await;
    let found = found.map_err(|status| Failure::from(status).listed_by("`arena sessions` lists what there is"))?;
    let head = found.into_inner().head.unwrap_or_default();
    Ok(Cursor { created: head.created, id: head.id })
}
