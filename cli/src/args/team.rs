//! What those who run a team's fleet may say.

use clap::Subcommand;
use std::path::PathBuf;

/// Where an authority is when nothing else was said.
pub(crate) const DIR: &str = "certs";

#[derive(Debug, Subcommand)]
pub(crate) enum CertsAction {
    /// Make an authority and the certificate of a coordinator.
    Init {
        /// Where the authority is; its key never leaves this folder.
        #[arg(long, default_value = DIR)]
        dir: PathBuf,
        /// A name or address that the coordinator is reached by; may be repeated [default: localhost and this machine].
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make one more certificate, `NAME.pem` and `NAME.key`.
    Issue {
        /// coordinator, worker or client.
        kind: String,
        name: String,
        #[arg(long, default_value = DIR)]
        dir: PathBuf,
        /// Of a coordinator: a name or address that it is reached by; may be repeated.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Of a worker, and of no other: it serves this tenant alone.
        #[arg(long)]
        tenant: Option<String>,
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take certificates back: they are written to the list `revoked.pem` beside the authority, which coordinators read again
    /// when it changes. Without any, the list alone is written.
    Revoke {
        /// The file of a certificate, the name it was issued for, or its serial number as `arena audit` shows it.
        certificates: Vec<String>,
        #[arg(long, default_value = DIR)]
        dir: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensAction {
    /// Make a token; it is shown once.
    Create {
        /// Who it is for.
        name: String,
        /// viewer, submitter, operator or admin: each may all that those before it may.
        #[arg(long, default_value = "submitter")]
        role: String,
        /// Whose sessions it opens.
        #[arg(long, required_unless_present = "every_tenant", conflicts_with = "every_tenant")]
        tenant: Option<String>,
        /// It opens those of every tenant.
        #[arg(long)]
        every_tenant: bool,
        /// Days until it ends; without it, it does not.
        #[arg(long)]
        days: Option<u32>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the tokens, without their secrets.
    List,
    /// End a token, by its id.
    Revoke {
        id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}
