//! What mini-swe-agent's trajectory says, on the line that its manifest's command prints at the end.

use super::tree::Tree;
use super::{FINAL, Known, Story, shortened};
use arena_domain::outcome::Usage;

pub(super) fn line(tree: &Tree, story: &mut Story) -> Known {
    let info = &tree["info"];
    let stats = &info["model_stats"];
    story.version = info["mini_version"].text().map(|version| shortened(version, 200));
    story.counted(Usage {
        // It says zero where it knows no price.
        cost_usd: stats["instance_cost"].number().filter(|cost| cost.is_finite() && *cost > 0.0),
        requests: stats["api_calls"].count(),
        ..Usage::default()
    });
    if let Some(text) = info["submission"].text().filter(|text| !text.trim().is_empty()) {
        story.final_message = Some(shortened(text, FINAL));
    }
    match info["exit_status"].text().unwrap_or_default() {
        "Submitted" => story.done("Submitted"),
        "" => return false,
        limit @ "LimitsExceeded" => story.gave_up(limit, true),
        other => story.gave_up(other, false),
    }
    true
}
