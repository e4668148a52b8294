//! What a team's services and its people are told: addresses, certificates, limits.

use super::build::Build;
use std::path::PathBuf;
use std::time::Duration;

/// Renewals are a quarter of a lease apart, and its last quarter is for containers to be ended in.
const LEAST_LEASE_S: u32 = 10;
const LEAST_MARGIN_S: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: String,
    pub client_certificates: ClientCertificates,
    /// At a time.
    pub connections: u32,
    pub handshakes: u32,
    /// Longest time of one.
    pub handshake: Duration,
    /// Calls at a time on one connection.
    pub streams: u32,
    /// For calls to end in when it is told to stop.
    pub drain: Duration,
    /// For a person to requeue a dead job, before its session takes it for failed.
    pub hold_dead: Duration,
    pub rates: Rates,
}

/// What each caller may ask in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    pub calls: u32,
    pub submits: u32,
    /// To and fro.
    pub blob_mib: u32,
    /// Of one address: calls that nobody known makes.
    pub strangers: u32,
}

/// Whether people need a certificate beside their token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    Optional,
    Required,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    pub coordinators: Vec<String>,
    pub token_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Nothing: embedded in the state directory.
    pub url: Option<String>,
    /// Whoever shares a cell of a server shares its sessions and its limits.
    pub cell: String,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub tls: TlsConfig,
    /// That must have a write before it is answered.
    pub replicas: u32,
    /// Sessions of a team that ended so long ago are taken away; nothing: none is.
    pub keep: Option<Duration>,
}

/// How long a lease holds without word of its worker, and how long its job waits after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    pub lease: Duration,
    pub margin: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Of a coordinator: the list of the certificates that its authority has revoked.
    pub revoked: Option<PathBuf>,
}

impl Build<'_> {
    pub(super) fn coordinator(&mut self) -> CoordinatorConfig {
        let certificates = ["coordinator", "client_certificates"];
        let client_certificates = match self.text(&certificates).unwrap_or_default().as_str() {
            "optional" => ClientCertificates::Optional,
            "required" => ClientCertificates::Required,
            _ => {
                self.refuse(&certificates, "is neither optional nor required", "write \"optional\"");
                ClientCertificates::Required
            }
        };
        CoordinatorConfig {
            listen: self.text(&["coordinator", "listen"]).unwrap_or_default(),
            client_certificates,
            connections: self.count(&["coordinator", "connections"]),
            handshakes: self.count(&["coordinator", "handshakes"]),
            handshake: self.seconds(&["coordinator", "handshake_s"]),
            streams: self.count(&["coordinator", "streams"]),
            drain: self.seconds(&["coordinator", "drain_s"]),
            hold_dead: self.seconds(&["coordinator", "hold_dead_s"]),
            rates: Rates {
                calls: self.count(&["coordinator", "calls_per_minute"]),
                submits: self.count(&["coordinator", "submits_per_minute"]),
                blob_mib: self.count(&["coordinator", "blob_mib_per_minute"]),
                strangers: self.count(&["coordinator", "strangers_per_minute"]),
            },
        }
    }

    pub(super) fn client(&mut self) -> ClientConfig {
        ClientConfig {
            coordinators: self.coordinators(&["client", "coordinators"]),
            token_file: self.path(&["client", "token_file"]),
        }
    }

    /// Without TLS nobody is spoken to.
    pub(super) fn coordinators(&mut self, path: &[&str]) -> Vec<String> {
        let all = self.texts(path);
        if all.iter().any(|one| !one.starts_with("https://")) {
            self.refuse(path, "holds what does not begin with https://", "write \"https://HOST:7443\"");
        }
        all
    }

    pub(super) fn store(&self) -> StoreConfig {
        let file = |name| self.path(&["store", name]);
        let replicas = ["store", "replicas"];
        StoreConfig {
            url: self.text(&["store", "url"]),
            cell: self.text(&["store", "cell"]).unwrap_or_default(),
            user: self.text(&["store", "user"]),
            password_file: file("password_file"),
            tls: TlsConfig { ca: file("ca"), certificate: file("certificate"), key: file("key"), revoked: None },
            replicas: self.entry(&replicas).map_or(0, |_| self.count(&replicas)),
            keep: Some(self.count(&["store", "keep_days"]))
                .filter(|days| *days > 0)
                .map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        }
    }

    pub(super) fn queue(&mut self) -> QueueConfig {
        for (name, least, reason) in [
            ("lease_s", LEAST_LEASE_S, "is too short for renewals to be lost and for containers to be ended in"),
            ("margin_s", LEAST_MARGIN_S, "is too short for a container that takes its time to end"),
        ] {
            let path = ["queue", name];
            if self.count(&path) < least {
                self.refuse(&path, reason, &format!("write at least {least}"));
            }
        }
        QueueConfig { lease: self.seconds(&["queue", "lease_s"]), margin: self.seconds(&["queue", "margin_s"]) }
    }

    pub(super) fn tls(&self) -> TlsConfig {
        let file = |name| self.path(&["tls", name]);
        TlsConfig { ca: file("ca"), certificate: file("certificate"), key: file("key"), revoked: file("revoked") }
    }
}
