//! Who is told about an event, and in which role.
//! It refuses to ask a sender to approve his own mail, to write to strangers, and to leave an event without anybody who knows.

use super::{About, Event, Voice};
use crate::address::Address;
use crate::rules::verdict::Decider;
use crate::store::{HeldMail, State};

/// In which role somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The sender of the mail.
    Sender,
    /// Somebody who is asked to approve.
    Approver,
    /// An administrator who must act, since nobody else can.
    Admin,
    /// Somebody whom a rule names.
    Informed,
}

/// One letter to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    pub to: Address,
    pub role: Role,
}

/// Who is told about an event, nobody twice.
#[must_use]
pub fn errands(voice: &Voice, event: &Event<'_>) -> Vec<Errand> {
    let about = event.about();
    let sender = reachable_sender(voice, &about);
    let mut list = List { errands: Vec::new() };
    match event {
        // Decided before anybody was told: only those whom the rules name still learn of it.
        Event::Held(mail) if mail.state != State::Held => list.inform(&about, sender.as_ref()),
        Event::Escalated(mail, _) if mail.state != State::Held => {}
        Event::Held(mail) => {
            list.add(sender.as_ref(), Role::Sender);
            let terms = mail.verdict.hold.as_ref();
            let decider = terms.map_or(Decider::Admin, |terms| terms.decider);
            if decider == Decider::Approver {
                let approvers = terms.map(|terms| terms.approvers.as_slice()).unwrap_or_default();
                list.ask(approvers, mail);
            }
            let somebody = match decider {
                Decider::Nobody => true,
                Decider::Sender => sender.is_some(),
                Decider::Approver => list.has(Role::Approver),
                Decider::Admin => false,
            };
            if !somebody {
                list.extend(voice.admins.iter(), Role::Admin);
            }
            list.inform(&about, sender.as_ref());
        }
        Event::Escalated(mail, deputies) => {
            list.ask(deputies, mail);
            if !list.has(Role::Approver) {
                list.extend(voice.admins.iter(), Role::Admin);
            }
        }
        Event::Decided(_) => list.add(sender.as_ref(), Role::Sender),
        Event::Blocked(_) => {
            list.add(sender.as_ref(), Role::Sender);
            list.inform(&about, sender.as_ref());
            if list.errands.is_empty() {
                list.extend(voice.admins.iter(), Role::Informed);
            }
        }
        // The sender of a refused mail is told by his own program, which got the reply.
        Event::Refused(_) | Event::Sent(_) => list.inform(&about, sender.as_ref()),
    }
    list.errands
}

/// The sender, if a notice to him stays in the organisation: he is one of its addresses, or the client had logged in.
/// A forwarded mail can carry a stranger's address, who must not learn of this.
fn reachable_sender(voice: &Voice, about: &About<'_>) -> Option<Address> {
    let sender = about.sender?;
    let own = voice.internal.is_empty() || voice.internal.contains(sender) || about.facts.login.is_some();
    (own && sender.domain().is_some()).then(|| sender.clone())
}

struct List {
    errands: Vec<Errand>,
}

impl List {
    fn has(&self, role: Role) -> bool {
        self.errands.iter().any(|errand| errand.role == role)
    }

    fn add(&mut self, to: Option<&Address>, role: Role) {
        if let Some(to) = to
            && self.errands.iter().all(|errand| errand.to != *to)
        {
            self.errands.push(Errand { to: to.clone(), role });
        }
    }

    fn extend<'a>(&mut self, to: impl Iterator<Item = &'a Address>, role: Role) {
        for to in to {
            self.add(Some(to), role);
        }
    }

    /// Asks those of these who did not write the mail themselves, by envelope, header or login.
    fn ask(&mut self, approvers: &[String], mail: &HeldMail) {
        let login = mail.client.login.as_deref().map(Address::new);
        for approver in approvers {
            let approver = Address::new(approver);
            let wrote = mail.sender.as_ref() == Some(&approver)
                || login.as_ref() == Some(&approver)
                || mail.facts.header_from.contains(&approver);
            if !wrote {
                self.add(Some(&approver), Role::Approver);
            }
        }
    }

    /// Those whom the rules name; the word `sender` is the sender.
    fn inform(&mut self, about: &About<'_>, sender: Option<&Address>) {
        for name in &about.verdict.notify {
            if name == "sender" {
                self.add(sender, Role::Informed);
            } else {
                self.add(Some(&Address::new(name)), Role::Informed);
            }
        }
    }
}
