//! Attempts that a confined worker must not succeed in, so that an administrator and the tests see the walls from inside.
//! It refuses to be more than an attempt: nothing that it reaches is read out.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

/// One attempt, written `KIND:TARGET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `file:/etc/hostname`: open it to read.
    File(PathBuf),
    /// `create:/tmp/x`: make it.
    Create(PathBuf),
    /// `connect:127.0.0.1:25`: reach it by TCP.
    Connect(SocketAddr),
    /// `program:/bin/true`: start it.
    Program(PathBuf),
    /// `thread:`: start another thread.
    Thread,
    /// `panic:`: let a reader panic and go on.
    Panic,
}

impl FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, target) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "file" => Ok(Self::File(target.into())),
            "create" => Ok(Self::Create(target.into())),
            "connect" => target.parse().map(Self::Connect).map_err(|_| "an address with a port is needed".to_owned()),
            "program" => Ok(Self::Program(target.into())),
            "thread" => Ok(Self::Thread),
            "panic" => Ok(Self::Panic),
            _ => Err("file, create, connect, program, thread and panic are known".to_owned()),
        }
    }
}

impl Probe {
    /// Tries it.
    ///
    /// # Errors
    /// What stood in the way.
    pub(super) fn attempt(&self) -> io::Result<()> {
        match self {
            Self::File(path) => File::open(path).map(drop),
            Self::Create(path) => File::create(path).map(drop),
            Self::Connect(at) => TcpStream::connect(at).map(drop),
            Self::Program(path) => Command::new(path).status().map(drop),
            Self::Thread => std::thread::Builder::new().spawn(|| ()).map(drop),
            Self::Panic => match std::panic::catch_unwind(|| std::panic::panic_any(())) {
                Ok(()) => Ok(()),
                Err(_) => Err(io::Error::other("caught")),
            },
        }
    }
}
