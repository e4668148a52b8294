//! What went wrong, with the exit code that scripts rely on and the command that mends it.

use crate::adopting::AdoptError;
use crate::archiving::ArchiveError;
use crate::userrepo::RepoError;
use arena_coordinator::blobs::BlobError;
use arena_coordinator::store::StoreError;
use arena_coordinator::{SessionError, SweepError};
use arena_domain::text::sanitise;
use arena_runtime::files;
use std::io;
use std::process::ExitCode;

pub(crate) const GENERAL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const NO_WINNER: u8 = 3;
pub(crate) const WAITING: u8 = 4;
pub(crate) const NOT_FOUND: u8 = 5;
pub(crate) const UNREACHABLE: u8 = 69;
pub(crate) const AGAIN: u8 = 75;
pub(crate) const NOT_ALLOWED: u8 = 77;
pub(crate) const INTERRUPTED: u8 = 130;

#[derive(Debug)]
pub(crate) struct Failure {
    pub code: u8,
    pub what: String,
    /// What to do about it; a command where there is one.
    pub mend: String,
    /// Said instead where nobody knows better.
    pub usual: &'static str,
}

impl Failure {
    pub(crate) fn new(code: u8, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, what: what.into(), mend: mend.into(), usual: "" }
    }

    /// From a sentence that ends with its mend after the last semicolon.
    pub(crate) fn with_mend(code: u8, text: &str) -> Self {
        let (what, mend) = text.rsplit_once("; ").unwrap_or((text, ""));
        Self::new(code, what, mend)
    }

    /// Of what was not found: where it is listed.
    pub(crate) fn listed_by(self, mend: &str) -> Self {
        if self.code == NOT_FOUND { Self { mend: mend.to_owned(), ..self } } else { self }
    }

    fn remedy(&self) -> &str {
        if self.mend.is_empty() { self.usual } else { &self.mend }
    }

    /// Says it on standard error, and as a document for scripts that asked for one.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        let what = sanitise(self.what.as_bytes());
        crate::output::note(&format!("error: {what}"));
        if !self.remedy().is_empty() {
            crate::output::note(&format!("  mend: {}", sanitise(self.remedy().as_bytes())));
        }
        if json {
            crate::output::json_line(&self.document());
        }
        ExitCode::from(self.code)
    }

    pub(crate) fn document(&self) -> serde_json::Value {
        let what = sanitise(self.what.as_bytes());
        serde_json::json!({ "event": "error", "error": what, "mend": self.remedy(), "exit": self.code })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if files::is_full(&error) {
            return full();
        }
        if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
            return read_only(&error.to_string());
        }
        Self::new(GENERAL, error.to_string(), "")
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        let code = match &error {
            BlobError::NotFound => NOT_FOUND,
            BlobError::NoDigest | BlobError::Settings { .. } => USAGE,
            BlobError::Full | BlobError::Storage(_) => AGAIN,
            BlobError::Denied(_) => NOT_ALLOWED,
            BlobError::Damaged(_) | BlobError::Io(_) => GENERAL,
        };
        Self::new(code, error.to_string(), error.mend())
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        Self::with_mend(USAGE, &error.to_string())
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        Self::with_mend(GENERAL, &error.to_string())
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::with_mend(GENERAL, &error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound(_) => Self::new(NOT_FOUND, error.to_string(), "`arena sessions` lists what there is"),
            StoreError::Ambiguous(..) => Self::new(USAGE, error.to_string(), "give more letters of the id"),
            StoreError::Full => full(),
            StoreError::ReadOnly(reason) => read_only(reason),
            StoreError::Unavailable(_) => Self::new(AGAIN, error.to_string(), "try again when it answers"),
            StoreError::Unfit(what, mend) => Self::new(GENERAL, what.clone(), mend.clone()),
            StoreError::Sql(_) | StoreError::Record(_) => {
                Self::new(GENERAL, error.to_string(), "`arena doctor` looks at the state directory")
            }
        }
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Session(error) => error.into(),
            SweepError::Blob(error) => error.into(),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Illegal(error) => Self::new(USAGE, error.to_string(), "`arena show ID` says where it stands"),
            SessionError::Packet(reason) => {
                Self::new(GENERAL, reason, "use the version of arena that began the session")
            }
            SessionError::Malformed(error) => {
                Self::new(GENERAL, error.to_string(), "use the version of arena that wrote the record")
            }
        }
    }
}

