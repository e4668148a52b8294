//! Why two sides do not come to speak: a handshake of its own, since what a peer said of a certificate is lost above TLS.

use super::Identity;
use hyper::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a refusal after it: a server of TLS 1.3 judges the certificate of its peer when the peer holds the handshake for done.
/// Nothing is said meanwhile, since what a server has not read when it closes can cost the peer its last word.
const VERDICT: Duration = Duration::from_secs(5);

/// What is wrong with a certificate, which stays wrong until a person changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the coordinator says that this certificate has ended, or has not begun by its clock")]
    Ended,
    #[error("the coordinator says that this certificate was revoked")]
    Revoked,
    #[error("the coordinator says that this certificate is of an authority that it does not know")]
    Foreign,
    #[error("the coordinator asks for a certificate")]
    Wanted,
    #[error("the certificate of the coordinator has ended, or has not begun by this clock")]
    TheirsEnded,
    #[error("the certificate of the coordinator is of another authority than `ca` under [tls]")]
    TheirsForeign,
    #[error("the certificate of the coordinator is not for the name that it is asked by")]
    TheirsUnnamed,
}

impl Fault {
    /// Of one's own certificate: whoever holds it is not let in by trying again.
    pub fn is_own(self) -> bool {
        match self {
            Self::Ended | Self::Revoked | Self::Foreign | Self::Wanted => true,
            Self::TheirsEnded | Self::TheirsForeign | Self::TheirsUnnamed => false,
        }
    }

    /// What to do about it, for whoever holds `who`, or shows no certificate at all.
    pub fn mend(self, who: Option<&Identity>) -> String {
        let name = who.and_then(Identity::name);
        let (kind, name) = name.map_or(("KIND", "NAME".to_owned()), |name| (name.kind.as_str(), name.name));
        let another = format!("`arena certs issue {kind} {name}`");
        match self {
            Self::Ended | Self::Revoked => {
                format!("make another one with {another}, put it in the place of this one, and start again")
            }
            Self::Foreign => format!(
                "have it issued where the coordinators' authority is, {another}, and start again; or name the coordinators of \
                 this authority"
            ),
            Self::Wanted => "name one by `certificate` and `key` under [tls]; `arena certs issue client NAME` makes it".into(),
            Self::TheirsEnded => {
                "on the coordinator's side: `arena certs issue coordinator NAME --host HOST`, and start it again".into()
            }
            Self::TheirsForeign => "name its authority, `ca` under [tls], and start again; or name another coordinator".into(),
            Self::TheirsUnnamed => {
                "on the coordinator's side: `arena certs issue coordinator NAME --host HOST` with the name that is asked; \
                 or ask it by a name that is in it"
                    .into()
            }
        }
    }

    /// What keeps the holder of `who`, who may have no certificate, from the coordinator at this address; nothing: it is not
    /// their certificates.
    pub async fn between(who: &Identity, url: &str) -> Option<Self> {
        let error = match tokio::time::timeout(PATIENCE, shake(who, url)).await.ok()? {
            Ok(mut stream) => tokio::time::timeout(VERDICT, stream.read(&mut [0; 64])).await.ok()?.err()?,
            Err(error) => error,
        };
        Self::of(&error)
    }

    /// What an error that a connection ended with says of certificates, however deep in it that lies.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let error = within(error)?;
        if let Error::AlertReceived(alert) = error {
            return said(*alert);
        }
        if let Error::InvalidCertificate(why) = error { seen(why) } else { None }
    }
}

fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // One of input and output names what caused that which it holds, and not that itself.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn said(alert: AlertDescription) -> Option<Fault> {
    use AlertDescription as Alert;
    let foreign = [Alert::UnknownCA, Alert::BadCertificate, Alert::UnsupportedCertificate];
    let known = [
        (Alert::CertificateExpired, Fault::Ended),
        (Alert::CertificateRevoked, Fault::Revoked),
        (Alert::CertificateRequired, Fault::Wanted),
    ];
    let known = known.into_iter().chain(foreign.map(|alert| (alert, Fault::Foreign)));
    known.into_iter().find_map(|(one, fault)| (one == alert).then_some(fault))
}

fn seen(why: &CertificateError) -> Option<Fault> {
    use CertificateError as Why;
    let ended =
        matches!(why, Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet | Why::NotValidYetContext { .. });
    let unnamed = matches!(why, Why::NotValidForName | Why::NotValidForNameContext { .. });
    let foreign = matches!(why, Why::UnknownIssuer);
    let known = [(ended, Fault::TheirsEnded), (unnamed, Fault::TheirsUnnamed), (foreign, Fault::TheirsForeign)];
    known.into_iter().find_map(|(is_it, fault)| is_it.then_some(fault))
}

