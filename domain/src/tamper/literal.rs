//! How long the comment, string or regular expression is that starts a text. What is never closed reaches to its end.

/// Nothing that must end on its line is looked for farther than this, so that hostile input stays linear.
const LONGEST_LINE: usize = 1_000;

pub(super) fn block(rest: &str, nested: bool) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") && (nested || depth == 0) {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A part that the preprocessor leaves out, up to the line that ends it.
pub(super) fn disabled(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    for line in rest.split_inclusive('\n') {
        let directive = line.trim_start();
        if directive.starts_with("#if") {
            depth += 1;
        } else if directive.starts_with("#endif") {
            depth -= 1;
        }
        if depth == 0 || (depth == 1 && (directive.starts_with("#else") || directive.starts_with("#elif"))) {
            return at;
        }
        at += line.len();
    }
    rest.len()
}

pub(super) fn until(rest: &str, quote: &str) -> usize {
    rest[quote.len()..].find(quote).map_or(rest.len(), |at| at + 2 * quote.len())
}

/// The length up to and with the closing quote; a string of one line ends at the line at the latest.
pub(super) fn quoted(rest: &str, quote: char, lines: bool, escapes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote {
            return at + c.len_utf8();
        } else if c == '\n' && !lines {
            return at;
        }
    }
    rest.len()
}

/// A template string, with code in `${}` that may hold templates again.
pub(super) fn template(rest: &str) -> usize {
    // For each open template, how many braces of code are open in it; zero is text.
    let mut open: Vec<usize> = Vec::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, open.last_mut()) {
            ('\\', _) => {
                chars.next();
            }
            ('`', Some(0)) => {
                open.pop();
                if open.is_empty() {
                    return at + 1;
                }
            }
            ('`', _) => open.push(0),
            ('$', Some(braces @ 0)) if chars.next_if(|(_, next)| *next == '{').is_some() => *braces = 1,
            ('{', Some(braces)) if *braces > 0 => *braces += 1,
            ('}', Some(braces)) if *braces > 0 => *braces -= 1,
            (_, _) => {}
        }
    }
    rest.len()
}

pub(super) fn raw_rust(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&close).map_or(rest.len(), |at| start + at + close.len()))
}

pub(super) fn raw_cpp(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("R\"")?;
    // A delimiter has at most 16 characters.
    let open = after.bytes().take(17).position(|byte| byte == b'(')?;
    let (delimiter, body) = (&after[..open], &after[open..]);
    let start = rest.len() - body.len();
    let close = format!("){delimiter}\"");
    Some(body.find(&close).map_or(rest.len(), |at| start + at + close.len()))
}

/// A character of Rust; a lifetime has no closing quote.
pub(super) fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(rest, '\'', false, true));
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

pub(super) fn regex(rest: &str) -> Option<usize> {
    let mut class = false;
    let mut chars = rest.char_indices().skip(1).take(LONGEST_LINE);
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => return None,
            '\\' => {
                chars.next();
            }
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return (at > 1).then_some(at + 1),
            _ => {}
        }
    }
    None
}

/// `<<~NAME` of Ruby and `<<<NAME` of PHP, up to the line that holds the name alone.
pub(super) fn heredoc(rest: &str) -> Option<usize> {
    let after =
        ["<<~", "<<-", "<<<"].iter().find_map(|start| rest.strip_prefix(start))?.trim_start_matches(['"', '\'', ' ']);
    let name = &after[..after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())];
    if name.is_empty() {
        return None;
    }
    let mut at = rest.bytes().take(LONGEST_LINE).position(|byte| byte == b'\n')? + 1;
    for line in rest[at..].split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.strip_prefix(name).is_some_and(|tail| !tail.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
            return Some(at + (line.len() - trimmed.len()) + name.len());
        }
        at += line.len();
    }
    Some(rest.len())
}
