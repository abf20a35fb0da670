//! The guard as its own process in a temporary folder: `sekisho serve` with a configuration, its log, its signals, its command line.
//! It refuses to outlive the test: the process is ended when the value is dropped.

use crate::postfix::free_port;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that normally takes a moment; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// What differs from a plain guard.
pub struct Setup<'a> {
    /// Port of the mail server behind.
    pub upstream: u16,
    /// Further lines of the `[[listener]]`.
    pub listener: &'a str,
    /// Further lines of the `[upstream]`.
    pub relay: &'a str,
    /// Further lines of the `[console]`.
    pub page: &'a str,
    /// Further sections.
    pub more: &'a str,
    /// The only rule file; without one, the shipped set.
    pub rules: Option<&'a str>,
    /// Where it keeps its state, if not in its own folder.
    pub state: Option<&'a Path>,
    /// `log.format`.
    pub log: &'a str,
}

impl Setup<'_> {
    /// A plain guard in front of this port.
    pub fn before(upstream: u16) -> Self {
        Self {
            upstream,
            listener: "",
            relay: "tls = \"off\"",
            page: "",
            more: "",
            rules: None,
            state: None,
            log: "text",
        }
    }
}

/// A running guard.
pub struct Guard {
    child: Option<Child>,
    dir: tempfile::TempDir,
    pub smtp: u16,
    pub page: u16,
    pub status: u16,
}

/// Waits until a look gives something; what is waited for is said when it never does.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

impl Guard {
    /// Starts it and waits until it says that it is ready.
    pub fn start(setup: &Setup<'_>) -> Self {
        let mut guard = Self::prepare(setup);
        guard.launch();
        guard
    }

    /// Its folder with everything in it, not running yet.
    pub fn prepare(setup: &Setup<'_>) -> Self {
        let dir = tempfile::Builder::new().prefix("sekisho").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (smtp, page, status) = (free_port().unwrap(), free_port().unwrap(), free_port().unwrap());
        let state = setup.state.unwrap_or(Path::new("state")).display();
        let rules = if let Some(text) = setup.rules {
            fs::create_dir(dir.path().join("rules")).unwrap();
            fs::write(dir.path().join("rules/rules.toml"), text).unwrap();
            "rules = \"rules\"\n"
        } else {
            ""
        };
        let config = format!(
            "hostname = \"guard.example.jp\"\nstate = \"{state}\"\n{rules}\
             [[listener]]\nlisten = \"127.0.0.1:{smtp}\"\n{}\n\
             [upstream]\nserver = \"127.0.0.1:{}\"\n{}\n\
             [notice]\nfrom = \"postmaster@example.jp\"\nsettle = \"2s\"\nadmins = [\"admin@example.jp\"]\n\
             [console]\nlisten = \"127.0.0.1:{page}\"\n{}\n\
             [status]\nlisten = \"127.0.0.1:{status}\"\n\
             [log]\nformat = \"{}\"\n{}\n",
            setup.listener, setup.upstream, setup.relay, setup.page, setup.log, setup.more
        );
        fs::write(dir.path().join("sekisho.toml"), config).unwrap();
        Self { child: None, dir, smtp, page, status }
    }

    /// Starts the process; what it logged before stays in the log.
    pub fn launch(&mut self) {
        let before = self.log().matches("ready").count();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["serve", "--config"])
            .arg(self.path("sekisho.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait("the guard to be ready", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "the guard ended at its start: {ended:?}\n{}", self.log());
            (self.log().matches("ready").count() > before).then_some(())
        });
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Is the process alive?
    pub fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Sends it a signal, by the name that kill(1) knows.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success(), "kill -{name}");
    }

    /// Waits until it ended by itself; gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let status = wait("the guard to end", || child.try_wait().unwrap());
        status.code()
    }

    /// Runs `sekisho` with its configuration, as an administrator beside the service.
    pub fn command(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .env("SEKISHO_CONFIG", self.path("sekisho.toml"))
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `sekisho held list`: the ids of mails that wait, with their lines.
    pub fn held(&self) -> Vec<(String, String)> {
        let output = self.command(&["held", "list"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| *line != "no mail is held");
        lines.map(|line| (line.split(' ').next().unwrap_or_default().to_owned(), line.to_owned())).collect()
    }

    /// `sekisho held show`.
    pub fn show(&self, id: &str) -> String {
        let output = self.command(&["held", "show", id]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The beginning of links to its page.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.page)
    }

    /// Does it take connections?
    pub fn listens(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.smtp)).is_ok()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- log of the guard\n{}", self.log());
        }
    }
}
