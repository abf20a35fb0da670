//! Writes the first inputs of every target into folders below the one that SEEDS names, and fuzzes nothing.
//! It refuses to overwrite what a fuzzer found; each file is named after its content.
#![no_main]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

fn write() {
    let folder = PathBuf::from(std::env::var_os("SEEDS").expect("SEEDS names a folder"));
    for (target, _) in sekisho_fuzz::TARGETS {
        let corpus = folder.join(target);
        std::fs::create_dir_all(&corpus).expect("a folder");
        for input in sekisho_fuzz::seeds::of(target) {
            let mut hasher = DefaultHasher::new();
            input.hash(&mut hasher);
            std::fs::write(corpus.join(format!("seed-{:016x}", hasher.finish())), input).expect("a file");
        }
    }
    std::process::exit(0);
}

libfuzzer_sys::fuzz_target!(init: write(), |_input: &[u8]| {});
