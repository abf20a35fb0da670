//! Logins of clients, carried to the mail server behind, which alone judges them.
//! It refuses to keep a login: what is kept is the connection that the mail server opened for it.

use crate::config::Config;
use crate::config::file::ListenerAuth;
use crate::listen::{Ended, Shared, Verify};
use crate::relay::Relay;
use std::sync::Arc;

/// Adds the hooks for logins, when a listener takes any and a mail server can be logged in to; without them no AUTH is offered.
pub(super) fn with_logins(shared: Shared, relay: &Arc<Relay>, config: &Config) -> Shared {
    if !takes_logins(config) || !relay.carries_logins() {
        return shared;
    }
    let (asking, ending) = (Arc::clone(relay), Arc::clone(relay));
    let verify: Verify = Arc::new(move |login, session| {
        let relay = Arc::clone(&asking);
        Box::pin(async move { relay.log_in(session, login).await })
    });
    let ended: Ended = Arc::new(move |session| ending.end_session(session));
    shared.with_logins(verify, ended)
}

fn takes_logins(config: &Config) -> bool {
    config.listeners.iter().any(|listener| listener.auth != ListenerAuth::Off)
}

/// Says what an administrator would otherwise learn from the first held mail: it leaves later, when its client is gone, and so needs a login
/// of the guard's own.
pub(super) async fn warn_without_own_login(relay: &Relay, config: &Config) {
    if !takes_logins(config) {
        return;
    }
    let offered = relay.offer(&config.limits).await.auth;
    if offered.is_empty() {
        tracing::warn!(
            "listeners take logins, but the mail server offers none that can be used: it must offer PLAIN, LOGIN, OAUTHBEARER or XOAUTH2 \
             over TLS with a certificate that is verified ([upstream] tls = \"verify\")"
        );
    } else if !config.upstream.logs_in() {
        tracing::warn!(
            "listeners take logins, and the guard has none of its own: if the mail server asks for one, held and queued mail cannot leave; \
             give [upstream] `user` and `password_file`"
        );
    }
}
