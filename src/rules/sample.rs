//! The made-up mails of examples: a short table becomes facts, or an envelope with the bytes of a mail.
//! It refuses to be a mail composer: what it writes is just enough for an inspection to read.

use super::document::{Table, Value};
use super::keys;
use super::text::fold;
use crate::address::Address;
use crate::config::error::Problem;
use crate::detect::Count;
use crate::extract::{Attachment, Unreadable, Why};
use crate::facts::{Facts, LocalTime, MailKind};
use crate::inspect::{TextPattern, TextScope};
use crate::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

/// When an example is sent, if it does not say: a Monday at ten.
pub(super) const WORKING_HOURS: LocalTime = LocalTime { epoch_ms: 0, minute: 600, weekday: 1, holiday: false };

/// Addresses that one example may have.
const MOST_ADDRESSES: usize = 20_000;

const FACT_KEYS: [&str; 25] = [
    "from",
    "to",
    "cc",
    "bcc",
    "login",
    "client",
    "subject",
    "body",
    "text",
    "headers",
    "attachments",
    "unreadable",
    "persons",
    "sensitive_persons",
    "financial_persons",
    "data",
    "credentials",
    "confidential",
    "mail_kind",
    "bytes",
    "windows",
    "first_contact",
    "time",
    "recipients_unclear",
    "inspection_failed",
];

const MAIL_KEYS: [&str; 10] =
    ["from", "to", "cc", "bcc", "login", "client", "subject", "body", "headers", "attachments"];

type Read<T> = Result<T, Problem>;

/// Facts in the words of the rule language.
pub(super) fn facts(value: Value<'_>, patterns: &[TextPattern], problems: &mut Vec<Problem>) -> Option<Facts> {
    let before = problems.len();
    let table = value.table().map_err(|problem| problems.push(problem)).ok()?;
    table.refuse_unknown(&FACT_KEYS, problems);
    let mut facts = Facts { time: WORKING_HOURS, client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), ..Facts::default() };
    for entry in &table.entries {
        if let Err(problem) = set_fact(&mut facts, entry.key, entry.value, patterns) {
            problems.push(problem);
        }
    }
    if facts.mail_kind.is_empty() {
        facts.mail_kind.insert(MailKind::Ordinary);
    }
    (problems.len() == before).then_some(facts)
}

fn set_fact(facts: &mut Facts, key: &str, value: Value<'_>, patterns: &[TextPattern]) -> Read<()> {
    match key {
        "from" => {
            let sender = value.string()?;
            facts.sender = (sender != "<>").then(|| Address::new(sender));
            facts.header_from = facts.sender.iter().cloned().collect();
        }
        "to" | "cc" => {
            let addresses = addresses(value)?;
            facts.recipients.extend(addresses.iter().cloned());
            facts.visible.extend(addresses);
        }
        "bcc" => facts.recipients.extend(addresses(value)?),
        "first_contact" => facts.first_contact = addresses(value)?,
        "login" => facts.login = Some(value.string()?.to_owned()),
        "client" => facts.client = Some(client(value)?),
        "subject" => value.string()?.clone_into(&mut facts.subject),
        "body" => look_for(facts, value.string()?, &[TextScope::Body, TextScope::Text], patterns),
        "text" => look_for(facts, value.string()?, &[TextScope::Text], patterns),
        "headers" => facts.headers = headers(value)?,
        "attachments" => facts.attachments = each(value, attachment)?,
        "unreadable" => {
            let first = facts.attachments.first().map_or_else(|| "attachment".to_owned(), |one| one.path.clone());
            facts.unreadable = each(value, |value| unreadable(value, &first))?;
        }
        "persons" => facts.persons.total = value.whole_number()?,
        "sensitive_persons" => facts.persons.sensitive = value.whole_number()?,
        "financial_persons" => facts.persons.financial = value.whole_number()?,
        "credentials" => facts.credentials = value.whole_number()?,
        "bytes" => facts.bytes = value.whole_number()?,
        "confidential" => facts.confidential = Some(value.string()?.to_owned()),
        "data" => {
            for entry in value.table()?.entries {
                let known = keys::data_words().iter().map(String::as_str);
                let kind = keys::from_word(entry.key).ok_or_else(|| {
                    entry.problem(format!("unknown kind `{}`", entry.key)).with_nearest(entry.key, known)
                })?;
                let number = entry.value.whole_number()?;
                facts.data.insert(kind, Count { weak: number, likely: number, certain: number });
            }
        }
        "mail_kind" => {
            facts.mail_kind = each(value, |value| {
                let word = value.string()?;
                keys::from_word(word).ok_or_else(|| {
                    let known = keys::mail_kind_words().iter().map(String::as_str);
                    value.problem(format!("unknown kind of mail `{word}`")).with_nearest(word, known)
                })
            })?
            .into_iter()
            .collect();
        }
        "windows" => {
            for entry in value.table()?.entries {
                facts.windows.insert(entry.key.to_owned(), entry.value.whole_number()?);
            }
        }
        "time" => facts.time = time(value)?,
        "recipients_unclear" => facts.recipients_unclear = Some(value.string()?.to_owned()),
        "inspection_failed" => facts.inspection_failed = Some(value.string()?.to_owned()),
        _ => {}
    }
    Ok(())
}

