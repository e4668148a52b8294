//! Whoever said `sudo`: what Arena does in folders of theirs is done with their rights and no others.
//!
//! A thread takes their user, group and groups and ends with what it did. So what it writes is theirs, and a link that they,
//! or a program of theirs, put in the way leads root nowhere.

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::fs::{Access, Mode, OFlags, ResolveFlags, access, fstat, openat2};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where nothing is: git reads no configuration of somebody else then.
pub(crate) const NOWHERE: &str = "/nonexistent";

const LINK: &str = "whoever said sudo may not, and root follows no link there: name the folder itself";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    user: u32,
    group: u32,
    /// All of them, since a repository may be shared by any.
    groups: Vec<u32>,
    /// As the machine's database of users has it, wherever that is.
    name: Option<String>,
    /// Another one than the environment says, which may be root's.
    home: Option<PathBuf>,
}

/// Who is behind this process; `None` when it is no `sudo`.
pub(crate) fn person() -> Option<&'static Person> {
    static PERSON: OnceLock<Option<Person>> = OnceLock::new();
    let number = |key: &str| std::env::var(key).ok()?.parse().ok();
    let known = || {
        let user = number("SUDO_UID").filter(|user| *user != 0 && rustix::process::geteuid().is_root())?;
        Some(Person::known(user, number("SUDO_GID")))
    };
    PERSON.get_or_init(known).as_ref()
}

/// Who is behind this process, when the folder is theirs.
pub(crate) fn owner(folder: &Path) -> Option<&'static Person> {
    let owner = folder.metadata().ok()?.uid();
    person().filter(|person| person.user == owner)
}

/// Writes at `path`, and where the person behind `sudo` may write there, as them.
///
/// Elsewhere it is root who writes: in a folder that is held open, that no link leads to, and where they cannot write. `act`
/// is told where to write.
pub(crate) fn writing<T: Send>(path: &Path, act: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
    at(path, Access::WRITE_OK | Access::EXEC_OK, act)
}

/// The same for reading.
pub(crate) fn reading<T: Send>(path: &Path, act: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
    at(path, Access::READ_OK | Access::EXEC_OK, act)
}

fn at<T: Send>(path: &Path, wanted: Access, act: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
    match person() {
        Some(person) => person.at(path, wanted, act),
        None => Ok(act(path)),
    }
}

impl Person {
    /// By their number, and the group that they said it from.
    fn known(user: u32, said: Option<u32>) -> Self {
        let entry = User::from_uid(Uid::from_raw(user)).ok().flatten();
        let group = said.or(entry.as_ref().map(|entry| entry.gid.as_raw())).unwrap_or(user);
        let name = entry.as_ref().map(|entry| entry.name.clone());
        let all = |name: &String| getgrouplist(&CString::new(name.as_str()).ok()?, Gid::from_raw(group)).ok();
        let groups = name.as_ref().and_then(all).map(|all| all.into_iter().map(Gid::as_raw).collect());
        let own = std::env::var_os("HOME").is_some_and(|home| owns(user, Path::new(&home)));
        let home = (!own).then(|| entry.map_or_else(|| NOWHERE.into(), |entry| entry.dir));
        Self { user, group, groups: groups.unwrap_or_else(|| vec![group]), name, home }
    }

    /// Says to a program whose home and name count.
    pub(crate) fn tells(&self, command: &mut Command) {
        if let Some(home) = &self.home {
            command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
        }
        if let Some(name) = &self.name {
            command.env("USER", name).env("LOGNAME", name);
        }
    }

    /// With their rights alone, on a thread of its own; programs that it starts have them as well.
    pub(crate) fn does<T: Send>(&self, act: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, || self.begins().map(|()| act()))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Of this thread alone, and for good. The process can then be traced by nobody but root, as after any such change; while the
    /// thread lives, the person may end it, and so the process: what takes long is not done on it.
    fn begins(&self) -> io::Result<()> {
        use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
        let groups: Vec<_> = self.groups.iter().map(|group| rustix::fs::Gid::from_raw(*group)).collect();
        let (user, group) = (rustix::fs::Uid::from_raw(self.user), rustix::fs::Gid::from_raw(self.group));
        set_thread_groups(&groups)?;
        set_thread_res_gid(group, group, group)?;
        Ok(set_thread_res_uid(user, user, user)?)
    }

    fn at<T: Send>(&self, path: &Path, wanted: Access, act: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
        let path = std::path::absolute(path)?;
        let folder = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        // A file that is read counts itself; one that is written may be there already, of anybody.
        let (subject, wanted) = match wanted.contains(Access::READ_OK) && path.is_file() {
            true => (path.as_path(), Access::READ_OK),
            false => (folder, wanted),
        };
        if self.does(|| access(subject, wanted))?.is_ok() {
            return self.does(|| act(&path));
        }
        let held = self.held(folder)?;
        let below = path.strip_prefix(folder).unwrap_or(Path::new(""));
        let folder = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        Ok(act(&if below.as_os_str().is_empty() { folder } else { folder.join(below) }))
    }

