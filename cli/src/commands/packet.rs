//! Reading a packet from its file, with everything that can be said of it before anything runs.

use crate::advice;
use crate::args::Common;
use crate::doors::{self, Wrong};
use crate::engines::{Known, Missing};
use crate::failure::{Failure, NOT_FOUND, USAGE};
use crate::lineup::{Lineup, lineup};
use crate::sudo;
use crate::team;
use crate::userrepo::UserRepo;
use arena_domain::brief;
use arena_domain::id::{Commit, SessionId, Tenant};
use arena_domain::packet::{MAX_PACKET_BYTES, Packet};
use arena_domain::session::{Contestant, Session};
use arena_proto::MAX_FILES;
use arena_proto::packet::{self, Places, Problem};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A packet that may run, and where it lies.
pub(crate) struct Loaded {
    pub text: String,
    pub packet: Packet,
    pub warnings: Vec<Problem>,
    /// What `arena init` began and nobody has written; it is among the warnings.
    unwritten: Vec<Problem>,
    /// Where its values stand, for what is only found out later.
    pub places: Places,
    /// The packet's folder: engines' files are beside it.
    pub folder: PathBuf,
    /// The packet itself.
    pub path: PathBuf,
    pub engines: Known,
    /// Why its competitors are these, where the packet names none.
    pub lineup: Option<String>,
    /// It goes to a team's workers, which are other machines than this one.
    pub of_a_team: bool,
}

pub(crate) enum Unusable {
    Problems(Vec<Problem>),
    Failure(Failure),
}

/// Reads at most a byte more than a packet may have: a huge file costs nothing.
pub(crate) fn read(common: &Common, path: &Path) -> Result<Loaded, Unusable> {
    let failed = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { USAGE };
        let mend = if error.kind() == ErrorKind::PermissionDenied {
            "a packet is read with the rights of whoever says it, also by sudo: `ls -lL` tells whose it is; `chown` it, or say \
             the command as root alone: `env -u SUDO_UID arena …`"
        } else {
            "`arena init` writes a packet to start from"
        };
        Unusable::Failure(Failure::new(code, format!("{}: {error}", path.display()), mend))
    };
    let mut bytes = Vec::new();
    let file = sudo::reading(path, |path| File::open(path)).and_then(|file| file).map_err(failed)?;
    file.take(MAX_PACKET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_PACKET_BYTES {
        // It ends where the reading stopped, maybe within a character: it is refused for its length and nothing else.
        packet::parse(&String::from_utf8_lossy(&bytes)).map_err(Unusable::Problems)?;
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let what = format!("{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to());
        Unusable::Failure(Failure::new(USAGE, what, "save the packet as UTF-8"))
    })?;
    let engines = Known::read(common).map_err(Unusable::Failure)?;
    let (text, lineup) = match lineup(&text, || engines.ready()) {
        Lineup::Stated => (text, None),
        Lineup::Chosen { text, why } => (text, Some(why)),
        Lineup::Nobody => {
            let modelless = engines.ready().modelless.join(", ");
            let none = match modelless.is_empty() {
                true => "no engine is ready here".to_owned(),
                false => format!("none that is ready here has a model of its own ({modelless})"),
            };
            let what = format!("{} names no competitor, and {none}", path.display());
            return Err(Unusable::Failure(Failure::new(USAGE, what, engines.how_to_begin())));
        }
    };
    let parsed = packet::parse_among(&text, &engines.names()).map_err(Unusable::Problems)?;
    let whole = std::fs::canonicalize(path).map_err(failed)?;
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    let places = Places::of(&text);
    let mut packet = parsed.packet;
    packet.found.contextual = engines.contextual();
    let (warnings, unwritten) = (parsed.warnings, parsed.unwritten);
    let of_a_team = team::is_named(common, &engines.engines.config).map_err(Unusable::Failure)?;
    Ok(Loaded { text, packet, warnings, unwritten, places, folder, path: whole, engines, lineup, of_a_team })
}

/// As an error that shows every problem.
pub(crate) fn load(common: &Common, path: &Path) -> Result<Loaded, Failure> {
    read(common, path).map_err(|unusable| match unusable {
        Unusable::Failure(failure) => failure,
        Unusable::Problems(problems) => refusal(path, &problems),
    })
}