/// A list, which may be empty here, or one value.
fn each<'d, T>(value: Value<'d>, read: impl FnMut(Value<'d>) -> Read<T>) -> Read<Vec<T>> {
    match value.list() {
        Ok(values) => values.into_iter().map(read).collect(),
        Err(_) => std::iter::once(value).map(read).collect(),
    }
}

/// Marks the text conditions that the text meets, as an inspection does.
fn look_for(facts: &mut Facts, text: &str, scopes: &[TextScope], patterns: &[TextPattern]) {
    let folded = fold(text);
    for pattern in patterns.iter().filter(|pattern| scopes.contains(&pattern.scope)) {
        let text = if pattern.folded { &folded } else { text };
        if Regex::new(&pattern.regex).is_ok_and(|regex| regex.is_match(text)) {
            facts.matched.insert(pattern.key.clone());
        }
    }
}

fn addresses(value: Value<'_>) -> Read<Vec<Address>> {
    let mut all = Vec::new();
    for value in each(value, Ok)? {
        let texts = expand(value.string()?).map_err(|message| value.problem(message))?;
        all.extend(texts.iter().map(|text| Address::new(text)));
        if all.len() > MOST_ADDRESSES {
            return Err(value.problem(format!("an example may have {MOST_ADDRESSES} addresses")));
        }
    }
    Ok(all)
}

/// Every `{1..421}` is replaced by each number of the range.
fn expand(text: &str) -> Result<Vec<String>, String> {
    static RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([0-9]{1,6})\.\.([0-9]{1,6})\}").ok());
    let Some(found) = RANGE.as_ref().and_then(|range| range.captures(text)) else { return Ok(vec![text.to_owned()]) };
    let bound = |index: usize| found.get(index).and_then(|part| part.as_str().parse::<usize>().ok()).unwrap_or(0);
    let (from, to) = (bound(1), bound(2));
    if from > to || to - from >= MOST_ADDRESSES {
        return Err(format!("a range goes upwards and has at most {MOST_ADDRESSES} numbers"));
    }
    let place = found.get(0).map_or(0..0, |whole| whole.range());
    let mut all = Vec::new();
    for number in from..=to {
        all.extend(expand(&format!("{}{number}{}", &text[..place.start], &text[place.end..]))?);
        if all.len() > MOST_ADDRESSES {
            return Err(format!("more than {MOST_ADDRESSES} addresses"));
        }
    }
    Ok(all)
}

fn client(value: Value<'_>) -> Read<IpAddr> {
    let text = value.string()?;
    text.parse().map_err(|_| value.problem(format!("`{text}` is not a network address")))
}

fn headers(value: Value<'_>) -> Read<Vec<(String, String)>> {
    let entries = value.table()?.entries;
    entries.iter().map(|entry| Ok((entry.key.to_ascii_lowercase(), entry.value.string()?.to_owned()))).collect()
}

