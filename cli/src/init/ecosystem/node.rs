//! A package of Node: its scripts, else the test runner that it names or imports.

use super::{Found, MOST_TOP_FILES, Manifest, everything, is_tests};
use crate::init::survey::Survey;
use serde_json::Value;

const SCRIPTS: &[&str] = &[".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx"];
/// Lock files, the program that wrote them, and how it installs just what they say.
const INSTALLERS: [(&str, &str, &str); 4] = [
    ("package-lock.json", "npm", "npm ci"),
    ("npm-shrinkwrap.json", "npm", "npm ci"),
    ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
    ("yarn.lock", "yarn", "yarn install --frozen-lockfile"),
];
/// Scripts that make gates, with the kind of each; `test` is beside them.
const CHECKS: [(&str, &str, &str); 4] = [
    ("lint", "lint", "lint"),
    ("typecheck", "typecheck", "static"),
    ("type-check", "typecheck", "static"),
    ("build", "build", "build"),
];
/// Test runners by the package that brings them, and the command of one whole run.
const RUNNERS: [(&str, &str); 4] =
    [("vitest", "npx vitest run"), ("jest", "npx jest"), ("mocha", "npx mocha"), ("ava", "npx ava")];

pub(super) fn look(survey: &Survey, manifest: Manifest<'_>, found: &mut Found) {
    let package: Value = serde_json::from_str(&manifest("package.json")).unwrap_or_default();
    let installer = INSTALLERS.iter().find(|(lock, _, _)| survey.has_file(lock));
    let program = installer.map_or("npm", |(_, program, _)| program);
    for (script, name, kind) in CHECKS {
        if self::script(&package, script).is_some() {
            found.gate(name, kind, &format!("{program} run {script}"));
        }
    }
    if let Some(run) = tests(survey, manifest, &package, program) {
        found.gate("tests", "test", &run);
    }
    sources(survey, found);
    protected(survey, found);
    let install = installer.map_or("npm install", |(_, _, install)| install);
    if installer.is_some() || needs(&package).next().is_some() || package["workspaces"].is_array() {
        found.setup.push(install.into());
    }
}

/// What `npm init` writes where there is no test is none.
fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package["scripts"][name].as_str().filter(|script| !script.contains("no test specified"))
}

/// Names of the packages that it depends on.
fn needs(package: &Value) -> impl Iterator<Item = &str> {
    let lists = ["dependencies", "devDependencies"].into_iter().filter_map(|list| package[list].as_object());
    lists.flat_map(|list| list.keys().map(String::as_str))
}

fn tests(survey: &Survey, manifest: Manifest<'_>, package: &Value, program: &str) -> Option<String> {
    if script(package, "test").is_some() {
        return Some(format!("{program} test"));
    }
    if let Some((_, run)) = RUNNERS.iter().find(|(name, _)| needs(package).any(|need| need == *name)) {
        return Some((*run).to_owned());
    }
    let test = |path: &str| SCRIPTS.iter().any(|ending| path.ends_with(ending)) && is_test(path);
    let own = survey.files.iter().filter(|path| test(path)).any(|path| manifest(path).contains("node:test"));
    if own {
        return Some("node --test".to_owned());
    }
    let members = survey.files.iter().filter(|path| path.ends_with("/package.json"));
    let member =
        |path: &String| serde_json::from_str(&manifest(path)).is_ok_and(|member| script(&member, "test").is_some());
    let all = match program {
        "pnpm" => "pnpm -r test",
        "yarn" => "yarn workspaces run test",
        _ => "npm test --workspaces --if-present",
    };
    let workspaces = package["workspaces"].is_array() || survey.has_file("pnpm-workspace.yaml");
    (workspaces && members.into_iter().any(member)).then(|| all.to_owned())
}

fn is_test(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    name.contains(".test.") || name.contains(".spec.") || folders.split('/').any(is_tests)
}

fn sources(survey: &Survey, found: &mut Found) {
    for name in ["src", "lib", "app"] {
        let folders = survey.named(name).into_iter().filter(|folder| survey.holds(folder, SCRIPTS));
        let beside = |folder: &str| match folder.rsplit_once('/') {
            Some((parent, _)) => survey.has_file(&format!("{parent}/package.json")),
            None => true,
        };
        found.sources.extend(folders.filter(|folder| beside(folder)).map(everything));
    }
    let is_test = |path: &str| path.contains(".test.") || path.contains(".spec.");
    for ending in SCRIPTS {
        let top = survey.top_files(ending).into_iter().filter(|path| !is_test(path) && !path.contains(".config."));
        found.sources.extend(top.take(MOST_TOP_FILES).map(str::to_owned));
        if survey.any_file(|path| path.ends_with(ending)) {
            found.endings.insert(ending);
        }
    }
}

fn protected(survey: &Survey, found: &mut Found) {
    for ending in SCRIPTS {
        for middle in ["test", "spec"] {
            let end = format!(".{middle}{ending}");
            found.tests.extend(survey.any_file(|path| path.ends_with(&end)).then(|| format!("**/*{end}")));
        }
    }
    // Those of a member of a workspace lie beside its manifest.
    let folders = survey.folders.iter().map(String::as_str).filter(|folder| {
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        is_tests(name) && (parent.is_empty() || survey.has_file(&format!("{parent}/package.json")))
    });
    found.tests.extend(folders.filter(|folder| survey.holds(folder, SCRIPTS)).map(everything));
}
