//! Where sessions live: in this machine's state directory, or with a team's coordinators. Commands see no difference.

use crate::args::Common;
use crate::embedded::{Embedded, state_folder, state_place};
use crate::failure::{Failure, USAGE};
use crate::team::Team;
use arena_coordinator::blobs::{BlobError, BlobSettings, Blobs};
use arena_coordinator::store::{Store, StoreError};
use arena_domain::id::SessionId;
use arena_proto::v1::fleet_client::FleetClient;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::v1::{BlobChunk, GetBlobRequest};
use arena_proto::{BLOB_CHUNK, MAX_MESSAGE};
use arena_runtime::config::Config;
use std::path::{Path, PathBuf};
use tokio_stream::StreamExt;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub(crate) enum Home {
    Here(Box<Embedded>),
    Team(Team),
}

/// What every call carries.
#[derive(Clone, Default)]
pub(crate) struct Bearer(pub Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

pub(crate) type Line = InterceptedService<Channel, Bearer>;

impl Home {
    /// What is there already, for every command but `run`: nothing is made by looking.
    pub(crate) async fn existing(common: &Common) -> Result<Self, Failure> {
        match Team::named(common, state_folder).await? {
            Some(team) => Ok(Self::Team(team)),
            None => Ok(Self::Here(Box::new(Embedded::existing(common).await?))),
        }
    }

    /// For those who run a team and begin it on the coordinator's own machine: a state directory is made.
    pub(crate) async fn founded(common: &Common) -> Result<Self, Failure> {
        match Team::named(common, state_folder).await? {
            Some(team) => Ok(Self::Team(team)),
            None => Ok(Self::Here(Box::new(Embedded::open(common).await?))),
        }
    }

    /// For a dry run: nothing is made. Where there is nothing yet: the state directory in which it would be.
    pub(crate) async fn begun(common: &Common) -> Result<Result<Self, PathBuf>, Failure> {
        match Team::named(common, state_place).await? {
            Some(team) => Ok(Ok(Self::Team(team))),
            None => Ok(Embedded::begun(common).await?.map(|embedded| Self::Here(Box::new(embedded)))),
        }
    }

    pub(crate) fn here(&self) -> Option<&Embedded> {
        match self {
            Self::Here(embedded) => Some(embedded),
            Self::Team(_) => None,
        }
    }

    /// For what only this machine's own state directory can do.
    pub(crate) fn only_here(&self, what: &str, mend: &str) -> Result<&Embedded, Failure> {
        self.here().ok_or_else(|| Failure::new(USAGE, format!("{what}: a team's coordinators do that"), mend))
    }

    fn line(&self) -> Line {
        match self {
            Self::Here(embedded) => InterceptedService::new(embedded.channel.clone(), Bearer::default()),
            Self::Team(team) => team.line(),
        }
    }

    pub(crate) fn sessions(&self) -> SessionsClient<Line> {
        SessionsClient::new(self.line()).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
    }

    pub(crate) fn fleet(&self) -> FleetClient<Line> {
        FleetClient::new(self.line()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// Whether anybody moves it: here the process that holds its lock, in a team always some coordinator.
    pub(crate) fn is_running(&self, id: &SessionId) -> bool {
        self.here().is_none_or(|embedded| embedded.is_running(id))
    }

    /// Where the reports of a session lie.
    pub(crate) fn folder(&self, id: &SessionId) -> PathBuf {
        match self {
            Self::Here(embedded) => embedded.folder(id),
            Self::Team(team) => team.state.join("sessions").join(id.as_str()),
        }
    }

    pub(crate) async fn blob(&self, tenant: &str, digest: &str) -> Result<Vec<u8>, Failure> {
        let request = GetBlobRequest { digest: digest.to_owned(), tenant: tenant.to_owned() };
        let mut chunks = self.sessions().get_blob(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk?.data);
        }
        Ok(bytes)
    }

    /// Unless it is there already.
    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<String, Failure> {
        let digest = arena_runtime::digest::sha256(bytes);
        let request = GetBlobRequest { digest: digest.clone(), tenant: String::new() };
        if self.here().is_none() && self.sessions().has_blob(request).await?.into_inner().here {
            return Ok(digest);
        }
        let chunks: Vec<BlobChunk> = bytes
            .chunks(BLOB_CHUNK)
            .map(|chunk| BlobChunk { data: chunk.to_vec().into(), tenant: String::new() })
            .collect();
        Ok(self.sessions().put_blob(tokio_stream::iter(chunks)).await?.into_inner().digest)
    }
}

/// In a state directory whose sessions a team's workers run.
const TEAM: &str = "team";

pub(crate) fn is_a_teams(state: &Path) -> bool {
    state.join(TEAM).exists()
}

/// And whose store is the one that this configuration names.
pub(crate) fn make_a_teams(state: &Path, config: &Config) -> std::io::Result<()> {
    arena_runtime::files::write_atomic(&state.join(TEAM), kind(config).as_bytes())
}

/// What must be the same for all who use a team's directory; where a Redis is may change.
fn kind(config: &Config) -> String {
    match &config.store.url {
        Some(_) => format!("Redis, cell {}", config.store.cell),
        None => "embedded".to_owned(),
    }
}

/// Whoever wrote into another store than the coordinators' would be told that it was done, and nobody would know of it.
fn same_store(config: &Config, state: &Path) -> Result<(), Failure> {
    let (said, wanted) = (std::fs::read_to_string(state.join(TEAM)).unwrap_or_default(), kind(config));
    if said.is_empty() || said == wanted {
        return Ok(());
    }
    let what = format!("the store of this team is {said}, and here it would be {wanted}: {}", state.display());
    Err(Failure::new(
        USAGE,
        what,
        "set `url` and `cell` under [store] (ARENA_STORE_URL, ARENA_STORE_CELL) as its coordinators have them",
    ))
}

/// Whether this process says what the limits of a team's fleet are, or only asks or changes something else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Serves,
    Asks,
}

/// The store that `[store]` names: a team's own, or embedded in the state directory.
pub(crate) async fn store(
    engines: &arena_worker::run::Engines,
    state: &Path,
    part: Part,
    open: impl FnOnce(&Path, arena_domain::schedule::Limits) -> Result<Store, StoreError>,
) -> Result<Store, Failure> {
    let limits = crate::limits::limits(&engines.config, &engines.manifests)?;
    same_store(&engines.config, state)?;
    match (crate::redis::settings(&engines.config.store)?, part) {
        (Some(settings), Part::Serves) => Ok(Store::connect(settings, limits).await?),
        (Some(settings), Part::Asks) => Ok(Store::join(settings, limits).await?),
        (None, _) => Ok(open(state, limits)?),
    }
}

/// What a bucket answers to whoever has neither keys nor a role tells nobody that it is keys which are missing.
pub(crate) fn unreached(config: &Config, error: BlobError) -> Failure {
    let settings = BlobSettings::configured(&config.blobs, &|name| std::env::var(name).ok());
    let keyless = settings.is_ok_and(|settings| settings.is_some_and(|one| one.rests_on_a_role()));
    let answered = matches!(error, BlobError::Storage(_) | BlobError::Denied(_));
    let failure = Failure::from(error);
    if !keyless || !answered {
        return failure;
    }
    let mend = "no keys are given, and the role of this machine does not do: name a file with them, `credentials` under \
                [blobs], or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    Failure { mend: mend.to_owned(), ..failure }
}

/// Where `[blobs]` says, or in the state directory. Nothing is asked or made by this.
pub(crate) fn blobs(config: &arena_runtime::config::Config, state: &Path) -> Result<Blobs, Failure> {
    match BlobSettings::configured(&config.blobs, &|name| std::env::var(name).ok())? {
        Some(settings) => Ok(Blobs::connect(&settings)?),
        None => Ok(Blobs::new(state.join("blobs"))),
    }
}
