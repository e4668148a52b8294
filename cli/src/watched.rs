//! Telemetry of one command: on for those that move a session, and only where somebody says where to.

use crate::args::{Args, Command};
use crate::{embedded, output};
use arena_runtime::telemetry::{Settings, Telemetry, page};
use arena_runtime::{tasks, telemetry};
use tokio::runtime::Runtime;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// Starts the logs, and whatever the configuration and the `OTEL_…` variables ask for. What cannot be started is said, and
/// the command goes on.
pub(crate) fn start(args: &Args, runtime: &Runtime) -> Telemetry {
    let filter = std::env::var("ARENA_LOG").unwrap_or_else(|_| "warn".into());
    let variable = |name: &str| std::env::var(name).ok();
    // A configuration with problems is told by the command itself.
    let config = embedded::configuration(&args.common).ok().filter(|_| moves(&args.command));
    let settings = config.map(|config| Settings::new(&config.telemetry, &variable, env!("CARGO_PKG_VERSION")));
    let settings = settings.unwrap_or_default();
    let _within = runtime.enter();
    let telemetry = Telemetry::start(&settings, &filter);
    for note in settings.notes.iter().chain(&telemetry.troubles) {
        output::note(&format!("note: {note}"));
    }
    if let Some(address) = settings.prometheus {
        match runtime.block_on(page::serve(address)) {
            Ok(serving) => drop(tasks::spawn(serving)),
            Err(error) => output::note(&format!("note: Prometheus cannot read at {address}: {error}")),
        }
    }
    telemetry
}

/// Whether the command moves sessions; all others only look, and are over at once.
fn moves(command: &Command) -> bool {
    matches!(
        command,
        Command::Run { dry_run: false, .. }
            | Command::Resume { dry_run: false, .. }
            | Command::Decide { dry_run: false, .. }
            | Command::Cancel { dry_run: false, .. }
            | Command::Coordinator { .. }
            | Command::Worker
    )
}

/// Whoever runs us in a trace of theirs says so by `TRACEPARENT`, and the session becomes a part of it.
pub(crate) fn tell(metadata: &mut MetadataMap) {
    let outer = telemetry::read(std::env::var("TRACEPARENT").ok().as_deref().map(str::as_bytes));
    if let Ok(value) = AsciiMetadataValue::try_from(outer.as_str())
        && !outer.is_empty()
    {
        metadata.insert("traceparent", value);
    }
}
