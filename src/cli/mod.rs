//! The command line: one file per command.
//! It refuses unknown words with a usage text and exit code 2, and never prints personal values unless `--reveal` asks for them.

mod certs;
mod check;
pub mod demo;
mod held;
mod init;
mod load;
mod outbox;
mod rules;
mod scan;
mod serve;
mod store;

use crate::worker::{Probe, Walls};
use clap::{Args, Parser, Subcommand};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything is well.
const OK: u8 = 0;
/// The answer is "no": a mail would be stopped, an example fails.
const NO: u8 = 1;
/// Wrong words, files or settings.
const WRONG: u8 = 2;
/// Something that may pass, in the numbering of sysexits.h (EX_TEMPFAIL): a service manager tries again.
const LATER: u8 = 75;
/// Configuration error in the numbering of sysexits.h, for service managers.
const CONFIG: u8 = 78;

/// An outbound e-mail leak guard: holds, rewrites or blocks mail before it leaks personal data.
#[derive(Parser)]
#[command(name = "sekisho", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the guard.
    Serve(serve::Arguments),
    /// Show real leaks being stopped, with a guard, a mail server and a page on this machine.
    Demo(demo::Arguments),
    /// Inspect mails (.eml) or documents, and say what the rules would do.
    Scan(scan::Arguments),
    /// Check, test and describe rule files.
    Rules(rules::Arguments),
    /// Look at held mails and decide about them.
    Held(held::Arguments),
    /// Check what is kept, copy it, or change its master key.
    Store(store::Arguments),
    /// Make certificates for trying out, and look at those in use.
    Certs(certs::Arguments),
    /// Look at what waits for the mail server, try it now, or cancel it.
    Outbox(outbox::Arguments),
    /// Write a commented configuration and the default rules into a folder.
    Init(init::Arguments),
    /// Inspect mails from standard input (used by the guard itself).
    #[command(hide = true)]
    InspectWorker {
        /// Mebibytes of address space.
        mebibytes: u64,
        /// Put up no wall.
        #[arg(long)]
        unconfined: bool,
        /// Try something forbidden instead: file:PATH, create:PATH, connect:ADDRESS, program:PATH, thread, panic.
        #[arg(long)]
        probe: Option<Probe>,
        /// Leave landlock out.
        #[arg(long, requires = "probe")]
        no_landlock: bool,
        /// Leave seccomp out.
        #[arg(long, requires = "probe")]
        no_seccomp: bool,
    },
}

/// Where the configuration is.
#[derive(Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(short, long, env = "SEKISHO_CONFIG", default_value = "sekisho.toml")]
    config: PathBuf,
}

/// Reads the arguments and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match arguments.command {
        Command::InspectWorker { mebibytes, unconfined, probe, no_landlock, no_seccomp } => {
            let walls = Walls { landlock: !unconfined && !no_landlock, seccomp: !unconfined && !no_seccomp };
            return crate::worker::run(mebibytes, walls, probe);
        }
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Held(arguments) => held::run(&arguments),
        Command::Store(arguments) => store::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
        Command::Outbox(arguments) => outbox::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
    };
    ExitCode::from(code)
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes a line to standard error.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "sekisho: {text}");
}
