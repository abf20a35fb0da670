//! The configuration: what the file may say (`file`), and what it means here, resolved and valid by construction.
//! It refuses unknown keys and values that cannot work together, and points at the line, the column and the way out.

pub mod dkim;
pub mod error;
pub mod file;
mod key;
mod limits;
mod listener;
mod outbox;
mod process;
mod rates;
pub mod stamp;
mod store;
pub mod upstream;

pub use process::Process;
pub use rates::Rates;

use crate::address::Address;
use crate::limits::Limits;
use crate::network::Network;
use error::{Problem, Source};
use file::{File, ListenerAuth, ListenerTls, LogFormat};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
pub use upstream::Upstream;

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The name in greetings, `Received` fields and notices.
    pub hostname: String,
    /// Where held mails, the outbox and keys are kept.
    pub state: PathBuf,
    /// The folder of rules; `None` for the set in the program.
    pub rules: Option<PathBuf>,
    pub listeners: Vec<Listener>,
    /// Certificate and key in PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub upstream: Upstream,
    pub notice: Notice,
    pub console: Option<Console>,
    /// Where health and metrics are served.
    pub status: Option<SocketAddr>,
    pub workers: usize,
    pub outbox: Outbox,
    /// Milliseconds after a mail's last transaction within which a further one still belongs to it.
    pub keep_together_ms: u64,
    /// Milliseconds that decided mails, and audit rows, are kept.
    pub keep_decided_ms: u64,
    pub keep_audit_ms: u64,
    pub store: Store,
    pub log: Log,
    pub process: Process,
    pub rates: Rates,
    /// The trace field names no client.
    pub hide_client: bool,
    pub limits: Limits,
    /// IANA name of the organisation's time zone.
    pub time_zone: String,
    /// Keys to sign with.
    pub dkim: Vec<dkim::Dkim>,
    /// The mark of a checked mail; `None` when there is none.
    pub stamp: Option<stamp::Stamp>,
}

/// One listener.
#[derive(Clone, Debug)]
pub struct Listener {
    pub listen: SocketAddr,
    pub tls: ListenerTls,
    pub require_tls: bool,
    pub allowed: Vec<Network>,
    pub auth: ListenerAuth,
    /// Roots of client certificates in PEM, and whether a client must have one.
    pub client_ca: Option<(PathBuf, bool)>,
    /// Host names of client certificates that may relay, in lower case.
    pub allowed_names: Vec<String>,
    pub xclient: Vec<Network>,
    pub proxies: Vec<Network>,
}

/// The patience of the outbox, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Until the second attempt; later waits grow from it.
    pub retry_ms: u64,
    /// Waits grow up to this one.
    pub longest_ms: u64,
    /// A mail that is not delivered after this time is given up.
    pub lifetime_ms: u64,
    /// A mail that is not delivered after this time is announced as late.
    pub warn_ms: u64,
}

/// Notices.
#[derive(Clone, Debug)]
pub struct Notice {
    pub from: Address,
    /// `ja` and `en` in the order of the mail.
    pub languages: Vec<String>,
    /// Milliseconds to wait for late transactions of the same mail.
    pub settle_ms: u64,
    /// Who is asked about mails only an administrator may release.
    pub admins: Vec<String>,
}

/// The page behind the links.
#[derive(Clone, Debug)]
pub struct Console {
    pub listen: SocketAddr,
    /// The beginning of every link, without a final slash.
    pub url: String,
    pub tls: bool,
}

/// What is kept, and how.
#[derive(Clone, Debug)]
pub struct Store {
    /// The file of the master keys; `None` for the one in the state folder.
    pub key_file: Option<PathBuf>,
    /// Octets that must be free on the disk of the state folder before a mail is taken.
    pub min_free: u64,
}

/// Logs.
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

impl Config {
    /// Reads a configuration text. Relative paths are taken from `base`, the folder of the file.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn parse(name: &str, text: &str, base: &Path) -> Result<Self, Vec<Problem>> {
        let source = Source::new(name, text);
        let file: File = toml::from_str(text).map_err(|error| vec![syntax(&source, &error)])?;
        Reader { source, base, problems: Vec::new() }.config(file)
    }
}

/// A TOML or shape error as a problem; for an unknown key the nearest known one is offered.
fn syntax(source: &Source, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let problem = Problem::error(source, error.span().unwrap_or(0..0), message);
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(word) if message.starts_with("unknown ") => problem.with_nearest(word, quoted),
        _ => problem,
    }
}

