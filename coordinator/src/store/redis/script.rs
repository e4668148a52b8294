//! The scripts: one shared beginning, the numbers of the domain, and a header that says what a script may do.

use arena_domain::job::{HEAD_START, MAX_ATTEMPTS, MAX_DEATHS, MOST_PRIORITY};
use arena_domain::placement::SQUEEZED;
use arena_domain::schedule::{HORIZON, MOST_EXPIRED, PARTS};
use std::sync::LazyLock;

const COMMON: &str = include_str!("common.lua");

/// Jobs that come due and are put in the line by one claim: what comes due at once does not hold up the server.
const MOST_DUE: u32 = 256;

pub(super) struct Script {
    pub text: String,
    pub sha: String,
}

/// What a script may do beside what all may.
enum May {
    /// It only reads.
    Read,
    Write,
    /// It lets work end, so it goes on when there is no memory for more.
    Free,
}

impl Script {
    fn new(may: &May, body: &str) -> Self {
        let flags = match may {
            May::Read => " flags=no-writes",
            May::Write => "",
            May::Free => " flags=allow-oom",
        };
        let numbers = [
            ("HEAD_START", HEAD_START.as_millis()),
            ("SQUEEZED", SQUEEZED.as_millis()),
            ("HORIZON", u128::from(HORIZON)),
            ("PARTS", u128::from(PARTS)),
            ("MOST_PRIORITY", u128::from(MOST_PRIORITY)),
            ("MOST_EXPIRED", MOST_EXPIRED as u128),
            ("MOST_DUE", u128::from(MOST_DUE)),
            ("MAX_ATTEMPTS", u128::from(MAX_ATTEMPTS)),
            ("MAX_DEATHS", u128::from(MAX_DEATHS)),
        ];
        let numbers: String = numbers.iter().map(|(name, number)| format!("local {name} = {number}\n")).collect();
        let text = format!("#!lua{flags}\n{numbers}{COMMON}\n{body}");
        let sha = redis::Script::new(&text).get_hash().to_owned();
        Self { text, sha }
    }
}

macro_rules! scripts {
    ($($name:ident $may:ident $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(&May::$may, include_str!($file)));
    )*};
}

scripts! {
    // Whoever is new on a connection is told with it, before any work can end.
    BEGIN Free "begin.lua";
    FILL Free "fill.lua";
    CREATE Write "create.lua";
    COMMIT Write "commit.lua";
    // The same with a result: it ends a job, and with it the session goes on.
    COMPLETE Free "commit.lua";
    CLAIM Write "claim.lua";
    RENEW Free "renew.lua";
    REQUEUE Free "requeue.lua";
    REVIVE Write "revive.lua";
    PUBLISH Write "publish.lua";
    PRUNE Free "prune.lua";
    TOUCH Free "touch.lua";
    RECORD Read "record.lua";
    WHY Read "why.lua";
    LINE Read "line.lua";
    JOBS Read "jobs.lua";
    LIVE Read "live.lua";
    DEAD Read "dead.lua";
    SHELF Read "shelf.lua";
    // The same where it changes something.
    SHELVE Write "shelf.lua";
    SWEEP Write "sweep.lua";
    ORPHANS Write "orphans.lua";
}
