//! What a configuration says of providers: where they are, what they speak, and where their key is.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::Value;

use super::build::{Build, is_variable};
use super::keys::part_of;
use super::{Price, Provider, upstream};

/// The four ways in which models are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    Responses,
    Chat,
    Messages,
    Gemini,
}

impl Api {
    pub const ALL: [Api; 4] = [Self::Responses, Self::Chat, Self::Messages, Self::Gemini];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Responses => "responses",
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
        }
    }
}

/// The header that carries a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStyle {
    Bearer,
    XApiKey,
    XGoogApiKey,
}

impl KeyStyle {
    pub const ALL: [KeyStyle; 3] = [Self::Bearer, Self::XApiKey, Self::XGoogApiKey];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::XApiKey => "x-api-key",
            Self::XGoogApiKey => "x-goog-api-key",
        }
    }
}

/// A subscription that the user has logged in to on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Codex,
    Claude,
}

impl Login {
    pub const ALL: [Login; 2] = [Self::Codex, Self::Claude];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
        }
    }

    /// Where such a login is honoured, when that is elsewhere than keys are.
    fn upstream(self) -> Option<&'static str> {
        match self {
            Self::Codex => Some("https://chatgpt.com/backend-api/codex"),
            Self::Claude => None,
        }
    }
}

impl Build<'_> {
    pub(super) fn providers(&mut self) -> BTreeMap<String, Provider> {
        let names: BTreeSet<String> =
            self.layer.keys().filter(|path| path[0] == "provider").filter_map(|path| path.get(1).cloned()).collect();
        names.into_iter().map(|name| (name.clone(), self.provider(&name))).collect()
    }

    fn provider(&mut self, name: &str) -> Provider {
        let at = |leaf: &'static str| ["provider", name, leaf];
        let key_env = self.text(&at("key_env"));
        if key_env.as_deref().is_some_and(|variable| !is_variable(variable)) {
            // The value is not shown: it may be the key itself.
            let mend = "write the variable's name, such as \"OPENAI_API_KEY\", never the key";
            self.refuse(&at("key_env"), "is no name of a variable", mend);
        }
        let login = self.word(&at("login"), &Login::ALL.map(|login| (login.as_str(), login)));
        let (apis, key_style) = known(name);
        let said = self.word(&at("key_style"), &KeyStyle::ALL.map(|style| (style.as_str(), style)));
        Provider {
            upstream: self.upstream(name, login),
            key_env,
            key_file: self.path(&at("key_file")),
            login,
            apis: self.apis(&at("api")).unwrap_or_else(|| apis.to_vec()),
            key_style: said.unwrap_or(key_style),
            models: self.texts(&at("models")),
            server_tools: self.texts(&at("server_tools")),
            price: self.prices(&at("price")),
        }
    }

    fn upstream(&mut self, name: &str, login: Option<Login>) -> String {
        let path = ["provider", name, "upstream"];
        let by_default = self.entry(&path).is_none_or(|entry| entry.origin.source == "defaults");
        if by_default && let Some(place) = login.and_then(Login::upstream) {
            return place.to_owned();
        }
        let upstream = self.text(&path).unwrap_or_default();
        if let Err(reason) = upstream::check(&upstream) {
            self.refuse(&path, reason, "write https://host; http:// is legal for loopback only");
        }
        let upstream = upstream.trim_end_matches('/');
        // Engines say the version themselves; many write it here too, as other programs want it.
        let bare = ["/v1", "/v1beta"].iter().find_map(|version| upstream.strip_suffix(version));
        let bare = bare.filter(|_| login.is_none());
        bare.unwrap_or(upstream).to_owned()
    }

    /// One of a few words; one that is not among them is refused.
    fn word<T: Copy>(&mut self, path: &[&str], words: &[(&str, T)]) -> Option<T> {
        let said = self.text(path)?;
        let found = words.iter().find(|(word, _)| *word == said).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let mend = format!("write \"{}\"", known[0]);
            self.refuse(path, &format!("is none of {}", known.join(", ")), &mend);
        }
        found
    }

    fn apis(&mut self, path: &[&str]) -> Option<Vec<Api>> {
        self.entry(path)?;
        let said = self.texts(path);
        let found: Vec<Api> = Api::ALL.into_iter().filter(|api| said.iter().any(|one| one == api.as_str())).collect();
        if found.is_empty() || found.len() != said.len() {
            let reason = "holds what is none of responses, chat, messages, gemini";
            self.refuse(path, reason, "write [\"responses\", \"chat\"]");
        }
        // In the order in which they were said.
        Some(said.iter().filter_map(|one| found.iter().copied().find(|api| api.as_str() == one)).collect())
    }

    fn prices(&self, path: &[&str]) -> BTreeMap<String, Price> {
        let models = self.entry(path).and_then(|entry| entry.value.as_inline_table());
        let price = |(model, value): (&str, &Value)| {
            let price = value.as_inline_table()?;
            let input = part_of(price, "input")?;
            let cached_input = part_of(price, "cached_input").unwrap_or(input);
            let cache_write = part_of(price, "cache_write").unwrap_or(input * 1.25);
            Some((model.to_owned(), Price { input, cached_input, cache_write, output: part_of(price, "output")? }))
        };
        models.into_iter().flat_map(|models| models.iter()).filter_map(price).collect()
    }
}

/// What is spoken behind the names that everybody knows.
fn known(name: &str) -> (&'static [Api], KeyStyle) {
    match name {
        "anthropic" => (&[Api::Messages], KeyStyle::XApiKey),
        "google" => (&[Api::Gemini], KeyStyle::XGoogApiKey),
        _ => (&[Api::Responses, Api::Chat], KeyStyle::Bearer),
    }
}
