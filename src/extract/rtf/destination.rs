//! Where the text of an RTF group goes, by the control word that opens it (Rich Text Format 1.9.1, "Destinations").
//! It refuses to drop a group it does not know: only those that the specification fills with data instead of text are skipped.

/// Where text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Destination {
    /// The running text, with its tables.
    #[default]
    Main,
    /// Page headers and footers, document properties.
    Property,
    /// Footnotes, comments, text boxes.
    Note,
    /// What nobody sees: field instructions, unknown groups.
    Beside,
    /// Data without text.
    Nothing,
    Fonts,
    /// The bytes of a picture.
    Picture,
    /// The bytes of an embedded object.
    Object,
    /// Markup of HTML that was turned into RTF (MS-OXRTFEX 2.1.3.1.4).
    Markup,
    /// Name and value of a drawing's property.
    ShapeName,
    ShapeValue,
}

/// The destination that a control word opens; `None` when it opens none.
pub(super) fn of(word: &str) -> Option<Destination> {
    Some(match word {
        "fonttbl" => Destination::Fonts,
        "pict" => Destination::Picture,
        "objdata" => Destination::Object,
        "htmltag" => Destination::Markup,
        "sn" => Destination::ShapeName,
        "sv" => Destination::ShapeValue,
        "header" | "headerl" | "headerr" | "headerf" | "footer" | "footerl" | "footerr" | "footerf" | "info"
        | "title" | "subject" | "author" | "manager" | "company" | "operator" | "category" | "keywords" | "comment"
        | "doccomm" | "hlinkbase" | "userprops" | "propname" | "staticval" | "linkval" | "revtbl" | "docvar" => {
            Destination::Property
        }
        "footnote" | "annotation" | "atnid" | "atnauthor" | "shptxt" | "dptxbxtext" => Destination::Note,
        "fldinst" | "bkmkstart" | "objclass" | "objname" | "objalias" | "objsect" | "filetbl" | "template" | "xe"
        | "tc" | "rxe" | "txe" | "formfield" | "ffname" | "ffdeftext" | "fftext" | "ffhelptext" | "ffstattext"
        | "ffl" => Destination::Beside,
        "colortbl" | "stylesheet" | "listtable" | "listoverridetable" | "rsidtbl" | "themedata"
        | "colorschememapping" | "latentstyles" | "datastore" | "blipuid" | "bliptag" | "panose" | "falt"
        | "fontemb" | "fontfile" | "mmathPr" | "xmlnstbl" | "wgrffmtfilter" | "generator" | "pgptbl" | "pgdsctbl"
        | "pgdscnxt" | "pntxta" | "pntxtb" | "pnseclvl" | "nonshppict" | "bkmkend" | "atrfstart" | "atrfend"
        | "atnref" | "atndate" | "atnparent" | "atntime" | "ftnsep" | "ftnsepc" | "ftncn" | "aftnsep" | "aftnsepc"
        | "aftncn" | "mhtmltag" | "listpicture" | "fchars" | "lchars" | "passwordhash" | "protusertbl" | "listname"
        | "oleclsid" | "defchp" | "defpap" | "picprop" | "macpict" | "objtime" => Destination::Nothing,
        _ => return None,
    })
}

/// Starred groups whose text is the running text, or that only hold other groups.
pub(super) fn is_transparent(word: &str) -> bool {
    matches!(
        word,
        "shppict"
            | "shpinst"
            | "shpgrp"
            | "shprslt"
            | "do"
            | "pn"
            | "ud"
            | "upr"
            | "cs"
            | "ts"
            | "tsrowd"
            | "nesttableprops"
            | "nonesttables"
            | "rtf"
            | "sp"
            | "shp"
            | "background"
            | "field"
            | "fldrslt"
            | "object"
            | "result"
            | "hl"
            | "hlsrc"
            | "hlfr"
            | "hlloc"
            | "moveto"
            | "movefrom"
            | "mvfmf"
            | "mvtof"
    )
}

/// Properties of drawings that hold text: the others are numbers (MS-ODRAW 2.3).
pub(super) fn is_shown(property: &str) -> bool {
    matches!(
        property.trim(),
        "wzDescription" | "wzName" | "wzTooltip" | "gtextUNICODE" | "pihlShape" | "wzScript" | "wzSigSetupSuggSigner"
    )
}
