//! What a file is, judged by its content alone: magic numbers, then the structure inside zip and compound files, then how text begins.
//! It refuses to believe a name or a declared type; those are compared with the answer in `disguise`.

mod compound;
mod magic;
mod package;
mod prose;
mod sealed;

macro_rules! kinds {
    ($($(#[$note:meta])* $variant:ident $name:literal),+ $(,)?) => {
        /// The kinds of content that are told apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$note])* $variant),+ }

        impl Kind {
            /// Every kind, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The short name used in rules and facts.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

kinds! {
    /// No bytes at all.
    Empty "empty",
    Text "text", Csv "csv", Html "html", Xml "xml", Json "json", Svg "svg",
    /// RFC 5545.
    Ics "ics",
    /// RFC 6350 and its forerunners.
    Vcf "vcf",
    /// RFC 5322, MHTML included.
    Eml "eml",
    Script "script", Rtf "rtf", Pdf "pdf",
    Jpeg "jpeg", Png "png", Gif "gif", Bmp "bmp", Tiff "tiff", Webp "webp", Heic "heic", Ico "ico", Psd "psd",
    /// Windows metafiles (MS-EMF, MS-WMF).
    Emf "emf",
    Audio "audio", Video "video", Font "font",
    Zip "zip", Jar "jar", Rar "rar", SevenZip "7z", Lzh "lzh", Gzip "gz", Bzip2 "bz2", Xz "xz", Zstd "zst", Tar "tar", Cab "cab",
    Arj "arj", Iso "iso",
    Xlsx "xlsx", Xlsm "xlsm", Xlsb "xlsb", Docx "docx", Docm "docm", Pptx "pptx", Pptm "pptm", Vsdx "vsdx",
    Odt "odt", Ods "ods", Odp "odp", Odg "odg",
    /// Apple's Pages, Numbers and Keynote.
    Iwork "iwork",
    Epub "epub",
    Doc "doc", Xls "xls", Ppt "ppt", Msg "msg",
    /// Ichitaro.
    Jtd "jtd",
    /// A compound file (MS-CFB) of no known program.
    Cfb "cfb",
    /// An Office document under a password or rights management (MS-OFFCRYPTO 2.3, MS-OFFCRYPTO 2.2).
    EncryptedOffice "encrypted_office",
    /// Outlook's `winmail.dat` (MS-OXTNEF).
    Tnef "tnef",
    Exe "exe", Elf "elf", Macho "macho", Lnk "lnk", Class "class",
    /// Encrypted under OpenPGP (RFC 9580).
    Pgp "pgp",
    PgpSignature "pgp_signature",
    /// CMS enveloped or opaque-signed data (RFC 5652, RFC 8551).
    P7m "p7m",
    /// CMS detached signature.
    P7s "p7s",
    Sqlite "sqlite", Mdb "mdb", Pst "pst",
    /// Microsoft OneNote.
    One "one",
    /// DocuWorks.
    Xdw "xdw",
    Dwg "dwg",
    /// An archive entry under a password, whatever it is.
    Encrypted "encrypted",
    /// Bytes of no known kind.
    Binary "binary",
}

impl Kind {
    /// Is it read as text?
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Csv
                | Self::Html
                | Self::Xml
                | Self::Json
                | Self::Svg
                | Self::Ics
                | Self::Vcf
                | Self::Eml
                | Self::Script
                | Self::Rtf
                | Self::PgpSignature
        )
    }

    /// Is it a picture, in which text may stand?
    #[must_use]
    pub fn is_image(self) -> bool {
        matches!(
            self,
            Self::Jpeg
                | Self::Png
                | Self::Gif
                | Self::Bmp
                | Self::Tiff
                | Self::Webp
                | Self::Heic
                | Self::Ico
                | Self::Psd
                | Self::Emf
        )
    }

    /// Is it a document inside a zip (Office Open XML, OpenDocument)?
    #[must_use]
    pub fn is_package(self) -> bool {
        self.is_office_open() || matches!(self, Self::Odt | Self::Ods | Self::Odp | Self::Odg)
    }

    /// Is it Office Open XML (ECMA-376)?
    #[must_use]
    pub fn is_office_open(self) -> bool {
        matches!(
            self,
            Self::Xlsx | Self::Xlsm | Self::Xlsb | Self::Docx | Self::Docm | Self::Pptx | Self::Pptm | Self::Vsdx
        )
    }

    /// Is it any format that is a zip underneath?
    #[must_use]
    pub fn is_zip(self) -> bool {
        self.is_package() || matches!(self, Self::Zip | Self::Jar | Self::Iwork | Self::Epub)
    }

    /// Is it a program?
    #[must_use]
    pub fn is_program(self) -> bool {
        matches!(self, Self::Exe | Self::Elf | Self::Macho | Self::Script | Self::Lnk | Self::Class | Self::Jar)
    }
}

/// What the content says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// The whole content is under a password or key.
    pub encrypted: bool,
    /// It carries macros.
    pub macros: bool,
}

impl From<Kind> for Found {
    fn from(kind: Kind) -> Self {
        Self { kind, encrypted: false, macros: false }
    }
}

/// Says what these bytes are. Text is judged on its first 64 KiB.
#[must_use]
pub fn of(bytes: &[u8]) -> Found {
    if bytes.is_empty() {
        return Kind::Empty.into();
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") || bytes.starts_with(b"PK\x07\x08") {
        return package::of(bytes);
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return compound::of(bytes);
    }
    if let Some(kind) = magic::of(bytes) {
        return Found { kind, encrypted: sealed::is_sealed(kind, bytes), macros: false };
    }
    if let Some(kind) = prose::of(bytes) {
        return Found { kind, encrypted: kind == Kind::Pgp, macros: false };
    }
    // Readers of PDF accept the header anywhere in the first 1024 bytes (ISO 32000-2 annex I).
    if memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"%PDF-").is_some() {
        return Found { kind: Kind::Pdf, encrypted: sealed::is_sealed(Kind::Pdf, bytes), macros: false };
    }
    Kind::Binary.into()
}
