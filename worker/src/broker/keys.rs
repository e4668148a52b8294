//! The names at the top of a request. Some readers take no notice of case, and some gateways let a request choose where it
//! goes; neither may decide what was not checked here.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Read by this broker, in any of their spellings.
const KNOWN: [&str; 36] = [
    "model",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "background",
    "stream_options",
    "generationConfig",
    "generation_config",
    "tools",
    "input",
    "messages",
    "contents",
    "system",
    "systemInstruction",
    "system_instruction",
    "previous_response_id",
    "conversation",
    "prompt",
    "cachedContent",
    "cached_content",
    "container",
    "mcp_servers",
    "web_search_options",
    "enable_search",
    "search_options",
    "search_parameters",
    "context_management",
    "inference_geo",
    "service_tier",
    "serviceTier",
    "speed",
    "store",
    "functions",
    "include",
];
/// Of gateways: another model, another place, another key, or tools of their own.
const ROUTING: [&str; 18] = [
    "models",
    "model_list",
    "fallbacks",
    "context_window_fallback_dict",
    "route",
    "router",
    "provider",
    "providerOptions",
    "plugins",
    "preset",
    "api_base",
    "api_key",
    "base_url",
    "custom_llm_provider",
    "extra_body",
    "extra_headers",
    "user_config",
    "deployment_id",
];

/// The reason when a name is one that this request may not have.
pub(super) fn check(body: &[u8]) -> Result<(), Cow<'static, str>> {
    let Names(odd) = serde_json::from_slice(body).map_err(|_| "the request is no JSON that can be relied on")?;
    match odd {
        None => Ok(()),
        Some(name) => Err(format!("the request has a field '{name}', which an engine does not need").into()),
    }
}

fn is_odd(name: &str) -> bool {
    let alike = |known: &&str| known.eq_ignore_ascii_case(name);
    let is_misspelt = KNOWN.iter().any(alike) && !KNOWN.contains(&name);
    // Some letters beyond ASCII are folded into it.
    is_misspelt || ROUTING.iter().any(alike) || name.to_ascii_lowercase().starts_with("litellm_") || !name.is_ascii()
}

/// The first odd one.
struct Names(Option<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut odd = None;
                while let Some(Name(name)) = map.next_key()? {
                    if odd.is_none() && is_odd(&name) {
                        odd = Some(name.chars().filter(char::is_ascii_graphic).take(64).collect());
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Names(odd))
            }
        }
        deserializer.deserialize_map(Look)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
