//! Writes the figures of `docs/fairness.md`: cargo run -p arena-domain --example fairness -- docs

mod figures;
mod simulation;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("docs"), PathBuf::from);
    std::fs::write(folder.join("fairness.csv"), figures::csv())?;
    std::fs::write(folder.join("fairness.svg"), figures::svg())
}
