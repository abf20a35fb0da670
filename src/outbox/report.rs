//! Delivery reports (RFC 3464, RFC 3461, RFC 6522), composed by hand: a text for people, the fields for programs, the mail's header.
//! It refuses to answer a null reverse-path, to tell a sender what he did not want to know, and to name recipients of another copy.

use super::field::{base64_lines, boundary, date, encoded_words, field, from_xtext, printable, typed_address};
use crate::address::Address;
use crate::id::MailId;
use crate::mail::envelope::{MailParameters, Recipient};
use crate::smtp::reply::Reply;
use bytes::Bytes;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// A mail that is larger than this comes back as its header only, whatever RET says.
const RETURNED_BYTES: usize = 1024 * 1024;
/// RFC 5322 2.1.1.
const LINE: usize = 998;

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
    fn action(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Expired(_) => "failed",
            Self::Delayed { .. } => "delayed",
            Self::Relayed(_) => "relayed",
        }
    }

    fn reply(&self) -> &Reply {
        match self {
            Self::Failed(reply) | Self::Expired(reply) | Self::Relayed(reply) | Self::Delayed { reply, .. } => reply,
        }
    }

    /// Does the recipient's NOTIFY (RFC 3461 4.1) ask for this? Without NOTIFY, failures and delays are told.
    #[must_use]
    pub fn is_wanted(&self, notify: Option<&str>) -> bool {
        let keyword = match self {
            Self::Failed(_) | Self::Expired(_) => "FAILURE",
            Self::Delayed { .. } => "DELAY",
            Self::Relayed(_) => "SUCCESS",
        };
        match notify {
            None => !matches!(self, Self::Relayed(_)),
            Some(list) => list.split(',').any(|word| word.trim().eq_ignore_ascii_case(keyword)),
        }
    }

    /// The status code (RFC 3463): the server's own if it gave one of the right class, otherwise the class alone.
    fn status(&self) -> String {
        let class = match self {
            // X.4.7: delivery time expired.
            Self::Expired(_) => return "4.4.7".to_owned(),
            Self::Failed(_) => '5',
            Self::Delayed { .. } => '4',
            Self::Relayed(_) => '2',
        };
        let said = self.reply().lines.first().map(|line| printable(line)).unwrap_or_default();
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
        base64_lines(people(reporter, &wanted).as_bytes())
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

fn subject(wanted: &[&Reported]) -> &'static str {
    let any = |action| wanted.iter().any(|reported| reported.disposition.action() == action);
    if any("failed") {
        "【配信できません】Undelivered mail"
    } else if any("delayed") {
        "【配信が遅れています】Delayed mail"
    } else {
        "【中継しました】Relayed mail"
    }
}

/// The part for people.
fn people(reporter: &Reporter, wanted: &[&Reported]) -> String {
    let mut text = String::new();
    for (action, ja, en) in [
        (
            "failed",
            "次の宛先には配信できませんでした。このメールはこれ以上再送されません。",
            "Your mail could not be delivered to these recipients. It will not be tried again.",
        ),
        (
            "delayed",
            "次の宛先への配信が遅れています。自動的に再送しますので、送り直す必要はありません。",
            "Delivery to these recipients is delayed. It is tried again by itself; you need not send it again.",
        ),
        (
            "relayed",
            "次の宛先のメールは次のサーバーに渡しました。そのサーバーは配信完了を通知しません。",
            "Your mail to these recipients was handed to the next server, which does not report final delivery.",
        ),
    ] {
        let mut some = wanted.iter().filter(|reported| reported.disposition.action() == action).peekable();
        if some.peek().is_none() {
            continue;
        }
        let _ = write!(text, "{ja}\r\n{en}\r\n\r\n");
        for reported in some {
            let address = reported.recipient.address.as_str().replace(|char: char| char.is_control(), " ");
            let _ = write!(text, "  {address}\r\n    {}\r\n", said(reported.disposition.reply()));
            match &reported.disposition {
                Disposition::Delayed { until_ms, .. } => {
                    let until = date(*until_ms, &reporter.zone);
                    let _ = write!(text, "    再送期限 / tried until: {until}\r\n");
                }
                Disposition::Expired(_) => {
                    text.push_str("    再送期限を過ぎました / the time for retries is over\r\n");
                }
                Disposition::Failed(_) | Disposition::Relayed(_) => {}
            }
        }
        text.push_str("\r\n");
    }
    let _ = write!(text, "-- \r\n{}\r\n", printable(reporter.hostname.as_bytes()));
    text
}

/// A server's reply on one line.
fn said(reply: &Reply) -> String {
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
        field(out, "Diagnostic-Code", &format!("smtp; {}", said(disposition.reply())));
        field(out, "Last-Attempt-Date", &date(about.now_ms, &reporter.zone));
        if let Disposition::Delayed { until_ms, .. } = disposition {
            field(out, "Will-Retry-Until", &date(*until_ms, &reporter.zone));
        }
    }
}

/// ORCPT as the field wants it: `type; address`, the address decoded (RFC 3461 5.2.7.1).
fn original_recipient(orcpt: &str) -> String {
    match orcpt.split_once(';') {
        Some((kind, address)) => format!("{}; {}", printable(kind.as_bytes()), from_xtext(address)),
        None => format!("rfc822; {}", from_xtext(orcpt)),
    }
}

/// The mail itself or its header (RFC 3461 4.3: RET counts for failures; without it, the header). Says whether eight-bit octets are in it.
fn original(out: &mut Vec<u8>, about: &Report<'_>, wanted: &[&Reported]) -> bool {
    let whole = about.mail.concat();
    let failed = wanted.iter().any(|reported| reported.disposition.action() == "failed");
    let full = about.parameters.ret.as_deref().is_some_and(|ret| ret.eq_ignore_ascii_case("FULL"));
    if failed && full && !about.parameters.smtputf8 && whole.len() <= RETURNED_BYTES && is_canonical(&whole) {
        let eight_bit = !whole.is_ascii();
        let encoding = if eight_bit { "8bit" } else { "7bit" };
        out.extend_from_slice(
            format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(),
        );
        out.extend_from_slice(&whole);
        return eight_bit;
    }
    let header = header_section(&whole);
    if header.is_ascii() && is_canonical(header) {
        out.extend_from_slice(b"Content-Type: text/rfc822-headers\r\n\r\n");
        out.extend_from_slice(header);
    } else {
        let charset = if std::str::from_utf8(header).is_ok() { "; charset=utf-8" } else { "" };
        out.extend_from_slice(
            format!("Content-Type: text/rfc822-headers{charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n")
                .as_bytes(),
        );
        out.extend_from_slice(base64_lines(header).as_bytes());
    }
    false
}

/// Everything before the first empty line.
fn header_section(mail: &[u8]) -> &[u8] {
    if mail.starts_with(b"\r\n") {
        return &[];
    }
    memchr::memmem::find(mail, b"\r\n\r\n").map_or(mail, |end| &mail[..end + 2])
}

/// Only CRLF line ends, no NUL, no line above the limit: what may stand in a mail unencoded.
fn is_canonical(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (line, behind) = match memchr::memmem::find(rest, b"\r\n") {
            Some(end) => (&rest[..end], &rest[end + 2..]),
            None => (rest, &rest[..0]),
        };
        if line.len() > LINE || line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return false;
        }
        rest = behind;
    }
    true
}
