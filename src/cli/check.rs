//! `sekisho serve --check`: what would start, as whom, and how confined, without opening a socket or the store.
//! It refuses to change anything: no folder is made, no right is given up outside of a worker that is started for the look.

use super::{NO, OK, load, print};
use crate::app::confine::supported;
use crate::config::Config;
use crate::config::file::Confine;
use crate::listen::tls::Certificate;
use crate::reload;
use crate::worker::{Confinement, NotStarted, Options, Pool};
use rustix::process::geteuid;
use std::fs;
use std::time::Duration;

/// The report, line by line, and whether anything stands in the way.
#[derive(Default)]
struct Report {
    text: String,
    bad: bool,
}

impl Report {
    fn good(&mut self, what: &str, found: &str) {
        self.text += &format!("ok       {what}: {found}\n");
    }

    fn warn(&mut self, what: &str, found: &str) {
        self.text += &format!("warning  {what}: {found}\n");
    }

    fn bad(&mut self, what: &str, found: &str) {
        self.bad = true;
        self.text += &format!("problem  {what}: {found}\n");
    }
}

/// Prints the report; [`NO`] when the guard would not start.
pub(super) fn run(config: &Config) -> u8 {
    let mut report = Report::default();
    report.good("configuration", "valid");
    identity(config, &mut report);
    state(config, &mut report);
    let rules = reload::load(config.rules.as_deref(), &config.limits);
    match &rules {
        Ok(_) => report.good("rules", "loaded, their examples pass"),
        Err(error) => report.bad("rules", &format!("failed to {error}")),
    }
    if let Some((certificate, key)) = &config.tls {
        match Certificate::load(certificate, key) {
            Ok(_) => report.good("certificate", "belongs to its key"),
            Err(error) => report.bad("certificate", &format!("failed to {error}")),
        }
    }
    guard(config, &mut report);
    if let Ok(rules) = &rules {
        match workers(config, reload::context(rules, &config.limits)) {
            Ok(held) => tell_workers(config, held, &mut report),
            Err(error) => report.bad("workers", &format!("failed to {error}")),
        }
    }
    print(&report.text);
    if report.bad { NO } else { OK }
}

fn identity(config: &Config, report: &mut Report) {
    match (geteuid().is_root(), &config.process.user) {
        (true, Some(user)) => report.good("user", &format!("root opens the sockets, then {user}")),
        (true, None) => report.warn("user", "root; set `[process] user`"),
        (false, _) => report.good("user", &format!("number {}", geteuid().as_raw())),
    }
}

fn state(config: &Config, report: &mut Report) {
    let folder = config.state.display();
    match fs::metadata(&config.state) {
        Ok(found) if found.is_dir() => report.good("state", &format!("{folder} is there")),
        Ok(_) => report.bad("state", &format!("{folder} is no folder")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.good("state", &format!("{folder} will be made"));
        }
        Err(error) => report.bad("state", &format!("{folder}: {error}")),
    }
}

fn guard(config: &Config, report: &mut Report) {
    match (config.process.confine, supported()) {
        (Confine::Off, _) => report.warn("guard", "not confined, as the configuration says"),
        (Confine::Require, 0) => report.bad("guard", "cannot be confined: this kernel has no landlock"),
        (_, 0) => report.warn("guard", "will not be confined: this kernel has no landlock"),
        (_, version) => report.good("guard", &format!("confined by landlock {version}")),
    }
}

/// Starts one, as the guard would.
fn workers(config: &Config, context: crate::inspect::Context) -> Result<Confinement, NotStarted> {
    let program = std::env::current_exe().map_err(|error| NotStarted::because(&error))?;
    let runtime = load::runtime().ok_or_else(|| NotStarted::because(&"there is no runtime"))?;
    let options = Options {
        program,
        count: 1,
        deadline: Duration::from_secs(config.limits.inspection_seconds),
        mebibytes: config.limits.worker_mebibytes,
        confine: config.process.confine,
    };
    runtime.block_on(async { Pool::new(options, context).open().await })
}

fn tell_workers(config: &Config, held: Confinement, report: &mut Report) {
    let seccomp = if held.seccomp { "seccomp" } else { "no seccomp" };
    let found = format!("confined by landlock {}, {seccomp}", held.landlock);
    match (config.process.confine, held.whole()) {
        (Confine::Off, _) => report.warn("workers", "not confined, as the configuration says"),
        (_, true) => report.good("workers", &found),
        (_, false) => report.warn("workers", &found),
    }
}
