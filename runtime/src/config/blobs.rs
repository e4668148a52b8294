//! `[blobs]`: where the bundles and logs of a team lie. Keys of storage are never part of it: only where they are.

use super::build::Build;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlobConfig {
    /// `file:///FOLDER` or `s3://BUCKET/PREFIX`; nothing: in the state directory.
    pub url: Option<String>,
    /// Of S3-compatible storage that is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// PEM of who vouches for the endpoint.
    pub ca: Option<PathBuf>,
    /// The file that holds the keys; without it they come from the variables of AWS, or from the machine's role.
    pub credentials: Option<PathBuf>,
}

impl Build<'_> {
    pub(super) fn blobs(&mut self) -> BlobConfig {
        let url = self.text(&["blobs", "url"]);
        let known = |url: &String| url.starts_with("file:///") || url.starts_with("s3://");
        if !url.as_ref().is_none_or(known) {
            self.refuse(
                &["blobs", "url"],
                "is neither a folder nor a bucket",
                "write file:///FOLDER or s3://BUCKET/PREFIX",
            );
        }
        BlobConfig {
            url,
            endpoint: self.text(&["blobs", "endpoint"]),
            region: self.text(&["blobs", "region"]),
            ca: self.path(&["blobs", "ca"]),
            credentials: self.path(&["blobs", "credentials"]),
        }
    }
}
