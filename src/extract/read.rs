//! One part: its names, its kind, then the reader for that kind; and the way readers hand on what they find inside.
//! It refuses to let one part harm another: a panic in a reader leaves that part `damaged` and the others read.

use super::archive::{cab, lzh, packed, rar, sevenz, tar};
use super::kind::{self, Found, Kind};
use super::{Attachment, Extracted, PartInput, Piece, Role, Why};
use super::{Content, disguise, html, image, office, pkcs7, rtf, storage, text, zip};
use crate::limits::Budget;
use crate::mail::tnef;
use memchr::memmem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reads one part and everything inside it.
pub(super) fn part(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    for name in &input.names {
        out.pieces.push(Piece { path: input.path.clone(), role: Role::FileName, content: Content::Text(name.clone()) });
    }
    guarded(&input.path, budget, out, |budget, out| {
        let mut found = kind::of(input.bytes);
        found.kind = settled(found.kind, input);
        if input.role == Role::Attachment {
            out.attachments.push(Attachment {
                path: input.path.clone(),
                kind: found.kind.as_str().to_owned(),
                bytes: input.bytes.len() as u64,
                disguised: disguise::is_disguised(found.kind, &input.names)
                    || (disguise::can_hide_an_archive(found.kind) && zip::has_trailing_archive(input.bytes)),
                macros: found.macros,
            });
        }
        content(found, input, budget, out);
        let may_trail = disguise::can_hide_an_archive(found.kind) || found.kind.is_program();
        if may_trail && zip::has_trailing_archive(input.bytes) {
            zip::read(&input.path, input.bytes, budget, out);
        }
    });
}

/// Reads something found inside a part: one level deeper, with the same budget.
pub(super) fn nested(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    if budget.enter().is_err() {
        out.unread(&input.path, Why::Limit);
        return;
    }
    part(input, budget, out);
    budget.leave();
}

/// Runs a reader; if it panics, the place is damaged and what it had read stays.
fn guarded(path: &str, budget: &mut Budget, out: &mut Extracted, reader: impl FnOnce(&mut Budget, &mut Extracted)) {
    if catch_unwind(AssertUnwindSafe(|| reader(budget, out))).is_err() {
        out.unread(path, Why::Damaged);
    }
}

/// The kind after what only the declaration can tell: text is shown as it is declared, and a body is never an attached mail.
fn settled(kind: Kind, input: &PartInput<'_>) -> Kind {
    let declared = input.declared_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let named = |extension: &str| input.names.iter().any(|name| disguise::extension(name) == extension);
    // A text that people see in the window of the mail is text, also with some control characters in it.
    let shown = input.role == Role::Body && (declared.is_empty() || declared.starts_with("text/"));
    if kind == Kind::Binary && shown && text::is_mostly_text(input.bytes) {
        return if declared == "text/html" { Kind::Html } else { Kind::Text };
    }
    if !kind.is_text() || matches!(kind, Kind::Rtf) {
        return kind;
    }
    if declared == "message/rfc822"
        || (input.role == Role::Attachment && (named("eml") || named("mht") || named("mhtml")))
    {
        return Kind::Eml;
    }
    if declared == "text/html" && (input.role == Role::Body || kind != Kind::Csv) || named("html") || named("htm") {
        return Kind::Html;
    }
    if declared == "text/calendar" {
        return Kind::Ics;
    }
    if (declared == "text/csv" || declared == "text/tab-separated-values") && kind == Kind::Text {
        return Kind::Csv;
    }
    if input.role == Role::Body
        && (kind == Kind::Eml || declared == "text/plain" && matches!(kind, Kind::Html | Kind::Xml))
    {
        return Kind::Text;
    }
    kind
}

/// Reads the content of a part of known kind.
fn content(found: Found, input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let path = &input.path;
    if found.encrypted {
        out.unread(path, Why::Encrypted);
        return;
    }
    match found.kind {
        Kind::Empty | Kind::P7s | Kind::PgpSignature => {}
        Kind::Eml => mail(input, budget, out),
        Kind::Html => html::read(input, budget, out),
        Kind::Rtf => rtf::read(input, budget, out),
        Kind::Doc | Kind::Xls | Kind::Ppt | Kind::Msg | Kind::Cfb => storage::read(found.kind, input, budget, out),
        Kind::Text | Kind::Csv | Kind::Xml | Kind::Json | Kind::Svg | Kind::Ics | Kind::Vcf | Kind::Script => {
            text::read(found.kind, input, budget, out);
        }
        Kind::Pgp | Kind::Encrypted | Kind::EncryptedOffice => out.unread(path, Why::Encrypted),
        Kind::P7m => match pkcs7::content(input.bytes) {
            Some(signed) if budget.take_bytes(signed.len() as u64).is_ok() => {
                out.nested_mails.push((format!("{path}!signed"), signed));
            }
            Some(_) => out.unread(path, Why::Limit),
            None => out.unread(path, Why::Encrypted),
        },
        Kind::Zip | Kind::Jar | Kind::Iwork | Kind::Epub => zip::read(path, input.bytes, budget, out),
        Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Zstd => packed::read(found.kind, input, budget, out),
        Kind::SevenZip => sevenz::read(path, input.bytes, budget, out),
        Kind::Rar => rar::read(path, input.bytes, budget, out),
        Kind::Lzh => lzh::read(path, input.bytes, budget, out),
        Kind::Cab => cab::read(path, input.bytes, budget, out),
        Kind::Tar => tar::read(path, input.bytes, None, budget, out),
        kind if kind.is_package() => office::read(input, budget, out),
        kind if kind.is_image() => {
            if !(input.inline && image::is_small(kind, input.bytes)) {
                out.unread(path, Why::Image);
            }
        }
        Kind::Tnef => {
            out.recall |= is_recall(input.bytes);
            out.unread(path, Why::Unsupported);
        }
        Kind::Binary => {
            text::read_runs(input, out);
            out.unread(path, Why::Unsupported);
        }
        _ => out.unread(path, Why::Unsupported),
    }
}

/// An attached mail goes to the reader of mails; one that is only guessed at is read as text too.
fn mail(input: &PartInput<'_>, budget: &mut Budget, out: &mut Extracted) {
    let declared =
        input.declared_type.as_deref().is_some_and(|declared| declared.eq_ignore_ascii_case("message/rfc822"));
    let named = input.names.iter().any(|name| matches!(disguise::extension(name).as_str(), "eml" | "mht" | "mhtml"));
    if !declared && !named {
        text::read(Kind::Text, input, budget, out);
    }
    if budget.take_bytes(input.bytes.len() as u64).is_ok() {
        out.nested_mails.push((input.path.clone(), input.bytes.to_vec()));
    } else {
        out.unread(&input.path, Why::Limit);
    }
}

/// The message class of Outlook's recall, in 8-bit (attMessageClass, MS-OXTNEF 2.1.3.3) or UTF-16 (property 0x001A).
fn is_recall(stream: &[u8]) -> bool {
    const CLASS: &str = "IPM.Outlook.Recall";
    if let tnef::Tnef { class: Some(class), unclear: false, .. } = tnef::read(stream) {
        return class.get(..CLASS.len()).is_some_and(|start| start.eq_ignore_ascii_case(CLASS));
    }
    // A damaged stream is searched as it is.
    let wide: Vec<u8> = CLASS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memmem::find(stream, CLASS.as_bytes()).is_some() || memmem::find(stream, &wide).is_some()
}
