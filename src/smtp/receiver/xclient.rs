//! XCLIENT and XFORWARD in a session, as Postfix describes them: a trusted relay in front says whose mail it hands on.
//! It refuses both to everybody else, and never lets XFORWARD, which is a record, change what is allowed.

use super::Receiver;
use crate::mail::envelope::Client;
use crate::smtp::command::hello_name;
use crate::smtp::parameters::xtext;
use crate::smtp::reply::Reply;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What EHLO says to clients that may use them.
pub(super) const OFFER: &str =
    "\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\nXFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE";

/// The value of an attribute.
enum Value {
    /// `[UNAVAILABLE]` or `[TEMPUNAVAIL]`.
    Unknown,
    Text(String),
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Text(text) => Some(text),
        }
    }
}

impl Receiver {
    /// Speaks for another client from here on; the session begins anew with a greeting.
    pub(super) fn xclient(&mut self, argument: &[u8]) -> Result<(), Reply> {
        self.permitted()?;
        let mut client = Client {
            tls: self.client.tls,
            certified: self.client.certified.clone(),
            login: self.client.login.clone(),
            session: self.client.session,
            ..Client::new(self.client.ip)
        };
        let mut relay = self.relay;
        let attributes = attributes(argument)?;
        if attributes.iter().any(|(name, _)| name == "ADDR") {
            // Another client: what the one before it proved, by a login or a certificate, is not its own.
            (client.login, client.session) = (None, None);
            client.certified.clear();
        }
        for (name, value) in attributes {
            match name.as_str() {
                "ADDR" => match value {
                    Value::Unknown => relay = false,
                    Value::Text(text) => {
                        client.ip = address(&text)?;
                        relay = self.settings.allowed.iter().any(|network| network.contains(client.ip));
                    }
                },
                "LOGIN" => {
                    client.session = None;
                    client.login = value.text();
                }
                "PROTO" => {
                    if !matches!(value, Value::Text(ref text) if is_protocol(text)) {
                        return Err(bad_value(&name));
                    }
                }
                "HELO" => drop(host(value, &name)?),
                "NAME" => drop(host(value, &name)?),
                "PORT" | "DESTPORT" => port(value, &name)?,
                "DESTADDR" => {
                    if let Value::Text(text) = value {
                        address(&text)?;
                    }
                }
                _ => return Err(Reply::new(501, "5.5.4", "Bad attribute name")),
            }
        }
        self.client = client;
        self.relay = relay;
        self.forwarded = None;
        self.hello = false;
        self.draft = None;
        self.welcome();
        Ok(())
    }

    /// Records where the next mail comes from.
    pub(super) fn xforward(&mut self, argument: &[u8]) -> Result<(), Reply> {
        self.permitted()?;
        let mut forwarded = self.forwarded.clone().unwrap_or_default();
        for (name, value) in attributes(argument)? {
            match name.as_str() {
                "NAME" => forwarded.name = host(value, &name)?,
                "HELO" => forwarded.helo = host(value, &name)?,
                "ADDR" => forwarded.ip = value.text().map(|text| address(&text)).transpose()?,
                "IDENT" => forwarded.ident = host(value, &name)?,
                "PORT" => port(value, &name)?,
                "PROTO" => {
                    if matches!(value, Value::Text(ref text) if !is_protocol(text)) {
                        return Err(bad_value(&name));
                    }
                }
                "SOURCE" => {
                    if matches!(value, Value::Text(ref text) if !matches!(text.to_ascii_uppercase().as_str(), "LOCAL" | "REMOTE"))
                    {
                        return Err(bad_value(&name));
                    }
                }
                _ => return Err(Reply::new(501, "5.5.4", "Bad attribute name")),
            }
        }
        self.forwarded = Some(forwarded);
        self.reply(250, "2.0.0", "Ok");
        Ok(())
    }

    fn permitted(&self) -> Result<(), Reply> {
        if !self.settings.xclient {
            return Err(Reply::new(550, "5.7.0", "Error: insufficient authorization"));
        }
        if self.draft.is_some() {
            return Err(Reply::new(503, "5.5.1", "Error: MAIL transaction in progress"));
        }
        Ok(())
    }
}

/// `name=value` behind blanks; names in upper case, values out of xtext.
fn attributes(argument: &[u8]) -> Result<Vec<(String, Value)>, Reply> {
    let syntax = || Reply::new(501, "5.5.4", "Syntax: attribute=value...");
    let text = std::str::from_utf8(argument).map_err(|_| syntax())?;
    let mut found = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').ok_or_else(syntax)?;
        let name = name.to_ascii_uppercase();
        if !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(syntax());
        }
        let value = match value.to_ascii_uppercase().as_str() {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => Value::Unknown,
            _ => {
                let octets = xtext(value).ok_or_else(|| bad_value(&name))?;
                let text = String::from_utf8(octets).map_err(|_| bad_value(&name))?;
                if text.len() > 255 || text.contains(char::is_control) {
                    return Err(bad_value(&name));
                }
                Value::Text(text)
            }
        };
        found.push((name, value));
    }
    Ok(found)
}

fn bad_value(name: &str) -> Reply {
    Reply::new(501, "5.5.4", &format!("Bad {name} value"))
}

/// Postfix writes `192.0.2.1` and `IPV6:2001:db8::1`.
fn address(text: &str) -> Result<IpAddr, Reply> {
    let ip = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPV6:") => text[5..].parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        _ => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    ip.map(|ip| ip.to_canonical()).ok_or_else(|| bad_value("ADDR"))
}

/// A host name or what a client said in EHLO, with the same characters as there.
fn host(value: Value, name: &str) -> Result<Option<String>, Reply> {
    match value {
        Value::Unknown => Ok(None),
        Value::Text(text) => hello_name(text.as_bytes()).map(Some).ok_or_else(|| bad_value(name)),
    }
}

fn port(value: Value, name: &str) -> Result<(), Reply> {
    match value {
        Value::Text(text) if text.parse::<u16>().is_err() => Err(bad_value(name)),
        _ => Ok(()),
    }
}

fn is_protocol(text: &str) -> bool {
    text.eq_ignore_ascii_case("SMTP") || text.eq_ignore_ascii_case("ESMTP")
}
