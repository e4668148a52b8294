use super::*;
use std::time::Duration;

/// A file of a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("arena-config-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn loaded(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Vec<ConfigProblem>> {
    let file = Scratch::new(text);
    let variable = |name: &str| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
    let flags: Vec<(String, String)> = flags.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
    load(Some(&file.0), &variable, &flags)
}

fn refused(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)], says: &str) {
    let problems = loaded(text, variables, flags).expect_err(says);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].contains(says), "{said:#?} should say: {says}");
}

#[test]
fn the_defaults_are_what_their_file_says() {
    let config = load(None, &|_| None, &[]).unwrap();
    assert_eq!(config.worker.engine_slots, 6);
    assert_eq!(config.worker.measure_cores, Vec::<String>::new());
    assert_eq!(config.worker.runtime, "runc");
    assert_eq!(config.worker.engine_packs, Path::new("/opt/arena/engines"));
    assert_eq!(config.worker.workspaces, Workspaces::Auto);
    let each = TenantLimits { priority: 10, ..Limits::unlimited().each };
    assert_eq!(config.limits, Limits { fleet: 3, each, ..Limits::unlimited() });
    assert_eq!((config.queue.lease, config.queue.margin), (Duration::from_secs(60), Duration::from_secs(15)));
    assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["anthropic", "google", "openai"]);
    let openai = &config.providers["openai"];
    assert_eq!(
        (openai.upstream.as_str(), openai.key_env.as_deref()),
        ("https://api.openai.com", Some("OPENAI_API_KEY"))
    );
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let file = "[worker]\nengine_slots = 7\nruntime = \"runsc\"\n[limits]\nfleet = 5\nengine = { codex = 2 }\n";
    let variables =
        [("ARENA_WORKER_ENGINE_SLOTS", "8"), ("ARENA_LIMITS_FLEET", "6"), ("ARENA_LIMITS_ENGINE", "codex=3, kimi=1")];
    let config = loaded(file, &variables, &[("worker.engine_slots", "9"), ("limits.engine.mini.swe", "4")]).unwrap();
    assert_eq!((config.worker.engine_slots, config.limits.fleet, config.worker.runtime.as_str()), (9, 6, "runsc"));
    let limits = [("codex", 3), ("kimi", 1), ("mini.swe", 4)].map(|(name, limit)| (name.to_owned(), limit));
    assert_eq!(config.limits.engine, BTreeMap::from(limits));
}

#[test]
fn the_example_of_the_documentation_loads() {
    let text = r#"
[worker]
engine_slots  = 6
measure_cores = ["1"]
runtime       = "runc"
engine_packs  = "/opt/arena/engines"

[provider.openai]
upstream = "https://api.openai.com"
key_env  = "OPENAI_API_KEY"
models   = ["gpt-5*"]
price    = { "gpt-5.5" = { input = 1.25, cached_input = 0.125, output = 10.0 } }

[provider.own]
upstream = "http://127.0.0.1:9000/"
[provider.own.price."a.b"]
input = 1
output = 2
"#;
    let config = loaded(text, &[], &[]).unwrap();
    assert_eq!(config.worker.measure_cores, ["1"]);
    assert_eq!(config.providers["openai"].models, ["gpt-5*"]);
    let price = Price { input: 1.25, cached_input: 0.125, cache_write: 1.5625, output: 10.0 };
    assert_eq!(config.providers["openai"].price, BTreeMap::from([("gpt-5.5".to_owned(), price)]));
    let own = &config.providers["own"];
    assert_eq!((own.upstream.as_str(), own.price["a.b"].cached_input), ("http://127.0.0.1:9000", 1.0));
}

