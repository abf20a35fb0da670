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
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match Config::parse(&path.display().to_string(), &text, base) {
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
