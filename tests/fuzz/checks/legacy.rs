//! Old office files of any octets (compound files, their documents, rich text, messages): bounded, repeatable, without a panic inside.
//! It refuses to say what a file means; the tests of the extractor do.

use sekisho::extract::{Content, Extracted, PartInput, Role, part};
use sekisho::limits::{Budget, Limits};
use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// The input is the file.
pub fn check(input: &[u8]) {
    // The extractor contains panics, so they are counted where they begin.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    let panics = PANICS.get();
    let limits =
        Limits { unpacked_bytes: 512 * 1024, part_bytes: 256 * 1024, archive_entries: 200, ..Limits::default() };
    let out = read(input, &limits);
    assert_eq!(PANICS.get(), panics, "a reader panics");
    assert_eq!(read(input, &limits), out, "it reads the same again");
    let text: usize = out
        .pieces
        .iter()
        .map(|piece| match &piece.content {
            Content::Text(text) => text.len(),
            Content::Table(table) => table.text_bytes() + table.len(),
        })
        .sum();
    let most = 16 * (input.len() + 512 * 1024) + 64 * 1024;
    assert!(text <= most, "{text} octets of text from {}", input.len());
}

fn read(bytes: &[u8], limits: &Limits) -> Extracted {
    let input = PartInput {
        path: "a.bin".to_owned(),
        names: vec!["a.bin".to_owned()],
        declared_type: None,
        declared_charset: None,
        role: Role::Attachment,
        inline: false,
        bytes,
    };
    let mut out = Extracted::default();
    part(&input, &mut Budget::new(limits), &mut out);
    out
}
