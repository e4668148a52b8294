//! One run, from the container's making to its removal.

use super::control::Key;
use super::docker::{Attached, Docker, Ended, Frames, Input};
use super::output::{Output, Stream};
use super::{Error, Finished, Spec, spec};
use crate::lease::Lease;
use crate::trace;
use arena_domain::outcome::Exit;
use arena_domain::text::sanitise_line;
use arena_runtime::clock::Stopwatch;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// The last output of an ended container is on its way for milliseconds. A listener gets this long to take it, and
/// the engine as long again to send it.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// With this code the relay says that it could not do its own part.
const RELAY_FAILED: i64 = 125;
/// A killed container that is not gone by then never will be while this run waits.
const DEATH: Duration = Duration::from_secs(30);

/// Between two words to the relay of how long the lease holds.
const BEAT: Duration = Duration::from_secs(1);

/// What ends a run before its time.
type Until<'a> = (Option<&'a Lease>, &'a CancellationToken);

/// Where live output goes.
pub type Listener = mpsc::Sender<(Stream, Bytes)>;

/// Why a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Itself,
    Deadline,
    Cancelled,
    Flood,
}

impl Docker {
    /// Runs the command to its end and removes the container, whatever happens.
    ///
    /// A failing command is a result; an error means that this run says nothing about the command. `on_output` gets
    /// what is kept, as it comes; a listener that is slow slows the command, and one that is gone does not matter.
    pub async fn run(
        &self,
        spec: &Spec,
        cancel: &CancellationToken,
        on_output: Option<Listener>,
    ) -> Result<Finished, Error> {
        self.run_under(spec, None, cancel, on_output).await
    }

    /// The same under a lease: nothing begins once it is over, and the relay ends everything when it hears of no renewal.
    pub async fn run_under(
        &self,
        spec: &Spec,
        lease: Option<&Lease>,
        cancel: &CancellationToken,
        on_output: Option<Listener>,
    ) -> Result<Finished, Error> {
        let (span, watch) = (trace::container(spec), Stopwatch::start());
        let finished = self.whole(spec, (lease, cancel), on_output, &span).instrument(span.clone()).await;
        trace::finished(&span, &watch, &finished);
        finished
    }

    async fn whole(
        &self,
        spec: &Spec,
        until: Until<'_>,
        on_output: Option<Listener>,
        span: &Span,
    ) -> Result<Finished, Error> {
        let body = spec::body(spec)?;
        let key = Key::random()?;
        let guard = self.create(spec.name.clone(), body).instrument(trace::step("create")).await?;
        trace::contained(span, guard.id());
        let finished = self.supervise(guard.id(), spec, &key, until, on_output).await;
        guard.remove().await;
        finished
    }

    async fn supervise(
        &self,
        id: &str,
        spec: &Spec,
        key: &Key,
        (lease, cancel): Until<'_>,
        on_output: Option<Listener>,
    ) -> Result<Finished, Error> {
        let Attached { output: frames, input } = self.engine.attach(id).await?;
        if lease.is_some_and(|lease| !lease.holds()) {
            return Err(Error::Lost("its lease is over".into()));
        }
        self.engine.start(id).instrument(trace::step("start")).await?;
        let runs = trace::step("run");
        let started = Instant::now();
        let (flood, over) = (CancellationToken::new(), CancellationToken::new());

        let watch = async {
            let cause = self.watch(id, started + spec.deadline, cancel, &flood).await;
            over.cancel();
            (cause, started.elapsed())
        };
        let listen = listen(frames, Output::new(spec.output_cap, key), on_output, &flood, &over);
        let order = key.order(spec.stdin.len(), lease.and_then(Lease::left));
        let feed = feed(input, order, &spec.stdin, lease, &over);
        let all = async { tokio::join!(watch, listen, feed) };
        let ((cause, elapsed), heard, ()) = all.instrument(runs).await;

        let ended = self.engine.ended(id).await?;
        conclude(cause?, elapsed, heard, ended)
    }

