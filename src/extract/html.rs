//! HTML as its reader sees it, and what its reader does not see: hidden text, comments, attributes, scripts, data URLs.
//! It refuses to render: no style is applied, so nothing can be styled away.

use super::embedded::{self, Inside};
use super::grid::Grid;
use super::{Extracted, PartInput, Why};
use super::{entity, text};
use crate::limits::Budget;
use memchr::{memchr, memchr2, memmem};
use std::borrow::Cow;

/// Elements that begin and end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "legend",
    "li",
    "main",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "textarea",
    "tfoot",
    "thead",
    "title",
    "ul",
];

/// Attributes whose values a reader sees where they stand.
const SHOWN: &[&str] = &["alt", "value", "placeholder"];
/// Attributes whose values hold text besides.
const BESIDES: &[&str] = &["title", "aria-label", "summary", "label", "standby", "content", "data-value"];
/// Attributes that hold addresses.
const LINKS: &[&str] = &["href", "src", "action", "cite", "background", "data", "xlink:href"];

/// Reads an HTML part.
pub(super) fn read(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let meta = meta_charset(input.bytes);
    let mut readings = text::decode(input.bytes, input.declared_charset.as_deref().or(meta.as_deref()));
    if input.declared_charset.is_some() && meta.is_some() {
        for reading in text::decode(input.bytes, meta.as_deref()) {
            if !readings.contains(&reading) && readings.len() < 2 {
                readings.push(reading);
            }
        }
    }
    for (index, source) in readings.iter().enumerate() {
        if memmem::find(source.as_bytes(), b"-----BEGIN PGP MESSAGE-----").is_some() {
            out.unread(&input.path, Why::Encrypted);
        }
        let page = Page::walk(source, budget);
        let mut inside = page.grid.finish(&input.path, input.role, out);
        inside.extend(page.inside);
        for (name, besides) in [("attributes", page.besides), ("script", page.script)] {
            let place = format!("{}!{name}", input.path);
            inside.extend(embedded::find(&besides));
            out.text(&place, input.role, besides);
        }
        if index == 0 {
            embedded::read_all(&input.path, inside, budget, out);
        }
    }
}

/// The charset a `meta` element declares within the first 4096 bytes (HTML 13.2.3.2 asks for 1024).
fn meta_charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).to_ascii_lowercase();
    let at = head.find("charset=")? + "charset=".len();
    let label: String = head[at..]
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | ':'))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// What a page gives.
struct Page<'b> {
    grid: Grid<'b>,
    besides: String,
    script: String,
    inside: Vec<Inside>,
    preformatted: usize,
}

/// A start tag: its lower-case name and the attributes behind it.
struct Tag<'a> {
    name: String,
    attributes: &'a str,
}

impl<'b> Page<'b> {
    /// Goes through the source once.
    fn walk(source: &str, budget: &'b mut Budget) -> Self {
        let mut page = Self {
            grid: Grid::new(budget),
            besides: String::new(),
            script: String::new(),
            inside: Vec::new(),
            preformatted: 0,
        };
        let mut rest = source;
        while !rest.is_empty() && !page.grid.is_full() {
            let Some(at) = memchr(b'<', rest.as_bytes()) else {
                page.characters(rest);
                break;
            };
            page.characters(&rest[..at]);
            rest = page.markup(&rest[at..]);
        }
        page
    }

    fn characters(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        // Comments are read as content; only their marks go.
        let raw = if raw.contains("-->") { Cow::Owned(raw.replace("-->", " ")) } else { Cow::Borrowed(raw) };
        let text = entity::decoded(&raw);
        if self.preformatted > 0 {
            self.grid.push(&text);
        } else {
            self.grid.push_collapsed(&text);
        }
    }

