//! Reads `[upstream]`: the mail server behind the guard, and how it is reached.
//! It refuses credentials without a verified connection, and half a login.

use super::file::{self, UpstreamTls};
use super::{Reader, Upstream};
use toml::Spanned;

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
        let server = given.server.get_ref().clone();
        let host = match server.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) && !host.is_empty() => host,
            _ => {
                self.fail(given.server.span(), "this is no host with a port", "write it as mail.example.jp:25");
                return None;
            }
        };
        let login = match (&given.user, &given.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), self.path(file))),
            (None, None) => None,
            _ => {
                self.fail(place.span(), "`user` and `password_file` belong together", "give both or none");
                None
            }
        };
        if login.is_some() && given.tls != UpstreamTls::Verify {
            self.fail(
                place.span(),
                "credentials are only sent over a verified connection",
                "set tls = \"verify\", or remove `user` and `password_file`",
            );
        }
        if given.implicit && matches!(given.tls, UpstreamTls::Off | UpstreamTls::May) {
            self.fail(
                place.span(),
                "`implicit` needs `tls = \"encrypt\"` or \"verify\"",
                "set `tls`, or remove `implicit`",
            );
        }
        Some(Upstream {
            name: given.name.clone().unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned()),
            tls: given.tls,
            implicit: given.implicit,
            ca: given.ca.as_deref().map(|path| self.path(path)),
            login,
            connections: given.connections.clamp(1, 1_000),
            server,
        })
    }
}
