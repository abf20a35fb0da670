//! The generic walk over an XML part of a document (Office Open XML, OpenDocument): all text, whatever element holds it.
//! It refuses to know which parts are shown: hidden, deleted and alternative content is content.

use super::embedded::Inside;
use super::grid::Grid;
use super::{Extracted, Role, Why};
use super::{entity, shared_strings, xml};
use crate::limits::Budget;
use quick_xml::events::{BytesStart, Event};

/// Elements whose text is a position, a count or a switch, never content.
const NUMBERS: &[&str] = &[
    "Anchor",
    "AppVersion",
    "Characters",
    "CharactersWithSpaces",
    "Column",
    "DocSecurity",
    "HiddenSlides",
    "HyperlinksChanged",
    "Lines",
    "LinksUpToDate",
    "MMClips",
    "Notes",
    "Pages",
    "Paragraphs",
    "Row",
    "ScaleCrop",
    "SharedDoc",
    "Slides",
    "TotalTime",
    "Words",
    "col",
    "colOff",
    "config-item",
    "created",
    "formatCode",
    "i4",
    "lastPrinted",
    "modified",
    "pctHeight",
    "pctWidth",
    "posOffset",
    "ptCount",
    "revision",
    "row",
    "rowOff",
    "sizeRelH",
    "sizeRelV",
];

/// What an element means for the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Begins and ends a line.
    Block,
    /// Stands inside a line.
    Inline,
    /// Holds text that goes on in the line.
    Run,
    /// Holds text that stands apart: deletions, ruby, field codes.
    Apart,
    /// Formatting, which holds no text.
    Properties,
    Table,
    Row(usize),
    Cell(usize),
    /// A number that is not content.
    Number,
    /// Anything else: text in it is a line of its own.
    Leaf,
}

/// Reads one part; the files encoded in its text are given back.
pub(super) fn read(path: &str, role: Role, part: &str, budget: &mut Budget, out: &mut Extracted) -> Vec<Inside> {
    let mut walk = Walk {
        grid: Grid::new(budget),
        apart: String::new(),
        stack: Vec::new(),
        silent: 0,
        aside: 0,
        in_leaf: false,
        broken: false,
    };
    walk.walk(part);
    let (apart, broken) = (std::mem::take(&mut walk.apart), walk.broken);
    let inside = walk.grid.finish(path, role, out);
    out.text(path, role, apart);
    if broken {
        out.unread(path, Why::Damaged);
    }
    inside
}

struct Walk<'b> {
    grid: Grid<'b>,
    apart: String,
    stack: Vec<Part>,
    /// Open elements of formatting, and of text that stands apart.
    silent: usize,
    aside: usize,
    /// The line belongs to one leaf and ends with it.
    in_leaf: bool,
    broken: bool,
}

