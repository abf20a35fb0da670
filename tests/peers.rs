//! The guard among real peers: Postfix in front and behind, swaks, Python's smtplib and dkimpy, openssl, and servers that fail on purpose.
//! It refuses to reach beyond the loopback, and to look into the guard's memory: everything is seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "helpers of tests fail a test by panicking, and show logs when one fails"
)]

#[path = "peers/chain.rs"]
mod chain;
#[path = "peers/client.rs"]
mod client;
#[path = "peers/confined.rs"]
mod confined;
#[path = "peers/disk.rs"]
mod disk;
#[path = "peers/fake_upstream.rs"]
mod fake_upstream;
#[path = "peers/faults.rs"]
mod faults;
#[path = "peers/guard.rs"]
mod guard;
#[path = "peers/large.rs"]
mod large;
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
#[path = "peers/service.rs"]
mod service;
#[path = "peers/signed.rs"]
mod signed;
#[path = "peers/sink.rs"]
mod sink;
#[path = "peers/smtp_clients.rs"]
mod smtp_clients;
#[path = "peers/status.rs"]
mod status;
#[path = "peers/tls.rs"]
mod tls;
#[path = "peers/together.rs"]
mod together;
#[path = "peers/uji.rs"]
mod uji;
#[path = "peers/web.rs"]
mod web;
