//! `[engine.NAME]`: an engine of the user's own, or what a packet adds to one that is known without it.

use std::collections::BTreeMap;

use arena_domain::packet::{BriefStyle, Engine};

use super::competitors::{NAME_RULE, is_name};
use super::nearest;
use super::problem::Sink;
use super::section::Section;
use super::{keys, paths};

/// Engines that a packet may name without defining them.
pub const BUILT_IN_ENGINES: [&str; 8] =
    ["codex", "claude", "gemini", "opencode", "qwen", "aider", "mini-swe-agent", "kimi"];

const STYLES: [(&str, BriefStyle); 2] = [("directive", BriefStyle::Directive), ("contextual", BriefStyle::Contextual)];

/// What only an engine of the user's own has: the others say it themselves.
const OWN_ALONE: [(&str, &str); 4] = [
    ("files", "take it away, or give a `command` of your own"),
    ("timeout", "take it away: `engine_time` of [budget] is the longest run of such an engine"),
    ("provider", "take it away, or give a `command` of your own"),
    ("brief", "take it away, or give a `command` of your own"),
];

#[derive(Debug, Default)]
pub(super) struct Engines {
    pub(super) own: BTreeMap<String, Engine>,
    /// What others may reach beside their provider.
    pub(super) egress: BTreeMap<String, Vec<String>>,
}

/// The names of those that the packet itself defines.
pub(super) fn own_names<'a>(root: &Section<'a>) -> Vec<&'a str> {
    let all = root.table("engine").named().into_iter();
    all.filter(|(_, section)| section.has("command")).map(|(name, _)| name).collect()
}

pub(super) fn engines(root: &Section<'_>, sink: &mut Sink) -> Engines {
    let mut engines = Engines::default();
    for (name, section) in root.table("engine").named() {
        if !is_name(name) {
            sink.problem(section.own_spot(), format!("\"{name}\" is no name for an engine"), NAME_RULE);
        }
        if section.has("command") {
            engines.own.insert(name.to_owned(), own(name, &section, sink));
        } else if sink.engines.as_ref().is_none_or(|known| known.iter().any(|known| known == name)) {
            engines.egress.insert(name.to_owned(), added(name, &section, sink));
        } else {
            no_command(name, &section, sink);
        }
    }
    engines
}

fn own(name: &str, section: &Section<'_>, sink: &mut Sink) -> Engine {
    if BUILT_IN_ENGINES.contains(&name) {
        sink.warn(section.own_spot(), "stands in for the built-in engine", "choose another name to have both");
    }
    let files = section.texts("files");
    paths::check(&files, "beside the packet", sink);
    let command: Vec<String> = section.words("command").iter().map(|word| word.text.to_owned()).collect();
    if command.first().is_some_and(|program| program.trim().is_empty()) {
        sink.problem(&section.spot("command"), "names no program", "write [\"program\", \"argument\"]");
    }
    Engine {
        command,
        files: files.iter().map(|entry| entry.text.to_owned()).collect(),
        timeout: section.duration("timeout").unwrap_or(Engine::DEFAULT_TIMEOUT),
        egress: egress(section, sink),
        provider: section.owned("provider"),
        brief: section.choice("brief", &STYLES).unwrap_or_default(),
    }
}

/// Of an engine that brings its command itself, nothing but its ways out is the packet's to say.
fn added(name: &str, section: &Section<'_>, sink: &mut Sink) -> Vec<String> {
    for (key, mend) in OWN_ALONE.iter().filter(|(key, _)| section.has(key)) {
        let reason = format!("is for engines with a `command`; {name} has its own, and only `egress` is added to it");
        sink.problem(&section.spot(key), reason, mend);
    }
    if !section.has("egress") && OWN_ALONE.iter().all(|(key, _)| !section.has(key)) {
        let mend = format!("add `egress = [\"host:port\"]`, or a `command` that stands in for {name}");
        sink.warn(section.own_spot(), "says nothing", mend);
    }
    egress(section, sink)
}

fn no_command(name: &str, section: &Section<'_>, sink: &mut Sink) {
    let known: Vec<&str> = sink.engines.iter().flatten().map(String::as_str).collect();
    let doc = keys::child("engine.*", "command").map_or("", |key| key.doc);
    let near = nearest::value(name, &known).map(|near| format!("; {near}"));
    let mend = format!("add `command = …`: {doc}{}", near.unwrap_or_default());
    sink.problem(&section.spot("command"), "is missing", mend);
}

/// The list of exact addresses in `egress`.
pub(super) fn egress(section: &Section<'_>, sink: &mut Sink) -> Vec<String> {
    let listed = section.texts("egress");
    for entry in listed.iter().filter(|entry| !is_address(entry.text)) {
        let reason = format!("\"{}\" is no address", entry.text);
        sink.problem(&entry.spot, reason, "write \"host:port\", such as \"pypi.org:443\"");
    }
    listed.iter().map(|entry| entry.text.to_owned()).collect()
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(plain),
    };
    host_fits && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let rows = [
            ("pypi.org:443", true),
            ("*.crates.io:443", false),
            ("[::1]:80", true),
            ("pypi.org", false),
            ("pypi.org:0", false),
            ("pypi.org:99999", false),
            (":443", false),
            ("https://pypi.org:443", false),
            ("pypi.org:+443", false),
        ];
        for (text, fits) in rows {
            assert_eq!(is_address(text), fits, "{text}");
        }
    }
}
