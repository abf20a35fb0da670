//! The demonstration: mails that tell known leaks again with invented people, for `sekisho demo` and for the tests.
//! It refuses to hold any real person's data, and to send anything by itself.

pub mod fixtures;
pub mod incidents;
