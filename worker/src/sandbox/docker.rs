//! The one place that speaks to a container engine: its requests, with its errors put in our terms.
//!
//! A run is told in `run.rs`, removal in `removal.rs`; both go through [`Engine`].

use super::control::hex_random;
use super::output::Stream;
use super::removal::{Guard, RUN_LABEL, Remover};
use super::{Error, Spec, spec};
use bollard::container::LogOutput;
use bollard::errors::Error as Refusal;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, KillContainerOptions, ListContainersOptions,
    RemoveContainerOptions, WaitContainerOptions,
};
use bollard::{ClientVersion, Docker as Client};
use futures_util::{Stream as Items, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use tokio::io::AsyncWrite;
use tokio_util::bytes::Bytes;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// For the head of one answer; a wait for a container's end has no such limit.
const ANSWER_SECONDS: u64 = 120;
/// The oldest engine that is supported is 20.10; what a newer one adds is not used.
const API: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// A connection to the engine of this machine, and the task that removes what was abandoned.
pub struct Docker {
    pub(super) engine: Engine,
    pub(super) remover: Remover,
}

/// A container that exists, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

/// A paused container whose network others join. It must be released; the reaper finds it by its labels otherwise.
#[derive(Debug)]
pub struct Holder {
    id: String,
}

impl Holder {
    /// For [`Spec::network_holder`].
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Docker {
    /// `host` is a socket's path, with or without `unix://`; none means `DOCKER_HOST` or the usual place.
    pub async fn connect(host: Option<&str>) -> Result<Self, Error> {
        let named =
            host.map(str::to_owned).or_else(|| std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()));
        let host = named.unwrap_or_else(|| DEFAULT_SOCKET.into());
        let path = host.strip_prefix("unix://").unwrap_or(&host);
        if !path.starts_with('/') {
            return Err(Error::Unreachable(format!("{host} is not a local socket")));
        }
        if is_forbidden(path).await {
            return Err(Error::Forbidden(path.to_owned()));
        }
        let client = Client::connect_with_unix(path, ANSWER_SECONDS, &API).map_err(unreachable)?;
        let engine = Engine(client.negotiate_version().await.map_err(unreachable)?);
        Ok(Self { remover: Remover::start(engine.clone()), engine })
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.engine.0.ping().await.map(drop).map_err(unreachable)
    }

    /// The engine's own version, as `20.10.24`.
    pub async fn version(&self) -> Result<String, Error> {
        let version = self.engine.0.version().await.map_err(unreachable)?;
        Ok(version.version.unwrap_or_default())
    }

    /// The digest that a name stands for on this machine.
    pub async fn image_id(&self, name: &str) -> Result<String, Error> {
        let image = self.engine.0.inspect_image(name).await.map_err(|error| match status(&error) {
            Some(404) => Error::NoImage(name.to_owned()),
            Some(_) | None => before_start(error),
        })?;
        image.id.ok_or_else(|| Error::NoImage(name.to_owned()))
    }

    /// A container with a network namespace of its own and nothing in it. Paused, it costs no processor time.
    pub async fn hold(
        &self,
        labels: &[(String, String)],
        image: &str,
        relay: &std::path::Path,
    ) -> Result<Holder, Error> {
        let spec = Spec {
            labels: labels.to_vec(),
            memory_bytes: 16 << 20,
            tmp_bytes: 1 << 20,
            pids: 4,
            ..Spec::new(image, relay, &["hold"])
        };
        let guard = self.create(None, spec::holder_body(&spec)).await?;
        let id = guard.id().to_owned();
        self.engine.start(&id).await?;
        self.engine.0.pause_container(&id).await.map_err(in_run)?;
        guard.disarm();
        Ok(Holder { id })
    }

    pub async fn release(&self, holder: Holder) -> Result<(), Error> {
        self.engine.remove(&holder.id).await
    }

    /// Every container with this label, as `name` or `name=value`, running or not.
    pub async fn list(&self, label: &str) -> Result<Vec<Found>, Error> {
        self.engine.list(label).await
    }

    /// Kills and removes; a container that is gone already is no error.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        self.engine.remove(id).await
    }

    /// Waits until everything that dropped runs left behind has been removed or given up on.
    pub async fn settle(&self) {
        self.remover.settle().await;
    }
}

impl Docker {
    /// Makes a container and compares it with what was asked for. Nothing has run when this fails.
    pub(super) async fn create(&self, name: Option<String>, mut body: ContainerCreateBody) -> Result<Guard, Error> {
        let label = hex_random(16)?;
        body.labels.get_or_insert_default().insert(RUN_LABEL.into(), label.clone());
        let mut guard = self.remover.guard(&self.engine, label);
        match self.engine.create(name, body.clone()).await {
            Ok(id) => guard.made(id),
            // Silence may have made a container; an answer says that there is none.
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                guard.disarm();
                return Err(error);
            }
        }
        let made = self.engine.inspect(guard.id()).await?;
        match spec::drift(&body, &made) {
            None => Ok(guard),
            Some(difference) => {
                guard.remove().await;
                Err(Error::Drifted(difference))
            }
        }
    }
}

