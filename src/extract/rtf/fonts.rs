//! Which code page a run of bytes in RTF is in: that of its font, of its East Asian font, or of the file (Rich Text Format 1.9.1, "Font Table").
//! It refuses to be certain where two of them fit; the other reading is given as well.

use super::super::code_page;
use std::collections::HashMap;

/// The font table and the file's own code page.
#[derive(Default)]
pub(super) struct Fonts {
    pages: HashMap<i32, u32>,
    /// Some font is for Japanese.
    has_japanese: bool,
    /// The font that is being defined, and the one that text has before it names another.
    pub(super) defined: Option<i32>,
    pub(super) default: Option<i32>,
    pub(super) code_page: Option<u32>,
}

impl Fonts {
    /// `\fcharset` or `\cpg` of the font that is being defined.
    pub(super) fn define(&mut self, word: &str, number: Option<i32>) {
        let number = number.and_then(|number| u32::try_from(number).ok());
        let page = if word == "cpg" { number } else { number.and_then(code_page::of_charset) };
        if let (Some(font), Some(page)) = (self.defined, page) {
            self.pages.insert(font, page);
            self.has_japanese |= page == 932;
        }
    }

    /// The reading of some bytes, and others that are as good.
    pub(super) fn read(&self, bytes: &[u8], font: Option<i32>, wide_font: Option<i32>) -> (String, Vec<String>) {
        let font = font.or(self.default).and_then(|font| self.pages.get(&font).copied());
        let wide = wide_font.and_then(|font| self.pages.get(&font).copied());
        let default = self.code_page.unwrap_or(1252);
        let first = font.unwrap_or(default);
        // A font for one language says little when the file's code page is for another: what the bytes allow decides.
        let chosen = [font, wide, Some(default)]
            .into_iter()
            .flatten()
            .filter(|page| code_page::is_wide(*page))
            .map(|page| code_page::decoded(bytes, page))
            .find_map(|(text, clean)| clean.then_some(text))
            .unwrap_or_else(|| code_page::decoded(bytes, first).0);
        let japanese = self.has_japanese.then_some(932);
        let others = [Some(first), japanese]
            .into_iter()
            .flatten()
            .filter(|page| code_page::is_wide(*page))
            .map(|page| code_page::decoded(bytes, page))
            .filter_map(|(text, clean)| (clean && text != chosen).then_some(text))
            .collect();
        (chosen, others)
    }
}
