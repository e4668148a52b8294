//! The two scripts of an archive, in POSIX sh: `apply.sh` within the sandbox, `reproduce.sh` around it.

use super::packet::REPOSITORY;
use super::tree::Changes;
use super::{Archive, Entry, Figure, Recorded};
use arena_domain::text::shell_quote;

/// Puts a submission into the working tree. Whatever stands where something changed goes first, in the order of the
/// paths: so a link is gone before anything below its name is looked at.
pub(super) fn apply(changes: &Changes) -> Vec<u8> {
    let mut script =
        b"#!/bin/sh\n# Puts the recorded changes into the working tree; needs sh, rm and tar.\nset -eu\n".to_vec();
    for (path, _) in &changes.paths {
        script.extend(b"rm -rf -- ");
        script.extend(quote(path));
        script.push(b'\n');
    }
    script.extend(b"tar -xmf /arena/files/winner.tar\n");
    script
}

/// One word for `sh`, of any bytes.
fn quote(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in path {
        if *byte == b'\'' {
            quoted.extend(b"'\\''");
        } else {
            quoted.push(*byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

pub(super) fn reproduce(archive: &Archive<'_>, best: Option<&Entry>) -> String {
    let session = shell_quote(archive.session);
    let Some(best) = best else {
        return format!(
            "#!/bin/sh\n# Nothing to measure again.\nset -eu\nsession={session}\n\
             echo \"session $session: no competitor left a commit, so there is nothing to reproduce;\" \\\n    \
             \"run the packet again: arena run packet.toml\" >&2\nexit 3\n"
        );
    };
    let Recorded { qualified, figure } = best.recorded;
    let number = |pick: fn(&Figure) -> Option<f64>| {
        figure.as_ref().and_then(pick).filter(|number| number.is_finite()).map_or(String::new(), |one| one.to_string())
    };
    let facts = [
        ("session", session),
        ("competitor", shell_quote(best.name.as_str())),
        ("base", shell_quote(archive.base.as_str())),
        ("recorded_qualified", qualified.to_string()),
        ("recorded_verdict", figure.map_or("none", |figure| figure.verdict.as_str()).to_owned()),
        ("recorded_ratio", number(|figure| Some(figure.ratio))),
        ("recorded_low", number(|figure| figure.ci.map(|(low, _)| low))),
        ("recorded_high", number(|figure| figure.ci.map(|(_, high)| high))),
    ];
    let facts: String = facts.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    [HEAD, &facts, CHECKS, &FILL.replace(MARK, REPOSITORY), READ, COMPARE].concat()
}

const HEAD: &str = r##"#!/bin/sh
# Measures the recorded result of a session again, on the same base with the same harness.
#
# Usage: reproduce.sh [REPOSITORY]     (default: the current folder; any clone that has the base)
# Only reads it: the run has a clone and a state directory of its own below $TMPDIR, which go with it.
# Exit:  0 reproduced, 3 not reproduced, 1 something is missing, 2 usage, 69 no Docker, else as `arena run` ends.
set -eu
"##;

const CHECKS: &str = r##"
fail() {
    code=$1
    shift
    printf '%s\n' "reproduce.sh: $*" >&2
    exit "$code"
}

case ${1-} in
    -h | --help)
        echo "usage: reproduce.sh [REPOSITORY]"
        exit 0
        ;;
esac
[ $# -le 1 ] || fail 2 "usage: reproduce.sh [REPOSITORY]"
repository=${1-.}
arena=${ARENA-arena}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

command -v "$arena" >/dev/null 2>&1 ||
    fail 1 "arena is not on this machine; install it and put it on PATH, or name it: ARENA=/path/to/arena $0"
command -v git >/dev/null 2>&1 || fail 1 "git is not on this machine; install it: apt-get install git"
if command -v docker >/dev/null 2>&1; then
    docker version >/dev/null 2>&1 || fail 69 "Docker does not answer; start it: systemctl start docker"
elif [ -z "${DOCKER_HOST-}" ] && [ ! -S /var/run/docker.sock ]; then
    fail 69 "Docker is not on this machine; install it: https://docs.docker.com/engine/install"
fi
for file in packet.toml winner.tar apply.sh; do
    [ -f "$here/reproduce/$file" ] || fail 1 "$here/reproduce/$file is missing; take the whole archive: arena archive"
done
[ -d "$repository" ] || fail 1 "there is no folder $repository; give a clone: reproduce.sh REPOSITORY"
git -C "$repository" rev-parse --git-dir >/dev/null ||
    fail 1 "$repository cannot be read as a git repository; give a clone: reproduce.sh REPOSITORY"
if ! git -C "$repository" cat-file -e "$base^{commit}" 2>/dev/null; then
    printf '%s\n' "reproduce.sh: the base $base is not in $repository; fetch it:" \
        "    git -C '$repository' fetch origin $base" \
        "or make a repository of this archive and give that one:" \
        "    git init base && git -C base bundle unbundle '$here/base.bundle' && echo $base >base/.git/shallow &&" \
        "        git -C base update-ref refs/heads/base $base" >&2
    exit 1
fi
top=$(git -C "$repository" rev-parse --show-toplevel 2>/dev/null) ||
    top=$(git -C "$repository" rev-parse --absolute-git-dir)

work=$(mktemp -d "${TMPDIR:-/tmp}/arena-reproduce.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp -- "$here/reproduce/winner.tar" "$here/reproduce/apply.sh" "$work/"
# A run writes branches, and lists its session: in a clone that holds the base alone, and in a state of its own.
clone=$work/clone
format=$(git -C "$top" rev-parse --show-object-format)
git init -q --bare --template= --object-format="$format" "$clone"
# The base may be the tip of no branch.
git -C "$clone" fetch -q --depth=1 --no-tags \
    --upload-pack='git -c uploadpack.allowAnySHA1InWant=true upload-pack' "$top" "$base" ||
    fail 1 "the base $base cannot be read from $repository; look: git -C '$repository' fsck"
git -C "$clone" update-ref refs/heads/base "$base"
git -C "$clone" symbolic-ref HEAD refs/heads/base
"##;

/// Stands in the script for what stands in the packet.
const MARK: &str = "%MARK%";

/// The path as a TOML string in place of the first mark.
const FILL: &str = r##"
TOP=$clone LC_ALL=C awk '
    BEGIN {
        path = ENVIRON["TOP"]
        for (i = 1; i <= length(path); i++) {
            c = substr(path, i, 1)
            if (c == "\\" || c == "\"") filled = filled "\\"
            filled = filled c
        }
        mark = "\"%MARK%\""
    }
    !done && (i = index($0, mark)) {
        $0 = substr($0, 1, i) filled substr($0, i + length(mark) - 1)
        done = 1
    }
    { print }
' "$here/reproduce/packet.toml" >"$work/packet.toml"

status=0
"$arena" run "$work/packet.toml" --json --yes --state "$work/state" >"$work/events" || status=$?
case $status in
    0 | 3) ;;
    *) fail "$status" "arena run ended with $status; what is wrong with this machine: arena doctor" ;;
esac
"##;

/// A reader of JSON for the few fields that matter: quotes part it into what is text and what is not.
const READ: &str = r##"
grep '"event" *: *"result"' "$work/events" | tail -n 1 >"$work/result" || true
LC_ALL=C awk '
    function path(   i, text) {
        for (i = 1; i <= depth; i++) text = text "." (kind[i] == "[" ? at[i] : key[i])
        return text
    }
    function tell(value) {
        if (kind[depth] == "{" && !valued[depth]) key[depth] = value
        else if ((path() in wanted) && value ~ /^[-+.0-9a-zA-Z]+$/) print wanted[path()] "=" value
    }
    function flush() {
        if (word != "") tell(word)
        word = ""
    }
    BEGIN {
        RS = "\""
        wanted[".standing.0.qualified"] = "qualified"
        wanted[".standing.0.kpis.0.verdict"] = "verdict"
        wanted[".standing.0.kpis.0.ratio"] = "ratio"
        wanted[".standing.0.kpis.0.ci.0"] = "low"
        wanted[".standing.0.kpis.0.ci.1"] = "high"
    }
    quoted {
        text = text $0
        tail = $0
        sub(/^.*[^\\]/, "", tail)
        if (length(tail) % 2) {
            text = text "\""
            next
        }
        tell(text)
        quoted = 0
        next
    }
    {
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1)
            if (c == "{" || c == "[") {
                depth++
                kind[depth] = c
                at[depth] = 0
                valued[depth] = 0
            } else if (c == "}" || c == "]") {
                flush()
                depth--
            } else if (c == ",") {
                flush()
                at[depth]++
                valued[depth] = 0
            } else if (c == ":") valued[depth] = 1
            else if (c !~ /[ \t\r\n]/) word = word c
        }
        quoted = 1
        text = ""
    }
' "$work/result" >"$work/figures"

figure() {
    sed -n "s/^$1=//p" "$work/figures" | head -n 1
}
qualified=$(figure qualified)
verdict=$(figure verdict)
ratio=$(figure ratio)
low=$(figure low)
high=$(figure high)
[ -n "$qualified" ] || fail 1 "arena run gave no result; what is wrong with this machine: arena doctor"
[ -n "$verdict" ] || verdict=none
"##;

const COMPARE: &str = r##"
interval() {
    if [ -n "$1" ]; then printf '%s to %s' "$1" "$2"; else printf 'none'; fi
}
line() {
    printf '%-10s  ratio %s, interval %s, verdict %s, qualified %s\n' \
        "$1" "${2:-none}" "$(interval "$3" "$4")" "$5" "$6"
}
printf 'session %s, %s, primary KPI against the base\n' "$session" "$competitor"
line recorded "$recorded_ratio" "$recorded_low" "$recorded_high" "$recorded_verdict" "$recorded_qualified"
line reproduced "$ratio" "$low" "$high" "$verdict" "$qualified"

no() {
    printf 'not reproduced: %s\n' "$*"
    exit 3
}
[ "$qualified" = "$recorded_qualified" ] || no "qualified was $recorded_qualified and is $qualified"
[ "$verdict" = "$recorded_verdict" ] || no "the verdict was $recorded_verdict and is $verdict"
if [ -z "$recorded_low" ] && [ -z "$low" ]; then
    # Without intervals, as without any KPI, only the same figure is the same.
    set -- "${recorded_ratio:-0}" "${recorded_ratio:-0}" "${ratio:-0}" "${ratio:-0}"
elif [ -n "$recorded_low" ] && [ -n "$low" ]; then
    set -- "$recorded_low" "$recorded_high" "$low" "$high"
else
    no "only one of the two has an interval; measure with more harness.repeats"
fi
# An exact measurement has an interval of one point, whose last digit may differ by rounding.
LC_ALL=C awk -v a="$1" -v b="$2" -v c="$3" -v d="$4" '
    BEGIN {
        slack = 1e-9 * (1 + a * a + d * d)
        exit !(a <= d + slack && c <= b + slack)
    }
' || no "the figures are too far apart: $1 to $2, now $3 to $4"
echo "reproduced"
"##;
