//! What a container of this session gets.

#[derive(Debug, Clone, PartialEq)]
pub struct Sandbox {
    /// A local name, or registry/name@sha256:…
    pub image: String,
    pub cpus: f64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub pids: u32,
    pub history: History,
    /// Run once per base; its tree is cached.
    pub setup: Option<String>,
    /// `host:port` that the setup may reach, through the broker; engines and gates may not.
    pub egress: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The base commit alone.
    None,
    /// Commits up to the base.
    Base,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            image: "arena/base".into(),
            cpus: 1.0,
            memory_bytes: 2 << 30,
            disk_bytes: 2 << 30,
            pids: 512,
            history: History::None,
            setup: None,
            egress: Vec::new(),
        }
    }
}
