//! Certificates: who a process is, whom it believes, and the names in what a peer showed. rustls with ring alone.

mod authority;
mod fault;
mod list;
mod name;
mod revoked;
mod server;
mod shown;
mod telling;

pub use authority::{Authority, Issued, Wanted};
pub use fault::Fault;
pub use list::{REVOKED, Taken};
pub use name::{Kind, Name, Reach};
pub use server::Server;
pub use shown::{Serial, Shown};
pub use telling::telling;

use crate::config::TlsConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::path::{Path, PathBuf};

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
    #[error("there is no authority in {}: its key, ca.key, is not there", .0.display())]
    NoAuthority(PathBuf),
    #[error("{}: {reason}", path.display())]
    List { path: PathBuf, reason: String },
    #[error(
        "no such certificate: '{0}' is neither a file, nor the name of one, nor a serial number of 16 digits or more"
    )]
    Unknown(String),
    #[error("{} is of another authority", .0.display())]
    Foreign(PathBuf),
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
            // Where `ca.pem` alone lies, an authority has its key elsewhere, and none is made.
            Self::NoAuthority(folder) if folder.join("ca.pem").exists() => {
                "name the folder that has its key: `--dir DIR`".into()
            }
            Self::NoAuthority(folder) => format!(
                "name the folder of the team's authority: `--dir DIR`; where there is none yet, `arena certs init --dir {}` \
                 makes one",
                folder.display()
            ),
            Self::List { .. } => {
                "`arena certs revoke` writes the list beside its authority: name that file; where that one is broken, put \
                 a coordinator's copy in its place, or move it away and name again all that were revoked"
                    .into()
            }
            Self::Unknown(_) => {
                "name its file, what it was issued for (`w1`), or the serial number that `arena audit` shows".into()
            }
            Self::Foreign(_) => "name the folder of its own authority: `--dir DIR`".into(),
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
