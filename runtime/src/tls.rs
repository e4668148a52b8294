//! Certificates: who a process is, whom it believes, and the names in what a peer showed. rustls with ring alone.

mod authority;
mod name;

pub use authority::{Authority, Issued, Wanted, check_hosts};
pub use name::{Kind, Name, Reach};

use crate::config::TlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong with a file of certificates or keys; the contents of a key are never part of it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("[tls] {0} is not set")]
    NotSet(&'static str),
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("the certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("'{0}' is no name: use letters, digits, `.`, `_` and `-`")]
    Name(String),
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("'{0}' is no host")]
    Host(String),
    #[error("{} is not the key of the authority in ca.pem beside it", .0.display())]
    Apart(PathBuf),
}

impl TlsError {
    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::NotSet(name) => format!(
                "name the file: `{name} = \"…\"` under [tls], or ARENA_TLS_{}; `arena certs` makes one",
                name.to_uppercase()
            ),
            Self::File { .. } => "name a PEM file that can be read; `arena certs issue` makes them".into(),
            Self::Rustls(_) | Self::Make(_) => "make the certificate again: `arena certs issue`".into(),
            Self::Name(_) => "choose another name".into(),
            Self::Exists(_) => {
                "take another name or directory: an authority and the certificates of others are never replaced".into()
            }
            Self::Host(_) => {
                "write a name such as arena.example or an address such as 10.0.0.5, without https:// and without a port"
                    .into()
            }
            Self::Apart(_) => {
                "put both files back from the same copy; `arena certs init --dir OTHER` makes another authority".into()
            }
        }
    }
}

/// Who this process is and whom it believes, as PEM.
#[derive(Clone)]
pub struct Identity {
    pub ca: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn read(name: &'static str, path: Option<&PathBuf>) -> Result<Vec<u8>, TlsError> {
    let path = path.ok_or(TlsError::NotSet(name))?;
    std::fs::read(path).map_err(|error| refused(path, error))
}

fn refused(path: &Path, reason: impl fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

impl Identity {
    pub fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self {
            ca: read("ca", config.ca.as_ref())?,
            certificate: read("certificate", config.certificate.as_ref())?,
            key: read("key", config.key.as_ref())?,
        })
    }

    /// The name in the certificate.
    pub fn name(&self) -> Option<Name> {
        let first = CertificateDer::pem_slice_iter(&self.certificate).next()?.ok()?;
        Name::of(&first)
    }
}

/// The authority alone, for whoever shows no certificate.
pub fn authority(config: &TlsConfig) -> Result<Vec<u8>, TlsError> {
    read("ca", config.ca.as_ref())
}

/// A server that asks every peer for a certificate of this authority, and takes peers without one unless they are
/// `required`. A certificate that is shown must be valid either way. TLS 1.3 and HTTP/2 alone.
pub fn server(identity: &Identity, required: bool) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |what: &'static str| move |error| refused(Path::new(what), format!("{error}"));
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(&identity.ca) {
        roots.add(one.map_err(unreadable("tls.ca"))?)?;
    }
    let chain = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable("tls.certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(unreadable("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| refused(Path::new("tls.ca"), error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not show its certificate again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
