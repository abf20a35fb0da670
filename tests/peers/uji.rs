//! The leak the program is named for: 421 applicants in To, through a mail server in front of the guard and one behind it.
//! It refuses to count anything but what arrived at the end of the road.

use crate::client::send;
use crate::guard::{Guard, Setup, wait};
use crate::postfix::Postfix;
use crate::sink::{Sink, header};
use crate::web;
use sekisho::address::Address;
use sekisho::cli::demo::incidents::{self, Outgoing};
use sekisho::cli::demo::mailserver::Delivered;
use sekisho::mail::recipients;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Once released, a mail must have reached everybody within this time, also in a debug build on a busy machine.
const ONE_COPY_WITHIN: Duration = Duration::from_secs(10);
const ALL_COPIES_WITHIN: Duration = Duration::from_secs(40);

struct Stage {
    sink: Sink,
    _behind: Postfix,
    guard: Guard,
    front: Postfix,
}

fn stage() -> Stage {
    let sink = Sink::start();
    // It takes a hundred recipients at a time, which is all that RFC 5321 4.5.3.1.8 asks of a server.
    let behind = Postfix::start(sink.port(), "smtpd_recipient_limit = 100").unwrap();
    let guard = Guard::start(&Setup::before(behind.port));
    let front = Postfix::start(guard.smtp, "").unwrap();
    Stage { sink, _behind: behind, guard, front }
}

/// The mail of the incident from another person, so that it is another mail and nobody's repetition.
fn mail(sender: &str) -> Outgoing {
    let mut mail = incidents::uji_to().mails.remove(0);
    assert_eq!(mail.recipients.len(), 421);
    let text = String::from_utf8(mail.data).unwrap();
    assert!(text.contains(&mail.from));
    mail.data = text.replace(&mail.from, sender).into_bytes();
    sender.clone_into(&mut mail.from);
    mail
}

fn keys(mail: &Outgoing) -> BTreeSet<String> {
    mail.recipients.iter().map(|one| Address::new(one).key().to_owned()).collect()
}

