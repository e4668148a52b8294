//! `engines`: which ones a packet may name here, at which versions, and how to have more.

use super::{Done, packet};
use crate::args::{Common, EnginesAction};
use crate::engines::Known;
use crate::failure::{AGAIN, Failure, GENERAL, NOT_ALLOWED, NOT_FOUND, USAGE};
use crate::output;
use arena_domain::text::sanitise_line;
use arena_worker::engine::Manifest;
use arena_worker::engine::packs::{Installed, Pack, PackError};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn engines(common: &Common, action: Option<EnginesAction>, verify: bool, packet: Option<&Path>) -> Done {
    let known = Known::read(common)?;
    match action {
        None if verify => verified(&known).and_then(|()| list(common, &known, packet)),
        None => list(common, &known, packet),
        Some(EnginesAction::Install { name, wanted, dry_run }) => {
            install(common, &known, &name, wanted.as_deref(), dry_run)
        }
        Some(EnginesAction::Remove { name, wanted, dry_run }) => {
            remove(common, &known, &name, wanted.as_deref(), dry_run)
        }
    }
}

/// Every pack of every engine; the first that is not what was installed is the failure.
fn verified(known: &Known) -> Result<(), Failure> {
    let packs = &known.engines.packs;
    let mut all = known.engines.manifests.iter().flat_map(|one| packs.versions(&one.name));
    all.try_for_each(|pack| pack.verify().map_err(failure))
}

fn list(common: &Common, known: &Known, path: Option<&Path>) -> Done {
    let own: Vec<(String, String)> = match path {
        Some(path) => {
            let loaded = packet::load(common, path)?;
            loaded.packet.engines.iter().map(|(name, one)| (name.clone(), one.command.join(" "))).collect()
        }
        None => Vec::new(),
    };
    let others: Vec<(&Manifest, Vec<Pack>)> = known
        .engines
        .manifests
        .iter()
        .filter(|one| !own.iter().any(|(name, _)| *name == one.name))
        .map(|one| (one, known.engines.packs.versions(&one.name)))
        .collect();
    if common.json {
        let mine = own.iter().map(|(name, command)| json!({ "engine": name, "installed": true, "command": command }));
        let rows: Vec<Value> = mine.chain(others.iter().map(|(one, packs)| document(one, packs))).collect();
        output::json(&Value::Array(rows));
        return Ok(ExitCode::SUCCESS);
    }
    for (name, command) in &own {
        output::line(&format!("{name:<16} {:<10} {}", "packet", sanitise_line(command, 80)));
    }
    for (one, packs) in &others {
        for line in rows(one, packs) {
            output::line(&line);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each version, or one that says how to have it.
fn rows(one: &Manifest, packs: &[Pack]) -> Vec<String> {
    let start = format!("{:<16} {:<10}", one.name, one.provider);
    let model = if one.needs_model() { "; its competitors must name a `model`" } else { "" };
    if packs.is_empty() {
        return vec![format!("{start} not installed: {}{model}", one.how_to_install())];
    }
    let row = |pack: &Pack| {
        let tested = if one.is_tested(&pack.record.version) { "tested".to_owned() } else { untested(one) };
        format!("{start} {:<12} {:>5} MiB  {tested}{model}", pack.record.version, pack.record.bytes >> 20)
    };
    packs.iter().map(row).collect()
}

fn untested(one: &Manifest) -> String {
    match &one.tested {
        Some(tested) => format!("untested; tested are {} and later, before {}", tested.from, tested.below),
        None => "untested".to_owned(),
    }
}

fn document(one: &Manifest, packs: &[Pack]) -> Value {
    let versions: Vec<Value> = packs
        .iter()
        .map(|pack| {
            let mut row = json!(pack.record);
            row["folder"] = json!(pack.folder.display().to_string());
            row["tested"] = json!(one.is_tested(&pack.record.version));
            row
        })
        .collect();
    json!({
        "engine": one.name,
        "title": one.title,
        "aliases": one.aliases,
        "provider": one.provider,
        "model": one.model,
        "needs_model": one.needs_model(),
        "origin": one.origin.as_ref().map_or("built-in".to_owned(), |path| path.display().to_string()),
        "installed": !packs.is_empty(),
        "versions": versions,
        "tested": one.tested.as_ref().map(|tested| json!({ "from": tested.from, "below": tested.below })),
        "install": one.how_to_install(),
    })
}

fn install(common: &Common, known: &Known, name: &str, version: Option<&str>, dry_run: bool) -> Done {
    let one = known.find(name)?;
    if dry_run {
        let version = version.or(one.pack.as_ref().map(|recipe| recipe.version.as_str())).unwrap_or("no version");
        if common.json {
            output::json(&json!({ "would_install": one.name, "version": version }));
        } else {
            output::line(&format!("would install {} {version}", one.name));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !common.json {
        output::note(&format!("fetching {}", one.title));
    }
    let Installed { pack, before, remarks } = known.engines.packs.install(one, version).map_err(failure)?;
    for remark in remarks {
        output::note(&format!("note: {remark}"));
    }
    if common.json {
        output::json(&document(one, &[pack]));
        return Ok(ExitCode::SUCCESS);
    }
    let tested = if one.is_tested(&pack.record.version) { String::new() } else { format!(" ({})", untested(one)) };
    let verb = if before { "was there" } else { "is installed" };
    let folder = pack.folder.display();
    output::line(&format!(
        "{} {} {verb}: {folder}, {} MiB{tested}",
        one.name,
        pack.record.version,
        pack.record.bytes >> 20
    ));
    Ok(ExitCode::SUCCESS)
}

fn remove(common: &Common, known: &Known, name: &str, version: Option<&str>, dry_run: bool) -> Done {
    let one = known.find(name)?;
    let removed = if dry_run {
        let mut held = known.engines.packs.versions(&one.name);
        held.retain(|pack| version.is_none_or(|version| pack.record.version == version));
        held
    } else {
        known.engines.packs.remove(&one.name, version).map_err(failure)?
    };
    if common.json {
        output::json(&document(one, &removed));
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if dry_run { "would be removed" } else { "is removed" };
    for pack in removed {
        output::line(&format!("{} {} {verb}: {}", one.name, pack.record.version, pack.folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn failure(error: PackError) -> Failure {
    let code = match &error {
        PackError::NoRecipe { .. } | PackError::BadVersion(_) => USAGE,
        PackError::NotInstalled(_) => NOT_FOUND,
        PackError::Unreachable { .. } => AGAIN,
        PackError::Folder { .. } => NOT_ALLOWED,
        PackError::Machine { .. }
        | PackError::NoClient { .. }
        | PackError::Fetch { .. }
        | PackError::Broken(_)
        | PackError::Changed { .. }
        | PackError::Io(_) => GENERAL,
    };
    Failure::new(code, error.to_string(), error.mend())
}
