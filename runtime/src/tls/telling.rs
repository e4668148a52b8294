//! Whose certificate was refused: rustls tells why a handshake failed, and not who was at its other end.

use super::shown::Shown;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    /// Of the handshake that this task is in.
    static REFUSED: RefCell<Option<Shown>>;
}

/// Takes a handshake to its end, with the certificate that was refused in it. Who holds its key is not known.
pub async fn telling<T>(handshake: impl Future<Output = T>) -> (T, Option<Shown>) {
    let taken = async {
        let done = handshake.await;
        let refused = REFUSED.try_with(|refused| refused.borrow_mut().take());
        (done, refused.ok().flatten())
    };
    REFUSED.scope(RefCell::default(), taken).await
}

/// Judges as another one does.
#[derive(Debug)]
pub(super) struct Telling(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Telling {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now);
        if verified.is_err() {
            // Outside of a handshake that is told of, nobody asks.
            let _ = REFUSED.try_with(|refused| *refused.borrow_mut() = Shown::of(end_entity));
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
