//! Logs of the program itself, on standard error, off unless asked for.

use tracing_subscriber::EnvFilter;

/// `filter` as in `ARENA_LOG` (for example `info` or `arena_worker=debug`).
pub fn start(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}
