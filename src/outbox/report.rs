//! Delivery reports (RFC 3464, RFC 3461, RFC 6522), composed by hand: a text for people, the fields for programs, the mail's header.
//! It refuses to answer a null reverse-path, to tell a sender what he did not want to know, and to name recipients of another copy.

use super::field::{
    base64_lines, boundary, date, encoded_words, field, from_xtext, printable, typed_address, utf8_address,
};
use super::original::original;
use super::words::{people, subject};
use crate::address::Address;
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::smtp::reply::Reply;
use bytes::Bytes;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Who reports.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Our name, as in `Received`.
    pub hostname: String,
    /// The address in From.
    pub from: Address,
    /// The time zone of its dates.
    pub zone: TimeZone,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Refused for good.
    Failed(Reply),
    /// Not accepted in all the time a mail has.
    Expired(Reply),
    /// Not accepted yet; tried until a moment (epoch milliseconds).
    Delayed { reply: Reply, until_ms: u64 },
    /// Handed to a server that will not report success itself.
    Relayed(Reply),
    /// Taken out of the outbox by an administrator.
    Cancelled,
}

/// One recipient of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    pub recipient: Recipient,
    pub disposition: Disposition,
}

/// What a report is about.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The report's own id.
    pub id: &'a MailId,
    pub sender: Option<&'a Address>,
    pub parameters: &'a MailParameters,
    /// The copy that these recipients got or should have got, in pieces.
    pub mail: &'a [Bytes],
    /// Recipients of this copy only.
    pub recipients: &'a [Reported],
    /// When the mail came, epoch milliseconds.
    pub arrived_ms: u64,
    /// Epoch milliseconds.
    pub now_ms: u64,
}

/// A report ready for delivery; its reverse-path is null (RFC 3464 2), so it never causes another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub to: Address,
    pub parameters: MailParameters,
    pub bytes: Bytes,
}

impl Disposition {
    /// RFC 3464 2.3.3.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Expired(_) | Self::Cancelled => "failed",
            Self::Delayed { .. } => "delayed",
            Self::Relayed(_) => "relayed",
        }
    }

    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Failed(reply) | Self::Expired(reply) | Self::Relayed(reply) | Self::Delayed { reply, .. } => {
                Some(reply)
            }
            Self::Cancelled => None,
        }
    }

    /// Does the recipient's NOTIFY (RFC 3461 4.1) ask for this? Without NOTIFY, failures and delays are told.
    #[must_use]
    pub fn is_wanted(&self, notify: Option<&str>) -> bool {
        let keyword = match self {
            Self::Failed(_) | Self::Expired(_) | Self::Cancelled => "FAILURE",
            Self::Delayed { .. } => "DELAY",
            Self::Relayed(_) => "SUCCESS",
        };
        match notify {
            None => !matches!(self, Self::Relayed(_)),
            Some(list) => list.split(',').any(|word| word.trim().eq_ignore_ascii_case(keyword)),
        }
    }

    /// The status code (RFC 3463): the server's own if it gave one of the right class, otherwise the class alone.
    pub(super) fn status(&self) -> String {
        let class = match self {
            // X.4.7: delivery time expired.
            Self::Expired(_) => return "4.4.7".to_owned(),
            Self::Failed(_) | Self::Cancelled => '5',
            Self::Delayed { .. } => '4',
            Self::Relayed(_) => '2',
        };
        let first = self.reply().and_then(|reply| reply.lines.first());
        let said = first.map(|line| printable(line)).unwrap_or_default();
        let code = said.split(' ').next().unwrap_or_default();
        let parts: Vec<&str> = code.split('.').collect();
        let number = |text: &&str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() == 3 && parts.iter().all(number) && code.starts_with(class) {
            code.to_owned()
        } else {
            format!("{class}.0.0")
        }
    }
}

