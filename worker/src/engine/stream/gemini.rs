//! `gemini --output-format stream-json`: messages in pieces, tools, one result.

use super::tree::Tree;
use super::{FINAL, Known, Story, shortened};
use arena_domain::outcome::Usage;

/// The message that is coming, piece by piece.
#[derive(Default)]
pub(super) struct Gemini {
    message: String,
}

impl Gemini {
    pub(super) fn line(&mut self, tree: &Tree, story: &mut Story) -> Known {
        match tree["type"].text().unwrap_or_default() {
            "init" => story.model = tree["model"].text().map(|name| shortened(name, 200)),
            "message" => self.message(tree, story),
            "tool_use" => {
                self.flush(story);
                let names = ["command", "file_path", "path", "dir_path", "pattern", "query", "description"];
                let what = tree["parameters"].first_text(&names).unwrap_or_default();
                story.tool(tree["tool_name"].text().unwrap_or("tool"), what);
            }
            "tool_result" => self.flush(story),
            "error" => {
                self.flush(story);
                story.error(tree["message"].text().unwrap_or("an error"));
            }
            "result" => self.result(tree, story),
            _ => return false,
        }
        true
    }

    pub(super) fn finish(&mut self, story: &mut Story) {
        self.flush(story);
    }

    fn message(&mut self, tree: &Tree, story: &mut Story) {
        if !tree["role"].is("assistant") {
            return;
        }
        if tree["delta"].flag() != Some(true) {
            self.flush(story);
        }
        let piece = tree["content"].text().unwrap_or_default();
        let room = FINAL.saturating_sub(self.message.len());
        self.message.push_str(&piece[..piece.floor_char_boundary(room)]);
    }

    fn flush(&mut self, story: &mut Story) {
        story.message(&std::mem::take(&mut self.message));
    }

    fn result(&mut self, tree: &Tree, story: &mut Story) {
        self.flush(story);
        story.counted(usage(&tree["stats"]));
        if tree["status"].is("success") {
            return story.done("success");
        }
        story.gave_up(tree["error"]["message"].text().unwrap_or("it ended with an error"), false);
    }
}

/// Thoughts are output that is paid for, and only the total counts them.
fn usage(stats: &Tree) -> Usage {
    let input = stats["input_tokens"].count();
    let output = stats["total_tokens"].count().zip(input).map(|(total, input)| total.saturating_sub(input));
    Usage {
        input_tokens: input,
        cached_input_tokens: stats["cached"].count(),
        output_tokens: output.or(stats["output_tokens"].count()),
        cost_usd: None,
        requests: None,
    }
}
