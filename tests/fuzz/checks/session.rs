//! One session of the receiver in memory, in bursts of the client, each cut into pieces or whole.
//! It refuses to judge what came out; it only notes it.

use bytes::Bytes;
use sekisho::mail::envelope::Envelope;
use sekisho::smtp::auth::Login;
use sekisho::smtp::receiver::{Output, Receiver, Settings};
use sekisho::smtp::reply::Reply;

/// Stands between two bursts of the client; what it sends in a burst after STARTTLS came before the handshake.
pub const BURST: &[u8] = b"\0|\0";

/// All that came out, however it was cut.
#[derive(Debug, Default, PartialEq)]
pub struct Trace {
    pub replies: Vec<u8>,
    pub mails: Vec<(Envelope, Bytes)>,
    pub logins: Vec<Login>,
    pub closed: bool,
}

/// Plays a client; `size` gives the length of the next piece.
pub fn play(settings: &Settings, input: &[u8], mut size: impl FnMut() -> usize) -> Trace {
    let mut receiver = Receiver::new(settings.clone(), 0);
    let mut trace = Trace::default();
    let mut handshake = drain(&mut receiver, &mut trace);
    let mut rest = input;
    loop {
        let end = memchr::memmem::find(rest, BURST).unwrap_or(rest.len());
        let mut burst = &rest[..end];
        while !burst.is_empty() {
            let piece = size().clamp(1, burst.len());
            receiver.feed(0, &burst[..piece]);
            burst = &burst[piece..];
            handshake |= drain(&mut receiver, &mut trace);
        }
        if std::mem::take(&mut handshake) {
            receiver.tls_started(0);
            handshake = drain(&mut receiver, &mut trace);
        }
        if end == rest.len() {
            return trace;
        }
        rest = &rest[end + BURST.len()..];
    }
}

/// Takes everything out; true when TLS shall start.
fn drain(receiver: &mut Receiver, trace: &mut Trace) -> bool {
    loop {
        match receiver.next() {
            Output::Reply(octets) => trace.replies.extend_from_slice(&octets),
            Output::Mail(envelope, mail) => {
                trace.mails.push((*envelope, mail));
                receiver.answer(0, &Reply::new(250, "2.0.0", "Ok"));
            }
            // Every other name is somebody.
            Output::Authenticate(login) => {
                let known = login.user.len().is_multiple_of(2);
                let reply =
                    if known { Reply::new(235, "2.7.0", "welcome") } else { Reply::new(535, "5.7.8", "who are you?") };
                trace.logins.push(*login);
                receiver.authenticated(0, &reply);
            }
            Output::StartTls => return true,
            Output::NeedInput => return false,
            Output::Close => {
                trace.closed = true;
                return false;
            }
        }
    }
}
