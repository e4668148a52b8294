//! How the server is reached: as a user of its own, over TLS with certificates on both sides, in a cluster.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// As `docs/redis.md` tells operators.
const RIGHTS: [&str; 5] = ["~arena:{c0}:*", "+@all", "-@dangerous", "+info", "+role"];

/// A transition, a claim, a renewal, a result and every look work.
async fn works(store: &Store) {
    let id = with_jobs(store, vec![job(0, 0, 1, 1)]).await;
    let lease = claim(store, "r1").await;
    assert_eq!(store.renew(vec![lease.clone()], NOW).await.unwrap(), []);
    assert_eq!(store.resolve("t0").await.unwrap(), id);
    let version = store.data_version().await.unwrap();
    store.news(version, Duration::from_millis(20)).await.unwrap();
    let settle = Transition { settle: Some(lease), feed: vec![told("done")], ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(kept(store, &id).await.2.len(), 2);
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_user_that_may_use_one_cell_only_is_enough_and_gets_no_other() {
    let Some(server) = Server::start("acl") else { return };
    let guide = include_str!("../../../../docs/redis.md");
    assert!(guide.contains(&RIGHTS.join(" ")), "the guide tells the rights that are tested");
    let made = [["ACL", "SETUSER", "arena", "reset", "on", ">secret"].as_slice(), &RIGHTS].concat();
    assert_eq!(server.says(&made), "OK");
    assert_eq!(server.says(&["ACL", "SETUSER", "default", "off"]), "OK");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let arena = RedisSettings {
        username: Some("arena".into()),
        password: Some(Password::File(file.path().to_owned())),
        ..server.settings()
    };
    works(&Store::connect(arena.clone(), limits()).await.unwrap()).await;
    let rows = [
        RedisSettings { cell: "c1".into(), ..arena.clone() },
        RedisSettings { password: Some(Password::Text("wrong".into())), ..arena },
        server.settings(),
    ];
    for settings in rows {
        let refused = Store::connect(settings.clone(), limits()).await.map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::Unfit(..)), "{settings:?}: {refused:?}");
        assert!(refused.to_string().contains("give the user and the password"), "{refused}");
        assert!(!format!("{settings:?} {refused}").contains("wrong\""), "a password is not shown");
    }
}

/// An authority, and a certificate of it for this host.
struct Papers {
    folder: TempDir,
}

impl Papers {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str, hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let mut params = CertificateParams::new(hosts).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let mut authority = named(&format!("{name} authority"), &[]);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let ca = authority.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(authority, ca_key);
        let leaf = named(name, &["127.0.0.1"]).signed_by(&key, &issuer).unwrap();
        for (file, text) in [("ca", ca.pem()), ("cert", leaf.pem()), ("key", key.serialize_pem())] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[tokio::test]
async fn over_tls_each_side_asks_for_the_others_certificate() {
    let (papers, foreign) = (Papers::new("fleet"), Papers::new("foreign"));
    let port = server::free_port().to_string();
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| papers.file(name).display().to_string());
    let args = ["--tls-port", &port, "--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let Some(server) = Server::with("tls", &args) else { return };
    let with = |tls: Tls| RedisSettings {
        nodes: Nodes::Servers(vec![format!("rediss://127.0.0.1:{port}")]),
        tls: Some(tls),
        timeout: Duration::from_secs(2),
        ..server.settings()
    };
    let client = |papers: &Papers| Some((papers.file("cert"), papers.file("key")));
    let good = Tls { ca: Some(papers.file("ca")), client: client(&papers) };
    works(&Store::connect(with(good.clone()), limits()).await.unwrap()).await;
    let rows = [
        ("an authority that it does not know", Tls { ca: Some(foreign.file("ca")), ..good.clone() }),
        ("no certificate of its own", Tls { client: None, ..good.clone() }),
        ("another authority's certificate", Tls { client: client(&foreign), ..good.clone() }),
    ];
    for (what, tls) in rows {
        let refused = Store::connect(with(tls), limits()).await.map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{what}: {refused:?}");
    }
    let lost = Tls { ca: Some(papers.file("nothing")), ..good };
    let refused = Store::connect(with(lost), limits()).await.map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Unfit(..)), "{refused:?}");
}

#[tokio::test]
async fn in_a_cluster_the_node_that_holds_the_cell_is_found_by_any_other() {
    if !Server::there("cluster") {
        return;
    }
    let bus = [server::free_port().to_string(), server::free_port().to_string()];
    let node = |bus: &str| Server::on_port(&["--cluster-enabled", "yes", "--cluster-port", bus]);
    let ((one, first), (two, second)) = (node(&bus[0]), node(&bus[1]));
    assert_eq!(one.says(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]), "OK");
    assert_eq!(two.says(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]), "OK");
    assert_eq!(one.says(&["CLUSTER", "MEET", "127.0.0.1", &second.to_string(), &bus[1]]), "OK");
    for node in [&one, &two] {
        until(async || node.says(&["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
    }
    let by = |port: u16| RedisSettings { nodes: Nodes::Cluster(vec![format!("127.0.0.1:{port}")]), ..one.settings() };
    let (store, other) = (Store::connect(by(first), limits()).await, Store::connect(by(second), limits()).await);
    works(&store.unwrap()).await;
    assert_eq!(other.unwrap().sessions().await.unwrap().len(), 1, "both found the same node");
    let sizes = [&one, &two].map(|node| node.says(&["DBSIZE"]) == "0");
    assert_eq!(sizes.iter().filter(|empty| **empty).count(), 1, "one node holds the whole cell");
}
