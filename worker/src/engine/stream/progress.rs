//! Events as short texts for the row that shows what an engine is doing.

use super::Event;
use arena_domain::text::sanitise_line;

/// Characters of such a text.
const WIDE: usize = 120;

/// `None`: nothing that a row should show.
pub fn progress(event: &Event) -> Option<String> {
    let text = match event {
        Event::Tool { name, what } if what.is_empty() => plain_name(name).to_owned(),
        Event::Tool { name, what } => format!("{}: {}", plain_name(name), inner(what)),
        Event::Message(text) => format!("says: {}", text.trim()),
        Event::Error(text) => format!("error: {text}"),
        Event::Usage(_) | Event::Final(_) => return None,
    };
    Some(sanitise_line(&text, WIDE))
}

/// One name for what every engine calls otherwise.
fn plain_name(name: &str) -> &str {
    match name {
        "Bash" | "bash" | "run_shell_command" | "shell" | "exec_command" => "shell",
        "Edit" | "MultiEdit" | "edit" | "replace" | "patch" => "edit",
        "Write" | "write" | "write_file" => "write",
        "Read" | "read" | "read_file" => "read",
        "Grep" | "grep" | "grep_search" | "search_file_content" | "Glob" | "glob" => "search",
        other => other,
    }
}

/// A command without the shell that it was wrapped in.
fn inner(command: &str) -> &str {
    let bare =
        ["/bin/bash -lc ", "bash -lc ", "/bin/sh -c ", "sh -c "].iter().find_map(|one| command.strip_prefix(one));
    let Some(bare) = bare else { return command };
    let quoted = |quote: char| bare.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(bare)
}
