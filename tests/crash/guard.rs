//! One life of `sekisho serve` as a process, with its configuration and what it says.
//! It refuses to go on when the guard does not start: a start after a crash must work at once.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a start may take on a busy machine, and a stop.
const PATIENCE: Duration = Duration::from_secs(30);

const RULES: &str = r#"
[lists]
internal = ["example.jp"]
parked   = ["customer9.test"]

[[rule]]
id   = "visible-addresses"
title = { en = "Many outside addresses can see each other" }
when = { visible_external = ">= 10" }
then = { hold = "sender", repairs = ["bcc", "individual", "cancel"], expires = "24h" }

[[rule]]
id   = "forbidden"
title = { en = "This must not leave" }
when = { subject = "forbidden" }
then = "block"

[[rule]]
id   = "discarded"
title = { en = "This must not leave, and the sender is told" }
when = { subject = "discarded" }
then = { block = "notice" }

[[rule]]
id   = "newsletter"
title = { en = "Readers do not see each other" }
when = { subject = "newsletter" }
then = "bcc"

[[rule]]
id   = "marked"
title = { en = "Marked for outside" }
when = { subject = "marked" }
then = { tag = { header = "X-Guard: checked", subject = "[outside]" } }

[[rule]]
id    = "partly"
title = { en = "One of the recipients is looked at first" }
scope = "recipient"
when  = { to = "@parked" }
then  = { hold = "sender", repairs = ["as_is", "bcc", "cancel"] }

[[rule]]
id   = "delayed"
title = { en = "A moment to think" }
when = { subject = "delayed" }
then = { delay = "1s" }
"#;

/// The folder of all lives, and where the guard listens.
pub struct Place {
    dir: tempfile::TempDir,
    pub at: SocketAddr,
    page: SocketAddr,
    sink: SocketAddr,
    more: &'static str,
}

impl Place {
    /// The guard gets a loopback address of its own: while it is down, no other program is given its port. `more` are further sections.
    pub fn new(sink: SocketAddr, more: &'static str) -> Self {
        let dir = tempfile::Builder::new().prefix("sekisho-crash").tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("rules/rules.toml"), RULES).unwrap();
        let [.., high, low] = std::process::id().to_be_bytes();
        let sockets: Vec<_> = (0..).find_map(|turn| pair([127, 1 + turn % 200, high, low.max(1)])).unwrap();
        let ports: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        Self { dir, at: ports[0], page: ports[1], sink, more }
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("sekisho.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The beginning of links in notices.
    pub fn links(&self) -> String {
        format!("http://{}/held/", self.page)
    }

    /// The name of the host tells clients and mail server which life they talk to.
    fn write_config(&self, life: u64) {
        let text = format!(
            "hostname = \"life{life}.example.jp\"\nstate = \"state\"\nrules = \"rules\"\n\
             [[listener]]\nlisten = \"{}\"\n[upstream]\nserver = \"{}\"\ntls = \"off\"\nconnections = 8\n\
             [notice]\nfrom = \"postmaster@example.jp\"\nsettle = \"1s\"\n[console]\nlisten = \"{}\"\n\
             [log]\nlevel = \"info\"\n{}",
            self.at, self.sink, self.page, self.more
        );
        let draft = self.dir.path().join("sekisho.toml.new");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.config()).unwrap();
    }
}

/// Two free ports of one address.
fn pair(ip: [u8; 4]) -> Option<Vec<TcpListener>> {
    (0..2).map(|_| TcpListener::bind(SocketAddr::from((ip, 0))).ok()).collect()
}

/// The life that a host name tells: `life7.example.jp`.
pub fn life_in(name: &str) -> Option<u64> {
    name.strip_prefix("life")?.split('.').next()?.parse().ok()
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    ready: bool,
    /// Leases of the life before, which it left open.
    freed: Option<u64>,
    over: bool,
}

/// A running guard.
pub struct Guard {
    child: Child,
    said: Arc<(Mutex<Said>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Guard {
    /// Starts the process; it is not ready yet.
    pub fn start(place: &Place, life: u64) -> Self {
        place.write_config(life);
        let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["serve", "--config"])
            .arg(place.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // So that a signal to the group means the guard and its workers, not this test.
            .process_group(0)
            .spawn()
            .unwrap();
        let said: Arc<(Mutex<Said>, Condvar)> = Arc::default();
        let (stderr, shared) = (child.stderr.take().unwrap(), Arc::clone(&said));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut said = shared.0.lock().unwrap();
                said.ready |= line.ends_with(" ready");
                let freed = line.split("outbox_leases=").nth(1).and_then(|rest| rest.split(' ').next());
                said.freed = freed.and_then(|count| count.parse().ok()).or(said.freed);
                said.lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().over = true;
            shared.1.notify_all();
        });
        Self { child, said, reader: Some(reader) }
    }

    /// Waits until it accepts mail; gives the time it took.
    pub fn ready(&self) -> Duration {
        let start = Instant::now();
        let said = self.said.0.lock().unwrap();
        let (said, _) = self.said.1.wait_timeout_while(said, PATIENCE, |said| !said.ready && !said.over).unwrap();
        assert!(said.ready, "the guard does not start:\n{}", said.lines.join("\n"));
        start.elapsed()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Over {
        self.child.kill().unwrap();
        self.over()
    }

    /// SIGTERM, to the guard alone or to its workers too, as service managers and terminals do.
    pub fn stop(mut self, group: bool) -> Over {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        if group { kill_process_group(pid, Signal::TERM) } else { kill_process(pid, Signal::TERM) }.unwrap();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                start.elapsed() < PATIENCE,
                "the guard does not stop:\n{}",
                self.said.0.lock().unwrap().lines.join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self.over()
    }

    fn over(&mut self) -> Over {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let mut said = self.said.0.lock().unwrap();
        Over { status, freed: said.freed, lines: std::mem::take(&mut said.lines) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a life said until its end.
pub struct Over {
    pub status: ExitStatus,
    /// Outbox leases it freed when it started; `None` when it died before it said so.
    pub freed: Option<u64>,
    pub lines: Vec<String>,
}

/// Bodies that are files of their own.
pub fn body_files(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state.join("bodies")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
