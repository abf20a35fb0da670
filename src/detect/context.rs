//! The words around a value: labels that lift it, stop words that drop it, and the scan of a text that all detectors of kinds share.
//! It refuses to find values itself; each kind has its own file, with its own words.

use super::number::{self, Chain};
use super::{
    Confidence, Kind, address, archive_password, bank_account, belief, birth_date, confidential_mark, credential,
    credit_card, crime, discipline, drivers_license, employment_insurance, family, grades, health, health_insurance,
    my_number, passport, pension_number, phone, residence_card, resident_record_code, tax, welfare,
};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};
use std::sync::LazyLock;

/// What a known word says about the text beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A label of a kind of number or date.
    Label(Kind),
    /// A word that makes its person sensitive.
    Sensitive(Kind),
    /// The number beside it is of another sort: order, slip, tracking, registration, part number.
    Stop,
    /// The value beside it is an example.
    Sample,
    /// One of the 47 prefectures.
    Prefecture,
    /// A company, office, school.
    Organisation,
    /// A department or a business contact.
    Business,
    /// A confidential mark; the number is its rank in `confidential_mark::MARKS`.
    Mark(u8),
    /// A label of a password.
    Password,
    /// A label of an account name.
    Account,
    /// Words of a protected attachment.
    Archive,
    /// Words of a web meeting or a wireless network, whose pass codes are no accounts.
    Meeting,
    /// The known prefix of a key or token.
    Secret,
}

/// A known word in a text.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    pub start: usize,
    pub end: usize,
    pub word: Word,
}

/// What a found value says about the person beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Identifies a person by itself (My Number, licence).
    Identifier,
    /// Belongs to a private person (address, mobile number, birth date, account).
    Personal,
    /// As often belongs to an office (fixed telephone, mail address).
    Soft,
    /// Says nothing about a person.
    None,
}

/// A value found in a text.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    pub kind: Kind,
    pub confidence: Confidence,
    pub weight: Weight,
    /// Hash of the normalised value.
    pub hash: u64,
    pub start: usize,
    pub end: usize,
}

/// A folded text with its digit chains and known words.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'t> {
    pub text: &'t str,
    pub chains: &'t [Chain],
    pub words: &'t [Hit],
}

/// Reused buffers of a scan.
#[derive(Debug, Default)]
pub struct Buffers {
    chains: Vec<Chain>,
    words: Vec<Hit>,
}

impl Buffers {
    /// Scans folded text once for digit chains and known words.
    pub fn scan<'t>(&'t mut self, text: &'t str) -> Scan<'t> {
        number::chains(text, &mut self.chains);
        self.words.clear();
        let dictionary = &*DICTIONARY;
        for found in dictionary.automaton.find_iter(text) {
            let word = dictionary.words[found.pattern().as_usize()];
            if bounded(text, found.start(), found.end()) {
                self.words.push(Hit { start: found.start(), end: found.end(), word });
            }
        }
        Scan { text, chains: &self.chains, words: &self.words }
    }
}

impl Scan<'_> {
    /// Does a word of this class end before `at`, at most `window` bytes away, with nothing else of interest asked?
    #[must_use]
    pub fn before(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let end = self.words.partition_point(|hit| hit.start < at);
        self.words[..end].iter().rev().take_while(|hit| hit.end + window >= at).any(|hit| wanted(hit.word))
    }

    /// Does a word of this class start behind `at`, at most `window` bytes away?
    #[must_use]
    pub fn behind(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let start = self.words.partition_point(|hit| hit.start < at);
        self.words[start..].iter().take_while(|hit| hit.start <= at + window).any(|hit| wanted(hit.word))
    }

    /// The bounds of the line that holds a position.
    #[must_use]
    pub fn line(&self, at: usize) -> (usize, usize) {
        let start = memchr::memrchr(b'\n', &self.text.as_bytes()[..at]).map_or(0, |found| found + 1);
        let end = memchr::memchr(b'\n', &self.text.as_bytes()[at..]).map_or(self.text.len(), |found| at + found);
        (start, end)
    }

    /// Is a word of this class on the same line before `at` (within `window` bytes)?
    #[must_use]
    pub fn before_in_line(&self, at: usize, window: usize, wanted: impl Fn(Word) -> bool) -> bool {
        let (start, _) = self.line(at);
        self.before(at, window.min(at - start), wanted)
    }

    /// Is the number at `at` an order, slip, part number, or an example?
    #[must_use]
    pub fn stopped(&self, at: usize) -> bool {
        let (start, _) = self.line(at);
        let end = self.words.partition_point(|hit| hit.start < at);
        self.words[..end]
            .iter()
            .rev()
            .take_while(|hit| hit.end + 60 >= at && hit.start >= start)
            .find(|hit| matches!(hit.word, Word::Stop | Word::Sample | Word::Label(_)))
            .is_some_and(|hit| matches!(hit.word, Word::Stop | Word::Sample))
    }
}