#[test]
fn what_is_said_last_about_a_key_takes_the_other_way_away() {
    let config = loaded("[provider.openai]\nkey_file = \"key\"\n", &[], &[]).unwrap();
    let openai = &config.providers["openai"];
    assert_eq!((openai.key_env.as_deref(), openai.key_file.clone()), (None, Some(std::env::temp_dir().join("key"))));
    let variables = [("ARENA_PROVIDER_OPENAI_KEY_FILE", "~/key"), ("HOME", "/home/me")];
    let config = loaded("", &variables, &[]).unwrap();
    assert_eq!(config.providers["openai"].key_file.as_deref(), Some(Path::new("/home/me/key")));
    let config = loaded("", &variables, &[("provider.openai.key_env", "MINE")]).unwrap();
    assert_eq!(config.providers["openai"].key_file, None);
    refused("[provider.openai]\nkey_file = \"k\"\nkey_env = \"K\"\n", &[], &[], "stands beside `key_file`");
}

#[test]
fn a_login_is_one_more_source_of_a_key_with_an_upstream_of_its_own() {
    let config = loaded("[provider.openai]\nlogin = \"codex\"\n", &[], &[]).unwrap();
    let openai = &config.providers["openai"];
    assert_eq!((openai.login, openai.key_env.clone()), (Some(Login::Codex), None));
    assert_eq!(openai.upstream, "https://chatgpt.com/backend-api/codex");
    for written in
        ["https://gw.example/x/v1", "https://gw.example/x/v1/", "https://gw.example/x/v1beta", "https://gw.example/x"]
    {
        let text = format!("[provider.openai]\nupstream = \"{written}\"\n");
        assert_eq!(loaded(&text, &[], &[]).unwrap().providers["openai"].upstream, "https://gw.example/x", "{written}");
    }
    let text = "[provider.openai]\nlogin = \"codex\"\nupstream = \"http://127.0.0.1:9/x\"\n";
    assert_eq!(loaded(text, &[], &[]).unwrap().providers["openai"].upstream, "http://127.0.0.1:9/x");
    let config = loaded("[provider.anthropic]\nlogin = \"claude\"\n", &[], &[]).unwrap();
    assert_eq!(config.providers["anthropic"].upstream, "https://api.anthropic.com");
    refused("provider.openai.login = \"kimi\"\n", &[], &[], "line 1: provider.openai.login: is none of codex, claude");
    let both = "[provider.openai]\nkey_file = \"k\"\nlogin = \"codex\"\n";
    refused(both, &[], &[], "stands beside `login`");
}

#[test]
fn what_a_provider_speaks_is_known_by_its_name_or_said() {
    let text = "[provider.own]\nupstream = \"https://h\"\n[provider.team]\nupstream = \"https://t\"\n\
                api = [\"messages\", \"chat\"]\nkey_style = \"x-api-key\"\n";
    let config = loaded(text, &[], &[]).unwrap();
    let speaks = |name: &str| (config.providers[name].apis.clone(), config.providers[name].key_style);
    assert_eq!(speaks("openai"), (vec![Api::Responses, Api::Chat], KeyStyle::Bearer));
    assert_eq!(speaks("anthropic"), (vec![Api::Messages], KeyStyle::XApiKey));
    assert_eq!(speaks("google"), (vec![Api::Gemini], KeyStyle::XGoogApiKey));
    assert_eq!(speaks("own"), (vec![Api::Responses, Api::Chat], KeyStyle::Bearer));
    assert_eq!(speaks("team"), (vec![Api::Messages, Api::Chat], KeyStyle::XApiKey));
    refused("provider.openai.api = [\"smtp\"]\n", &[], &[], "provider.openai.api: holds what is none of responses");
    refused("provider.openai.key_style = \"cookie\"\n", &[], &[], "is none of bearer, x-api-key");
}

#[test]
fn the_brokers_limits_and_the_addresses_of_egress_are_keys_too() {
    let config = loaded("[egress.hosts]\n\"mirror.example\" = \"10.0.0.5\"\n", &[], &[("broker.idle_s", "2")]);
    let config = config.unwrap();
    let broker = BrokerConfig {
        idle: Duration::from_secs(2),
        retries: 4,
        retry_wait: Duration::from_secs(60),
        output_tokens: 32_000,
        bodies: 96 << 20,
    };
    assert_eq!(config.broker, broker);
    assert_eq!(config.egress_hosts["mirror.example"], std::net::Ipv4Addr::new(10, 0, 0, 5));
    refused("[egress.hosts]\na = \"b\"\n", &[], &[], "line 2: egress.hosts.a: is no address");
}

