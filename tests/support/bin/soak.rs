//! Soaks a fleet: `cargo run -p arena-tests --example soak -- [--minutes N] [--sessions N] [--at-once N] [--seed N]`.

use std::time::Duration;
use support::soak::Soak;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, usual: u64| {
        let said = arguments.iter().position(|one| one == name).and_then(|place| arguments.get(place + 1));
        said.map_or(Ok(usual), |text| text.parse().map_err(|_| format!("{name} wants a number")))
    };
    let seed = option("--seed", support::now() / 1_000_000_000)?;
    let (minutes, sessions) = (option("--minutes", 30)?, option("--sessions", 200)? as usize);
    let at_once = option("--at-once", 6)? as usize;
    println!("soak: a fleet for {minutes} minutes and {sessions} sessions at least, seed {seed}");
    let lasts = Duration::from_secs(minutes * 60);
    let counted = Soak { seed, lasts, sessions, at_once, faults: Vec::new(), says: true }.run()?;
    println!("soak: {counted}");
    if counted.is_good() { Ok(()) } else { Err(counted.wrongs()) }
}
