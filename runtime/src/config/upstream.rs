//! Where a provider may be: keys travel over TLS, or stay on this machine.

use std::net::IpAddr;

/// What is wrong with an upstream. Its text is not repeated, since it may carry a password.
pub(super) fn check(upstream: &str) -> Result<(), &'static str> {
    if upstream.is_empty() {
        return Err("is missing");
    }
    let (secure, rest) = match (upstream.strip_prefix("https://"), upstream.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("is neither https:// nor http://"),
    };
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '\\' | '?' | '#')) {
        return Err("holds more than host, port and path");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = host(authority).ok_or("has no host that can be read")?;
    if !secure && !is_loopback(host) {
        return Err("would send the key in the clear");
    }
    Ok(())
}

/// The host without its port and brackets.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port_fits =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain) && port.is_none_or(port_fits)).then_some(host)
}

/// By number, or by the one name that stands for it everywhere.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_secure_or_on_this_machine() {
        let rows = [
            ("https://api.openai.com", true),
            ("https://gateway.team.example:8443/openai/v1", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1", true),
            ("http://[::1]:8080/v1", true),
            ("http://api.openai.com", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("http://127.0.0.1\\@evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://[::1].evil.example", false),
            ("http://0.0.0.0:1", false),
            ("http://10.0.0.1", false),
            ("https://user:pass@host", false),
            ("https://", false),
            ("https://:443", false),
            ("https://host:0", false),
            ("https://host:99999", false),
            ("https://host?x", false),
            ("ftp://host", false),
            ("", false),
        ];
        for (upstream, legal) in rows {
            assert_eq!(check(upstream).is_ok(), legal, "{upstream}");
        }
    }
}
