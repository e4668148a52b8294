//! Engines as folders that are mounted read-only into any image: `<engine_packs>/<name>/<version>`.

/// How an engine is fetched, from a manifest; texts may hold `{version}`, `{arch}` (x64) and `{machine}` (x86_64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub client: Client,
    /// That is installed when no other is asked for.
    pub version: String,
    pub packages: Vec<String>,
    /// Taken from this machine into the pack's `lib`, for images without them.
    pub libraries: Vec<String>,
    /// Short names in the pack for what the packages hold.
    pub links: Vec<(String, String)>,
}

/// The package client that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Npm,
    Pip,
}
