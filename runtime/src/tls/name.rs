//! The name in a certificate: what the process is, what it is called, and whom it serves. It stands in URIs of the
//! certificate, where no host name can be taken for it.

use super::TlsError;
use rustls::pki_types::CertificateDer;

const PREFIX: &str = "urn:arena:";
const EVERY: &str = "urn:arena:every-tenant";
const LONGEST: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Coordinator,
    Worker,
    Client,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Client => "client",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Coordinator, Self::Worker, Self::Client].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose work it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    Every,
    One(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub kind: Kind,
    pub name: String,
    pub reach: Reach,
}

impl Name {
    pub fn new(kind: Kind, name: &str, reach: Reach) -> Result<Self, TlsError> {
        let tenant = match &reach {
            Reach::Every => None,
            Reach::One(tenant) => Some(tenant.as_str()),
        };
        if let Some(wrong) = [Some(name), tenant].into_iter().flatten().find(|name| !is_name(name)) {
            return Err(TlsError::Name(wrong.to_owned()));
        }
        Ok(Self { kind, name: name.to_owned(), reach })
    }

    /// Of a certificate that was verified; nothing when it holds none, or more than one.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let uris: Vec<&str> = parsed.valid_uri_names().filter(|uri| uri.starts_with(PREFIX)).collect();
        Self::from_uris(&uris)
    }

    fn from_uris(uris: &[&str]) -> Option<Self> {
        let [who, reach] = uris else { return None };
        let (kind, name) = who.strip_prefix(PREFIX)?.split_once(':')?;
        let reach = match reach.strip_prefix("urn:arena:tenant:") {
            Some(tenant) => Reach::One(tenant.to_owned()),
            None if *reach == EVERY => Reach::Every,
            None => return None,
        };
        Self::new(Kind::parse(kind)?, name, reach).ok()
    }

    pub(super) fn uris(&self) -> [String; 2] {
        let reach = match &self.reach {
            Reach::Every => EVERY.to_owned(),
            Reach::One(tenant) => format!("urn:arena:tenant:{tenant}"),
        };
        [format!("{PREFIX}{}:{}", self.kind.as_str(), self.name), reach]
    }
}

/// What may stand in a certificate, in a path and in a line of a table.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= LONGEST && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_from_its_uris() {
        for (kind, reach) in
            [(Kind::Worker, Reach::Every), (Kind::Client, Reach::One("blue".into())), (Kind::Coordinator, Reach::Every)]
        {
            let name = Name::new(kind, "w-1.example", reach).unwrap();
            let uris = name.uris();
            assert_eq!(Name::from_uris(&uris.each_ref().map(String::as_str)), Some(name));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "a/b", "-a", "a b", "ä", "*", &"a".repeat(65)] {
            assert!(Name::new(Kind::Worker, name, Reach::Every).is_err(), "{name}");
            assert!(Name::new(Kind::Worker, "w", Reach::One(name.into())).is_err(), "{name}");
        }
        let rows: [&[&str]; 5] = [
            &[],
            &["urn:arena:worker:w"],
            &["urn:arena:worker:w", "urn:arena:tenant:"],
            &["urn:arena:king:w", "urn:arena:every-tenant"],
            &["urn:arena:worker:w", "urn:arena:every-tenant", "urn:arena:worker:v"],
        ];
        for uris in rows {
            assert_eq!(Name::from_uris(uris), None, "{uris:?}");
        }
    }
}
