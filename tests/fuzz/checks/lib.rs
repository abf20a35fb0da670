//! The layers that touch nothing (0 to 2) and the writer of delivery reports, from the program's own sources, and the checks on top of them.
//! It refuses the rest of the program, whose databases and sockets would only make a fuzzer slow to build.
#![forbid(unsafe_code)]
#![allow(dead_code)]

// The checks call the program by its name; here it is this crate.
extern crate self as sekisho;

#[path = "../../../src"]
mod program {
    pub mod address;
    pub mod detect;
    pub mod extract;
    pub mod facts;
    pub mod id;
    pub mod inspect;
    pub mod limits;
    pub mod mail;
    pub mod network;
    pub mod plan;
    pub mod rules;
    pub mod smtp;

    /// Of the configuration, what rules need.
    pub mod config {
        pub mod error;
    }

    /// Of the notices, how foreign text is shown.
    pub mod notice {
        pub mod display;
    }

    /// Of the outbox, what is pure.
    pub mod outbox {
        mod field;
        mod original;
        mod report;
        mod words;
        pub use report::{Disposition, Report, Reported, Reporter, report};
    }

    /// Of the demonstration, its mails.
    pub mod cli {
        pub mod demo {
            pub mod fixtures;
            pub mod incidents;
        }
    }
}

pub use program::*;

#[path = "mod.rs"]
mod checks;

pub use checks::{TARGETS, seeds};
use std::cell::RefCell;
use std::panic::{catch_unwind, set_hook};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a target. libFuzzer's hook ends the process at any panic; some of a library's are caught by the program, so only one that gets through counts.
pub fn run_loudly(name: &str, input: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| set_hook(Box::new(|panic| LAST.set(format!("{panic}\n{}", std::backtrace::Backtrace::force_capture())))));
    if catch_unwind(|| checks::run(name, input)).is_err() {
        eprintln!("{}", LAST.take());
        std::process::abort();
    }
}
