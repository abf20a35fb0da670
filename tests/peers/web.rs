//! The sender's browser: opens the link of a notice, reads the form that is really on the page, presses a button.
//! It refuses to know anything of the form beforehand: fields and choices are those of the page.

use crate::guard::PATIENCE;
use crate::sink::text;
use std::io::{Read, Write};
use std::net::TcpStream;

/// An answer.
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// The form of a page.
pub struct Form {
    pub action: String,
    /// Hidden fields.
    pub hidden: Vec<(String, String)>,
    /// Values of the radio buttons named `action`.
    pub choices: Vec<String>,
}

/// GET.
pub fn get(url: &str) -> Page {
    request("GET", url, "")
}

fn request(method: &str, url: &str, form: &str) -> Page {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let origin = if method == "POST" { "Origin: null\r\nSec-Fetch-Site: same-origin\r\n" } else { "" };
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept-Language: en\r\n{origin}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, head: head.to_owned(), body: body.to_owned() }
}

/// The link to the page in a notice.
pub fn link(notice: &[u8], page: &str) -> String {
    let text = text(notice);
    let start = text.find(&format!("{page}/held/")).unwrap_or_else(|| panic!("no link in\n{text}"));
    text[start..].split(|char: char| char.is_whitespace() || "<>\"".contains(char)).next().unwrap().to_owned()
}

/// The form on a page that posts.
pub fn form(page: &Page) -> Option<Form> {
    let start = page.body.find("<form")?;
    let end = start + page.body[start..].find("</form>")?;
    let mut form = Form { action: String::new(), hidden: Vec::new(), choices: Vec::new() };
    for tag in page.body[start..end].split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let value = |name| attribute(tag, name).unwrap_or_default();
        if tag.starts_with("form") {
            assert_eq!(value("method"), "post");
            form.action = value("action");
        } else if tag.starts_with("input") && value("type") == "hidden" {
            form.hidden.push((value("name"), value("value")));
        } else if tag.starts_with("input") && value("type") == "radio" {
            assert_eq!(value("name"), "action");
            form.choices.push(value("value"));
        }
    }
    Some(form)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let raw = rest.split('"').next()?;
    Some(raw.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

impl Form {
    /// Chooses and confirms, as the browser would send it.
    pub fn press(&self, base: &str, choice: &str) -> Page {
        let mut fields: Vec<(&str, &str)> =
            self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("action", choice));
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        request("POST", &format!("{base}{}", self.action), &body.join("&"))
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
