use super::*;
use arena_runtime::config;
use std::collections::BTreeMap;
use std::sync::Arc;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let map: BTreeMap<String, String> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Arc::new(move |name| map.get(name).cloned())
}

fn provider(flags: &[(&str, &str)]) -> Provider {
    let flags: Vec<(String, String)> =
        flags.iter().map(|(path, text)| (format!("provider.openai.{path}"), (*text).to_owned())).collect();
    config::load(None, &|_| None, &flags).unwrap().providers.remove("openai").unwrap()
}

fn said(credential: &Credential) -> Vec<(String, String)> {
    let text = |(name, value): &(HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
    credential.headers.iter().map(text).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_key_goes_into_the_header_of_its_style_and_is_shown_to_nobody() {
    let environment = environment(&[("OPENAI_API_KEY", " sk-canary-1 \n")]);
    for (style, expected) in [
        ("bearer", pair("authorization", "Bearer sk-canary-1")),
        ("x-api-key", pair("x-api-key", "sk-canary-1")),
        ("x-goog-api-key", pair("x-goog-api-key", "sk-canary-1")),
    ] {
        let secrets = Secrets::default();
        let credential = secrets.resolve("openai", &provider(&[("key_style", style)]), &environment).unwrap();
        assert_eq!(said(&credential), [expected]);
        assert!(!format!("{credential:?} {secrets:?}").contains("canary"));
        assert_eq!(secrets.redactor().text("a sk-canary-1 b"), "a [redacted] b");
    }
}

#[test]
fn a_key_file_counts_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let provider = provider(&[("key_file", file.to_str().unwrap())]);
    let secrets = Secrets::default();
    let none = environment(&[]);
    let missing = secrets.resolve("openai", &provider, &none).unwrap_err();
    assert_eq!(missing.mend, format!("write the key of 'openai' to {}", file.display()));
    for key in ["sk-first-key", "sk-second-key"] {
        std::fs::write(&file, key).unwrap();
        assert_eq!(
            said(&secrets.resolve("openai", &provider, &none).unwrap()),
            [pair("authorization", &format!("Bearer {key}"))]
        );
    }
    assert_eq!(secrets.redactor().text("sk-first-key sk-second-key"), "[redacted] [redacted]");
}

#[test]
fn what_is_no_key_is_named_without_being_shown() {
    for (key, reason) in [
        ("", "there is no key for provider 'openai'"),
        ("short", "the key for provider 'openai' is too short or holds what no key holds"),
        ("two words here", "the key for provider 'openai' is too short or holds what no key holds"),
    ] {
        let environment = environment(&[("OPENAI_API_KEY", key)]);
        let missing = Secrets::default().resolve("openai", &provider(&[]), &environment).unwrap_err();
        assert_eq!(missing, Missing { reason: reason.to_owned(), mend: "export OPENAI_API_KEY=…".to_owned() });
    }
}

#[test]
fn a_codex_login_is_a_credential_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(&[("CODEX_HOME", folder.path().to_str().unwrap())]);
    let provider = provider(&[("login", "codex")]);
    let secrets = Secrets::default();
    let missing = secrets.resolve("openai", &provider, &environment).unwrap_err();
    assert!(missing.reason.starts_with("there is no login of codex at "), "{missing:?}");
    let token = |ends: u64| format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{ends}}}")));
    let write = |token: &str| {
        let tokens = format!("{{\"access_token\":\"{token}\",\"refresh_token\":\"refresh-1\",\"account_id\":\"acc\"}}");
        std::fs::write(folder.path().join("auth.json"), format!("{{\"OPENAI_API_KEY\":null,\"tokens\":{tokens}}}"))
    };
    let good = token(4_000_000_000);
    write(&good).unwrap();
    let credential = secrets.resolve("openai", &provider, &environment).unwrap();
    let expected = [pair("authorization", &format!("Bearer {good}")), pair("chatgpt-account-id", "acc")];
    assert_eq!((said(&credential), credential.unversioned), (expected.to_vec(), true));
    assert_eq!(secrets.redactor().text("refresh-1"), "[redacted]");
    write(&token(1_000_000_000)).unwrap();
    let missing = secrets.resolve("openai", &provider, &environment).unwrap_err();
    let expected = Missing { reason: "the login of codex has expired".into(), mend: "codex login".into() };
    assert_eq!(missing, expected);
}

#[test]
fn a_claude_login_is_a_credential_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".claude")).unwrap();
    let environment = environment(&[("HOME", folder.path().to_str().unwrap())]);
    let provider = provider(&[("login", "claude")]);
    let write = |ends: u64| {
        let text = format!("{{\"claudeAiOauth\":{{\"accessToken\":\"sk-ant-oat\",\"expiresAt\":{ends}}}}}");
        std::fs::write(folder.path().join(".claude/.credentials.json"), text).unwrap();
        Secrets::default().resolve("anthropic", &provider, &environment)
    };
    let credential = write(4_000_000_000_000).unwrap();
    assert_eq!(said(&credential), [pair("authorization", "Bearer sk-ant-oat")]);
    assert_eq!(credential.also.unwrap().1, "oauth-2025-04-20");
    let expected = Missing { reason: "the login of claude has expired".into(), mend: "claude /login".into() };
    assert_eq!(write(1).unwrap_err(), expected);
}