/// Cut anywhere: a frame is neither a line nor a write.
pub(super) type Frames = Pin<Box<dyn Items<Item = Result<(Stream, Bytes), Error>> + Send>>;
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Both directions of one attached container.
pub(super) struct Attached {
    pub(super) output: Frames,
    pub(super) input: Input,
}

/// What is known of a container that has ended.
pub(super) struct Ended {
    pub(super) oom: bool,
    pub(super) code: Option<i64>,
    /// The engine's own trouble with it, which is not the command's.
    pub(super) trouble: Option<String>,
}

/// The requests, one method each.
#[derive(Clone)]
pub(super) struct Engine(pub(super) Client);

impl Engine {
    pub(super) async fn create(&self, name: Option<String>, body: ContainerCreateBody) -> Result<String, Error> {
        let image = body.image.clone().unwrap_or_default();
        let options = CreateContainerOptions { name, platform: String::new() };
        let made = self.0.create_container(Some(options), body).await.map_err(|error| match status(&error) {
            Some(404) => Error::NoImage(image),
            Some(_) | None => before_start(error),
        })?;
        Ok(made.id)
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Error> {
        self.0.inspect_container(id, None).await.map_err(in_run)
    }

    pub(super) async fn attach(&self, id: &str) -> Result<Attached, Error> {
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            logs: false,
            detach_keys: None,
        };
        let attached = self.0.attach_container(id, Some(options)).await.map_err(in_run)?;
        let output = attached.output.filter_map(|frame| async {
            match frame {
                Ok(LogOutput::StdOut { message }) => Some(Ok((Stream::Stdout, message))),
                Ok(LogOutput::StdErr { message }) => Some(Ok((Stream::Stderr, message))),
                Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. }) => None,
                Err(error) => Some(Err(in_run(error))),
            }
        });
        Ok(Attached { output: Box::pin(output), input: attached.input })
    }

    pub(super) async fn start(&self, id: &str) -> Result<(), Error> {
        self.0.start_container(id, None).await.map_err(before_start)
    }

    /// Returns when the container has ended, with whatever code.
    pub(super) async fn wait(&self, id: &str) -> Result<(), Error> {
        let options = WaitContainerOptions { condition: "not-running".into() };
        match std::pin::pin!(self.0.wait_container(id, Some(options))).next().await {
            Some(Ok(_) | Err(Refusal::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(in_run(error)),
            None => Err(Error::Lost("the wait for the container broke off".into())),
        }
    }

    /// A container that has ended in the meantime is no error.
    pub(super) async fn kill(&self, id: &str) -> Result<(), Error> {
        let options = KillContainerOptions { signal: "SIGKILL".into() };
        gone_is_fine(self.0.kill_container(id, Some(options)).await)
    }

    pub(super) async fn ended(&self, id: &str) -> Result<Ended, Error> {
        let state = self.inspect(id).await?.state.unwrap_or_default();
        let trouble = state.error.filter(|text| !text.is_empty());
        Ok(Ended { oom: state.oom_killed == Some(true), code: state.exit_code, trouble })
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        gone_is_fine(self.0.remove_container(id, Some(options)).await)
    }

    pub(super) async fn list(&self, label: &str) -> Result<Vec<Found>, Error> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = self.0.list_containers(Some(options)).await.map_err(unreachable)?;
        let known = found.into_iter().filter_map(|container| {
            let labels = container.labels.unwrap_or_default().into_iter().collect();
            container.id.map(|id| Found { id, labels })
        });
        Ok(known.collect())
    }
}

/// Not there, or on its way out.
fn gone_is_fine(answer: Result<(), Refusal>) -> Result<(), Error> {
    match answer {
        Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
        other => other.map_err(in_run),
    }
}

pub(super) fn status(error: &Refusal) -> Option<u16> {
    if let Refusal::DockerResponseServerError { status_code, .. } = error { Some(*status_code) } else { None }
}

/// The client only tells in words why it could not connect.
async fn is_forbidden(socket: &str) -> bool {
    let refused = tokio::net::UnixStream::connect(socket).await.err();
    refused.is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

pub(super) fn unreachable(error: Refusal) -> Error {
    Error::Unreachable(error.to_string())
}

/// Nothing has run yet: an answer of 4xx is about the request, one of 5xx about the engine.
pub(super) fn before_start(error: Refusal) -> Error {
    match status(&error) {
        Some(400..=499) => Error::Refused(error.to_string()),
        Some(_) => Error::Lost(error.to_string()),
        None => Error::Unreachable(error.to_string()),
    }
}

pub(super) fn in_run(error: Refusal) -> Error {
    Error::Lost(error.to_string())
}
