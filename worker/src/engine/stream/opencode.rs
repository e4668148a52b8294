//! `opencode run --format json`: steps, each with what it used; nothing says the end but the reason of the last step.

use super::tree::Tree;
use super::{Known, Story};
use arena_domain::outcome::Usage;

pub(super) fn line(tree: &Tree, story: &mut Story) -> Known {
    let part = &tree["part"];
    match tree["type"].text().unwrap_or_default() {
        // A step after the last word means that it was not the last.
        "step_start" => {
            story.terminal = None;
            story.fatal = None;
        }
        "reasoning" => {}
        "text" => story.message(part["text"].text().unwrap_or_default()),
        "tool_use" => {
            let state = &part["state"];
            let input = state["input"].first_text(&["command", "filePath", "path", "pattern", "query", "url"]);
            let what = input.or(state["title"].text()).unwrap_or_default();
            story.tool(part["tool"].text().unwrap_or("tool"), what);
        }
        "step_finish" => step(part, story),
        "error" => story.gave_up(&reason(&tree["error"]), false),
        _ => return false,
    }
    true
}

fn step(part: &Tree, story: &mut Story) {
    let tokens = &part["tokens"];
    let count = |tree: &Tree| tree.count().unwrap_or(0);
    let cached = count(&tokens["cache"]["read"]);
    let input = count(&tokens["input"]).saturating_add(cached).saturating_add(count(&tokens["cache"]["write"]));
    let output = count(&tokens["output"]).saturating_add(count(&tokens["reasoning"]));
    let cost = part["cost"].number().filter(|cost| cost.is_finite() && *cost > 0.0);
    let add = |sum: Option<u64>, more: u64| Some(sum.unwrap_or(0).saturating_add(more));
    let sum = story.usage;
    story.counted(Usage {
        input_tokens: add(sum.input_tokens, input),
        cached_input_tokens: add(sum.cached_input_tokens, cached),
        output_tokens: add(sum.output_tokens, output),
        // It says zero where it knows no price.
        cost_usd: cost.map_or(sum.cost_usd, |cost| Some(sum.cost_usd.unwrap_or(0.0) + cost)),
        requests: add(sum.requests, 1),
    });
    match part["reason"].text().unwrap_or_default() {
        "stop" => story.done("stop"),
        "length" => story.gave_up("the model's answer was cut at its greatest length", false),
        _ => {}
    }
}

fn reason(error: &Tree) -> String {
    let data = &error["data"];
    let said = data["message"].text().or(error["message"].text()).or(error["name"].text()).unwrap_or("an error");
    match data["statusCode"].count() {
        Some(status) => format!("{status} {said}"),
        None => said.to_owned(),
    }
}
