//! The target `message` for libFuzzer; what must hold is in `checks/message.rs`.
//! It refuses to hold any logic of its own.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sekisho_fuzz::run_loudly("message", input));
