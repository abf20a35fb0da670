//! The demonstration: mails that tell known leaks again with invented people, for `sekisho demo` and for the tests.
//! It refuses to hold any real person's data, and to send anything by itself.

#![allow(
    clippy::cast_possible_truncation,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "sizes are the fixtures' own and small, and readable writers matter more here than one allocation"
)]

pub mod fixtures;
pub mod incidents;