    /// Takes the markup at the start of `rest` and gives what follows it.
    fn markup<'a>(&mut self, rest: &'a str) -> &'a str {
        if let Some(comment) = rest.strip_prefix("<!--") {
            // `<!--[if mso]>` hides markup from browsers and shows it to Outlook.
            return match comment.strip_prefix("[if").and_then(|condition| condition.split_once("]>")) {
                Some((condition, shown)) if condition.len() < 200 => shown,
                _ => comment,
            };
        }
        if rest.starts_with("<!") || rest.starts_with("<?") {
            return memchr(b'>', rest.as_bytes()).map_or("", |end| &rest[end + 1..]);
        }
        let (closing, name_at) = if rest.starts_with("</") { (true, 2) } else { (false, 1) };
        if !rest[name_at..].starts_with(|first: char| first.is_ascii_alphabetic()) {
            self.characters("&lt;");
            return &rest[1..];
        }
        let name_length = rest[name_at..]
            .find(|character: char| character.is_ascii_whitespace() || matches!(character, '>' | '/'))
            .unwrap_or(rest.len() - name_at);
        let name = rest[name_at..name_at + name_length].to_ascii_lowercase();
        let inner = &rest[name_at + name_length..];
        let end = tag_end(inner);
        let behind = inner.get(end + 1..).unwrap_or("");
        if closing {
            self.close(&name);
            return behind;
        }
        let tag = Tag { name, attributes: &inner[..end] };
        self.attributes(&tag);
        self.open(&tag);
        match tag.name.as_str() {
            "script" => {
                let (content, behind) = raw_text(behind, "script");
                self.script.push_str(content);
                self.script.push('\n');
                behind
            }
            "style" => raw_text(behind, "style").1,
            _ => behind,
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "table" => self.grid.open_table(None),
            "tr" if self.grid.in_table() => self.grid.open_row(),
            "td" | "th" if self.grid.in_table() => {
                let number = |name| attribute(tag, name).and_then(|value| value.trim().parse().ok()).unwrap_or(1);
                self.grid.open_cell(number("colspan"), number("rowspan"));
            }
            "td" | "th" => self.grid.push("\t"),
            "br" => self.grid.push("\n"),
            "pre" | "textarea" | "xmp" | "listing" => {
                self.preformatted += 1;
                self.grid.line();
            }
            name if is_block(name) => self.grid.line(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "table" => self.grid.close_table(),
            "td" | "th" => self.grid.close_cell(1),
            "pre" | "textarea" | "xmp" | "listing" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                self.grid.line();
            }
            "tr" if !self.grid.in_table() => self.grid.line(),
            name if is_block(name) => self.grid.line(),
            _ => {}
        }
    }

    fn attributes(&mut self, tag: &Tag<'_>) {
        for (name, raw) in Attributes(tag.attributes) {
            if raw.is_empty() {
                continue;
            }
            let name = name.to_ascii_lowercase();
            if SHOWN.contains(&name.as_str()) {
                let value = entity::decoded(raw);
                self.grid.push(" ");
                self.grid.push_collapsed(&value);
                self.grid.push(" ");
            } else if BESIDES.contains(&name.as_str()) {
                self.beside(&entity::decoded(raw));
            } else if LINKS.contains(&name.as_str()) {
                self.link(&entity::decoded(raw));
            }
        }
    }

    fn beside(&mut self, value: &str) {
        self.besides.push_str(value.trim());
        self.besides.push('\n');
    }

    /// Links that carry data: addresses, numbers, user names, whole files.
    fn link(&mut self, url: &str) {
        let scheme = url.trim_start().split(':').next().unwrap_or_default().to_ascii_lowercase();
        if scheme == "data" {
            self.inside.extend(embedded::data_url(url));
        } else if matches!(scheme.as_str(), "mailto" | "tel" | "sms" | "file" | "javascript") || url.contains('@') {
            let plain = embedded::percent_decoded(url.trim());
            self.beside(&String::from_utf8_lossy(&plain));
        }
    }
}

fn is_block(name: &str) -> bool {
    BLOCKS.binary_search(&name).is_ok()
}

/// The end of a tag: the first `>` outside quotes. A quote that never closes is taken for a character, so it hides nothing.
fn tag_end(inner: &str) -> usize {
    let bytes = inner.as_bytes();
    let plain = memchr(b'>', bytes).unwrap_or(bytes.len());
    let mut at = 0;
    loop {
        let Some(found) = bytes[at..].iter().position(|byte| matches!(byte, b'>' | b'=')).map(|found| at + found)
        else {
            return bytes.len();
        };
        if bytes[found] == b'>' {
            return found;
        }
        let value = found + 1 + bytes[found + 1..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at = match bytes.get(value) {
            Some(quote @ (b'"' | b'\'')) => {
                // Attribute values longer than a data URL of some megabytes do not occur.
                let window = &bytes[value + 1..bytes.len().min(value + 1 + 64 * 1024 * 1024)];
                match memchr(*quote, window) {
                    Some(close) => value + 1 + close + 1,
                    None => return plain,
                }
            }
            _ => found + 1,
        };
    }
}

/// The content of a raw text element up to its end tag, and what follows. Without an end tag it is everything.
fn raw_text<'a>(source: &'a str, name: &str) -> (&'a str, &'a str) {
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr(b'<', &bytes[at..]) {
        let start = at + found;
        let is_end = bytes.get(start + 1) == Some(&b'/')
            && bytes
                .get(start + 2..start + 2 + name.len())
                .is_some_and(|raw| raw.eq_ignore_ascii_case(name.as_bytes()));
        if is_end {
            let behind = memchr(b'>', &bytes[start..]).map_or("", |end| &source[start + end + 1..]);
            return (&source[..start], behind);
        }
        at = start + 1;
    }
    (source, "")
}

/// The decoded value of one attribute.
fn attribute<'a>(tag: &Tag<'a>, name: &str) -> Option<Cow<'a, str>> {
    Attributes(tag.attributes).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, raw)| entity::decoded(raw))
}

