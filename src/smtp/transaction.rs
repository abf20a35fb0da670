//! One transaction of the client side: which commands go out next, and what each reply decides for which recipient.
//! It refuses to turn several results into one, to change a mail for an upstream that cannot take it, and to leave a recipient without a fate.

use super::extensions::Extensions;
use super::parameters::{may_write, may_write_mail};
use super::path::is_mailbox;
use super::reply::Reply;
use super::sender::Fate;
use super::stage::Stage;
use super::stuffing::{Stuffed, stuff};
use crate::address::Address;
use crate::mail::envelope::{MailParameters, Recipient};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Commands that may wait for their replies (RFC 2920 3.1). Replies of 64 commands fit in any socket buffer, so an upstream that answers before it
/// reads on never blocks while we still write.
const WINDOW: usize = 64;

/// A mail to send.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The reverse-path; `None` is `<>`.
    pub sender: Option<Address>,
    pub parameters: MailParameters,
    pub recipients: Vec<Recipient>,
    /// The mail in canonical form as consecutive chunks (a Received field, then the octets that came).
    pub data: Vec<Bytes>,
}

/// What a running transaction needs next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send these commands.
    Send(Vec<u8>),
    /// Send this piece of the mail.
    Piece(Bytes),
    /// Wait for a reply.
    Wait,
    /// All fates are known and no reply is awaited.
    Done,
}

/// A transaction that runs.
#[derive(Debug)]
pub(super) struct Running {
    sender: Option<Address>,
    parameters: MailParameters,
    recipients: Vec<Recipient>,
    /// The mail, when it may be sent at all.
    text: Option<Stuffed>,
    octets: u64,
    eight_bit: bool,
    fates: Vec<Option<Fate>>,
    /// Recipients the upstream took, until the data decides.
    taken: Vec<bool>,
    /// Index of the next recipient to name.
    next: usize,
    reset: bool,
    mail_sent: bool,
    mail_taken: bool,
    data_sent: bool,
    /// 354 came: the mail (or, without recipients, nothing) is being sent.
    open: bool,
    concluded: bool,
    awaited: VecDeque<Stage>,
    /// Recipients whose RCPT is not yet answered.
    named: VecDeque<usize>,
}

impl Running {
    /// Checks the mail against what the upstream offers; recipients it cannot take are decided at once. `verified`: is
    /// this TLS with a verified certificate? `reset` sends RSET first.
    pub(super) fn new(transaction: Transaction, upstream: &Extensions, verified: bool, reset: bool) -> Self {
        let Transaction { sender, parameters, recipients, data } = transaction;
        let count = recipients.len();
        let mut running = Self {
            sender,
            parameters,
            recipients,
            text: None,
            octets: 0,
            eight_bit: false,
            fates: vec![None; count],
            taken: vec![false; count],
            next: 0,
            reset,
            mail_sent: false,
            mail_taken: false,
            data_sent: false,
            open: false,
            concluded: false,
            awaited: VecDeque::new(),
            named: VecDeque::new(),
        };
        match stuff(data) {
            Ok(text) => {
                running.octets = text.octets;
                running.eight_bit = text.eight_bit;
                running.text = Some(text);
                running.compare(upstream, verified);
            }
            Err(_) => running.decide(&Fate::Refused(Reply::new(554, "5.6.0", "Mail is not made of CRLF lines"))),
        }
        running
    }

