//! Whether a file's name claims something its content is not.
//! It refuses to cry wolf: names that programs really give (an HTML table called `.xls`, a PNG called `.jpg`) are no disguise.

use super::kind::Kind;

/// Characters that reverse how a name is shown, so that `cod.xslx` looks like `xlsx.doc` (UAX #9 2.2).
const REVERSALS: [char; 4] = ['\u{202D}', '\u{202E}', '\u{2066}', '\u{2067}'];

/// The lower-case extension of a file name, or nothing.
pub(super) fn extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name = name.trim_end_matches(['.', ' ', '\u{3000}', '\0']);
    name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default()
}

/// Does any reading of the name claim a kind that the content is not?
pub(super) fn is_disguised(kind: Kind, names: &[String]) -> bool {
    !matches!(kind, Kind::Empty | Kind::Encrypted)
        && names.iter().any(|name| name.contains(REVERSALS) || contradicts(&extension(name), kind))
}

/// Is this the extension of a compressed single file, which falls off when it is unpacked?
pub(super) fn is_compressor(extension: &str) -> bool {
    ["gz", "bz2", "xz", "zst"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Is it a kind behind which an archive may hide, since its readers ignore what follows?
pub(super) fn can_hide_an_archive(kind: Kind) -> bool {
    kind.is_image()
        || kind.is_text()
        || matches!(kind, Kind::Pdf | Kind::Audio | Kind::Video | Kind::Font | Kind::Binary)
}

/// Does this extension claim another kind? Unknown extensions, and ones that mean "any data", claim nothing.
fn contradicts(extension: &str, kind: Kind) -> bool {
    let office = kind == Kind::EncryptedOffice;
    let text = kind.is_text();
    let fits = match extension {
        "jpg" | "jpeg" | "jpe" | "jfif" | "png" | "gif" | "bmp" | "tif" | "tiff" | "webp" | "heic" | "heif" | "ico"
        | "emf" | "wmf" | "psd" => kind.is_image(),
        "svg" => kind.is_image() || text,
        "pdf" => kind == Kind::Pdf,
        "doc" | "dot" | "docx" | "docm" | "dotx" => {
            office || text || matches!(kind, Kind::Doc | Kind::Docx | Kind::Docm | Kind::Cfb)
        }
        "xls" | "xlt" => office || text || matches!(kind, Kind::Xls | Kind::Xlsx | Kind::Xlsm | Kind::Xlsb | Kind::Cfb),
        "xlsx" | "xlsm" | "xltx" | "xlsb" => {
            office || matches!(kind, Kind::Xls | Kind::Xlsx | Kind::Xlsm | Kind::Xlsb | Kind::Cfb)
        }
        "ppt" | "pps" | "pptx" | "pptm" | "ppsx" | "potx" => {
            office || matches!(kind, Kind::Ppt | Kind::Pptx | Kind::Pptm | Kind::Cfb)
        }
        "odt" | "ods" | "odp" | "odg" | "ott" | "ots" => kind.is_package() || kind == Kind::Zip,
        "zip" => kind.is_zip(),
        "lzh" | "lha" => kind == Kind::Lzh,
        "rar" => kind == Kind::Rar,
        "7z" => kind == Kind::SevenZip,
        "gz" | "tgz" => kind == Kind::Gzip,
        "bz2" | "tbz" | "tbz2" => kind == Kind::Bzip2,
        "xz" | "txz" => kind == Kind::Xz,
        "zst" | "tzst" => kind == Kind::Zstd,
        "tar" => matches!(kind, Kind::Tar | Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Zstd),
        "cab" => kind == Kind::Cab,
        "iso" => kind == Kind::Iso,
        "exe" | "dll" | "scr" | "com" | "sys" => kind.is_program(),
        "mp3" | "wav" | "m4a" | "aac" | "flac" | "ogg" | "wma" | "mid" | "mp4" | "m4v" | "mov" | "avi" | "wmv"
        | "mpg" | "mpeg" | "mkv" | "webm" | "flv" | "3gp" => matches!(kind, Kind::Audio | Kind::Video | Kind::Binary),
        "ttf" | "otf" | "ttc" | "woff" | "woff2" => kind == Kind::Font,
        "msg" => matches!(kind, Kind::Msg | Kind::Cfb),
        "p7s" => matches!(kind, Kind::P7s | Kind::P7m) || text,
        "p7m" => matches!(kind, Kind::P7s | Kind::P7m | Kind::Eml) || text,
        "txt" | "csv" | "tsv" | "log" | "md" | "json" | "xml" | "html" | "htm" | "mht" | "mhtml" | "eml" | "ics"
        | "vcf" | "rtf" | "ini" | "yaml" | "yml" | "sql" | "js" | "css" | "py" | "sh" | "bat" | "ps1" | "vbs" => {
            text || kind == Kind::Pgp
        }
        _ => true,
    };
    !fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_variation_is_no_disguise_and_a_false_claim_is() {
        for (name, kind, disguised) in [
            ("photo.jpeg", Kind::Jpeg, false),
            ("photo.jpg", Kind::Png, false),
            ("集計.xls", Kind::Html, false),
            ("集計.xls", Kind::Csv, false),
            ("集計.xls", Kind::Xlsx, false),
            ("集計.xlsx", Kind::EncryptedOffice, false),
            ("data.dat", Kind::Csv, false),
            ("data.dat", Kind::Xlsx, false),
            ("page.htm", Kind::Html, false),
            ("noextension", Kind::Zip, false),
            ("名簿.zip", Kind::Docx, false),
            ("photo.jpg", Kind::Zip, true),
            ("photo.jpg", Kind::Csv, true),
            ("memo.txt", Kind::Xlsx, true),
            ("memo.txt", Kind::Exe, true),
            ("memo.log", Kind::Gzip, true),
            ("report.pdf", Kind::Zip, true),
            ("report.pdf .", Kind::Zip, true),
            ("report.xlsx", Kind::Csv, true),
            ("song.mp3", Kind::Rar, true),
            ("memo\u{202E}fdp.exe", Kind::Exe, true),
            ("empty.xlsx", Kind::Empty, false),
        ] {
            assert_eq!(is_disguised(kind, &[name.to_owned()]), disguised, "{name} {kind:?}");
        }
        assert!(is_disguised(Kind::Zip, &["a.zip".to_owned(), "a.jpg".to_owned()]), "the worst reading counts");
    }
}
