//! What a job tells that it does: the one list of its phases, which the tests that kill walk too.

macro_rules! phases {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Phase {
            $($(#[$doc])* $name,)*
        }

        impl Phase {
            /// In the order in which a job comes to them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As events carry it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

phases! {
    Prepare = "prepare",
    Setup = "setup",
    Engine = "engine",
    /// What the engine says of itself meanwhile.
    Doing = "doing",
    Collect = "collect",
    Stored = "stored",
    Gate = "gate",
    Canary = "canary",
    Measure = "measure",
}
