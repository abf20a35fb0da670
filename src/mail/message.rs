//! The structure of a mail; the only file that names the mail_parser crate.
//! It refuses to hide damage: what does not parse is said.

use mail_parser::{HeaderName, MessageParser};
use std::sync::LazyLock;

/// The library's reader of recipient fields, and of nothing else.
static RECIPIENT_PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_address(HeaderName::ResentTo)
        .header_address(HeaderName::ResentCc)
        .default_header_ignore()
});

/// The recipients of To, Cc, Resent-To and Resent-Cc as the MIME library reads them, as text.
pub(super) fn library_recipients(header: &[u8]) -> Vec<String> {
    let Some(message) = RECIPIENT_PARSER.parse_headers(header) else { return Vec::new() };
    let Some(part) = message.parts.first() else { return Vec::new() };
    let mut texts = Vec::new();
    for field in &part.headers {
        if !matches!(field.name, HeaderName::To | HeaderName::Cc | HeaderName::ResentTo | HeaderName::ResentCc) {
            continue;
        }
        let Some(list) = field.value.as_address() else { continue };
        for mailbox in list.iter() {
            match (mailbox.address(), mailbox.name()) {
                // The library takes a quoted local part for a display name, and puts comments in parentheses behind it.
                (Some(address), Some(name)) if address.starts_with('@') => {
                    let local = name.split_once(" (").map_or(name, |(local, _)| local);
                    texts.push(format!("\"{local}\"{address}"));
                }
                (Some(address), _) => texts.push(address.to_owned()),
                (None, _) => {}
            }
        }
    }
    texts
}

/// Does the MIME library of this build decode Japanese charsets (its feature `full_encoding`)?
pub(super) fn library_decodes_japanese() -> bool {
    [
        (&b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1B$B4X=j\x1B(B"[..], "関所"),
        (b"Content-Type: text/plain; charset=shift_jis\r\n\r\n\x8A\xD6\x8F\x8A", "関所"),
    ]
    .iter()
    .all(|(raw, text)| {
        MessageParser::default()
            .parse(*raw)
            .and_then(|message| message.body_text(0).map(|body| body.trim() == *text))
            .unwrap_or(false)
    })
}
