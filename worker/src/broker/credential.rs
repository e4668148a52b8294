//! Keys and logins: read from where the configuration says, known to the redactor, shown to nobody.

use crate::redact::{self, Redactor};
use arena_runtime::config::{KeyStyle, Login, Provider};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Environment;

/// Larger files hold no key.
const MOST_BYTES: u64 = 1 << 20;
/// A login that ends sooner is taken for one that has ended.
const MARGIN_MS: u64 = 60_000;

/// Whether a provider can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    Missing { reason: String, mend: String },
}

/// Why there is no credential; values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) reason: String,
    pub(super) mend: String,
}

impl From<Missing> for Readiness {
    fn from(Missing { reason, mend }: Missing) -> Self {
        Self::Missing { reason, mend }
    }
}

/// A key or token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The headers that make a request the user's own; their values are marked sensitive.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Added to what the engine says of this name itself.
    pub(super) also: Option<(HeaderName, HeaderValue)>,
    /// The upstream of this login knows no version in its paths.
    pub(super) unversioned: bool,
}

/// Every secret that was ever read here.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    secrets: BTreeSet<Secret>,
    redactor: Redactor,
}

impl Default for Known {
    fn default() -> Self {
        Self { secrets: BTreeSet::new(), redactor: Redactor::new([]) }
    }
}

impl Secrets {
    pub(super) fn redactor(&self) -> Redactor {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).redactor.clone()
    }

    fn learn(&self, found: Vec<Secret>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.secrets.len();
        known.secrets.extend(found);
        if known.secrets.len() > before {
            known.redactor = Redactor::new(known.secrets.iter().map(|secret| secret.0.as_str()));
        }
    }

    /// Read anew each time, so that a file that was changed counts at once.
    pub(super) fn resolve(
        &self,
        name: &str,
        provider: &Provider,
        environment: &Environment,
    ) -> Result<Credential, Missing> {
        if let Some(login) = provider.login {
            return self.login(name, login, environment);
        }
        let (text, place) = match (&provider.key_env, &provider.key_file) {
            (Some(variable), _) => (environment(variable).unwrap_or_default(), format!("export {variable}=…")),
            (None, Some(file)) => {
                (read(file).unwrap_or_default(), format!("write the key of '{name}' to {}", file.display()))
            }
            (None, None) => {
                (String::new(), format!("add key_env, key_file or login to [provider.{name}] in the configuration"))
            }
        };
        let key = checked(name, text.trim(), &place)?;
        self.learn(vec![key.clone()]);
        let header = match provider.key_style {
            KeyStyle::Bearer => (HeaderName::from_static("authorization"), sensitive(&format!("Bearer {}", key.0))),
            KeyStyle::XApiKey => (HeaderName::from_static("x-api-key"), sensitive(&key.0)),
            KeyStyle::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), sensitive(&key.0)),
        };
        Ok(Credential { headers: with_value(vec![header]), also: None, unversioned: false })
    }

    fn login(&self, name: &str, login: Login, environment: &Environment) -> Result<Credential, Missing> {
        let (file, mend) = match login {
            Login::Codex => (home(environment, "CODEX_HOME", ".codex").join("auth.json"), "codex login"),
            Login::Claude => {
                (home(environment, "CLAUDE_CONFIG_DIR", ".claude").join(".credentials.json"), "claude /login")
            }
        };
        let missing = |reason: String| Missing { reason, mend: mend.to_owned() };
        let text = read(&file)
            .ok_or_else(|| missing(format!("there is no login of {} at {}", login.as_str(), file.display())))?;
        let held: Value = serde_json::from_str(&text)
            .map_err(|_| missing(format!("the login at {} cannot be read", file.display())))?;
        let (token, ends, others) = match login {
            Login::Codex => codex(&held),
            Login::Claude => claude(&held),
        }
        .ok_or_else(|| missing(format!("the file {} holds no login of {}", file.display(), login.as_str())))?;
        self.learn(others.into_iter().filter(|text| text.len() >= redact::SHORTEST).map(Secret).collect());
        let key = checked(name, token, mend)?;
        self.learn(vec![key.clone()]);
        if ends.is_some_and(|ends| ends < arena_runtime::clock::now_millis() + MARGIN_MS) {
            return Err(missing(format!("the login of {} has expired", login.as_str())));
        }
        Ok(with_login(login, &key, &held))
    }
}

fn with_login(login: Login, key: &Secret, held: &Value) -> Credential {
    let bearer = (HeaderName::from_static("authorization"), sensitive(&format!("Bearer {}", key.0)));
    match login {
        Login::Codex => {
            let account = held.pointer("/tokens/account_id").and_then(Value::as_str).unwrap_or_default();
            let account = (HeaderName::from_static("chatgpt-account-id"), sensitive(account));
            Credential { headers: with_value(vec![bearer, account]), also: None, unversioned: true }
        }
        Login::Claude => {
            let beta = HeaderValue::from_static("oauth-2025-04-20");
            let also = Some((HeaderName::from_static("anthropic-beta"), beta));
            Credential { headers: with_value(vec![bearer]), also, unversioned: false }
        }
    }
}

/// The token, when it ends in milliseconds, and the other secrets of the file.
type Held<'a> = Option<(&'a str, Option<u64>, Vec<String>)>;

fn codex(held: &Value) -> Held<'_> {
    let text = |path: &str| held.pointer(path).and_then(Value::as_str);
    let token = text("/tokens/access_token")?;
    let others = ["/tokens/refresh_token", "/tokens/id_token", "/OPENAI_API_KEY"].into_iter().filter_map(text);
    Some((token, expiry(token), others.map(str::to_owned).collect()))
}

fn claude(held: &Value) -> Held<'_> {
    let login = held.get("claudeAiOauth")?;
    let token = login.get("accessToken").and_then(Value::as_str)?;
    let others = login.get("refreshToken").and_then(Value::as_str).map(str::to_owned);
    Some((token, login.get("expiresAt").and_then(Value::as_u64), others.into_iter().collect()))
}

/// When a JSON web token ends, by its own word; the provider checks it, we only spare the user a wait.
fn expiry(token: &str) -> Option<u64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp").and_then(Value::as_u64)?.checked_mul(1000)
}

fn home(environment: &Environment, variable: &str, below: &str) -> PathBuf {
    let said = |name: &str| environment(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    said(variable).unwrap_or_else(|| said("HOME").unwrap_or_default().join(below))
}

fn read(file: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(file).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

fn checked(name: &str, key: &str, mend: &str) -> Result<Secret, Missing> {
    let missing = |reason: String| Missing { reason, mend: mend.to_owned() };
    if key.is_empty() {
        return Err(missing(format!("there is no key for provider '{name}'")));
    }
    if key.len() < redact::SHORTEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(missing(format!("the key for provider '{name}' is too short or holds what no key holds")));
    }
    Ok(Secret(key.to_owned()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn with_value(headers: Vec<(HeaderName, Option<HeaderValue>)>) -> Vec<(HeaderName, HeaderValue)> {
    let held = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    held.filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests;
