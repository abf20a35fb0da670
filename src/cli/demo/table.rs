//! The live table of the demonstration.
//! It refuses colours and cursor movements unless it writes to a terminal.

use super::incidents::Incident;
use super::stage::{Repaired, Shown, Stage, Totals};
use crate::cli::print;
use crate::rules::verdict::Outcome;
use crate::store::{AuditRow, Event};
use std::io::{self, IsTerminal, Write};

/// The table.
pub(super) struct Table {
    terminal: bool,
}

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

impl Table {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal() }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.terminal { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// The first words.
    pub(super) fn open(&self) {
        print(&format!(
            "{}\n",
            self.paint(BOLD, "sekisho demo: an outbound mail guard between a real mail client and a real mail server")
        ));
        print("Everything runs on this machine. Every person and every address is invented.\n\n");
    }

    /// Where the parts listen.
    pub(super) fn running(&self, stage: &Stage) {
        print(&format!(
            "  guard        {} (SMTP with STARTTLS)\n  mail server  {} (behind the guard)\n  page         {}\n",
            stage.smtp,
            stage.server(),
            stage.page
        ));
    }

    /// A part of the table begins.
    pub(super) fn heading(&self, text: &str) {
        print(&format!("\n{}\n", self.paint(BOLD, text)));
        print(&format!(
            "  {:<22} {:>5} {:>8} {:>8}  {:<14} {:<28} {:>8}  {}\n",
            "", "mails", "persons", "visible", "outcome", "rule", "seconds", "what happened"
        ));
    }

    /// Shows what is being sent, where a line can be overwritten.
    pub(super) fn sending(&self, what: &str) {
        if self.terminal {
            print(&format!("  … {what}\r"));
            let _ = io::stdout().flush();
        }
    }

    /// One incident; gives whether it ended as it must.
    pub(super) fn row(&self, incident: &Incident, shown: &Shown) -> bool {
        let sum = |name: &str| -> u64 { shown.rows.iter().filter_map(|row| row.counts.get(name)).sum() };
        let stopped = shown.rows.len() == incident.mails.len() && shown.rows.iter().all(kept_back);
        let passed = shown.rows.len() == incident.mails.len()
            && shown.rows.iter().all(|row| row.event == Event::Relayed || row.event == Event::Queued);
        let good = if incident.expect.outcome.stops() { stopped } else { passed };
        let strictest = shown.rows.iter().max_by_key(|row| row.outcome);
        let outcome = strictest.map_or(Outcome::Pass, |row| row.outcome);
        let rule = strictest.and_then(|row| row.rules.first()).map_or("", String::as_str);
        let mark = if good { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") };
        print(&format!(
            "{mark} {:<22} {:>5} {:>8} {:>8}  {:<14} {:<28} {:>8.2}  {}\n",
            incident.id,
            incident.mails.len(),
            blank(sum("persons")),
            blank(sum("visible")),
            outcome.as_str(),
            rule,
            shown.took.as_secs_f64(),
            incident.title.en
        ));
        good
    }

    /// What came of the sender's choice.
    pub(super) fn repaired(&self, repaired: &Repaired) -> bool {
        let good = repaired.showing == 0;
        let mark = if good { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") };
        print(&format!(
            "{mark} {} recipients got the mail {:.1} s later; copies that show another outside address: {}\n",
            repaired.recipients,
            repaired.took.as_secs_f64(),
            repaired.showing
        ));
        good
    }

    /// The sums.
    pub(super) fn totals(&self, totals: &Totals, good: bool) {
        print(&format!(
            "\n{}\n  sent by clients        {:>6} mails to {} recipients\n  reached the server     {:>6} recipients\n  kept back              {:>6} recipients ({} mails wait for a decision, {} were refused)\n  notices to people      {:>6}\n",
            self.paint(BOLD, "In the end"),
            totals.sent_mails,
            totals.sent_recipients,
            totals.arrived_recipients,
            totals.sent_recipients.saturating_sub(totals.arrived_recipients),
            totals.held,
            totals.blocked,
            totals.notices
        ));
        let verdict = if good {
            self.paint(GREEN, "Every leak was stopped, and every ordinary mail passed.")
        } else {
            self.paint(RED, "Not everything ended as it must: see the lines with ✗.")
        };
        print(&format!("\n{verdict}\n"));
    }

    /// How to go on by hand.
    pub(super) fn look_around(&self, link: &str) {
        print(&format!(
            "\nOpen this page to decide about a mail that still waits:\n  {link}\n\nPress Ctrl-C to end the demonstration.\n"
        ));
    }
}

fn kept_back(row: &AuditRow) -> bool {
    matches!(row.event, Event::Held | Event::Joined | Event::Blocked | Event::Discarded)
}

fn blank(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}
