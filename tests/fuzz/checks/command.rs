//! The receiver under any octets: pieces change nothing, replies are lines, and every mail it hands out is fit to be sent on.
//! It refuses to know what a command means; that is in the dialogs.

use super::session::{Trace, play};
use super::{Cuts, is_canonical, script};
use sekisho::limits::Limits;
use sekisho::mail::envelope::Envelope;
use sekisho::smtp::auth::Mechanism;
use sekisho::smtp::parameters::{may_write, may_write_mail};
use sekisho::smtp::path::is_mailbox;
use sekisho::smtp::receiver::Settings;
use sekisho::smtp::reply::ReplyReader;
use std::collections::HashSet;

/// The first octet chooses the settings, the rest is what the client says.
pub fn check(input: &[u8]) {
    let Some((choice, said)) = input.split_first() else { return };
    hold(&settings(*choice), said);
}

/// Limits small enough to be met.
pub fn small() -> Limits {
    Limits { message_bytes: 600, command_bytes: 120, recipients: 4, errors: 8, transactions: 6, ..Limits::default() }
}

fn settings(choice: u8) -> Settings {
    let bit = |place: u8| choice & (1 << place) != 0;
    let mut settings = Settings { limits: small(), ..script::settings() };
    settings.relay = !bit(0);
    settings.tls_available = bit(1) || bit(2);
    settings.tls_required = bit(2);
    settings.offered.smtputf8 = !bit(3);
    settings.offered.dsn = !bit(4);
    settings.offered.eight_bit_mime = !bit(5);
    settings.xclient = bit(6);
    settings.auth = if bit(7) { Mechanism::ALL.to_vec() } else { Vec::new() };
    settings.auth_required = bit(7) && bit(3);
    settings.tls_active = bit(7) && !settings.tls_available;
    settings
}

/// Whatever the client says in whatever pieces.
pub fn hold(settings: &Settings, said: &[u8]) {
    let whole = play(settings, said, || usize::MAX);
    assert_eq!(play(settings, said, || 1), whole, "octet by octet");
    let mut cuts = Cuts::of(said);
    assert_eq!(play(settings, said, || cuts.next()), whole, "in pieces");
    replies(&whole);
    assert!(whole.logins.is_empty() || !settings.auth.is_empty(), "a login that was not offered");
    assert!(whole.logins.is_empty() || settings.tls_active || settings.tls_available, "a login in clear text");
    for (envelope, mail) in &whole.mails {
        assert!(is_canonical(mail), "{}", mail.escape_ascii());
        assert!(mail.len() as u64 <= settings.limits.message_bytes);
        let login = envelope.client.login.is_some();
        assert!(settings.relay || login, "a stranger may not relay");
        assert!(login || !settings.auth_required);
        assert!(envelope.client.tls || !settings.tls_required);
        fit(envelope, settings);
    }
}

fn replies(trace: &Trace) {
    assert!(is_canonical(&trace.replies));
    for line in trace.replies.split_inclusive(|byte| *byte == b'\n') {
        assert!(
            line.len() <= 512 && !line[..line.len() - 2].iter().any(u8::is_ascii_control),
            "{}",
            line.escape_ascii()
        );
    }
    let mut reader = ReplyReader::default();
    reader.feed(&trace.replies);
    let mut last = None;
    while let Some(reply) = reader.next_reply().expect("every reply of ours can be read") {
        last = Some(reply.code);
    }
    assert!(reader.is_empty(), "a reply is complete");
    assert!(!trace.closed || matches!(last, Some(221 | 421 | 500..)), "{last:?}");
}

/// May this envelope be written to another server as it is?
fn fit(envelope: &Envelope, settings: &Settings) {
    let utf8 = envelope.parameters.smtputf8;
    let address = |text: &str| {
        assert!(is_mailbox(text) && (utf8 || text.is_ascii()), "{text:?}");
        assert!(!text.contains(|char: char| char.is_control()), "{text:?}");
    };
    envelope.sender.iter().for_each(|sender| address(sender.as_str()));
    assert!(may_write_mail(&envelope.parameters));
    assert!(!envelope.recipients.is_empty() && envelope.recipients.len() <= settings.limits.recipients);
    let mut distinct = HashSet::new();
    for recipient in &envelope.recipients {
        address(recipient.address.as_str());
        assert!(may_write(recipient));
        assert!(distinct.insert(recipient.address.as_str()), "named once");
    }
    assert!(!envelope.client.helo.is_empty());
    assert!(!envelope.client.helo.contains(|char: char| !char.is_ascii_graphic()));
}
