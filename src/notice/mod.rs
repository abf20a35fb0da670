//! Who is told what, and when: hold notices, approver requests, results, in Japanese and English.
//! It refuses to name personal values or addresses that the reader did not know already.

use crate::address::{Address, DomainSet};
use crate::hold::choices;
use crate::id::MailId;
use crate::rules::verdict::{Bilingual, HoldTerms};
use crate::store::{self, Actor, HeldMail, NoticeKind, State};
use jiff::tz::TimeZone;

pub mod about;
pub mod compose;
pub mod display;
pub mod document;
pub mod errand;
pub mod link;
pub mod text;

pub use about::About;
pub use compose::{Author, ComposeError, Letter};
pub use errand::{Errand, Role};
pub use link::{Claim, LinkError, LinkKey, Purpose, Token};
pub use text::Language;

use compose::{Heading, compose, languages};
use document::{Block, Section};
use text::informed::Course;
use text::{decided, expiry, held, informed};

/// How this organisation speaks.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Who the notices come from.
    pub author: Author,
    /// Where the pages are: `https://guard.example.jp`.
    pub base_url: String,
    /// The languages of a notice, in their order.
    pub languages: Vec<Language>,
    /// The organisation's time zone.
    pub zone: TimeZone,
    /// The organisation's own addresses.
    pub internal: DomainSet,
    /// Whom to ask; empty for a general wording. Japanese: `情報政策課(内線 1234)`.
    pub contact: Bilingual,
    /// Administrators, told when nobody else can be.
    pub admins: Vec<Address>,
    /// The key that signs links.
    pub key: LinkKey,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A mail waits from now on.
    Held(&'a HeldMail),
    /// Deputies are asked too.
    Escalated(&'a HeldMail, &'a [String]),
    /// A mail was released, given back, taken back, or its time ran out; also when its last copy has left.
    Decided(&'a HeldMail),
    /// A mail was accepted, not sent and not kept (`block = "notice"`).
    Blocked(About<'a>),
    /// A mail was sent, and a rule asked to tell somebody.
    Sent(About<'a>),
    /// A mail was refused in the dialogue, and a rule asked to tell somebody.
    Refused(About<'a>),
}

impl<'a> Event<'a> {
    /// What a due notice of the store is about; `held` is its held mail. `None` when that is no longer kept.
    #[must_use]
    pub fn due(notice: &'a store::Notice, held: Option<&'a HeldMail>) -> Option<Self> {
        let passed = || notice.about.as_ref().map(|about| About::passed(&notice.mail, about));
        match notice.kind {
            NoticeKind::Held => held.map(Self::Held),
            NoticeKind::Escalated => held.map(|mail| Self::Escalated(mail, &notice.asked)),
            NoticeKind::Decided => held.map(Self::Decided),
            NoticeKind::Blocked => passed().map(Self::Blocked),
            NoticeKind::Sent => passed().map(Self::Sent),
            NoticeKind::Refused => passed().map(Self::Refused),
        }
    }

    /// The mail it is about.
    #[must_use]
    pub fn about(&self) -> About<'a> {
        match self {
            Self::Held(mail) | Self::Escalated(mail, _) | Self::Decided(mail) => About::held(mail),
            Self::Blocked(about) | Self::Sent(about) | Self::Refused(about) => about.clone(),
        }
    }
}

/// Writes the letter for one errand; `id` is a fresh id for the letter itself, `now_ms` its date.
/// `Ok(None)` when there is nothing to say (a mail decided meanwhile, nothing to choose).
///
/// # Errors
/// [`ComposeError`] when the addressee or the configured author cannot be written to.
pub fn write(
    voice: &Voice,
    event: &Event<'_>,
    errand: &Errand,
    id: &MailId,
    now_ms: u64,
) -> Result<Option<Letter>, ComposeError> {
    let about = event.about();
    let languages = languages(&voice.languages);
    let mut words = Vec::new();
    let mut sections = Vec::new();
    for language in languages {
        let Some((word, blocks)) = content(language, voice, event, &about, errand, now_ms) else { return Ok(None) };
        words.push(word);
        sections.push(Section { language, blocks });
    }
    let subject = format!("【{}】{}", words.join(" / "), about.subject().unwrap_or_default());
    // Only the sender has the mail to which the notice would be a reply.
    let reply_to = if errand.role == Role::Sender { about.message_id() } else { None };
    let heading =
        Heading { from: &voice.author, to: &errand.to, subject: subject.trim(), id, date_ms: now_ms, about: reply_to };
    compose(&heading, &sections).map(Some)
}

/// Writes the letter to an administrator about a certificate that runs out.
///
/// # Errors
/// As for [`write`].
pub fn expiring(
    voice: &Voice,
    expiring: &expiry::Expiring,
    to: &Address,
    id: &MailId,
    now_ms: u64,
) -> Result<Letter, ComposeError> {
    let languages = languages(&voice.languages);
    let subjects: Vec<_> = languages.iter().map(|language| expiry::subject(*language, expiring)).collect();
    let section = |language| Section { language, blocks: expiry::letter(language, expiring, &voice.zone) };
    let sections: Vec<_> = languages.into_iter().map(section).collect();
    let subject = subjects.join(" / ");
    compose(&Heading { from: &voice.author, to, subject: &subject, id, date_ms: now_ms, about: None }, &sections)
}

/// The word in front of the subject, and the content, in one language.
fn content(
    language: Language,
    voice: &Voice,
    event: &Event<'_>,
    about: &About<'_>,
    errand: &Errand,
    now_ms: u64,
) -> Option<(&'static str, Vec<Block>)> {
    let inform =
        |course| (informed::informed_subject(language, course), informed::informed(language, about, course, voice));
    Some(match (event, errand.role) {
        (Event::Held(mail) | Event::Escalated(mail, _), Role::Sender | Role::Approver | Role::Admin)
            if mail.state != State::Held =>
        {
            return None;
        }
        (Event::Held(mail) | Event::Escalated(mail, _), Role::Sender) => {
            let terms = terms(mail)?;
            let choices = choices(mail, &Actor::Sender(errand.to.as_str().to_owned()), now_ms);
            let link = link(voice, mail, &errand.to, Purpose::Sender, language);
            let blocks = held::to_sender(language, mail, terms, &choices, &link, voice);
            (held::sender_subject(language, terms.decider), blocks)
        }
        (Event::Held(mail) | Event::Escalated(mail, _), Role::Approver) => {
            let terms = terms(mail)?;
            let choices = choices(mail, &Actor::Approver(errand.to.as_str().to_owned()), now_ms);
            if choices.is_empty() {
                return None;
            }
            let link = link(voice, mail, &errand.to, Purpose::Approver, language);
            let turn = match event {
                Event::Escalated(..) if names(&terms.approvers, &errand.to) => held::Turn::Again,
                Event::Escalated(..) => held::Turn::Deputy,
                _ => held::Turn::First,
            };
            let asked = held::Asked { terms, choices: &choices, link: &link, turn };
            (held::approver_subject(language), held::to_approver(language, mail, &asked, voice))
        }
        (Event::Held(_) | Event::Escalated(..), Role::Admin) => inform(Course::WaitsForYou),
        (Event::Held(mail) | Event::Escalated(mail, _), Role::Informed) => inform(match mail.state {
            State::Held => Course::Waits,
            State::Releasing | State::Released => Course::Sent,
            State::Returned | State::Expired | State::Cancelled => Course::Stopped,
        }),
        (Event::Decided(mail), Role::Sender) => {
            (decided::subject(language, mail.state), decided::to_sender(language, mail, voice)?)
        }
        (Event::Decided(_), _) => return None,
        (Event::Blocked(_) | Event::Refused(_), Role::Sender) => {
            (informed::blocked_subject(language), informed::blocked(language, about, voice))
        }
        (Event::Blocked(_) | Event::Refused(_), _) => inform(Course::Stopped),
        (Event::Sent(_), _) => inform(Course::Sent),
    })
}

/// Is this person one of these addresses?
fn names(list: &[String], person: &Address) -> bool {
    list.iter().any(|name| Address::new(name) == *person)
}

/// The terms of the hold.
fn terms(mail: &HeldMail) -> Option<&HoldTerms> {
    mail.verdict.hold.as_ref()
}

/// The link of one person to the page of one mail in a language, good until the hold expires.
#[must_use]
pub fn link(voice: &Voice, mail: &HeldMail, person: &Address, purpose: Purpose, language: Language) -> String {
    let claim = Claim { mail: mail.id.clone(), person: person.clone(), purpose, expires_ms: mail.expires_ms };
    format!("{}&lang={}", voice.key.url(&voice.base_url, &claim), language.tag())
}