/// Latin words must stand alone (`tel` is not in `hotel`); Japanese words have no such bounds.
fn bounded(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    !(letter(start) && start > 0 && letter(start - 1))
        && !(letter(end - 1) && letter(end) && !prefix(&bytes[start..end]))
}

/// Token prefixes go on with letters.
fn prefix(word: &[u8]) -> bool {
    matches!(word.last(), Some(b'_' | b'-')) || word == b"AKIA" || word == b"ASIA" || word == b"AIza"
}

struct Dictionary {
    automaton: AhoCorasick,
    words: Vec<Word>,
}

/// Numbers beside these words are no personal numbers.
const STOP: &[&str] = &[
    "注文番号",
    "注文no",
    "ご注文",
    "受注番号",
    "発注番号",
    "伝票番号",
    "伝票no",
    "送り状",
    "追跡番号",
    "お問い合わせ番号",
    "お問合せ番号",
    "問い合わせ番号",
    "問合せ番号",
    "お問い合せ番号",
    "荷物番号",
    "登録番号",
    "法人番号",
    "インボイス",
    "請求書番号",
    "請求番号",
    "見積番号",
    "納品書番号",
    "受付番号",
    "管理番号",
    "整理番号",
    "品番",
    "型番",
    "商品コード",
    "商品番号",
    "製品番号",
    "製造番号",
    "シリアル",
    "jan",
    "janコード",
    "isbn",
    "issn",
    "ean",
    "sku",
    "order",
    "order no",
    "order number",
    "invoice",
    "tracking",
    "tracking number",
    "serial",
    "part no",
    "part number",
    "product",
    "model",
    "契約番号",
    "取引番号",
    "取引id",
    "決済番号",
    "承認番号",
    "予約番号",
    "ミーティングid",
    "会議id",
    "meeting id",
    "webinar id",
    "案件番号",
    "チケット",
    "ticket",
    "case",
    "バージョン",
    "version",
    "ロット",
    "lot",
    "識別番号",
    "文書番号",
    "告示",
    "条例",
    "資産番号",
    "機器番号",
    "郵便追跡",
    "問合番号",
    "配送番号",
    "伝票",
    "uuid",
    "request id",
    "trace",
    "pid",
];

/// Values beside these words are examples.
const SAMPLE: &[&str] = &[
    "記入例",
    "記載例",
    "入力例",
    "サンプル",
    "見本",
    "ダミー",
    "テストカード",
    "テスト番号",
    "テスト用",
    "架空",
    "sample",
    "dummy",
    "example",
    "test card",
    "test number",
    "(例)",
    "例:",
    "例)",
    "例えば",
];

const ORGANISATION: &[&str] = &[
    "株式会社",
    "有限会社",
    "合同会社",
    "合資会社",
    "(株)",
    "(有)",
    "財団法人",
    "社団法人",
    "医療法人",
    "学校法人",
    "社会福祉法人",
    "独立行政法人",
    "行政書士法人",
    "税理士法人",
    "弁護士法人",
    "監査法人",
    "npo法人",
    "協同組合",
    "法律事務所",
    "会計事務所",
    "事務所",
    "市役所",
    "区役所",
    "町役場",
    "村役場",
    "県庁",
    "都庁",
    "府庁",
    "市教育委員会",
    "教育委員会",
    "商工会議所",
    "大学",
    "研究所",
    "inc",
    "inc.",
    "co., ltd",
    "co.,ltd",
    "corporation",
    "corp.",
    "ltd",
    "llc",
    "gmbh",
    "company",
    "university",
];

