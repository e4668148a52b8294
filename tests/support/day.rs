//! A time of day that jumps, for programs that are started with it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("clock.c");

pub struct Day {
    library: PathBuf,
    said: PathBuf,
}

impl Day {
    /// With the machine's compiler, which built this test too; or why there can be none.
    pub fn build(folder: &Path) -> Result<Self, String> {
        let (source, library, said) = (folder.join("clock.c"), folder.join("clock.so"), folder.join("ahead"));
        std::fs::write(&source, SOURCE).expect("a source");
        std::fs::write(&said, 0_i64.to_ne_bytes()).expect("a number");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
        let made = compiler.output().map_err(|error| format!("cc: {error}"))?;
        if !made.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(Self { library, said })
    }

    /// What a program is told by its environment, so that its day is this one.
    pub fn env(&self) -> [(String, String); 2] {
        let text = |path: &Path| path.display().to_string();
        [("LD_PRELOAD".into(), text(&self.library)), ("ARENA_TEST_CLOCK".into(), text(&self.said))]
    }

    /// From now on it is so many seconds ahead of the machine's.
    pub fn is_ahead(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.said).expect("the number");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("the number");
    }
}
