//! A team's own authority: a folder with its certificate and its key, which issues the certificates of all others.

use super::name::{Kind, Name};
use super::shown::Serial;
use super::{TlsError, refused};
use crate::clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

/// Of certificates, as people say it.
const DAY: Duration = Duration::from_secs(86_400);
/// Of the authority: ten years.
pub(super) const AUTHORITY: Duration = Duration::from_secs(3650 * 86_400);
/// Clocks differ: a certificate is valid a little before it was made.
const EARLIER: Duration = Duration::from_secs(300);

/// An authority in its folder.
pub struct Authority {
    pub(super) folder: PathBuf,
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// As the certificates that it issues name it.
    pub(super) subject: Vec<u8>,
}

/// A certificate that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: Name,
    /// Host names and addresses of a server.
    pub hosts: Vec<String>,
    /// From now on, in whole seconds; zero: it ends at once.
    pub holds: Duration,
}

impl Wanted {
    pub fn new(name: Name, hosts: Vec<String>, days: u32) -> Self {
        Self { name, hosts, holds: DAY * days }
    }
}

/// Where the two files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Of the certificate of this authority that lay there before; it holds until it ends or is revoked.
    pub replaced: Option<Serial>,
}

impl Authority {
    /// Makes one in a folder that has none, with an empty list of what it has revoked.
    pub fn init(folder: &Path) -> Result<PathBuf, TlsError> {
        Self::none_in(folder)?;
        let (certificate, key) = (folder.join("ca.pem"), folder.join("ca.key"));
        fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
        let pair = KeyPair::generate()?;
        let made = params(&pair).self_signed(&pair)?;
        secret(&key, pair.serialize_pem().as_bytes())?;
        public(&certificate, made.pem().as_bytes())?;
        Self::open(folder)?.revoke(&[])?;
        Ok(certificate)
    }

    /// One that is there is never replaced.
    pub fn none_in(folder: &Path) -> Result<(), TlsError> {
        match ["ca.pem", "ca.key"].map(|name| folder.join(name)).into_iter().find(|path| path.exists()) {
            Some(there) => Err(TlsError::Exists(there)),
            None => Ok(()),
        }
    }

    pub fn open(folder: &Path) -> Result<Self, TlsError> {
        let key = folder.join("ca.key");
        let unread = |error: std::io::Error| {
            let none = error.kind() == ErrorKind::NotFound;
            if none { TlsError::NoAuthority(folder.to_owned()) } else { refused(&key, error) }
        };
        let text = fs::read_to_string(&key).map_err(unread)?;
        let pair = KeyPair::from_pem(&text).map_err(|error| refused(&key, error))?;
        let subject = of_one_authority(folder, &pair)?.ok_or(TlsError::Apart(key))?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params(&pair), pair), subject })
    }

    /// Where the files of a certificate would lie, unless it is one that `issue` refuses. Nothing is written, and the authority
    /// need not be there yet.
    pub fn issuable(folder: &Path, wanted: &Wanted) -> Result<Issued, TlsError> {
        let Wanted { name, hosts, holds: _ } = wanted;
        let file = |ending: &str| folder.join(format!("{}.{ending}", name.name));
        let issued = Issued { certificate: file("pem"), key: file("key"), replaced: None };
        replaceable(name, &issued)?;
        check_hosts(hosts)?;
        Ok(issued)
    }

    /// `NAME.pem` and `NAME.key` beside the authority; the certificate of an earlier time is replaced.
    pub fn issue(&self, wanted: &Wanted) -> Result<Issued, TlsError> {
        let Wanted { name, hosts, holds } = wanted;
        let _alone = self.alone()?;
        let mut issued = Self::issuable(&self.folder, wanted)?;
        issued.replaced = self.own(&issued.certificate).ok().map(|there| there.serial);
        let mut params = CertificateParams::new(hosts.clone())?;
        let common = format!("{} ({})", name.name, name.kind.as_str());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        for uri in name.uris() {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match name.kind {
            Kind::Coordinator => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Kind::Worker | Kind::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        dates(&mut params, *holds);
        let pair = KeyPair::generate()?;
        let made = params.signed_by(&pair, &self.issuer)?;
        secret(&issued.key, pair.serialize_pem().as_bytes())?;
        public(&issued.certificate, made.pem().as_bytes())?;
        Ok(issued)
    }
}

/// Refuses what no client could take for the name of a server: it would look at the certificate and go.
fn check_hosts(hosts: &[String]) -> Result<(), TlsError> {
    let is_name = |host: &str| {
        // One star stands for one label, and not for a whole domain.
        let plain = host.strip_prefix("*.").filter(|rest| rest.contains('.')).unwrap_or(host);
        !host.ends_with('.') && DnsName::try_from(plain).is_ok()
    };
    match hosts.iter().find(|host| host.parse::<IpAddr>().is_err() && !is_name(host)) {
        None => Ok(()),
        Some(host) => Err(TlsError::Host(host.clone())),
    }
}

/// The subject of the authority in this folder, when it is that of the key: what the key signs is believed by nobody else.
fn of_one_authority(folder: &Path, pair: &KeyPair) -> Result<Option<Vec<u8>>, TlsError> {
    let path = folder.join("ca.pem");
    let bytes = fs::read(&path).map_err(|error| refused(&path, error))?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| refused(&path, error))?;
    let own = params(pair).self_signed(pair)?;
    let holder = |certificate: &CertificateDer<'_>| {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        Some((parsed.subject().to_vec(), parsed.subject_public_key_info().to_vec()))
    };
    let wanted = holder(own.der());
    // There are two in it while one authority takes the place of another.
    let found = certificates.iter().map(holder).find(|one| one.is_some() && *one == wanted);
    Ok(found.flatten().map(|(subject, _)| subject))
}

