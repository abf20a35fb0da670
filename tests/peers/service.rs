//! The guard under a service manager: passed sockets, readiness, signs of life, an orderly stop.
//! It refuses to need systemd itself: what it would send and receive is done here.

use crate::fake_upstream::{FakeUpstream, yes};
use crate::guard::{Guard, PATIENCE, Setup, wait};
use crate::postfix::free_port;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    fn ended(&mut self) -> Option<i32> {
        wait("the process to end", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The greeting of a port.
fn greeting(port: u16) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

/// Does what systemd does for a socket unit: listens, then becomes the service with the socket as descriptor 3.
const PASS: &str = "
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen(64)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ['LISTEN_FDS'] = '1'
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_passed_socket_is_served_and_one_that_nobody_named_is_refused() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::prepare(&Setup::before(upstream.port));
    let log = guard.path("log");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let config = guard.path("sekisho.toml");
    let command = |port: u16| {
        let mut command = Command::new("python3");
        command.args(["-c", PASS, &port.to_string(), env!("CARGO_BIN_EXE_sekisho"), "serve", "--config"]).arg(&config);
        command
    };
    let mut process = Process::start(&mut command(guard.smtp), &log);
    wait("the guard", || said().contains("ready").then_some(()));
    assert!(said().contains("passed by the service manager") && said().contains("bound"), "{}", said());
    assert!(greeting(guard.smtp).starts_with("220 guard.example.jp"));
    process.signal("TERM");
    assert_eq!(process.ended(), Some(0));

    // A port that is taken may be free soon; a socket that the configuration does not know will not be known later.
    let taken = std::net::TcpListener::bind(("127.0.0.1", guard.smtp)).unwrap();
    let mut later =
        Process::start(Command::new(env!("CARGO_BIN_EXE_sekisho")).args(["serve", "-c"]).arg(&config), &log);
    assert_eq!(later.ended(), Some(75), "{}", said());
    drop(taken);
    let mut refused = Process::start(&mut command(free_port().unwrap()), &log);
    assert_eq!(refused.ended(), Some(78));
    assert!(said().contains("no `listen` of the configuration has this address"), "{}", said());
}

#[test]
fn systemd_itself_starts_it_at_the_first_connection() {
    let tool = "/usr/bin/systemd-socket-activate";
    if !Path::new(tool).exists() {
        eprintln!("skipped: {tool} is not installed");
        return;
    }
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::prepare(&Setup::before(upstream.port));
    let log = guard.path("log");
    let mut command = Command::new(tool);
    command
        .args(["-l", &format!("127.0.0.1:{}", guard.smtp), env!("CARGO_BIN_EXE_sekisho"), "serve", "--config"])
        .arg(guard.path("sekisho.toml"));
    let mut process = Process::start(&mut command, &log);
    wait("systemd to listen", || TcpStream::connect(("127.0.0.1", guard.smtp)).ok());
    // The connection that woke it is served like any other.
    assert!(greeting(guard.smtp).starts_with("220 guard.example.jp"), "{}", guard.log());
    wait("the guard", || guard.log().contains("ready").then_some(()));
    process.signal("TERM");
    assert_eq!(process.ended(), Some(0));
}

/// Messages to the service manager until one of them has this line; how many there were before it.
fn until(socket: &UnixDatagram, line: &str, patience: Duration) -> Option<usize> {
    let deadline = Instant::now() + patience;
    let mut buffer = [0; 4_096];
    let mut others = 0;
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok(length) = socket.recv(&mut buffer) else { break };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.lines().any(|other| other == line) {
            return Some(others);
        }
        others += 1;
    }
    None
}

#[test]
fn signs_of_life_stop_when_the_store_hangs_and_come_back() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::prepare(&Setup::before(upstream.port));
    let manager = UnixDatagram::bind(guard.path("notify")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command
        .args(["serve", "--config"])
        .arg(guard.path("sekisho.toml"))
        .env("NOTIFY_SOCKET", guard.path("notify"))
        .env("WATCHDOG_USEC", "900000");
    let mut process = Process::start(&mut command, &guard.path("log"));
    assert!(until(&manager, "READY=1", PATIENCE).is_some(), "{}", guard.log());
    assert!(until(&manager, "WATCHDOG=1", PATIENCE).is_some());
    assert!(until(&manager, "WATCHDOG=1", PATIENCE).is_some());

    // Somebody holds the lock for writing, so that no commit comes through.
    let held = "import sqlite3, sys\n\
                store = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                store.execute('BEGIN IMMEDIATE')\n\
                print('held', flush=True)\n\
                sys.stdin.read()\n";
    let mut holder = Command::new("python3")
        .args(["-c", held])
        .arg(guard.path("state/store.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0; 4];
    holder.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"held");
    wait("the complaint", || guard.log().contains("the guard hangs").then_some(()));
    // What was said before the complaint is taken out; then there is silence.
    while until(&manager, "WATCHDOG=1", Duration::from_millis(10)).is_some() {}
    assert_eq!(until(&manager, "WATCHDOG=1", Duration::from_millis(1_500)), None, "no sign of life while it hangs");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(until(&manager, "WATCHDOG=1", PATIENCE).is_some(), "it lives again");

    process.signal("HUP");
    assert!(until(&manager, "RELOADING=1", PATIENCE).is_some());
    assert!(until(&manager, "READY=1", PATIENCE).is_some());
    process.signal("TERM");
    assert!(until(&manager, "STOPPING=1", PATIENCE).is_some());
    assert_eq!(process.ended(), Some(0));
}