    /// What the mail needs and the upstream lacks (RFC 6152 3, RFC 6531 3.2, RFC 1870 6.1, RFC 8689 4.2.1): refused here, never altered.
    fn compare(&mut self, upstream: &Extensions, verified: bool) {
        let sender_fits = self.sender.as_ref().is_none_or(|sender| is_mailbox(sender.as_str()));
        if !sender_fits || !may_write_mail(&self.parameters) {
            self.decide(&Fate::Refused(Reply::new(553, "5.1.7", "Sender address cannot be sent by SMTP")));
        }
        if self.parameters.require_tls && !(verified && upstream.require_tls) {
            let text = "REQUIRETLS support required, the next server or its certificate lacks it";
            self.decide(&Fate::Refused(Reply::new(550, "5.7.30", text)));
        }
        if self.eight_bit && !upstream.eight_bit_mime {
            self.decide(&Fate::Refused(Reply::new(
                554,
                "5.6.3",
                "Mail has 8-bit text, the next server takes 7-bit only",
            )));
        }
        if upstream.size.is_some_and(|size| size != 0 && self.octets > size) {
            self.decide(&Fate::Refused(Reply::new(552, "5.3.4", "Mail is larger than the next server takes")));
        }
        let international = self.sender.as_ref().is_some_and(|sender| !sender.as_str().is_ascii());
        if !upstream.smtputf8 && (international || (self.parameters.smtputf8 && self.eight_bit)) {
            self.decide(&Fate::Refused(Reply::new(550, "5.6.7", "Mail needs SMTPUTF8, the next server lacks it")));
        }
        for (fate, recipient) in self.fates.iter_mut().zip(&self.recipients).filter(|(fate, _)| fate.is_none()) {
            let address = recipient.address.as_str();
            if !is_mailbox(address) || !may_write(recipient) {
                *fate = Some(Fate::Refused(Reply::new(553, "5.1.3", "Recipient address cannot be sent by SMTP")));
            } else if !upstream.smtputf8 && is_international(recipient) {
                *fate =
                    Some(Fate::Refused(Reply::new(553, "5.6.7", "Address needs SMTPUTF8, the next server lacks it")));
            }
        }
    }

    /// The stage of the oldest command without reply.
    pub(super) fn stage(&self) -> Stage {
        self.awaited.front().copied().unwrap_or(if self.open { Stage::Text } else { Stage::Ready })
    }

    /// May the final dot be out without an answer?
    pub(super) fn unknown(&self) -> bool {
        self.awaited.front() == Some(&Stage::FinalDot) && self.took_any()
    }

    /// Does the upstream have recipients to whom it would deliver?
    pub(super) fn took_any(&self) -> bool {
        self.taken.contains(&true)
    }

    /// Is the mail being sent, so that a reply now comes too early?
    pub(super) fn sending_text(&self) -> bool {
        self.open && self.awaited.is_empty() && !self.concluded
    }

    /// Did the upstream open a transaction that it still has?
    pub(super) fn needs_reset(&self) -> bool {
        self.reset || (self.mail_taken && !self.concluded)
    }

    /// The fates, in the order of the recipients. One that nothing decided is deferred.
    pub(super) fn into_fates(self) -> Vec<Fate> {
        let open = || Fate::Deferred(Reply::new(451, "4.4.2", "Transaction ended without an answer"));
        self.fates.into_iter().map(|fate| fate.unwrap_or_else(open)).collect()
    }

    /// Gives every recipient without a fate this one.
    pub(super) fn decide(&mut self, fate: &Fate) {
        for open in self.fates.iter_mut().filter(|fate| fate.is_none()) {
            *open = Some(fate.clone());
        }
        self.taken.fill(false);
    }

    /// What to do next.
    pub(super) fn step(&mut self, upstream: &Extensions) -> Step {
        if self.sending_text() {
            // A 354 although nobody is left: only the final dot, so that no one can get the mail.
            let mut text = if self.took_any() { self.text.take() } else { None };
            let piece = text.as_mut().and_then(Stuffed::next_piece);
            self.text = text.filter(|text| !text.is_done());
            if self.text.is_none() {
                self.awaited.push_back(Stage::FinalDot);
            }
            return Step::Piece(piece.unwrap_or_else(|| Bytes::from_static(b".\r\n")));
        }
        let window = if upstream.pipelining { WINDOW } else { 1 };
        let mut commands = String::new();
        // Refilled when half of it is answered: a command in a packet of its own for each reply would be slow.
        if self.awaited.is_empty() || self.awaited.len() <= window / 2 {
            while self.awaited.len() < window && self.command(upstream, &mut commands) {}
        }
        match () {
            () if !commands.is_empty() => Step::Send(commands.into_bytes()),
            () if self.awaited.is_empty() => Step::Done,
            () => Step::Wait,
        }
    }

    /// Appends the next command; false when there is none to send now.
    fn command(&mut self, upstream: &Extensions, out: &mut String) -> bool {
        if self.data_sent {
            return false;
        }
        let undecided = self.fates.iter().any(Option::is_none);
        if !undecided {
            return false;
        }
        if self.reset {
            self.reset = false;
            out.push_str("RSET\r\n");
            self.awaited.push_back(Stage::Reset);
        } else if !self.mail_sent {
            self.mail_sent = true;
            self.write_mail(upstream, out);
            self.awaited.push_back(Stage::Mail);
        } else if let Some(index) = (self.next..self.recipients.len()).find(|index| self.fates[*index].is_none()) {
            self.next = index + 1;
            write_recipient(&self.recipients[index], upstream, out);
            self.awaited.push_back(Stage::Recipient);
            self.named.push_back(index);
        } else {
            // Somebody is undecided: taken, or (when pipelining) not yet answered.
            self.next = self.recipients.len();
            self.data_sent = true;
            out.push_str("DATA\r\n");
            self.awaited.push_back(Stage::Data);
        }
        true
    }

