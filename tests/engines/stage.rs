//! A world with a scripted model behind the broker, and competitors whose scripts are named in their briefs.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use support::model::{Model, Script};
use support::{Output, Packet, World, skip};

pub const ENGINES: [&str; 4] = ["codex", "claude", "gemini", "opencode"];

/// With the one that has no model of its own, and costs the tests above too much.
pub const ALL: [&str; 5] = ["codex", "claude", "gemini", "opencode", "qwen"];

/// The variable that holds the key, as a user has it in the environment.
const KEY_VARIABLE: &str = "ARENA_TEST_KEY";

/// Of one million tokens, so that the scripted model's usual answer (1000 in, 200 of them cached, 50 out) costs 0.0014.
const PRICE: &str = "{ input = 1.0, cached_input = 0.5, output = 10.0 }";
pub const ANSWER_USD: f64 = 0.0014;

pub struct Stage {
    pub world: World,
    pub model: Model,
    /// What the broker adds to each request, and nobody else may have.
    pub key: String,
}

/// Everything is there for a test of these engines, or it is skipped by name.
pub fn ready(test: &str, engines: &[&str]) -> bool {
    if !support::ready(test) {
        return false;
    }
    let missing = engines.iter().find(|name| !packs().join(name).is_dir());
    if let Some(name) = missing {
        skip(test, &format!("no pack of {name} in {}; make one by: deploy/engines {0}", packs().display()));
    }
    missing.is_none()
}

pub fn packs() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("target/engines");
    std::env::var_os("ARENA_TEST_ENGINES").map_or_else(default, PathBuf::from)
}

impl Stage {
    /// `broker` is what its section of the configuration says.
    pub fn set(broker: &str, scripts: Vec<Script>) -> Self {
        let key = format!("canary-{}", arena_runtime::token::hex(32));
        let model = Model::start(scripts);
        model.require_key(&key);
        let mut world = World::new();
        let config = config(&world);
        std::fs::write(&config, configuration(&model, broker)).expect("a configuration");
        let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        world.env = vec![said("ARENA_CONFIG", config.to_str().expect("a path")), said(KEY_VARIABLE, &key)];
        Self { world, model, key }
    }

    /// The same, where openai is asked by the login of codex that lies in this home, under a path without a version.
    pub fn of_login(home: &Path, token: &str, scripts: Vec<Script>) -> Self {
        let mut stage = Self::set("", scripts);
        let (config, url) = (config(&stage.world), stage.model.url());
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let by_key = format!("[provider.openai]\nupstream = \"{url}\"\nkey_env = \"{KEY_VARIABLE}\"");
        let by_login = format!("[provider.openai]\nupstream = \"{url}/backend-api/codex\"\nlogin = \"codex\"");
        assert!(text.contains(&by_key), "{text}");
        std::fs::write(&config, text.replace(&by_key, &by_login)).expect("a configuration");
        stage.model.require_key(token);
        stage.world.env.push(("HOME".to_owned(), home.to_str().expect("a path").to_owned()));
        stage
    }

    pub fn run(&self, packet: &Packet) -> Output {
        self.world.packet(packet);
        // A table has more competitors than Arena runs without asking.
        self.world.arena(&["run", "arena.toml", "--json", "--yes"])
    }
}

fn config(world: &World) -> PathBuf {
    world.repo.join("../worker.toml")
}

fn configuration(model: &Model, broker: &str) -> String {
    let packs = packs();
    let mut text = format!("[worker]\nengine_packs = {}\n\n[broker]\n{broker}\n", json!(packs));
    for (provider, models) in [("openai", "gpt*"), ("anthropic", "claude*"), ("google", "gemini*")] {
        let url = model.url();
        text.push_str(&format!(
            "\n[provider.{provider}]\nupstream = \"{url}\"\nkey_env = \"{KEY_VARIABLE}\"\nprice = {{ \"{models}\" = {PRICE} }}\n"
        ));
    }
    text
}

/// A packet whose competitors are (name, engine, script); the script is told to the model in the words of the brief.
pub fn packet(competitors: &[(&str, &str, &str)]) -> Packet {
    let mut packet = Packet::lower(&[]);
    packet.sandbox = "memory = \"1GiB\"\ndisk = \"256MiB\"\npids = 512".into();
    for (name, engine, script) in competitors {
        packet.rest.push_str(&format!(
            "[[competitor]]\nname = \"{name}\"\nengine = \"{engine}\"\napproach = \"play [[script:{script}]]\"\n"
        ));
        packet.rest.push_str(if *engine == "qwen" { "model = \"gpt-5.5\"\n\n" } else { "\n" });
    }
    packet
}

/// What the usual answers of the model come to, by the broker's count.
pub fn usage(answers: u32) -> Value {
    let count = u64::from(answers);
    json!({
        "input_tokens": 1000 * count, "output_tokens": 50 * count, "cost_usd": ANSWER_USD * f64::from(answers),
        "cached_input_tokens": 200 * count, "requests": count,
    })
}

/// Equal, but for the last bits of what was added up.
pub fn assert_usage(found: &Value, wanted: &Value, whose: &str) {
    let rounded = |value: &Value| {
        let mut value = value.clone();
        value["cost_usd"] = json!(value["cost_usd"].as_f64().map(|cost| (cost * 1e9).round() / 1e9));
        value
    };
    assert_eq!(rounded(found), rounded(wanted), "{whose}");
}
