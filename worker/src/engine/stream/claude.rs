//! `claude --output-format stream-json`: messages as they were exchanged, then one result. Qwen Code speaks it too.

use super::tree::Tree;
use super::{Known, Story, shortened};
use arena_domain::outcome::Usage;

pub(super) fn line(tree: &Tree, story: &mut Story) -> Known {
    match tree["type"].text().unwrap_or_default() {
        "system" => {
            if tree["subtype"].is("init") {
                story.model = tree["model"].text().map(|name| shortened(name, 200));
                let version = tree.first_text(&["claude_code_version", "qwen_code_version"]);
                story.version = version.map(|version| shortened(version, 200));
            }
            true
        }
        "assistant" => {
            // What it says in place of the provider's error is no message of the model.
            let synthetic = tree["is_api_error_message"].flag() == Some(true);
            for part in tree["message"]["content"].items().iter().filter(|_| !synthetic) {
                said(part, story);
            }
            true
        }
        "result" => {
            result(tree, story);
            true
        }
        "user" | "stream_event" | "rate_limit_event" | "tool_progress" | "tool_use_summary" => true,
        _ => false,
    }
}

fn said(part: &Tree, story: &mut Story) {
    match part["type"].text().unwrap_or_default() {
        "text" => story.message(part["text"].text().unwrap_or_default()),
        "tool_use" => {
            let names = ["command", "file_path", "path", "absolute_path", "pattern", "query", "url", "description"];
            let what = part["input"].first_text(&names).unwrap_or_default();
            story.tool(part["name"].text().unwrap_or("tool"), what);
        }
        _ => {}
    }
}

fn result(tree: &Tree, story: &mut Story) {
    story.counted(usage(tree));
    let text = tree["result"].text();
    let subtype = tree["subtype"].text().unwrap_or_default();
    // An error of the provider is a `success` with `is_error`; the reason alone tells an end from a limit.
    let reason = tree["terminal_reason"].text().unwrap_or(if subtype == "success" { "completed" } else { subtype });
    if tree["is_error"].flag() == Some(false) && reason == "completed" {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            story.final_message = Some(shortened(text, super::FINAL));
        }
        return story.done(reason);
    }
    let own_limit = matches!(reason, "budget_exhausted" | "max_turns") || subtype.starts_with("error_max_");
    let listed = tree["errors"].items().iter().find_map(Tree::text);
    let said = text.or(listed).or(tree["error"]["message"].text()).filter(|text| !text.trim().is_empty());
    story.gave_up(said.unwrap_or(reason), own_limit);
}

/// By `modelUsage`, which counts the answer too that a limit cut off; `usage` leaves it out.
fn usage(tree: &Tree) -> Usage {
    let models: Vec<&Tree> = tree["modelUsage"].entries().iter().map(|(_, one)| one).collect();
    let cost_usd = tree["total_cost_usd"].number().filter(|cost| cost.is_finite() && *cost > 0.0);
    if models.is_empty() {
        return by_total(&tree["usage"], cost_usd);
    }
    let sum = |name: &str| models.iter().map(|model| model[name].count().unwrap_or(0)).fold(0, u64::saturating_add);
    let cached = sum("cacheReadInputTokens");
    let input = sum("inputTokens").saturating_add(cached).saturating_add(sum("cacheCreationInputTokens"));
    Usage {
        input_tokens: Some(input),
        cached_input_tokens: Some(cached),
        output_tokens: Some(sum("outputTokens")),
        cost_usd,
        requests: None,
    }
}

fn by_total(usage: &Tree, cost_usd: Option<f64>) -> Usage {
    let cached = usage["cache_read_input_tokens"].count();
    let made = usage["cache_creation_input_tokens"].count().unwrap_or(0);
    let input = usage["input_tokens"].count();
    // One of its relatives counts cached tokens among the others, and says so by a total.
    let apart = if usage["total_tokens"].count().is_some() { 0 } else { cached.unwrap_or(0).saturating_add(made) };
    Usage {
        input_tokens: input.map(|input| input.saturating_add(apart)),
        cached_input_tokens: cached,
        output_tokens: usage["output_tokens"].count(),
        cost_usd,
        requests: None,
    }
}
