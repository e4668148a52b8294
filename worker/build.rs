//! Builds the relay as a static program and hands its path to the crate, so that the binary needs nothing beside it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=relay/src");
    println!("cargo::rerun-if-changed=relay/Cargo.toml");
    let target = format!("{}-unknown-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH")?);
    let out = PathBuf::from(env::var("OUT_DIR")?).join("relay");
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("relay/Cargo.toml");
    let status = Command::new(env::var("CARGO")?)
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(&manifest)
        // A target directory of its own: the outer build holds the lock of the other one.
        .arg("--target-dir")
        .arg(&out)
        .args(["--target", &target])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=symbols")
        .status()?;
    if !status.success() {
        return Err("the relay did not build".into());
    }
    let relay = out.join(target).join("release/arena-relay");
    println!("cargo::rustc-env=ARENA_RELAY={}", relay.display());
    Ok(())
}
