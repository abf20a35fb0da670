//! The trace field of this hop (RFC 5321 4.4), which is the one thing added to a mail that passes.
//! It refuses to name a recipient, a login, or a client's words that do not fit the grammar.

use crate::id::MailId;
use crate::mail::envelope::Envelope;
use std::net::{IpAddr, Ipv6Addr};

/// Stands for the client when its name is not to be shown (RFC 6761 6.4: a name that never exists).
const HIDDEN: &str = "hidden.invalid";

/// The field with its line end. A `for` clause would show a hidden recipient, so there is none.
pub(super) fn received(envelope: &Envelope, hostname: &str, id: &MailId, date: &str, hide_client: bool) -> String {
    let client = &envelope.client;
    let from = if hide_client { HIDDEN.to_owned() } else { client_name(&client.helo, client.ip) };
    let with = protocol(envelope);
    format!("Received: from {from}\r\n\tby {hostname} (sekisho) with {with} id {id};\r\n\t{date}\r\n")
}

/// `name ([address])`; what the client said comes along as a comment when it is no name.
fn client_name(helo: &str, ip: IpAddr) -> String {
    let address = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("IPv6:{ip}"),
    };
    if is_domain(helo) || is_literal(helo) {
        return format!("{helo} ([{address}])");
    }
    let said: String =
        helo.chars().filter(|char| char.is_ascii_graphic() && !"()\\".contains(*char)).take(200).collect();
    if said.is_empty() { format!("unknown ([{address}])") } else { format!("unknown ([{address}]) (HELO {said})") }
}

/// RFC 5321 4.1.2 `Domain`.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// RFC 5321 4.1.3 `address-literal`, of the two kinds that exist.
fn is_literal(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inside[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inside.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// The protocol's keyword: RFC 3848, and with SMTPUTF8 those of RFC 6531 4.3. There are none for HELO with TLS or a login.
fn protocol(envelope: &Envelope) -> String {
    let client = &envelope.client;
    let base = match (envelope.parameters.smtputf8, client.esmtp) {
        (true, _) => "UTF8SMTP",
        (false, true) => "ESMTP",
        (false, false) => return "SMTP".to_owned(),
    };
    let (secure, login) = (if client.tls { "S" } else { "" }, if client.login.is_some() { "A" } else { "" });
    format!("{base}{secure}{login}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::mail::envelope::{Client, MailParameters, Recipient};
    use regex::Regex;

    fn envelope(helo: &str, ip: &str) -> Envelope {
        Envelope {
            client: Client { helo: helo.to_owned(), esmtp: true, ..Client::new(ip.parse().unwrap()) },
            sender: Some(Address::new("clerk@city.example.jp")),
            parameters: MailParameters::default(),
            recipients: vec![Recipient::new("hidden.person@example.com")],
        }
    }

    fn field(envelope: &Envelope, hide: bool) -> String {
        let id = MailId::new(1_695_108_600_000, [7; 10]);
        received(envelope, "guard.example.jp", &id, "Tue, 19 Sep 2023 16:30:00 +0900", hide)
    }

    /// RFC 5321 4.4 `Time-stamp-line`, with the clauses that this program writes.
    fn grammar() -> Regex {
        let domain = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*";
        let literal = r"\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9a-fA-F:.]+)\]";
        let comment = r"\([^()\\]*\)";
        let fws = r"(?:\r\n)?[ \t]+";
        Regex::new(&format!(
            r"^Received: from (?:{domain}|{domain} \({literal}\)|{literal} \({literal}\))(?: {comment})?{fws}by {domain} {comment} with (?:E?SMTP|ESMTPSA?|ESMTPA|UTF8SMTPS?A?) id [0-9a-z]{{26}};{fws}(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{{1,2}} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{{4}} \d\d:\d\d:\d\d [+-]\d{{4}}\r\n$"
        ))
        .unwrap()
    }

    #[test]
    fn whatever_the_client_calls_itself_the_field_keeps_to_the_grammar() {
        let grammar = grammar();
        for helo in [
            "client.example.jp",
            "PC-01",
            "[192.0.2.7]",
            "[IPv6:2001:db8::1]",
            "",
            "pc_01.local",
            "-x.test",
            "a..b",
            "日本.example",
            "x(y)\\z",
            "a; for <b@c.test>",
            "[300.1.1.1]",
            "x\r\nBcc: a@b.test",
            &"a".repeat(500),
        ] {
            for ip in ["192.0.2.1", "2001:db8::2"] {
                let field = field(&envelope(helo, ip), false);
                assert!(grammar.is_match(&field), "{helo:?}: {field:?}");
                assert!(field.contains(ip) && field.lines().all(|line| line.len() <= 998), "{field}");
            }
        }
    }

    #[test]
    fn the_keyword_says_what_the_session_had() {
        for (esmtp, tls, login, utf8, keyword) in [
            (false, false, false, false, "SMTP"),
            (false, true, false, false, "SMTP"),
            (true, false, false, false, "ESMTP"),
            (true, false, true, false, "ESMTPA"),
            (true, true, false, false, "ESMTPS"),
            (true, true, true, false, "ESMTPSA"),
            (true, false, false, true, "UTF8SMTP"),
            (true, false, true, true, "UTF8SMTPA"),
            (true, true, false, true, "UTF8SMTPS"),
            (true, true, true, true, "UTF8SMTPSA"),
        ] {
            let mut envelope = envelope("client.example.jp", "192.0.2.1");
            envelope.client.esmtp = esmtp;
            envelope.client.tls = tls;
            envelope.client.login = login.then(|| "taro.yamada".to_owned());
            envelope.parameters.smtputf8 = utf8;
            let field = field(&envelope, false);
            assert!(field.contains(&format!(" with {keyword} id ")), "{field}");
            assert!(grammar().is_match(&field), "{field}");
        }
    }

    #[test]
    fn nobody_is_named_who_need_not_be() {
        let mut envelope = envelope("pc-of-suzuki.inside.example.jp", "10.1.2.3");
        envelope.client.login = Some("suzuki.login".to_owned());
        let shown = field(&envelope, false);
        assert!(shown.contains("pc-of-suzuki.inside.example.jp ([10.1.2.3])"), "{shown}");
        let hidden = field(&envelope, true);
        assert!(grammar().is_match(&hidden), "{hidden}");
        for word in ["suzuki", "inside", "10.1.2.3"] {
            assert!(!hidden.contains(word), "{word} in {hidden}");
        }
        for word in ["suzuki.login", "hidden.person", "city.example.jp"] {
            assert!(!shown.contains(word) && !hidden.contains(word), "{word}");
        }
    }
}
