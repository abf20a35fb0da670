//! Reads `[upstream]`: the mail servers behind the guard, and how each is reached.
//! It refuses credentials without a verified connection, half a login, half a certificate, and a circle.

pub mod file;

use super::{Listener, Reader};
use file::{Table, UpstreamTls};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// The port of a server that names none (RFC 5321 4.5.4.2).
const SMTP: u16 = 25;
/// The priority of a server that names none; lower ones are asked first.
const PRIORITY: u16 = 10;

/// The mail servers behind.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub servers: Vec<Server>,
    pub connections: usize,
    /// May a login go over the loopback without TLS?
    pub auth_over_clear: bool,
    /// Name servers for `mx:`; empty for those of the system.
    pub resolvers: Vec<SocketAddr>,
    pub reuse: Reuse,
    pub patience: Patience,
}

/// One mail server.
#[derive(Clone, Debug)]
pub struct Server {
    pub place: Place,
    /// The lowest is asked first.
    pub priority: u16,
    pub tls: UpstreamTls,
    pub implicit: bool,
    /// The name its certificate must have; without one, the name of the host.
    pub name: Option<String>,
    pub ca: Option<PathBuf>,
    /// Certificate and key that the guard shows when it is asked.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User and the file that holds the password.
    pub login: Option<(String, PathBuf)>,
}

/// Where a mail server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host {
        host: String,
        port: u16,
    },
    /// The mail exchangers of a domain, as DNS names them.
    Mx {
        domain: String,
        port: u16,
    },
}

/// How long a connection is used again, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    pub mails: u32,
    pub age_ms: u64,
    pub idle_ms: u64,
}

/// How long to wait for the mail server, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub connect_ms: u64,
    pub greeting_ms: u64,
    pub command_ms: u64,
    pub data_ms: u64,
    pub text_ms: u64,
    pub final_dot_ms: u64,
}

impl Upstream {
    /// Does the guard log in at any of them?
    #[must_use]
    pub fn logs_in(&self) -> bool {
        self.servers.iter().any(|server| server.login.is_some())
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let mx = text.strip_prefix("mx:");
        let (host, port) = match mx.unwrap_or(text).rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None if mx.is_some() => (mx?, SMTP),
            None => return None,
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(literal) => literal.parse::<IpAddr>().ok().map(|_| literal)?,
            None => host,
        };
        let named = !host.is_empty() && (bare.is_some() || !host.contains([':', '/', '@', '[', ']', ' ']));
        match mx {
            _ if !named => None,
            Some(_) if bare.is_some() || host.parse::<IpAddr>().is_ok() => None,
            Some(_) => Some(Self::Mx { domain: host.to_owned(), port }),
            None => Some(Self::Host { host: host.to_owned(), port }),
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Host { host, .. } => host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            Self::Mx { .. } => false,
        }
    }
}

