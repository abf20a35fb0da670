//! The inspection room: a pool of processes of the same binary that get a mail and answer with facts.
//! It refuses to let a parser that crashes, loops or eats memory reach the relay: the process dies, the mail is held.

pub mod frame;
mod pool;
mod probe;
mod room;
pub mod sandbox;

pub use pool::{Busy, NotStarted, Options, Pool};
pub use probe::Probe;
pub use room::{Walls, run};
pub use sandbox::Confinement;
