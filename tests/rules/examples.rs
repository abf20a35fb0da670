//! The mails of examples: what a short table becomes on the wire, and what happens with the example when an inspection sees it.
//! It refuses to build a mail itself; another reader must understand what the rules built.

use mail_parser::{MessageParser, MimeHeaders};
use sekisho::facts::Facts;
use sekisho::rules::example::{Input, run};
use sekisho::rules::{RuleSet, Sources, compile};
use std::collections::BTreeMap;

const RULES: &str = "
[lists]
internal = [\"example.jp\"]
[[rule]]
id = \"many\"
when = { recipients = \">= 5\" }
then = { hold = \"sender\" }
";

fn set(examples: &str, mails: &[(&str, &str)]) -> RuleSet {
    let sources = Sources {
        files: BTreeMap::from([("r.toml".to_owned(), format!("{RULES}{examples}"))]),
        mails: mails.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect(),
        ..Sources::default()
    };
    compile(&sources).unwrap_or_else(|problems| panic!("{}", sekisho::config::error::render_all(&problems, false)))
}

#[test]
fn a_short_table_becomes_a_mail_that_another_reader_understands() {
    let set = set(
        "
[[example]]
mail = { from = \"a@example.jp\", to = [\"p{1..3}@mail.test\"], cc = \"c@mail.test\", bcc = [\"h@mail.test\"], login = \"taro\", client = \"192.0.2.7\", subject = \"アンケートのお願い（とても長い件名を折り返して送るための文字列）\", body = \"本文です。\\n二行目。\", headers = { X-Mailer = \"テスト\" }, attachments = [{ name = \"5年生名簿.csv\", text = \"氏名,電話\\n関所 太郎,090\" }] }
expect = \"hold\"
",
        &[],
    );
    let Input::Mail(envelope, bytes) = &set.examples()[0].input else { panic!("a mail was asked for") };
    let recipients: Vec<&str> = envelope.recipients.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(recipients, ["p1@mail.test", "p2@mail.test", "p3@mail.test", "c@mail.test", "h@mail.test"]);
    assert_eq!(envelope.client.login.as_deref(), Some("taro"));
    assert_eq!(envelope.client.ip.to_string(), "192.0.2.7");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains("h@mail.test"), "a hidden recipient is not in the mail");
    assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));

    let mail = MessageParser::default().parse(bytes).unwrap();
    assert_eq!(mail.subject(), Some("アンケートのお願い（とても長い件名を折り返して送るための文字列）"));
    assert_eq!(mail.body_text(0).as_deref(), Some("本文です。\n二行目。"));
    assert_eq!(mail.to().map(|to| to.iter().count()), Some(3));
    let attachment = mail.attachment(0).unwrap();
    assert_eq!(attachment.attachment_name(), Some("5年生名簿.csv"));
    assert_eq!(attachment.contents(), "氏名,電話\n関所 太郎,090".as_bytes());
}

#[test]
fn a_mail_file_gives_its_own_envelope_and_a_failure_points_at_the_example() {
    let mail = "From: A <a@example.jp>\r\nTo: \"B, C\" <b@mail.test>,\r\n c@mail.test\r\nCc: d@mail.test\r\nSubject: To: x@y.test\r\n\r\nTo: z@mail.test\r\n";
    let set = set(
        "[[example]]\nrule = \"many\"\nfile = \"examples/one.eml\"\nexpect = \"hold\"\n",
        &[("examples/one.eml", mail)],
    );
    let Input::Mail(envelope, bytes) = &set.examples()[0].input else { panic!("a mail was asked for") };
    assert_eq!(bytes, mail.as_bytes());
    assert_eq!(envelope.sender.as_ref().map(sekisho::address::Address::key), Some("a@example.jp"));
    let recipients: Vec<&str> = envelope.recipients.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(recipients, ["b@mail.test", "c@mail.test", "d@mail.test"]);

    let failures = run(&set, &|envelope, _| Facts {
        recipients: envelope.recipients.iter().map(|one| one.address.clone()).collect(),
        ..Facts::default()
    });
    assert_eq!(failures.len(), 1);
    let shown = failures[0].problem.to_string();
    assert!(shown.contains("the example expects `hold` of the rule `many`, but it gives `pass`"), "{shown}");
    assert!(shown.contains("r.toml:11:10"), "{shown}");
    assert!(set.examples()[0].name().starts_with("r.toml:11 many hold"), "{}", set.examples()[0].name());
}
