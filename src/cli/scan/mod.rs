//! `sekisho scan`: the inspection and the rules on mails and documents, without sending anything.
//! It refuses to show values unless `--reveal` asks, and to call a file clean that it could not read.

mod human;
mod input;
mod report;

pub use report::{Report, schema};

use super::{NO, OK, WRONG, complain, load, print};
use crate::config::Config;
use crate::config::file::Confine;
use crate::inspect::Want;
use crate::limits::Limits;
use crate::reload;
use crate::rules::{RuleSet, evaluate, explain};
use crate::worker::{Options, Pool};
use input::Input;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `scan`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Mails (.eml), documents, or folders of them.
    #[arg(required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Envelope sender, instead of the one in the header.
    #[arg(long)]
    from: Option<String>,
    /// Envelope recipients, instead of those in the header; repeat it for several.
    #[arg(long)]
    to: Vec<String>,
    /// A folder of rules, instead of the shipped set.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Take rules and limits from this configuration.
    #[arg(short, long, env = "SEKISHO_CONFIG", conflicts_with = "rules")]
    config: Option<PathBuf>,
    /// One JSON object a line and file.
    #[arg(long)]
    json: bool,
    /// Also print what was read, with places.
    #[arg(long)]
    text: bool,
    /// Show values unmasked, for the administrator's own eyes.
    #[arg(long)]
    reveal: bool,
    /// One line a file, and totals at the end.
    #[arg(long, conflicts_with_all = ["json", "text"])]
    summary: bool,
    /// Why each rule fired or did not.
    #[arg(long)]
    why: bool,
    /// Print the JSON Schema of the output of --json.
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    if arguments.schema {
        print(&format!("{}\n", schema()));
        return OK;
    }
    let Some((rules, limits, workers)) = prepare(arguments) else { return WRONG };
    let inputs = match input::collect(&arguments.files, arguments.from.as_deref(), &arguments.to) {
        Ok(inputs) => inputs,
        Err(error) => {
            complain(&format!("failed to {error}"));
            return WRONG;
        }
    };
    let Ok(program) = std::env::current_exe() else {
        complain("failed to find the program's own file");
        return WRONG;
    };
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(async {
        let options = Options {
            program,
            count: workers,
            deadline: Duration::from_secs(limits.inspection_seconds),
            mebibytes: limits.worker_mebibytes,
            confine: Confine::Auto,
        };
        let pool = Pool::new(options, reload::context(&rules, &limits));
        scan(arguments, &rules, &pool, inputs).await
    })
}

/// Rules, limits and number of workers, from wherever the arguments say.
fn prepare(arguments: &Arguments) -> Option<(RuleSet, Limits, usize)> {
    let config: Option<Config> = match &arguments.config {
        Some(path) => Some(load::config(path)?),
        None => None,
    };
    let limits = config.as_ref().map(|config| config.limits.clone()).unwrap_or_default();
    let folder = arguments.rules.clone().or_else(|| config.as_ref().and_then(|config| config.rules.clone()));
    match reload::load(folder.as_deref(), &limits) {
        Ok(rules) => Some((rules, limits, config.map_or(1, |config| config.workers))),
        Err(error) => {
            complain(&format!("failed to {error}"));
            None
        }
    }
}

async fn scan(arguments: &Arguments, rules: &RuleSet, pool: &Pool, inputs: Vec<Input>) -> u8 {
    let mut totals = human::Totals::default();
    let mut code = OK;
    for input in inputs {
        let mail = match input.read() {
            Ok(mail) => mail,
            Err(error) => {
                complain(&format!("failed to {error}"));
                code = WRONG;
                continue;
            }
        };
        let want = Want { text: arguments.text, reveal: arguments.reveal };
        let inspection = match pool.inspect(&mail.envelope, &mail.bytes, want).await {
            Ok(inspection) => inspection,
            Err(busy) => {
                complain(&format!("failed to {busy}"));
                return WRONG;
            }
        };
        let verdict = evaluate(rules, &inspection.facts);
        let stopped = verdict.outcome.stops();
        let report = Report {
            version: report::VERSION,
            file: mail.name,
            would_be_stopped: stopped,
            rules: explain(rules, &inspection.facts),
            verdict,
            facts: inspection.facts,
            findings: inspection.findings,
            text: arguments.text.then_some(inspection.text),
        };
        if arguments.json {
            match serde_json::to_string(&report) {
                Ok(line) => print(&format!("{line}\n")),
                Err(error) => {
                    complain(&format!("failed to write {} as JSON: {error}", report.file));
                    code = WRONG;
                }
            }
        } else if arguments.summary {
            print(&totals.line(&report));
        } else {
            print(&human::page(&report, arguments.why));
        }
        if stopped && code == OK {
            code = NO;
        }
    }
    if arguments.summary {
        print(&totals.end());
    }
    code
}
