//! What `[upstream]` may say, key by key, with the defaults of everything that has one.
//! It refuses unknown keys; whether the values make sense together is decided in `config::upstream`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;
use toml::Spanned;

/// `[upstream]`: the mail servers behind, and what holds for all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub server: Option<Spanned<String>>,
    #[serde(default)]
    pub servers: Vec<Spanned<Entry>>,
    #[serde(default)]
    pub tls: UpstreamTls,
    #[serde(default)]
    pub implicit: bool,
    pub name: Option<String>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub auth_over_clear: Option<Spanned<bool>>,
    #[serde(default)]
    pub resolvers: Vec<Spanned<String>>,
    #[serde(default = "connections")]
    pub connections: usize,
    #[serde(default = "reuse_mails")]
    pub reuse_mails: u32,
    #[serde(default = "reuse_age")]
    pub reuse_age: Spanned<String>,
    #[serde(default = "reuse_idle")]
    pub reuse_idle: Spanned<String>,
    #[serde(default)]
    pub patience: Patience,
}

/// One of `servers`: the address alone, or a table with what differs from `[upstream]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub server: String,
    pub priority: Option<u16>,
    pub tls: Option<UpstreamTls>,
    pub implicit: Option<bool>,
    pub name: Option<String>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
}

/// One of `servers`, in either form.
#[derive(Debug)]
pub struct Entry(pub Table);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Entry;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("\"mail.example.jp:25\" or { server = \"mail.example.jp:25\", priority = 20 }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry(Table { server: text.to_owned(), ..Table::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Entry)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `[upstream.patience]`: how long to wait for the mail server, stage by stage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patience {
    pub connect: Spanned<String>,
    pub greeting: Spanned<String>,
    pub command: Spanned<String>,
    pub data: Spanned<String>,
    pub text: Spanned<String>,
    pub final_dot: Spanned<String>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: unplaced("30s"),
            greeting: unplaced("5m"),
            command: unplaced("5m"),
            data: unplaced("2m"),
            text: unplaced("3m"),
            final_dot: unplaced("10m"),
        }
    }
}

/// How the upstream connection speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamTls {
    /// Never.
    Off,
    /// When it is offered, without verification (RFC 7435).
    #[default]
    May,
    /// Always, without verification.
    Encrypt,
    /// Always, and the certificate must be good for the name.
    Verify,
}

fn connections() -> usize {
    50
}

fn reuse_mails() -> u32 {
    100
}

fn reuse_age() -> Spanned<String> {
    unplaced("5m")
}

fn reuse_idle() -> Spanned<String> {
    unplaced("30s")
}

/// A default, which stands nowhere in the file.
fn unplaced(text: &str) -> Spanned<String> {
    Spanned::new(0..0, text.to_owned())
}
