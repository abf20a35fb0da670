//! Credentials: an account's name with its password, keys and tokens.
//! It refuses to count talk about passwords: without a value there is no credential.
//!
//! *What it finds*: password labels with a value beside an ID, URL or login word; private keys; tokens with known prefixes; URLs with user and password.
//! *Why it matters*: one line of text opened a store of ten thousands of business cards.
//! *Form and check digit (with source)*: labels with any separator; token prefixes as published by their services.
//! *What lifts it*: an ID with value nearby makes it certain.
//! *What it must not take*: rules about passwords, blanks and placeholders, pass codes of web meetings, archive passwords, program code that names a variable.
//! *Examples*: `ID：tanaka01 / パスワード：Meishi2023` certain; `パスワードは8文字以上` nothing.

mod value;

use super::context::{Scan, Word};
use super::{Confidence, Kind, hash};
use value::{Joined, value};

/// Labels of a password.
pub const PASSWORD_LABELS: &[&str] = &[
    "パスワード",
    "ぱすわーど",
    "初期パスワード",
    "仮パスワード",
    "ログインパスワード",
    "passwd",
    "password",
    "pass word",
    "pass",
    "pwd",
    "pw",
    "passcode",
    "パスコード",
    "暗証番号",
    "パスフレーズ",
    "passphrase",
    "パス",
];

/// Labels of an account's name.
pub const ACCOUNT_LABELS: &[&str] = &[
    "ユーザーid",
    "ユーザid",
    "ユーザー名",
    "ユーザ名",
    "ユーザーネーム",
    "ログインid",
    "ログイン名",
    "ログイン",
    "サインイン",
    "アカウント名",
    "アカウントid",
    "アカウント",
    "会員id",
    "利用者id",
    "管理者id",
    "id",
    "user id",
    "userid",
    "user_id",
    "username",
    "user name",
    "user",
    "login id",
    "login",
    "loginid",
    "account",
    "sign in",
];

/// Pass codes beside these words open a meeting or a network and no account.
pub const MEETING: &[&str] = &[
    "zoom",
    "ズーム",
    "webex",
    "teams",
    "google meet",
    "ミーティング",
    "会議",
    "ウェビナー",
    "webinar",
    "meeting",
    "ssid",
    "wi-fi",
    "wifi",
    "無線lan",
    "面接url",
];

/// Beginnings of keys and tokens.
pub const SECRET_PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "sk_live_",
    "rk_live_",
    "glpat-",
    "AIza",
    "npm_",
    "sk-ant-",
    "hf_",
    "-----begin",
];

/// Values that are no values.
const PLACEHOLDERS: &[&str] = &[
    "password",
    "passwd",
    "pass",
    "required",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "string",
    "text",
    "yes",
    "your_password",
    "yourpassword",
    "your-password",
    "changeme",
    "secret",
    "example",
    "hidden",
    "masked",
    "n/a",
    "tbd",
    "optional",
    "undefined",
    "input",
    "value",
    "reset",
    "policy",
    "protected",
    "must",
    "should",
    "here",
    "username",
    "user",
    "redacted",
    "empty",
    "default",
    "****",
    "xxxx",
    "unchanged",
    "http",
    "https",
    "hash",
    "field",
    "change",
    "expired",
    "invalid",
    "incorrect",
    "manager",
    "login",
    "enter",
];

/// A credential or an archive password in a text.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// [`Kind::Credential`] or [`Kind::ArchivePassword`].
    pub kind: Kind,
    pub confidence: Confidence,
    /// Hash of the account, or of the value where there is no account.
    pub hash: u64,
    /// The value.
    pub start: usize,
    pub end: usize,
}

/// Octets of a value, account or token that are looked at: more are none, but a line of filler may be one run of millions.
const LONGEST: usize = 1_000;

/// Does a text look like something that somebody types as a password?
#[must_use]
pub fn passwordish(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let first = value.chars().next();
    value.len() >= 4
        && value.len() <= 64
        && !value.chars().all(|char| Some(char) == first)
        && !PLACEHOLDERS.iter().any(|word| lower == *word)
        && !lower.starts_with("xxx")
        && !lower.contains("://")
        && !value.starts_with(['$', '{', '%', '(', '&'])
        && !value.contains("**")
        && !value.contains("()")
        && !value.chars().all(|char| char.is_ascii_punctuation())
}