impl Stage {
    /// Sends the mail and waits until all of its transactions are one held mail; gives the page behind the notice.
    fn held(&self, sender: &str) -> (Outgoing, String, String) {
        let mail = mail(sender);
        assert_eq!(send(self.front.port, &mail.from, &mail.recipients, &mail.data), Some(250));
        wait("the front to be empty", || (self.front.queued() == 0).then_some(()));
        let mine: Vec<_> = self.guard.held().into_iter().filter(|(_, line)| line.contains(sender)).collect();
        let [(id, line)] = mine.as_slice() else { panic!("one held mail, not {mine:?}") };
        assert!(line.contains("421 recipients"), "{line}");
        let shown = self.guard.show(id);
        let transactions = shown.lines().filter(|line| line.ends_with("  held") || line.ends_with("  joined")).count();
        assert!(transactions >= 2, "Postfix splits at 50 recipients: {transactions}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("to          ")).count(), 421);
        let notice = self.sink.wait_for_letter(sender, 1);
        let link = web::link(&notice.data, &self.guard.url());
        assert!(link.contains(id.as_str()), "{link}");
        assert!(self.sink.from(sender).is_empty(), "nothing left before the decision");
        (mail, id.clone(), link)
    }

    /// Opens the link, chooses, and gives what arrived when every recipient was reached.
    fn choose(&self, mail: &Outgoing, link: &str, choice: &str) -> Vec<Delivered> {
        let page = web::get(link);
        assert_eq!(page.status, 200);
        let form = web::form(&page).unwrap();
        assert_eq!(form.choices, ["bcc", "individual", "cancel"]);
        assert!(self.sink.from(&mail.from).is_empty(), "looking does nothing");
        let pressed = Instant::now();
        let answer = form.press(&self.guard.url(), choice);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let wanted = if choice == "cancel" { BTreeSet::new() } else { keys(mail) };
        wait("all copies", || {
            (self.sink.reached(&mail.from).into_keys().collect::<BTreeSet<_>>() == wanted).then_some(())
        });
        let took = pressed.elapsed();
        let within = if choice == "individual" { ALL_COPIES_WITHIN } else { ONE_COPY_WITHIN };
        assert!(took < within, "{choice} took {took:?}");
        // The sender is told once more, of what was decided.
        self.sink.wait_for_letter(&mail.from, 2);
        let before = self.sink.reached(&mail.from);
        assert!(before.values().all(|count| *count == 1), "nobody got it twice");
        let again = form.press(&self.guard.url(), "individual");
        assert_eq!(again.status, 409, "{}", again.body);
        let page = web::get(link);
        assert!(page.status == 200 && web::form(&page).is_none(), "there is nothing to choose any more");
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(self.sink.reached(&mail.from), before, "a second press changes nothing");
        assert_eq!(self.sink.letters_to(&mail.from).len(), 2, "one notice of the hold, one of the end");
        assert!(!self.guard.held().iter().any(|(_, line)| line.contains(&mail.from)));
        self.sink.from(&mail.from)
    }
}

/// Which of these addresses stand in the header section, in whatever case.
fn shown(copy: &Delivered, addresses: &BTreeSet<String>) -> Vec<String> {
    let header = String::from_utf8_lossy(header(&copy.data)).to_lowercase();
    addresses.iter().filter(|address| header.contains(address.as_str())).cloned().collect()
}

#[test]
fn four_hundred_addresses_in_to_through_two_mail_servers() {
    let stage = stage();

    let (mail, _, link) = stage.held("bcc@school.example.jp");
    let all = keys(&mail);
    for copy in stage.choose(&mail, &link, "bcc") {
        assert_eq!(shown(&copy, &all), [""; 0]);
        let read = recipients::read(&copy.data);
        assert!(read.addresses.is_empty() && read.blind.is_empty() && read.unclear.is_none(), "{read:?}");
    }

    let (mail, _, link) = stage.held("individual@school.example.jp");
    let copies = stage.choose(&mail, &link, "individual");
    assert_eq!(copies.len(), 421);
    for copy in copies {
        let [only] = copy.envelope.recipients.as_slice() else { panic!("one recipient a copy") };
        assert_eq!(recipients::read(&copy.data).addresses, std::slice::from_ref(&only.address));
        let mut others = all.clone();
        others.remove(only.address.key());
        // An address may be the end of another one: `sato@` stands in `k.sato@`.
        let own = only.address.key();
        assert!(shown(&copy, &others).iter().all(|other| own.contains(other.as_str())), "{own}");
    }

    let (mail, id, link) = stage.held("cancel@school.example.jp");
    assert!(stage.choose(&mail, &link, "cancel").is_empty());
    assert!(stage.guard.show(&id).contains("state       cancelled"));
}

#[test]
fn a_late_transaction_follows_the_decision() {
    let sink = Sink::start();
    let guard = Guard::start(&Setup::before(sink.port()));
    for (sender, choice) in [("late@school.example.jp", "bcc"), ("never@school.example.jp", "cancel")] {
        let mail = mail(sender);
        let (early, late) = mail.recipients.split_at(200);
        assert_eq!(send(guard.smtp, sender, early, &mail.data), Some(250));
        let link = web::link(&sink.wait_for_letter(sender, 1).data, &guard.url());
        let form = web::form(&web::get(&link)).unwrap();
        assert_eq!(form.press(&guard.url(), choice).status, 303);
        sink.wait_for_letter(sender, 2);
        assert_eq!(send(guard.smtp, sender, late, &mail.data), Some(250));
        // And what a client sends again that did not hear the answer reaches nobody twice.
        assert_eq!(send(guard.smtp, sender, early, &mail.data), Some(250));
        let all = keys(&mail);
        if choice == "bcc" {
            wait("everybody", || (sink.reached(sender).len() == all.len()).then_some(()));
        }
        std::thread::sleep(Duration::from_millis(1_500));
        let reached = sink.reached(sender);
        assert_eq!(reached.len(), if choice == "bcc" { all.len() } else { 0 });
        assert!(reached.values().all(|count| *count == 1));
        assert!(sink.from(sender).iter().all(|copy| shown(copy, &all).is_empty()));
        assert_eq!(sink.letters_to(sender).len(), 2, "nobody is asked again");
        assert!(guard.held().is_empty());
    }
}
