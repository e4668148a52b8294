//! `arena certs`: a team's own authority, and who it vouches for.

use super::Done;
use super::dry_run::would;
use crate::args::{CertsAction, Common, DIR};
use crate::failure::{Failure, USAGE};
use crate::output;
use crate::team::tls_failure;
use arena_runtime::tls::{Authority, Issued, Kind, Name, REVOKED, Reach, Serial, Taken, Wanted};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Of the coordinator's certificate that comes with a new authority.
const DAYS: u32 = 365;

pub(super) fn certs(common: &Common, action: CertsAction) -> Done {
    match action {
        CertsAction::Init { dir, hosts, dry_run } => init(common, &dir, hosts, dry_run),
        CertsAction::Issue { kind, name, dir, hosts, tenant, days, dry_run } => {
            let kind = Kind::parse(&kind).ok_or_else(|| {
                Failure::new(USAGE, format!("'{kind}' is no kind of certificate"), "one of coordinator, worker, client")
            })?;
            if tenant.is_some() && kind != Kind::Worker {
                return Err(of_no_tenant(kind));
            }
            let reach = tenant.map_or(Reach::Every, Reach::One);
            let name = Name::new(kind, &name, reach).map_err(tls_failure)?;
            let hosts = if kind == Kind::Coordinator && hosts.is_empty() { own_hosts() } else { hosts };
            let wanted = Wanted::new(name, hosts, days);
            if dry_run {
                Authority::open(&dir).map_err(tls_failure)?;
                return would_issue(common, &dir, &wanted, false);
            }
            issue(common, &dir, &wanted)
        }
        CertsAction::Revoke { certificates, dir, dry_run } => revoke(common, &dir, &certificates, dry_run),
    }
}

/// Nobody asks such a certificate for a tenant, and it would shut nobody out.
fn of_no_tenant(kind: Kind) -> Failure {
    let what = format!("--tenant is of workers: a {} has no tenant of its own", kind.as_str());
    let mend = match kind {
        Kind::Client => {
            "leave it out; what a person may see is said by the token: `arena tokens create NAME --tenant TENANT`"
        }
        Kind::Coordinator | Kind::Worker => "leave it out",
    };
    Failure::new(USAGE, what, mend)
}

fn init(common: &Common, dir: &Path, hosts: Vec<String>, dry_run: bool) -> Done {
    let name = Name::new(Kind::Coordinator, "coordinator", Reach::Every).map_err(tls_failure)?;
    let hosts = if hosts.is_empty() { own_hosts() } else { hosts };
    let wanted = Wanted::new(name, hosts, DAYS);
    Authority::none_in(dir).map_err(tls_failure)?;
    // Before there is an authority without the certificate that was asked for.
    Authority::issuable(dir, &wanted).map_err(tls_failure)?;
    if dry_run {
        return would_issue(common, dir, &wanted, true);
    }
    let ca = Authority::init(dir).map_err(tls_failure)?;
    if !common.json {
        output::note(&format!("{}: the authority; its key is beside it and stays there", ca.display()));
    }
    issue(common, dir, &wanted)
}

