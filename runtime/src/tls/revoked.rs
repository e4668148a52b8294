//! The certificates that an authority has taken back: signed lists of its own (CRLs), one or several in a PEM file.

use super::shown::Serial;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, TrustAnchor};
use std::collections::BTreeMap;
use webpki::BorrowedCertRevocationList;

#[derive(Debug, Default)]
pub(super) struct Revoked {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// Since when, in seconds since the epoch.
    pub(super) serials: BTreeMap<Serial, u64>,
}

impl Revoked {
    /// A file without any list is none: half of one must not take back what was revoked.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        let lists = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let lists = lists.map_err(|error| error.to_string())?;
        if lists.is_empty() {
            return Err("it holds no list of revoked certificates".into());
        }
        let mut serials = BTreeMap::new();
        for list in &lists {
            let parsed = BorrowedCertRevocationList::from_der(list).map_err(|error| error.to_string())?;
            for one in &parsed {
                let one = one.map_err(|error| error.to_string())?;
                serials.insert(Serial::new(one.serial_number), one.revocation_date.as_secs());
            }
        }
        Ok(Self { lists, serials })
    }

    pub(super) fn holds(&self, serial: &Serial) -> bool {
        self.serials.contains_key(serial)
    }

    /// Whether one of the lists is of one of these authorities: the others say nothing here.
    pub(super) fn is_of(&self, authorities: &[TrustAnchor<'_>]) -> bool {
        self.lists.iter().any(|list| {
            let parsed = BorrowedCertRevocationList::from_der(list).map(webpki::CertRevocationList::from);
            parsed.is_ok_and(|parsed| authorities.iter().any(|one| one.subject.as_ref() == parsed.issuer()))
        })
    }
}
