//! What can be said of a packet by whoever knows its repository and this machine: nothing here forbids a run.

mod command;

use crate::machine;
use crate::userrepo::{RepoError, UserRepo};
use arena_domain::id::Commit;
use arena_domain::packet::{GateKind, Packet};
use arena_domain::scope::Reach;
use arena_proto::packet::{Places, Problem};
use arena_runtime::config::WorkerConfig;
use std::collections::BTreeSet;

/// The image that `deploy/image` makes, and what repositories often need that is not in it.
const BASE_IMAGE: &str = "arena/base";
const NOT_IN_BASE: &[&str] = &[
    "cargo", "rustc", "go", "node", "npm", "npx", "pnpm", "yarn", "bun", "deno", "java", "mvn", "gradle", "dotnet",
    "ruby", "bundle", "php",
];

/// The files of a commit and the folders they lie in.
struct Tree {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

/// Warnings, in the order of the packet's lines.
pub(crate) fn of(
    packet: &Packet,
    places: &Places,
    repository: &UserRepo,
    base: &Commit,
) -> Result<Vec<Problem>, RepoError> {
    let tree = Tree::new(repository.files(base)?);
    let mut warnings = patterns(packet, places, &tree);
    warnings.extend(references(packet, places, &tree));
    warnings.extend(commands(packet, places, &tree));
    warnings.extend(missing_tool(packet, places));
    warnings.sort_by_key(|warning| warning.line);
    Ok(warnings)
}

impl Tree {
    fn new(files: impl IntoIterator<Item = String>) -> Self {
        let files: BTreeSet<String> = files.into_iter().collect();
        let folders =
            files.iter().flat_map(|file| file.match_indices('/').map(|(end, _)| file[..end].to_owned())).collect();
        Self { files, folders }
    }

    fn holds(&self, path: &str) -> bool {
        let path = plain(path);
        path.is_empty() || self.files.contains(&path) || self.folders.contains(&path)
    }
}

/// `./a//b/` is `a/b`.
fn plain(path: &str) -> String {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    names.join("/")
}

/// `allowed` may name what is still to be written, so there it is the folder that must exist.
fn patterns(packet: &Packet, places: &Places, tree: &Tree) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let idle = |pattern: &str| match Reach::new(pattern) {
        Ok(reach) if !tree.files.iter().any(|file| reach.covers(file)) => Some(reach),
        Ok(_) | Err(_) => None,
    };
    for (index, pattern) in packet.scope.allowed.iter().enumerate() {
        let Some(reach) = idle(pattern) else { continue };
        if reach.folders().iter().any(|folder| tree.holds(folder)) {
            continue;
        }
        let reason = format!("\"{pattern}\" names nothing in the base commit, nor a folder of it");
        let mend = "correct the pattern, or leave it if all of that folder is to be written";
        warnings.push(places.problem(&format!("scope.allowed[{index}]"), reason, mend));
    }
    for (index, pattern) in packet.scope.protected.iter().enumerate() {
        if idle(pattern).is_some() {
            let reason = format!("\"{pattern}\" names nothing in the base commit, so it protects nothing");
            let mend = "correct the pattern, or take it away";
            warnings.push(places.problem(&format!("scope.protected[{index}]"), reason, mend));
        }
    }
    warnings
}

fn references(packet: &Packet, places: &Places, tree: &Tree) -> Vec<Problem> {
    let lists = [("targets", &packet.brief.targets), ("context", &packet.brief.context)];
    let missing = lists.into_iter().flat_map(|(name, paths)| {
        let absent = paths.iter().enumerate().filter(|(_, path)| !tree.holds(path));
        absent.map(move |(index, path)| (format!("brief.{name}[{index}]"), path))
    });
    let problem = |(place, path): (String, &String)| {
        let mend = "correct the path, or leave it if a competitor is to write it";
        places.problem(&place, format!("\"{path}\" is not in the base commit"), mend)
    };
    missing.map(problem).collect()
}

