//! The inspection room
//!  a pool of processes of the same binary that get a mail and answer with facts.:It refuses to let a parser crash, loop or memory hunger reach the relay.
