//! `sekisho outbox`: what waits for the mail server, for administrators, on the machine of the guard and beside it.
//! It refuses to touch what is being delivered at this moment, and to show a subject or a word of a mail.

use super::{ConfigArgument, NO, OK, WRONG, complain, load, print};
use crate::address::Address;
use crate::app;
use crate::app::store_options;
use crate::clock::Clock;
use crate::config::Config;
use crate::id::MailId;
use crate::notice::display::mask_addresses;
use crate::outbox;
use crate::store::{Actor, Role, Said, Store, Waiting, WaitingFilter};
use clap::Subcommand;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write;

/// Items of one mail that are looked at, at most.
const OF_ONE_MAIL: u32 = 10_000;

/// Arguments of `outbox`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what waits, oldest first.
    List {
        /// Only what failed and is kept, as nobody could be told.
        #[arg(long)]
        stuck: bool,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// One item, or all of a mail: its recipients, and what the mail server said about each.
    Show {
        /// The id of an item or of a mail.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try now.
    Retry {
        /// The id of an item or of a mail; without one, `--all`.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Everything that waits.
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Give up: it is not delivered, and its sender is told.
    Cancel {
        /// The id of an item or of a mail.
        id: String,
        /// Do not tell the sender.
        #[arg(long)]
        quiet: bool,
    },
}

/// An item as JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a MailId,
    mail: &'a MailId,
    state: &'static str,
    from: Option<&'a Address>,
    recipients: usize,
    attempts: u32,
    /// Epoch milliseconds.
    since_ms: u64,
    /// Epoch milliseconds of the next attempt; `null` when it is stuck or being delivered.
    next_ms: Option<u64>,
    delay_told: bool,
    /// What the mail server said last.
    said: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Vec<To<'a>>>,
}

/// A recipient as JSON.
#[derive(Serialize)]
struct To<'a> {
    address: &'a Address,
    notify: Option<&'a str>,
    said: Option<&'a str>,
    /// Epoch milliseconds.
    said_ms: Option<u64>,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(config) = load::config(&arguments.config.config) else { return WRONG };
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(async {
        let options = store_options(&config, Role::Tool);
        let store = match Store::open(&options).await {
            Ok(store) => store,
            Err(error) => {
                complain(&format!("failed to {error}"));
                return WRONG;
            }
        };
        let code = match perform(&arguments.command, &config, &store).await {
            Ok(text) => {
                print(&text);
                OK
            }
            Err(why) => {
                complain(&format!("failed to {why}"));
                NO
            }
        };
        store.close().await;
        code
    })
}

async fn perform(command: &Command, config: &Config, store: &Store) -> Result<String, String> {
    let clock = Clock::system(TimeZone::get(&config.time_zone).unwrap_or(TimeZone::UTC));
    match command {
        Command::List { stuck, limit, json } => {
            let filter = WaitingFilter { stuck: *stuck, limit: *limit, ..WaitingFilter::default() };
            let items = store.list_outbox(&filter).await.map_err(|error| error.to_string())?;
            if *json { as_json(&items, &clock, false) } else { Ok(list(&items, &clock)) }
        }
        Command::Show { id, json } => {
            let items = find(store, id).await?;
            if *json { as_json(&items, &clock, true) } else { Ok(show(&items, &clock)) }
        }
        Command::Retry { id, .. } => retry(store, &clock, id.as_deref()).await,
        Command::Cancel { id, quiet } => cancel(store, config, &clock, id, *quiet).await,
    }
}

/// The items of an id; an error when there are none.
async fn find(store: &Store, id: &str) -> Result<Vec<Waiting>, String> {
    let id = MailId::parse(id).map_err(|error| error.to_string())?;
    let filter = WaitingFilter { id: Some(id), limit: OF_ONE_MAIL, ..WaitingFilter::default() };
    let items = store.list_outbox(&filter).await.map_err(|error| error.to_string())?;
    if items.is_empty() {
        return Err("find it in the outbox: it was delivered, reported or cancelled, or never there".to_owned());
    }
    Ok(items)
}

fn state(waiting: &Waiting, now_ms: u64) -> &'static str {
    match waiting {
        Waiting { stuck_ms: Some(_), .. } => "stuck",
        waiting if waiting.is_leaving(now_ms) => "leaving",
        Waiting { item, .. } if item.attempts == 0 => "new",
        _ => "waiting",
    }
}

/// The last words about any recipient; servers like to repeat addresses, which are for those who ask for the one item.
fn last(said: &[Said]) -> Option<String> {
    said.iter().max_by_key(|said| said.at_ms).map(|said| mask_addresses(&said.reply))
}

fn next(waiting: &Waiting, now_ms: u64) -> Option<u64> {
    (waiting.stuck_ms.is_none() && !waiting.is_leaving(now_ms)).then_some(waiting.due_ms)
}

