//! One connection to the server that holds the cell now; when it leads nowhere, the next call finds that server anew.

use super::settings::{Nodes, Password, RedisSettings, Tls};
use super::trouble;
use crate::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, TlsCertificates,
};
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;

pub(super) struct Link {
    settings: RedisSettings,
    /// How long an answer may take; `None`: whoever asks bounds it.
    patience: Option<Duration>,
    current: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(super) fn new(settings: RedisSettings, patience: Option<Duration>) -> Self {
        Self { settings, patience, current: Mutex::new(None) }
    }

    /// The open connection and whether it is a new one.
    pub(super) async fn connection(&self) -> Result<(MultiplexedConnection, bool), StoreError> {
        let mut current = self.current.lock().await;
        if let Some(open) = current.as_ref() {
            return Ok((open.clone(), false));
        }
        let found = tokio::time::timeout(self.settings.timeout * 2, self.find()).await;
        let open = found.map_err(|_| StoreError::Unavailable(format!("no answer from {}", self.place())))??;
        *current = Some(open.clone());
        Ok((open, true))
    }

    /// Asks once. An error that says that the connection leads nowhere lets it go.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        open: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> Result<T, redis::RedisError> {
        let answer = command.query_async(open).await;
        if let Err(error) = &answer
            && trouble::leads_nowhere(error)
        {
            self.let_go().await;
        }
        answer
    }

    pub(super) async fn let_go(&self) {
        *self.current.lock().await = None;
    }

    fn place(&self) -> String {
        match &self.settings.nodes {
            Nodes::Servers(urls) => urls.iter().map(|url| without_password(url)).collect::<Vec<_>>().join(", "),
            Nodes::Sentinel { master, sentinels } => format!("{master} by sentinels {}", sentinels.join(", ")),
            Nodes::Cluster(nodes) => nodes.join(", "),
        }
    }

    async fn find(&self) -> Result<MultiplexedConnection, StoreError> {
        match &self.settings.nodes {
            Nodes::Servers(urls) => self.first_primary(urls).await,
            Nodes::Sentinel { master, sentinels } => self.by_sentinel(master, sentinels).await,
            Nodes::Cluster(nodes) => self.by_cluster(nodes).await,
        }
    }

    async fn first_primary(&self, urls: &[String]) -> Result<MultiplexedConnection, StoreError> {
        let mut last = StoreError::Unfit("no server is named".into(), "give at least one URL".into());
        for url in urls {
            let info = url.as_str().into_connection_info().map_err(|error| {
                let mend = "write it as redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH".to_owned();
                StoreError::Unfit(format!("'{}' is no URL of a server: {error}", without_password(url)), mend)
            })?;
            match self.primary(info, true).await {
                Ok(open) => return Ok(open),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn by_sentinel(&self, master: &str, sentinels: &[String]) -> Result<MultiplexedConnection, StoreError> {
        let mut last = StoreError::Unfit("no sentinel is named".into(), "give at least one HOST:PORT".into());
        for sentinel in sentinels {
            let found = async {
                // Sentinels have users of their own, and seldom any.
                let mut open = self.dial(self.node(sentinel)?, false).await?;
                let mut command = redis::cmd("SENTINEL");
                command.arg("get-master-addr-by-name").arg(master);
                let address: Option<(String, u16)> =
                    command.query_async(&mut open).await.map_err(|error| trouble::of(&error))?;
                let (host, port) = address.ok_or_else(|| {
                    let mend = "name it as `sentinel monitor` does".to_owned();
                    StoreError::Unfit(format!("sentinel {sentinel} knows no '{master}'"), mend)
                })?;
                self.primary(self.info(host, port)?, true).await
            };
            match found.await {
                Ok(open) => return Ok(open),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn by_cluster(&self, nodes: &[String]) -> Result<MultiplexedConnection, StoreError> {
        let mut last = StoreError::Unfit("no node is named".into(), "give at least one HOST:PORT".into());
        for node in nodes {
            match self.owner(node).await {
                Ok(open) => return Ok(open),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The node that holds the slot of the cell, as this one says.
    async fn owner(&self, node: &str) -> Result<MultiplexedConnection, StoreError> {
        let read = |error: redis::RedisError| trouble::of(&error);
        let asked = self.node(node)?;
        let mut open = self.dial(asked.clone(), true).await?;
        let mut keyslot = redis::cmd("CLUSTER");
        keyslot.arg("KEYSLOT").arg(super::key(&self.settings.cell, "cell"));
        let slot: i64 = keyslot.query_async(&mut open).await.map_err(read)?;
        let ranges: Vec<Vec<redis::Value>> =
            redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut open).await.map_err(read)?;
        for range in ranges {
            let [first, last, primary, ..] = range.as_slice() else { continue };
            let number = |value: &redis::Value| i64::from_redis_value_ref(value).unwrap_or(-1);
            if (number(first)..=number(last)).contains(&slot) {
                let redis::Value::Array(parts) = primary else { continue };
                let [host, port, ..] = parts.as_slice() else { continue };
                let host = String::from_redis_value_ref(host).unwrap_or_default();
                // A node that does not know its own name leaves it out.
                let host = if host.is_empty() {
                    node.rsplit_once(':').map_or(node, |(host, _)| host).to_owned()
                } else {
                    host
                };
                return self.primary(self.info(host, number(port) as u16)?, true).await;
            }
        }
        Err(StoreError::Unavailable(format!("no node of the cluster holds slot {slot}")))
    }

    fn node(&self, text: &str) -> Result<ConnectionInfo, StoreError> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, port) = parts
            .ok_or_else(|| StoreError::Unfit(format!("'{text}' is no address"), "write it as HOST:PORT".to_owned()))?;
        self.info(host, port)
    }

    fn info(&self, host: String, port: u16) -> Result<ConnectionInfo, StoreError> {
        let addr = if self.settings.tls.is_some() {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        addr.into_connection_info().map_err(|error| trouble::of(&error))
    }

    /// One that says that it is a primary: a replica's answers are late, and it takes no writes.
    async fn primary(&self, info: ConnectionInfo, own: bool) -> Result<MultiplexedConnection, StoreError> {
        let address = info.addr().to_string();
        let mut open = self.dial(info, own).await?;
        let role: Vec<redis::Value> =
            redis::cmd("ROLE").query_async(&mut open).await.map_err(|error| trouble::of(&error))?;
        let role = role.first().and_then(|role| String::from_redis_value_ref(role).ok()).unwrap_or_default();
        if role == "master" {
            return Ok(open);
        }
        Err(StoreError::Unavailable(format!("{address} is a {role} and takes no writes")))
    }

    async fn dial(&self, info: ConnectionInfo, with_user: bool) -> Result<MultiplexedConnection, StoreError> {
        let said = info.redis_settings().clone();
        let mut redis: RedisConnectionInfo = said.set_skip_set_lib_name();
        if with_user {
            if let Some(name) = &self.settings.username {
                redis = redis.set_username(name);
            }
            if let Some(password) = &self.settings.password {
                redis = redis.set_password(password.read()?);
            }
        }
        let address = info.addr().to_string();
        let info = info.set_redis_settings(redis);
        let down = |error: redis::RedisError| trouble::of_dialing(&address, &error);
        let client = match &self.settings.tls {
            Some(tls) => Client::build_with_tls(info, tls.read()?),
            None => Client::open(info),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.settings.timeout))
            .set_response_timeout(self.patience);
        client.map_err(down)?.get_multiplexed_async_connection_with_config(&config).await.map_err(down)
    }
}

impl Password {
    fn read(&self) -> Result<String, StoreError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => Ok(String::from_utf8_lossy(&file(path, "password")?).trim_end().to_owned()),
        }
    }
}

impl Tls {
    fn read(&self) -> Result<TlsCertificates, StoreError> {
        let client_tls = match &self.client {
            Some((certificate, key)) => {
                Some(ClientTlsConfig { client_cert: file(certificate, "certificate")?, client_key: file(key, "key")? })
            }
            None => None,
        };
        let root_cert = self.ca.as_deref().map(|ca| file(ca, "CA")).transpose()?;
        Ok(TlsCertificates { client_tls, root_cert })
    }
}

fn file(path: &Path, what: &str) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| {
        let mend = "name a file that this process can read".to_owned();
        StoreError::Unfit(format!("the {what} of redis in {} cannot be read: {error}", path.display()), mend)
    })
}

/// For messages.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
        (_, _) => url.to_owned(),
    }
}