    fn write_mail(&self, upstream: &Extensions, out: &mut String) {
        let sender = self.sender.as_ref().map_or("", Address::as_str);
        let _ = write!(out, "MAIL FROM:<{sender}>");
        if upstream.size.is_some() {
            let _ = write!(out, " SIZE={}", self.octets);
        }
        if upstream.eight_bit_mime && (self.parameters.eight_bit || self.eight_bit) {
            out.push_str(" BODY=8BITMIME");
        }
        let international = !sender.is_ascii() || self.recipients.iter().any(is_international);
        if upstream.smtputf8 && (self.parameters.smtputf8 || international) {
            out.push_str(" SMTPUTF8");
        }
        if self.parameters.require_tls {
            out.push_str(" REQUIRETLS");
        }
        if upstream.dsn {
            for (keyword, value) in [("RET", &self.parameters.ret), ("ENVID", &self.parameters.envid)] {
                if let Some(value) = value {
                    let _ = write!(out, " {keyword}={value}");
                }
            }
        }
        out.push_str("\r\n");
    }

    /// Takes the reply to the oldest command. An error is a reply that does not fit there; then nothing more can be said on this connection.
    pub(super) fn reply(&mut self, reply: Reply) -> Result<(), (Stage, Reply)> {
        let Some(stage) = self.awaited.pop_front() else {
            return Err((self.stage(), reply));
        };
        let recipient = if stage == Stage::Recipient { self.named.pop_front() } else { None };
        if reply.code == 421 {
            return Err((stage, reply));
        }
        let failed = reply.is_failure();
        match stage {
            Stage::Reset if reply.is_positive() => {}
            Stage::Mail if reply.is_positive() => self.mail_taken = true,
            Stage::Mail | Stage::Data if failed => self.decide(&failure(reply)),
            Stage::Recipient if reply.is_positive() || failed => {
                if let Some(index) = recipient.filter(|index| self.fates[*index].is_none()) {
                    if reply.is_positive() {
                        self.taken[index] = true;
                    } else {
                        self.fates[index] = Some(self.recipient_failure(reply));
                    }
                }
            }
            Stage::Data if reply.code == 354 => self.open = true,
            Stage::FinalDot if reply.is_positive() || failed => {
                self.concluded = true;
                let fate = if failed { failure(reply) } else { Fate::Accepted(reply) };
                self.decide(&fate);
            }
            _ => return Err((stage, reply)),
        }
        Ok(())
    }

    /// RFC 5321 4.5.3.1.10: some servers say 552 where they mean 452, too many recipients. It is one when others were taken and no status code says more.
    fn recipient_failure(&self, reply: Reply) -> Fate {
        let too_many = reply.code == 552
            && self.took_any()
            && matches!(reply.enhanced(), None | Some("5.5.3" | "5.3.0" | "5.0.0"));
        if too_many { Fate::Deferred(reply) } else { failure(reply) }
    }
}

/// Can this recipient be named in a transaction with SMTPUTF8 only (RFC 6531 3.3, RFC 6533 3)?
fn is_international(recipient: &Recipient) -> bool {
    !recipient.address.as_str().is_ascii() || recipient.orcpt.as_deref().is_some_and(|orcpt| !orcpt.is_ascii())
}

fn write_recipient(recipient: &Recipient, upstream: &Extensions, out: &mut String) {
    let _ = write!(out, "RCPT TO:<{}>", recipient.address);
    if upstream.dsn {
        for (keyword, value) in [("NOTIFY", &recipient.notify), ("ORCPT", &recipient.orcpt)] {
            if let Some(value) = value {
                let _ = write!(out, " {keyword}={value}");
            }
        }
    }
    out.push_str("\r\n");
}

/// The fate a reply that is not positive means.
pub(super) fn failure(reply: Reply) -> Fate {
    if reply.is_permanent() { Fate::Refused(reply) } else { Fate::Deferred(reply) }
}
