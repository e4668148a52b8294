//! A run on a team's fleet to which nothing happens: what its jobs wait for, said once for each reason.

use crate::args::Common;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::progress::Progress;
use crate::session::Known;
use arena_domain::id::SessionId;
use arena_domain::text::sanitise_line;
use arena_proto::v1::{WhyRequest, WhyResponse};
use serde_json::{Value, json};
use std::time::Duration;

/// Of silence, until it is asked why.
const QUIET: Duration = Duration::from_secs(10);
/// Of more silence, until it is asked again: so no two lines come closer together, whatever the reasons do.
const AGAIN: Duration = Duration::from_secs(30);
/// For the answer; what happens meanwhile is shown after it.
const ANSWER: Duration = Duration::from_secs(5);

/// What a person was told last.
pub(super) struct Waits {
    json: bool,
    told: Option<Reason>,
    asked: bool,
}

/// Figures and times in the words change with every look, and are no other reason.
#[derive(Debug, PartialEq, Eq)]
struct Reason {
    kind: String,
    frees: String,
}

impl Waits {
    pub(super) fn new(common: &Common) -> Self {
        Self { json: common.json, told: None, asked: false }
    }

    /// Something happened.
    pub(super) fn heard(&mut self) {
        self.asked = false;
    }

    /// How long nothing more may happen before it is looked.
    pub(super) fn pause(&self) -> Duration {
        if self.asked { AGAIN } else { QUIET }
    }

    /// Says what keeps the session from going on, where that is not what was said last. Whoever cannot be asked is not.
    pub(super) async fn look(&mut self, home: &Home, id: &SessionId, progress: &Progress) {
        self.asked = true;
        match tokio::time::timeout(ANSWER, waiting(home, id)).await {
            Ok(Ok(Some((job, answer)))) => {
                if self.is_news(&answer) {
                    self.say(&job, &answer, progress);
                }
            }
            Ok(Ok(None)) => self.told = None,
            Ok(Err(failure)) => tracing::info!(why = %failure.what, "nobody says what the session waits for"),
            Err(_) => tracing::info!("nobody says in time what the session waits for"),
        }
    }

    fn is_news(&mut self, answer: &WhyResponse) -> bool {
        let reason = Reason { kind: answer.kind.clone(), frees: answer.frees.clone() };
        let is_news = self.told.as_ref() != Some(&reason);
        self.told = Some(reason);
        is_news
    }

    fn say(&self, job: &str, answer: &WhyResponse, progress: &Progress) {
        if self.json {
            output::json_line(&event(job, answer));
        } else {
            let text = format!("waiting: {}; arena why {job}", answer.text);
            progress.say(&sanitise_line(&text, 300));
        }
    }
}

fn event(job: &str, answer: &WhyResponse) -> Value {
    let text = sanitise_line(&answer.text, 2000);
    json!({ "event": "waits", "job": job, "kind": answer.kind, "text": text, "mend": format!("arena why {job}") })
}

/// The first of its jobs, and what it waits for; nothing while one of them runs.
async fn waiting(home: &Home, id: &SessionId) -> Result<Option<(String, WhyResponse)>, Failure> {
    let known = Known::load(home, id.as_str()).await?;
    if known.jobs.iter().any(|job| job.state == "leased") {
        return Ok(None);
    }
    let Some(job) = known.jobs.into_iter().find(|job| job.state == "queued") else { return Ok(None) };
    let answer = home.sessions().why(WhyRequest { job: job.id.clone(), idle: Vec::new() }).await?.into_inner();
    // It may have begun, or ended, in between.
    let waits = !["runs", "ended", "unknown"].contains(&answer.kind.as_str());
    Ok(waits.then_some((job.id, answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, text: &str, frees: &str) -> WhyResponse {
        WhyResponse { kind: kind.into(), text: text.into(), frees: frees.into(), ..WhyResponse::default() }
    }

    #[test]
    fn a_reason_is_news_once_and_its_figures_are_not() {
        let mut waits = Waits { json: false, told: None, asked: false };
        let rows = [
            (answer("placement", "no attached worker has engine codex", "`arena engines install codex`"), true),
            (answer("placement", "no attached worker has engine codex", "`arena engines install codex`"), false),
            (answer("limit", "2 of 2 run", "`fleet` is raised"), true),
            (answer("limit", "3 of 2 run", "`fleet` is raised"), false),
            (answer("limit", "3 of 2 run", "`tenant` is raised"), true),
            (answer("placement", "no attached worker has engine codex", "`arena engines install codex`"), true),
        ];
        for (answer, expected) in rows {
            assert_eq!(waits.is_news(&answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn who_hears_nothing_looks_after_a_while_and_then_seldom() {
        let mut waits = Waits { json: false, told: None, asked: false };
        assert_eq!(waits.pause(), QUIET);
        waits.asked = true;
        assert_eq!(waits.pause(), AGAIN);
        waits.heard();
        assert_eq!(waits.pause(), QUIET);
    }

    #[test]
    fn scripts_are_told_in_an_event_of_their_own() {
        let event = event("s/a/1/implement", &answer("placement", "no attached worker has it\u{1b}", "it"));
        assert_eq!((&event["event"], &event["kind"]), (&json!("waits"), &json!("placement")));
        assert_eq!(event["mend"], "arena why s/a/1/implement");
        assert!(!event["text"].as_str().expect("a text").contains('\u{1b}'));
    }
}
