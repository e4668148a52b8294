//! The two ends of the talk with the worker: the order on standard input and the records on standard error.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{BufRead, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Long enough for the key and a count; a longer first line is not an order.
const LONGEST_ORDER: u64 = 512;
/// Each half still holds 128 bits.
const SHORTEST_KEY: usize = 64;

/// An order comes within milliseconds of the start. A worker that hangs sends none, and this container fills a slot.
const ORDER_WITHIN: u16 = 10_000;

/// `<key> <stdin bytes that follow> [<seconds that the lease holds>]\n`.
pub(crate) struct Order {
    key: String,
    stdin_bytes: u64,
    /// Nothing: as long as the worker lives.
    pub(crate) leash: Option<Duration>,
}

impl Order {
    pub(crate) fn read() -> Result<Self, String> {
        let stdin = std::io::stdin();
        let mut awaited = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        if poll(&mut awaited, PollTimeout::from(ORDER_WITHIN)) == Ok(0) {
            return Err("no order came".to_owned());
        }
        let mut line = Vec::new();
        let mut input = stdin.lock().take(LONGEST_ORDER);
        input.read_until(b'\n', &mut line).map_err(|error| format!("cannot read the order: {error}"))?;
        Self::parse(&line).ok_or_else(|| "no order on standard input".to_owned())
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = line.split(' ');
        let (key, count) = (words.next()?, words.next()?);
        let leash = words.next().map(str::parse).transpose().ok()?.map(Duration::from_secs);
        if words.next().is_some() {
            return None;
        }
        let sound = key.len() >= SHORTEST_KEY && key.len() % 2 == 0 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self { key: sound.then(|| key.to_owned())?, stdin_bytes: count.parse().ok()?, leash })
    }

    /// The command's input, whole: what follows it is for the relay, and a command need not read its own.
    pub(crate) fn input(&self) -> Result<Vec<u8>, String> {
        let mut input = Vec::new();
        let read = std::io::stdin().lock().take(self.stdin_bytes).read_to_end(&mut input);
        match read {
            Ok(bytes) if bytes as u64 == self.stdin_bytes => Ok(input),
            Ok(_) => Err("the input ended too early".to_owned()),
            Err(error) => Err(format!("cannot read the input: {error}")),
        }
    }

    /// The first half. The command can open its own standard error for reading and may catch the first record
    /// before the worker does, so what that record shows must not help to forge the last one.
    pub(crate) fn start_key(&self) -> &str {
        &self.key[..self.key.len() / 2]
    }

    /// The second half, shown when nothing but the relay is alive.
    pub(crate) fn end_key(&self) -> &str {
        &self.key[self.key.len() / 2..]
    }
}

/// Writes one record. The command shares the open pipe and may have made it non-blocking, which would tear a record
/// that meets a full pipe.
pub(crate) fn record(key: &str, text: &str) -> Result<(), String> {
    let mut stderr = std::io::stderr().lock();
    let flags = fcntl(&stderr, FcntlArg::F_GETFL).map_err(|error| format!("cannot read pipe flags: {error}"))?;
    let blocking = OFlag::from_bits_retain(flags) - OFlag::O_NONBLOCK;
    fcntl(&stderr, FcntlArg::F_SETFL(blocking)).map_err(|error| format!("cannot set pipe flags: {error}"))?;
    let line = format!("\u{1e}{key} {text}\n");
    stderr.write_all(line.as_bytes()).map_err(|error| format!("cannot report: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_long_key_and_a_count_or_nothing() {
        let key = "0123456789abcdef".repeat(4);
        let order = Order::parse(format!("{key} 12\n").as_bytes()).unwrap();
        assert_eq!((order.start_key(), order.end_key(), order.stdin_bytes), (&key[..32], &key[32..], 12));
        assert_eq!(order.leash, None);
        let leashed = Order::parse(format!("{key} 12 45\n").as_bytes()).unwrap();
        assert_eq!((leashed.stdin_bytes, leashed.leash), (12, Some(Duration::from_secs(45))));

        let long = "é".repeat(64);
        for bad in [
            String::new(),
            format!("{key} 12"),
            format!("{key} -1\n"),
            format!("{key} 1 x\n"),
            format!("{key} 1 2 3\n"),
            "ab 1\n".into(),
            format!("{long} 1\n"),
        ] {
            assert!(Order::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
