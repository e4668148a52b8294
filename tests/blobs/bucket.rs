//! Blobs on a real S3-compatible server.

use crate::contract::{self, Subject};
use crate::sweep;
use arena_coordinator::blobs::{BlobError, BlobSettings, Blobs, Credentials};
use arena_runtime::clock::Stopwatch;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::{KEY, SECRET, Storage, skip};

fn keys(secret: &'static str) -> Credentials {
    Credentials::from_environment(&move |name| match name {
        "AWS_ACCESS_KEY_ID" => Some(KEY.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
        _ => None,
    })
}

fn settings(server: &Storage, url: &str) -> BlobSettings {
    BlobSettings {
        endpoint: Some(server.endpoint()),
        region: Some("us-east-1".into()),
        credentials: keys(SECRET),
        ..BlobSettings::new(url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_the_contract() {
    let Some(server) = Storage::on("a_bucket_keeps_the_contract") else { return };
    server.make_bucket("team", "http");
    let blobs = Blobs::connect(&settings(&server, "s3://team/some/where")).expect("settings that hold");
    let raw = AmazonS3Builder::new()
        .with_bucket_name("team")
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_access_key_id(KEY)
        .with_secret_access_key(SECRET);
    let raw = Arc::new(raw.build().expect("the bucket"));
    let subject = Subject { blobs, raw, below: Path::from("some/where") };
    contract::holds(&subject).await;
    sweep::holds(&subject).await;
    let blobs = Blobs::connect(&settings(&server, "s3://team/some/where")).expect("settings that hold");
    let mut incoming = blobs.begin();
    incoming.write(vec![1; 24 << 20].into()).await.expect("room");
    contract::eventually(async || server.uploads("team") == 1).await;
    drop(incoming);
    contract::eventually(async || server.uploads("team") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_a_missing_bucket_and_a_dead_server_are_told_apart_and_tell_no_secret() {
    let Some(mut server) = Storage::on("a_wrong_key_a_missing_bucket_and_a_dead_server") else { return };
    server.make_bucket("team", "http");
    let good = settings(&server, "s3://team");
    let wrong = BlobSettings { credentials: keys("wrong-secret-of-somebody"), ..good.clone() };
    let told = Blobs::connect(&wrong).expect("settings that hold").check().await.expect_err("a wrong key");
    assert!(matches!(told, BlobError::Denied(_)) && !told.is_transient(), "{told:?}");
    assert!(!format!("{told} {told:?} {wrong:?}").contains("wrong-secret"), "{told}");
    let nowhere = settings(&server, "s3://nowhere");
    let told = Blobs::connect(&nowhere).expect("settings that hold").check().await.expect_err("no bucket");
    assert!(matches!(told, BlobError::Settings { .. }) && told.to_string().contains("no such bucket"), "{told:?}");
    let blobs = Blobs::connect(&good).expect("settings that hold");
    blobs.check().await.expect("a server that answers");
    server.stop();
    let begun = Stopwatch::start();
    let told = blobs.check().await.expect_err("no server");
    assert!(matches!(told, BlobError::Storage(_)) && told.is_transient(), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert!(!format!("{told} {told:?}").contains(SECRET), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_believed_when_the_named_authority_vouches_for_it() {
    let name = "an_endpoint_is_believed_when_the_named_authority_vouches_for_it";
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=storage of a test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skip(name, "no openssl to make a certificate with");
    }
    let Some(server) = Storage::secured(name, &certificate, &key) else { return };
    server.make_bucket("team", "https");
    let unknown =
        BlobSettings { endpoint: Some(format!("https://127.0.0.1:{}", server.port)), ..settings(&server, "s3://team") };
    let told = Blobs::connect(&unknown).expect("settings that hold").check().await;
    assert!(matches!(told, Err(BlobError::Storage(_))), "nobody vouches for it: {told:?}");
    let known = BlobSettings { ca: Some(certificate), ..unknown };
    Blobs::connect(&known).expect("settings that hold").check().await.expect("an endpoint that is believed");
}
