//! The packet's text: sections in the order a user thinks in, comments that say what each line is for.

use super::ecosystem::Ecosystem;
use super::survey::Survey;
use arena_domain::text::shell_quote;

pub(crate) fn packet(survey: &Survey) -> String {
    let parts = [
        opening(survey),
        session(survey),
        BRIEF.to_owned(),
        scope(survey),
        competitors(survey),
        gates(survey),
        HARNESS.to_owned(),
        BUDGET.to_owned(),
        sandbox(survey),
    ];
    let mut text = parts.map(|part| part.trim().to_owned()).join("\n\n");
    text.push('\n');
    text
}

fn opening(survey: &Survey) -> String {
    let kinds: Vec<&str> = survey.found.ecosystems.iter().map(|kind| kind.name()).collect();
    let kinds = if kinds.is_empty() { "no ecosystem known to Arena".to_owned() } else { kinds.join(" and ") };
    format!(
        "# A packet for `arena run`. This repository looks like: {kinds}.\n\
         # Change what is marked EDIT (`arena run` refuses what is not), then: arena check arena.toml && arena plan arena.toml"
    )
}

fn session(survey: &Survey) -> String {
    let title = quoted(&format!("EDIT: what this session is about ({})", survey.name));
    format!(
        r#"[session]
title      = {title}
goal       = "EDIT: what shall be better afterwards, in one sentence"
repository = "."
# base     = "main"              # branch, tag or commit; without it: HEAD
paradigm   = "compete"           # compete | auto
mode       = "team"              # solo | team | auto
parallel   = 2                   # competitors at a time
kind       = "optimize"          # optimize, feature, bugfix, refactor, or a label of your own"#
    )
}

const BRIEF: &str = r#"
# What every engine is told. The more exact, the better the contest: what to build, what must stay, what to do on errors.
[brief]
specification = """
EDIT: describe the change in your own words: what to do, where, and how it behaves on wrong input.
"""
acceptance    = ["EDIT: how somebody sees that it is done", "All gates pass"]
constraints   = ["EDIT: what must not change, for example the public interface"]
optimize_for  = ["stability", "readability"]
"#;

fn scope(survey: &Survey) -> String {
    let found = &survey.found;
    let allowed = patterns(found.sources.iter());
    let allowed = if found.sources.is_empty() {
        format!("{allowed}   # EDIT: nothing was found that looks like sources; a session needs at least one pattern")
    } else {
        allowed
    };
    format!(
        r#"# Where engines may write. Manifests, lock files, secrets, CI and build configuration are forbidden by default.
[scope]
allowed      = {allowed}
forbidden    = []
protected    = {protected}   # restored from the base before anything is evaluated
on_violation = "revert"          # revert | disqualify"#,
        protected = patterns(found.tests.iter()),
    )
}

fn competitors(survey: &Survey) -> String {
    format!(
        r#"# Two contestants. `arena engines` lists what is installed; then, for example: engine = "codex", engine = "claude".
[[competitor]]
name     = "fixer-minimal"
engine   = "fixer"               # EDIT: the engine that competes
approach = "minimal"             # iterative | functional | object-oriented | minimal | robust | your own words

[[competitor]]
name     = "fixer-robust"
engine   = "fixer"               # EDIT: another engine, or the same one with another approach
approach = "robust"

# An engine of your own is any command. It runs in a copy of the repository without a network; the brief is on standard
# input and in the file that $ARENA_BRIEF names. This one removes blanks at the ends of lines, to try the machinery.
[engine.fixer]
command = ["sh", "-c", {command}]
timeout = "10m""#,
        command = quoted(&fixer(survey)),
    )
}

