//! Which paths of a provider an engine may use. What is not listed is refused, so nothing needs to be normalised.

use arena_runtime::config::Api;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) api: Api,
    pub(super) kind: Kind,
    /// The model, where the path says it.
    pub(super) model: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Costs money.
    Generate,
    /// Counts tokens; free.
    Count,
    /// Lists models; free.
    List,
}

/// `None`: not for engines.
pub(super) fn of(method: &str, path: &str, apis: &[Api]) -> Option<Route> {
    let rest = path.strip_prefix('/')?;
    let (version, rest) = match rest.split_once('/') {
        Some((version @ ("v1" | "v1beta" | "v1alpha"), rest)) => (version, rest),
        Some(_) | None => ("", rest),
    };
    let found = match (method, rest) {
        ("POST", "responses" | "responses/compact") => Some((Api::Responses, Kind::Generate)),
        ("POST", "chat/completions") => Some((Api::Chat, Kind::Generate)),
        ("POST", "messages") => Some((Api::Messages, Kind::Generate)),
        ("POST", "messages/count_tokens") => Some((Api::Messages, Kind::Count)),
        _ => None,
    };
    if let Some((api, kind)) = found {
        let fits = apis.contains(&api) && matches!(version, "" | "v1");
        return fits.then_some(Route { api, kind, model: None });
    }
    models(method, rest, apis)
}

/// Below `models`.
fn models(method: &str, rest: &str, apis: &[Api]) -> Option<Route> {
    let api = *apis.first()?;
    if method == "GET" && rest == "models" {
        return Some(Route { api, kind: Kind::List, model: None });
    }
    let name = rest.strip_prefix("models/")?;
    let plain = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !name.contains("..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    match (method, name.split_once(':')) {
        ("GET", None) if plain(name) => Some(Route { api, kind: Kind::List, model: None }),
        ("POST", Some((model, action))) if plain(model) && apis.contains(&Api::Gemini) => {
            let kind = match action {
                "generateContent" | "streamGenerateContent" => Kind::Generate,
                "countTokens" => Kind::Count,
                _ => return None,
            };
            Some(Route { api: Api::Gemini, kind, model: Some(model.to_owned()) })
        }
        _ => None,
    }
}

/// What engines say in a query; all else could be a credential, or mean another model to a gateway.
const ASKED: [&str; 9] =
    ["alt", "beta", "api-version", "client_version", "limit", "after_id", "before_id", "pageSize", "pageToken"];

pub(super) fn query(query: Option<&str>) -> Option<String> {
    // Old readers take `;` for the end of a pair too.
    let passes = |pair: &&str| !pair.contains(';') && ASKED.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = query?.split('&').filter(passes).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_by_its_own_paths_alone() {
        let (open_ai, anthropic, google) = ([Api::Responses, Api::Chat], [Api::Messages], [Api::Gemini]);
        let all: [(&str, &str, &[Api], Option<Kind>); 30] = [
            ("POST", "/v1/responses", &open_ai, Some(Kind::Generate)),
            ("POST", "/responses", &open_ai, Some(Kind::Generate)),
            ("POST", "/v1/chat/completions", &open_ai, Some(Kind::Generate)),
            ("GET", "/v1/models", &open_ai, Some(Kind::List)),
            ("GET", "/v1/models/gpt-5.5", &open_ai, Some(Kind::List)),
            ("POST", "/v1/messages", &anthropic, Some(Kind::Generate)),
            ("POST", "/v1/messages/count_tokens", &anthropic, Some(Kind::Count)),
            ("POST", "/v1beta/models/gemini-3:generateContent", &google, Some(Kind::Generate)),
            ("POST", "/v1beta/models/gemini-3:streamGenerateContent", &google, Some(Kind::Generate)),
            ("POST", "/v1beta/models/gemini-3:countTokens", &google, Some(Kind::Count)),
            ("GET", "/v1/responses", &open_ai, None),
            ("DELETE", "/v1/models/gpt-5.5", &open_ai, None),
            ("POST", "/v1/messages", &open_ai, None),
            ("POST", "/v1/responses", &anthropic, None),
            ("POST", "/v1/files", &open_ai, None),
            ("POST", "/v1/../v1/responses", &open_ai, None),
            ("POST", "/v1/./responses", &open_ai, None),
            ("POST", "//v1/responses", &open_ai, None),
            ("POST", "/v1//responses", &open_ai, None),
            ("POST", "/v1/responses/", &open_ai, None),
            ("POST", "/v1/responses%2f..", &open_ai, None),
            ("POST", "/v1%2fresponses", &open_ai, None),
            ("POST", "/v1beta/responses", &open_ai, None),
            ("POST", "/v1beta/models/../x:generateContent", &google, None),
            ("POST", "/v1beta/models/a%2fb:generateContent", &google, None),
            ("POST", "/v1beta/models/a:generateContent:x", &google, None),
            ("GET", "/v1/models/..%2ffiles", &open_ai, None),
            ("GET", "/v1/models/..", &open_ai, None),
            ("GET", "/v1/models/..", &open_ai, None),
            ("POST", "/", &open_ai, None),
        ];
        for (method, path, apis, expected) in all {
            assert_eq!(of(method, path, apis).map(|route| route.kind), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_query_keeps_what_engines_say_there_and_no_more() {
        let rows = [
            (Some("alt=sse&key=abc"), Some("alt=sse")),
            (Some("beta=true"), Some("beta=true")),
            (Some("KEY=a"), None),
            (Some("%6bey=a&b&model=other"), None),
            (Some("alt=sse&model=other"), Some("alt=sse")),
            (Some("alt=sse;model=other"), None),
            (None, None),
        ];
        for (given, expected) in rows {
            assert_eq!(query(given).as_deref(), expected);
        }
    }
}
