//! Names by content.

use sha2::{Digest, Sha256};
use std::ffi::OsStr;

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Of bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Running(Sha256);

impl Running {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Whether a file may be named by what is in it: one that is half written has a longer name.
pub fn is_name(name: &OsStr) -> bool {
    name.len() == 64
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn pieces_and_whole_have_one_name() {
        let mut running = super::Running::default();
        running.update(b"ab");
        running.update(b"c");
        assert_eq!(running.finish(), super::sha256(b"abc"));
        assert_eq!(&super::sha256(b"abc")[..16], "ba7816bf8f01cfea");
    }
}
