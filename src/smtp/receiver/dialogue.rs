//! What each command does in a session: the order of commands (RFC 5321 4.1.4), what is offered, and who may relay.
//! It refuses to look at octets; lines are parsed and mail data is read before it.

use super::xclient::OFFER;
use super::{Draft, Receiver, State};
use crate::address::Address;
use crate::limits::OVERSHOOT;
use crate::mail::envelope::Recipient;
use crate::smtp::command::{Command, hello_name};
use crate::smtp::data::Decoder;
use crate::smtp::parameters::{mail_parameters, recipient_parameters};
use crate::smtp::path::{Path, PathFault, path};
use crate::smtp::reply::Reply;

impl Receiver {
    pub(super) fn perform(&mut self, command: Command<'_>) -> Result<(), Reply> {
        let open = matches!(
            command,
            Command::Ehlo(_) | Command::Helo(_) | Command::StartTls | Command::Noop | Command::Quit | Command::Http
        );
        let early = (self.settings.tls_required && !self.client.tls && !open)
            .then(|| Reply::new(530, "5.7.0", "Must issue a STARTTLS command first"));
        if let Command::Bdat(argument) = command {
            self.bdat(argument, early);
            return Ok(());
        }
        if let Some(reply) = early {
            return Err(reply);
        }
        if !matches!(command, Command::Mail(_) | Command::Rcpt(_) | Command::Data | Command::Quit) {
            self.idle_commands += 1;
            if self.idle_commands > self.settings.limits.idle_commands {
                self.errors += 1;
                if self.errors >= self.settings.limits.errors {
                    self.close(&Reply::new(421, "4.7.0", "Error: too many commands without mail"));
                    return Ok(());
                }
            }
        }
        match command {
            Command::Ehlo(name) => return self.hello(name, true),
            Command::Helo(name) => return self.hello(name, false),
            Command::Mail(argument) => return self.mail(argument),
            Command::Rcpt(argument) => return self.rcpt(argument),
            Command::Data => return self.data(),
            Command::Bdat(argument) => self.bdat(argument, None),
            Command::Auth(argument) => return self.auth(argument),
            Command::XClient(argument) => return self.xclient(argument),
            Command::XForward(argument) => return self.xforward(argument),
            Command::StartTls => return self.start_tls(),
            Command::Rset => {
                self.draft = None;
                self.forwarded = None;
                self.reply(250, "2.0.0", "Ok");
            }
            Command::Noop => self.reply(250, "2.0.0", "Ok"),
            Command::Quit => self.close(&Reply::new(221, "2.0.0", "Bye")),
            Command::Vrfy => self.reply(252, "2.0.0", "Cannot verify the address; send it mail and see"),
            Command::Help => self.reply(214, "2.0.0", "See RFC 5321"),
            Command::Expn | Command::Absent => return Err(Reply::new(502, "5.5.1", "Error: command not implemented")),
            Command::Http => self.close(&Reply::new(421, "4.7.0", "Error: this is SMTP")),
        }
        Ok(())
    }

    fn hello(&mut self, name: &[u8], esmtp: bool) -> Result<(), Reply> {
        let name = hello_name(name).ok_or_else(|| Reply::new(501, "5.5.2", "Error: invalid host name"))?;
        self.client.helo = name;
        self.client.esmtp = esmtp;
        self.hello = true;
        self.draft = None;
        let text = if esmtp {
            let mut text = self.offered.ehlo_text(&self.settings.hostname);
            if self.settings.xclient {
                text.push_str(OFFER);
            }
            text
        } else {
            self.settings.hostname.clone()
        };
        self.reply(250, "", &text);
        Ok(())
    }

    fn start_tls(&mut self) -> Result<(), Reply> {
        if self.client.tls {
            return Err(Reply::new(554, "5.5.1", "Error: TLS already active"));
        }
        if !self.settings.tls_available {
            return Err(Reply::new(502, "5.5.1", "Error: command not implemented"));
        }
        self.reply(220, "2.0.0", "Ready to start TLS");
        self.draft = None;
        self.input = Vec::new();
        self.head = 0;
        self.state = State::StartTls;
        Ok(())
    }