/// An attachment as facts: a name, or a table.
fn attachment(value: Value<'_>) -> Read<Attachment> {
    let kind_of = |name: &str| name.rsplit_once('.').map_or_else(|| "text".to_owned(), |(_, end)| end.to_lowercase());
    if let Some(name) = value.as_string() {
        return Ok(Attachment {
            path: name.to_owned(),
            kind: kind_of(name),
            bytes: 1024,
            disguised: false,
            macros: false,
        });
    }
    let table = value.table()?;
    let mut unknown = Vec::new();
    table.refuse_unknown(&["name", "kind", "bytes", "disguised", "macro"], &mut unknown);
    if let Some(problem) = unknown.pop() {
        return Err(problem);
    }
    let name = needed(&table, "name")?.string()?;
    let optional = |key: &str| table.get(key).map(|entry| entry.value);
    Ok(Attachment {
        path: name.to_owned(),
        kind: optional("kind").map(Value::string).transpose()?.map_or_else(|| kind_of(name), str::to_owned),
        bytes: optional("bytes").map(Value::whole_number).transpose()?.unwrap_or(1024),
        disguised: optional("disguised").map(Value::flag).transpose()?.unwrap_or(false),
        macros: optional("macro").map(Value::flag).transpose()?.unwrap_or(false),
    })
}

fn unreadable(value: Value<'_>, path: &str) -> Read<Unreadable> {
    let word = value.string()?;
    let why: Why = keys::from_word(word).ok_or_else(|| {
        let known = keys::unreadable_words().iter().map(String::as_str);
        value.problem(format!("unknown reason `{word}`")).with_nearest(word, known)
    })?;
    Ok(Unreadable { path: path.to_owned(), why })
}

/// `Sat 23:00`, with ` holiday` behind it when it is one.
fn time(value: Value<'_>) -> Read<LocalTime> {
    let text = value.string()?;
    let wrong =
        || value.problem(format!("`{text}` is not a time")).with_help("write \"Mon 10:00\" or \"Tue 09:30 holiday\"");
    let mut words = text.split_whitespace();
    let day = words.next().unwrap_or("");
    let weekday =
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|name| *name == day).ok_or_else(wrong)?;
    let (hour, minute) = words.next().and_then(|clock| clock.split_once(':')).ok_or_else(wrong)?;
    let (hour, minute): (u16, u16) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    if hour > 23 || minute > 59 {
        return Err(wrong());
    }
    let weekday = u8::try_from(weekday + 1).map_err(|_| wrong())?;
    Ok(LocalTime { epoch_ms: 0, minute: hour * 60 + minute, weekday, holiday: words.next() == Some("holiday") })
}

fn needed<'d>(table: &Table<'d>, key: &str) -> Read<Value<'d>> {
    table.get(key).map(|entry| entry.value).ok_or_else(|| table.problem(format!("`{key}` is missing")))
}

/// An envelope and the bytes of a mail, from a short table.
pub(super) fn mail(value: Value<'_>, problems: &mut Vec<Problem>) -> Option<(Envelope, Vec<u8>)> {
    let before = problems.len();
    let table = value.table().map_err(|problem| problems.push(problem)).ok()?;
    table.refuse_unknown(&MAIL_KEYS, problems);
    let built = compose(&table).map_err(|problem| problems.push(problem)).ok()?;
    (problems.len() == before).then_some(built)
}

fn compose(table: &Table<'_>) -> Read<(Envelope, Vec<u8>)> {
    let text = |key: &str| table.get(key).map(|entry| entry.value.string()).transpose();
    let people = |key: &str| table.get(key).map_or(Ok(Vec::new()), |entry| addresses(entry.value));
    let (to, cc, bcc) = (people("to")?, people("cc")?, people("bcc")?);
    let from = needed(table, "from")?.string()?;
    let mut out = String::new();
    field(&mut out, "From", from);
    for (name, list) in [("To", &to), ("Cc", &cc)] {
        if !list.is_empty() {
            let texts: Vec<&str> = list.iter().map(Address::as_str).collect();
            field(&mut out, name, &texts.join(",\r\n "));
        }
    }
    field(&mut out, "Subject", &encoded_words(text("subject")?.unwrap_or("")));
    field(&mut out, "Date", "Mon, 06 Apr 2026 10:00:00 +0900");
    field(&mut out, "Message-ID", "<example@sekisho.test>");
    for (name, content) in table.get("headers").map_or(Ok(Vec::new()), |entry| headers(entry.value))? {
        field(&mut out, &name, &encoded_words(&content));
    }
    field(&mut out, "MIME-Version", "1.0");
    let body = text("body")?.unwrap_or("");
    let attachments = table.get("attachments").map_or(Ok(Vec::new()), |entry| each(entry.value, file_part))?;
    if attachments.is_empty() {
        part(&mut out, "text/plain; charset=utf-8", None, body.as_bytes());
    } else {
        const BOUNDARY: &str = "=_example_boundary";
        field(&mut out, "Content-Type", &format!("multipart/mixed; boundary=\"{BOUNDARY}\""));
        out.push_str("\r\n");
        let _ = write!(out, "--{BOUNDARY}\r\n");
        part(&mut out, "text/plain; charset=utf-8", None, body.as_bytes());
        for (name, content) in &attachments {
            let _ = write!(out, "--{BOUNDARY}\r\n");
            part(&mut out, "application/octet-stream", Some(name), content.as_bytes());
        }
        let _ = write!(out, "--{BOUNDARY}--\r\n");
    }
    let mut envelope = envelope(Some(Address::new(from)), to.into_iter().chain(cc).chain(bcc));
    envelope.client.login = text("login")?.map(str::to_owned);
    if let Some(entry) = table.get("client") {
        envelope.client.ip = client(entry.value)?;
    }
    Ok((envelope, out.into_bytes()))
}

