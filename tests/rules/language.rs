//! Every condition of the language with mails for which it holds and mails for which it does not.
//! It refuses a condition in the table of keys that has no case here.

use sekisho::rules::{Sources, compile, keys};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The organisation of these tests.
pub const LISTS: &str = r#"
[lists]
internal   = ["city.example.jp", "*.city.example.jp"]
partners   = ["partner.test"]
webmail    = ["gmail.com", "yahoo.co.jp"]
carrier    = ["docomo.ne.jp"]
isp        = ["nifty.com"]
disposable = ["throwaway.test"]
well-known = ["gmail.com", "docomo.ne.jp"]
board      = ["board.test", "chair@mail.test", "*.board.test"]
projects   = ["関所", '/P-[0-9]{4}/']
offices    = ["192.0.2.0/24"]
"#;

/// A condition, mails that meet it, mails that do not.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (r#"from = "city.example.jp""#, &[r#"from = "a@city.example.jp""#], &[r#"from = "a@sub.city.example.jp""#, ""]),
    (r#"from = ["<>", "@board"]"#, &[r#"from = "<>""#, r#"from = "Chair@mail.test""#], &[r#"from = "a@mail.test""#]),
    (r#"from = "external""#, &[r#"from = "a@mail.test""#], &[r#"from = "a@city.example.jp""#]),
    (r#"login = "scan""#, &[r#"login = "Scanner1""#], &[r#"login = "taro""#, ""]),
    (r"login = '/^taro$/'", &[r#"login = "taro""#], &[r#"login = "taro2""#]),
    (r#"client = "192.0.2.0/24""#, &[r#"client = "192.0.2.9""#], &[r#"client = "198.51.100.1""#]),
    (r#"client = "@offices""#, &[r#"client = "192.0.2.9""#], &[r#"client = "2001:db8::1""#]),
    (
        r#"to = "external""#,
        &[r#"to = ["a@city.example.jp", "b@mail.test"]"#, r#"bcc = "b@mail.test""#],
        &[r#"to = "a@city.example.jp""#, ""],
    ),
    (r#"to = "internal""#, &[r#"to = "a@ka.city.example.jp""#], &[r#"to = "a@mail.test""#]),
    (r#"to = "partner""#, &[r#"to = "a@partner.test""#], &[r#"to = "a@sub.partner.test""#]),
    (r#"to = "webmail""#, &[r#"cc = "a@GMAIL.com""#], &[r#"to = "a@docomo.ne.jp""#]),
    (r#"to = ["carrier", "isp"]"#, &[r#"to = "a@docomo.ne.jp""#, r#"to = "a@nifty.com""#], &[r#"to = "a@gmail.com""#]),
    (r#"to = "personal""#, &[r#"to = "a@docomo.ne.jp""#, r#"to = "a@gmail.com""#], &[r#"to = "a@mail.test""#]),
    (r#"to = "disposable""#, &[r#"to = "a@throwaway.test""#], &[r#"to = "a@mail.test""#]),
    (
        r#"to = "lookalike""#,
        &[r#"to = "a@gmai.com""#, r#"to = "a@docomo.co.jp""#, r#"to = "a@partnre.test""#],
        &[r#"to = "a@gmail.com""#, r#"to = "a@mail.test""#],
    ),
    (r#"to = "@board""#, &[r#"to = "a@x.board.test""#, r#"to = "chair@mail.test""#], &[r#"to = "vice@mail.test""#]),
    (r#"to = "*.mail.test""#, &[r#"to = "a@x.mail.test""#], &[r#"to = "a@mail.test""#]),
    (
        r#"to_all = ["internal", "partner"]"#,
        &[r#"to = ["a@city.example.jp", "b@partner.test"]"#],
        &[r#"to = ["a@city.example.jp", "b@mail.test"]"#, ""],
    ),
    (
        r#"visible = ">= 2""#,
        &[r#"to = "a@mail.test", cc = "b@mail.test""#],
        &[r#"to = ["a@mail.test", "A@MAIL.test"]"#, r#"bcc = "p{1..9}@mail.test""#],
    ),
    (
        r#"visible_external = ">= 10""#,
        &[r#"to = "p{1..10}@mail.test""#],
        &[r#"to = ["p{1..9}@mail.test", "q{1..9}@city.example.jp"]"#],
    ),
    (
        r#"visible_personal = ">= 3""#,
        &[r#"to = ["a@gmail.com", "b@docomo.ne.jp", "c@nifty.com"]"#],
        &[r#"to = ["a@gmail.com", "b@docomo.ne.jp", "c@mail.test"]"#],
    ),
    (
        r#"visible_external_domains = ">= 3""#,
        &[r#"to = ["a@a.test", "a@b.test", "a@c.test"]"#],
        &[r#"to = ["a@a.test", "b@a.test", "a@B.test", "a@b.test", "a@city.example.jp"]"#],
    ),
    (
        r#"recipients = "= 3""#,
        &[r#"to = "a@mail.test", bcc = ["b@mail.test", "c@city.example.jp"]"#],
        &[r#"to = "a@mail.test""#],
    ),
    (
        r#"external_recipients = ">= 2""#,
        &[r#"to = "a@mail.test", bcc = "b@mail.test""#],
        &[r#"to = ["a@mail.test", "b@city.example.jp"]"#],
    ),
    (
        "hidden_only = true",
        &[r#"to = "a@city.example.jp", bcc = "b@mail.test""#],
        &[r#"to = "b@mail.test", bcc = "c@mail.test""#, r#"to = "a@city.example.jp""#],
    ),
    ("hidden_only = false", &[r#"to = "b@mail.test", bcc = "c@mail.test""#], &[r#"bcc = "b@mail.test""#]),
    (
        "first_contact = true",
        &[r#"to = "b@mail.test", first_contact = "b@mail.test""#],
        &[r#"to = "b@mail.test""#, r#"first_contact = "b@city.example.jp""#],
    ),
    ("first_contact = false", &[r#"to = "b@mail.test""#], &[r#"first_contact = "b@mail.test""#]),
    (
        r#"first_contact = ">= 2""#,
        &[r#"first_contact = ["a@mail.test", "b@mail.test"]"#],
        &[r#"first_contact = "a@mail.test""#],
    ),
    (r#"subject = "見積""#, &[r#"subject = "御見積書の件""#], &[r#"subject = "請求書""#]),
    (r#"subject = "@projects""#, &[r#"subject = "関所の件""#, r#"subject = "Re: P-2041""#], &[r#"subject = "p-2041""#]),
    (
        r#"body = ["社外秘", "/[0-9]{4}円/"]"#,
        &[r#"body = "これは社外秘です""#, r#"body = "1200円""#],
        &[r#"body = "こんにちは""#, r#"text = "社外秘""#],
    ),
    (r#"text = "CONFIDENTIAL""#, &[r#"text = "Ｃonfidential""#, r#"body = "confidential""#], &[r#"body = "open""#]),
    (r#"text = "@projects""#, &[r#"body = "P-1234""#, r#"text = "関所""#], &[r#"body = "p-1234""#]),
    (
        r#"header.x-mailer = "PHPMailer""#,
        &[r#"headers = { X-Mailer = "PHPMailer 6" }"#],
        &[r#"headers = { x-other = "PHPMailer" }"#, ""],
    ),
    (r#""header.List-Id" = "news""#, &[r#"headers = { list-id = "<news.test>" }"#], &[""]),
    (
        r#"attachment_name = "名簿""#,
        &[r#"attachments = ["a.zip!6年生名簿.xlsx"]"#],
        &[r#"attachments = ["名簿.zip!a.xlsx"]"#, ""],
    ),
    (
        r#"attachment.kind = ["xlsx", "csv"]"#,
        &[r#"attachments = [{ name = "a.jpg", kind = "xlsx" }]"#],
        &[r#"attachments = ["a.pdf"]"#],
    ),
    (
        r#"attachment.bytes = "> 5MB""#,
        &[r#"attachments = [{ name = "a.pdf", bytes = 5242881 }]"#],
        &[r#"attachments = [{ name = "a.pdf", bytes = 5242880 }]"#],
    ),
    (
        r#"attachment.kind = "pdf", attachment.bytes = "> 1MB""#,
        &[r#"attachments = ["a.zip", { name = "a.pdf", bytes = 2000000 }]"#],
        &[r#"attachments = ["a.pdf", { name = "a.zip", bytes = 2000000 }]"#],
    ),
    (r#"attachment.count = ">= 2""#, &[r#"attachments = ["a.pdf", "b.zip"]"#], &[r#"attachments = ["a.pdf"]"#]),
    (
        r#"attachment = { kind = "pdf", count = ">= 2" }"#,
        &[r#"attachments = ["a.pdf", "b.pdf"]"#],
        &[r#"attachments = ["a.pdf", "b.zip"]"#],
    ),
    (r#"attachment.count = "= 0""#, &[""], &[r#"attachments = ["a.pdf"]"#]),
    (
        "attachment.disguised = true",
        &[r#"attachments = [{ name = "a.jpg", disguised = true }]"#],
        &[r#"attachments = ["a.jpg"]"#, ""],
    ),
    (
        "attachment.macro = true",
        &[r#"attachments = [{ name = "a.xlsm", macro = true }]"#],
        &[r#"attachments = ["a.xlsx"]"#],
    ),
    (r#"unreadable = "encrypted""#, &[r#"unreadable = ["encrypted"]"#], &[r#"unreadable = ["damaged"]"#, ""]),
    (r#"unreadable = "any""#, &[r#"unreadable = ["image"]"#, r#"unreadable = ["limit"]"#], &[""]),
    (
        r#"unreadable = "unsupported", unreadable_except = ["mp3"]"#,
        &[r#"attachments = ["a.dwg"], unreadable = ["unsupported"]"#, r#"unreadable = ["unsupported"]"#],
        &[r#"attachments = ["a.mp3"], unreadable = ["unsupported"]"#],
    ),
    (r#"persons = ">= 100""#, &["persons = 100"], &["persons = 99"]),
    (r#"sensitive_persons = ">= 1""#, &["sensitive_persons = 1"], &["persons = 5"]),
    (r#"financial_persons = ">= 1""#, &["financial_persons = 1"], &["persons = 5"]),
    (r#"data.my_number = ">= 1""#, &["data = { my_number = 1 }"], &["data = { phone = 9 }"]),
    (r#"data = { phone = ">= 2", name = ">= 1" }"#, &["data = { phone = 2, name = 1 }"], &["data = { phone = 2 }"]),
    (r#"min_confidence = "certain", data.phone = ">= 1""#, &["data = { phone = 1 }"], &[""]),
    (r#"credentials = ">= 2""#, &["credentials = 30"], &["credentials = 1"]),
    ("confidential = true", &[r#"confidential = "社外秘""#], &[""]),
    (r#"confidential = ["極秘", "secret"]"#, &[r#"confidential = "Top SECRET""#], &[r#"confidential = "社外秘""#, ""]),
    (r#"bytes = "> 20MB""#, &["bytes = 30000000"], &["bytes = 1000"]),
    (
        r#"window = { of = "persons", hours = 168, value = ">= 10" }"#,
        &[r#"windows = { "persons/any/168h" = 10 }"#, r#"to = "a@mail.test", persons = 10"#],
        &[r#"windows = { "persons/any/24h" = 10 }"#, r#"to = "a@city.example.jp", persons = 10"#],
    ),
    (
        r#"window = { of = "visible_external", to = "personal", hours = 24, value = ">= 5" }"#,
        &[r#"windows = { "visible_external/personal/24h" = 5 }"#, r#"to = "p{1..5}@gmail.com""#],
        &[r#"to = "p{1..5}@mail.test""#],
    ),
    (
        r#"mail_kind = ["recall", "list"]"#,
        &[r#"mail_kind = ["recall", "calendar"]"#],
        &["", r#"mail_kind = ["signed"]"#],
    ),
    (r#"mail_kind = "ordinary""#, &[""], &[r#"mail_kind = ["signed"]"#]),
    (
        r#"time = "outside_office_hours""#,
        &[r#"time = "Sat 10:00""#, r#"time = "Mon 18:00""#, r#"time = "Mon 10:00 holiday""#],
        &[r#"time = "Fri 17:59""#, ""],
    ),
    (
        r#"time = ["22:00-06:00", "weekend"]"#,
        &[r#"time = "Mon 05:59""#, r#"time = "Sun 12:00""#],
        &[r#"time = "Mon 06:00""#],
    ),
    (
        "login_mismatch = true",
        &[r#"login = "taro", from = "boss@example.jp""#],
        &[r#"login = "taro", from = "taro@example.jp""#, ""],
    ),
    ("recipients_unclear = true", &[r#"recipients_unclear = "two readers differ""#], &[""]),
    ("inspection_failed = true", &[r#"inspection_failed = "killed""#], &[""]),
    (r#"any = [{ persons = ">= 1" }, { credentials = ">= 1" }]"#, &["persons = 1", "credentials = 1"], &[""]),
    (
        r#"all = [{ to = "webmail" }, { to = "partner" }]"#,
        &[r#"to = ["a@gmail.com", "a@partner.test"]"#],
        &[r#"to = "a@gmail.com""#],
    ),
    (
        r#"to = "external", not = { mail_kind = "list" }"#,
        &[r#"to = "a@mail.test""#],
        &[r#"to = "a@mail.test", mail_kind = ["list"]"#, ""],
    ),
    (
        r#"any = [{ all = [{ persons = ">= 1" }, { not = { to = "internal" } }] }]"#,
        &[r#"persons = 1, to = "a@mail.test""#],
        &[r#"persons = 1, to = "a@city.example.jp""#],
    ),
    (r#"persons = [">= 100", "= 7"]"#, &["persons = 7", "persons = 100"], &["persons = 8"]),
];

fn compiled(text: String) -> Result<sekisho::rules::RuleSet, String> {
    let sources = Sources { files: BTreeMap::from([("case.toml".to_owned(), text)]), ..Sources::default() };
    compile(&sources).map_err(|problems| sekisho::config::error::render_all(&problems, false))
}

#[test]
fn every_condition_holds_where_it_says() {
    let mut wrong = String::new();
    for (when, yes, no) in CASES {
        let mut text = format!("{LISTS}\n[[rule]]\nid = \"case\"\nwhen = {{ {when} }}\nthen = \"block\"\n");
        for (facts, expect) in yes.iter().map(|facts| (facts, "block")).chain(no.iter().map(|facts| (facts, "pass"))) {
            let _ = write!(text, "\n[[example]]\nrule = \"case\"\nfacts = {{ {facts} }}\nexpect = \"{expect}\"\n");
        }
        if let Err(message) = compiled(text) {
            let _ = write!(wrong, "when = {{ {when} }}\n{message}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_key_has_a_case() {
    for key in keys::CONDITIONS {
        let stem = key.name.trim_end_matches(char::is_uppercase);
        let used = CASES
            .iter()
            .any(|(when, ..)| when.contains(&format!("{stem} =")) || stem.ends_with('.') && when.contains(stem));
        assert!(used, "no case for `{}`", key.name);
    }
}

#[test]
fn the_example_of_every_key_compiles() {
    for key in keys::CONDITIONS {
        let alone = if key.name == "unreadable_except" { "unreadable = \"any\", " } else { "" };
        let more = if key.name == "min_confidence" { ", data.phone = \">= 1\"" } else { "" };
        let when = format!("{alone}{}{more}", key.example);
        let lists = LISTS.to_owned() + "newsletter-senders = [\"a@city.example.jp\"]\nproject-names = [\"x-ray\"]\n";
        let text = format!("{lists}\n[[rule]]\nid = \"case\"\nwhen = {{ {when} }}\nthen = \"log\"\n");
        if let Err(message) = compiled(text) {
            panic!("{}: {message}", key.name);
        }
    }
}

#[test]
fn an_exception_needs_all_of_its_conditions() {
    let text = format!(
        "{LISTS}
[[rule]]
id = \"r\"
when = {{ to = \"external\" }}
unless = {{ from = \"a@city.example.jp\", mail_kind = \"list\" }}
then = \"block\"
[[example]]
rule = \"r\"
facts = {{ from = \"a@city.example.jp\", to = \"b@mail.test\", mail_kind = [\"list\"] }}
expect = \"pass\"
[[example]]
rule = \"r\"
facts = {{ from = \"a@city.example.jp\", to = \"b@mail.test\" }}
expect = \"block\"
"
    );
    compiled(text).unwrap();
}

#[test]
fn one_list_cannot_be_defined_in_two_files() {
    let files = BTreeMap::from([
        ("00.toml".to_owned(), LISTS.to_owned()),
        ("10.toml".to_owned(), "[lists]\npartners = [\"other.test\"]\n".to_owned()),
    ]);
    let problems = compile(&Sources { files, ..Sources::default() }).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].file(), problems[0].line_column()), ("10.toml", (2, 1)));
    assert_eq!(problems[0].help(), Some("it is already defined in 00.toml, line 4"));
}

#[test]
fn lists_may_be_files_with_additions() {
    let text = "[lists]
internal = [\"city.example.jp\"]
webmail = { file = \"lists/webmail.txt\", add = [\"mail.test\"] }
[[rule]]
id = \"r\"
when = { to = \"webmail\" }
then = \"block\"
[[example]]
facts = { to = \"a@gmail.com\" }
expect = \"block\"
[[example]]
facts = { to = \"a@mail.test\" }
expect = \"block\"
[[example]]
facts = { to = \"a@other.test\" }
expect = \"pass\"
";
    let sources = Sources {
        files: BTreeMap::from([("r.toml".to_owned(), text.to_owned())]),
        lists: BTreeMap::from([("lists/webmail.txt".to_owned(), "# free mail\ngmail.com # the largest\n".to_owned())]),
        ..Sources::default()
    };
    assert!(compile(&sources).is_ok());
}
