//! `arena init`: looks at a repository and writes a packet to start from.
//!
//! What only the user can know is marked EDIT. A path is written when it was seen in the repository, and only then.

mod ecosystem;
mod survey;
mod text;

use std::io;
use std::path::Path;
use survey::Survey;

/// A commented packet for the repository at `root`; valid TOML. Fails when `root` cannot be read.
pub(crate) fn packet(root: &Path) -> io::Result<String> {
    Ok(text::packet(&Survey::of(root)?))
}

#[cfg(test)]
mod tests;