struct Reader<'a> {
    source: Source,
    base: &'a Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(mut self, file: File) -> Result<Config, Vec<Problem>> {
        let listeners: Vec<Listener> =
            file.listeners.iter().map(|each| self.listener(each, file.tls.is_some())).collect();
        if listeners.is_empty() {
            self.fail(0..0, "there is no [[listener]]", "add:\n[[listener]]\nlisten = \"127.0.0.1:10025\"");
        }
        let hostname = match &file.hostname {
            Some(name) => self.hostname(name),
            None => {
                self.fail(
                    0..0,
                    "`hostname` is missing",
                    "write the name of this host: hostname = \"guard.example.jp\"",
                );
                String::new()
            }
        };
        let upstream = self.upstream(file.upstream.as_ref());
        self.no_circle(upstream.as_ref(), &listeners, file.upstream.as_ref());
        let notice = self.notice(&file.notice, &hostname);
        let console = self.console(&file);
        let status = file.status.listen.as_ref().map(|listen| self.socket(listen));
        let outbox = self.outbox(&file.outbox);
        let keep_together_ms = self.grouping(&file.grouping, notice.settle_ms);
        let keep_decided_ms = self.duration(&file.retention.decided);
        let keep_audit_ms = self.duration(&file.retention.audit);
        let time_zone = file.time_zone.as_ref().map_or_else(|| "Asia/Tokyo".to_owned(), |zone| self.zone(zone));
        let store = self.store(&file.store);
        let log = self.log(&file.log);
        let process = self.process(&file.process);
        let rates = self.rates(&file.rates);
        self.limits(&file.limits);
        let dkim = self.dkim(&file.dkim);
        let stamp = self.stamp(&file.stamp);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let workers = file.workers.count.unwrap_or(cores).clamp(1, 256);
        match upstream {
            Some(upstream) if self.problems.is_empty() => Ok(Config {
                file: PathBuf::from(self.source.file()),
                hostname,
                state: self.path(file.state.as_deref().unwrap_or_else(|| Path::new("state"))),
                rules: file.rules.as_deref().map(|path| self.path(path)),
                listeners,
                tls: file.tls.map(|tls| (self.path(&tls.certificate), self.path(&tls.key))),
                upstream,
                notice,
                console,
                status,
                workers,
                outbox,
                keep_together_ms,
                keep_decided_ms,
                keep_audit_ms,
                store,
                log,
                process,
                rates,
                hide_client: file.received.hide_client,
                limits: file.limits,
                time_zone,
                dkim,
                stamp,
            }),
            _ => Err(self.problems),
        }
    }

    fn fail(&mut self, span: Range<usize>, message: &str, help: &str) {
        self.problems.push(Problem::error(&self.source, span, message).with_help(help));
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    fn hostname(&mut self, name: &Spanned<String>) -> String {
        let text = name.get_ref();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            self.fail(name.span(), "this is no host name", "letters, digits, hyphens and dots: guard.example.jp");
        }
        text.clone()
    }

    fn socket(&mut self, text: &Spanned<String>) -> SocketAddr {
        text.get_ref().parse().unwrap_or_else(|_| {
            self.fail(
                text.span(),
                "this is no address with a port",
                "write it as 127.0.0.1:10025, 0.0.0.0:25 or [::1]:10025",
            );
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn notice(&mut self, given: &file::Notice, hostname: &str) -> Notice {
        let from = match &given.from {
            Some(from) if from.get_ref().contains('@') => Address::new(from.get_ref()),
            Some(from) => {
                self.fail(from.span(), "this is no mail address", "write it as postmaster@example.jp");
                Address::new("")
            }
            None => Address::new(&format!("postmaster@{hostname}")),
        };
        for language in &given.languages {
            if !matches!(language.get_ref().as_str(), "ja" | "en") {
                self.fail(language.span(), "this language is not known", "`ja` and `en` are");
            }
        }
        Notice {
            from,
            languages: given.languages.iter().map(|language| language.get_ref().clone()).collect(),
            settle_ms: self.duration(&given.settle),
            admins: given.admins.clone(),
        }
    }

    fn console(&mut self, file: &File) -> Option<Console> {
        let listen = file.console.listen.as_ref()?;
        if file.console.tls && file.tls.is_none() {
            self.fail(
                listen.span(),
                "the page speaks TLS but there is no [tls]",
                "add [tls] with `certificate` and `key`",
            );
        }
        let socket = self.socket(listen);
        let url = match &file.console.url {
            Some(url) if url.get_ref().starts_with("https://") || url.get_ref().starts_with("http://") => {
                url.get_ref().trim_end_matches('/').to_owned()
            }
            Some(url) => {
                self.fail(url.span(), "links need a full address", "write it as https://guard.example.jp");
                String::new()
            }
            None => format!("{}://{socket}", if file.console.tls { "https" } else { "http" }),
        };
        Some(Console { listen: socket, url, tls: file.console.tls })
    }

    fn log(&mut self, given: &file::Log) -> Log {
        if !matches!(given.level.get_ref().as_str(), "error" | "warn" | "info" | "debug" | "trace") {
            self.problems.push(
                Problem::error(&self.source, given.level.span(), "this log level is not known")
                    .with_nearest(given.level.get_ref(), ["error", "warn", "info", "debug", "trace"]),
            );
        }
        Log { format: given.format, level: given.level.get_ref().clone() }
    }

    fn zone(&mut self, zone: &Spanned<String>) -> String {
        if jiff::tz::TimeZone::get(zone.get_ref()).is_err() {
            self.fail(zone.span(), "this time zone is not known", "use a name of the IANA list, such as Asia/Tokyo");
        }
        zone.get_ref().clone()
    }

    /// Milliseconds of `10s`, `5m`, `24h`, `3d`.
    fn duration(&mut self, text: &Spanned<String>) -> u64 {
        milliseconds(text.get_ref()).unwrap_or_else(|| {
            self.fail(text.span(), "this is no length of time", "write it as 10s, 5m, 24h or 3d");
            0
        })
    }
}

/// Milliseconds of a length of time: a whole number and `s`, `m`, `h` or `d`.
#[must_use]
pub fn milliseconds(text: &str) -> Option<u64> {
    let split = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim() {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
