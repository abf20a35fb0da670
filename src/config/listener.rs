//! Reads one `[[listener]]`: where mail comes in, who may hand it in, and how TLS is spoken.
//! It refuses combinations that would promise protection that is not there.

use super::error::Problem;
use super::file::{self, ListenerAuth, ListenerTls};
use super::{Listener, Reader};
use crate::network::Network;
use toml::Spanned;

impl Reader<'_> {
    pub(super) fn listener(&mut self, listener: &Spanned<file::Listener>, tls: bool) -> Listener {
        let given = listener.get_ref();
        if given.tls != ListenerTls::Off && !tls {
            self.fail(
                listener.span(),
                "this listener speaks TLS but there is no [tls]",
                "add [tls] with `certificate` and `key`",
            );
        }
        if given.require_tls && given.tls == ListenerTls::Off {
            self.fail(
                listener.span(),
                "`require_tls` needs `tls = \"starttls\"` or \"implicit\"",
                "set `tls`, or remove `require_tls`",
            );
        }
        let auth = given.auth.as_ref().map_or(ListenerAuth::Off, |auth| *auth.get_ref());
        if let (Some(place), true, ListenerTls::Off) = (&given.auth, auth != ListenerAuth::Off, given.tls) {
            self.fail(
                place.span(),
                "passwords are only taken over TLS",
                "set `tls = \"starttls\"` or \"implicit\", or remove `auth`",
            );
        }
        let allowed = match &given.allowed {
            Some(networks) => networks.iter().filter_map(|network| self.network(network)).collect(),
            None => ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok()).collect(),
        };
        Listener { listen: self.socket(&given.listen), tls: given.tls, require_tls: given.require_tls, allowed, auth }
    }

    fn network(&mut self, text: &Spanned<String>) -> Option<Network> {
        match text.get_ref().parse() {
            Ok(network) => Some(network),
            Err(error) => {
                self.problems.push(Problem::error(&self.source, text.span(), format!("failed to {error}")));
                None
            }
        }
    }
}
