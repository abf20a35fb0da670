//! Writes the first inputs of every target into folders below the one that is named: `seed FOLDER`.
//! It refuses to overwrite what a fuzzer found; each file is named after its content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for (target, _) in sekisho_fuzz::TARGETS {
        let corpus = folder.join(target);
        std::fs::create_dir_all(&corpus)?;
        for input in sekisho_fuzz::seeds::of(target) {
            let mut hasher = DefaultHasher::new();
            input.hash(&mut hasher);
            std::fs::write(corpus.join(format!("seed-{:016x}", hasher.finish())), input)?;
        }
    }
    Ok(())
}