/// Cleans the sources that the scope allows; without any, it reads its brief and changes nothing.
fn fixer(survey: &Survey) -> String {
    let found = &survey.found;
    let roots: Vec<String> = found.sources.iter().map(|pattern| shell_quote(pattern.trim_end_matches("/**"))).collect();
    if roots.is_empty() {
        return "wc -l < \"$ARENA_BRIEF\"".into();
    }
    let names: Vec<String> = found.endings.iter().map(|ending| format!("-name '*{ending}'")).collect();
    let names = if names.is_empty() { String::new() } else { format!(" '(' {} ')'", names.join(" -o ")) };
    // Binary files are skipped: grep -I takes them for files without a match.
    format!(
        "find {} -type f{names} -exec grep -lIE '[[:blank:]]+$' {{}} + | xargs -r -d '\\n' sed -i 's/[[:blank:]]*$//'",
        roots.join(" ")
    )
}

fn gates(survey: &Survey) -> String {
    let gates = &survey.found.gates;
    if gates.is_empty() {
        return r#"# EDIT: commands that must pass on the result. None was found in this repository.
# [[gate]]
# name    = "tests"
# kind    = "test"               # lint | build | test | static | review | custom
# run     = "EDIT"
# timeout = "10m""#
            .to_owned();
    }
    let written = gates.iter().map(|gate| {
        format!(
            "[[gate]]\nname     = {}\nkind     = {}\nrun      = {}\ntimeout  = \"10m\"\nrequired = true",
            quoted(&gate.name),
            quoted(gate.kind),
            quoted(&gate.run)
        )
    });
    format!(
        "# What must pass on every result, in fresh containers without a network.\n{}",
        written.collect::<Vec<_>>().join("\n\n")
    )
}

const HARNESS: &str = r#"
# What measures. Without it, gates and criteria alone decide. {scenario} is replaced by each scenario.
# [harness]
# run       = "EDIT: the command that runs the benchmark, with {scenario}"
# timeout   = "2m"
# scenarios = ["1", "2", "3"]
# holdout   = ["71", "72"]       # never shown to an engine
# repeats   = 5                  # pairs of base and candidate per scenario
#
# [[kpi]]
# name   = "wall"
# source = "wall_time"           # wall_time | cpu_time | peak_memory | { json = "/throughput" } | { regex = "rate: ([0-9.]+)" } | "stdout"
# unit   = "s"
# better = "lower"
# guard  = "2%"                  # worst regression allowed on any scenario
# target = "unknown"             # stop when reached
"#;

const BUDGET: &str = r#"
[budget]
rounds       = 2                 # engine runs per competitor
wall         = "1h"
stale_rounds = 1                 # stop after this many rounds without gain
# cost_usd   = 5.0
"#;

fn sandbox(survey: &Survey) -> String {
    let needs: Vec<&str> = survey.found.ecosystems.iter().copied().map(Ecosystem::needs).collect();
    let python_alone = survey.found.ecosystems.iter().all(|kind| *kind == Ecosystem::Python);
    let image = if python_alone {
        "image  = \"arena/base\"          # git, python3 and pytest".to_owned()
    } else {
        format!(
            "# arena/base holds git, python3 and pytest; the gates need {}.\n\
             image  = \"arena/base\"          # EDIT: a local image, or registry/name@sha256:...",
            needs.join(", ")
        )
    };
    let setup = survey.found.setup.join(" && ");
    let setup = if setup.is_empty() {
        String::new()
    } else {
        format!("\n# Fetches what the gates need, once per base.\n# setup  = {}", quoted(&setup))
    };
    format!("[sandbox]\n{image}\ncpus   = 1\nmemory = \"2GiB\"\ndisk   = \"2GiB\"\npids   = 512{setup}")
}

fn patterns<'a>(patterns: impl Iterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = patterns.map(|pattern| self::quoted(pattern)).collect();
    if quoted.len() <= 4 {
        return format!("[{}]", quoted.join(", "));
    }
    format!("[\n    {},\n]", quoted.join(",\n    "))
}

/// A basic TOML string, whatever it holds.
fn quoted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 2);
    safe.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe.push('"');
    safe
}
