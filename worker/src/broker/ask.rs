//! What a request asks for: its model, how much it may answer, and whether it streams.

use super::keys;
use super::reach::{Compacts, Found, Present};
use super::route::{Kind, Route};
use super::tools::Tools;
use arena_runtime::config::Api;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::borrow::Cow;

/// A longer body is not made into a tree.
const MOST_TREE: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) model: String,
    /// As it is sent on.
    pub(super) body: Bytes,
    /// No token of text is shorter than a byte, and what is worth more than its bytes is added: no less than it really is.
    pub(super) most_input: u64,
    /// Of each of its answers, in the field that its API has for it; `None` when the request does not say.
    pub(super) most_output: Option<u64>,
    pub(super) answers: u64,
    pub(super) tools: Tools,
}

/// The fields that matter. One that stands twice is refused, since two readers could take different ones.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    n: Option<u64>,
    background: Option<bool>,
    /// The outer one: it stands there, if only as null.
    #[serde(default, deserialize_with = "stated")]
    stream_options: Option<Option<StreamOptions>>,
    #[serde(rename = "generationConfig", alias = "generation_config")]
    generation: Option<Generation>,
    #[serde(default)]
    tools: Tools,
    #[serde(default)]
    input: Found,
    #[serde(default)]
    messages: Found,
    #[serde(default)]
    contents: Found,
    #[serde(default)]
    system: Found,
    #[serde(default, rename = "systemInstruction", alias = "system_instruction")]
    instruction: Found,
    #[serde(default)]
    previous_response_id: Present,
    #[serde(default)]
    conversation: Present,
    #[serde(default)]
    prompt: Present,
    #[serde(default, rename = "cachedContent", alias = "cached_content")]
    cached_content: Present,
    #[serde(default)]
    container: Present,
    #[serde(default)]
    mcp_servers: Present,
    #[serde(default)]
    web_search_options: Present,
    #[serde(default)]
    enable_search: Present,
    #[serde(default)]
    search_options: Present,
    #[serde(default)]
    search_parameters: Present,
    #[serde(default)]
    context_management: Compacts,
    #[serde(borrow)]
    inference_geo: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "service_tier", alias = "serviceTier")]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    speed: Option<Cow<'a, str>>,
}

impl Head<'_> {
    /// The first thing that lies outside of the body, in words.
    fn elsewhere(&self) -> Option<&'static str> {
        let named = [
            (self.previous_response_id, "an earlier answer by its id"),
            (self.conversation, "a conversation that is kept elsewhere"),
            (self.prompt, "a prompt that is kept elsewhere"),
            (self.cached_content, "content that is kept elsewhere"),
            (self.container, "a container of the provider"),
            (self.mcp_servers, "servers that the provider would call"),
        ];
        let first = named.into_iter().find(|(said, _)| said.0).map(|(_, words)| words);
        first.or_else(|| self.within().into_iter().find_map(|found| found.elsewhere))
    }

    fn within(&self) -> [Found; 5] {
        [self.input, self.messages, self.contents, self.system, self.instruction]
    }

    fn heavy(&self) -> u64 {
        self.within().iter().fold(0, |sum, found| sum.saturating_add(found.heavy))
    }

    /// A provider that does not know the field of another one's API may not care for it.
    fn most_output(&self, api: Api) -> Option<u64> {
        match api {
            Api::Responses => self.max_output_tokens,
            Api::Chat => self.max_completion_tokens.max(self.max_tokens),
            Api::Messages => self.max_tokens,
            Api::Gemini => self.generation.as_ref().and_then(|generation| generation.max_output_tokens),
        }
    }

    /// Whichever field says so: one that is not cared for costs nothing.
    fn answers(&self) -> u64 {
        let candidates = self.generation.as_ref().and_then(|generation| generation.candidates);
        self.n.max(candidates).unwrap_or(1).max(1)
    }

    /// Whether an answer would cost another price than the model's own. Cheaper ways pass.
    fn is_dearer(&self) -> bool {
        let said = |field: &Option<Cow<'_, str>>, plain: &[&str]| {
            field.as_deref().is_some_and(|word| !plain.iter().any(|one| one.eq_ignore_ascii_case(word)))
        };
        said(&self.service_tier, &["", "auto", "default", "standard", "standard_only", "flex"])
            || said(&self.speed, &["", "standard"])
            || said(&self.inference_geo, &["", "global"])
    }

    /// Without declaring a tool.
    fn searches(&self) -> bool {
        [self.web_search_options, self.enable_search, self.search_options, self.search_parameters]
            .iter()
            .any(|said| said.0)
    }
}

fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Generation {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(rename = "candidateCount", alias = "candidate_count")]
    candidates: Option<u64>,
}

