//! One machine: coordinator, store and worker in this process, joined by the same gRPC over an in-process channel.

use crate::args::Common;
use crate::failure::{Failure, GENERAL, NOT_ALLOWED, NOT_FOUND, UNREACHABLE, USAGE};
use crate::home;
use arena_coordinator::store::{Store, StoreError};
use arena_coordinator::{Coordinator, api};
use arena_domain::id::{SessionId, WorkerId};
use arena_domain::schedule::Limits;
use arena_runtime::config::{self, Config};
use arena_runtime::tasks;
use arena_worker::link::{LinkError, Worker};
use arena_worker::reach::Reach;
use arena_worker::run::{Engines, Settings};
use arena_worker::sandbox::Docker;
use arena_worker::space::Reserve;
use arena_worker::workspace::Backend;
use hyper_util::rt::TokioIo;
use rustix::fs::{Access, FlockOperation, access, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

/// The open state directory, and the way in.
pub(crate) struct Embedded {
    pub state: PathBuf,
    pub config: Config,
    pub coordinator: Coordinator,
    pub channel: Channel,
    engines: Engines,
}

impl Embedded {
    pub(crate) async fn open(common: &Common) -> Result<Self, Failure> {
        Self::at(common, state_folder(common)?, Store::open).await
    }

    /// What is there already, for every command but `run`: nothing is made by looking, and where nothing can be
    /// written the looking goes on.
    pub(crate) async fn existing(common: &Common) -> Result<Self, Failure> {
        Self::at(common, existing_folder(common)?, or_look).await
    }

    /// For who only tries: no folder is made, and no store in one. Where there is none yet: the folder that it would be in.
    pub(crate) async fn begun(common: &Common) -> Result<Result<Self, PathBuf>, Failure> {
        let (state, engines) = (state_place(common)?, crate::engines::engines(common)?);
        if engines.config.store.url.is_none() && !Store::is_in(&state) {
            crate::limits::limits(&engines.config, &engines.manifests)?;
            return Ok(Err(state));
        }
        Self::over(engines, state, or_look).await.map(Ok)
    }

    async fn at(
        common: &Common,
        state: PathBuf,
        open: impl FnOnce(&Path, Limits) -> Result<Store, StoreError>,
    ) -> Result<Self, Failure> {
        Self::over(crate::engines::engines(common)?, state, open).await
    }

    async fn over(
        engines: Engines,
        state: PathBuf,
        open: impl FnOnce(&Path, Limits) -> Result<Store, StoreError>,
    ) -> Result<Self, Failure> {
        let config = engines.config.clone();
        let store = home::store(&engines, &state, home::Part::Asks, open).await?;
        let coordinator = Coordinator::new(store, home::blobs(&config, &state)?);
        let channel = serve(&coordinator).await?;
        Ok(Self { state, config, coordinator, channel, engines })
    }

    /// Whoever holds it moves the session; the kernel frees it when the process ends, however it ends.
    pub(crate) fn hold(&self, id: &SessionId) -> Result<Hold, Failure> {
        if home::is_a_teams(&self.state) {
            let what = format!("{} is a team's: its workers run the sessions in it", self.state.display());
            return Err(Failure::new(
                USAGE,
                what,
                "`--coordinator https://HOST:7443`, or another directory: `--state DIR`",
            ));
        }
        let folder = self.folder(id);
        fs::create_dir_all(&folder)?;
        let file = File::options().create(true).append(true).open(folder.join("lock"))?;
        match lock(&file) {
            Ok(()) => Ok(Hold { _lock: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::new(
                crate::failure::AGAIN,
                format!("session {id} runs in another process"),
                format!("`arena watch {id}` follows it"),
            )),
            Err(error) => Err(std::io::Error::from(error).into()),
        }
    }

    pub(crate) fn is_running(&self, id: &SessionId) -> bool {
        if home::is_a_teams(&self.state) {
            return true;
        }
        // Looking makes nothing: without the file nobody holds it.
        let lock = File::open(self.folder(id).join("lock"));
        lock.is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK))
    }

    /// Where the reports of a session lie.
    pub(crate) fn folder(&self, id: &SessionId) -> PathBuf {
        self.state.join("sessions").join(id.as_str())
    }

    /// Docker, or the error that says how to have it.
    pub(crate) async fn docker(&self) -> Result<Docker, Failure> {
        let docker = Docker::connect(None).await.map_err(unreachable)?;
        docker.ping().await.map_err(unreachable)?;
        Ok(docker)
    }

    /// A worker of this process for one session.
    pub(crate) async fn worker(&self, only: &SessionId, slots: u32) -> Result<Worker, Failure> {
        let settings = Settings { only_session: only.to_string(), ..settings(&self.engines, &self.state, slots)? };
        let worker = Worker::start(settings, Reach::inside(self.channel.clone())).await.map_err(worker_failure)?;
        self.release(worker.dead_boots()).await?;
        Ok(worker)
    }

    /// The slots of workers that are dead are free at once, not when their leases run out.
    pub(crate) async fn release(&self, boots: &[String]) -> Result<(), Failure> {
        let workers = boots.iter().map(WorkerId::new).collect();
        self.coordinator.bury(workers).await?;
        Ok(())
    }
}

