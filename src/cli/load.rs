//! What several commands share: reading the configuration and opening the runtime, with errors said once and in one form.
//! It refuses to go on with a configuration that has problems.

use super::complain;
use crate::config::Config;
use crate::config::error::render_all;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

/// Reads the configuration, or says what is wrong with it.
pub(super) fn config(path: &Path) -> Option<Config> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("failed to read {}: {error}", path.display()));
            if error.kind() == io::ErrorKind::NotFound {
                complain("`sekisho init` writes a commented example");
            }
            return None;
        }
    };
    match Config::parse(&path.display().to_string(), &text, base(path)) {
        Ok(config) => Some(config),
        Err(problems) => {
            complain(&format!(
                "failed to use the configuration:\n{}",
                render_all(&problems, io::stderr().is_terminal())
            ));
            None
        }
    }
}

/// What a running guard says about its configuration when it is asked to load everything anew: this file is read at the start only.
pub(super) fn look_again(config: &Path, at_start: &str) {
    match fs::read_to_string(config) {
        Ok(text) if text == at_start => {}
        Ok(text) => match Config::parse(&config.display().to_string(), &text, base(config)) {
            Ok(_) => {
                tracing::warn!(file = %config.display(), "the configuration has changed: restart the guard to use it; rules and certificates were loaded anew");
            }
            Err(problems) => tracing::error!(
                "the configuration has changed and is wrong; a restart would fail:\n{}",
                render_all(&problems, false)
            ),
        },
        Err(error) => {
            tracing::error!(%error, file = %config.display(), "failed to read the configuration; a restart would fail");
        }
    }
}

fn base(config: &Path) -> &Path {
    config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The runtime of a command; `None` after saying why there is none.
pub(super) fn runtime() -> Option<tokio::runtime::Runtime> {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            complain(&format!("failed to start the runtime: {error}"));
            None
        }
    }
}
