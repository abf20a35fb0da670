//! The life of one mail, as a library: bytes become a mail, a mail becomes facts, facts become a verdict, a verdict becomes a plan, a plan becomes effects.
//! It refuses to hide that order: modules are listed by layer, and `tests/layers.rs` fails when one imports upwards.
#![forbid(unsafe_code)]

// Layer 0: words
pub mod address;
pub mod id;
pub mod limits;
pub mod network;
// Layer 1: shapes
pub mod config;
pub mod mail;
pub mod smtp;
// Layer 2: judgement
pub mod detect;
pub mod extract;
pub mod facts;
pub mod inspect;
pub mod plan;
pub mod rules;
pub mod seal;
// Layer 3: keeping
pub mod hold;
pub mod notice;
pub mod outbox;
pub mod store;
// Layer 4: edges
pub mod console;
pub mod listen;
pub mod relay;
pub mod worker;
// Layer 5: assembly
pub mod app;
pub mod cli;
pub mod clock;
pub mod pipeline;
pub mod reload;