    fn mail(&mut self, argument: &[u8]) -> Result<(), Reply> {
        if !self.hello {
            return Err(Reply::new(503, "5.5.1", "Error: send HELO/EHLO first"));
        }
        if self.draft.is_some() {
            return Err(Reply::new(503, "5.5.1", "Error: nested MAIL command"));
        }
        if self.settings.auth_required && self.client.login.is_none() {
            return Err(Reply::new(530, "5.7.0", "Authentication required"));
        }
        if self.transactions >= self.settings.limits.transactions {
            self.close(&Reply::new(421, "4.7.0", "Error: too many transactions on one connection"));
            return Ok(());
        }
        let (path, rest) = path(argument).map_err(|fault| bad_path(fault, "5.1.7", "sender"))?;
        let parameters = mail_parameters(rest, &self.offered, self.size_limit())?;
        let sender = match path {
            Path::Null => None,
            Path::Mailbox(mailbox) => Some(declared(mailbox, parameters.smtputf8)?),
        };
        if self.full {
            // It is not the client's fault, and does not count as his error.
            self.reply(452, "4.3.1", "Insufficient system storage, try again later");
            return Ok(());
        }
        self.transactions += 1;
        self.draft = Some(Draft { sender, parameters, ..Draft::default() });
        self.reply(250, "2.1.0", "Ok");
        Ok(())
    }

    fn rcpt(&mut self, argument: &[u8]) -> Result<(), Reply> {
        let relay = self.may_relay();
        let Some(draft) = &mut self.draft else {
            return Err(Reply::new(503, "5.5.1", "Error: need MAIL command"));
        };
        if draft.chunks.begun() {
            return Err(Reply::new(503, "5.5.1", "Error: the text of the mail has begun"));
        }
        draft.refused += 1;
        let (path, rest) = path(argument).map_err(|fault| bad_path(fault, "5.1.3", "recipient"))?;
        let Path::Mailbox(mailbox) = path else {
            return Err(bad_path(PathFault::Syntax, "5.1.3", "recipient"));
        };
        let mut recipient =
            Recipient { address: declared(mailbox, draft.parameters.smtputf8)?, notify: None, orcpt: None };
        recipient_parameters(rest, &self.offered, &mut recipient)?;
        if !draft.parameters.smtputf8 && recipient.orcpt.as_deref().is_some_and(|orcpt| !orcpt.is_ascii()) {
            return Err(Reply::new(501, "5.5.4", "Error: unicode parameter without SMTPUTF8"));
        }
        if !relay {
            return Err(Reply::new(554, "5.7.1", "Relay access denied"));
        }
        if !draft.known.contains(mailbox) {
            if draft.recipients.len() >= self.settings.limits.recipients {
                draft.overshoot += 1;
                let reply = Reply::new(452, "4.5.3", "Error: too many recipients");
                if draft.overshoot > OVERSHOOT {
                    return Err(reply);
                }
                reply.write(&mut self.out, false);
                return Ok(());
            }
            draft.known.insert(mailbox.to_owned());
            draft.recipients.push(recipient);
        }
        draft.refused -= 1;
        self.reply(250, "2.1.5", "Ok");
        Ok(())
    }

    fn data(&mut self) -> Result<(), Reply> {
        self.no_data()?;
        let bounds = self.bounds();
        let Some(draft) = &self.draft else { return Ok(()) };
        if draft.chunks.begun() {
            return Err(Reply::new(503, "5.5.1", "Error: DATA cannot follow BDAT in one mail"));
        }
        self.state = State::Data(Box::new(Decoder::new(bounds, draft.parameters.size)));
        self.times.data = self.times.input;
        self.reply(354, "", "End data with <CR><LF>.<CR><LF>");
        Ok(())
    }

    /// Why no text may come now, by DATA or by BDAT.
    pub(super) fn no_data(&self) -> Result<(), Reply> {
        match &self.draft {
            None => Err(Reply::new(503, "5.5.1", "Error: need MAIL command")),
            Some(draft) if draft.recipients.is_empty() && draft.refused == 0 => {
                Err(Reply::new(503, "5.5.1", "Error: need RCPT command"))
            }
            Some(draft) if draft.recipients.is_empty() => Err(Reply::new(554, "5.5.1", "Error: no valid recipients")),
            Some(_) => Ok(()),
        }
    }
}

fn bad_path(fault: PathFault, enhanced: &str, whose: &str) -> Reply {
    match fault {
        PathFault::Syntax => Reply::new(501, enhanced, &format!("Bad {whose} address syntax")),
        PathFault::Unqualified => {
            Reply::new(504, "5.5.2", &format!("Bad {whose} address: need fully-qualified address"))
        }
        PathFault::NotUtf8 => Reply::new(553, "5.6.7", &format!("Bad {whose} address: not valid UTF-8")),
    }
}

/// An address with characters above 127 is taken only where the transaction said SMTPUTF8 (RFC 6531 3.2).
fn declared(mailbox: &str, smtputf8: bool) -> Result<Address, Reply> {
    if smtputf8 || mailbox.is_ascii() {
        Ok(Address::new(mailbox))
    } else {
        Err(Reply::new(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address"))
    }
}
