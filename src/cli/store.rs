//! `sekisho store`: is what is kept whole, a copy of it, and a new master key; all of it while the guard runs.
//! It refuses to say that all is well when it could not look, and to print anything of a mail.

use super::{ConfigArgument, NO, OK, WRONG, complain, load, print};
use crate::app::store_options;
use crate::config::Config;
use crate::store::{self, Backup, Checked, Role, Rotated, Store, StoreError};
use clap::Subcommand;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Arguments of `store`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look whether everything that is kept is there, opens, and is for nobody else. Exit code 1 when something must be put right.
    Check,
    /// Copy the store into a new folder, consistent while the guard runs, and read every mail of the copy.
    Backup {
        /// The folder; it must not exist yet.
        to: PathBuf,
        /// Copy the key files too; without them nobody can read the mails of the copy.
        #[arg(long)]
        with_keys: bool,
    },
    /// Take a new master key into use and remove the old one. An interrupted change is finished by the next call.
    RotateKey,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(config) = load::config(&arguments.config.config) else { return WRONG };
    let Some(runtime) = load::runtime() else { return WRONG };
    let json = arguments.json;
    let done = runtime.block_on(async {
        match &arguments.command {
            Command::Check => check(&config, json).await,
            Command::Backup { to, with_keys } => backup(&config, to, *with_keys, json).await,
            Command::RotateKey => rotate(&config, json).await,
        }
    });
    match done {
        Ok((text, code)) => {
            print(&text);
            code
        }
        Err(error) => {
            complain(&format!("failed to {error}"));
            WRONG
        }
    }
}

/// The value as JSON, or as text for people.
fn shown<T: Serialize>(value: &T, json: bool, text: impl FnOnce(&T) -> String) -> String {
    if json { serde_json::to_string_pretty(value).unwrap_or_default() + "\n" } else { text(value) }
}

async fn check(config: &Config, json: bool) -> Result<(String, u8), StoreError> {
    let found = store::check(&store_options(config, Role::Tool), config.store.min_free).await?;
    let code = if found.problems.is_empty() { OK } else { NO };
    Ok((shown(&found, json, in_words), code))
}

fn in_words(found: &Checked) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "schema version  {}", found.schema);
    let _ = writeln!(out, "held mails      {}", found.held);
    let _ = writeln!(out, "bodies          {}, {} of them sealed", found.bodies, found.sealed);
    let _ = writeln!(out, "outbox          {} copies", found.outbox);
    let _ = writeln!(out, "free            {} MiB", found.free_bytes >> 20);
    let _ = writeln!(out, "master keys     {}", found.keys.join(" "));
    for remark in &found.remarks {
        let _ = writeln!(out, "remark: {remark}");
    }
    for problem in &found.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    out.push_str(if found.problems.is_empty() { "all is well\n" } else { "something must be put right\n" });
    out
}

async fn backup(config: &Config, to: &Path, keys: bool, json: bool) -> Result<(String, u8), StoreError> {
    let options = store_options(config, Role::Tool);
    let done = store::backup(&options, to, keys).await?;
    let code = if done.checked.problems.is_empty() { OK } else { NO };
    let text = |done: &Backup| {
        let mut out = format!("copied into {}: {} body files ({} linked)\n", to.display(), done.files, done.linked);
        out.push_str(&in_words(&done.checked));
        if !keys {
            let _ = writeln!(
                out,
                "the keys are not in it: keep copies of {} and {} elsewhere; without the first nobody can read the mails",
                options.key_file().display(),
                options.dir.join("history.key").display()
            );
        }
        out
    };
    Ok((shown(&done, json, text), code))
}

async fn rotate(config: &Config, json: bool) -> Result<(String, u8), StoreError> {
    let options = store_options(config, Role::Tool);
    let store = Store::open(&options).await?;
    let done = store.rotate_key().await;
    store.close().await;
    let text = |done: &Rotated| {
        format!(
            "{}the master key is {} now; {} bodies and {} held mails were wrapped anew\n\
             replace the copies of {} that you keep\n",
            if done.resumed { "an interrupted change is finished\n" } else { "" },
            done.key,
            done.bodies,
            done.held,
            options.key_file().display()
        )
    };
    Ok((shown(&done?, json, text), OK))
}
