//! The target `archive` for libFuzzer; what must hold is in `checks/archive.rs`.
//! It refuses to hold any logic of its own.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sekisho_fuzz::run_loudly("archive", input));
