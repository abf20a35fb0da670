//! The inspection room: a pool of processes of the same binary that get a mail and answer with facts.
//! It refuses to let a parser that crashes, loops or eats memory reach the relay: the process dies, the mail is held.

pub mod frame;
mod pool;
mod room;

pub use pool::{Busy, Options, Pool};
pub use room::run;