    /// A folder of somebody else's, held open: what is below it does not change by what this person does.
    fn held(&self, folder: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open("/", flags, Mode::empty())?;
        let below = folder.strip_prefix("/").unwrap_or(folder);
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let held =
            openat2(root, below, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS).map_err(|error| match error {
                Errno::LOOP => io::Error::new(io::ErrorKind::PermissionDenied, LINK),
                other => other.into(),
            })?;
        if fstat(&held)?.st_uid == self.user || self.writes_in(&held)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(held)
    }

    fn writes_in(&self, folder: &OwnedFd) -> io::Result<bool> {
        let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
        Ok(self.does(|| access(folder.as_str(), Access::WRITE_OK))?.is_ok())
    }
}

fn owns(user: u32, folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| meta.uid() == user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    /// Nobody here has these numbers.
    const USER: u32 = 54_321;
    const SHARED: u32 = 54_400;

    fn somebody() -> Person {
        Person { user: USER, group: USER, groups: vec![USER, SHARED], name: None, home: None }
    }

    /// A folder that everybody sees, with one of root's own and one of theirs in it; only root can be somebody else.
    fn yard() -> Option<tempfile::TempDir> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let yard = tempfile::tempdir().unwrap();
        fs::set_permissions(yard.path(), Permissions::from_mode(0o755)).unwrap();
        for (name, owner, mode) in [("roots", 0, 0o755), ("secret", 0, 0o700), ("theirs", USER, 0o755)] {
            let place = yard.path().join(name);
            fs::create_dir(&place).unwrap();
            chown(&place, Some(owner), Some(owner)).unwrap();
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        }
        Some(yard)
    }

    fn write(person: &Person, path: &Path) -> io::Result<()> {
        person.at(path, Access::WRITE_OK | Access::EXEC_OK, |path| fs::write(path, "x"))?
    }

    fn owner_of(path: &Path) -> (u32, u32) {
        let meta = fs::symlink_metadata(path).unwrap();
        (meta.uid(), meta.gid())
    }

    #[test]
    fn what_is_written_where_a_person_may_write_is_theirs_and_elsewhere_it_is_roots() {
        let Some(yard) = yard() else { return };
        for (folder, owner) in [("theirs", USER), ("roots", 0), ("secret", 0)] {
            let file = yard.path().join(folder).join("file");
            write(&somebody(), &file).unwrap();
            assert_eq!(owner_of(&file), (owner, owner), "{folder}");
        }
    }

    #[test]
    fn a_link_of_theirs_leads_root_nowhere() {
        let Some(yard) = yard() else { return };
        let place = |path: &str| yard.path().join(path);
        for (target, link) in [("secret", "theirs/folder"), ("roots", "theirs/open"), ("secret/file", "theirs/file")] {
            symlink(place(target), place(link)).unwrap();
        }
        for path in ["theirs/folder/file", "theirs/open/file", "theirs/file"] {
            assert!(write(&somebody(), &place(path)).is_err(), "{path}");
        }
        assert_eq!((place("secret/file").exists(), place("roots/file").exists()), (false, false));
        // A folder that they shut before themselves is theirs still.
        fs::set_permissions(place("theirs"), Permissions::from_mode(0o555)).unwrap();
        assert!(write(&somebody(), &place("theirs/file")).is_err());
    }

    #[test]
    fn what_only_root_may_read_is_read_where_a_person_can_put_nothing_in_its_place() {
        let Some(yard) = yard() else { return };
        let read = |path: &str| {
            let path = yard.path().join(path);
            somebody().at(&path, Access::READ_OK | Access::EXEC_OK, |path| fs::read(path))?
        };
        for path in ["roots/packet", "theirs/packet"] {
            fs::write(yard.path().join(path), "x").unwrap();
            fs::set_permissions(yard.path().join(path), Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(read("roots/packet").unwrap(), b"x");
        assert!(read("theirs/packet").is_err(), "it may be a link that they made");
    }

    #[test]
    fn a_person_reads_and_writes_by_all_their_groups() {
        let Some(yard) = yard() else { return };
        let shared = yard.path().join("secret");
        chown(&shared, None, Some(SHARED)).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o770)).unwrap();
        somebody().does(|| fs::write(shared.join("one"), "x")).unwrap().unwrap();
        assert_eq!(owner_of(&shared.join("one")), (USER, USER));
        let alone = Person { groups: vec![USER], ..somebody() };
        assert!(alone.does(|| fs::write(shared.join("two"), "x")).unwrap().is_err());
        assert!(rustix::process::geteuid().is_root(), "no other thread has changed");
    }

    #[test]
    fn a_person_is_known_by_the_database_of_users() {
        let known = Person::known(0, None);
        assert_eq!((known.group, known.name.as_deref()), (0, Some("root")));
        assert!(known.groups.contains(&0), "{known:?}");
        let stranger = Person::known(USER, Some(SHARED));
        assert_eq!((stranger.group, &stranger.groups[..]), (SHARED, &[SHARED][..]));
        assert_eq!(stranger.home, Some(NOWHERE.into()), "not root's");
    }
}
