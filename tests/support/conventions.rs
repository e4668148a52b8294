//! The names of attributes that OpenTelemetry's conventions have, among those that Arena uses; all others begin with `arena.`.

use opentelemetry_semantic_conventions::attribute as a;
use std::collections::BTreeSet;

/// A name that leaves the conventions does not compile any more.
const CURRENT: &[&str] = &[
    a::CONTAINER_ID,
    a::CONTAINER_IMAGE_NAME,
    a::CONTAINER_RUNTIME_NAME,
    a::ERROR_TYPE,
    a::HTTP_REQUEST_RESEND_COUNT,
    a::HTTP_RESPONSE_STATUS_CODE,
    a::MESSAGING_DESTINATION_NAME,
    a::MESSAGING_MESSAGE_ID,
    a::MESSAGING_OPERATION_NAME,
    a::MESSAGING_OPERATION_TYPE,
    a::MESSAGING_SYSTEM,
    a::PROCESS_EXIT_CODE,
    a::RPC_METHOD,
    a::RPC_RESPONSE_STATUS_CODE,
    a::RPC_SYSTEM_NAME,
    a::SERVICE_INSTANCE_ID,
    a::SERVICE_NAME,
    a::SERVICE_VERSION,
    a::TELEMETRY_SDK_LANGUAGE,
    a::TELEMETRY_SDK_NAME,
    a::TELEMETRY_SDK_VERSION,
];

/// Those of calls to models are kept in a place of their own by now, under the same names.
#[allow(deprecated, reason = "the note says where they moved to, and nothing else")]
const OF_MODELS: &[&str] = &[
    a::GEN_AI_OPERATION_NAME,
    a::GEN_AI_PROVIDER_NAME,
    a::GEN_AI_REQUEST_MODEL,
    a::GEN_AI_TOKEN_TYPE,
    a::GEN_AI_USAGE_INPUT_TOKENS,
    a::GEN_AI_USAGE_OUTPUT_TOKENS,
];

/// The names among these that are neither ours nor of the conventions.
pub fn strange(names: BTreeSet<String>) -> BTreeSet<String> {
    let known = |name: &String| name.starts_with("arena.") || CURRENT.iter().chain(OF_MODELS).any(|one| one == name);
    names.into_iter().filter(|name| !known(name)).collect()
}
