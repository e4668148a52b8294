//! Who competes when the packet names nobody: all engines that are there, or the only one against itself.
//!
//! What is chosen is written into the packet's own text, so that the record of a session shows who was meant.

use toml_edit::{Array, DocumentMut, Item, Table, value};

/// How the only engine competes with itself when the packet varies nothing: the most different approaches first.
const APPROACHES: [&str; 5] = ["minimal", "robust", "iterative", "functional", "object-oriented"];
/// Competitors of a session that does not say how many run at a time.
const USUAL: usize = 3;
/// Lists of `[matrix]` by which competitors of one engine differ.
const AXES: [&str; 4] = ["model", "approach", "verbosity", "deck"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lineup {
    /// The packet says who competes, or is not yet a packet at all.
    Stated,
    /// The packet's text with the competitors in it, and why they are these.
    Chosen { text: String, why: String },
    /// Nobody is there.
    Nobody,
}

/// Engines that could run now, those of the packet itself left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    pub engines: Vec<String>,
    /// Which take part only where the packet names the models.
    pub modelless: Vec<String>,
}

pub(crate) fn lineup(text: &str, ready: impl FnOnce() -> Ready) -> Lineup {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Lineup::Stated };
    let named = document.get("competitor").is_some();
    let matrix = document.get("matrix").and_then(Item::as_table_like);
    if named || matrix.is_some_and(|matrix| matrix.contains_key("engine")) {
        return Lineup::Stated;
    }
    let varied = matrix.is_some_and(|matrix| AXES.iter().any(|axis| matrix.contains_key(axis)));
    let mut engines = own_engines(&document);
    let modelled = matrix.is_some_and(|matrix| matrix.contains_key("model"));
    let Ready { engines: mut others, modelless } = ready();
    let left_out = if modelled { Vec::new() } else { modelless.clone() };
    others.extend(modelless.into_iter().filter(|_| modelled));
    others.retain(|name| !engines.contains(name));
    engines.extend(others);
    let (Some(first), many) = (engines.first(), engines.len()) else { return Lineup::Nobody };
    let mut why = match (many, varied) {
        (1, true) => format!("{first} is the only engine here: it competes with itself as [matrix] says"),
        (1, false) => format!("{first} is the only engine here: it competes with itself by approach"),
        (many, _) => format!("{many} engines are here: {}", engines.join(", ")),
    };
    if !left_out.is_empty() {
        why += &format!("; left out: {} (without a `model`, which the packet would have to name)", left_out.join(", "));
    }
    let parallel = document.get("session").and_then(|session| session.get("parallel")).and_then(Item::as_integer);
    let most = parallel.and_then(|many| usize::try_from(many).ok()).unwrap_or(USUAL).clamp(2, APPROACHES.len());
    let table = document.entry("matrix").or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else { return Lineup::Stated };
    table.insert("engine", value(engines.iter().map(String::as_str).collect::<Array>()));
    if many == 1 && !varied {
        table.insert("approach", value(APPROACHES[..most].iter().copied().collect::<Array>()));
    }
    Lineup::Chosen { text: document.to_string(), why }
}

/// Those that the packet says the command of; to others it only adds something.
fn own_engines(document: &DocumentMut) -> Vec<String> {
    let all = document.get("engine").and_then(Item::as_table_like).into_iter().flat_map(|all| all.iter());
    let defined = all.filter(|(_, item)| item.as_table_like().is_some_and(|one| one.contains_key("command")));
    defined.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::packet::Packet;

    const BODY: &str = "# Mine.\n[session]\ntitle = \"t\"   # kept\ngoal = \"g\"\n[brief]\n\
        specification = \"Sort the lines of a file\"\nacceptance = [\"tests pass\"]\n[scope]\nallowed = [\"src/**\"]\n\
        [[gate]]\nname = \"tests\"\nkind = \"test\"\nrun = \"make test\"\n";

    fn chosen(more: &str, available: &[&str]) -> (Packet, String) {
        match lineup(&format!("{BODY}{more}"), || ready(available, &[])) {
            Lineup::Chosen { text, why } => {
                assert!(text.contains("title = \"t\"   # kept"), "{text}");
                (arena_proto::packet::parse(&text).unwrap().packet, why)
            }
            other @ (Lineup::Stated | Lineup::Nobody) => panic!("{other:?}"),
        }
    }

    fn ready(engines: &[&str], modelless: &[&str]) -> Ready {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Ready { engines: owned(engines), modelless: owned(modelless) }
    }

    fn names(packet: &Packet) -> Vec<String> {
        packet.competitors.iter().map(|one| one.name.to_string()).collect()
    }

    #[test]
    fn several_engines_meet_each_other() {
        let (packet, why) = chosen("", &["codex", "claude"]);
        assert_eq!(names(&packet), ["codex", "claude"]);
        assert_eq!(why, "2 engines are here: codex, claude");
        let own = "[engine.mine]\ncommand = [\"x\"]\n";
        assert_eq!(names(&chosen(own, &["codex"]).0), ["mine", "codex"]);
        let added = "[engine.gemini]\negress = [\"pypi.org:443\"]\n";
        assert_eq!(names(&chosen(added, &["codex", "claude"]).0), ["codex", "claude"], "what is added brings nobody");
    }

    #[test]
    fn the_only_engine_competes_with_itself() {
        let (packet, why) = chosen("", &["codex"]);
        assert_eq!(names(&packet), ["codex-minimal", "codex-robust", "codex-iterative"]);
        assert_eq!(why, "codex is the only engine here: it competes with itself by approach");
        let (packet, _) =
            chosen("[matrix]\nmodel = [\"a\", \"b\"]\nverbosity = [\"concise\", \"detailed\"]\n", &["codex"]);
        assert_eq!(packet.competitors.len(), 4, "the packet's own axes count");
        let (packet, _) = chosen("", &["codex"]);
        assert!(packet.competitors.iter().all(|one| one.approach.is_some()));
    }

    #[test]
    fn what_the_packet_states_is_left_alone_and_nobody_is_nobody() {
        assert_eq!(lineup(BODY, Ready::default), Lineup::Nobody);
        for stated in ["[[competitor]]\nengine = \"claude\"\n", "[matrix]\nengine = [\"claude\"]\n", "[matrix"] {
            assert_eq!(lineup(&format!("{BODY}{stated}"), || ready(&["codex"], &[])), Lineup::Stated, "{stated}");
        }
    }

    #[test]
    fn an_engine_without_a_model_takes_part_where_the_packet_names_one_and_is_said_to_be_left_out_elsewhere() {
        let mixed = |more: &str| match lineup(&format!("{BODY}{more}"), || ready(&["codex"], &["qwen"])) {
            Lineup::Chosen { text, why } => (names(&arena_proto::packet::parse(&text).unwrap().packet), why),
            other @ (Lineup::Stated | Lineup::Nobody) => panic!("{other:?}"),
        };
        let (who, why) = mixed("");
        assert_eq!(who, ["codex-minimal", "codex-robust", "codex-iterative"]);
        assert!(why.ends_with("; left out: qwen (without a `model`, which the packet would have to name)"), "{why}");
        let (who, why) = mixed("[matrix]\nmodel = [\"gpt-5.5\"]\n");
        assert_eq!(who, ["codex-gpt-5.5", "qwen-gpt-5.5"]);
        assert_eq!(why, "2 engines are here: codex, qwen");
        assert_eq!(lineup(BODY, || ready(&[], &["qwen"])), Lineup::Nobody);
    }
}