impl Walk<'_> {
    fn walk(&mut self, part: &str) {
        let mut reader = quick_xml::Reader::from_str(part);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        while !self.grid.is_full() {
            match reader.read_event() {
                Ok(Event::Start(element)) => {
                    self.end_leaf();
                    let part = self.start(&element);
                    self.silent += usize::from(part == Part::Properties);
                    self.aside += usize::from(part == Part::Apart);
                    self.stack.push(part);
                    if self.stack.len() > xml::DEEPEST {
                        self.broken = true;
                        break;
                    }
                }
                Ok(Event::Empty(element)) => {
                    self.end_leaf();
                    let part = self.start(&element);
                    self.end(part);
                }
                Ok(Event::End(_)) => {
                    self.end_leaf();
                    if let Some(part) = self.stack.pop() {
                        self.silent -= usize::from(part == Part::Properties);
                        self.aside -= usize::from(part == Part::Apart);
                        self.end(part);
                    }
                }
                Ok(Event::Text(text)) => self.text(&text),
                Ok(Event::CData(text)) => self.text(&text),
                Ok(Event::GeneralRef(reference)) => match xml::reference(&reference) {
                    Some(text) => self.text(&text),
                    None => self.broken = true,
                },
                Ok(Event::Eof) => break,
                Err(_) => {
                    self.broken = true;
                    break;
                }
                Ok(_) => {}
            }
        }
    }

    fn end_leaf(&mut self) {
        if std::mem::take(&mut self.in_leaf) {
            self.grid.line();
        }
    }

    fn start(&mut self, element: &BytesStart<'_>) -> Part {
        let name = element.name();
        let (prefix, local) = split(name.as_ref());
        self.attributes(element);
        if self.silent > 0 {
            if local == "gridSpan"
                && let Some(columns) = xml::attribute(element, "val").and_then(|value| value.parse().ok())
            {
                self.grid.span(columns);
            }
            return Part::Inline;
        }
        let count = |name| xml::attribute(element, name).and_then(|value| value.parse().ok()).unwrap_or(1_usize);
        match (prefix, local) {
            (_, "pPr" | "rPr" | "tblPr" | "tblGrid" | "tcPr" | "trPr" | "sectPr" | "bodyPr" | "tabs" | "lstStyle") => {
                Part::Properties
            }
            ("table", "table") => {
                self.grid.open_table(xml::attribute(element, "name"));
                Part::Table
            }
            (_, "tbl") => {
                self.grid.open_table(None);
                Part::Table
            }
            ("table", "table-row") => Part::Row(count("number-rows-repeated")),
            (_, "tr") => Part::Row(1),
            ("table", "table-cell" | "covered-table-cell") => {
                // Cells that a span covers are written out in OpenDocument, so the span itself adds none.
                self.grid.open_cell(1, 1);
                for name in ["value", "date-value", "string-value", "time-value"] {
                    if let Some(value) = xml::attribute(element, name) {
                        self.grid.fallback(&value);
                    }
                }
                Part::Cell(count("number-columns-repeated"))
            }
            (_, "tc") => {
                // In DrawingML too a covered cell is written out (`hMerge`); in Word `gridSpan` follows in the properties.
                self.grid.open_cell(1, 1);
                Part::Cell(1)
            }
            (_, "p" | "h" | "si" | "comment" | "txbxContent" | "list-item" | "section" | "title" | "sp" | "record") => {
                self.grid.line();
                Part::Block
            }
            (_, "br" | "cr" | "line-break") => {
                self.grid.push("\n");
                Part::Inline
            }
            (_, "tab" | "ptab") => {
                self.grid.push("\t");
                Part::Inline
            }
            ("text", "s") => {
                self.grid.push(" ");
                Part::Inline
            }
            (_, "noBreakHyphen") => {
                self.grid.push("-");
                Part::Inline
            }
            (_, "delText" | "instrText" | "delInstrText" | "rt" | "rPh" | "ruby-text") => Part::Apart,
            ("text", _) | (_, "t" | "span") => Part::Run,
            (_, "property") => {
                self.grid.line();
                if let Some(name) = xml::attribute(element, "name") {
                    self.grid.push(&name);
                    self.grid.push(": ");
                }
                Part::Block
            }
            (
                _,
                "r"
                | "ins"
                | "del"
                | "hyperlink"
                | "smartTag"
                | "sdt"
                | "sdtContent"
                | "fldSimple"
                | "ruby"
                | "rubyBase"
                | "fld"
                | "moveTo"
                | "moveFrom"
                | "bookmarkStart"
                | "bookmarkEnd"
                | "proofErr"
                | "lastRenderedPageBreak"
                | "commentRangeStart"
                | "commentRangeEnd"
                | "commentReference"
                | "annotation-end"
                | "softHyphen"
                | "fldChar"
                | "customXml"
                | "dir"
                | "bdo"
                | "endParaRPr"
                | "permStart"
                | "permEnd"
                | "footnoteReference"
                | "endnoteReference",
            ) => Part::Inline,
            (_, local) if NUMBERS.binary_search(&local).is_ok() => Part::Number,
            _ => Part::Leaf,
        }
    }

    fn end(&mut self, part: Part) {
        match part {
            Part::Block => self.grid.line(),
            Part::Table => self.grid.close_table(),
            Part::Row(repeated) => self.grid.close_row(repeated),
            Part::Cell(repeated) => self.grid.close_cell(repeated),
            Part::Apart => self.apart.push('\n'),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let text = shared_strings::unescaped(text);
        if self.aside > 0 {
            self.apart.push_str(&text);
            return;
        }
        match self.stack.last() {
            Some(Part::Number | Part::Properties) => {}
            Some(Part::Run) => self.grid.push(&text),
            // White space between elements is layout of the XML itself.
            _ if text.trim().is_empty() && !self.in_leaf => {}
            Some(Part::Block | Part::Inline) => self.grid.push_collapsed(&text),
            _ => {
                if !self.in_leaf {
                    self.grid.line();
                }
                self.in_leaf = true;
                self.grid.push(&text);
            }
        }
    }

    fn attributes(&mut self, element: &BytesStart<'_>) {
        let name = element.name();
        let external = split(name.as_ref()).1 == "Relationship"
            && xml::attribute(element, "TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
        for attribute in element.attributes().with_checks(false).flatten() {
            let text = if external && attribute.key.local_name().as_ref() == "Target" {
                Some(entity::decoded(&attribute.value).into_owned())
            } else {
                attribute_text(name.as_ref(), attribute.key.as_ref(), &attribute.value)
            };
            if let Some(text) = text {
                self.apart.push_str(&text);
                self.apart.push('\n');
            }
        }
    }
}

/// Prefix and local name.
fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// The text an attribute holds, for those that hold text people wrote.
pub(super) fn attribute_text(element: &str, attribute: &str, raw: &str) -> Option<String> {
    let (_, element) = split(element);
    let (_, attribute) = split(attribute);
    let wanted = match attribute {
        "descr" | "alt" | "tooltip" | "display" | "prompt" | "promptTitle" | "errorTitle" | "instr" | "displayText"
        | "displayName" | "caption" | "href" | "title" => true,
        "error" => element == "dataValidation",
        "string" => element == "textpath",
        "text" => element == "cfRule",
        "author" => element == "comment",
        "location" => element == "hyperlink",
        "name" => {
            matches!(element, "cacheField" | "tableColumn" | "docVar" | "sheet" | "table" | "label")
        }
        "val" => matches!(
            element,
            "docVar" | "alias" | "tag" | "default" | "statusText" | "helpText" | "listItem" | "sheetName"
        ),
        "v" => matches!(element, "s" | "n" | "d"),
        _ => false,
    };
    let text = wanted.then(|| shared_strings::unescaped(&entity::decoded(raw)).into_owned())?;
    (!text.trim().is_empty() && !text.starts_with('#')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Content;
    use crate::limits::Limits;

    fn pieces(part: &str) -> (Vec<String>, Vec<Why>) {
        let mut out = Extracted::default();
        read("d", Role::Attachment, part, &mut Budget::new(&Limits::default()), &mut out);
        let show = |content: &Content| match content {
            Content::Text(text) => text.trim().to_owned(),
            Content::Table(table) => {
                table.rows().map(|row| row.cells().collect::<Vec<_>>().join("|")).collect::<Vec<_>>().join("/")
            }
        };
        (
            out.pieces.iter().map(|piece| show(&piece.content)).collect(),
            out.unreadable.iter().map(|unreadable| unreadable.why).collect(),
        )
    }

    #[test]
    fn runs_join_paragraphs_part_and_asides_stand_apart() {
        for (part, expected) in [
            (
                "<w:p><w:r><w:t>090</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:noBreakHyphen/><w:t>1234</w:t></w:r></w:p>",
                vec!["090-1234"],
            ),
            (
                "<w:p><w:r><w:t>一</w:t></w:r></w:p><w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>二</w:t></w:r></w:p>",
                vec!["一\n二"],
            ),
            (
                "<w:p><w:r><w:t>残</w:t></w:r><w:del><w:r><w:delText>削除</w:delText></w:r></w:del><w:r><w:t>り</w:t></w:r></w:p>",
                vec!["残り", "削除"],
            ),
            (
                "<w:ruby><w:rt><w:r><w:t>やまだ</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>山田</w:t></w:r></w:rubyBase></w:ruby>",
                vec!["山田", "やまだ"],
            ),
            ("<text:p>a<text:s/>b<text:span>c</text:span>\n d</text:p>", vec!["a bc d"]),
            (
                "<wp:docPr id='1' name='図' descr='社外秘の図'/><wp:posOffset>123456789012</wp:posOffset>",
                vec!["社外秘の図"],
            ),
            (
                "<property name='MSIP_Label_1_Name'><vt:lpwstr>極秘</vt:lpwstr></property>",
                vec!["MSIP_Label_1_Name:\n極秘"],
            ),
            ("<a>x &amp; &#23665;</a>", vec!["x & 山"]),
        ] {
            assert_eq!(pieces(part).0, expected, "{part}");
        }
    }

    #[test]
    fn tables_of_word_and_opendocument_become_rows() {
        let word = "<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr><w:p><w:r><w:t>名簿</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr>\
            <w:tr><w:tc><w:p><w:r><w:t>山田</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>090</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";
        assert_eq!(pieces(word).0, ["名簿||x/山田||090"]);
        let calc = "<table:table table:name='S'><table:table-row table:number-rows-repeated='3'><table:table-cell table:number-columns-repeated='1000'/></table:table-row>\
            <table:table-row><table:table-cell table:number-columns-repeated='2'/><table:table-cell office:value='5'/><table:table-cell><text:p>a</text:p><text:p>b</text:p></table:table-cell></table:table-row>\
            <table:table-row table:number-rows-repeated='1048000'><table:table-cell/></table:table-row></table:table>";
        assert_eq!(pieces(calc).0[0], "///||5|a\nb");
    }

    #[test]
    fn broken_bombed_and_deep_parts_end_and_say_so() {
        let (text, why) = pieces("<w:p><w:t>kept</w:t></w:p><w:p");
        assert_eq!((text[0].as_str(), why), ("kept", vec![Why::Damaged]));
        assert_eq!(pieces("<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;</a>").1, [Why::Damaged]);
        let deep = format!("{}<w:t>deep</w:t>", "<w:tbl><w:tr><w:tc>".repeat(20_000));
        assert_eq!(pieces(&deep).0, ["deep"]);
    }
}
