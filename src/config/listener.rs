//! Reads one `[[listener]]`: where mail comes in, who may hand it in, and how TLS is spoken.
//! It refuses combinations that would promise protection that is not there.

use super::error::Problem;
use super::file::{self, ClientCertificate, ListenerAuth, ListenerTls};
use super::{Listener, Reader};
use crate::network::Network;
use std::path::PathBuf;
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
        let client_ca = self.client_certificates(given);
        let allowed_names = given
            .allowed_names
            .as_ref()
            .map_or(Vec::new(), |names| names.get_ref().iter().map(|name| name.to_ascii_lowercase()).collect());
        let allowed = match &given.allowed {
            Some(networks) => self.networks(networks),
            None => ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok()).collect(),
        };
        Listener {
            listen: self.socket(&given.listen),
            tls: given.tls,
            require_tls: given.require_tls,
            allowed,
            auth,
            client_ca,
            allowed_names,
            xclient: self.networks(&given.xclient),
            proxies: self.networks(&given.proxy),
        }
    }

    fn client_certificates(&mut self, given: &file::Listener) -> Option<(PathBuf, bool)> {
        let named = given.allowed_names.as_ref().map(Spanned::span);
        let asked = given.client_cert.as_ref().map(Spanned::span);
        let Some(ca) = &given.client_ca else {
            if let Some(place) = asked.or(named) {
                self.fail(
                    place,
                    "without `client_ca` no client certificate can be verified",
                    "name the roots: client_ca = \"clients-ca.pem\"",
                );
            }
            return None;
        };
        let required = given.client_cert.as_ref().is_some_and(|kind| *kind.get_ref() == ClientCertificate::Required);
        let start = given.listen.span();
        if given.tls == ListenerTls::Off {
            self.fail(start, "client certificates need TLS", "set `tls = \"starttls\"` or \"implicit\"");
        } else if required && given.tls == ListenerTls::Starttls && !given.require_tls {
            self.fail(
                asked.unwrap_or(start),
                "a client can stay without certificate by not saying STARTTLS",
                "set `require_tls = true`",
            );
        }
        Some((self.path(ca), required))
    }

    fn networks(&mut self, texts: &[Spanned<String>]) -> Vec<Network> {
        texts.iter().filter_map(|network| self.network(network)).collect()
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

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    /// What is said about a listener with these lines.
    fn problems(lines: &str) -> String {
        let text = format!(
            "hostname = \"guard.example.jp\"\n[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n[upstream]\nserver = \"127.0.0.1:26\"\n\
             [[listener]]\nlisten = \"127.0.0.1:25\"\n{lines}\n"
        );
        match Config::parse("test", &text, Path::new("/")) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_would_promise_too_much_is_refused() {
        for (lines, complaint) in [
            ("auth = \"required\"", "passwords are only taken over TLS"),
            ("auth = \"optional\"", "passwords are only taken over TLS"),
            ("tls = \"starttls\"\nauth = \"maybe\"", "unknown variant"),
            ("tls = \"implicit\"\nclient_cert = \"required\"", "without `client_ca`"),
            ("tls = \"implicit\"\nallowed_names = [\"mail.example.jp\"]", "without `client_ca`"),
            ("client_ca = \"ca.pem\"", "client certificates need TLS"),
            ("tls = \"starttls\"\nclient_ca = \"ca.pem\"\nclient_cert = \"required\"", "by not saying STARTTLS"),
            ("xclient = [\"10.0.0.1/24\"]", "bits are set behind the prefix"),
            ("proxy = [\"balancer\"]", "read a network"),
        ] {
            let said = problems(lines);
            assert!(said.contains(complaint), "{lines}: {said}");
        }
    }

    #[test]
    fn what_fits_together_is_taken() {
        for lines in [
            "auth = \"off\"",
            "tls = \"starttls\"\nauth = \"optional\"",
            "tls = \"implicit\"\nauth = \"required\"\nclient_ca = \"ca.pem\"\nclient_cert = \"required\"",
            "tls = \"starttls\"\nrequire_tls = true\nclient_ca = \"ca.pem\"\nclient_cert = \"required\"",
            "tls = \"starttls\"\nclient_ca = \"ca.pem\"\nallowed_names = [\"mail.example.jp\"]",
            "xclient = [\"10.0.0.1\", \"2001:db8::/32\"]\nproxy = [\"10.0.0.2\"]",
        ] {
            assert_eq!(problems(lines), "", "{lines}");
        }
    }
}
