//! What `[store]` says of a team's Redis, as the store takes it.

use crate::failure::{Failure, USAGE};
use arena_coordinator::store::{Nodes, Password, RedisSettings, Tls};
use arena_runtime::config::{StoreConfig, TlsConfig};

/// Nothing where the store is embedded.
pub(crate) fn settings(config: &StoreConfig) -> Result<Option<RedisSettings>, Failure> {
    let Some(url) = &config.url else { return Ok(None) };
    let mut settings = RedisSettings::server(url);
    settings.nodes = nodes(url)?;
    settings.cell.clone_from(&config.cell);
    settings.username.clone_from(&config.user);
    settings.password = config.password_file.clone().map(Password::File);
    settings.tls = tls(&config.tls)?;
    settings.replicas.count = config.replicas;
    Ok(Some(settings))
}

fn nodes(url: &str) -> Result<Nodes, Failure> {
    let list = |text: &str| -> Vec<String> { text.split(',').map(|one| one.trim().to_owned()).collect() };
    let nodes = match url.split_once("://") {
        Some(("redis" | "rediss" | "unix", _)) => Some(Nodes::Servers(list(url))),
        Some(("cluster", rest)) => Some(Nodes::Cluster(list(rest))),
        Some(("sentinel", rest)) => rest
            .split_once('@')
            .map(|(master, sentinels)| Nodes::Sentinel { master: master.to_owned(), sentinels: list(sentinels) }),
        Some(_) | None => None,
    };
    let mend =
        "write redis://HOST:PORT, rediss://HOST:PORT, sentinel://PRIMARY@HOST:PORT,HOST:PORT or cluster://HOST:PORT";
    nodes.ok_or_else(|| Failure::new(USAGE, "[store] url: names no store that there is", mend))
}

fn tls(config: &TlsConfig) -> Result<Option<Tls>, Failure> {
    let TlsConfig { ca, certificate, key, revoked: _ } = config.clone();
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let mend = "name both, or neither";
            return Err(Failure::new(USAGE, "[store] has a certificate without its key, or a key alone", mend));
        }
    };
    Ok((ca.is_some() || client.is_some()).then_some(Tls { ca, client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_sentinels_or_a_cluster() {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let rows = [
            ("redis://a:1", Some(Nodes::Servers(owned(&["redis://a:1"])))),
            ("rediss://a:1, rediss://b:2", Some(Nodes::Servers(owned(&["rediss://a:1", "rediss://b:2"])))),
            ("cluster://a:1,b:2", Some(Nodes::Cluster(owned(&["a:1", "b:2"])))),
            (
                "sentinel://main@a:1,b:2",
                Some(Nodes::Sentinel { master: "main".into(), sentinels: owned(&["a:1", "b:2"]) }),
            ),
            ("sentinel://a:1", None),
            ("http://a", None),
            ("a:1", None),
        ];
        for (url, expected) in rows {
            assert_eq!(nodes(url).ok(), expected, "{url}");
        }
    }
}