/// With the authority itself, where there is none yet.
fn would_issue(common: &Common, dir: &Path, wanted: &Wanted, founds: bool) -> Done {
    let certificate = Authority::issuable(dir, wanted).map_err(tls_failure)?.certificate;
    let Name { kind, name, .. } = &wanted.name;
    let (replaces, ca) = (certificate.exists(), dir.join("ca.pem"));
    if common.json {
        output::json(&would(json!({
            "ca": ca, "founds": founds, "certificate": certificate, "hosts": wanted.hosts, "replaces": replaces,
        })));
    } else {
        if founds {
            output::line(&format!("{}: an authority would be made", ca.display()));
        }
        let how = if replaces { "would be replaced" } else { "would be made" };
        output::line(&format!("{}: {} {name} {how}; nothing was changed", certificate.display(), kind.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

fn issue(common: &Common, dir: &Path, wanted: &Wanted) -> Done {
    let authority = Authority::open(dir).map_err(tls_failure)?;
    let Issued { certificate, key, replaced } = authority.issue(wanted).map_err(tls_failure)?;
    let whole = |path: &Path| std::fs::canonicalize(path).map(|path| path.display().to_string());
    let (ca, certificate, key) = (whole(&dir.join("ca.pem"))?, whole(&certificate)?, whole(&key)?);
    if common.json {
        let replaced = replaced.map(|serial| serial.to_string());
        output::json(
            &json!({ "ca": ca, "certificate": certificate, "key": key, "hosts": wanted.hosts, "replaced": replaced }),
        );
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&format!("{certificate}: {} {}", wanted.name.kind.as_str(), wanted.name.name));
    if !wanted.hosts.is_empty() {
        output::note(&format!("  it is reached as {}", wanted.hosts.join(", ")));
    }
    if let Some(serial) = replaced {
        output::note(&replacing(&serial, dir));
    }
    output::note("for the configuration of whoever holds it:");
    output::line(&format!("[tls]\nca = {ca:?}\ncertificate = {certificate:?}\nkey = {key:?}"));
    if let (Kind::Coordinator, Ok(revoked)) = (wanted.name.kind, whole(&dir.join(REVOKED))) {
        output::line(&format!("revoked = {revoked:?}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// By now its name is that of the new one.
fn replacing(serial: &Serial, dir: &Path) -> String {
    let elsewhere = if dir == Path::new(DIR) { String::new() } else { format!(" --dir {}", dir.display()) };
    format!(
        "  it replaces certificate {serial}, which holds until it ends or is revoked: \
         `arena certs revoke {serial}{elsewhere}`"
    )
}

fn revoke(common: &Common, dir: &Path, certificates: &[String], dry_run: bool) -> Done {
    let authority = Authority::open(dir).map_err(tls_failure)?;
    if dry_run {
        let meant = authority.meant(certificates).map_err(tls_failure)?;
        return would_revoke(common, dir, &meant);
    }
    let (list, taken) = authority.revoke(certificates).map_err(tls_failure)?;
    let list = std::fs::canonicalize(list)?.display().to_string();
    if common.json {
        let rows: Vec<Value> = taken.iter().map(document).collect();
        output::json(&json!({ "list": list, "revoked": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    say_taken(&taken, "is revoked");
    output::note("for the configuration of every coordinator, which reads it again within seconds:");
    output::line(&format!("[tls]\nrevoked = {list:?}"));
    Ok(ExitCode::SUCCESS)
}

fn would_revoke(common: &Common, dir: &Path, meant: &[Taken]) -> Done {
    let list = std::fs::canonicalize(dir)?.join(REVOKED).display().to_string();
    if common.json {
        let rows: Vec<Value> = meant.iter().map(document).collect();
        output::json(&would(json!({ "list": list, "revoked": rows })));
        return Ok(ExitCode::SUCCESS);
    }
    say_taken(meant, "would be revoked");
    output::line(&format!("{list}: the list would be written; nothing was changed"));
    Ok(ExitCode::SUCCESS)
}

/// Each with its holder, where that is known, and what becomes of it unless it was revoked before.
fn say_taken(taken: &[Taken], becomes: &str) {
    for Taken { serial, holder, before } in taken {
        let of = holder.as_ref().map(|one| format!(" of {} {}", one.name.kind.as_str(), one.name.name));
        let how = if *before { "was revoked before" } else { becomes };
        output::line(&format!("certificate {serial}{} {how}", of.unwrap_or_default()));
        if holder.as_ref().is_some_and(|one| one.name.kind == Kind::Coordinator) {
            output::note("  nobody who asks a coordinator looks at the list: only a new authority shuts one out");
        }
    }
}

fn document(taken: &Taken) -> Value {
    let holder = taken.holder.as_ref();
    json!({
        "serial": taken.serial.to_string(), "before": taken.before,
        "kind": holder.map(|one| one.name.kind.as_str()), "name": holder.map(|one| &one.name.name),
    })
}

/// What a coordinator on this machine is surely reached by.
fn own_hosts() -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !name.is_empty() && name.chars().all(plain) && !hosts.contains(&name) {
        hosts.push(name);
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_replaces_a_certificate_is_told_how_the_one_before_is_revoked() {
        let serial = Serial::parse("a123456789abcdef").expect("a serial number");
        let (here, there) = (replacing(&serial, Path::new(DIR)), replacing(&serial, Path::new("/srv/ca")));
        assert!(here.ends_with("`arena certs revoke a123456789abcdef`"), "{here}");
        assert!(there.ends_with("`arena certs revoke a123456789abcdef --dir /srv/ca`"), "{there}");
    }
}
