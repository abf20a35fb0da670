//! The letter to administrators about a certificate that runs out.
//! It refuses to say it in terms of the trade alone: what will happen, and what to do.

use super::Language;
use super::when::moment;
use crate::notice::document::Block;
use jiff::tz::TimeZone;

/// A certificate that runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// The names it is for.
    pub names: Vec<String>,
    /// The file it is in.
    pub file: String,
    /// Epoch milliseconds.
    pub until_ms: u64,
    /// Whole days that are left; `None` when its time is over.
    pub days: Option<u64>,
}

/// The subject.
#[must_use]
pub fn subject(language: Language, expiring: &Expiring) -> String {
    match expiring.days {
        Some(0) => language
            .pick("TLS証明書の有効期限まで1日未満です".into(), "The TLS certificate expires within a day".into()),
        Some(days) => language.pick(
            format!("TLS証明書の有効期限まであと{days}日です"),
            format!("The TLS certificate expires in {days} days"),
        ),
        None => language.pick("TLS証明書の有効期限が切れています".into(), "The TLS certificate has expired".into()),
    }
}

/// The content.
#[must_use]
pub fn letter(language: Language, expiring: &Expiring, zone: &TimeZone) -> Vec<Block> {
    let fields = [
        (language.pick("対象の名前", "Names"), expiring.names.join(", ")),
        (language.pick("ファイル", "File"), expiring.file.clone()),
        (language.pick("有効期限", "Valid until"), moment(language, expiring.until_ms, zone)),
    ];
    vec![
        Block::Lead(subject(language, expiring)),
        Block::Text(
            language
                .pick(
                    "期限を過ぎると、メールサーバーや職員のパソコンがこのサーバーにつながらなくなり、メールを送信できなくなるおそれがあります。",
                    "After that time mail servers and people's computers may refuse to connect to this guard, and mail may not be sent.",
                )
                .to_owned(),
        ),
        Block::Fields(fields.map(|(name, value)| (name.to_owned(), value)).to_vec()),
        Block::Text(
            language
                .pick(
                    "新しい証明書と鍵を同じ場所に置いてください。再起動なしで数秒以内に切り替わります。置いた後は「sekisho certs show」で確認できます。",
                    "Please put a new certificate and its key in the same place; they are used within seconds, without a restart. \
                     `sekisho certs show` says whether they fit.",
                )
                .to_owned(),
        ),
    ]
}