/// Letters with digits or signs, or both cases: no word of a language.
#[must_use]
pub fn strong(value: &str) -> bool {
    let has = |test: fn(&char) -> bool| value.chars().any(|char| test(&char));
    let classes = usize::from(has(char::is_ascii_lowercase))
        + usize::from(has(char::is_ascii_uppercase))
        + usize::from(has(char::is_ascii_digit))
        + usize::from(value.chars().any(|char| "!@#$%^&*-_+?=~".contains(char)));
    let letters_and_digits = has(char::is_ascii_digit) && value.chars().any(|char| char.is_ascii_alphabetic());
    value.len() >= 5 && classes >= 2 && (letters_and_digits || (classes >= 3))
}

/// Is the value an expression of a programming language?
fn code(value: &str) -> bool {
    value.contains('(')
        || value.contains("::")
        || value.ends_with(';')
        || value.contains('[')
        || ["os.", "env.", "process.", "self.", "this.", "config.", "settings.", "args.", "req.", "request."]
            .iter()
            .any(|lead| value.starts_with(lead))
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Found>) {
    for (index, hit) in scan.words.iter().enumerate() {
        match hit.word {
            Word::Password => {
                if let Some(found) = labelled(scan, index) {
                    out.push(found);
                }
            }
            Word::Secret => {
                if let Some(found) = secret(scan.text, hit.start) {
                    out.push(found);
                }
            }
            _ => {}
        }
    }
    for at in memchr::memmem::find_iter(scan.text.as_bytes(), b"://") {
        if let Some(found) = user_info(scan.text, at + 3) {
            out.push(found);
        }
    }
}

