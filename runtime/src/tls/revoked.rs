//! The certificates that an authority has taken back: signed lists of its own (CRLs), one or several in a PEM file.

use super::shown::{SEQUENCE, Serial, element};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, SubjectPublicKeyInfoDer, TrustAnchor};
use std::collections::BTreeMap;
use webpki::{BorrowedCertRevocationList, CertRevocationList, RawPublicKeyEntity};

const BIT_STRING: u8 = 0x03;

#[derive(Debug, Default)]
pub(super) struct Revoked {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// Since when, in seconds since the epoch.
    pub(super) serials: BTreeMap<Serial, u64>,
}

impl Revoked {
    /// The lists of these authorities: those of others say nothing here. A file without any is none: half of one must not
    /// take back what was revoked, and neither must one that its authority did not sign.
    pub(super) fn parse(pem: &[u8], authorities: &[TrustAnchor<'_>]) -> Result<Self, String> {
        let lists = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let lists = lists.map_err(|error| error.to_string())?;
        if lists.is_empty() {
            return Err("it holds no list of revoked certificates".into());
        }
        let mut own = Self::default();
        for list in lists {
            let Some(serials) = serials(&list, authorities)? else { continue };
            own.serials.extend(serials);
            own.lists.push(list);
        }
        if own.lists.is_empty() { Err("it is the list of another authority than `ca`".into()) } else { Ok(own) }
    }

    pub(super) fn holds(&self, serial: &Serial) -> bool {
        self.serials.contains_key(serial)
    }
}

/// What is on a list; nothing when it is of none of these authorities.
fn serials(list: &[u8], authorities: &[TrustAnchor<'_>]) -> Result<Option<Vec<(Serial, u64)>>, String> {
    let parsed = BorrowedCertRevocationList::from_der(list).map_err(|error| error.to_string())?;
    let mut serials = Vec::new();
    for one in &parsed {
        let one = one.map_err(|error| error.to_string())?;
        serials.push((Serial::new(one.serial_number), one.revocation_date.as_secs()));
    }
    let parsed = CertRevocationList::from(parsed);
    let mut named = authorities.iter().filter(|one| one.subject.as_ref() == parsed.issuer()).peekable();
    if named.peek().is_none() {
        return Ok(None);
    }
    if named.any(|one| is_signed(list, one).unwrap_or(false)) {
        return Ok(Some(serials));
    }
    Err("a list in it is not signed by the authority that it names: it was changed after it was written".into())
}

/// Whether it was by the key of this authority. webpki looks at that in a handshake alone, and then refuses the peer.
fn is_signed(list: &[u8], authority: &TrustAnchor<'_>) -> Option<bool> {
    let (SEQUENCE, inside, _) = element(list)? else { return None };
    let (_, _, after) = element(inside)?;
    let message = inside.strip_suffix(after)?;
    let (SEQUENCE, algorithm, after) = element(after)? else { return None };
    let (BIT_STRING, bits, _) = element(after)? else { return None };
    let (0, signature) = bits.split_first()? else { return None };
    let key = SubjectPublicKeyInfoDer::from(sequence(&authority.subject_public_key_info));
    let key = RawPublicKeyEntity::try_from(&key).ok()?;
    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let mut fit = known.iter().filter(|one| one.signature_alg_id().as_ref() == algorithm);
    Some(fit.any(|one| key.verify_signature(*one, message, signature).is_ok()))
}

/// As DER: an anchor keeps what is in its key, and webpki takes the whole.
fn sequence(inside: &[u8]) -> Vec<u8> {
    let length = inside.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = &length[zeros..];
    let long = (inside.len() > 0x7f).then_some(0x80 | u8::try_from(length.len()).unwrap_or(0));
    [&[SEQUENCE], long.as_slice(), length, inside].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_length_is_wrapped_as_der_has_it() {
        for (length, start) in [
            (0x7f, &[0x30, 0x7f][..]),
            (0x80, &[0x30, 0x81, 0x80]),
            (0x126, &[0x30, 0x82, 0x01, 0x26]),
            (0x1_0000, &[0x30, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let inside = vec![7; length];
            let whole = sequence(&inside);
            assert!(whole.starts_with(start), "{length}");
            assert_eq!(element(&whole), Some((SEQUENCE, inside.as_slice(), &[][..])));
        }
    }
}
