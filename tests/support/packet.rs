//! Packets for tests: small, quick, and with a KPI that is exact.

use std::fmt::Write;

/// A packet in the making.
#[derive(Debug, Clone)]
pub struct Packet {
    pub session: String,
    pub brief: String,
    pub scope: String,
    pub engines: Vec<(String, String)>,
    pub gates: String,
    pub harness: String,
    pub budget: String,
    pub sandbox: String,
    pub rest: String,
}

/// A competitor whose engine is one line of shell.
pub fn engine(name: &str, shell: &str) -> (String, String) {
    (name.to_owned(), shell.to_owned())
}

impl Packet {
    /// Competitors lower the number in `value`; the gate wants a number in it.
    pub fn lower(engines: &[(&str, &str)]) -> Self {
        Self {
            session: "title = \"Lower the value\"\ngoal = \"A smaller number\"\nparallel = 2".into(),
            brief: "specification = \"Write a smaller number into the file value.\"\nacceptance = [\"it is a number\"]"
                .into(),
            scope: "allowed = [\"**\"]\nforbidden = [\"private/**\"]\nprotected = [\"tests/**\"]".into(),
            engines: engines.iter().map(|(name, shell)| engine(name, shell)).collect(),
            gates: "[[gate]]\nname = \"number\"\nkind = \"test\"\nrun = \"grep -qx '[0-9]*' value\"\ntimeout = \"30s\""
                .into(),
            harness:
                "[harness]\nrun = \"cat value\"\nrepeats = 1\ntimeout = \"30s\"\n\n[[kpi]]\nname = \"value\"\nsource = \
                      \"stdout\"\nunit = \"points\"\nbetter = \"lower\""
                    .into(),
            budget: "rounds = 1".into(),
            sandbox: "memory = \"256MiB\"\ndisk = \"64MiB\"\npids = 64".into(),
            rest: String::new(),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, body) in [("session", &self.session), ("brief", &self.brief), ("scope", &self.scope)] {
            let _ = write!(text, "[{name}]\n{body}\n\n");
        }
        for (name, shell) in &self.engines {
            let shell = serde_json::Value::from(shell.as_str());
            let _ = write!(text, "[[competitor]]\nname = \"{name}\"\nengine = \"{name}\"\n\n");
            let _ = write!(text, "[engine.{name}]\ncommand = [\"sh\", \"-c\", {shell}]\ntimeout = \"60s\"\n\n");
        }
        let _ = write!(text, "{}\n\n{}\n\n[budget]\n{}\n\n", self.gates, self.harness, self.budget);
        let _ = write!(text, "[sandbox]\n{}\n\n{}\n", self.sandbox, self.rest);
        text
    }
}