const BUSINESS: &[&str] = &[
    "営業部",
    "総務部",
    "人事部",
    "経理部",
    "開発部",
    "企画部",
    "営業課",
    "総務課",
    "人事課",
    "経理課",
    "企画課",
    "広報課",
    "事業部",
    "推進課",
    "推進室",
    "センター",
    "グループ",
    "部署",
    "本社",
    "支社",
    "営業所",
    "fax",
    "ファックス",
    "ファクス",
    "内線",
    "代表電話",
    "(代表)",
    "(代)",
    "直通",
    "http",
    "https",
    "www.",
    "お問い合わせ先",
    "お問合せ先",
    "問い合わせ先",
    "問合せ先",
    "問合先",
    "お問い合わせ",
    "お問合せ",
    "連絡先",
    "窓口",
    "担当者",
    "担当",
    "代表者",
    "代表取締役",
    "責任者",
    "講師",
    "主催",
    "会場",
    "事務局",
    "編集部",
    "発行",
    "取締役",
    "部長",
    "課長",
    "係長",
    "店長",
    "支店長",
    "フリーダイヤル",
    "department",
    "office",
    "division",
    "manager",
    "director",
    "受付時間",
    "営業時間",
];

const PREFECTURES: &[&str] = &[
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let mut patterns: Vec<String> = Vec::new();
    let mut words = Vec::new();
    let mut add = |list: &[&str], word: Word| {
        for entry in list {
            patterns.push((*entry).to_owned());
            words.push(word);
        }
    };
    for (kind, list) in [
        (Kind::MyNumber, my_number::LABELS),
        (Kind::DriversLicense, drivers_license::LABELS),
        (Kind::HealthInsurance, health_insurance::LABELS),
        (Kind::PensionNumber, pension_number::LABELS),
        (Kind::EmploymentInsurance, employment_insurance::LABELS),
        (Kind::ResidentRecordCode, resident_record_code::LABELS),
        (Kind::Passport, passport::LABELS),
        (Kind::ResidenceCard, residence_card::LABELS),
        (Kind::BankAccount, bank_account::LABELS),
        (Kind::BankAccount, bank_account::BANKS),
        (Kind::CreditCard, credit_card::LABELS),
        (Kind::BirthDate, birth_date::LABELS),
        (Kind::Address, address::LABELS),
        (Kind::Phone, phone::LABELS),
    ] {
        add(list, Word::Label(kind));
    }
    for (kind, list) in [
        (Kind::Health, health::WORDS),
        (Kind::Welfare, welfare::WORDS),
        (Kind::Grades, grades::WORDS),
        (Kind::Discipline, discipline::WORDS),
        (Kind::Tax, tax::WORDS),
        (Kind::Crime, crime::WORDS),
        (Kind::Belief, belief::WORDS),
        (Kind::Family, family::WORDS),
    ] {
        add(list, Word::Sensitive(kind));
    }
    for (rank, (mark, _)) in confidential_mark::MARKS.iter().enumerate() {
        add(&[*mark], Word::Mark(u8::try_from(rank).unwrap_or(u8::MAX)));
    }
    add(credential::PASSWORD_LABELS, Word::Password);
    add(credential::ACCOUNT_LABELS, Word::Account);
    add(credential::SECRET_PREFIXES, Word::Secret);
    add(credential::MEETING, Word::Meeting);
    add(archive_password::WORDS, Word::Archive);
    add(STOP, Word::Stop);
    add(SAMPLE, Word::Sample);
    add(PREFECTURES, Word::Prefecture);
    add(ORGANISATION, Word::Organisation);
    add(BUSINESS, Word::Business);
    let automaton = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(&patterns)
        .unwrap_or_else(|error| unreachable!("the word list is fixed and small enough to build: {error}"));
    Dictionary { automaton, words }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_builds_and_finds_whole_words() {
        let mut buffers = Buffers::default();
        let scan = buffers.scan("マイナンバー 1234 hotel TEL 03");
        assert!(scan.words.iter().any(|hit| hit.word == Word::Label(Kind::MyNumber)));
        assert_eq!(scan.words.iter().filter(|hit| hit.word == Word::Label(Kind::Phone)).count(), 1);
        assert!(scan.before(20, 60, |word| word == Word::Label(Kind::MyNumber)));
    }
}
