//! What Arena knows of an engine, as a file of data: a new engine needs no code.

mod fill;
mod parse;

use super::stream::Dialect;
use super::{Invocation, packs::Recipe};
use arena_domain::packet::{BriefStyle, Engine};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub(crate) use fill::replace;

pub use arena_runtime::config::ConfigProblem as Problem;

/// In the place of a provider's name: whichever serves the model.
const ANY: &str = "any";

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    /// Other names that a packet may use.
    pub aliases: Vec<String>,
    /// For people.
    pub title: String,
    /// The name of a `[provider.…]`; `any`: whichever serves the model.
    pub provider: String,
    pub dialect: Dialect,
    pub style: BriefStyle,
    /// Without one, a competitor must name its model where the command needs it.
    pub model: Option<String>,
    pub command: Vec<Group>,
    /// Looks at uncommitted changes instead of making some; empty: it has no such command.
    pub review: Vec<Group>,
    pub env: Vec<(String, String)>,
    pub files: Vec<Placed>,
    pub writable: Vec<String>,
    /// Names at the top of the repository that it is not shown: what it would take for its own settings.
    pub hide: Vec<String>,
    pub version: Vec<String>,
    pub tested: Option<Tested>,
    pub bad_invocation: Vec<i32>,
    /// Absent: the engine must be in the image.
    pub pack: Option<Recipe>,
    /// The command that puts it into an image, where there is no pack.
    pub image: String,
    /// Where it was read from; `None`: it comes with Arena.
    pub origin: Option<PathBuf>,
}

/// Arguments that stand or fall together: one with a placeholder that has no value takes its group away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(pub Vec<String>);

/// A file at a place in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub path: String,
    pub content: String,
}

/// Versions that Arena's own tests ran with: `from` and later, before `below`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    pub from: String,
    pub below: String,
}

/// What one run asks of an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The competitor's; the manifest's own stands in.
    pub model: Option<&'a str>,
    /// What is left to spend, for engines that can watch it themselves too.
    pub budget_usd: Option<f64>,
    /// Judge what is there instead of changing it.
    pub review: bool,
}

/// Why a manifest gives no command for a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("engine {0} needs a model; say `model = \"…\"` for this competitor")]
    NoModel(String),
    #[error("engine {0} has no command for reviews; name another engine")]
    NoReview(String),
}

impl Manifest {
    pub fn invocation(&self, request: &Request<'_>) -> Result<Invocation, Unfit> {
        let model = request.model.or(self.model.as_deref());
        let groups = if request.review { &self.review } else { &self.command };
        if groups.is_empty() {
            return Err(Unfit::NoReview(self.name.clone()));
        }
        if model.is_none() && self.names_model(groups) {
            return Err(Unfit::NoModel(self.name.clone()));
        }
        let values = fill::Values::new(model, request.budget_usd);
        let command = groups.iter().filter_map(|group| values.fill_all(&group.0)).flatten().collect();
        let pair = |(name, value): &(String, String)| Some((name.clone(), values.fill(value)?));
        let placed = |file: &Placed| Some(Placed { path: file.path.clone(), content: values.fill(&file.content)? });
        Ok(Invocation {
            command,
            timeout: Engine::DEFAULT_TIMEOUT,
            env: self.env.iter().filter_map(pair).collect(),
            files: Vec::new(),
            placed: self.files.iter().filter_map(placed).collect(),
            writable: self.writable.clone(),
            hidden: self.hide.clone(),
            dialect: self.dialect,
            bad_invocation: self.bad_invocation.clone(),
        })
    }

    /// The command that prints the version of what is installed.
    pub fn version_command(&self) -> Vec<String> {
        fill::Values::new(None, None).fill_all(&self.version).unwrap_or_default()
    }

    /// Whichever provider has the model will do.
    pub fn serves_any(&self) -> bool {
        self.provider == ANY
    }

    /// A competitor of this engine must name its model, for neither this file nor the engine itself has one.
    pub fn needs_model(&self) -> bool {
        self.model.is_none() && (self.serves_any() || self.names_model(&self.command))
    }

    fn names_model(&self, groups: &[Group]) -> bool {
        let around = Group(self.env.iter().map(|(_, value)| value.clone()).collect());
        let files = Group(self.files.iter().map(|file| file.content.clone()).collect());
        groups.iter().chain([&around, &files]).any(|group| group.names("model"))
    }

    pub fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// Whether Arena's own tests ran with this version.
    pub fn is_tested(&self, version: &str) -> bool {
        self.tested.as_ref().is_some_and(|tested| tested.covers(version))
    }

    /// The command that makes it usable.
    pub fn how_to_install(&self) -> String {
        match &self.pack {
            Some(_) => format!("arena engines install {}", self.name),
            None => format!("in the sandbox's image: {}", self.image),
        }
    }
}

impl Tested {
    pub fn covers(&self, version: &str) -> bool {
        let held = numbers(version);
        !held.is_empty() && held >= numbers(&self.from) && held < numbers(&self.below)
    }
}

impl Group {
    fn names(&self, placeholder: &str) -> bool {
        self.0.iter().any(|word| word.contains(&format!("{{{placeholder}}}")))
    }
}

/// The first numbers of a version in a text such as `codex-cli 0.163.0`.
pub fn numbers(text: &str) -> Vec<u64> {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let version = text[start..].split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

const EMBEDDED: [(&str, &str); 8] = [
    ("codex.toml", include_str!("codex.toml")),
    ("claude.toml", include_str!("claude.toml")),
    ("gemini.toml", include_str!("gemini.toml")),
    ("opencode.toml", include_str!("opencode.toml")),
    ("qwen.toml", include_str!("qwen.toml")),
    ("aider.toml", include_str!("aider.toml")),
    ("mini-swe-agent.toml", include_str!("mini-swe-agent.toml")),
    ("kimi.toml", include_str!("kimi.toml")),
];

static BUILT_IN: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    // A test parses each of them, so none is left out of a program that was tested.
    EMBEDDED.iter().filter_map(|(name, text)| parse::parse(name, text, None).ok()).collect()
});

/// The engines that come with Arena.
pub fn built_in() -> &'static [Manifest] {
    &BUILT_IN
}

/// The engines that come with Arena and those of a folder of `*.toml`, which stand in for one of the same name.
///
/// A folder that is not there holds none. Every problem of every file is told at once; a provider that is none of
/// `providers` is one.
pub fn load(folder: &Path, providers: &[String]) -> Result<Vec<Manifest>, Vec<Problem>> {
    let mut all = built_in().to_vec();
    let mut problems = Vec::new();
    for path in files(folder).map_err(|error| vec![unreadable(folder, &error)])? {
        let read = fs::read_to_string(&path).map_err(|error| vec![unreadable(&path, &error)]);
        match read.and_then(|text| parse::parse(&path.display().to_string(), &text, Some(providers))) {
            Ok(manifest) => {
                all.retain(|one| one.name != manifest.name);
                all.push(Manifest { origin: Some(path), ..manifest });
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// By its name or else by an alias.
pub fn find<'a>(manifests: &'a [Manifest], name: &str) -> Option<&'a Manifest> {
    let named = manifests.iter().find(|one| one.name == name);
    named.or_else(|| manifests.iter().find(|one| one.answers_to(name)))
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        origin: path.display().to_string(),
        line: None,
        path: String::new(),
        reason: format!("cannot be read: {error}"),
        mend: "make it readable, or move it away".to_owned(),
    }
}

#[cfg(test)]
mod tests;
