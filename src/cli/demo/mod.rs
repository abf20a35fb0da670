//! `sekisho demo`: known leaks told again with invented people, sent as real mails through a real guard on this machine.
//! It refuses to hold any real person's data, and to send anything beyond the loopback.

#![allow(
    clippy::cast_possible_truncation,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "sizes are the fixtures' own and small, and readable writers matter more here than one allocation"
)]

mod browser;
pub mod fixtures;
pub mod incidents;
pub mod mailserver;
mod stage;
mod table;

use super::{NO, OK, WRONG, complain, load};
use stage::Stage;
use table::Table;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Stop after the last mail, with code 0, or 1 when an incident was not stopped.
    #[arg(long)]
    exit: bool,
    /// Also the largest case: all citizens of a city in one file (takes some seconds longer).
    #[arg(long)]
    heavy: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(async {
        match show(arguments).await {
            Ok(true) => OK,
            Ok(false) => NO,
            Err(error) => {
                complain(&format!("failed to {error}"));
                WRONG
            }
        }
    })
}

/// Plays everything; gives whether each incident was stopped and each ordinary mail passed.
async fn show(arguments: &Arguments) -> Result<bool, stage::StageError> {
    let table = Table::new();
    table.open();
    let stage = Stage::set().await?;
    table.running(&stage);
    let mut good = true;
    table.heading("What must be stopped: leaks that were in the news");
    let heavy = if arguments.heavy { incidents::heavy() } else { Vec::new() };
    for incident in incidents::all().into_iter().chain(heavy) {
        table.sending(incident.id);
        let shown = stage.play(&incident).await?;
        good &= table.row(&incident, &shown);
    }
    table.heading("What must pass: an ordinary day");
    for ordinary in incidents::must_pass() {
        table.sending(ordinary.id);
        let shown = stage.play(&ordinary).await?;
        good &= table.row(&ordinary, &shown);
    }
    table.heading("The deputy head opens the link in his notice and chooses \"send as Bcc\"");
    table.sending("uji-to");
    let repaired = stage.act_as_sender().await?;
    good &= table.repaired(&repaired);
    table.totals(&stage.totals().await?, good);
    if !arguments.exit {
        table.look_around(&stage.link()?);
        let _ = tokio::signal::ctrl_c().await;
    }
    stage.clear().await;
    Ok(good)
}
