//! Compiles `arena/v1/*.proto` with protox, so that no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["record", "sessions", "workers", "fleet"].map(|name| format!("arena/v1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["."])?;
    // For whoever asks a coordinator what it can be asked.
    let folder = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(folder.join("arena.v1.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".")
        // The large messages of a worker's stream: what waits there has room for the others alone.
        .boxed(".arena.v1.Down.down.run")
        .boxed(".arena.v1.Up.up.result")
        .codec_path("crate::codec::Lean")
        .compile_fds(descriptors)?;
    Ok(())
}