fn or_look(folder: &Path, limits: Limits) -> Result<Store, StoreError> {
    let opened = Store::open(folder, limits.clone());
    let looked = matches!(opened, Err(StoreError::ReadOnly(_))).then(|| Store::look(folder, limits));
    looked.and_then(Result::ok).map_or(opened, Ok)
}

/// A session's lock, held.
pub(crate) struct Hold {
    _lock: File,
}

/// Of a worker on this machine, whoever its coordinator is.
pub(crate) fn settings(engines: &Engines, state: &Path, slots: u32) -> Result<Settings, Failure> {
    let config = &engines.config.worker;
    let backend = Backend::choose(config.workspaces);
    if backend == Backend::Overlay && !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            NOT_ALLOWED,
            "workspaces on overlays are mounted, and mounting needs root",
            "run it with sudo, or take the other kind: `ARENA_WORKER_WORKSPACES=volume arena …`",
        ));
    }
    let root = state.join("worker");
    fs::create_dir_all(&root)?;
    let reserve = Some(reserve(state, &root)?);
    Ok(Settings {
        relay: arena_worker::relay::lay_down(&root)?,
        root,
        slots,
        measure_cores: config.measure_cores.clone(),
        // The engine's own default is runc; naming it would only add a way to fail.
        runtime: Some(config.runtime.clone()).filter(|runtime| runtime != "runc"),
        only_session: String::new(),
        docker_host: None,
        reserve,
        backend,
        engines: engines.clone(),
        labels: config.labels.clone(),
        memory_mib: config.memory_mib,
        disk_mib: config.disk_mib,
    })
}

/// A disk that is full of what is kept and not used has room.
fn reserve(state: &Path, root: &Path) -> std::io::Result<Reserve> {
    match Reserve::hold(state) {
        Err(error) if arena_runtime::files::is_full(&error) => {
            arena_worker::cache::evict(root, arena_worker::cache::Bounds::NOTHING)?;
            Reserve::hold(state)
        }
        held => held,
    }
}

fn unreachable(error: arena_worker::sandbox::Error) -> Failure {
    Failure::new(UNREACHABLE, error.to_string(), error.mend())
}

pub(crate) fn worker_failure(error: LinkError) -> Failure {
    match error {
        LinkError::Sandbox(error) => unreachable(error),
        LinkError::Io(error) => error.into(),
        LinkError::Rpc(status) => status.into(),
        LinkError::Refused(refusal) => Failure::new(NOT_ALLOWED, refusal.to_string(), refusal.mend),
        LinkError::Broker(error) => Failure::new(GENERAL, format!("the broker: {error}"), error.mend()),
    }
}

/// Made, and canonical.
pub(crate) fn state_folder(common: &Common) -> Result<PathBuf, Failure> {
    let folder = state_path(common)?;
    fs::create_dir_all(&folder).and_then(|()| fs::canonicalize(&folder)).map_err(|error| no_folder(&folder, error))
}

/// The same, which must be there.
fn existing_folder(common: &Common) -> Result<PathBuf, Failure> {
    let folder = state_path(common)?;
    if folder.is_dir() {
        return fs::canonicalize(&folder).map_err(|error| no_folder(&folder, error));
    }
    if folder.exists() {
        return Err(no_folder(&folder, std::io::ErrorKind::NotADirectory.into()));
    }
    Err(no_state(&folder))
}

