//! Which tools a request declares: those that the engine runs itself may pass; those that the provider would run are a way
//! out that has no price, and pass only when the configuration names them.

use super::model::fits;
use arena_runtime::config::Api;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// More kinds are refused: each is kept until it has been looked at.
const MOST: usize = 64;
const MOST_KEYS: usize = 64;
/// Of a name that is kept, in bytes.
const LONGEST: usize = 64;

/// What a request says of its tools, one of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tools(Vec<Tool>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tool {
    /// Empty where none is said.
    kind: String,
    /// As Gemini names its tools.
    keys: Vec<String>,
}

impl Tools {
    /// The first that runs at the provider and that nobody allowed.
    pub(super) fn refused(&self, api: Api, allowed: &[String]) -> Option<&str> {
        let names = self.0.iter().flat_map(|tool| match api {
            Api::Gemini => tool.keys.as_slice(),
            Api::Responses | Api::Chat | Api::Messages => std::slice::from_ref(&tool.kind),
        });
        let refused = |name: &&String| !is_engines_own(api, name) && !is_named(name, allowed);
        names.into_iter().find(refused).map(|name| if name.is_empty() { "(without a type)" } else { name.as_str() })
    }

    /// One that is asked for in another way than by a declaration.
    pub(super) fn add(&mut self, name: &str) {
        self.0.push(Tool { kind: name.to_owned(), keys: vec![name.to_owned()] });
    }
}

/// Run by the engine, in its sandbox. New ones are added here when an engine sends them.
fn is_engines_own(api: Api, name: &str) -> bool {
    let begins = |all: &[&str]| all.iter().any(|begin| name.starts_with(begin));
    match api {
        // `tool_search` finds nothing but what the request itself declares.
        Api::Responses => {
            matches!(name, "function" | "custom" | "local_shell" | "apply_patch" | "namespace" | "tool_search")
        }
        Api::Chat => matches!(name, "function" | "custom"),
        // A tool of the engine's own has no type there.
        Api::Messages => matches!(name, "" | "custom") || begins(&["bash_", "text_editor_", "memory_", "computer_"]),
        Api::Gemini => matches!(name, "functionDeclarations" | "function_declarations"),
    }
}