/// A program or script of the repository that a command begins with, and that is not there.
fn commands(packet: &Packet, places: &Places, tree: &Tree) -> Vec<Problem> {
    let gates = packet.gates.iter().enumerate().map(|(index, gate)| (format!("gate[{index}].run"), &gate.run));
    let harness = packet.harness.iter().map(|harness| ("harness.run".to_owned(), &harness.run));
    let builds = packet.sandbox.setup.is_some() || packet.gates.iter().any(|gate| gate.kind == GateKind::Build);
    let mut warnings = Vec::new();
    for (place, run) in gates.chain(harness) {
        let Some(file) = command::file(run).map(|file| plain(&file)).filter(|file| !tree.holds(file)) else { continue };
        // What is built lies in a folder of its own, which no commit holds.
        let top = file.split_once('/').map_or("", |(top, _)| top);
        if builds && !top.is_empty() && !tree.folders.contains(top) {
            continue;
        }
        let mend = "correct the path, commit the file, or leave it if a competitor is to write it";
        warnings.push(places.problem(&place, format!("\"{file}\" is not in the base commit"), mend));
    }
    warnings
}

/// A gate or harness whose program the image cannot have; a setup may bring it.
fn missing_tool(packet: &Packet, places: &Places) -> Option<Problem> {
    if packet.sandbox.image != BASE_IMAGE || packet.sandbox.setup.is_some() {
        return None;
    }
    let gates = packet.gates.iter().map(|gate| &gate.run);
    let mut programs =
        gates.chain(packet.harness.iter().map(|harness| &harness.run)).flat_map(|run| command::programs(run));
    let tool = programs.find(|program| NOT_IN_BASE.contains(program))?;
    let reason = format!("{BASE_IMAGE} does not have `{tool}`, which a gate or the harness runs");
    Some(places.problem("sandbox.image", reason, "name an image that has it: [sandbox] image = \"…\""))
}

/// What no worker of this machine could ever run.
pub(crate) fn unfit(packet: &Packet, places: &Places, worker: &WorkerConfig) -> Vec<Problem> {
    let machine = Machine {
        processors: machine::processors(),
        memory: worker.memory_mib.or_else(|| arena_worker::offer::memory().map(|bytes| mebibytes(bytes).1)),
        disk: worker.disk_mib,
        labels: worker.labels.iter().cloned().collect(),
    };
    let all = [too_many(packet, places, machine.processors), memory(packet, places, machine.memory)];
    let all = all.into_iter().chain([disk(packet, places, machine.disk), label(packet, places, &machine.labels)]);
    all.flatten().collect()
}

/// What this machine has for jobs, in MiB; nothing where nobody says.
struct Machine {
    processors: Option<u32>,
    memory: Option<u32>,
    disk: Option<u32>,
    labels: BTreeSet<String>,
}

/// As much as is needed, and as much as is there.
fn mebibytes(bytes: u64) -> (u32, u32) {
    let whole = |number| u32::try_from(number).unwrap_or(u32::MAX);
    (whole(bytes.div_ceil(1 << 20)), whole(bytes >> 20))
}

/// Docker gives a container more memory than there is, and the kernel then kills whatever it likes.
fn memory(packet: &Packet, places: &Places, machine: Option<u32>) -> Option<Problem> {
    let has = machine.filter(|has| mebibytes(packet.sandbox.memory_bytes).0 > *has)?;
    let reason = format!("is more than this machine has for jobs ({has} MiB)");
    Some(places.problem("sandbox.memory", reason, "write less, or run it on a larger machine"))
}

fn disk(packet: &Packet, places: &Places, machine: Option<u32>) -> Option<Problem> {
    let has = machine.filter(|has| mebibytes(packet.sandbox.disk_bytes).0 > *has)?;
    let reason = format!("is more than `disk_mib` under [worker] lets a job have ({has} MiB)");
    Some(places.problem("sandbox.disk", reason, "write less, or raise `disk_mib`"))
}

fn label(packet: &Packet, places: &Places, labels: &BTreeSet<String>) -> Option<Problem> {
    let missing = packet.labels.difference(labels).next()?;
    let reason = format!("this machine does not carry the label {missing}");
    let mend = "name it in `labels` under [worker], or run it on a team's fleet: `--coordinator URL`";
    Some(places.problem("placement.labels", reason, mend))
}

