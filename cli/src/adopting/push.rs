//! Pushing, only ever when the user asks: the current branch, to its upstream, never by force.

use super::error::AdoptError;
use crate::userrepo::{RepoError, UserRepo};
use arena_domain::text::sanitise_line;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pushed {
    pub(crate) remote: String,
    /// The branch over there.
    pub(crate) branch: String,
}

/// Pushes to the branch's upstream; with a remote of the caller's, to the branch of the same name over there.
pub(crate) fn push(repo: &UserRepo, remote: Option<&str>) -> Result<Pushed, AdoptError> {
    let branch = repo.branch()?.ok_or(AdoptError::PushDetached)?;
    let tracked = (setting(repo, &branch, "remote")?, setting(repo, &branch, "merge")?);
    let target = match (remote, tracked) {
        // A remote called `.` is this repository itself.
        (None, (Some(upstream), Some(merge))) if upstream != "." => Some((upstream, merge)),
        (Some(asked), (Some(upstream), Some(merge))) if asked == upstream => Some((upstream, merge)),
        (Some(asked), _) if !asked.starts_with('-') => Some((asked.to_owned(), format!("refs/heads/{branch}"))),
        (None | Some(_), _) => None,
    };
    let Some((remote, merge)) = target else {
        return Err(AdoptError::NoUpstream {
            branch: sanitise_line(&branch, 200),
            remote: remote.filter(|name| !name.starts_with('-')).unwrap_or("origin").to_owned(),
        });
    };
    let refspec = format!("refs/heads/{branch}:{merge}");
    let options = ["push", "-q", "--no-force", "--no-follow-tags", "--recurse-submodules=no"];
    let args: Vec<&str> = options.into_iter().chain([remote.as_str(), refspec.as_str()]).collect();
    let ran = repo.git().run(&args)?;
    if !ran.passed() {
        return Err(AdoptError::NotPushed { reason: ran.reason() });
    }
    Ok(Pushed { remote, branch: merge.strip_prefix("refs/heads/").unwrap_or(&merge).to_owned() })
}

fn setting(repo: &UserRepo, branch: &str, name: &str) -> Result<Option<String>, RepoError> {
    let found = repo.git().run(&["config", "--get", &format!("branch.{branch}.{name}")])?;
    Ok(found.passed().then(|| found.text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::userrepo::tests::{Yard, git_in};

    #[test]
    fn pushing_goes_to_the_upstream_and_never_by_force() {
        let yard = Yard::new();
        yard.git(&["clone", "-q", "--bare", ".", "../remote.git"]);
        let error = push(&yard.repo(), None).unwrap_err();
        assert!(error.to_string().ends_with("`git push --set-upstream origin main`"), "{error}");
        yard.git(&["remote", "add", "origin", "../remote.git"]);
        yard.git(&["fetch", "-q"]);
        yard.git(&["branch", "-q", "--set-upstream-to=origin/main"]);
        yard.git(&["branch", "arena/s1/variant-a"]);
        let mine = yard.commit("mine");
        let remote = yard.beside().join("remote.git");
        assert_eq!(push(&yard.repo(), None).unwrap(), Pushed { remote: "origin".into(), branch: "main".into() });
        assert_eq!(
            git_in(&remote, &["for-each-ref", "--format=%(objectname) %(refname)"]),
            format!("{mine} refs/heads/main")
        );
        yard.git(&["reset", "-q", "--hard", "HEAD^"]);
        yard.commit("otherwise");
        assert!(matches!(push(&yard.repo(), Some("origin")), Err(AdoptError::NotPushed { .. })));
        assert_eq!(git_in(&remote, &["rev-parse", "main"]), mine.as_str());
        yard.git(&["checkout", "-q", "--detach"]);
        assert!(matches!(push(&yard.repo(), None), Err(AdoptError::PushDetached)));
    }
}