/// Names and raw values of attributes (HTML 13.1.2.3).
struct Attributes<'a>(&'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let is_blank = |character: char| character.is_ascii_whitespace() || character == '/';
        let rest = self.0.trim_start_matches(is_blank);
        if rest.is_empty() {
            return None;
        }
        let name_end = rest
            .char_indices()
            .skip(1)
            .find(|(_, character)| is_blank(*character) || *character == '=')
            .map_or(rest.len(), |(at, _)| at);
        let (name, behind) = rest.split_at(name_end);
        let Some(value) = behind.trim_start().strip_prefix('=').map(str::trim_start) else {
            self.0 = behind;
            return Some((name, ""));
        };
        let (value, behind) = if let Some(quote @ (b'"' | b'\'')) = value.as_bytes().first() {
            match memchr(*quote, &value.as_bytes()[1..]) {
                Some(close) => (&value[1..=close], &value[close + 2..]),
                None => (&value[1..], ""),
            }
        } else {
            let end = memchr2(b' ', b'\n', value.as_bytes()).unwrap_or(value.len());
            value.split_at(end)
        };
        self.0 = behind;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Content, Role};
    use crate::limits::Limits;

    fn pieces(html: &str) -> Vec<(String, String)> {
        let mut out = Extracted::default();
        let input = PartInput {
            path: "body".to_owned(),
            names: vec![],
            declared_type: Some("text/html".to_owned()),
            declared_charset: Some("utf-8".to_owned()),
            role: Role::Body,
            inline: false,
            bytes: html.as_bytes(),
        };
        read(&input, &mut Budget::new(&Limits::default()), &mut out);
        let show = |content: &Content| match content {
            Content::Text(text) => text.trim().to_owned(),
            Content::Table(table) => {
                table.rows().map(|row| row.cells().collect::<Vec<_>>().join("|")).collect::<Vec<_>>().join("/")
            }
        };
        out.pieces.iter().map(|piece| (piece.path.clone(), show(&piece.content))).collect()
    }

    fn text(html: &str) -> String {
        pieces(html).first().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    #[test]
    fn text_is_read_whether_shown_or_not() {
        for (html, expected) in [
            ("<p>090<b>-1234</b>-5678</p><p>next", "090-1234-5678\nnext"),
            ("a<br>b<div>c</div>d", "a\nb\nc\nd"),
            ("<span style='display:none'>社外秘</span>x", "社外秘x"),
            ("a  b\n\n c&nbsp;d", "a b c\u{A0}d"),
            ("<pre>a  b\nc</pre>", "a  b\nc"),
            ("1 < 2 and <3", "1 < 2 and <3"),
            ("<!-- hidden 山田 -->shown", "hidden 山田 shown"),
            ("<!--[if mso]><p>outlook</p><![endif]-->", "outlook"),
            ("<style>p{color:#123456}</style>x<script>y", "x"),
            ("<img alt='地図' src=cid:1>", "地図"),
            ("<a title=\"x>y\" href=#>z</a>", "z"),
            ("<a title=\"never closed>z</a>", "z"),
        ] {
            assert_eq!(text(html), expected, "{html}");
        }
    }

    #[test]
    fn tables_become_rows_and_layout_becomes_text() {
        let html = "前<table><tr><th>氏名<th>電話<tr><td>山田<td>090<br>1234</table>後";
        assert_eq!(
            pieces(html),
            [
                ("body".to_owned(), "前\n後".to_owned()),
                ("body!table1".to_owned(), "氏名|電話/山田|090\n1234".to_owned())
            ]
        );
        let spans = "<table><tr><td rowspan=2>班<td>山田<tr><td>佐藤<tr><td colspan=2>計<td>2</table>";
        assert_eq!(pieces(spans), [("body!table1".to_owned(), "班|山田/|佐藤/計||2".to_owned())]);
        let layout = "<table><tr><td><table><tr><td>ようこそ</td></tr></table></td></tr></table>";
        assert_eq!(text(layout), "ようこそ");
        let nested = "<table><tr><td>外<table><tr><td>a<td>b</table></table>";
        assert_eq!(
            pieces(nested),
            [("body".to_owned(), "外".to_owned()), ("body!table1".to_owned(), "a|b".to_owned())]
        );
    }

    #[test]
    fn links_scripts_and_data_urls_are_read() {
        let html = "<a href='mailto:a%40example.jp?x'>m</a><script>var t='090'</script><a href='data:text/plain,%E5%B1%B1'>d</a>";
        let found = pieces(html);
        assert!(found.contains(&("body!attributes".to_owned(), "mailto:a@example.jp?x".to_owned())), "{found:?}");
        assert!(found.contains(&("body!script".to_owned(), "var t='090'".to_owned())), "{found:?}");
        assert!(found.contains(&("body!data".to_owned(), "山".to_owned())), "{found:?}");
    }

    #[test]
    fn deep_nesting_and_broken_markup_are_read_in_bounded_time() {
        assert!(text(&format!("{}deep 山田", "<table><tr><td>".repeat(20_000))).contains("deep 山田"));
        assert!(text(&format!("{}x", "<a b=\"".repeat(20_000))).len() < 10_000_000);
        text(&"<".repeat(100_000));
        text(&"<a =".repeat(50_000));
    }
}