/// Docker refuses a container with more processors than there are.
fn too_many(packet: &Packet, places: &Places, machine: Option<u32>) -> Option<Problem> {
    let has = machine.filter(|has| packet.sandbox.cpus > f64::from(*has))?;
    let reason = format!("{} are more than the {has} of this machine, and Docker refuses that", packet.sandbox.cpus);
    Some(places.problem("sandbox.cpus", reason, format!("write at most {has}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = ["src/a.py", "src/deep/b.py", "tests/test_a.py", "bench/run.py", "run.sh"];

    fn said(more: &str) -> Vec<String> {
        let text = format!(
            "session.title = \"t\"\nsession.goal = \"g\"\nbrief.specification = \"Sort the lines of a file\"\n\
             brief.acceptance = [\"x\"]\nscope.forbidden = []\nharness.run = \"true\"\n{more}\n\
             [[kpi]]\nname = \"k\"\nsource = \"wall_time\"\n[[competitor]]\nengine = \"kimi\"\n"
        );
        let text = if text.contains("scope.allowed") { text } else { format!("scope.allowed = [\"src/**\"]\n{text}") };
        let text = if more.contains("harness.run") { text.replace("harness.run = \"true\"\n", "") } else { text };
        let packet = match arena_proto::packet::parse(&text) {
            Ok(parsed) => parsed.packet,
            Err(problems) => panic!("{problems:?}"),
        };
        let (places, tree) = (Places::of(&text), Tree::new(FILES.map(str::to_owned)));
        let mut all = patterns(&packet, &places, &tree);
        all.extend(references(&packet, &places, &tree));
        all.extend(commands(&packet, &places, &tree));
        all.extend(missing_tool(&packet, &places));
        all.extend(memory(&packet, &places, Some(1 << 10)).filter(|_| more.contains("memory")));
        all.extend(disk(&packet, &places, Some(4 << 10)));
        all.extend(label(&packet, &places, &BTreeSet::from(["rack=7".to_owned()])));
        all.extend(too_many(&packet, &places, Some(2)));
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_names_nothing_is_said_and_what_is_to_be_written_is_not() {
        let rows = [
            ("scope.allowed = [\"src/**\", \"run.sh\", \"src/new.py\", \"*.toml\"]", None),
            ("scope.allowed = [\"scr/**\"]", Some("scope.allowed[0]: \"scr/**\" names nothing")),
            ("scope.allowed = [\"src/**\", \"lib/x/y.py\"]", Some("scope.allowed[1]: ")),
            ("scope.protected = [\"tests/**\", \"bench\"]", None),
            ("scope.protected = [\"test/**\"]", Some("scope.protected[0]: \"test/**\" names nothing")),
            ("brief.targets = [\"src/a.py\", \"./src/deep/\"]", None),
            ("brief.targets = [\"src/c.py\"]", Some("brief.targets[0]: \"src/c.py\" is not in")),
            ("brief.context = [\"docs/x.md\"]", Some("brief.context[0]: \"docs/x.md\" is not in")),
            ("harness.run = \"python3 bench/run.py {scenario}\"\nharness.scenarios = [\"1\"]", None),
            ("harness.run = \"python3 bench/rum.py\"", Some("harness.run: \"bench/rum.py\" is not in")),
            ("gate = [{name = \"g\", run = \"./run.sh\"}]", None),
            ("gate = [{name = \"g\", run = \"./walk.sh\"}]", Some("gate[0].run: \"walk.sh\" is not in")),
            ("gate = [{name = \"g\", run = \"make\", kind = \"build\"}, {name = \"h\", run = \"out/x\"}]", None),
            (
                "gate = [{name = \"g\", run = \"make\", kind = \"build\"}, {name = \"h\", run = \"src/x\"}]",
                Some("gate[1]"),
            ),
            ("sandbox.memory = \"2GiB\"", Some("sandbox.memory: is more than this machine has for jobs (1024 MiB)")),
            (
                "gate = [{name = \"g\", run = \"cd src && cargo test\"}]",
                Some("sandbox.image: arena/base does not have `cargo`"),
            ),
            ("gate = [{name = \"g\", run = \"cargo test\"}]\nsandbox.image = \"rust\"", None),
            (
                "sandbox.disk = \"5GiB\"",
                Some("sandbox.disk: is more than `disk_mib` under [worker] lets a job have (4096"),
            ),
            ("placement.labels = [\"rack=7\"]", None),
            ("placement.labels = [\"rack\"]", Some("placement.labels: this machine does not carry the label rack;")),
            ("sandbox.cpus = 3", Some("sandbox.cpus: 3 are more than the 2 of this machine")),
        ];
        for (more, expected) in rows {
            let said = said(more);
            match expected {
                Some(text) => assert!(said.len() == 1 && said[0].contains(text), "{more}: {said:#?}"),
                None => assert_eq!(said, Vec::<String>::new(), "{more}"),
            }
        }
    }
}
