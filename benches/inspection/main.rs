//! Measures the inspection alone, in one process and one thread: CPU milliseconds a mail and MB of mail a CPU second, by sort of mail.
//! It refuses to pass or fail: it prints what it measured.
//!
//! `cargo bench --bench inspection` ; `-- NAME` only the rows whose name has this in it.

use sekisho::cli::demo::fixtures::csv::csv;
use sekisho::cli::demo::fixtures::encoding::Charset;
use sekisho::cli::demo::fixtures::letter::{Letter, Outgoing, Program};
use sekisho::cli::demo::fixtures::people::Roster;
use sekisho::cli::demo::fixtures::xlsx::{Book, Cell, Strings};
use sekisho::cli::demo::incidents;
use sekisho::inspect::{Inspector, Want};
use sekisho::limits::Limits;
use sekisho::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use sekisho::{address::Address, reload};
use std::io::{self, Write};

/// Each row is measured for at least so many seconds of CPU.
const LONG_ENOUGH: f64 = 2.0;

/// Seconds that this thread was on a processor (Linux, `schedstat`: the first number, in nanoseconds); other programs on the machine do not count.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn main() -> io::Result<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let limits = Limits::default();
    let started = cpu();
    let rules = reload::load(None, &limits).map_err(|error| io::Error::other(error.to_string()))?;
    let inspector = Inspector::new(reload::context(&rules, &limits));
    let mut out = io::stdout().lock();
    writeln!(out, "rules loaded, their examples inspected, word lists built: {:.2} s of CPU\n", cpu() - started)?;
    writeln!(out, "{:<44} {:>9} {:>11} {:>9} {:>9}", "", "KB/mail", "CPU ms", "MB/s", "persons")?;
    for (name, mails) in rows() {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let mails = mails();
        let mails: Vec<(Envelope, &[u8])> = mails.iter().map(|mail| (envelope(mail), mail.data.as_slice())).collect();
        let (mut count, mut bytes, mut persons) = (0u32, 0usize, 0);
        let started = cpu();
        while cpu() - started < LONG_ENOUGH {
            for (envelope, mail) in &mails {
                persons = inspector.inspect(envelope, mail, Want::default()).facts.persons.total;
                count += 1;
                bytes += mail.len();
            }
        }
        let seconds = cpu() - started;
        writeln!(
            out,
            "{name:<44} {:>9.1} {:>11.3} {:>9.1} {persons:>9}",
            bytes as f64 / f64::from(count) / 1e3,
            seconds * 1e3 / f64::from(count),
            bytes as f64 / 1e6 / seconds
        )?;
        out.flush()?;
    }
    Ok(())
}

/// A sort of mail: its name, and how its mails are made.
type Row = (&'static str, fn() -> Vec<Outgoing>);

fn rows() -> Vec<Row> {
    vec![
        ("business mail, 5 KB, UTF-8 in 8 bits", || short(Program::Thunderbird)),
        ("business mail, 5 KB of text, ISO-2022-JP", || short(Program::Becky)),
        ("business mail, 5 KB of text, UTF-8 in base64", || short(Program::Gmail)),
        ("business mail, 5 KB of text, with HTML", || short(Program::Outlook)),
        ("ordinary mails of the demonstration", || {
            incidents::must_pass().into_iter().flat_map(|case| case.mails).collect()
        }),
        ("CSV of 31,677 persons, Shift_JIS", || {
            let rows = std::iter::once(HEADING.map(str::to_owned)).chain(people());
            attached("名簿.csv", csv(Charset::Cp932, rows))
        }),
        ("xlsx of 31,677 persons", || {
            let rows = people().map(|person| person.map(Cell::Text).to_vec());
            attached("名簿.xlsx", Book::new(Strings::Shared).sheet("名簿").texts(&HEADING).rows(rows).finish())
        }),
        ("filler, 50 MB, lines of one letter", || filler(FILLER, 76, |_| b'a')),
        ("filler, 50 MB, one line of one letter", || filler(FILLER, usize::MAX, |_| b'a')),
        ("filler, 50 MB, lines that look like base64", || filler(FILLER, 76, base64_letter)),
        ("filler, 50 MB, one line like base64", || filler(FILLER, usize::MAX, base64_letter)),
        ("filler, 50 MB, lines of hexadecimal", || filler(FILLER, 76, |number| b"0123456789abcdef"[number % 16])),
        ("filler, 50 MB, lines of one letter, attached", || {
            // Base64 makes four octets of three.
            attached("filler.txt", lines(FILLER / 4 * 3, 76, |_| b'a'))
        }),
    ]
}

const FILLER: usize = 50 * 1024 * 1024 - 64 * 1024;

fn base64_letter(number: usize) -> u8 {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[number % 64]
}

/// Text without a meaning, in lines of this width: each letter is made from a number that looks random.
fn lines(bytes: usize, width: usize, letter: fn(usize) -> u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes);
    let mut state = 1_u64;
    for index in 0..bytes {
        if index % width.saturating_add(1) == width {
            text.push(b'\n');
            continue;
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(letter((state >> 40) as usize));
    }
    text
}

fn filler(bytes: usize, width: usize, letter: fn(usize) -> u8) -> Vec<Outgoing> {
    let mut mail = mail(Program::Thunderbird).text("").finish();
    mail.data.extend(lines(bytes - mail.data.len(), width, letter));
    vec![mail]
}

const HEADING: [&str; 5] = ["氏名", "フリガナ", "住所", "電話番号", "メールアドレス"];

fn people() -> impl Iterator<Item = [String; 5]> {
    let roster = Roster::new("bench").born(1940, 2005);
    roster.take(31_677).map(|person| [person.name(), person.kana(), person.address(), person.mobile(), person.email()])
}

fn mail(program: Program) -> Letter {
    let sender = ("山内 直樹", "yamauchi@city.example.jp");
    Letter::new(program, sender, "Wed, 11 Oct 2023 10:12:00 +0900", "打ち合わせの件")
        .to(["樋口様 <higuchi@print.example.com>"])
}

fn short(program: Program) -> Vec<Outgoing> {
    vec![mail(program).text(&letter(5 * 1024)).finish()]
}

fn attached(name: &str, bytes: Vec<u8>) -> Vec<Outgoing> {
    vec![mail(Program::Thunderbird).text("名簿をお送りします。\n").attach(name, bytes).finish()]
}

/// Ordinary business prose of about this size, with a signature.
fn letter(bytes: usize) -> String {
    let paragraph = "お世話になっております。技術部です。来週の打ち合わせの資料をお送りします。\nご確認のほど、よろしくお願いいたします。議題は三点です。進捗、課題、今後の予定。\n\n";
    let mut text = String::new();
    while text.len() + paragraph.len() < bytes {
        text.push_str(paragraph);
    }
    text.push_str("-- \n例示市役所 技術部 第一課\n山内 直樹\nTEL 0749-22-1411\n");
    text
}

fn envelope(mail: &Outgoing) -> Envelope {
    Envelope {
        client: Client { helo: "bench.example.jp".to_owned(), esmtp: true, ..Client::new([127, 0, 0, 1].into()) },
        sender: Some(Address::new(&mail.from)),
        parameters: MailParameters::default(),
        recipients: mail.recipients.iter().map(|recipient| Recipient::new(recipient)).collect(),
    }
}
