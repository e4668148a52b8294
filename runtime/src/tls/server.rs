//! A coordinator's side of TLS. What its authority has revoked is read again when it changes; the handshakes after that, and
//! whoever asks of a connection that is open, are told by the new list.

use super::revoked::Revoked;
use super::shown::Serial;
use super::telling::Telling;
use super::{Identity, TlsError, refused};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Larger ones are no list of revoked certificates.
const MOST_BYTES: u64 = 16 << 20;

pub struct Server {
    who: Identity,
    /// Whether every peer must show a certificate.
    required: bool,
    list: Option<PathBuf>,
    now: Mutex<Now>,
}

struct Now {
    config: Arc<ServerConfig>,
    revoked: Arc<Revoked>,
    /// The list as it was read last.
    read: Vec<u8>,
    /// What was wrong with it then, which is told once.
    wrong: String,
}

impl Server {
    /// Asks every peer for a certificate of this authority, and takes peers without one unless they are `required`. A
    /// certificate that is shown must be valid either way, and none of `list`. TLS 1.3 and HTTP/2 alone.
    pub fn new(who: &Identity, required: bool, list: Option<PathBuf>) -> Result<Self, TlsError> {
        let wrong = |list: &Path, reason| TlsError::List { path: list.to_owned(), reason };
        let read = match &list {
            None => Vec::new(),
            Some(list) => read(list).map_err(|reason| wrong(list, reason))?,
        };
        let revoked = match &list {
            None => Revoked::default(),
            Some(list) => parsed(&read, who).map_err(|reason| wrong(list, reason))?,
        };
        let config = made(who, required, &revoked)?;
        let now = Now { config, revoked: Arc::new(revoked), read, wrong: String::new() };
        Ok(Self { who: who.clone(), required, list, now: Mutex::new(now) })
    }

    /// For the next handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    pub fn is_revoked(&self, serial: &Serial) -> bool {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).revoked.holds(serial)
    }

    /// Reads the list when it has changed. One that cannot be read or believed takes nothing back: the one before it holds.
    pub fn look(&self) {
        let Some(list) = &self.list else { return };
        let seen = read(list);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let told = seen.and_then(|seen| {
            if seen == now.read {
                return Ok(None);
            }
            let revoked = parsed(&seen, &self.who)?;
            let config = made(&self.who, self.required, &revoked).map_err(|error| error.to_string())?;
            let many = revoked.serials.len();
            (now.config, now.revoked, now.read) = (config, Arc::new(revoked), seen);
            Ok(Some(many))
        });
        match told {
            Ok(None) => now.wrong.clear(),
            Ok(Some(certificates)) => {
                now.wrong.clear();
                tracing::info!(certificates, list = %list.display(), "the list of revoked certificates was read again");
            }
            Err(reason) if reason == now.wrong => {}
            Err(reason) => {
                tracing::error!(
                    reason,
                    list = %list.display(),
                    "the list of revoked certificates cannot be read, and the last one holds; `arena certs revoke` writes it"
                );
                now.wrong = reason;
            }
        }
    }
}

fn read(list: &Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(list).map_err(|error| error.to_string())?.len();
    if length > MOST_BYTES {
        return Err(format!("it is larger than {MOST_BYTES} bytes"));
    }
    std::fs::read(list).map_err(|error| error.to_string())
}

fn parsed(list: &[u8], who: &Identity) -> Result<Revoked, String> {
    Revoked::parse(list, &roots(&who.ca).map_err(|error| error.to_string())?.roots)
}

pub(super) fn roots(ca: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(ca) {
        roots.add(one.map_err(|error| refused(Path::new("tls.ca"), error))?)?;
    }
    Ok(roots)
}

fn made(who: &Identity, required: bool, revoked: &Revoked) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |what: &'static str| move |error| refused(Path::new(what), format!("{error}"));
    let chain = CertificateDer::pem_slice_iter(&who.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable("tls.certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&who.key).map_err(unreadable("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&who.ca)?), provider.clone());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    // While an authority is replaced by another one there are two, of which one may have revoked nothing yet.
    let builder = builder
        .with_crls(revoked.lists.iter().cloned())
        .only_check_end_entity_revocation()
        .allow_unknown_revocation_status();
    let verifier = builder.build().map_err(|error| refused(Path::new("tls.ca"), error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Telling(verifier)))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not show its certificate again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
