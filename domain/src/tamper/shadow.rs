//! New modules that Python would find before its own, or before those of the test runner.
//!
//! Python looks first in the folder of the script, in the working directory (`python -m`), and where `PYTHONPATH` and the
//! runner point; a file there that bears the name of a module of the runner's runs in the place of it.

use super::is_test;
use std::collections::{BTreeSet, HashSet};

/// Modules of the standard library that are not part of the interpreter, and of common runners and what these load.
const MODULES: &[&str] = &[
    "_collections_abc",
    "_compat_pickle",
    "_py_abc",
    "_pytest",
    "_sitebuiltins",
    "_strptime",
    "_weakrefset",
    "abc",
    "anyio",
    "argparse",
    "array",
    "ast",
    "asynchat",
    "asyncio",
    "asyncore",
    "attr",
    "attrs",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "bz2",
    "cProfile",
    "calendar",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorama",
    "colorsys",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "coverage",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "distutils",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "exceptiongroup",
    "execnet",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "hypothesis",
    "imaplib",
    "imp",
    "importlib",
    "iniconfig",
    "inspect",
    "io",
    "ipaddress",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "multiprocessing",
    "netrc",
    "nose",
    "nose2",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "packaging",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pkgutil",
    "platform",
    "plistlib",
    "pluggy",
    "poplib",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "py",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "pygments",
    "pytest",
    "pytest_asyncio",
    "pytest_benchmark",
    "pytest_cov",
    "pytest_mock",
    "pytest_timeout",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "sitecustomize",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "symtable",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "tempfile",
    "termios",
    "textwrap",
    "threading",
    "timeit",
    "token",
    "tokenize",
    "tomli",
    "tomllib",
    "tox",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "types",
    "typing",
    "typing_extensions",
    "unicodedata",
    "unittest",
    "urllib",
    "usercustomize",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "wsgiref",
    "xdist",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
];

/// Where a module may stand in the way of another, by the files of the base and by what gates and harness run.
#[derive(Debug, Clone, Default)]
pub struct Shadows {
    files: HashSet<String>,
    folders: BTreeSet<String>,
}

impl Shadows {
    pub fn of<'a>(commands: impl Iterator<Item = &'a str>, files: impl Iterator<Item = String>) -> Self {
        let files: HashSet<String> = files.collect();
        let all: HashSet<&str> = files.iter().flat_map(|file| above(file)).collect();
        let is_package = |folder: &str| files.contains(&joined(folder, "__init__.py"));
        let mut folders = BTreeSet::from([String::new()]);
        for word in commands.flat_map(words) {
            if files.contains(word) {
                folders.insert(folder(word).to_owned());
            } else if all.contains(word) && !is_package(word) {
                folders.insert(word.to_owned());
            }
        }
        // The runner puts the first folder that is no package before all others.
        for file in files.iter().filter(|file| file.ends_with(".py") && is_test(file)) {
            let mut place = folder(file);
            while !place.is_empty() && is_package(place) {
                place = folder(place);
            }
            folders.insert(place.to_owned());
        }
        Self { files, folders }
    }

    /// Whether the base has this file.
    pub fn is_old(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Whether this path is new and would be loaded in the place of a module of Python's or of its runner's.
    pub fn holds(&self, path: &str) -> bool {
        let Some((stem, kind)) = path.rsplit('/').next().and_then(|name| name.split_once('.')) else { return false };
        let is_module = kind == "py" || kind.ends_with("pyc") || kind.ends_with("so");
        if !is_module || self.is_old(path) {
            return false;
        }
        let place = if stem == "__init__" { folder(path) } else { &path[..path.len() - kind.len() - 1] };
        let name = place.rsplit('/').next().unwrap_or_default();
        self.folders.contains(folder(place)) && MODULES.contains(&name)
    }
}

/// What may be a path in a command: `PYTHONPATH=src:lib python3 ./bench/run.py`.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| c.is_whitespace() || "\"'=:;&|()<>,`".contains(c);
    let plain = |word: &'_ str| word.trim_start_matches("./").trim_end_matches('/').len();
    command
        .split(apart)
        .filter(move |word| plain(word) > 0)
        .map(|word| word.trim_start_matches("./").trim_end_matches('/'))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_module_that_stands_before_another_is_known_by_name_and_place() {
        let files = ["src/__init__.py", "src/app.py", "lib/app.py", "bench/run.py", "queue.py", "pkg/__init__.py"]
            .into_iter()
            .chain(["pkg/tests/__init__.py", "pkg/tests/test_a.py", "checks/test_b.py", "a/b.rs"]);
        let commands = ["PYTHONPATH=lib python3 -m pytest -q", "python3 ./bench/run.py {scenario} && ruff check src/"];
        let shadows = Shadows::of(commands.into_iter(), files.map(str::to_owned));
        let held = [
            "shlex.py",
            "pluggy.py",
            "xdist/__init__.py",
            "json/__init__.cpython-312-x86_64-linux-gnu.so",
            "shlex.pyc",
            "lib/shlex.py",
            "bench/random.py",
            "checks/re.py",
            "iniconfig.cpython-312-x86_64-linux-gnu.so",
        ];
        for path in held {
            assert!(shadows.holds(path), "{path}");
        }
        let free = [
            "queue.py",
            "src/queue.py",
            "pkg/queue.py",
            "pkg/tests/queue.py",
            "xdist/plugin.py",
            "shlex.txt",
            "shlex",
            "deep/er/shlex.py",
            "lib/own.py",
            "test/__init__.py",
            "time.py",
            "",
            ".py",
            "json/a.rs",
        ];
        for path in free {
            assert!(!shadows.holds(path), "{path}");
        }
    }
}
