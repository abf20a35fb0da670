//! What the extractor must find, where, and what it must admit not to have read; over files built here.
//! They refuse to look inside: only `extract::part` is called.
// Fixture builders are not test functions, so the general permission of clippy.toml does not reach them.
#![allow(clippy::unwrap_used)]

#[path = "extract/archives.rs"]
mod archives;
#[path = "extract/fixture.rs"]
mod fixture;
#[path = "extract/hostile.rs"]
mod hostile;
#[path = "extract/kinds.rs"]
mod kinds;
#[path = "extract/legacy.rs"]
mod legacy;
#[path = "extract/office.rs"]
mod office;
#[path = "extract/packed.rs"]
mod packed;
#[path = "extract/texts.rs"]
mod texts;
