//! Whose the repository is, where `sudo` runs Arena: git is run as that user, so that what it writes there is not root's.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where nothing is: git reads no configuration of somebody else then.
const NOWHERE: &str = "/nonexistent";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
    /// Another one than the environment says, which may be root's.
    home: Option<PathBuf>,
}

impl Owner {
    /// The one who said `sudo`, when the folder is theirs.
    pub(super) fn behind_sudo(folder: &Path) -> Option<Self> {
        let said: u32 = std::env::var("SUDO_UID").ok()?.parse().ok()?;
        let meta = folder.metadata().ok()?;
        let is_theirs = said != 0 && meta.uid() == said && rustix::process::geteuid().is_root();
        is_theirs.then(|| Self { user: said, group: meta.gid(), home: other_home(said, std::env::var_os("HOME")) })
    }

    pub(super) fn takes(&self, file: &Path) -> io::Result<()> {
        chown(file, Some(self.user), Some(self.group))
    }

    pub(super) fn runs(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
        if let Some(home) = &self.home {
            command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
        }
    }
}

fn other_home(user: u32, said: Option<OsString>) -> Option<PathBuf> {
    let owns = |home: &Path| home.metadata().is_ok_and(|meta| meta.uid() == user);
    if said.is_some_and(|home| owns(Path::new(&home))) {
        return None;
    }
    let all = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(home_of(user, &all).unwrap_or_else(|| NOWHERE.into()))
}

/// As the lines of `passwd` say: name, password, user, group, comment, home.
fn home_of(user: u32, passwd: &str) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(user)).then(|| fields.get(5).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_found_by_the_number_of_its_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\n";
        assert_eq!(home_of(1000, passwd), Some("/home/ann".into()));
        assert_eq!(home_of(1001, passwd), None);
    }

    #[test]
    fn a_home_of_somebody_else_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap().uid();
        assert_eq!(other_home(own, Some(folder.path().into())), None);
        assert_eq!(other_home(own + 12_345, Some(folder.path().into())), Some(NOWHERE.into()));
    }
}