pub(crate) fn no_state(folder: &Path) -> Failure {
    let there = if folder.exists() { "nothing is kept yet in" } else { "there is no" };
    let what = format!("{there} state directory {}", folder.display());
    let mend = "name the right one: `--state DIR` (`arena sessions` lists what is in it); `arena run PACKET` makes one";
    Failure::new(NOT_FOUND, what, mend)
}

/// Where it is or would be, if it can be there; nothing is made.
pub(crate) fn state_place(common: &Common) -> Result<PathBuf, Failure> {
    let folder = state_path(common)?;
    let refused = |error: std::io::Error| no_folder(&folder, error);
    if folder.is_dir() {
        return fs::canonicalize(&folder).map_err(refused);
    }
    let whole = std::path::absolute(&folder).map_err(refused)?;
    let above = whole.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(&whole);
    if !above.is_dir() {
        return Err(refused(std::io::ErrorKind::NotADirectory.into()));
    }
    access(above, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| refused(error.into()))?;
    Ok(whole)
}

/// What is no directory, or can be none there, with its mend.
fn no_folder(folder: &Path, error: std::io::Error) -> Failure {
    use std::io::ErrorKind::{AlreadyExists, NotADirectory, NotFound};
    let shown = folder.display();
    if matches!(error.kind(), AlreadyExists | NotADirectory) {
        let what = format!("the state directory {shown} is, or lies below, what is no directory");
        return Failure::new(USAGE, what, "name a directory: `--state DIR`");
    }
    if error.kind() == NotFound {
        // The kernel's own file systems say so of what cannot be made in them.
        let what = format!("the state directory {shown} cannot be made there");
        return Failure::new(NOT_ALLOWED, what, "name a directory that can be written: `--state DIR`");
    }
    let failure = Failure::from(error);
    let mend = if failure.mend.is_empty() { "name another directory: `--state DIR`".to_owned() } else { failure.mend };
    Failure { what: format!("{shown}: {}", failure.what), mend, ..failure }
}

fn state_path(common: &Common) -> Result<PathBuf, Failure> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let default = || std::env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or_else(home);
    let folder = common.state.clone().or_else(|| default().map(|dir| dir.join("arena")));
    folder.ok_or_else(|| Failure::new(USAGE, "no state directory: HOME is not set", "give one: `--state DIR`"))
}

/// The file that is read: the one that was named, or the usual one where it is there.
pub(crate) fn configuration_file(common: &Common) -> Option<PathBuf> {
    common.config.clone().or_else(|| usual_configuration().filter(|path| path.exists()))
}

pub(crate) fn usual_configuration() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    base.or_else(home).map(|dir| dir.join("arena/config.toml"))
}

pub(crate) fn configuration(common: &Common) -> Result<Config, Failure> {
    let file = configuration_file(common);
    config::load(file.as_deref(), &|name| std::env::var(name).ok(), &[]).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(USAGE, lines.join("\n"), "correct the configuration; `arena doctor` shows which file is read")
    })
}

/// The user's own engines: `engines/*.toml` beside the configuration.
pub(crate) fn engines_folder(common: &Common) -> Option<PathBuf> {
    let file = common.config.clone().or_else(usual_configuration)?;
    file.parent().map(|folder| folder.join("engines"))
}

/// The services over pairs of pipes inside this process: no socket is left behind, whatever ends it.
async fn serve(coordinator: &Coordinator) -> Result<Channel, Failure> {
    let (connections, incoming) = mpsc::channel::<Result<DuplexStream, std::io::Error>>(4);
    let router = api::router(coordinator);
    drop(tasks::spawn(async move {
        if let Err(error) = router.serve_with_incoming(ReceiverStream::new(incoming)).await {
            tracing::error!(%error, "the services inside this process ended");
        }
    }));
    let connector = tower::service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (near, far) = tokio::io::duplex(1 << 20);
            let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            connections.send(Ok(far)).await.map_err(gone)?;
            Ok::<_, std::io::Error>(TokioIo::new(near))
        }
    });
    let endpoint = Endpoint::from_static("http://arena.internal")
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20);
    endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| Failure::new(GENERAL, format!("the services inside this process: {error}"), ""))
}

/// Who only looks holds it for a moment, and so does what a killed run was about to start.
const MOMENTS: u32 = 25;
const MOMENT: Duration = Duration::from_millis(20);

fn lock(file: &File) -> rustix::io::Result<()> {
    for _ in 1..MOMENTS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(MOMENT),
            other => return other,
        }
    }
    flock(file, FlockOperation::NonBlockingLockExclusive)
}