/// A packet that is to run: one that `arena init` began and nobody has finished is refused.
pub(crate) fn load_to_run(common: &Common, path: &Path) -> Result<Loaded, Failure> {
    let loaded = load(common, path)?;
    if loaded.unwritten.is_empty() { Ok(loaded) } else { Err(refusal(path, &loaded.unwritten)) }
}

fn refusal(path: &Path, problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
    let mend = format!("`arena check {}` says it again after each change", path.display());
    Failure::new(USAGE, lines.join("\n"), mend)
}

impl Loaded {
    /// The repository and the base commit.
    pub(crate) fn base(&self) -> Result<(UserRepo, Commit), Failure> {
        let repository = UserRepo::open(&self.folder.join(&self.packet.repository))?;
        let base = repository.resolve(self.packet.base.as_deref())?;
        Ok((repository, base))
    }

    /// Every warning there is, in the order of lines: of the packet alone, and of it in this repository and machine.
    pub(crate) fn all_warnings(&self, repository: &UserRepo, base: &Commit) -> Result<Vec<Problem>, Failure> {
        let mut warnings = self.warnings.clone();
        if !self.of_a_team {
            warnings.extend(self.engine_warnings());
        }
        warnings.extend(self.idle_egress());
        warnings.extend(self.doors(if self.of_a_team { Wrong::AsConfigured } else { Wrong::Here }));
        warnings.extend(self.shown_holdout(repository, base));
        warnings.extend(advice::of(&self.packet, &self.places, repository, base)?);
        warnings.sort_by_key(|warning| warning.line);
        Ok(warnings)
    }

    /// What a person is told of it before it is planned or run.
    pub(crate) fn warn(&self, repository: &UserRepo, base: &Commit) -> Result<(), Failure> {
        if let Some(why) = &self.lineup {
            crate::output::note(&format!("note: {why}"));
        }
        for warning in self.all_warnings(repository, base)? {
            crate::output::note(&format!("warning: {}: {warning}", self.path.display()));
        }
        Ok(())
    }

    /// What asks for more than this machine has: it would be refused by Docker after everything else was made, or never begin.
    pub(crate) fn check_machine(&self) -> Result<(), Failure> {
        let unfit = advice::unfit(&self.packet, &self.places, &self.engines.engines.config.worker);
        let Some(problem) = unfit.into_iter().next() else { return Ok(()) };
        let Problem { line, path, reason, mend } = problem;
        Err(Failure::new(USAGE, format!("{}: line {line}: {path}: {reason}", self.path.display()), mend))
    }

    /// What no machine that it may go to could run: a team's workers have configurations, engines and keys of their own.
    pub(crate) fn wrong_doors(&self) -> Vec<Problem> {
        let everywhere = self.doors(Wrong::Everywhere);
        let here = if self.of_a_team { Vec::new() } else { self.doors(Wrong::AsConfigured) };
        everywhere.into_iter().chain(here).collect()
    }

    fn doors(&self, wrong: Wrong) -> Vec<Problem> {
        let shut = doors::shut(&self.packet, &self.places, &self.engines);
        shut.iter().filter(|shut| shut.wrong == wrong).map(|shut| shut.problem(&self.places)).collect()
    }

    pub(crate) fn check_doors(&self) -> Result<(), Failure> {
        let wrong = self.wrong_doors();
        if wrong.is_empty() { Ok(()) } else { Err(refusal(&self.path, &wrong)) }
    }

    /// Engines that are not ready on this machine: another one may run the packet.
    fn engine_warnings(&self) -> Vec<Problem> {
        let lacks = |name| self.engines.missing(name).or_else(|| self.engines.untested(name));
        let missing = self.engines_from_outside().into_iter().filter_map(|name| Some((name, lacks(name)?)));
        missing
            .map(|(name, Missing { reason, mend })| self.places.problem(&self.engine_place(name), reason, mend))
            .collect()
    }

    /// Ways out of engines that do not take part.
    fn idle_egress(&self) -> Vec<Problem> {
        let plays = |name: &str| self.engines_from_outside().iter().any(|engine| self.engines.are_one(engine, name));
        let idle = self.packet.egress.keys().filter(|name| !plays(name));
        let problem = |name: &String| {
            let reason = format!("no competitor is {name}, so this opens nothing");
            self.places.problem(&format!("engine.{name}"), reason, "correct the name, or take it away")
        };
        idle.map(problem).collect()
    }

