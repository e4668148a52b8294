//! Dry runs: a team's coordinator is asked what would be. One that does not know the question is only looked at.

use crate::args::Common;
use crate::embedded::no_state;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use arena_proto::v1::dry_run_request::Call;
use arena_proto::v1::{DryRunRequest, DryRunResponse};
use serde_json::Value;
use tonic::Code;

/// Where what is meant would be; nothing is made.
pub(super) async fn home(common: &Common) -> Result<Home, Failure> {
    Home::begun(common).await?.map_err(|folder| no_state(&folder))
}

/// What the coordinator says, which looks at all that it looks at before it acts; nothing: it is of a version that cannot say.
pub(super) async fn asked(home: &Home, call: Call) -> Result<Option<DryRunResponse>, Failure> {
    match home.fleet().dry_run(DryRunRequest { call: Some(call) }).await {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::Unimplemented => {
            output::note("note: this coordinator is of an older version: whether you may do that was not asked");
            Ok(None)
        }
        Err(status) => Err(status.into()),
    }
}

/// What a command that acts would have answered, marked as what did not happen.
pub(super) fn would(mut said: Value) -> Value {
    said["dry_run"] = true.into();
    said
}
