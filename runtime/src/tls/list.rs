//! What an authority takes back: who is named is written to the signed list beside it, with all that were named before.

use super::authority::{AUTHORITY, Authority, from_now, moment, public};
use super::revoked::Revoked;
use super::server::roots;
use super::shown::{Serial, Shown};
use super::{TlsError, refused};
use crate::clock;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustix::fs::{FlockOperation, flock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Beside the authority.
pub const REVOKED: &str = "revoked.pem";
const LOCK: &str = "authority.lock";
/// The fewest bytes of a serial number here: `beef` is the name of somebody whose file is elsewhere.
const SHORTEST: usize = 8;

/// One that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub serial: Serial,
    /// Of its certificate, where it was named by one.
    pub holder: Option<Shown>,
    /// It was revoked before.
    pub before: bool,
}

impl Authority {
    /// Writes the list with these too, each the file of a certificate, the name it was issued for, or a serial number.
    /// Nothing is written unless each of them is known.
    pub fn revoke(&self, who: &[String]) -> Result<(PathBuf, Vec<Taken>), TlsError> {
        let list = self.folder.join(REVOKED);
        let _alone = self.alone()?;
        let (serials, taken) = self.with(who)?;
        let one = |(serial, since): (&Serial, &u64)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial.bytes()),
            revocation_time: moment(*since),
            reason_code: None,
            invalidity_date: None,
        };
        let (this_update, next_update) = from_now(AUTHORITY);
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(clock::now_millis()),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        public(&list, params.signed_by(&self.issuer)?.pem()?.as_bytes())?;
        Ok((list, taken))
    }

    /// Who that would be; nothing is written.
    pub fn meant(&self, who: &[String]) -> Result<Vec<Taken>, TlsError> {
        Ok(self.with(who)?.1)
    }

    /// What is revoked with these, by when, and each of them.
    fn with(&self, who: &[String]) -> Result<(BTreeMap<Serial, u64>, Vec<Taken>), TlsError> {
        let list = self.folder.join(REVOKED);
        let mut serials = match fs::read(&list) {
            Ok(pem) => {
                let ca = self.folder.join("ca.pem");
                let known = roots(&fs::read(&ca).map_err(|error| refused(&ca, error))?)?;
                let read = Revoked::parse(&pem, &known.roots);
                read.map_err(|reason| TlsError::List { path: list.clone(), reason })?.serials
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Revoked::default().serials,
            Err(error) => return Err(refused(&list, error)),
        };
        let now = clock::now_millis() / 1000;
        let mut taken = Vec::new();
        for one in who {
            let (serial, holder) = self.named(one)?;
            let before = serials.contains_key(&serial);
            serials.entry(serial.clone()).or_insert(now);
            taken.push(Taken { serial, holder, before });
        }
        Ok((serials, taken))
    }

    /// Until it is dropped: two that change what is in the folder at the same time would lose what one of them wrote.
    pub(super) fn alone(&self) -> Result<File, TlsError> {
        let path = self.folder.join(LOCK);
        let gate = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| refused(&path, error))?;
        flock(&gate, FlockOperation::LockExclusive).map_err(|error| refused(&path, error))?;
        Ok(gate)
    }

    fn named(&self, who: &str) -> Result<(Serial, Option<Shown>), TlsError> {
        let files = [PathBuf::from(who), self.folder.join(format!("{who}.pem"))];
        if let Some(file) = files.iter().find(|file| file.is_file()) {
            let shown = self.own(file)?;
            return Ok((shown.serial.clone(), Some(shown)));
        }
        let serial = Serial::parse(who).filter(|serial| serial.bytes().len() >= SHORTEST);
        let serial = serial.ok_or_else(|| TlsError::Unknown(who.to_owned()))?;
        Ok((serial, None))
    }

    /// A certificate that this authority issued: of another one's, it has nothing to say.
    pub(super) fn own(&self, file: &Path) -> Result<Shown, TlsError> {
        let bytes = fs::read(file).map_err(|error| refused(file, error))?;
        let first = CertificateDer::pem_slice_iter(&bytes).next().and_then(Result::ok);
        let certificate = first.ok_or_else(|| refused(file, "it holds no certificate"))?;
        let parsed = webpki::EndEntityCert::try_from(&certificate).map_err(|error| refused(file, error))?;
        if parsed.issuer() != self.subject {
            return Err(TlsError::Foreign(file.to_owned()));
        }
        Shown::of(&certificate).ok_or_else(|| refused(file, "the certificate names nobody"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Kind, Name, Reach, Server, Wanted};
    use super::*;

    struct Made {
        folder: tempfile::TempDir,
        authority: Authority,
    }

    impl Made {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Authority::init(folder.path()).unwrap();
            let authority = Authority::open(folder.path()).unwrap();
            Self { folder, authority }
        }

        fn issue(&self, kind: Kind, name: &str) -> (PathBuf, Shown) {
            let name = Name::new(kind, name, Reach::Every).unwrap();
            let hosts = if kind == Kind::Coordinator { vec!["localhost".into()] } else { Vec::new() };
            let file = self.authority.issue(&Wanted::new(name, hosts, 1)).unwrap().certificate;
            let shown = Shown::of(&CertificateDer::from_pem_file(&file).unwrap()).unwrap();
            (file, shown)
        }

        fn list(&self) -> PathBuf {
            self.folder.path().join(REVOKED)
        }

        fn serve(&self) -> Result<Server, TlsError> {
            let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap();
            let who = Identity { ca: read("ca.pem"), certificate: read("c.pem"), key: read("c.key") };
            Server::new(&who, true, Some(self.list()))
        }
    }

    fn revoke(made: &Made, who: &[&str]) -> Result<Vec<Taken>, TlsError> {
        made.authority.revoke(&who.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()).map(|(_, taken)| taken)
    }

    #[test]
    fn a_certificate_is_revoked_by_its_file_its_name_or_its_serial_number_and_stays_so() {
        let made = Made::new();
        let (file, first) = made.issue(Kind::Worker, "w1");
        let (_, second) = made.issue(Kind::Worker, "w2");
        let (_, third) = made.issue(Kind::Client, "ann");
        let taken = revoke(&made, &[file.to_str().unwrap(), "w2"]).unwrap();
        let expected =
            [&first, &second].map(|one| Taken { serial: one.serial.clone(), holder: Some(one.clone()), before: false });
        assert_eq!(taken, expected);
        let by_number = revoke(&made, &[&third.serial.to_string(), "w1"]).unwrap();
        assert_eq!(by_number.iter().map(|one| one.before).collect::<Vec<_>>(), [false, true]);
        let known = roots(&fs::read(made.folder.path().join("ca.pem")).unwrap()).unwrap();
        let read = Revoked::parse(&fs::read(made.list()).unwrap(), &known.roots).unwrap();
        assert_eq!(read.serials.keys().collect::<Vec<_>>().len(), 3);
        assert!([&first, &second, &third].iter().all(|one| read.holds(&one.serial)));
    }

    #[test]
    fn who_is_not_known_is_told_and_nothing_is_written() {
        let made = Made::new();
        let before = fs::read(made.list()).unwrap();
        let (_, other) = (made.issue(Kind::Worker, "w1"), Made::new());
        let (foreign, _) = other.issue(Kind::Worker, "w1");
        assert!(matches!(revoke(&made, &["w1", "nobody"]), Err(TlsError::Unknown(who)) if who == "nobody"));
        assert!(matches!(revoke(&made, &["w1", foreign.to_str().unwrap()]), Err(TlsError::Foreign(_))));
        assert_eq!(fs::read(made.list()).unwrap(), before);
        fs::write(made.list(), "half a list").unwrap();
        assert!(matches!(revoke(&made, &["w1"]), Err(TlsError::List { .. })), "what it held must not be lost");
    }

    #[test]
    fn a_list_is_read_again_when_it_changes_and_one_that_is_none_takes_nothing_back() {
        let made = Made::new();
        made.issue(Kind::Coordinator, "c");
        let (_, shown) = made.issue(Kind::Worker, "w1");
        let server = made.serve().unwrap();
        assert!(!server.is_revoked(&shown.serial));
        revoke(&made, &["w1"]).unwrap();
        server.look();
        assert!(server.is_revoked(&shown.serial));
        let other = Made::new();
        for broken in [Vec::new(), b"no list".to_vec(), fs::read(other.list()).unwrap()] {
            fs::write(made.list(), &broken).unwrap();
            server.look();
            assert!(server.is_revoked(&shown.serial), "{}", String::from_utf8_lossy(&broken));
            assert!(matches!(made.serve(), Err(TlsError::List { .. })), "nor does anybody begin with it");
        }
        fs::remove_file(made.list()).unwrap();
        server.look();
        assert!(server.is_revoked(&shown.serial));
        revoke(&made, &[]).unwrap();
        server.look();
        assert!(!server.is_revoked(&shown.serial), "a list that was begun anew is a list");
    }

    /// One character of the signature is another one.
    fn forged(list: &Path) -> String {
        let text = fs::read_to_string(list).unwrap();
        let at = text.find("-----END").unwrap() - 8;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    }

    #[test]
    fn a_list_that_its_authority_did_not_sign_is_believed_by_nobody() {
        let made = Made::new();
        made.issue(Kind::Coordinator, "c");
        let (_, shown) = made.issue(Kind::Worker, "w1");
        revoke(&made, &["w1"]).unwrap();
        let server = made.serve().unwrap();
        let (good, config) = (fs::read(made.list()).unwrap(), server.config());
        fs::remove_file(made.list()).unwrap();
        revoke(&made, &[]).unwrap();
        let forged = forged(&made.list());
        fs::write(made.list(), &forged).unwrap();
        server.look();
        assert!(server.is_revoked(&shown.serial), "the last good one holds");
        assert!(std::sync::Arc::ptr_eq(&config, &server.config()), "also for handshakes");
        let error = made.serve().err().expect("nobody begins with it");
        assert!(error.to_string().contains("is not signed"), "{error}");
        assert!(error.mend().contains("`arena certs revoke`"), "{}", error.mend());
        assert!(matches!(revoke(&made, &["w1"]), Err(TlsError::List { .. })), "nor is it signed anew");
        fs::write(made.list(), [&good, forged.as_bytes()].concat()).unwrap();
        assert!(made.serve().is_err(), "beside a good one");
    }

    #[test]
    fn a_list_of_another_authority_in_the_same_file_takes_nothing_back_until_that_one_is_known() {
        let (made, other) = (Made::new(), Made::new());
        made.issue(Kind::Coordinator, "c");
        let (_, own) = made.issue(Kind::Worker, "w1");
        let (_, foreign) = other.issue(Kind::Worker, "w1");
        for one in [&made, &other] {
            revoke(one, &["w1"]).unwrap();
        }
        let both = |name: &str| [&made, &other].map(|one| fs::read(one.folder.path().join(name)).unwrap()).concat();
        fs::write(made.list(), both(REVOKED)).unwrap();
        let server = made.serve().unwrap();
        assert!(server.is_revoked(&own.serial) && !server.is_revoked(&foreign.serial));
        fs::write(made.folder.path().join("ca.pem"), both("ca.pem")).unwrap();
        let server = made.serve().unwrap();
        assert!(server.is_revoked(&own.serial) && server.is_revoked(&foreign.serial));
    }

    #[test]
    fn whoever_revokes_at_the_same_time_loses_nothing() {
        let made = Made::new();
        let names: Vec<String> = (0..8).map(|one| format!("w{one}")).collect();
        let serials: Vec<Serial> = names.iter().map(|name| made.issue(Kind::Worker, name).1.serial).collect();
        let all = std::sync::Barrier::new(names.len());
        std::thread::scope(|scope| {
            for name in &names {
                let authority = Authority::open(made.folder.path()).unwrap();
                let all = &all;
                scope.spawn(move || {
                    all.wait();
                    authority.revoke(std::slice::from_ref(name)).unwrap();
                });
            }
        });
        made.issue(Kind::Coordinator, "c");
        let server = made.serve().unwrap();
        let lost = names.iter().zip(&serials).filter(|(_, serial)| !server.is_revoked(serial));
        assert_eq!(lost.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_name_of_hexadecimal_digits_is_no_serial_number() {
        let made = Made::new();
        let before = fs::read(made.list()).unwrap();
        for name in ["a1", "beef", "cafe", "de:ad:be:ef", "00000000000000beef"] {
            assert!(matches!(revoke(&made, &[name]), Err(TlsError::Unknown(who)) if who == name), "{name}");
        }
        assert_eq!(fs::read(made.list()).unwrap(), before);
        assert_eq!(revoke(&made, &["0123456789abcdef01"]).unwrap().len(), 1);
    }
}