    /// Where an engine is first named.
    fn engine_place(&self, engine: &str) -> String {
        let index = self.packet.competitors.iter().position(|one| one.engine == engine);
        let declared = index.map(|index| format!("competitor[{index}].engine"));
        // What is not declared one by one comes of the matrix.
        declared.filter(|place| self.places.has(place)).unwrap_or_else(|| "matrix.engine".to_owned())
    }

    /// A committed packet shows its holdout scenarios to every engine that reads it.
    fn shown_holdout(&self, repository: &UserRepo, base: &Commit) -> Option<Problem> {
        let holdout = self.packet.harness.as_ref().is_some_and(|harness| !harness.holdout.is_empty());
        let inside = self.path.strip_prefix(repository.root()).ok().filter(|_| holdout)?;
        repository.holds(base, inside).then(|| {
            let reason = format!("{} is committed, so every engine can read its holdout scenarios", inside.display());
            self.places.problem("harness.holdout", reason, "keep it beside the repository")
        })
    }

    /// Engines of competitors that the packet does not define itself, once each.
    pub(crate) fn engines_from_outside(&self) -> BTreeSet<&str> {
        let names = self.packet.competitors.iter().map(|one| one.engine.as_str());
        names.filter(|engine| !self.packet.engines.contains_key(*engine)).collect()
    }

    /// Every engine must be ready here before money is spent on any.
    pub(crate) fn check_engines(&self) -> Result<(), Failure> {
        self.check_doors()?;
        let wrong: Vec<Missing> =
            self.engines_from_outside().into_iter().filter_map(|name| self.engines.missing(name)).collect();
        if let Some(first) = wrong.first() {
            let reasons: Vec<&str> = wrong.iter().map(|one| one.reason.as_str()).collect();
            return Err(Failure::new(USAGE, reasons.join("\n"), first.mend.clone()));
        }
        let shut = doors::shut(&self.packet, &self.places, &self.engines);
        let shut: Vec<Problem> = shut.iter().map(|shut| shut.problem(&self.places)).collect();
        if shut.is_empty() { Ok(()) } else { Err(refusal(&self.path, &shut)) }
    }

    /// What each competitor is told first; a brief that lacks a part is refused before anything runs.
    pub(crate) fn briefs(&self, base: &Commit) -> Result<Vec<(String, String)>, Failure> {
        let packet = &self.packet;
        let session = Session::new(SessionId::new("plan"), Tenant::local(), packet.clone(), base.clone());
        let told = |one: &Contestant| {
            let composed = brief::compose(packet, one, 1, None).map_err(|incomplete| {
                let mend = format!("say it in {}", self.path.display());
                Failure::new(USAGE, incomplete.to_string(), mend)
            });
            Ok((one.competitor.name.to_string(), composed?))
        };
        session.contestants.iter().map(told).collect()
    }

    /// The files that engines name, as one archive; a name may be a folder.
    pub(crate) fn files(&self) -> Result<Vec<u8>, Failure> {
        if self.packet.engines.values().all(|engine| engine.files.is_empty()) {
            return Ok(Vec::new());
        }
        let archive = sudo::reading(&self.folder, |folder| self.packed(folder))??;
        if archive.len() > MAX_FILES {
            let what = format!(
                "the engines' files take {} MiB, and at most {} are taken",
                archive.len() >> 20,
                MAX_FILES >> 20
            );
            return Err(Failure::new(
                USAGE,
                what,
                "name fewer or smaller ones under `files`; put tools into the sandbox image",
            ));
        }
        Ok(archive)
    }
    /// By whoever may read them: `folder` is the packet's own.
    fn packed(&self, folder: &Path) -> Result<Vec<u8>, Failure> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.mode(tar::HeaderMode::Deterministic);
        for (engine, name) in
            self.packet.engines.iter().flat_map(|(name, engine)| engine.files.iter().map(move |file| (name, file)))
        {
            let path = folder.join(name);
            let added = if path.is_dir() {
                archive.append_dir_all(name, &path)
            } else {
                archive.append_path_with_name(&path, name)
            };
            added.map_err(|error| {
                let what = format!("[engine.{engine}] files: {}: {error}", self.folder.join(name).display());
                Failure::new(USAGE, what, "files are named relative to the packet's folder")
            })?;
        }
        Ok(archive.into_inner()?)
    }
}