/// The reason when it cannot be read.
pub(super) fn read(route: &Route, body: Bytes) -> Result<Asked, Cow<'static, str>> {
    // A list would be read field by field too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the request is no JSON object".into());
    }
    keys::check(&body)?;
    let mut head: Head<'_> =
        serde_json::from_slice(&body).map_err(|_| "the request is no JSON that can be relied on")?;
    if head.background == Some(true) {
        return Err("an answer in the background cannot be metered".into());
    }
    if route.api == Api::Messages && head.context_management.0 {
        return Err("an answer before which the provider sums up the conversation costs twice".into());
    }
    if head.is_dearer() {
        return Err("a tier of service that costs another price is not for engines".into());
    }
    if let Some(what) = head.elsewhere() {
        return Err(format!("the request names {what}; what is not in its body cannot be checked or metered").into());
    }
    let model = model(route, head.model.as_deref())?;
    let (most_output, answers) = (head.most_output(route.api), head.answers());
    let most_input = (body.len() as u64).saturating_add(head.heavy());
    let searches = head.searches();
    let has_options = head.stream_options.is_some();
    let usage_asked = head.stream_options.flatten().is_some_and(|options| options.include_usage == Some(true));
    let adds = route.api == Api::Chat && route.kind == Kind::Generate && head.stream == Some(true) && !usage_asked;
    let mut tools = std::mem::take(&mut head.tools);
    if searches {
        tools.add("web_search");
    }
    let body = if adds { with_usage(&body, has_options)? } else { body };
    Ok(Asked { model, body, most_input, most_output, answers, tools })
}

/// Of the path or of the body; where both name one, a gateway may take either.
fn model(route: &Route, stated: Option<&str>) -> Result<String, &'static str> {
    let stated = stated.map(|model| if route.model.is_some() { model.trim_start_matches("models/") } else { model });
    let stated = stated.filter(|model| !model.is_empty());
    if let (Some(path), Some(stated)) = (route.model.as_deref(), stated)
        && path != stated
    {
        return Err("the request names two models");
    }
    let model = route.model.as_deref().or(stated).ok_or("the request names no model")?;
    // Some gateways ask each model of a list.
    if model.contains(',') { Err("the request names several models") } else { Ok(model.to_owned()) }
}