fn list(items: &[Waiting], clock: &Clock) -> String {
    let now_ms = clock.now_ms();
    let mut out = String::new();
    for waiting in items {
        let item = &waiting.item;
        let _ = writeln!(
            out,
            "{}  {:<7}  {}  {:>5} recipients  {:>3} attempts  next {:<16}  from {}  {}",
            item.id,
            state(waiting, now_ms),
            clock.readable(item.created_ms),
            item.recipients.len(),
            item.attempts,
            next(waiting, now_ms).map_or_else(|| "-".to_owned(), |next| clock.readable(next)),
            item.sender.as_ref().map_or("<>", Address::as_str),
            last(&item.said).unwrap_or_default(),
        );
    }
    if items.is_empty() {
        out.push_str("nothing waits in the outbox\n");
    }
    out
}

fn show(items: &[Waiting], clock: &Clock) -> String {
    let now_ms = clock.now_ms();
    let mut out = String::new();
    for waiting in items {
        let item = &waiting.item;
        let _ = writeln!(out, "item        {}", item.id);
        let _ = writeln!(out, "mail        {}", item.mail);
        let _ = writeln!(out, "state       {}", state(waiting, now_ms));
        let _ = writeln!(out, "from        {}", item.sender.as_ref().map_or("<>", Address::as_str));
        let _ = writeln!(out, "since       {}", clock.readable(item.created_ms));
        let _ = writeln!(out, "attempts    {}", item.attempts);
        if let Some(next) = next(waiting, now_ms) {
            let _ = writeln!(out, "next        {}", clock.readable(next));
        }
        if item.warned && item.sender.is_some() {
            let _ = writeln!(out, "delay       the sender was told, when he wants to be");
        }
        for recipient in &item.recipients {
            let _ = writeln!(out, "to          {}", recipient.address);
            for said in item.said.iter().filter(|said| said.address == recipient.address) {
                let _ = writeln!(out, "            {}  {}", clock.readable(said.at_ms), said.reply);
            }
        }
    }
    out
}

fn as_json(items: &[Waiting], clock: &Clock, recipients: bool) -> Result<String, String> {
    let now_ms = clock.now_ms();
    let lines: Vec<Line<'_>> = items.iter().map(|waiting| line(waiting, now_ms, recipients)).collect();
    serde_json::to_string_pretty(&lines).map(|text| text + "\n").map_err(|error| format!("write JSON: {error}"))
}

fn line(waiting: &Waiting, now_ms: u64, recipients: bool) -> Line<'_> {
    let item = &waiting.item;
    let to = item.recipients.iter().map(|recipient| {
        let said = item.said.iter().find(|said| said.address == recipient.address);
        To {
            address: &recipient.address,
            notify: recipient.notify.as_deref(),
            said: said.map(|said| said.reply.as_str()),
            said_ms: said.map(|said| said.at_ms),
        }
    });
    Line {
        id: &item.id,
        mail: &item.mail,
        state: state(waiting, now_ms),
        from: item.sender.as_ref(),
        recipients: item.recipients.len(),
        attempts: item.attempts,
        since_ms: item.created_ms,
        next_ms: next(waiting, now_ms),
        delay_told: item.warned && item.sender.is_some() && waiting.stuck_ms.is_none(),
        said: last(&item.said),
        to: recipients.then(|| to.collect()),
    }
}

fn administrator() -> Actor {
    let who = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "root".to_owned());
    Actor::Admin(who)
}

async fn retry(store: &Store, clock: &Clock, id: Option<&str>) -> Result<String, String> {
    let mut out = String::new();
    let mut done = 0_u64;
    let mut after = None;
    loop {
        let items = match id {
            Some(id) => find(store, id).await?,
            None => {
                let filter = WaitingFilter { after, limit: 500, ..WaitingFilter::default() };
                store.list_outbox(&filter).await.map_err(|error| error.to_string())?
            }
        };
        for waiting in &items {
            let item = &waiting.item;
            let made_due = store.retry_outbox(item, administrator(), clock.now_ms()).await;
            if made_due.map_err(|error| error.to_string())? {
                done += 1;
            } else {
                let _ = writeln!(out, "{} is being delivered now, or gone", item.id);
            }
        }
        after = items.last().map(|waiting| waiting.item.id.clone());
        if id.is_some() || after.is_none() {
            break;
        }
    }
    let _ = writeln!(out, "{done} of the outbox tried again by the guard now");
    Ok(out)
}

async fn cancel(store: &Store, config: &Config, clock: &Clock, id: &str, quiet: bool) -> Result<String, String> {
    let reporter = app::reporter(config, clock.zone().clone());
    let (mut out, mut left) = (String::new(), 0);
    for waiting in find(store, id).await? {
        let item = &waiting.item;
        let cancelled = outbox::cancel(store, &reporter, item, administrator(), quiet, clock.now_ms()).await;
        let _ = match cancelled.map_err(|error| error.to_string())? {
            Some(true) => writeln!(out, "{} is cancelled, and its sender is told", item.id),
            Some(false) => writeln!(out, "{} is cancelled", item.id),
            None => {
                left += 1;
                writeln!(out, "{} is being delivered now, or was tried meanwhile: look again", item.id)
            }
        };
    }
    if left > 0 { Err(format!("cancel all of it:\n{}", out.trim_end())) } else { Ok(out) }
}
