//! A team's coordinators, as a person reaches them: TLS with the team's authority, a bearer token, the next one when one
//! does not answer.

use crate::args::Common;
use crate::embedded::configuration;
use crate::failure::{Failure, NOT_ALLOWED, UNREACHABLE, USAGE};
use crate::home::{Bearer, Line};
use arena_proto::dial::{Dialer, endpoint};
use arena_runtime::config::{Config, TlsConfig};
use arena_runtime::tls::{self, Fault, Identity, TlsError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// Of an address or an identity that no connection can be made with.
pub(crate) const PAIR: &str = "`certificate` and `key` under [tls] must be a pair; `arena certs issue` makes one";
/// Of an address where nobody shakes hands.
const SILENT: &str = "is `arena coordinator` running there, and is that its address and port?";
/// For a coordinator to shake hands in.
const ANSWER: Duration = Duration::from_secs(15);

/// What says which the state directory is, and may make it.
type Place = fn(&Common) -> Result<PathBuf, Failure>;

pub(crate) struct Team {
    /// Where reports are written; sessions are not here.
    pub state: PathBuf,
    channels: Vec<Channel>,
    at: AtomicUsize,
    bearer: Bearer,
}

impl Team {
    /// The one that `--coordinator`, the environment or the configuration names.
    pub(crate) async fn named(common: &Common, state: Place) -> Result<Option<Self>, Failure> {
        let config = configuration(common)?;
        let urls = named(common, &config)?;
        if urls.is_empty() {
            return Ok(None);
        }
        Self::reach(&config, &urls, || state(common)).await.map(Some)
    }

    async fn reach(
        config: &Config,
        urls: &[String],
        state: impl FnOnce() -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let identity = match &config.tls.certificate {
            Some(_) => Some(Identity::read(&config.tls).map_err(unidentified)?),
            None => None,
        };
        let ca = tls::authority(&config.tls).map_err(unidentified)?;
        let shown = identity.as_ref().map(|who| (who.certificate.as_slice(), who.key.as_slice()));
        let mut channels = Vec::new();
        let (mut refused, mut fault) = (Vec::new(), None);
        for url in urls {
            let wrong =
                |error: tonic::transport::Error| Failure::new(USAGE, format!("{url}: {}", causes(&error)), PAIR);
            let endpoint = endpoint(url, &Dialer { ca: &ca, identity: shown }).map_err(wrong)?;
            // A coordinator may take a connection and say nothing.
            match tokio::time::timeout(ANSWER, endpoint.connect()).await {
                Ok(Ok(channel)) => channels.insert(0, channel),
                unreached => {
                    let why = match unreached {
                        Ok(Err(error)) => {
                            fault = fault.or_else(|| Fault::of(&error));
                            causes(&error)
                        }
                        Ok(Ok(_)) | Err(_) => "no answer".to_owned(),
                    };
                    refused.push(format!("{url}: {why}"));
                    channels.push(endpoint.connect_lazy());
                }
            }
        }
        if refused.len() == urls.len() {
            let mend = fault.map_or_else(|| SILENT.to_owned(), |fault| fault.mend(identity.as_ref()));
            return Err(Failure::new(UNREACHABLE, refused.join("\n"), mend));
        }
        let bearer = Bearer(token(config)?);
        Ok(Self { state: state()?, channels, at: AtomicUsize::new(0), bearer })
    }

    /// A failure to reach the coordinators, and where certificates are its cause, that and what mends it: what a peer says of
    /// one while hands are shaken is lost above TLS, so they are shaken once more to hear it.
    pub(crate) async fn explained(common: &Common, failure: Failure) -> Failure {
        if failure.code != UNREACHABLE || !failure.mend.is_empty() {
            return failure;
        }
        let asked = tokio::time::timeout(ANSWER, refusals(common)).await.ok().flatten();
        let Some((many, refusals)) = asked else { return failure };
        let Some((_, _, mend)) = refusals.first() else { return failure };
        // Of several, one may have ended and another refuse.
        let is_own = refusals.len() == many && refusals.iter().all(|(_, fault, _)| fault.is_own());
        let told = refusals.iter().map(|(url, fault, _)| format!("{url}: {fault}"));
        let what = std::iter::once(failure.what.clone()).chain(told).collect::<Vec<_>>().join("\n");
        Failure::new(if is_own { NOT_ALLOWED } else { failure.code }, what, mend.clone())
    }

    pub(crate) fn line(&self) -> Line {
        // There is at least one.
        let channel = self.channels[self.at.load(Ordering::Relaxed) % self.channels.len()].clone();
        InterceptedService::new(channel, self.bearer.clone())
    }

    /// From now on the next one is asked.
    pub(crate) fn next(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many coordinators there are, and of each what it, or this side, has against a certificate, with its mend.
async fn refusals(common: &Common) -> Option<(usize, Vec<(String, Fault, String)>)> {
    let config = configuration(common).ok()?;
    let who = match &config.tls.certificate {
        Some(_) => Identity::read(&config.tls).ok()?,
        None => Identity { ca: tls::authority(&config.tls).ok()?, certificate: Vec::new(), key: Vec::new() },
    };
    let urls = named(common, &config).ok()?;
    let mut refusals = Vec::new();
    for url in &urls {
        if let Some(fault) = Fault::between(&who, url).await {
            refusals.push((url.clone(), fault, fault.mend(Some(&who))));
        }
    }
    Some((urls.len(), refusals))
}

/// Whether a packet goes to a team's workers, which are other machines than this one.
pub(crate) fn is_named(common: &Common, config: &Config) -> Result<bool, Failure> {
    Ok(!named(common, config)?.is_empty())
}

/// Whoever names a state directory means what is in it.
fn named(common: &Common, config: &Config) -> Result<Vec<String>, Failure> {
    let usual = if common.state.is_some() { &[][..] } else { &config.client.coordinators };
    urls(common, usual)
}

/// Those that the command line or the environment names, or the usual ones.
pub(crate) fn urls(common: &Common, usual: &[String]) -> Result<Vec<String>, Failure> {
    let urls: Vec<String> = match &common.coordinator {
        Some(urls) => urls.split(',').map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect(),
        None => usual.to_vec(),
    };
    match urls.iter().find(|url| !url.starts_with("https://")) {
        None => Ok(urls),
        Some(url) => {
            let what = format!("'{url}' is no address of a coordinator");
            Err(Failure::new(USAGE, what, "write `--coordinator https://HOST:7443`"))
        }
    }
}

/// Of the environment, else of the file that is named; some have none, and are told so by the coordinator.
fn token(config: &Config) -> Result<Option<tonic::metadata::MetadataValue<tonic::metadata::Ascii>>, Failure> {
    let said = std::env::var("ARENA_TOKEN").ok().filter(|text| !text.trim().is_empty());
    let text = match (said, &config.client.token_file) {
        (Some(text), _) => text,
        (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| unread(file, &error))?,
        (None, None) => return Ok(None),
    };
    let mut value: tonic::metadata::MetadataValue<_> = format!("Bearer {}", text.trim())
        .parse()
        .map_err(|_| Failure::new(USAGE, "the token is none", "`arena tokens create` shows how one looks"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn unread(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(NOT_ALLOWED, format!("{}: {error}", file.display()), "name the token's file: [client] token_file")
}

/// Of a person: whoever asks a team has no authority, and makes none.
fn unidentified(error: TlsError) -> Failure {
    if !matches!(error, TlsError::NotSet("ca")) {
        return tls_failure(error);
    }
    let mend = "ask whoever runs the fleet for `ca.pem`, its authority's certificate, and name that file: `ca` under [tls], or \
                ARENA_TLS_CA";
    Failure::new(USAGE, error.to_string(), mend)
}

pub(crate) fn tls_failure(error: TlsError) -> Failure {
    let mend = error.mend();
    Failure::new(USAGE, error.to_string(), mend)
}

/// An error with what caused it: the last one says what was wrong.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// The identity of a service, which must be of this kind.
pub(crate) fn identity(config: &TlsConfig, kind: tls::Kind) -> Result<(Identity, tls::Name), Failure> {
    let who = Identity::read(config).map_err(tls_failure)?;
    match who.name() {
        Some(name) if name.kind == kind => Ok((who, name)),
        other => {
            let is = other.map_or("nobody's that Arena knows", |name| name.kind.as_str());
            let what = format!("[tls] certificate is {is}, and this is a {}", kind.as_str());
            let mend = format!("`arena certs issue {} NAME` makes the right one", kind.as_str());
            Err(Failure::new(USAGE, what, mend))
        }
    }
}