async fn shake(who: &Identity, url: &str) -> io::Result<TlsStream<TcpStream>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let url: Uri = url.parse().map_err(|_| wrong("no address"))?;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong("no name"))?;
    let config = config(who).map_err(|error| wrong(&error.to_string()))?;
    let socket = TcpStream::connect((host, url.port_u16().unwrap_or(443))).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

fn config(who: &Identity) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(&who.ca) {
        roots.add(one?)?;
    }
    let chain = CertificateDer::pem_slice_iter(&who.certificate).collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match chain.is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&who.key)?)?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::{Authority, Kind, Name, REVOKED, Reach, Server, Wanted};
    use super::*;
    use crate::tasks::Tasks;
    use std::path::Path;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A holder of this kind, who believes another authority than its own.
    fn holder(own: &Path, believed: &Path, kind: Kind, name: &str, seconds: u64) -> Identity {
        let hosts = if kind == Kind::Coordinator { vec![name.to_owned()] } else { Vec::new() };
        let wanted =
            Wanted { name: Name::new(kind, name, Reach::Every).unwrap(), hosts, holds: Duration::from_secs(seconds) };
        let issued = Authority::open(own).unwrap().issue(&wanted).unwrap();
        let read = |path: &Path| std::fs::read(path).unwrap();
        Identity { ca: read(&believed.join("ca.pem")), certificate: read(&issued.certificate), key: read(&issued.key) }
    }

    /// The address of a coordinator that shakes hands with whoever comes.
    async fn serve(tasks: &mut Tasks, who: &Identity, list: Option<std::path::PathBuf>) -> String {
        serving(tasks, who, list, false).await
    }

    async fn serving(
        tasks: &mut Tasks,
        who: &Identity,
        list: Option<std::path::PathBuf>,
        is_certificate_wanted: bool,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = TlsAcceptor::from(Server::new(who, is_certificate_wanted, list).unwrap().config());
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(socket).await {
                    use tokio::io::AsyncWriteExt;
                    let _ = stream.write_all(b"settings").await;
                }
            }
        });
        url
    }

    #[tokio::test]
    async fn what_keeps_two_sides_apart_is_told_with_whose_fault_it_is() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for one in [&ours, &theirs] {
            Authority::init(one.path()).unwrap();
        }
        let (ours, theirs) = (ours.path(), theirs.path());
        let worker = |own, believed, name: &str, seconds| holder(own, believed, Kind::Worker, name, seconds);
        let coordinator = |name: &str, seconds| holder(ours, ours, Kind::Coordinator, name, seconds);
        let (right, taken) = (worker(ours, ours, "right", 3600), worker(ours, ours, "taken", 3600));
        let (list, _) = Authority::open(ours).unwrap().revoke(&["taken".to_owned()]).unwrap();
        assert!(list.ends_with(REVOKED));
        let late = worker(ours, ours, "late", 0);
        let (mut tasks, good) = (Tasks::default(), coordinator("127.0.0.1", 3600));
        let good = serve(&mut tasks, &good, Some(list)).await;
        let ended = serve(&mut tasks, &coordinator("127.0.0.1", 0), None).await;
        let unnamed = serve(&mut tasks, &coordinator("elsewhere.example", 3600), None).await;
        let strict = serving(&mut tasks, &coordinator("127.0.0.1", 3600), None, true).await;
        let nobody = Identity { certificate: Vec::new(), key: Vec::new(), ..right.clone() };
        tokio::time::sleep(Duration::from_secs(2)).await;
        let rows = [
            (&nobody, &good, None),
            (&nobody, &strict, Some(Fault::Wanted)),
            (&right, &good, None),
            (&taken, &good, Some(Fault::Revoked)),
            (&late, &good, Some(Fault::Ended)),
            (&worker(theirs, ours, "foreign", 3600), &good, Some(Fault::Foreign)),
            (&worker(ours, theirs, "blind", 3600), &good, Some(Fault::TheirsForeign)),
            (&right, &ended, Some(Fault::TheirsEnded)),
            (&right, &unnamed, Some(Fault::TheirsUnnamed)),
            (&right, &"https://127.0.0.1:1".to_owned(), None),
        ];
        for (who, url, expected) in rows {
            for _ in 0..3 {
                assert_eq!(Fault::between(who, url).await, expected, "{:?} at {url}", who.name());
            }
            if let Some(fault) = expected {
                let part = if fault.is_own() { "certs issue" } else { "coordinator" };
                assert!(fault.mend(Some(who)).contains(part));
            }
        }
    }
}
