//! The target `legacy` for libFuzzer; what must hold is in `checks/legacy.rs`.
//! It refuses to hold any logic of its own.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sekisho_fuzz::run_loudly("legacy", input));