impl Reader<'_> {
    pub(super) fn upstream(&mut self, upstream: Option<&Spanned<file::Upstream>>) -> Option<Upstream> {
        let Some(place) = upstream else {
            self.fail(
                0..0,
                "there is no [upstream]",
                "name the mail server behind the guard:\n[upstream]\nserver = \"127.0.0.1:10026\"",
            );
            return None;
        };
        let given = place.get_ref();
        let mut servers = Vec::new();
        if let Some(server) = &given.server {
            let table = Table { server: server.get_ref().clone(), ..Table::default() };
            servers.extend(self.server(server.span(), &table, given));
        }
        for entry in &given.servers {
            servers.extend(self.server(entry.span(), &entry.get_ref().0, given));
        }
        match (&given.server, given.servers.as_slice()) {
            (None, []) => self.fail(
                place.span(),
                "[upstream] names no mail server",
                "add server = \"mail.example.jp:25\", or servers = [\"mail1.example.jp:25\", \"mail2.example.jp:25\"]",
            ),
            (Some(server), [_, ..]) => self.fail(
                server.span(),
                "`server` and `servers` cannot stand together",
                "put all of them into `servers`",
            ),
            _ => {}
        }
        let resolvers = given.resolvers.iter().map(|resolver| self.resolver(resolver)).collect();
        let patience = &given.patience;
        Some(Upstream {
            auth_over_clear: self.auth_over_clear(given, &servers),
            connections: given.connections.clamp(1, 1_000),
            resolvers,
            reuse: Reuse {
                mails: given.reuse_mails.max(1),
                age_ms: self.duration(&given.reuse_age),
                idle_ms: self.duration(&given.reuse_idle),
            },
            patience: Patience {
                connect_ms: self.wait(&patience.connect),
                greeting_ms: self.wait(&patience.greeting),
                command_ms: self.wait(&patience.command),
                data_ms: self.wait(&patience.data),
                text_ms: self.wait(&patience.text),
                final_dot_ms: self.wait(&patience.final_dot),
            },
            servers,
        })
    }

    /// One server: what its table says, else what `[upstream]` says.
    fn server(&mut self, span: Range<usize>, own: &Table, all: &file::Upstream) -> Option<Server> {
        let Some(place) = Place::read(&own.server) else {
            self.fail(
                span,
                "this is no host with a port",
                "write it as mail.example.jp:25, or mx:example.jp for the mail exchangers of a domain",
            );
            return None;
        };
        if matches!(place, Place::Mx { .. }) && !cfg!(feature = "mx") {
            self.fail(
                span.clone(),
                "this program was built without look-ups of mail exchangers",
                "name the hosts, or build it with the feature `mx`",
            );
        }
        let tls = own.tls.unwrap_or(all.tls);
        let implicit = own.implicit.unwrap_or(all.implicit);
        // A login belongs together: a table with its own user does not borrow the password of the others.
        let own_login = own.user.is_some() || own.password_file.is_some();
        let login = if own_login { (&own.user, &own.password_file) } else { (&all.user, &all.password_file) };
        let login = self.pair(&span, login, "`user` and `password_file` belong together");
        let own_pair = own.certificate.is_some() || own.key.is_some();
        let pair = if own_pair { (&own.certificate, &own.key) } else { (&all.certificate, &all.key) };
        let identity = self.pair(&span, pair, "`certificate` and `key` belong together");
        let clear = all.auth_over_clear.as_ref().is_some_and(|clear| *clear.get_ref());
        if login.is_some() && tls != UpstreamTls::Verify && !clear {
            self.fail(
                span.clone(),
                "credentials are only sent over a verified connection",
                "set tls = \"verify\", or remove `user` and `password_file`",
            );
        }
        if implicit && matches!(tls, UpstreamTls::Off | UpstreamTls::May) {
            self.fail(span, "`implicit` needs `tls = \"encrypt\"` or \"verify\"", "set `tls`, or remove `implicit`");
        }
        Some(Server {
            priority: own.priority.unwrap_or(PRIORITY),
            tls,
            implicit,
            name: own.name.clone().or_else(|| all.name.clone()),
            ca: own.ca.as_deref().or(all.ca.as_deref()).map(|path| self.path(path)),
            identity: identity.map(|(certificate, key)| (self.path(&certificate), self.path(&key))),
            login: login.map(|(user, file)| (user, self.path(&file))),
            place,
        })
    }

    /// Two values that mean nothing without each other.
    fn pair<A: Clone, B: Clone>(
        &mut self,
        span: &Range<usize>,
        pair: (&Option<A>, &Option<B>),
        message: &str,
    ) -> Option<(A, B)> {
        match pair {
            (Some(one), Some(other)) => Some((one.clone(), other.clone())),
            (None, None) => None,
            _ => {
                self.fail(span.clone(), message, "give both or none");
                None
            }
        }
    }

    fn auth_over_clear(&mut self, given: &file::Upstream, servers: &[Server]) -> bool {
        let Some(clear) = given.auth_over_clear.as_ref().filter(|clear| *clear.get_ref()) else { return false };
        if servers.iter().any(|server| !server.place.is_loopback()) {
            self.fail(
                clear.span(),
                "passwords would cross the network in clear",
                "`auth_over_clear` is for servers on the loopback alone (127.0.0.1, ::1); for others set tls = \"verify\"",
            );
        }
        true
    }

    fn resolver(&mut self, text: &Spanned<String>) -> SocketAddr {
        let given = text.get_ref();
        let with_port = given.parse::<SocketAddr>().ok();
        with_port.or_else(|| Some(SocketAddr::new(given.parse().ok()?, 53))).unwrap_or_else(|| {
            self.fail(text.span(), "this is no address of a name server", "write it as 192.0.2.53 or 192.0.2.53:53");
            SocketAddr::from(([127, 0, 0, 1], 53))
        })
    }

    /// A length of time that cannot be nothing.
    fn wait(&mut self, text: &Spanned<String>) -> u64 {
        let milliseconds = self.duration(text);
        if super::milliseconds(text.get_ref()) == Some(0) {
            self.fail(text.span(), "no server answers in no time", "write a time such as 30s");
        }
        milliseconds
    }

    /// A server that is a listener of this guard would send mail round in a circle.
    pub(super) fn no_circle(
        &mut self,
        upstream: Option<&Upstream>,
        listeners: &[Listener],
        place: Option<&Spanned<file::Upstream>>,
    ) {
        let (Some(upstream), Some(place)) = (upstream, place) else { return };
        let spans: Vec<Range<usize>> = match &place.get_ref().server {
            Some(server) => vec![server.span()],
            None => place.get_ref().servers.iter().map(Spanned::span).collect(),
        };
        for (server, span) in upstream.servers.iter().zip(spans) {
            let Place::Host { host, port } = &server.place else { continue };
            let Ok(ip) = host.parse::<IpAddr>() else { continue };
            if listeners.iter().any(|listener| listener.listen == SocketAddr::new(ip, *port)) {
                self.fail(
                    span,
                    "the upstream is a listener of this guard",
                    "mail would run in a circle: name the mail server behind the guard",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    fn read(upstream: &str) -> Result<super::Upstream, String> {
        let text = format!("hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:10025\"\n{upstream}\n");
        Config::parse("sekisho.toml", &text, Path::new("/etc/sekisho"))
            .map(|config| config.upstream)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn servers_take_from_upstream_what_they_do_not_say() {
        let upstream = read(
            r#"[upstream]
            servers = ["mail1.example.jp:25", { server = "[2001:db8::1]:465", priority = 20, tls = "encrypt", implicit = true }]
            tls = "verify"
            name = "mail.example.jp"
            ca = "ca.pem"
            user = "guard"
            password_file = "secret"
            auth_over_clear = false
            "#,
        );
        // The second one would send the login unverified.
        assert!(upstream.unwrap_err().contains("credentials are only sent over a verified connection"));
        let upstream = read(
            r#"[upstream]
            tls = "verify"
            ca = "ca.pem"
            reuse_mails = 7
            reuse_age = "1h"
            patience = { final_dot = "20m" }
            [[upstream.servers]]
            server = "mail1.example.jp:25"
            user = "guard"
            password_file = "secret"
            [[upstream.servers]]
            server = "[2001:db8::1]:465"
            priority = 20
            tls = "encrypt"
            implicit = true
            "#,
        )
        .unwrap();
        let [first, second] = upstream.servers.as_slice() else { panic!("{upstream:?}") };
        assert_eq!(first.place, super::Place::Host { host: "mail1.example.jp".to_owned(), port: 25 });
        assert_eq!((first.priority, first.implicit, first.login.is_some()), (10, false, true));
        assert_eq!(first.ca.as_deref(), Some(Path::new("/etc/sekisho/ca.pem")));
        assert_eq!(second.place, super::Place::Host { host: "2001:db8::1".to_owned(), port: 465 });
        assert_eq!((second.priority, second.implicit, second.login.is_some()), (20, true, false));
        assert_eq!(
            (upstream.reuse.mails, upstream.reuse.age_ms, upstream.patience.final_dot_ms),
            (7, 3_600_000, 1_200_000)
        );
        assert_eq!(upstream.patience.data_ms, 120_000);
    }

    #[test]
    fn the_short_form_stays() {
        for (text, host, port) in [("127.0.0.1:10026", "127.0.0.1", 10026), ("[::1]:25", "::1", 25)] {
            let upstream = read(&format!("[upstream]\nserver = \"{text}\"")).unwrap();
            assert_eq!(upstream.servers[0].place, super::Place::Host { host: host.to_owned(), port });
        }
    }

    #[cfg(feature = "mx")]
    #[test]
    fn exchangers_are_named_by_their_domain() {
        for (text, port) in [("mx:example.jp", 25), ("mx:example.jp:587", 587)] {
            let upstream = read(&format!("[upstream]\nserver = \"{text}\"\nresolvers = [\"192.0.2.53\"]")).unwrap();
            assert_eq!(upstream.servers[0].place, super::Place::Mx { domain: "example.jp".to_owned(), port });
            assert_eq!(upstream.resolvers, ["192.0.2.53:53".parse().unwrap()]);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_way_out() {
        for (upstream, words) in [
            ("", "there is no [upstream]"),
            ("[upstream]\ntls = \"may\"", "names no mail server"),
            ("[upstream]\nserver = \"a:25\"\nservers = [\"b:25\"]", "cannot stand together"),
            ("[upstream]\nserver = \"mail.example.jp\"", "no host with a port"),
            ("[upstream]\nserver = \"mail.example.jp:0\"", "no host with a port"),
            ("[upstream]\nserver = \"mx:192.0.2.1\"", "no host with a port"),
            ("[upstream]\nserver = \"http://a:25\"", "no host with a port"),
            ("[upstream]\nserver = \"[nonsense]:25\"", "no host with a port"),
            ("[upstream]\nserver = \"127.0.0.1:10025\"", "is a listener of this guard"),
            ("[upstream]\nservers = [\"a:25\", \"127.0.0.1:10025\"]", "is a listener of this guard"),
            ("[upstream]\nserver = \"a:25\"\nuser = \"x\"", "belong together"),
            ("[upstream]\nserver = \"a:25\"\nkey = \"x\"", "`certificate` and `key`"),
            ("[upstream]\nserver = \"a:25\"\nauth_over_clear = true", "cross the network in clear"),
            ("[upstream]\nserver = \"a:25\"\nimplicit = true", "`implicit` needs"),
            ("[upstream]\nserver = \"a:25\"\nresolvers = [\"dns\"]", "no address of a name server"),
            ("[upstream]\nserver = \"a:25\"\npatience = { data = \"0s\" }", "in no time"),
            ("[upstream]\nservers = [{ server = \"a:25\", prio = 1 }]", "priority"),
            ("[upstream]\nservers = [7]", "expected"),
        ] {
            let problem = read(upstream).unwrap_err();
            assert!(problem.contains(words), "{upstream}:\n{problem}");
        }
        assert!(read("[upstream]\nserver = \"127.0.0.1:25\"\nauth_over_clear = true").unwrap().auth_over_clear);
    }
}
