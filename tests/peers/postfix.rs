//! A Postfix of its own in a temporary folder: starts, tells its port, its queue and its CPU time, and stops when dropped.
//! It refuses to touch the system's Postfix, its configuration or its queue.
#![allow(dead_code)]

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One running instance.
pub struct Postfix {
    dir: tempfile::TempDir,
    pub port: u16,
}

/// Is Postfix installed here?
pub fn installed() -> bool {
    Path::new("/usr/sbin/postfix").exists()
}

const MASTER: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Postfix {
    /// Starts an instance that relays everything to `relayhost`; `extra` are further lines of `main.cf`.
    pub fn start(relayhost: u16, extra: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("postfix").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let port = free_port()?;
        let root = dir.path().display().to_string();
        for part in ["conf", "queue", "data"] {
            fs::create_dir(dir.path().join(part))?;
            fs::set_permissions(dir.path().join(part), fs::Permissions::from_mode(0o755))?;
        }
        let owned = Command::new("chown").arg("postfix").arg(dir.path().join("data")).status()?;
        assert!(owned.success(), "the tests of real peers run as root");
        fs::write(
            dir.path().join("conf/main.cf"),
            format!(
                "\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mta.example.jp
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{relayhost}
maillog_file = {root}/log
maillog_file_prefixes = {root}
smtp_dns_support_level = disabled
smtp_host_lookup = native
alias_maps =
local_recipient_maps =
smtpd_recipient_restrictions = permit_mynetworks, reject
{extra}
"
            ),
        )?;
        fs::write(dir.path().join("conf/master.cf"), format!("127.0.0.1:{port} inet n - n - - smtpd\n{MASTER}"))?;
        let postfix = Self { dir, port };
        let started = postfix.command("start")?;
        if !started {
            return Err(io::Error::other(format!("postfix did not start: {}", postfix.log())));
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("postfix does not listen: {}", postfix.log())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(postfix)
    }

    fn conf(&self) -> PathBuf {
        self.dir.path().join("conf")
    }

    fn command(&self, word: &str) -> io::Result<bool> {
        let status = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(self.conf())
            .arg(word)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(status.success())
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Tries everything in the queue again now.
    pub fn flush(&self) -> io::Result<bool> {
        Ok(Command::new("/usr/sbin/postqueue").arg("-c").arg(self.conf()).arg("-f").status()?.success())
    }

    /// Mails in its queues.
    pub fn queued(&self) -> usize {
        ["incoming", "active", "deferred"].iter().map(|queue| files(&self.dir.path().join("queue").join(queue))).sum()
    }

    /// Process id of its master.
    pub fn master(&self) -> Option<u32> {
        fs::read_to_string(self.dir.path().join("queue/pid/master.pid")).ok()?.trim().parse().ok()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("stop");
    }
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
