//! Why there is no pack, with what mends it.

use super::Client;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{name} has no pack")]
    NoRecipe { name: String, image: String },
    #[error("\"{0}\" is no version")]
    BadVersion(String),
    #[error("{name} is not made for {machine}")]
    Machine { name: String, machine: String },
    #[error("{} is not installed, and {name} is fetched with it", .client.as_str())]
    NoClient { client: Client, name: String },
    #[error("{} could not fetch {what}: {said}", .client.as_str())]
    Fetch { client: Client, what: String, said: String },
    #[error("{} cannot reach its registry ({said})", .client.as_str())]
    Unreachable { client: Client, said: String },
    #[error("what was fetched has no {0}")]
    Broken(String),
    #[error("{} cannot be written to: {source}", .folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("{name} {version} in {} is not what was installed", .folder.display())]
    Changed { name: String, version: String, folder: PathBuf },
    #[error("no version of {0} is installed that fits")]
    NotInstalled(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl PackError {
    pub fn mend(&self) -> String {
        match self {
            Self::NoRecipe { image, .. } if image.is_empty() => "put the engine into the sandbox's image".into(),
            Self::NoRecipe { image, .. } => format!("put it into the sandbox's image: `{image}`"),
            Self::BadVersion(_) => "write one such as 1.2.3".into(),
            Self::Machine { .. } => "use a machine with an x86_64 or aarch64 processor".into(),
            Self::NoClient { client: Client::Npm, .. } => "apt-get install npm".into(),
            Self::NoClient { client: Client::Pip, .. } => "apt-get install python3-pip".into(),
            Self::Fetch { .. } => {
                "check that the registry has this version: `arena engines` shows the tested ones".into()
            }
            Self::Unreachable { client: Client::Npm, .. } => "try again when `npm ping` succeeds".into(),
            Self::Unreachable { client: Client::Pip, .. } => "try again when pip reaches its index".into(),
            Self::Broken(_) => "choose another version: `--version V`; `arena engines` shows the tested ones".into(),
            Self::Folder { .. } => {
                "run it with sudo, or set `engine_packs` of [worker] to a folder of yours in a file for `--config`"
                    .into()
            }
            Self::Changed { name, version, .. } => format!(
                "`arena engines remove {name} --version {version}`, then `arena engines install {name} --version {version}`"
            ),
            Self::NotInstalled(_) => "`arena engines` lists what is".into(),
            Self::Io(_) => "free some space, or set `engine_packs` of [worker] to another folder".into(),
        }
    }

    /// The registry did not answer; another time it may.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Fetch { .. }
            | Self::NoRecipe { .. }
            | Self::BadVersion(_)
            | Self::Machine { .. }
            | Self::NoClient { .. }
            | Self::Broken(_)
            | Self::Folder { .. }
            | Self::Changed { .. }
            | Self::NotInstalled(_)
            | Self::Io(_) => false,
        }
    }
}