/// An attachment of a mail: its name and its text.
fn file_part(value: Value<'_>) -> Read<(String, String)> {
    let table = value.table().map_err(|problem| problem.with_help("write { name = \"list.csv\", text = \"…\" }"))?;
    Ok((needed(&table, "name")?.string()?.to_owned(), needed(&table, "text")?.string()?.to_owned()))
}

fn field(out: &mut String, name: &str, content: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(content);
    out.push_str("\r\n");
}

fn part(out: &mut String, kind: &str, name: Option<&str>, content: &[u8]) {
    field(out, "Content-Type", kind);
    if let Some(name) = name {
        // RFC 2231 4: charset, language, percent-encoded octets.
        let encoded = name.bytes().fold(String::new(), |mut encoded, byte| {
            let _ = write!(encoded, "%{byte:02X}");
            encoded
        });
        field(out, "Content-Disposition", &format!("attachment; filename*=utf-8''{encoded}"));
    }
    field(out, "Content-Transfer-Encoding", "base64");
    out.push_str("\r\n");
    let encoded = STANDARD.encode(content);
    for line in encoded.as_bytes().chunks(76) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push_str("\r\n");
    }
}

/// Text of a header field: as it is when it is ASCII, or else as encoded words (RFC 2047) of at most 75 characters.
fn encoded_words(text: &str) -> String {
    if text.is_ascii() {
        return text.replace(['\r', '\n'], " ");
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(45);
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&rest[..cut])));
        rest = &rest[cut..];
    }
    words.join("\r\n ")
}

fn envelope(sender: Option<Address>, recipients: impl Iterator<Item = Address>) -> Envelope {
    let mut list: Vec<Recipient> = Vec::new();
    for address in recipients {
        if !list.iter().any(|known| known.address.as_str() == address.as_str()) {
            list.push(Recipient::new(address.as_str()));
        }
    }
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Envelope {
        client: Client { helo: "example.test".to_owned(), esmtp: true, ..Client::new(ip) },
        sender,
        parameters: MailParameters::default(),
        recipients: list,
    }
}

/// A mail file; its envelope is taken from its From, To and Cc.
pub(super) fn file(value: Value<'_>, mails: &BTreeMap<String, Vec<u8>>) -> Read<(Envelope, Vec<u8>)> {
    let path = value.string()?;
    let bytes = mails.get(path).ok_or_else(|| {
        value.problem(format!("there is no mail file `{path}`")).with_nearest(path, mails.keys().map(String::as_str))
    })?;
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or("").split("\n\n").next().unwrap_or("");
    let unfolded = head.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let named = |names: &[&str]| -> Vec<Address> {
        let lines = unfolded.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
            .flat_map(|(_, content)| mailboxes(content))
            .collect()
    };
    let recipients = named(&["To", "Cc"]);
    if recipients.is_empty() {
        return Err(value.problem(format!("the mail `{path}` names no recipient in To or Cc")));
    }
    Ok((envelope(named(&["From"]).into_iter().next(), recipients.into_iter()), bytes.clone()))
}

/// The addresses in a field of an example's mail.
fn mailboxes(content: &str) -> Vec<Address> {
    static MAILBOX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"[^\s<>,;:"()@]+@[^\s<>,;:"()@]+"#).ok());
    let found = MAILBOX.iter().flat_map(|mailbox| mailbox.find_iter(content));
    found.map(|address| Address::new(address.as_str())).collect()
}
