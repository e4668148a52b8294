//! What this worker tells a coordinator of itself: what it can run, what it has for its jobs, and which kind of machine it is.

use crate::broker::Readiness;
use crate::engine::Manifest;
use crate::run::{Context, Engines, Settings};
use crate::space::{self, LOW};
use arena_proto::v1;
use arena_runtime::digest;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Digits of a class of machines.
const DIGITS: usize = 12;

/// As it is now: packs and keys may have come or gone since the last greeting.
pub(crate) fn of(context: &Context) -> v1::Offer {
    let settings = &context.settings;
    v1::Offer {
        abilities: abilities(context),
        measure_slots: measure_slots(settings),
        memory_mib: settings.memory_mib.or_else(|| memory().map(mebibytes)).unwrap_or(u32::MAX),
        disk_mib: disk(context),
        hardware: hardware(settings),
        machine: machine(settings),
        runtime: runtime(settings).to_owned(),
    }
}

/// One for each set of cores. Without any, gates run side by side as engines do, and runs of the harness one at a time.
fn measure_slots(settings: &Settings) -> u32 {
    match settings.measure_cores.len() {
        0 => settings.slots,
        many => u32::try_from(many).unwrap_or(u32::MAX),
    }
}

fn runtime(settings: &Settings) -> &str {
    settings.runtime.as_deref().unwrap_or("runc")
}

/// Engines that are installed or need not be, and whose provider has a key here; and those providers, for a packet's own
/// engines.
fn abilities(context: &Context) -> Vec<String> {
    let Engines { manifests, packs, config, environment: _ } = &context.settings.engines;
    let has_key = |provider: &str| matches!(context.broker.credential(provider), Readiness::Ready);
    let is_ready = |one: &&Manifest| {
        (one.pack.is_none() || packs.choose(one, None).is_some()) && (one.serves_any() || has_key(&one.provider))
    };
    let ready = manifests.iter().filter(is_ready);
    let names = ready.flat_map(|one| one.aliases.iter().chain([&one.name])).map(|name| format!("engine {name}"));
    let providers = config.providers.keys().filter(|name| has_key(name)).map(|name| format!("provider {name}"));
    names.chain(providers).collect()
}

/// In MiB: what may still be written, and what the disks of running jobs hold of it already.
pub(crate) fn disk(context: &Context) -> u32 {
    if let Some(said) = context.settings.disk_mib {
        return said;
    }
    let Ok(free) = space::free(&context.settings.root) else { return u32::MAX };
    let held = context.disks.held();
    // 0 is no answer.
    mebibytes(free.saturating_sub(LOW).saturating_add(held)).max(1)
}

/// What the images in a folder take up on their disk; they are sparse.
pub(crate) fn blocks(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|file| file.blocks().saturating_mul(512)).sum()
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX)
}

/// Bytes of this machine's memory.
pub fn memory() -> Option<u64> {
    total(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// The class of this machine, which every figure that it measures carries.
pub(crate) fn hardware(settings: &Settings) -> String {
    let mut class = digest::sha256(machine(settings).as_bytes());
    class.truncate(DIGITS);
    class
}

/// Machines of the same words measure alike.
fn machine(settings: &Settings) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = memory().map_or(0, |bytes| (bytes + (1 << 29)) >> 30);
    let own = match settings.measure_cores.as_slice() {
        [] => "shared cores".to_owned(),
        sets => format!("own cores {}", sets.iter().map(|set| width(set).to_string()).collect::<Vec<_>>().join("+")),
    };
    let (model, arch, runtime) = (model(&cpuinfo), std::env::consts::ARCH, runtime(settings));
    format!("{model}, {cores} cores, {memory} GiB, {arch}, {runtime}, {own}")
}

/// How many cores a set such as `2-3,6` has.
fn width(set: &str) -> u32 {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    set.split(',').filter_map(part).sum()
}

/// As the kernel names it: by name, or else by the numbers that it goes by where it has none.
fn model(cpuinfo: &str) -> String {
    let field = |name: &str| {
        let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    let numbers = || Some(format!("CPU {} {}", field("CPU implementer")?, field("CPU part")?));
    field("model name").or_else(numbers).unwrap_or_else(|| "unknown CPU".to_owned())
}

fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(total("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1 << 20));
        assert_eq!(total("nothing"), None);
        assert_eq!(model("processor\t: 0\nmodel name\t: Some CPU @ 2.5GHz\n"), "Some CPU @ 2.5GHz");
        assert_eq!(model("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"), "CPU 0x41 0xd0c");
        assert_eq!(model(""), "unknown CPU");
        assert_eq!(["1", "2-3", "0,4-6", "x"].map(width), [1, 2, 4, 0]);
    }

    #[test]
    fn a_sparse_image_holds_what_was_written_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = fs::File::create(folder.path().join("image")).unwrap();
        image.set_len(1 << 30).unwrap();
        assert!(blocks(folder.path()) < 1 << 20);
        fs::write(folder.path().join("whole"), vec![1u8; 4 << 20]).unwrap();
        let held = blocks(folder.path());
        assert!((4 << 20..5 << 20).contains(&held), "{held}");
        assert_eq!(blocks(Path::new("/nowhere")), 0);
    }
}
