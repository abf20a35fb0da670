//! The recipients on a page: all of them for the sender, only those that To and Cc show for an approver.
//! It refuses to show an approver the address of a hidden (Bcc) recipient; only their number.

use crate::address::Address;
use crate::notice::text::{Language, letter, number};
use crate::notice::{About, Purpose, Voice, display};
use crate::store::HeldMail;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// More recipients than this are folded.
const FOLDED: usize = 20;
/// Addresses shown at most; the numbers are always exact.
const SHOWN: usize = 2_000;

/// The list of recipients.
pub fn recipients(language: Language, mail: &HeldMail, purpose: Purpose, voice: &Voice) -> Markup {
    let about = About::held(mail);
    let counts = about.counts(&voice.internal);
    let waiting: BTreeSet<_> = mail.recipients.iter().map(|recipient| &recipient.address).collect();
    let listed: Vec<&Address> = match purpose {
        Purpose::Sender => about.recipients().collect(),
        Purpose::Approver => about.recipients().filter(|address| about.shows(address)).collect(),
    };
    let items = html! {
        ul.people {
            @for address in listed.iter().take(SHOWN) {
                li {
                    span.address { (display::line(address.as_str(), 254)) }
                    @if voice.internal.contains(address) {
                        span.tag { (language.pick("社内", "inside")) }
                    } @else {
                        span.tag.outside { (language.pick("社外", "outside")) }
                    }
                    @if !about.shows(address) { span.tag { "Bcc" } }
                    @if !waiting.contains(address) {
                        span.tag { (language.pick("送信手続き済み", "went ahead")) }
                    }
                }
            }
        }
    };
    let summary = letter::recipients(language, counts);
    let hidden = purpose == Purpose::Approver && counts.hidden > 0;
    html! {
        section aria-labelledby="people" {
            h2 id="people" { (language.pick("宛先", "Recipients")) }
            @if listed.len() > FOLDED {
                details {
                    summary { (summary) " — " (language.pick("すべて表示する", "show all")) }
                    (items)
                }
            } @else {
                p { (summary) }
                (items)
            }
            @if listed.len() > SHOWN {
                p.small { (language.pick(
                    format!("ほか{}件", number((listed.len() - SHOWN) as u64)),
                    format!("and {} more", number((listed.len() - SHOWN) as u64)),
                )) }
            }
            @if hidden {
                p.small { (language.pick(
                    format!("Bcc の{}件のアドレスは、ここには表示しません。", number(counts.hidden)),
                    format!("Bcc addresses are not shown here ({}).", number(counts.hidden)),
                )) }
            }
        }
    }
}
