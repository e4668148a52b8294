//! Where the blobs of a team are, and who may reach them there. Keys come from a file or from the environment, and are never
//! part of a configuration, of a log or of an error.

use super::{BlobError, Blobs};
use arena_runtime::config::BlobConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Below;
use object_store::{Certificate, ClientOptions, RetryConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Of one request, with all its repetitions; what takes longer is the caller's to repeat.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// What the environment may say about keys; all other variables are none of ours.
const VARIABLES: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobSettings {
    /// `file:///FOLDER` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// Of storage that is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// PEM of who vouches for the endpoint, beside those that the machine trusts.
    pub ca: Option<PathBuf>,
    pub credentials: Credentials,
}

/// By the names of their variables. Without any, the machine's own role is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<&'static str, String>);

impl Credentials {
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = |name: &&'static str| Some((*name, environment(name).filter(|value| !value.is_empty())?));
        Self(VARIABLES.iter().filter_map(said).collect())
    }

    /// A file as the tools of S3 write it: `aws_access_key_id = …` and `aws_secret_access_key = …` below `[default]`.
    pub fn from_file(path: &Path) -> Result<Self, BlobError> {
        let refused = |reason: String| BlobError::Settings {
            key: "[blobs] credentials",
            reason: format!("{}: {reason}", path.display()),
            mend: "write aws_access_key_id = … and aws_secret_access_key = … below [default]",
        };
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        let (mut found, mut mine) = (BTreeMap::new(), true);
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                mine = section.trim_end_matches(']').trim() == "default";
            } else if let Some((name, value)) = line.split_once('=').filter(|_| mine && !line.starts_with('#')) {
                let name = name.trim().to_uppercase();
                if let Some(known) = VARIABLES.iter().find(|known| **known == name) {
                    found.insert(*known, value.trim().to_owned());
                }
            }
        }
        let both = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().all(|name| found.contains_key(name));
        if both { Ok(Self(found)) } else { Err(refused("it does not hold both keys".into())) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl BlobSettings {
    /// In a folder or a bucket, with nothing else said.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), endpoint: None, region: None, ca: None, credentials: Credentials::default() }
    }

    /// As configured; nothing when blobs lie in the state directory.
    pub fn configured(
        config: &BlobConfig,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, BlobError> {
        let BlobConfig { url, endpoint, region, ca, credentials } = config.clone();
        let Some(url) = url else { return Ok(None) };
        let credentials = match credentials {
            Some(file) => Credentials::from_file(&file)?,
            None => Credentials::from_environment(environment),
        };
        Ok(Some(Self { url, endpoint, region, ca, credentials }))
    }

    /// No keys were given for a bucket, so the storage is reached by the role of the machine, or not at all.
    pub fn rests_on_a_role(&self) -> bool {
        self.url.starts_with("s3://") && self.credentials.0.is_empty()
    }

    pub(super) fn open(&self) -> Result<Blobs, BlobError> {
        let refused = |reason: &str| BlobError::Settings {
            key: "[blobs] url",
            reason: reason.to_owned(),
            mend: "write file:///FOLDER or s3://BUCKET/PREFIX",
        };
        match self.url.split_once("://") {
            Some(("file", folder)) if folder.starts_with('/') => Ok(Blobs::new(PathBuf::from(folder))),
            Some(("file", _)) => Err(refused("the folder is not said from the root on")),
            Some(("s3", place)) => {
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() {
                    return Err(refused("no bucket is named"));
                }
                let prefix = Below::parse(prefix).map_err(|_| refused("the prefix is no path"))?;
                self.bucket(bucket, prefix)
            }
            Some(_) | None => Err(refused("it is neither a folder nor a bucket")),
        }
    }

    fn bucket(&self, bucket: &str, prefix: Below) -> Result<Blobs, BlobError> {
        // One that was installed before is as good: there is no other in this program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_client_options(self.client()?)
            .with_retry(RetryConfig { max_retries: 5, retry_timeout: PATIENCE, ..RetryConfig::default() });
        for (name, value) in &self.credentials.0 {
            let key: AmazonS3ConfigKey = name.to_lowercase().parse()?;
            builder = builder.with_config(key, value);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(Blobs::over(Arc::new(builder.build()?), prefix))
    }

    /// Without TLS only what never leaves the machine is sent.
    fn client(&self) -> Result<ClientOptions, BlobError> {
        let mut options =
            ClientOptions::new().with_timeout_disabled().with_connect_timeout(CONNECT).with_read_timeout(PATIENCE);
        if let Some(plain) = self.endpoint.as_deref().and_then(|endpoint| endpoint.strip_prefix("http://")) {
            let host = plain.split('/').next().unwrap_or_default();
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
                return Err(BlobError::Settings {
                    key: "[blobs] endpoint",
                    reason: "http:// would send what engines wrote in the clear".into(),
                    mend: "write https://HOST, and name its authority if the machine does not know it",
                });
            }
            options = options.with_allow_http(true);
        }
        let Some(path) = &self.ca else { return Ok(options) };
        let refused = |reason: String| BlobError::Settings {
            key: "[blobs] ca",
            reason: format!("{}: {reason}", path.display()),
            mend: "name a PEM file that can be read",
        };
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| refused(error.to_string()))? {
            options = options.with_root_certificate(certificate);
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_a_file_or_the_environment_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let text =
            "# ours\n[other]\naws_access_key_id = no\n[default]\naws_access_key_id = ID\naws_secret_access_key=S/=1\n";
        std::fs::write(&path, text).unwrap();
        let from_file = Credentials::from_file(&path).unwrap();
        let said = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("ID".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("S/=1".to_owned()),
            "AWS_SESSION_TOKEN" => Some(String::new()),
            _ => None,
        };
        assert_eq!(from_file, Credentials::from_environment(&said));
        let shown = format!("{:?}", BlobSettings { credentials: from_file, ..BlobSettings::new("s3://b") });
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("S/=1"), "{shown}");
        std::fs::write(&path, "[default]\naws_access_key_id = ID\n").unwrap();
        let refused = Credentials::from_file(&path).unwrap_err();
        assert!(refused.to_string().contains("both keys") && refused.mend().contains("[default]"), "{refused}");
        let none = BlobSettings::new("s3://b");
        let keyed = BlobSettings { credentials: Credentials::from_environment(&said), ..none.clone() };
        let rests = [&none, &keyed, &BlobSettings::new("file:///b")].map(BlobSettings::rests_on_a_role);
        assert_eq!(rests, [true, false, false]);
        for name in VARIABLES {
            assert!(name.to_lowercase().parse::<AmazonS3ConfigKey>().is_ok(), "{name}");
        }
    }

    #[test]
    fn settings_that_cannot_hold_are_refused_with_their_mend() {
        let plain = |endpoint: &str| BlobSettings {
            endpoint: Some(endpoint.into()),
            region: Some("r".into()),
            ..BlobSettings::new("s3://b/p")
        };
        let rows = [
            (BlobSettings::new("/var/lib"), "neither a folder nor a bucket"),
            (BlobSettings::new("gs://b"), "neither a folder nor a bucket"),
            (BlobSettings::new("file://var/lib"), "from the root on"),
            (BlobSettings::new("s3:///p"), "no bucket is named"),
            (plain("http://minio:9000"), "in the clear"),
            (plain("http://127.0.0.1.evil.example"), "in the clear"),
            (BlobSettings { ca: Some("/nowhere/ca.pem".into()), ..plain("https://minio") }, "/nowhere/ca.pem"),
        ];
        for (settings, what) in rows {
            let refused = Blobs::connect(&settings).unwrap_err();
            assert!(matches!(refused, BlobError::Settings { .. }), "{refused:?}");
            assert!(refused.to_string().contains(what) && !refused.mend().is_empty(), "{refused}");
        }
        for holds in [plain("http://localhost:9000"), plain("http://[::1]:9000"), plain("https://minio:9000")] {
            assert!(Blobs::connect(&holds).is_ok(), "{holds:?}");
        }
    }
}
