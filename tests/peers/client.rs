//! A mail client for whole mails, byte for byte, by the client library of other people.
//! It refuses to hide an answer: a refusal is given back with its code.

use crate::guard::PATIENCE;
use lettre::address::Envelope;
use lettre::transport::smtp::client::Tls;
use lettre::{SmtpTransport, Transport as _};

/// Sends one mail to a port; the code of the last answer, or of the refusal. `None`: the connection broke, so nobody knows.
pub fn send(port: u16, from: &str, to: &[String], data: &[u8]) -> Option<u16> {
    let client =
        SmtpTransport::builder_dangerous("127.0.0.1").port(port).tls(Tls::None).timeout(Some(PATIENCE)).build();
    let to = to.iter().map(|one| one.parse().unwrap()).collect();
    let envelope = Envelope::new(Some(from.parse().unwrap()), to).unwrap();
    // The library writes a line end of its own behind the data.
    match client.send_raw(&envelope, data.strip_suffix(b"\r\n").unwrap_or(data)) {
        Ok(answer) => Some(answer.code().into()),
        Err(error) => error.status().map(Into::into),
    }
}

/// A small mail in two languages with this number in it.
pub fn letter(from: &str, to: &[String], number: usize) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: {}\r\nSubject: =?utf-8?B?5omT44Gh5ZCI44KP44Gb?= {number}\r\n\
         Date: Tue, 19 Sep 2023 16:12:00 +0900\r\nMessage-ID: <{number}.letter@example.jp>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         打ち合わせの件です。\r\n.a line with a dot in front\r\n\r\nNumber {number}\r\n",
        to.join(",\r\n ")
    )
    .into_bytes()
}

/// Strings of strs.
pub fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|&one| one.to_owned()).collect()
}
