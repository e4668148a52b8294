//! `codex exec --json`: one object per line, of things that began and ended.

use super::tree::Tree;
use super::{Known, Story};
use arena_domain::outcome::Usage;

pub(super) fn line(tree: &Tree, story: &mut Story) -> Known {
    match tree["type"].text().unwrap_or_default() {
        "thread.started" | "turn.started" | "item.updated" => true,
        "item.started" => begun(&tree["item"], story),
        "item.completed" => item(&tree["item"], story),
        "turn.completed" => {
            story.counted(usage(&tree["usage"]));
            story.done("turn completed");
            true
        }
        "turn.failed" => {
            let said = tree["error"]["message"].text().unwrap_or("the turn failed");
            story.gave_up(&plain(said), false);
            true
        }
        // It says so of every new attempt, and of what then fails the turn.
        "error" => {
            story.error(&plain(tree["message"].text().unwrap_or("an error")));
            true
        }
        _ => false,
    }
}

/// What takes time is told when it begins.
fn begun(item: &Tree, story: &mut Story) -> Known {
    match item["type"].text().unwrap_or_default() {
        "command_execution" => story.tool("shell", item["command"].text().unwrap_or_default()),
        "mcp_tool_call" => story.tool(item["tool"].text().unwrap_or("tool"), item["server"].text().unwrap_or_default()),
        "web_search" => story.tool("search", item["query"].text().unwrap_or_default()),
        "" => return false,
        _ => {}
    }
    true
}

fn item(item: &Tree, story: &mut Story) -> Known {
    match item["type"].text().unwrap_or_default() {
        "agent_message" => story.message(item["text"].text().unwrap_or_default()),
        "file_change" => {
            let paths: Vec<&str> = item["changes"].items().iter().filter_map(|one| one["path"].text()).collect();
            story.tool("edit", &paths.join(", "));
        }
        // Harmless ones come too, such as a warning about a feature.
        "error" => story.error(&plain(item["message"].text().unwrap_or("an error"))),
        "command_execution" | "reasoning" | "mcp_tool_call" | "web_search" | "todo_list" => {}
        _ => return false,
    }
    true
}

fn usage(tree: &Tree) -> Usage {
    Usage {
        input_tokens: tree["input_tokens"].count(),
        cached_input_tokens: tree["cached_input_tokens"].count(),
        output_tokens: tree["output_tokens"].count(),
        cost_usd: None,
        requests: None,
    }
}

/// The provider's answer is passed on as it came; its message says enough.
fn plain(text: &str) -> String {
    let inner = Tree::parse(text.as_bytes());
    let message = inner.as_ref().and_then(|tree| tree["error"]["message"].text().or(tree["message"].text()));
    message.unwrap_or(text).to_owned()
}
