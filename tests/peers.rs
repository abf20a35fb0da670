//! The guard among real peers: Postfix, Exim and aiosmtpd in front and behind, swaks, Python's smtplib and dkimpy, openssl, and both sides at their worst.
//! It refuses to reach beyond the loopback, and to look into the guard's memory: everything is seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "helpers of tests fail a test by panicking, and show logs when one fails"
)]

#[path = "peers/aiosmtpd.rs"]
mod aiosmtpd;
#[path = "peers/chain.rs"]
mod chain;
#[path = "peers/client.rs"]
mod client;
#[path = "peers/confined.rs"]
mod confined;
#[path = "peers/disk.rs"]
mod disk;
#[cfg(feature = "mx")]
#[path = "peers/exchangers.rs"]
mod exchangers;
#[path = "peers/exim.rs"]
mod exim;
#[path = "peers/failover.rs"]
mod failover;
#[path = "peers/fake_upstream.rs"]
mod fake_upstream;
#[path = "peers/faults.rs"]
mod faults;
#[path = "peers/guard.rs"]
mod guard;
#[path = "peers/handshake.rs"]
mod handshake;
#[path = "peers/hostile.rs"]
mod hostile;
#[path = "peers/large.rs"]
mod large;
#[path = "peers/odd_clients.rs"]
mod odd_clients;
#[path = "peers/open_relay.rs"]
mod open_relay;
#[path = "peers/outbox.rs"]
mod outbox;
#[path = "peers/postfix.rs"]
mod postfix;
#[path = "peers/rates.rs"]
mod rates;
#[path = "peers/reload.rs"]
mod reload;
#[path = "peers/sealed.rs"]
mod sealed;
#[path = "peers/service.rs"]
mod service;
#[path = "peers/signed.rs"]
mod signed;
#[path = "peers/sink.rs"]
mod sink;
#[path = "peers/smtp_clients.rs"]
mod smtp_clients;
#[path = "peers/stages.rs"]
mod stages;
#[path = "peers/status.rs"]
mod status;
#[path = "peers/submission.rs"]
mod submission;
#[path = "peers/tls.rs"]
mod tls;
#[path = "peers/together.rs"]
mod together;
#[path = "peers/uji.rs"]
mod uji;
#[path = "peers/web.rs"]
mod web;
