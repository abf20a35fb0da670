//! The binary `sekisho`: hands the command line to `cli` and exits with its code.
//! It refuses to hold any logic of its own.

fn main() -> std::process::ExitCode {
    sekisho::cli::main()
}
