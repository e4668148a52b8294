//! The library of functions that Redis runs: one shared beginning, the numbers of the domain, and of each function what it may
//! do. A server loads it once, so that a call costs what it does and nothing to set it up.

use arena_domain::job::{HEAD_START, MAX_ATTEMPTS, MAX_DEATHS, MOST_PRIORITY};
use arena_domain::placement::SQUEEZED;
use arena_domain::schedule::{HORIZON, MOST_EXPIRED, PARTS};
use std::fmt::Write;
use std::sync::LazyLock;

/// How keys are laid out: a cell of another layout is refused.
const LAYOUT: u32 = 4;

/// Jobs that come due and are put in the line by one claim: what comes due at once does not hold up the server.
const MOST_DUE: u32 = 256;

/// Rows in which those stand who have jobs of several classes: a claim looks at the first of each. In tests so few that there
/// is no room for all.
const MOST_ROWS: u32 = if cfg!(test) { 3 } else { 16 };

/// Classes of one such row: it is named by all of them.
const MOST_JOINED: u32 = 32;

/// Names that are remembered from call to call, so that a library does not grow.
const MOST_NAMES: u32 = 4096;

/// Digits of the library's digest in its name: another version of Arena has functions of its own beside these.
const DIGITS: usize = 12;

const SHARED: [&str; 3] =
    [include_str!("library/common.lua"), include_str!("library/account.lua"), include_str!("library/moves.lua")];

const REGISTER: &str = "local function register(name, flags, work)
  redis.register_function({ function_name = name .. '_' .. DIGEST, flags = flags, callback = function(keys, args)
    start(keys, args)
    return work(args)
  end })
end
";

/// A function of the library.
pub(super) struct Script {
    word: &'static str,
}

/// What a function may do beside what all may.
enum May {
    /// It only reads.
    Read,
    Write,
    /// It lets work end, so it goes on when there is no memory for more.
    Free,
}

/// A file of the library: its function, and what that is called from outside.
struct Part {
    text: &'static str,
    function: &'static str,
    registers: &'static [(&'static str, May)],
}

pub(super) struct Library {
    pub text: String,
    digest: String,
}

pub(super) static LIBRARY: LazyLock<Library> = LazyLock::new(Library::new);

impl Script {
    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.word, LIBRARY.digest)
    }
}

impl Library {
    fn new() -> Self {
        let mut body = numbers();
        body.extend(SHARED);
        body.push_str(REGISTER);
        for Part { text, function, registers } in FUNCTIONS {
            // Each in a block of its own: what it names is nobody else's.
            body.extend(["do\n", text]);
            for (word, may) in *registers {
                let flags = match may {
                    May::Read => "'no-writes'",
                    May::Write => "",
                    May::Free => "'allow-oom'",
                };
                // To write into a text never fails.
                let _ = writeln!(body, "register('{word}', {{ {flags} }}, {function})");
            }
            body.push_str("end\n");
        }
        let mut digest = arena_runtime::digest::sha256(body.as_bytes());
        digest.truncate(DIGITS);
        let text = format!("#!lua name=arena_{digest}\nlocal DIGEST = '{digest}'\n{body}");
        Self { text, digest }
    }
}

fn numbers() -> String {
    let numbers = [
        ("HEAD_START", HEAD_START.as_millis()),
        ("SQUEEZED", SQUEEZED.as_millis()),
        ("HORIZON", u128::from(HORIZON)),
        ("PARTS", u128::from(PARTS)),
        ("MOST_PRIORITY", u128::from(MOST_PRIORITY)),
        ("MOST_EXPIRED", MOST_EXPIRED as u128),
        ("MOST_DUE", u128::from(MOST_DUE)),
        ("MOST_ROWS", u128::from(MOST_ROWS)),
        ("MOST_JOINED", u128::from(MOST_JOINED)),
        ("MOST_NAMES", u128::from(MOST_NAMES)),
        ("UNLIMITED", u128::from(u32::MAX)),
        ("MAX_ATTEMPTS", u128::from(MAX_ATTEMPTS)),
        ("MAX_DEATHS", u128::from(MAX_DEATHS)),
        ("LAYOUT", u128::from(LAYOUT)),
    ];
    numbers.iter().map(|(name, number)| format!("local {name} = {number}\n")).collect()
}

macro_rules! functions {
    ($($file:literal $function:literal: $($name:ident $word:literal $may:ident)+;)*) => {
        $($(pub(super) static $name: Script = Script { word: $word };)+)*
        const FUNCTIONS: &[Part] = &[$(Part {
            text: include_str!(concat!("library/", $file)),
            function: $function,
            registers: &[$(($word, May::$may)),+],
        }),*];
    };
}

functions! {
    // Whoever is new on a connection is told with it, before any work can end.
    "begin.lua" "begin": BEGIN "begin" Free;
    "create.lua" "create": CREATE "create" Write;
    // With a result it ends a job, and with it the session goes on.
    "commit.lua" "commit": COMMIT "commit" Write COMPLETE "complete" Free;
    "claim.lua" "claim": CLAIM "claim" Write;
    "renew.lua" "renew": RENEW "renew" Free;
    "requeue.lua" "requeue": REQUEUE "requeue" Free;
    "revive.lua" "revive": REVIVE "revive" Write;
    "publish.lua" "publish": PUBLISH "publish" Write;
    "feed.lua" "feed": FEED "feed" Read;
    "prune.lua" "prune": PRUNE "prune" Free;
    "touch.lua" "notice": TOUCH "touch" Free;
    "record.lua" "record": RECORD "record" Read;
    "why.lua" "why": WHY "why" Read;
    "line.lua" "line": LINE "line" Read;
    "kinds.lua" "kinds": KINDS "kinds" Read;
    "jobs.lua" "jobs": JOBS "jobs" Read;
    "live.lua" "live": LIVE "live" Read;
    "dead.lua" "dead": DEAD "dead" Read;
    "states.lua" "states": STATES "states" Read;
    // The same where it changes something.
    "shelf.lua" "shelf": SHELF "shelf" Read SHELVE "shelve" Write;
    "sweep.lua" "sweep": SWEEP "sweep" Write;
    "orphans.lua" "orphans": ORPHANS "orphans" Write;
}
