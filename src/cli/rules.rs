//! `sekisho rules`: check, test and describe rule files.
//! It refuses to call a set good whose examples were not run.

use super::{NO, OK, WRONG, complain, print};
use crate::config::error::{Severity, render_all};
use crate::facts::Facts;
use crate::inspect::{Inspector, Want};
use crate::limits::Limits;
use crate::mail::envelope::Envelope;
use crate::reload;
use crate::rules::{self, RuleSet, Sources, lint, shipped};
use clap::{Subcommand, ValueEnum};
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Arguments of `rules`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a folder of rules, and say what is wrong or odd about it.
    Check {
        /// The folder; without it, `rules` in this folder, or else the shipped set.
        folder: Option<PathBuf>,
    },
    /// Run all examples of a folder of rules.
    Test {
        /// The folder; without it, `rules` in this folder, or else the shipped set.
        folder: Option<PathBuf>,
        /// In the form that build servers read.
        #[arg(long)]
        junit: bool,
    },
    /// Print the JSON Schema of rule files, for editors.
    Schema,
    /// Print the reference of conditions and outcomes.
    Reference {
        #[arg(long, value_enum, default_value = "en")]
        lang: Lang,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Lang {
    En,
    Ja,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    match &arguments.command {
        Command::Check { folder } => {
            let folder = chosen(folder.as_deref());
            compiled(folder).map_or(WRONG, |set| check(&set, folder))
        }
        Command::Test { folder, junit } => compiled(chosen(folder.as_deref())).map_or(WRONG, |set| test(&set, *junit)),
        Command::Schema => {
            print(&format!("{}\n", serde_json::to_string_pretty(&rules::schema()).unwrap_or_default()));
            OK
        }
        Command::Reference { lang } => {
            print(&rules::reference(match lang {
                Lang::En => rules::Language::English,
                Lang::Ja => rules::Language::Japanese,
            }));
            OK
        }
    }
}

/// The folder that was named, or the one that `sekisho init` writes.
fn chosen(folder: Option<&Path>) -> Option<&Path> {
    folder.or_else(|| Some(Path::new("rules")).filter(|rules| rules.is_dir()))
}

fn compiled(folder: Option<&Path>) -> Option<RuleSet> {
    let sources: Sources = match folder.map(reload::read) {
        None => shipped::sources(),
        Some(Ok(sources)) => sources,
        Some(Err(error)) => {
            complain(&format!("failed to {error}"));
            return None;
        }
    };
    match rules::compile(&sources) {
        Ok(set) => Some(set),
        Err(problems) => {
            complain(&format!("failed to use the rules:\n{}", render_all(&problems, io::stderr().is_terminal())));
            None
        }
    }
}

fn check(set: &RuleSet, folder: Option<&Path>) -> u8 {
    let place = folder.map_or_else(|| "the shipped set".to_owned(), |folder| folder.display().to_string());
    let problems = lint(set);
    print(&render_all(&problems, io::stdout().is_terminal()));
    print(&format!(
        "{place}: {} rules, {} examples, {} remarks\n",
        set.rules().len(),
        set.examples().len(),
        problems.len()
    ));
    if problems.iter().any(|problem| problem.severity() == Severity::Error) { NO } else { OK }
}

fn test(set: &RuleSet, junit: bool) -> u8 {
    let inspector = Inspector::new(reload::context(set, &Limits::default()));
    let inspect =
        |envelope: &Envelope, mail: &[u8]| -> Facts { inspector.inspect(envelope, mail, Want::default()).facts };
    let mut out = String::new();
    let mut failed = 0;
    for each in set.examples() {
        let result = each.check(set, &inspect);
        failed += u32::from(result.is_err());
        match (&result, junit) {
            (Ok(()), false) => _ = writeln!(out, "ok      {}", each.name()),
            (Err(failure), false) => {
                _ = writeln!(out, "FAILED  {}\n{}\n", each.name(), failure.problem.render(io::stdout().is_terminal()));
            }
            (Ok(()), true) => {
                _ = writeln!(out, "  <testcase classname=\"{}\" name=\"{}\"/>", xml(each.file()), xml(&each.name()));
            }
            (Err(failure), true) => {
                _ = writeln!(
                    out,
                    "  <testcase classname=\"{}\" name=\"{}\"><failure>{}</failure></testcase>",
                    xml(each.file()),
                    xml(&each.name()),
                    xml(&failure.problem.render(false))
                );
            }
        }
    }
    let all = set.examples().len();
    if junit {
        print(&format!("<testsuite name=\"rules\" tests=\"{all}\" failures=\"{failed}\">\n{out}</testsuite>\n"));
    } else {
        print(&format!("{out}{} examples passed, {failed} failed\n", all - failed as usize));
    }
    if failed > 0 { NO } else { OK }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