/// Which status of the services is which exit code, and what to do about it where the command knows nothing better.
const CODES: [(tonic::Code, u8, &str); 7] = [
    (tonic::Code::NotFound, NOT_FOUND, ""),
    (tonic::Code::InvalidArgument, USAGE, "correct it and say it again; `--help` tells what may be said"),
    (tonic::Code::FailedPrecondition, USAGE, "`arena show ID` says where it stands"),
    (tonic::Code::Unavailable, UNREACHABLE, "try again when a coordinator answers; its own log says why"),
    (tonic::Code::ResourceExhausted, AGAIN, "try again later"),
    (
        tonic::Code::PermissionDenied,
        NOT_ALLOWED,
        "ask whoever runs the fleet: `arena tokens create NAME --role ROLE --tenant TENANT`",
    ),
    (tonic::Code::Unauthenticated, NOT_ALLOWED, ""),
];
const STRANGE: &str = "the coordinator's log says more; both sides should be the same version of arena";
/// Of a call that was under way when its connection ended.
const CUT: &str =
    "the coordinator may have been stopped: say it again, and when it does not answer, its own log says why";

/// What was not answered at all, as against what a coordinator said of it: only an error of this side has a cause.
fn is_cut(status: &tonic::Status) -> bool {
    let said = CODES.iter().any(|(code, ..)| *code == status.code());
    !said && std::error::Error::source(status).is_some()
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        if is_cut(&status) {
            let what = format!("the connection to the coordinator ended: {}", status.message());
            return Self { usual: CUT, ..Self::new(UNREACHABLE, what, "") };
        }
        let known = CODES.iter().find(|(code, ..)| *code == status.code());
        let (code, usual) = known.map_or((GENERAL, STRANGE), |(_, exit, usual)| (*exit, *usual));
        // A stranger is told how to become known, and who asks too much how to have it.
        if [tonic::Code::Unauthenticated, tonic::Code::ResourceExhausted, tonic::Code::PermissionDenied]
            .contains(&status.code())
            && status.message().contains("; ")
        {
            return Self::with_mend(code, status.message());
        }
        Self { usual, ..Self::new(code, status.message(), "") }
    }
}

fn full() -> Failure {
    let mend = "free some space (`arena doctor` says where the state is), and try again";
    Failure::new(AGAIN, "the disk of the state directory is full", mend)
}

fn read_only(reason: &str) -> Failure {
    let mend = "give a directory that can be written: `--state DIR`";
    Failure::new(NOT_ALLOWED, format!("the state directory cannot be written: {reason}"), mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_proto::v1::GetBlobRequest;
    use arena_proto::v1::sessions_client::SessionsClient;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a call is told whose connection is taken and then closed.
    async fn cut_short() -> tonic::Status {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let dies = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            // An empty frame of settings, so that the connection counts as made; then the call comes.
            socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let mut heard = 0;
            while heard < 200 {
                heard += socket.read(&mut [0; 512]).await.unwrap();
            }
        };
        let calls = async {
            let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
            let request = GetBlobRequest { digest: "0".repeat(300), tenant: String::new() };
            SessionsClient::new(channel).has_blob(request).await.unwrap_err()
        };
        tokio::join!(dies, calls).1
    }

    #[tokio::test]
    async fn a_connection_that_ends_during_a_call_is_told_as_that_and_no_certificate_is_named() {
        let failure = Failure::from(cut_short().await);
        assert_eq!(failure.code, UNREACHABLE);
        assert!(failure.remedy().contains("may have been stopped: say it again"), "{failure:?}");
        assert!(!failure.remedy().contains("certificate"), "{failure:?}");
        let said = Failure::from(tonic::Status::unknown("transport error"));
        assert_eq!((said.code, said.remedy()), (GENERAL, STRANGE), "a coordinator's own word");
    }

    #[test]
    fn whoever_knows_better_says_so_instead_of_the_usual_mend() {
        let told = |failure: &Failure| failure.document()["mend"].as_str().map(str::to_owned);
        let refused = || Failure::from(tonic::Status::failed_precondition("it has ended"));
        assert_eq!(told(&refused()).as_deref(), Some("`arena show ID` says where it stands"));
        let better = Failure { mend: "`arena resume 1`".into(), ..refused() };
        assert_eq!(told(&better).as_deref(), Some("`arena resume 1`"));
        assert_eq!(refused().listed_by("`arena dead` lists them").mend, "", "it was found");
        let missing = Failure::from(tonic::Status::not_found("no job")).listed_by("`arena dead` lists them");
        assert_eq!((missing.code, told(&missing).as_deref()), (NOT_FOUND, Some("`arena dead` lists them")));
    }
}