    /// Returns when the container has ended, and makes it end when it must.
    async fn watch(
        &self,
        id: &str,
        deadline: Instant,
        cancel: &CancellationToken,
        flood: &CancellationToken,
    ) -> Result<Cause, Error> {
        let cause = tokio::select! {
            biased;
            ended = self.engine.wait(id) => return ended.map(|()| Cause::Itself),
            () = cancel.cancelled() => Cause::Cancelled,
            () = flood.cancelled() => Cause::Flood,
            () = tokio::time::sleep_until(deadline) => Cause::Deadline,
        };
        self.engine.kill(id).await?;
        match tokio::time::timeout(DEATH, self.engine.wait(id)).await {
            Ok(ended) => ended.map(|()| cause),
            Err(_) => Err(Error::Lost("a killed container does not end".into())),
        }
    }
}

/// All output, and whether the stream came to its proper end.
struct Heard {
    output: Output,
    whole: bool,
}

/// Reads to the end of the stream, always: a reader that stops stops the command.
async fn listen(
    mut frames: Frames,
    mut output: Output,
    listener: Option<Listener>,
    flood: &CancellationToken,
    over: &CancellationToken,
) -> Heard {
    let late = CancellationToken::new();
    let read = async {
        while let Some(frame) = frames.next().await {
            let Ok((stream, frame)) = frame else { return false };
            let kept = output.take(stream, &frame);
            if output.flooded() {
                flood.cancel();
            }
            pass_on(listener.as_ref(), stream, kept, &late).await;
        }
        let rest = output.finish();
        pass_on(listener.as_ref(), Stream::Stderr, rest, &late).await;
        true
    };
    let limit = async {
        over.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
        late.cancel();
        tokio::time::sleep(LAST_WORDS).await;
    };
    let whole = tokio::select! {
        whole = read => whole,
        () = limit => false,
    };
    Heard { output, whole }
}

async fn pass_on(listener: Option<&Listener>, stream: Stream, bytes: Vec<u8>, late: &CancellationToken) {
    let Some(listener) = listener.filter(|_| !bytes.is_empty()) else { return };
    tokio::select! {
        sent = listener.send((stream, bytes.into())) => sent.unwrap_or(()),
        () = late.cancelled() => {}
    }
}

/// The order and the command's input, then a byte each second: how many more the lease holds. It stays open until the
/// container has ended: its end tells the relay that this process is gone. A command need not read its input, so nothing here
/// can fail.
async fn feed(mut input: Input, order: String, stdin: &[u8], lease: Option<&Lease>, over: &CancellationToken) {
    let write = async {
        input.write_all(order.as_bytes()).await?;
        input.write_all(stdin).await?;
        input.flush().await?;
        while let Some(left) = lease.and_then(Lease::left) {
            tokio::time::sleep(BEAT).await;
            input.write_all(&[left]).await?;
            input.flush().await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        written = write => written.unwrap_or_else(|error| tracing::debug!(%error, "the input was not read to its end")),
        () = over.cancelled() => return,
    }
    over.cancelled().await;
}

fn conclude(cause: Cause, elapsed: Duration, heard: Heard, ended: Ended) -> Result<Finished, Error> {
    let (stdout, stderr, truncated, end) = heard.output.into_parts();
    let exit = match (cause, end.map(|end| end.code)) {
        (Cause::Deadline, _) => Exit::DeadlinePassed,
        (Cause::Cancelled, _) => Exit::Cancelled,
        (Cause::Flood, _) => Exit::Killed,
        (Cause::Itself, Some(0)) => Exit::Code(0),
        (Cause::Itself, Some(_) | None) if ended.oom => Exit::OutOfMemory,
        (Cause::Itself, Some(code)) => Exit::Code(code),
        (Cause::Itself, None) => {
            // Without the relay's last word it must be certain that the trouble was the container's, not ours.
            if let Some(trouble) = ended.trouble {
                return Err(Error::Lost(trouble));
            }
            if !heard.whole || ended.code == Some(RELAY_FAILED) {
                return Err(Error::Lost(sanitise_line(&String::from_utf8_lossy(&stderr), 200)));
            }
            Exit::Killed
        }
    };
    let relay = end.map(|end| end.report);
    let flooded = cause == Cause::Flood;
    Ok(Finished { exit, relay, oom: ended.oom, stdout, stderr, truncated, flooded, elapsed })
}
