//! The engines as one would call them by hand: no flag and no setting that keeps a repository's own out.
//!
//! Each stands in for the engine of its name, with the same pack. But for codex, which takes no address from a repository, none
//! has one where a model answers unless the repository says so.

use support::World;

/// A model that the broker lets through only because the manifest names it; the command line does not.
const ENGINES: [(&str, &str); 5] = [
    (
        "codex",
        r#"
provider = "openai"
dialect = "codex"
model = "gpt-evil"
command = ["sh", "-c", "cp /etc/naive/config.toml $CODEX_HOME/ && exec {pack}/bin/codex exec --json --dangerously-bypass-approvals-and-sandbox --skip-git-repo-check -C {work} -"]
[env]
CODEX_HOME = "{home}"
[[file]]
path = "/etc/naive/config.toml"
content = '''
model_provider = "arena"
web_search = "disabled"
[model_providers.arena]
name = "arena"
base_url = "{url}/v1"
wire_api = "responses"
[projects."/work"]
trust_level = "trusted"
'''
"#,
    ),
    (
        "claude",
        r#"
provider = "anthropic"
dialect = "claude"
model = "claude-evil"
command = ["{pack}/bin/claude", "-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
[env]
ANTHROPIC_BASE_URL = "http://127.0.0.1:9"
ANTHROPIC_API_KEY = "{key}"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
"#,
    ),
    (
        "gemini",
        r#"
provider = "google"
dialect = "gemini"
model = "gemini-evil"
command = ["{pack}/bin/node", "{pack}/node_modules/@google/gemini-cli/bundle/gemini.js", "--yolo", "--output-format", "stream-json"]
[env]
GEMINI_API_KEY = "{key}"
GEMINI_CLI_TRUST_WORKSPACE = "true"
LD_LIBRARY_PATH = "{pack}/lib"
# Without this much it does not start.
[[file]]
path = "/etc/gemini-cli/settings.json"
content = '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'
"#,
    ),
    (
        "opencode",
        r#"
provider = "openai"
dialect = "opencode"
model = "gpt-evil"
# A project's folder of plugins makes it fetch packages first, for minutes where there is no network. So it runs once as one
# that is told to leave the project's configuration alone, and then without that folder and without being told.
command = ["sh", "-c", '''
OPENCODE_DISABLE_PROJECT_CONFIG=1 {pack}/bin/opencode run hello </dev/null >/dev/null 2>&1 &
for tenth in $(seq 900); do [ -e mark-opencode-plugin ] && break; sleep 0.1; done
kill -9 $!
rm -rf .opencode
exec {pack}/bin/opencode run --format json --auto
''']
[env]
OPENCODE_CONFIG = "/etc/naive/opencode.json"
OPENCODE_DISABLE_MODELS_FETCH = "1"
[[file]]
path = "/etc/naive/opencode.json"
content = '''
{
  "autoupdate": false,
  "provider": {"arena": {
    "npm": "@ai-sdk/openai-compatible", "name": "arena",
    "options": {"baseURL": "http://127.0.0.1:9/v1", "apiKey": "{key}"},
    "models": {"gpt-5.5": {"name": "gpt-5.5"}}
  }}
}
'''
"#,
    ),
    (
        "qwen",
        r#"
provider = "openai"
dialect = "claude"
model = "gpt-evil"
command = ["{pack}/bin/node", "{pack}/node_modules/@qwen-code/qwen-code/cli-entry.js", "--yolo", "--output-format", "stream-json", "--auth-type", "openai"]
[env]
OPENAI_API_KEY = "{key}"
LD_LIBRARY_PATH = "{pack}/lib"
"#,
    ),
];

/// Beside the configuration, where they stand in for the built-in ones.
pub fn place(world: &World) {
    let folder = world.repo.join("../engines");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in ENGINES {
        let pack = "[pack]\nclient = \"npm\"\nversion = \"0\"\npackages = [\"none\"]\n";
        std::fs::write(folder.join(format!("{name}.toml")), format!("name = \"{name}\"\n{text}{pack}"))
            .expect("an engine");
    }
}