fn labelled(scan: &Scan<'_>, index: usize) -> Option<Found> {
    let hit = scan.words[index];
    let text = scan.text;
    let latin = text[hit.start..hit.end].is_ascii();
    let (mut start, mut end, joined) = value(text, hit.end)?;
    let mut account = account_near(scan, index);
    // `ID/PW: tanaka01 / Meishi2023`
    let combined = index > 0
        && scan.words[index - 1].word == Word::Account
        && text[scan.words[index - 1].end..hit.start].chars().all(|char| "/・&＆と,、 とび及".contains(char))
        && scan.words[index - 1].end < hit.start;
    if combined {
        let both = &text[start..end];
        if let Some((id, password)) =
            both.split_once('/').filter(|(id, password)| !id.is_empty() && !password.is_empty())
        {
            account = Some(hash::of(id));
            start = end - password.len();
        } else {
            let skipped = text[end..].trim_start_matches([' ', '　', '/', ',', '、', '|', '・']);
            let next = text.len() - skipped.len();
            let len = skipped.bytes().take(LONGEST).take_while(u8::is_ascii_graphic).count();
            if next > end && len > 0 {
                account = Some(hash::of(both));
                (start, end) = (next, next + len);
            }
        }
    }
    let password = &text[start..end];
    // `ID eigyo07` and `PW Meishi2023` on lines of their own: labels set apart by a blank alone.
    let lined = account.is_some()
        && strong(password)
        && text[..hit.start].trim_end_matches([' ', '\t']).ends_with(['\n', '/', '、']);
    if !passwordish(password) || (joined == Joined::Blank && latin && !combined && !lined) {
        return None;
    }
    // A value that goes on in Japanese letters is a sentence (`8文字以上`), unless です ends it.
    let after = text[end..].chars().next();
    if after.is_some_and(|char| char.is_alphabetic() && !char.is_ascii())
        && !["です", "で", "に", "を", "と", "にて", "となり", "になり", "でお"]
            .iter()
            .any(|tail| text[end..].starts_with(tail))
    {
        return None;
    }
    let quoted = text[..start].ends_with(['"', '\'', '「', '『', '`']);
    let strong = strong(password);
    let digits = password.bytes().all(|byte| byte.is_ascii_digit());
    if code(password) && !quoted && latin {
        return None;
    }
    if latin && !strong && !(account.is_some() && (digits || quoted) && joined == Joined::Sign) {
        return None;
    }
    if !latin && !strong && joined == Joined::Blank && account.is_none() {
        return None;
    }
    let near = |wanted: Word| {
        scan.before(hit.start, 400, |word| word == wanted) || scan.behind(end, 240, |word| word == wanted)
    };
    if near(Word::Meeting) && account.is_none() {
        return None;
    }
    if scan.before_in_line(hit.start, 60, |word| word == Word::Sample) {
        return None;
    }
    let login = scan.before(hit.start, 400, |word| word == Word::Account)
        || scan.behind(end, 120, |word| word == Word::Account)
        || text[floor(text, hit.start.saturating_sub(400))..hit.start].contains("://");
    let (kind, confidence) = match (account, login, near(Word::Archive)) {
        (Some(_), ..) => (Kind::Credential, Confidence::Certain),
        (None, _, true) => (Kind::ArchivePassword, Confidence::Likely),
        (None, true, false) if strong || !latin => (Kind::Credential, Confidence::Likely),
        (None, false, false) if latin && strong && joined == Joined::Sign && quoted => {
            (Kind::Credential, Confidence::Likely)
        }
        (None, false, false) => (Kind::ArchivePassword, Confidence::Weak),
        _ => return None,
    };
    Some(Found { kind, confidence, hash: account.unwrap_or_else(|| hash::of(password)), start, end })
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The account's name beside a password label: the nearest ID label with a value, at most some lines before or behind.
fn account_near(scan: &Scan<'_>, index: usize) -> Option<u64> {
    let hit = scan.words[index];
    let before = scan.words[..index].iter().rev().take_while(|other| other.end + 300 >= hit.start);
    let behind = scan.words[index + 1..].iter().take_while(|other| other.start <= hit.end + 160);
    for other in before.chain(behind).filter(|other| other.word == Word::Account) {
        let between =
            if other.end <= hit.start { &scan.text[other.end..hit.start] } else { &scan.text[hit.end..other.start] };
        if between.bytes().filter(|byte| *byte == b'\n').count() > 3 {
            continue;
        }
        let Some((start, end, joined)) = value(scan.text, other.end) else { continue };
        let id = &scan.text[start..end];
        let latin_word = scan.text[other.start..other.end].is_ascii()
            && !scan.text[other.start..other.end].eq_ignore_ascii_case("id");
        if start == hit.start
            || (start < hit.end && end > hit.start)
            || id.len() < 2
            || (joined == Joined::Blank
                && (latin_word
                    || id.bytes().all(|byte| byte.is_ascii_digit())
                    || !scan.text[other.end..start].contains(['\n', '\t', ' ', '　'])))
            || !id.bytes().any(|byte| byte.is_ascii_alphanumeric())
            || code(id)
            || PLACEHOLDERS.iter().any(|word| id.eq_ignore_ascii_case(word))
            || id.starts_with(['$', '{', '%'])
        {
            continue;
        }
        return Some(hash::of(id));
    }
    None
}

/// A key or token at a known prefix.
fn secret(text: &str, start: usize) -> Option<Found> {
    let rest = &text[start..];
    let found = |end: usize| Found {
        kind: Kind::Credential,
        confidence: Confidence::Certain,
        hash: hash::of(&text[start..end]),
        start,
        end,
    };
    if rest.get(..10).is_some_and(|head| head.eq_ignore_ascii_case("-----begin")) {
        let head = rest.get(10..)?.lines().next()?;
        let body: usize = rest.lines().skip(1).take(4).map(|line| line.trim().len()).sum();
        return (head.contains("PRIVATE KEY") && body >= 40).then(|| found(start + 10 + head.len()));
    }
    let (least, prefix) = [
        (40, "ghp_"),
        (40, "gho_"),
        (40, "ghs_"),
        (40, "ghu_"),
        (50, "github_pat_"),
        (20, "AKIA"),
        (20, "ASIA"),
        (24, "xoxb-"),
        (24, "xoxp-"),
        (24, "xoxa-"),
        (24, "sk_live_"),
        (24, "rk_live_"),
        (26, "glpat-"),
        (39, "AIza"),
        (40, "npm_"),
        (40, "sk-ant-"),
        (37, "hf_"),
    ]
    .into_iter()
    .find(|(_, prefix)| rest.starts_with(prefix))?;
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let token = &rest[..rest.bytes().take(LONGEST).take_while(of_token).count()];
    let body = &token[prefix.len()..];
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    let upper = token.to_ascii_uppercase();
    (token.len() >= least
        && digits >= 1
        && digits < body.len()
        && !upper.contains("EXAMPLE")
        && !upper.contains("XXXX")
        && !upper.contains("00000000"))
    .then(|| found(start + token.len()))
}

/// `https://user:password@host`.
fn user_info(text: &str, start: usize) -> Option<Found> {
    let rest = &text[start..];
    let authority = &rest[..rest
        .bytes()
        .take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>'))
        .count()];
    let (user_info, host) = authority.rsplit_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    (host.contains('.')
        && !user.is_empty()
        && passwordish(password)
        && !user.starts_with(['$', '{'])
        && !password.contains(['{', '$']))
    .then(|| Found {
        kind: Kind::Credential,
        confidence: if strong(password) { Confidence::Certain } else { Confidence::Likely },
        hash: hash::of(user),
        start: start + user.len() + 1,
        end: start + user_info.len(),
    })
}
