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
    // The one large message of its stream: what waits on its way to a worker has room for the others alone.
    let boxed = ".arena.v1.Down.down.run";
    tonic_prost_build::configure().bytes(".").boxed(boxed).codec_path("crate::codec::Lean").compile_fds(descriptors)?;
    Ok(())
}
