//! `why`: what a job waits for, who holds the slots, and where it stands beside others.

use super::Done;
use crate::args::Common;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::session::Known;
use arena_domain::id::SessionId;
use arena_domain::text::sanitise_line;
use arena_proto::v1::{Line, ListRequest, Standing, WhyRequest, WhyResponse};
use std::process::ExitCode;

pub(super) async fn why(common: &Common, home: &Home, job: &str) -> Done {
    // The beginning of a session's id is enough here too.
    let (session, rest) = job.split_once('/').unwrap_or((job, ""));
    let known = Known::load(home, session).await?;
    let whole = format!("{}/{rest}", known.session.id);
    if rest.is_empty() || !known.jobs.iter().any(|one| one.id == whole) {
        let ids: Vec<&str> = known.jobs.iter().map(|one| one.id.as_str()).collect();
        let what = format!("no job '{job}'");
        return Err(Failure::new(crate::failure::NOT_FOUND, what, format!("jobs: {}", ids.join(", "))));
    }
    let mut answer =
        home.sessions().why(WhyRequest { job: whole.clone(), idle: idle(home).await? }).await?.into_inner();
    let id = &known.session.id;
    if answer.kind != "ended" && known.status(home) == "interrupted" {
        answer = WhyResponse {
            kind: "interrupted".into(),
            text: format!("interrupted: `arena resume {id}`"),
            ..WhyResponse::default()
        };
    }
    if common.json {
        let mut document = serde_json::json!({ "job": whole, "kind": answer.kind, "why": answer.text });
        if let Some(map) = document.as_object_mut().filter(|_| !answer.frees.is_empty()) {
            map.insert("holders".into(), answer.holders.into());
            map.insert("frees".into(), answer.frees.into());
        }
        if let (Some(map), Some(line)) = (document.as_object_mut(), &answer.line) {
            map.insert("line".into(), in_json(line));
        }
        output::json(&document);
    } else {
        output::line(&format!("{whole}: {}", answer.text));
        for holder in &answer.holders {
            output::line(&format!("  held by {holder}"));
        }
        answer.line.iter().flat_map(in_words).for_each(|line| output::line(&format!("  {line}")));
        if !answer.frees.is_empty() {
            output::line(&format!("  free when: {}", answer.frees));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The sessions that no process moves: their jobs wait for a person, and nobody waits for them.
async fn idle(home: &Home) -> Result<Vec<String>, Failure> {
    // Of what has ended nothing waits.
    let listed =
        home.sessions().list(ListRequest { under_way: true, ..ListRequest::default() }).await?.into_inner().sessions;
    Ok(listed.into_iter().map(|one| one.id).filter(|id| !home.is_running(&SessionId::new(id))).collect())
}

fn in_json(line: &Line) -> serde_json::Value {
    let standing = |one: &Standing| {
        serde_json::json!({
            "name": one.name, "running": one.running, "weight": one.weight, "used_ms": one.used_ms,
            "head_start_ms": one.head_start_ms, "waiting": one.waiting,
        })
    };
    let Line { tenant, session, of_session, of_sessions, of_tenants, sessions_ahead, tenants_ahead, .. } = line;
    serde_json::json!({
        "ahead": of_session.saturating_add(*of_sessions).saturating_add(*of_tenants),
        "ahead_of_session": of_session, "ahead_of_other_sessions": of_sessions, "ahead_of_other_tenants": of_tenants,
        "tenant": tenant.as_ref().map(standing), "session": session.as_ref().map(standing),
        "sessions_ahead": sessions_ahead.iter().map(standing).collect::<Vec<_>>(), "tenants_ahead": tenants_ahead,
        "held_by_tenant": line.held_by_tenant, "held_by_others": line.held_by_others,
    })
}

fn in_words(line: &Line) -> Vec<String> {
    let (Some(tenant), Some(session)) = (&line.tenant, &line.session) else { return Vec::new() };
    let mut all = vec![
        format!(
            "served before it: {} of its session, {} of {} other sessions, {} of {} other tenants",
            line.of_session,
            line.of_sessions,
            line.sessions_ahead.len(),
            line.of_tenants,
            line.tenants_ahead
        ),
        format!("tenant {}", share(tenant)),
        format!("session {}", share(session)),
    ];
    all.extend(
        line.sessions_ahead.iter().map(|one| format!("before it: session {}; {}", share(one), because(one, session))),
    );
    all
}

fn share(one: &Standing) -> String {
    let Standing { name, running, weight, used_ms, head_start_ms, waiting } = one;
    let head_start =
        if *head_start_ms > 0 { format!(", a head start of {}", duration(*head_start_ms)) } else { String::new() };
    let (name, used) = (sanitise_line(name, 64), duration(*used_ms));
    format!("{name}: {running} run of weight {weight}, {used} of slot time to work off{head_start}, {waiting} may run")
}

/// In the order in which fair share compares.
fn because(ahead: &Standing, own: &Standing) -> &'static str {
    let share = |one: &Standing| u64::from(one.running) * 1_000 / u64::from(one.weight.max(1));
    let mark = |one: &Standing| i128::from(one.used_ms) - i128::from(one.head_start_ms);
    match (share(ahead).cmp(&share(own)), mark(ahead) < mark(own)) {
        (std::cmp::Ordering::Less, _) => "it runs less by its weight",
        (std::cmp::Ordering::Greater, _) => "it would have its turn meanwhile",
        (std::cmp::Ordering::Equal, true) if ahead.head_start_ms > own.head_start_ms => "its priority is higher",
        (std::cmp::Ordering::Equal, true) => "it used less lately",
        (std::cmp::Ordering::Equal, false) => "it waits longer",
    }
}

fn duration(millis: u64) -> String {
    let seconds = millis / 1_000;
    if seconds >= 60 { format!("{} min {} s", seconds / 60, seconds % 60) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(running: u32, weight: u32, used_ms: u64, head_start_ms: u64) -> Standing {
        Standing { name: "s".into(), running, weight, used_ms, head_start_ms, waiting: 1 }
    }

    #[test]
    fn whoever_goes_first_is_told_with_its_reason() {
        let own = standing(2, 1, 60_000, 0);
        let rows = [
            (standing(3, 2, 0, 0), "it runs less by its weight"),
            (standing(2, 1, 60_000, 120_000), "its priority is higher"),
            (standing(2, 1, 10_000, 0), "it used less lately"),
            (standing(2, 1, 60_000, 0), "it waits longer"),
        ];
        for (ahead, reason) in rows {
            assert_eq!(because(&ahead, &own), reason);
        }
        assert_eq!(share(&own), "s: 2 run of weight 1, 1 min 0 s of slot time to work off, 1 may run");
    }
}