#[test]
fn lists_come_from_text_with_commas_or_in_brackets() {
    let config =
        loaded("", &[("ARENA_WORKER_MEASURE_CORES", "1, 2-3")], &[("provider.openai.models", "[\"a,b\"]")]).unwrap();
    assert_eq!(config.worker.measure_cores, ["1", "2-3"]);
    assert_eq!(config.providers["openai"].models, ["a,b"]);
    let config = loaded("worker.measure_cores = [\"1\"]", &[("ARENA_WORKER_MEASURE_CORES", "[]")], &[]).unwrap();
    assert_eq!(config.worker.measure_cores, Vec::<String>::new());
}

#[test]
fn workspaces_are_said_by_one_of_three_words() {
    let said = |word: &str| loaded("", &[("ARENA_WORKER_WORKSPACES", word)], &[]).map(|held| held.worker.workspaces);
    let rows = [("auto", Workspaces::Auto), ("overlay", Workspaces::Overlay), ("volume", Workspaces::Volume)];
    for (word, expected) in rows {
        assert_eq!(said(word), Ok(expected));
    }
    refused("worker.workspaces = \"btrfs\"\n", &[], &[], "line 1: worker.workspaces: is none of auto, overlay");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    refused(
        "\n[worker]\nengine_slot = 1\n",
        &[],
        &[],
        "line 3: worker.engine_slot: unknown key; did you mean `worker.engine_slots`?",
    );
    refused("[wroker]\n", &[], &[], "line 1: wroker: unknown key; did you mean `worker`?");
    refused(
        "[provider.x]\nkey = \"sk-secret\"\nupstream = \"https://h\"\n",
        &[],
        &[],
        "did you mean `provider.x.key_env`?",
    );
    refused("[broker]\nbodies_mib = 63\n", &[], &[], "line 2: broker.bodies_mib: is too little");
    refused("[queue]\nlease_s = 9\n", &[], &[], "line 2: queue.lease_s: is too short");
    refused("", &[("ARENA_QUEUE_MARGIN_S", "2")], &[], "ARENA_QUEUE_MARGIN_S: queue.margin_s: is too short");
    refused("worker.engine_slots = 0\n", &[], &[], "worker.engine_slots: does not fit; write a whole number");
    refused("worker = 3\n", &[], &[], "worker: is no table");
    refused(
        "worker.measure_cores = [\"1-x\"]\n",
        &[],
        &[],
        "line 1: worker.measure_cores: holds what is no set of cores",
    );
    refused("worker.measure_cores = [\"1\", \"0-1\"]\n", &[], &[], "names a core twice");
    refused("worker.runtime = \"run c\"\n", &[], &[], "no name of a runtime");
    refused(
        "[provider.openai]\nupstream = \"http://api.openai.com\"\n",
        &[],
        &[],
        "line 2: provider.openai.upstream: would send",
    );
    refused("[provider.own]\nmodels = []\n", &[], &[], "provider.own.upstream: is missing");
    refused("[provider.\"a b\"]\nupstream = \"https://h\"\n", &[], &[], "is no name");
    refused("[provider.openai]\nprice = { m = { input = -1, output = 1 } }\n", &[], &[], "in dollars");
    refused("[provider.openai]\nprice = { m = { input = 1 } }\n", &[], &[], "in dollars");
    refused("[worker\n", &[], &[], "is not TOML");
    refused("", &[("ARENA_LIMITS_FLEET", "many")], &[], "ARENA_LIMITS_FLEET: limits.fleet: does not fit");
    refused("", &[("ARENA_LIMITS_ENGINE", "codex")], &[], "write codex=2,claude=1");
    refused(
        "",
        &[],
        &[("worker.runtimes", "x")],
        "flag worker.runtimes: worker.runtimes: unknown key; did you mean `worker.runtime`?",
    );
    refused("", &[], &[("worker", "x")], "is a section");
}

