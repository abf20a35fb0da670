//! What `sekisho.toml` may say, key by key, with the defaults of everything that has one.
//! It refuses unknown keys; whether the values make sense together is decided in `config::mod`.

pub use super::upstream::file::{Upstream, UpstreamTls};
use crate::limits::Limits;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub hostname: Option<Spanned<String>>,
    pub state: Option<PathBuf>,
    pub rules: Option<PathBuf>,
    #[serde(default, rename = "listener")]
    pub listeners: Vec<Spanned<Listener>>,
    pub tls: Option<Tls>,
    pub upstream: Option<Spanned<Upstream>>,
    #[serde(default)]
    pub notice: Notice,
    #[serde(default)]
    pub console: Console,
    #[serde(default)]
    pub status: Status,
    #[serde(default)]
    pub workers: Workers,
    #[serde(default)]
    pub outbox: Outbox,
    #[serde(default)]
    pub store: Store,
    #[serde(default)]
    pub grouping: Grouping,
    #[serde(default)]
    pub retention: Retention,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub process: Process,
    #[serde(default)]
    pub rates: Rates,
    #[serde(default)]
    pub received: Received,
    #[serde(default)]
    pub limits: Limits,
    pub time_zone: Option<Spanned<String>>,
    #[serde(default)]
    pub dkim: Vec<Dkim>,
    #[serde(default)]
    pub stamp: Stamp,
}

/// One `[[dkim]]`: a key to sign with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    pub domain: Spanned<String>,
    pub selector: Spanned<String>,
    pub key: Spanned<String>,
}

/// `[stamp]`: the mark of a checked mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stamp {
    pub enabled: bool,
    pub key_file: Option<Spanned<String>>,
    pub max_age: Spanned<String>,
}

impl Default for Stamp {
    fn default() -> Self {
        Self { enabled: false, key_file: None, max_age: Spanned::new(0..0, "1h".into()) }
    }
}

/// One `[[listener]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub listen: Spanned<String>,
    #[serde(default)]
    pub tls: ListenerTls,
    #[serde(default)]
    pub require_tls: bool,
    pub allowed: Option<Vec<Spanned<String>>>,
    pub auth: Option<Spanned<ListenerAuth>>,
    pub client_ca: Option<PathBuf>,
    pub client_cert: Option<Spanned<ClientCertificate>>,
    pub allowed_names: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub xclient: Vec<Spanned<String>>,
    #[serde(default)]
    pub proxy: Vec<Spanned<String>>,
}

/// Certificates of clients, which `client_ca` has signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Asked for; a client without one is served.
    #[default]
    Optional,
    /// A client without one is refused.
    Required,
}

/// Logins of clients (RFC 4954); the upstream verifies them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerAuth {
    /// There are none.
    #[default]
    Off,
    /// Who has logged in may relay, besides the clients of `allowed`.
    Optional,
    /// Nobody sends mail without.
    Required,
}

/// How a listener speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerTls {
    /// Not at all.
    #[default]
    Off,
    /// STARTTLS is offered (RFC 3207).
    Starttls,
    /// From the first octet (RFC 8314 3.3).
    Implicit,
}

/// `[tls]`: the pair that listeners and the page present.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `[notice]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notice {
    pub from: Option<Spanned<String>>,
    pub languages: Vec<Spanned<String>>,
    pub settle: Spanned<String>,
    pub admins: Vec<String>,
}

impl Default for Notice {
    fn default() -> Self {
        Self {
            from: None,
            languages: vec![Spanned::new(0..0, "ja".into()), Spanned::new(0..0, "en".into())],
            settle: Spanned::new(0..0, "10s".into()),
            admins: Vec::new(),
        }
    }
}

/// `[console]`: the page behind the links.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    pub listen: Option<Spanned<String>>,
    pub url: Option<Spanned<String>>,
    pub tls: bool,
}

/// `[status]`: health and metrics.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Status {
    pub listen: Option<Spanned<String>>,
}

/// `[workers]`: the inspection processes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    pub count: Option<usize>,
}

/// `[outbox]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbox {
    pub retry: Spanned<String>,
    pub longest_wait: Spanned<String>,
    pub lifetime: Spanned<String>,
    pub warn_after: Spanned<String>,
}

impl Default for Outbox {
    fn default() -> Self {
        let text = |text: &str| Spanned::new(0..0, text.to_owned());
        Self { retry: text("1m"), longest_wait: text("1h"), lifetime: text("5d"), warn_after: text("4h") }
    }
}

/// `[grouping]`: which transactions are one mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grouping {
    pub keep: Spanned<String>,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { keep: Spanned::new(0..0, "45m".into()) }
    }
}

/// `[store]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub key_file: Option<PathBuf>,
    pub min_free: Spanned<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self { key_file: None, min_free: Spanned::new(0..0, "256MiB".into()) }
    }
}

/// `[retention]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub decided: Spanned<String>,
    pub audit: Spanned<String>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { decided: Spanned::new(0..0, "30d".into()), audit: Spanned::new(0..0, "400d".into()) }
    }
}

/// `[log]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    pub level: Spanned<String>,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: Spanned::new(0..0, "info".into()) }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// `[process]`: as whom the guard runs, and what it gives up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    pub user: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub confine: Confine,
    pub read: Vec<PathBuf>,
}

/// Whether the guard and its workers give up rights they do not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confine {
    /// As far as the kernel can; what it cannot is logged.
    #[default]
    Auto,
    /// Entirely, or the guard does not start.
    Require,
    /// Not at all.
    Off,
}

/// `[rates]`: what one sender may hand in within an hour; without a number there is no bound.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    pub mails_per_hour: Option<Spanned<u64>>,
    pub recipients_per_hour: Option<Spanned<u64>>,
    pub exempt: Vec<Spanned<String>>,
}

/// `[received]`: the trace field that the guard adds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Received {
    pub hide_client: bool,
}
