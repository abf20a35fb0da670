//! `sekisho held`: held mails for administrators, on the machine of the guard.
//! It refuses to decide twice: every decision passes the same compare-and-set as the page.

use super::{ConfigArgument, NO, OK, WRONG, complain, load, print};
use crate::address::Address;
use crate::app::store_options;
use crate::clock::Clock;
use crate::config::Config;
use crate::hold::{Action, Desk, Outcome};
use crate::id::MailId;
use crate::reload;
use crate::rules::verdict::Repair;
use crate::store::{Actor, AuditFilter, HeldFilter, HeldMail, Role, State, Store};
use clap::{Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::sync::Arc;

/// Arguments of `held`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List mails that wait, newest first.
    List {
        /// Decided ones too.
        #[arg(long)]
        all: bool,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Everything about one mail, with its history.
    Show { id: String },
    /// Send it.
    Release {
        id: String,
        /// How.
        #[arg(long, value_enum, default_value = "as-is")]
        repair: Choice,
    },
    /// Give it back to its sender.
    Return {
        id: String,
        /// A word for the sender.
        #[arg(long, default_value = "")]
        comment: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// Unchanged.
    AsIs,
    /// Outside addresses removed from To and Cc.
    Bcc,
    /// One copy for each outside recipient.
    Individual,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(config) = load::config(&arguments.config.config) else { return WRONG };
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(async {
        let store = match Store::open(&store_options(&config, Role::Tool)).await {
            Ok(store) => Arc::new(store),
            Err(error) => {
                complain(&format!("failed to {error}"));
                return WRONG;
            }
        };
        let code = perform(&arguments.command, &config, &store).await;
        store.close().await;
        code
    })
}

async fn perform(command: &Command, config: &Config, store: &Arc<Store>) -> u8 {
    let clock = Clock::system(TimeZone::get(&config.time_zone).unwrap_or(TimeZone::UTC));
    let result = match command {
        Command::List { all, limit } => list(store, &clock, *all, *limit).await,
        Command::Show { id } => show(store, &clock, id).await,
        Command::Release { id, repair } => {
            let repair = match repair {
                Choice::AsIs => Repair::AsIs,
                Choice::Bcc => Repair::Bcc,
                Choice::Individual => Repair::Individual,
            };
            decide(store, config, &clock, id, Action::Release(repair)).await
        }
        Command::Return { id, comment } => {
            decide(store, config, &clock, id, Action::Return { comment: comment.clone() }).await
        }
    };
    match result {
        Ok(text) => {
            print(&text);
            OK
        }
        Err(why) => {
            complain(&format!("failed to {why}"));
            NO
        }
    }
}

async fn list(store: &Store, clock: &Clock, all: bool, limit: u32) -> Result<String, String> {
    let filter = HeldFilter { state: (!all).then_some(State::Held), limit, ..HeldFilter::default() };
    let (mails, damaged) = store.list_held_and_damaged(&filter).await.map_err(|error| error.to_string())?;
    let mut out = String::new();
    for mail in &mails {
        let _ = writeln!(
            out,
            "{}  {:<9}  {}  {:>5} recipients  {:<28}  from {}",
            mail.id,
            mail.state.as_str(),
            clock.readable(mail.created_ms),
            mail.recipients.len(),
            rules(mail),
            mail.sender.as_ref().map_or("<>", Address::as_str),
        );
    }
    for id in &damaged {
        let _ = writeln!(out, "{id}  damaged: what is kept about it cannot be read; run `sekisho store check`");
    }
    if mails.is_empty() && damaged.is_empty() {
        out.push_str("no mail is held\n");
    }
    Ok(out)
}

fn rules(mail: &HeldMail) -> String {
    let enforced = mail.verdict.matches.iter().filter(|matched| !matched.observed);
    enforced.map(|matched| matched.rule.as_str()).collect::<Vec<_>>().join(", ")
}

async fn show(store: &Store, clock: &Clock, id: &str) -> Result<String, String> {
    let id = MailId::parse(id).map_err(|error| error.to_string())?;
    let mail = store.held(&id).await.map_err(|error| error.to_string())?.ok_or("find the mail")?;
    let mut out = String::new();
    let _ = writeln!(out, "mail        {}", mail.id);
    let _ = writeln!(out, "state       {}", mail.state.as_str());
    let _ = writeln!(out, "from        {}", mail.sender.as_ref().map_or("<>", Address::as_str));
    let _ = writeln!(out, "came        {}", clock.readable(mail.created_ms));
    let _ = writeln!(out, "expires     {}", clock.readable(mail.expires_ms));
    for matched in &mail.verdict.matches {
        let _ = writeln!(out, "rule        {}: {}", matched.rule, matched.title.en);
        for reason in &matched.reasons {
            let _ = writeln!(out, "            {} = {} ({})", reason.key, reason.found, reason.wanted);
        }
    }
    for unread in &mail.facts.unreadable {
        let _ = writeln!(out, "unread      {} ({})", unread.path, unread.why.as_str());
    }
    for finding in &mail.findings {
        let _ = writeln!(out, "found       {} {} {}", finding.kind.as_str(), finding.masked, finding.place);
    }
    for recipient in &mail.recipients {
        let _ = writeln!(out, "to          {}", recipient.address);
    }
    let filter = AuditFilter { mail: Some(id), limit: 1_000, ..AuditFilter::default() };
    for row in store.audit(&filter).await.map_err(|error| error.to_string())? {
        let actor = match row.actor {
            Some(Actor::Sender(who)) => format!(" by the sender {who}"),
            Some(Actor::Approver(who)) => format!(" by the approver {who}"),
            Some(Actor::Admin(who)) => format!(" by the administrator {who}"),
            Some(Actor::Expiry) => " by the clock".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(out, "{}  {}{actor}", clock.readable(row.at_ms), row.event.as_str());
    }
    Ok(out)
}

async fn decide(
    store: &Arc<Store>,
    config: &Config,
    clock: &Clock,
    id: &str,
    action: Action,
) -> Result<String, String> {
    let id = MailId::parse(id).map_err(|error| error.to_string())?;
    let rules = reload::load(config.rules.as_deref(), &config.limits).map_err(|error| error.to_string())?;
    let desk = Desk::new(Arc::clone(store), Arc::new(move |address| rules.is_internal(address)));
    let who = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "root".to_owned());
    let outcome = desk.act(&id, Actor::Admin(who), action, clock.now_ms()).await.map_err(|error| error.to_string())?;
    Ok(match outcome {
        Outcome::Released(_) => format!("{id} is released; the guard sends it now\n"),
        Outcome::Returned => format!("{id} is given back to its sender\n"),
        Outcome::Cancelled => format!("{id} is cancelled\n"),
        Outcome::Approved { given, needed } => format!("{id} has {given} of {needed} approvals\n"),
    })
}
