//! Where the fleet's store is and how it is reached, as plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct RedisSettings {
    pub nodes: Nodes,
    /// The keys of one cell share a hash tag: letters, digits, `-` and `_`. Whoever shares a cell shares its limits.
    pub cell: String,
    /// Of an ACL user; without it the server's default user.
    pub username: Option<String>,
    pub password: Option<Password>,
    /// For `rediss://` nodes, and for all nodes that Sentinel or Cluster name when it is set.
    pub tls: Option<Tls>,
    /// Replicas that must have a write before it is answered; 0: none.
    pub replicas: Replicas,
    /// Of any one call; blocking reads have their own.
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nodes {
    /// URLs (`redis://`, `rediss://`, `unix://`); the first that answers as a primary is used.
    Servers(Vec<String>),
    /// The name of the primary, and the `host:port` of sentinels.
    Sentinel { master: String, sentinels: Vec<String> },
    /// The `host:port` of some nodes of a cluster.
    Cluster(Vec<String>),
}

#[derive(Clone)]
pub enum Password {
    Text(String),
    /// Read at each connect, so that a password can be changed while Arena runs; blanks at its end do not count.
    File(PathBuf),
}

/// PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Without it the machine's own trust.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client.
    pub client: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    pub count: u32,
    /// A write that has not reached them by then is an error, and not an answer.
    pub timeout: Duration,
}

impl RedisSettings {
    /// One server without replicas.
    pub fn server(url: impl Into<String>) -> Self {
        Self {
            nodes: Nodes::Servers(vec![url.into()]),
            cell: "c0".to_owned(),
            username: None,
            password: None,
            tls: None,
            replicas: Replicas { count: 0, timeout: Duration::from_secs(1) },
            timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
