//! How a coordinator is reached: TLS with the team's authority alone, keepalive, and limits on our side.

use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Error, Identity};

const CONNECT: Duration = Duration::from_secs(10);
/// A coordinator that is silent for so long is asked whether it is there, and has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Who dials, as PEM.
pub struct Dialer<'a> {
    pub ca: &'a [u8],
    /// Certificate and key, where one is shown.
    pub identity: Option<(&'a [u8], &'a [u8])>,
}

/// Of one coordinator, `https://host:port`; nothing is connected yet.
pub fn endpoint(url: &str, dialer: &Dialer<'_>) -> Result<Endpoint, Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(dialer.ca));
    if let Some((certificate, key)) = dialer.identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .tls_config(tls)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20);
    Ok(endpoint)
}
