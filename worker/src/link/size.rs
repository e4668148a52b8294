//! An outcome that no message may carry must not stand in the way of all others.

use arena_proto::{MAX_OUTCOME, v1};
use prost::Message;

/// As it is, or what is told instead: the same message would be refused by every coordinator, for ever.
pub(super) fn bounded(outcome: v1::Outcome) -> v1::Outcome {
    let bytes = outcome.encoded_len();
    if bytes <= MAX_OUTCOME {
        return outcome;
    }
    let failed = v1::Failure {
        kind: "setup".into(),
        reason: format!("what it left takes {bytes} bytes to describe, and at most {MAX_OUTCOME} are taken"),
        mend: "have the engine leave fewer files and shorter names behind".into(),
    };
    v1::Outcome { outcome: Some(v1::outcome::Outcome::Failed(failed)) }
}

/// The same of a result that an earlier version has kept.
pub(super) fn kept(result: v1::Result) -> v1::Result {
    v1::Result { outcome: result.outcome.map(bounded), ..result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::outcome::Outcome;

    fn failed(reason: String) -> v1::Outcome {
        let failed = v1::Failure { kind: "infrastructure".into(), reason, mend: String::new() };
        v1::Outcome { outcome: Some(Outcome::Failed(failed)) }
    }

    #[test]
    fn an_outcome_that_no_message_may_carry_is_told_in_one_sentence() {
        let small = failed("x".repeat(MAX_OUTCOME - 64));
        assert_eq!(bounded(small.clone()), small);
        let Some(Outcome::Failed(told)) = bounded(failed("x".repeat(MAX_OUTCOME))).outcome else {
            panic!("no failure");
        };
        assert_eq!(told.kind, "setup");
        assert!(told.reason.contains(&MAX_OUTCOME.to_string()), "{}", told.reason);
    }
}
