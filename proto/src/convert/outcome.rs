//! What workers report.

use super::{Malformed, Wire, required, unknown};
use crate::v1;
use arena_domain::ending::Ending;
use arena_domain::outcome::{
    Change, ChangeKind, Evaluated, Exit, Failure, Flag, FlagKind, GateResult, Implemented, Outcome, Series, Usage,
};
use arena_domain::packet::GateKind;

/// A struct whose fields have the same names on both sides; `name => wire` where they differ, `?name` where it must be there.
macro_rules! message {
    ($type:ident { $($field:ident),* ; $($domain:ident => $wire:ident),* ; $($must:ident),* }) => {
        impl Wire for $type {
            type Message = v1::$type;
            fn to_wire(&self) -> v1::$type {
                let $type { $($field,)* $($domain,)* $($must,)* } = self;
                v1::$type {
                    $($field: $field.to_wire(),)*
                    $($wire: $domain.to_wire(),)*
                    $($must: Some($must.to_wire()),)*
                }
            }
            fn from_wire(message: v1::$type) -> Result<Self, Malformed> {
                let v1::$type { $($field,)* $($wire,)* $($must,)* } = message;
                Ok(Self {
                    $($field: Wire::from_wire($field)?,)*
                    $($domain: Wire::from_wire($wire)?,)*
                    $($must: required(stringify!($type), stringify!($must), $must)?,)*
                })
            }
        }
    };
}

message!(Change { path, kind, added_lines, removed_lines, binary ; ; });
message!(Flag { kind, path, detail ; ; });
message!(Usage { input_tokens, cached_input_tokens, output_tokens, cost_usd, requests ; ; });
message!(Series { kpi, scenario, holdout, base, candidate ; ; });
message!(GateResult { name, kind, required, command, tail, log, tests ; duration => duration_us ; exit });
message!(Evaluated { gates, series, flags, incomplete, exclusive_cores, hardware ; duration => duration_us ; });
message!(Implemented {
    commit, bundle, changes, reverted, flags, ending, ending_detail, said, engine_version, logs ;
    duration => duration_us ;
    exit, usage, own_usage
});

macro_rules! word {
    ($type:ident from $all:expr, $word:expr) => {
        impl Wire for $type {
            type Message = String;
            fn to_wire(&self) -> String {
                $word(self).to_owned()
            }
            fn from_wire(message: String) -> Result<Self, Malformed> {
                $all.into_iter().find(|one| $word(one) == message).ok_or_else(|| unknown(stringify!($type), &message))
            }
        }
    };
}

word!(FlagKind from FlagKind::ALL, |one: &FlagKind| one.as_str());
word!(Ending from Ending::ALL, |one: &Ending| one.as_str());
word!(GateKind from GateKind::ALL, |one: &GateKind| one.as_str());
word!(ChangeKind from [ChangeKind::Added, ChangeKind::Modified, ChangeKind::Deleted], change_word);

fn change_word(kind: &ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Deleted => "deleted",
    }
}

impl Wire for Exit {
    type Message = v1::Exit;
    fn to_wire(&self) -> v1::Exit {
        let (kind, code) = match self {
            Exit::Code(code) => ("code", *code),
            Exit::OutOfMemory => ("out_of_memory", 0),
            Exit::DeadlinePassed => ("deadline_passed", 0),
            Exit::Cancelled => ("cancelled", 0),
            Exit::Killed => ("killed", 0),
        };
        v1::Exit { kind: kind.into(), code }
    }
    fn from_wire(message: v1::Exit) -> Result<Self, Malformed> {
        Ok(match message.kind.as_str() {
            "code" => Exit::Code(message.code),
            "out_of_memory" => Exit::OutOfMemory,
            "deadline_passed" => Exit::DeadlinePassed,
            "cancelled" => Exit::Cancelled,
            "killed" => Exit::Killed,
            other => return Err(unknown("Exit", other)),
        })
    }
}

impl Wire for Failure {
    type Message = v1::Failure;
    fn to_wire(&self) -> v1::Failure {
        let (kind, reason, mend) = match self {
            Failure::Infrastructure(reason) => ("infrastructure", reason.clone(), String::new()),
            Failure::Setup { reason, mend } => ("setup", reason.clone(), mend.clone()),
            Failure::Cancelled => ("cancelled", String::new(), String::new()),
        };
        v1::Failure { kind: kind.into(), reason, mend }
    }
    fn from_wire(message: v1::Failure) -> Result<Self, Malformed> {
        let v1::Failure { kind, reason, mend } = message;
        Ok(match kind.as_str() {
            "infrastructure" => Failure::Infrastructure(reason),
            "setup" => Failure::Setup { reason, mend },
            "cancelled" => Failure::Cancelled,
            other => return Err(unknown("Failure", other)),
        })
    }
}

/// Records of before endings were told apart hold the exit alone.
fn completed(mut message: v1::Implemented) -> Result<v1::Implemented, Malformed> {
    if message.ending.is_empty() {
        let exit = Exit::from_wire(message.exit.clone().unwrap_or_default())?;
        message.ending = Ending::of_exit(exit).to_wire();
    }
    message.own_usage.get_or_insert_default();
    Ok(message)
}

impl Wire for Outcome {
    type Message = v1::Outcome;
    fn to_wire(&self) -> v1::Outcome {
        use v1::outcome::Outcome as wire;
        v1::Outcome {
            outcome: Some(match self {
                Outcome::Implemented(one) => wire::Implemented(one.to_wire()),
                Outcome::Evaluated(one) => wire::Evaluated(one.to_wire()),
                Outcome::Failed(one) => wire::Failed(one.to_wire()),
            }),
        }
    }
    fn from_wire(message: v1::Outcome) -> Result<Self, Malformed> {
        use v1::outcome::Outcome as wire;
        let outcome = message.outcome.ok_or(Malformed { message: "Outcome", reason: "empty".into() })?;
        Ok(match outcome {
            wire::Implemented(one) => Outcome::Implemented(Wire::from_wire(completed(one)?)?),
            wire::Evaluated(one) => Outcome::Evaluated(Wire::from_wire(one)?),
            wire::Failed(one) => Outcome::Failed(Wire::from_wire(one)?),
        })
    }
}