#[test]
fn every_problem_is_told_at_once_and_none_repeats_a_key() {
    let text = "[worker]\nengine_slots = 0\n[provider.openai]\nkey_env = \"sk-secret\"\nupstream = \"https://u:sk-secret@h\"\n";
    let problems = loaded(text, &[("ARENA_LIMITS_FLEET", "0")], &[]).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.to_string().contains("sk-secret")));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let problems = load(Some(Path::new("/nowhere/config.toml")), &|_| None, &[]).unwrap_err();
    assert!(problems[0].to_string().starts_with("/nowhere/config.toml: cannot be opened"), "{problems:?}");
}

#[test]
fn blobs_are_in_a_folder_or_a_bucket_and_files_start_where_the_configuration_lies() {
    let text =
        "[blobs]\nurl = \"s3://team/arena\"\nendpoint = \"https://storage.example:9000\"\ncredentials = \"keys\"\n";
    let blobs = loaded(text, &[("ARENA_BLOBS_REGION", "eu-north-1")], &[]).unwrap().blobs;
    assert_eq!(
        blobs,
        BlobConfig {
            url: Some("s3://team/arena".into()),
            endpoint: Some("https://storage.example:9000".into()),
            region: Some("eu-north-1".into()),
            ca: None,
            credentials: Some(std::env::temp_dir().join("keys")),
        }
    );
    refused("[blobs]\nurl = \"/var/lib/arena\"\n", &[], &[], "neither a folder nor a bucket");
    refused("[blobs]\nsecret_key = \"x\"\n", &[], &[], "secret_key");
}

#[test]
fn a_tenant_and_a_provider_have_sections_of_their_own() {
    let text = "[limits]\ntenant = 5\nqueued = 40\n[limits.tenants.\"web.app\"]\nweight = 3\npriority = 0\n\
                [limits.provider.openai]\nrunning = 4\nengines = [\"mine\"]\n";
    let limits = loaded(text, &[], &[("limits.tenants.api.running", "2")]).unwrap().limits;
    let web = TenantLimits { running: Some(5), weight: 3, queued: Some(40), priority: 0, ..Limits::unlimited().each };
    assert_eq!(limits.of_tenant("web.app"), web);
    assert_eq!(limits.of_tenant("api"), TenantLimits { running: Some(2), weight: 1, priority: 10, ..web });
    assert_eq!(limits.of_tenant("other"), TenantLimits { weight: 1, priority: 10, ..web });
    assert_eq!(limits.provider["openai"], ProviderLimits { running: 4, engines: vec!["mine".to_owned()] });
    let text = "[limits]\nblobs = \"1GiB\"\n[limits.tenants.web]\nblobs = \"10 GiB\"\n";
    let limits = loaded(text, &[], &[]).unwrap().limits;
    assert_eq!(["web", "other"].map(|tenant| limits.of_tenant(tenant).blobs), [Some(10 << 30), Some(1 << 30)]);
    assert!(limits.bounds_blobs() && !Limits::unlimited().bounds_blobs());
    refused("[limits.tenants.web]\nblobs = \"10GB\"\n", &[], &[], "write a size such as");
    refused("[limits.tenants.web]\nweigth = 3\n", &[], &[], "did you mean `limits.tenants.web.weight`?");
    refused("[limits.tenants.web]\nweight = 0\n", &[], &[], "at least 1");
    refused("[limits.tenants.\"a b\"]\nweight = 1\n", &[], &[], "is no name");
    refused("[limits.tenants]\nweight = 1\n", &[], &[], "limits.tenants.weight");
}

#[test]
fn what_is_0_says_for_ever_or_at_once() {
    let config = loaded("[store]\nkeep_days = 0\n[coordinator]\nhold_dead_s = 0\n", &[], &[]).unwrap();
    assert_eq!((config.store.keep, config.coordinator.hold_dead), (None, Duration::ZERO));
    let days = loaded("[store]\nkeep_days = 2\n", &[], &[]).unwrap().store.keep;
    assert_eq!(days, Some(Duration::from_secs(2 * 86_400)));
    refused("[store]\nkeep_days = -1\n", &[], &[], "or 0");
}