/// A stream of chat completions says what it cost only when it is asked to. A body may be long, and is many times longer
/// as a tree: only a short one is made into one, and only where it says options of its own.
fn with_usage(body: &[u8], has_options: bool) -> Result<Bytes, &'static str> {
    if !has_options {
        let object = body.trim_ascii_end().strip_suffix(b"}").ok_or("the request is no JSON object")?;
        return Ok([object, br#","stream_options":{"include_usage":true}}"#].concat().into());
    }
    if body.len() > MOST_TREE {
        return Err("a long request has to say stream_options.include_usage = true itself");
    }
    let mut whole: Value = serde_json::from_slice(body).map_err(|_| "the request is no JSON")?;
    whole["stream_options"]["include_usage"] = json!(true);
    serde_json::to_vec(&whole).map(Bytes::from).map_err(|_| "the request cannot be written again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(api: Api, model: Option<&str>, body: &'static str) -> Result<Asked, Cow<'static, str>> {
        let route = Route { api, kind: Kind::Generate, model: model.map(str::to_owned) };
        read(&route, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn the_model_and_the_most_of_the_answer_are_read_for_every_api() {
        let rows = [
            (Api::Responses, None, r#"{"model":"m","max_output_tokens":10,"input":[{"model":"x"}]}"#, Some(10), 1),
            (Api::Chat, None, r#"{"model":"m","max_completion_tokens":10,"n":3}"#, Some(10), 3),
            (Api::Messages, None, r#"{"max_tokens":10,"model":"m"}"#, Some(10), 1),
            (Api::Responses, None, r#"{"model":"m","max_tokens":1,"generationConfig":{"maxOutputTokens":1}}"#, None, 1),
            (
                Api::Chat,
                None,
                r#"{"model":"m","max_tokens":1,"max_completion_tokens":9,"max_output_tokens":1}"#,
                Some(9),
                1,
            ),
            (Api::Gemini, Some("m"), r#"{"generationConfig":{"maxOutputTokens":10,"candidateCount":2}}"#, Some(10), 2),
            (Api::Gemini, Some("m"), r#"{"model":"models/m","contents":[]}"#, None, 1),
        ];
        for (api, model, body, most_output, answers) in rows {
            let asked = asked(api, model, body).unwrap();
            assert_eq!((asked.model.as_str(), asked.most_output, asked.answers), ("m", most_output, answers), "{body}");
            assert_eq!(asked.body, body.as_bytes());
            assert_eq!(asked.most_input, body.len() as u64);
        }
    }

    #[test]
    fn a_chat_stream_is_made_to_say_what_it_cost() {
        let rows = [
            (
                r#"{"model":"m","stream":true}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (r#"{"model":"m","stream":false}"#, r#"{"model":"m","stream":false}"#),
            // The key is there already, so another one would stand twice.
            (
                r#"{"model":"m","stream":true,"stream_options":null}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ];
        for (given, sent) in rows {
            assert_eq!(asked(Api::Chat, None, given).unwrap().body, sent.as_bytes());
        }
        let long = |options: &str| {
            format!("{{\"model\":\"m\",\"x\":\"{}\",\"stream\":true{options}}} ", "x".repeat(MOST_TREE))
        };
        let route = Route { api: Api::Chat, kind: Kind::Generate, model: None };
        let sent = read(&route, long("").into()).unwrap().body;
        assert!(sent.ends_with(br#""stream":true,"stream_options":{"include_usage":true}}"#));
        assert!(read(&route, long(",\"stream_options\":{\"x\":1}").into()).is_err());
    }

    #[test]
    fn what_lies_elsewhere_or_costs_another_price_is_refused_by_its_name() {
        let rows = [
            (r#"{"model":"m","previous_response_id":"r"}"#, "an earlier answer"),
            (r#"{"model":"m","conversation":{"id":"c"}}"#, "a conversation"),
            (r#"{"model":"m","prompt":{"id":"p"}}"#, "a prompt"),
            (r#"{"model":"m","cached_content":"c"}"#, "content that is kept elsewhere"),
            (r#"{"model":"m","container":"c"}"#, "a container"),
            (r#"{"model":"m","mcp_servers":[{"url":"https://x"}]}"#, "servers that the provider would call"),
            (r#"{"model":"m","input":[{"content":[{"file_id":"f"}]}]}"#, "a file by its id"),
            (
                r#"{"model":"m","messages":[{"content":[{"image_url":{"url":"https://x"}}]}]}"#,
                "an image by its address",
            ),
            (r#"{"model":"m","system":[{"source":{"type":"url"}}]}"#, "a file or an image"),
            (r#"{"model":"m","contents":[{"parts":[{"fileData":{}}]}]}"#, "a file by its address"),
            (r#"{"model":"m","service_tier":"priority"}"#, "another price"),
            (r#"{"model":"m","serviceTier":"PRIORITY"}"#, "another price"),
            (r#"{"model":"m","speed":"fast"}"#, "another price"),
            (r#"{"model":"m","inference_geo":"us"}"#, "another price"),
            (r#"{"model":"m","messages":[{"content":[{"video_url":{"url":"https://x"}}]}]}"#, "by its address"),
            (r#"{"model":"m","messages":[{"content":[{"input_audio":{"data":"HTTPS://x"}}]}]}"#, "by its address"),
        ];
        for (body, reason) in rows {
            let refused = asked(Api::Responses, None, body).unwrap_err();
            assert!(refused.contains(reason), "{body}: {refused}");
        }
        let nothing = r#"{"model":"m","previous_response_id":null,"conversation":null,"prompt":null,"mcp_servers":[],
                          "container":null,"service_tier":"auto","speed":null,"input":"see https://x","tools":null}"#;
        assert!(asked(Api::Responses, None, nothing).is_ok());
    }

    #[test]
    fn what_makes_a_gateway_choose_another_place_is_refused_by_its_name() {
        for name in ["models", "fallbacks", "route", "plugins", "api_base", "base_url"] {
            let body = format!(r#"{{"model":"m","{name}":["other"]}}"#);
            let route = Route { api: Api::Chat, kind: Kind::Generate, model: None };
            assert!(read(&route, body.into()).unwrap_err().contains(name), "{name}");
        }
    }

    #[test]
    fn a_path_and_a_body_name_one_model_and_nothing_is_searched_or_summed_up_in_passing() {
        let two = asked(Api::Gemini, Some("m"), r#"{"model":"other","contents":[]}"#).unwrap_err();
        assert!(two.contains("two models"), "{two}");
        let compacts = r#"{"model":"m","context_management":{"edits":[{"type":"compact_20260112"}]}}"#;
        assert!(asked(Api::Messages, None, compacts).unwrap_err().contains("sums up"));
        let clears = r#"{"model":"m","context_management":{"edits":[{"type":"clear_thinking_20251015"}]}}"#;
        assert!(asked(Api::Messages, None, clears).is_ok());
        for field in [r#""enable_search":true"#, r#""search_parameters":{"mode":"on"}"#, r#""web_search_options":{}"#] {
            let body = format!(r#"{{"model":"m",{field}}}"#);
            let route = Route { api: Api::Chat, kind: Kind::Generate, model: None };
            let tools = read(&route, body.into()).unwrap().tools;
            assert_eq!(tools.refused(Api::Chat, &[]), Some("web_search"), "{field}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for body in [
            r#"{"model":"m","model":"forbidden"}"#,
            r#"{"model":["m"]}"#,
            r#"{"model":""}"#,
            r#"{"input":1}"#,
            r#"{"model":"m","background":true}"#,
            r#"{"model":"m","generationConfig":{},"generation_config":{}}"#,
            r#"{"model":"m","tools":[],"tools":[{"type":"mcp"}]}"#,
            r#"{"model":"m","cachedContent":null,"cached_content":"c"}"#,
            r#"{"model":"m","Model":"forbidden"}"#,
            r#"{"model":"m,forbidden"}"#,
            r#"{"model":"m","MAX_TOKENS":9}"#,
            r#"{"model":"m","tool\u017f":[{"type":"mcp"}]}"#,
            r#"["m",true,null,null,null,null,null,null,null]"#,
            "[]",
            "",
        ] {
            assert!(asked(Api::Responses, None, body).is_err(), "{body}");
        }
    }
}