/// `web_search` names `web_search_20250305` too.
fn is_named(name: &str, allowed: &[String]) -> bool {
    let digits = |date: &str| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    let rest = |one: &String| name.strip_prefix(one.as_str()).and_then(|rest| rest.strip_prefix('_'));
    let dated = |one: &String| rest(one).is_some_and(digits);
    allowed.iter().any(|one| fits(one, name) || dated(one))
}

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Tools;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tools")
            }

            fn visit_unit<E>(self) -> Result<Tools, E> {
                Ok(Tools::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tools, A::Error> {
                let mut tools = Tools::default();
                while let Some(Declared(next)) = list.next_element()? {
                    for tool in next {
                        // Many tools are of few kinds, and only the kinds are kept.
                        if !tools.0.contains(&tool) {
                            tools.0.push(tool);
                        }
                    }
                    if tools.0.len() > MOST {
                        return Err(serde::de::Error::custom("too many kinds of tools"));
                    }
                }
                Ok(tools)
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// One element, and the tools within it.
struct Declared(Vec<Tool>);

impl<'de> Deserialize<'de> for Declared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Declared;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Declared, A::Error> {
                let (mut kind, mut keys, mut within) = (None, Vec::new(), Vec::new());
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    let other_case =
                        ["type", "tools"].iter().any(|one| one.eq_ignore_ascii_case(&key.0) && **one != key.0);
                    if other_case {
                        return Err(serde::de::Error::custom("a key in another case"));
                    }
                    match key.0.as_ref() {
                        "type" if kind.is_some() => return Err(serde::de::Error::duplicate_field("type")),
                        "type" => kind = Some(map.next_value::<Option<Text<'_>>>()?.map_or_else(String::new, short)),
                        "tools" => within.extend(map.next_value::<Tools>()?.0),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                    keys.push(short(key));
                    if keys.len() > MOST_KEYS {
                        return Err(serde::de::Error::custom("a tool with too many keys"));
                    }
                }
                within.push(Tool { kind: kind.unwrap_or_default(), keys });
                Ok(Declared(within))
            }
        }
        deserializer.deserialize_map(One)
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// As it can be shown; a longer name is not one that is known.
fn short(Text(text): Text<'_>) -> String {
    text.chars().filter(char::is_ascii_graphic).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(api: Api, tools: &str, allowed: &[&str]) -> Option<String> {
        let allowed: Vec<String> = allowed.iter().map(|one| (*one).to_owned()).collect();
        serde_json::from_str::<Tools>(tools).unwrap().refused(api, &allowed).map(str::to_owned)
    }

    #[test]
    fn tools_of_the_engine_pass_and_those_of_the_provider_do_not() {
        let rows: [(Api, &str, Option<&str>); 22] = [
            (Api::Responses, "null", None),
            (Api::Responses, r#"[{"type":"function","name":"shell"},{"type":"custom"},{"type":"local_shell"}]"#, None),
            (Api::Responses, r#"[{"type":"namespace","name":"n","tools":[{"type":"function"}]}]"#, None),
            (Api::Responses, r#"[{"type":"namespace","tools":[{"type":"mcp"}]}]"#, Some("mcp")),
            (Api::Responses, r#"[{"type":"tool_search","execution":"client","parameters":{}}]"#, None),
            (Api::Responses, r#"[{"type":"function"},{"type":"web_search"}]"#, Some("web_search")),
            (Api::Responses, r#"[{"type":"mcp","server_url":"https://x"}]"#, Some("mcp")),
            (Api::Responses, r#"[{"type":"code_interpreter","container":{}}]"#, Some("code_interpreter")),
            (Api::Responses, r#"[{"type":"shell","environment":{"type":"container_auto"}}]"#, Some("shell")),
            (Api::Responses, r#"[{"server_url":"https://x"}]"#, Some("(without a type)")),
            (Api::Chat, r#"[{"type":"function","function":{"name":"f"}}]"#, None),
            (Api::Chat, r#"[{"type":"web_search_preview"}]"#, Some("web_search_preview")),
            (Api::Messages, r#"[{"name":"Bash","input_schema":{"properties":{"type":{}}}}]"#, None),
            (Api::Messages, r#"[{"type":"bash_20250124","name":"bash"},{"type":"custom","name":"x"}]"#, None),
            (Api::Messages, r#"[{"type":"web_search_20250305","name":"web_search"}]"#, Some("web_search_20250305")),
            (Api::Messages, r#"[{"type":"web_fetch_20250910"}]"#, Some("web_fetch_20250910")),
            (Api::Messages, r#"[{"type":"code_execution_20250825"}]"#, Some("code_execution_20250825")),
            (Api::Gemini, r#"[{"functionDeclarations":[{"name":"f"}]}]"#, None),
            (Api::Gemini, r#"[{"functionDeclarations":[],"googleSearch":{}}]"#, Some("googleSearch")),
            (Api::Gemini, r#"[{"url_context":{}}]"#, Some("url_context")),
            (Api::Gemini, r#"[{"type":"functionDeclarations","codeExecution":{}}]"#, Some("type")),
            (Api::Gemini, r#"[{"name":"functionDeclarations","codeExecution":{}}]"#, Some("name")),
        ];
        for (api, tools, expected) in rows {
            assert_eq!(refused(api, tools, &[]).as_deref(), expected, "{api:?} {tools}");
        }
    }

    #[test]
    fn what_the_configuration_names_passes_whatever_its_date() {
        let dated = r#"[{"type":"web_search_20250305"}]"#;
        assert_eq!(refused(Api::Messages, dated, &["web_search"]), None);
        assert!(
            refused(Api::Messages, dated, &["web"]).is_some()
                && refused(Api::Messages, dated, &["web_fetch"]).is_some()
        );
        assert_eq!(refused(Api::Gemini, r#"[{"googleSearch":{}}]"#, &["google*"]), None);
    }

    #[test]
    fn what_two_readers_could_take_differently_cannot_be_read() {
        for text in [
            r#"[{"type":"function","Type":"mcp"}]"#,
            r#"[{"type":"function","type":"mcp"}]"#,
            r#"["web_search"]"#,
            r#"{"type":"mcp"}"#,
            "\"auto\"",
        ] {
            assert!(serde_json::from_str::<Tools>(text).is_err(), "{text}");
        }
    }
}
