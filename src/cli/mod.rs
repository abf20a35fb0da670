//! The command line: one file per command.
//! It refuses unknown words with a usage text and exit code 2.

pub mod demo;

/// Reads the arguments and runs the command.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