/// Of the authority that has this key: its name follows from the key, so that the key alone is enough to issue.
fn params(pair: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let id = crate::digest::sha256(pair.public_key_raw());
    // A name that none of those has that it issues: some clients take equal ones for self-signed.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Arena authority {}", &id[..8]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    dates(&mut params, AUTHORITY);
    params
}

fn dates(params: &mut CertificateParams, holds: Duration) {
    (params.not_before, params.not_after) = from_now(holds);
}

/// A little before now, and so long after it.
pub(super) fn from_now(holds: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = moment(clock::now_millis() / 1000);
    (now - EARLIER, now + holds)
}

pub(super) fn moment(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What lies there may only be an earlier certificate of the same holder.
fn replaceable(name: &Name, issued: &Issued) -> Result<(), TlsError> {
    let exists = || TlsError::Exists(issued.certificate.clone());
    if ["ca", "revoked"].contains(&name.name.as_str()) {
        return Err(exists());
    }
    match fs::read(&issued.certificate) {
        Err(_) if issued.key.exists() => Err(exists()),
        Err(_) => Ok(()),
        Ok(bytes) => {
            let there = CertificateDer::pem_slice_iter(&bytes).next().and_then(Result::ok);
            let holder = there.and_then(|there| Name::of(&there));
            holder.filter(|holder| holder.kind == name.kind).map(drop).ok_or_else(exists)
        }
    }
}

pub(super) fn public(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    crate::files::write_atomic(path, bytes).map_err(|error| refused(path, error))
}

/// For this user's eyes alone, from its first byte.
fn secret(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || {
        let beside = crate::files::scratch_beside(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| refused(path, error))
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Reach, Server, Shown, Taken};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_an_authority_issues_names_its_holder_and_serves() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::init(folder.path()).unwrap();
        assert!(matches!(Authority::init(folder.path()), Err(TlsError::Exists(_))));
        let authority = Authority::open(folder.path()).unwrap();
        for kind in [Kind::Coordinator, Kind::Worker, Kind::Client] {
            let name = Name::new(kind, kind.as_str(), Reach::One("blue".into())).unwrap();
            let hosts = vec!["localhost".into(), "127.0.0.1".into()];
            let issued = authority.issue(&Wanted::new(name.clone(), hosts, 1)).unwrap();
            assert_eq!(fs::metadata(&issued.key).unwrap().permissions().mode() & 0o777, 0o600);
            let read = |path: &Path| fs::read(path).unwrap();
            let identity = Identity { ca: read(&ca), certificate: read(&issued.certificate), key: read(&issued.key) };
            assert_eq!(identity.name(), Some(name));
            assert!(Server::new(&identity, true, None).is_ok());
        }
    }

    #[test]
    fn a_certificate_replaces_an_earlier_one_of_its_holder_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        Authority::init(folder.path()).unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let issue = |kind, name: &str| {
            let name = Name::new(kind, name, Reach::Every).unwrap();
            authority.issue(&Wanted::new(name, Vec::new(), 1))
        };
        let key = fs::read(folder.path().join("ca.key")).unwrap();
        issue(Kind::Worker, "w1").unwrap();
        issue(Kind::Worker, "w1").unwrap();
        for (kind, name) in [(Kind::Client, "w1"), (Kind::Worker, "ca"), (Kind::Worker, "revoked")] {
            assert!(matches!(issue(kind, name), Err(TlsError::Exists(_))), "{name}");
            let wanted = Wanted::new(Name::new(kind, name, Reach::Every).unwrap(), Vec::new(), 1);
            assert!(matches!(Authority::issuable(folder.path(), &wanted), Err(TlsError::Exists(_))), "{name}");
        }
        assert_eq!(fs::read(folder.path().join("ca.key")).unwrap(), key);
    }

    #[test]
    fn who_issues_anew_is_told_which_certificate_was_replaced_and_can_still_revoke_it() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [authority, another] = [&folder, &other].map(|one| {
            Authority::init(one.path()).unwrap();
            Authority::open(one.path()).unwrap()
        });
        let wanted = Wanted::new(Name::new(Kind::Worker, "w1", Reach::Every).unwrap(), Vec::new(), 1);
        let serial = |path: &Path| Shown::of(&CertificateDer::from_pem_file(path).unwrap()).unwrap().serial;
        let first = authority.issue(&wanted).unwrap();
        assert_eq!(first.replaced, None);
        let old = serial(&first.certificate);
        let second = authority.issue(&wanted).unwrap();
        assert_eq!(second.replaced, Some(old.clone()));
        let (_, taken) = authority.revoke(&[old.to_string()]).unwrap();
        assert_eq!(taken, [Taken { serial: old.clone(), holder: None, before: false }]);
        assert_ne!(serial(&second.certificate), old);
        fs::copy(&second.certificate, other.path().join("w1.pem")).unwrap();
        assert_eq!(another.issue(&wanted).unwrap().replaced, None, "only its own authority can revoke it");
    }

    #[test]
    fn what_is_no_host_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        Authority::init(folder.path()).unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let issue = |host: &str| {
            let name = Name::new(Kind::Coordinator, "c1", Reach::Every).unwrap();
            authority.issue(&Wanted::new(name, vec![host.into()], 1))
        };
        let no_hosts = [
            "https://arena.example",
            "arena.example:7443",
            "arena example",
            "",
            "-a.example",
            "a..example",
            "a.example.",
            "10.0.0.256",
            "10.0.0",
            "[::1]",
            "*",
            "*.",
            "*.example",
            "a.*.example",
            "ä.example",
            &"a".repeat(64),
        ];
        for host in no_hosts {
            assert!(matches!(issue(host), Err(TlsError::Host(told)) if told == host), "{host}");
            assert!(!folder.path().join("c1.key").exists(), "{host}");
        }
        for host in ["arena.example", "localhost", "a_b", "1password.example", "*.arena.example", "10.0.0.5", "::1"] {
            issue(host).unwrap_or_else(|error| panic!("{host}: {error}"));
        }
    }

    #[test]
    fn a_key_that_is_not_that_of_the_authority_beside_it_issues_nothing() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for one in [&folder, &other] {
            Authority::init(one.path()).unwrap();
        }
        let file = |folder: &tempfile::TempDir, name: &str| fs::read(folder.path().join(name)).unwrap();
        let (own, foreign) = (file(&folder, "ca.pem"), file(&other, "ca.pem"));
        fs::write(folder.path().join("ca.pem"), &foreign).unwrap();
        assert!(matches!(Authority::open(folder.path()), Err(TlsError::Apart(_))));
        fs::write(folder.path().join("ca.pem"), [foreign, own].concat()).unwrap();
        assert!(Authority::open(folder.path()).is_ok(), "while one takes the place of the other, both stand there");
        fs::write(folder.path().join("ca.key"), "no key").unwrap();
        assert!(matches!(Authority::open(folder.path()), Err(TlsError::File { .. })));
    }

    #[test]
    fn where_no_authority_is_the_command_that_makes_one_is_named_and_where_its_key_is_away_none_is() {
        let folder = tempfile::tempdir().unwrap();
        let mend = |folder: &Path| match Authority::open(folder) {
            Err(error @ TlsError::NoAuthority(_)) => error.mend(),
            _ => panic!("there is none"),
        };
        let place = folder.path().join("certs");
        assert!(mend(&place).contains(&format!("`arena certs init --dir {}`", place.display())));
        Authority::init(&place).unwrap();
        fs::remove_file(place.join("ca.key")).unwrap();
        assert!(!mend(&place).contains("certs init"), "the one that is there is not made again");
    }
}