/// Composes a report of those recipients whose NOTIFY asks for it; `None` when nobody's does, or when there is no sender to tell.
#[must_use]
pub fn report(reporter: &Reporter, about: &Report<'_>) -> Option<Letter> {
    let to = about.sender?;
    let wanted: Vec<&Reported> = about
        .recipients
        .iter()
        .filter(|reported| reported.disposition.is_wanted(reported.recipient.notify.as_deref()))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let boundary = boundary(about.id);
    let mut out = header(reporter, about, to, &wanted, &boundary);
    let _ = write!(
        out,
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        base64_lines(people(reporter, about, &wanted).as_bytes())
    );
    let _ = write!(out, "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n");
    status(&mut out, reporter, about, &wanted);
    let _ = write!(out, "\r\n--{boundary}\r\n");
    let mut bytes = out.into_bytes();
    let eight_bit = original(&mut bytes, about, &wanted);
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let parameters = MailParameters {
        eight_bit,
        smtputf8: !to.as_str().is_ascii(),
        size: Some(bytes.len() as u64),
        ..MailParameters::default()
    };
    Some(Letter { to: to.clone(), parameters, bytes: bytes.into() })
}

fn header(reporter: &Reporter, about: &Report<'_>, to: &Address, wanted: &[&Reported], boundary: &str) -> String {
    let mut out = String::new();
    let no_controls = |text: &str| text.replace(|char: char| char.is_control(), "");
    field(&mut out, "From", &format!("Mail Delivery System <{}>", no_controls(reporter.from.as_str())));
    field(&mut out, "To", &format!("<{}>", no_controls(to.as_str())));
    field(&mut out, "Subject", &encoded_words(subject(wanted)));
    field(&mut out, "Date", &date(about.now_ms, &reporter.zone));
    field(&mut out, "Message-ID", &format!("<{}@{}>", about.id, printable(reporter.hostname.as_bytes())));
    // RFC 3834 5: a report is a reply made by a machine.
    field(&mut out, "Auto-Submitted", "auto-replied");
    field(&mut out, "MIME-Version", "1.0");
    field(&mut out, "Content-Type", &format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""));
    out
}

/// A server's reply on one line.
pub(super) fn said(reply: &Reply) -> String {
    let lines: Vec<String> = reply.lines.iter().map(|line| printable(line)).collect();
    let text = lines.join(" ");
    format!("{} {}", reply.code, text.split_whitespace().collect::<Vec<_>>().join(" ")).trim_end().to_owned()
}

/// The part for programs (RFC 3464 2.2, 2.3).
fn status(out: &mut String, reporter: &Reporter, about: &Report<'_>, wanted: &[&Reported]) {
    if let Some(envid) = &about.parameters.envid {
        field(out, "Original-Envelope-Id", &from_xtext(envid));
    }
    field(out, "Reporting-MTA", &format!("dns; {}", printable(reporter.hostname.as_bytes())));
    field(out, "Arrival-Date", &date(about.arrived_ms, &reporter.zone));
    for reported in wanted {
        let disposition = &reported.disposition;
        out.push_str("\r\n");
        if let Some(orcpt) = &reported.recipient.orcpt {
            field(out, "Original-Recipient", &original_recipient(orcpt));
        }
        field(out, "Final-Recipient", &typed_address(reported.recipient.address.as_str()));
        field(out, "Action", disposition.action());
        field(out, "Status", &disposition.status());
        if let Some(reply) = disposition.reply() {
            field(out, "Diagnostic-Code", &format!("smtp; {}", said(reply)));
        }
        field(out, "Last-Attempt-Date", &date(about.now_ms, &reporter.zone));
        if let Disposition::Delayed { until_ms, .. } = disposition {
            field(out, "Will-Retry-Until", &date(*until_ms, &reporter.zone));
        }
    }
}

/// ORCPT as the field wants it: `type; address`, the address decoded (RFC 3461 5.2.7.1).
fn original_recipient(orcpt: &str) -> String {
    match orcpt.split_once(';') {
        Some((kind, address)) if kind.eq_ignore_ascii_case("utf-8") => format!("utf-8; {}", utf8_address(address)),
        Some((kind, address)) => format!("{}; {}", printable(kind.as_bytes()), from_xtext(address)),
        None => format!("rfc822; {}", from_xtext(orcpt)),
    }
}
