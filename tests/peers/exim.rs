//! An Exim of its own in a temporary folder, and the guard between two of them: another queue, another client, BDAT where it is offered.
//! It refuses to touch the system: the program is unpacked, not installed, and the user it insists on exists for it alone.

use crate::client::{letter, owned, send};
use crate::guard::{Guard, Setup, wait};
use crate::postfix::free_port;
use crate::sink::{Sink, header, text, without_received};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SENDER: &str = "clerk@city.example.jp";
/// The user that Debian's build runs as; no account of the system has this number.
const USER: u32 = 64_998;

/// A running instance.
pub struct Exim {
    dir: tempfile::TempDir,
    child: Child,
    pub port: u16,
}

/// What `tests/run` unpacked.
fn unpacked() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/root");
    assert!(root.join("usr/sbin/exim4").exists(), "`tests/run` unpacks Exim into {}", root.display());
    root
}

impl Exim {
    /// Starts an instance that relays everything to a port; `extra` are further lines of its main section.
    pub fn start(next: u16, extra: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("exim").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let root = unpacked();
        let (at, port) = (dir.path().display(), free_port().unwrap());
        fs::create_dir(dir.path().join("spool")).unwrap();
        chown(dir.path(), Some(USER), Some(USER)).unwrap();
        chown(dir.path().join("spool"), Some(USER), Some(USER)).unwrap();
        fs::write(
            dir.path().join("passwd"),
            format!("root:x:0:0:root:/root:/bin/sh\nDebian-exim:x:{USER}:{USER}::/nonexistent:/bin/false\n"),
        )
        .unwrap();
        fs::write(dir.path().join("group"), format!("root:x:0:\nDebian-exim:x:{USER}:\nmail:x:8:\n")).unwrap();
        let config = format!(
            "\
exim_path = {program}
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
primary_hostname = exim.example.jp
spool_directory = {at}/spool
log_file_path = {at}/log-%s
pid_file_path = {at}/pid
local_interfaces = 127.0.0.1
deliver_drop_privilege
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
chunking_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts =
accept_8bitmime
smtp_accept_max = 200
{extra}
begin acl
rcpt:
  deny local_parts = nobody
       message = no such user here
  accept
begin routers
next:
  driver = manualroute
  transport = smtp
  route_list = * 127.0.0.1::{next} byname
  self = send
begin transports
smtp:
  driver = smtp
  hosts_try_dane =
  hosts_try_chunking = *
begin retry
* * F,1h,1s
",
            program = root.join("usr/sbin/exim4").display()
        );
        fs::write(dir.path().join("exim.conf"), config).unwrap();
        let child = Command::new(root.join("usr/sbin/exim4"))
            .arg("-C")
            .arg(dir.path().join("exim.conf"))
            .args(["-bdf", "-q1s", "-oX", &format!("127.0.0.1.{port}")])
            .env("LD_PRELOAD", "libnss_wrapper.so")
            .env("NSS_WRAPPER_PASSWD", dir.path().join("passwd"))
            .env("NSS_WRAPPER_GROUP", dir.path().join("group"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("errors")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let exim = Self { dir, child, port };
        wait("Exim to listen", || {
            let listens = TcpStream::connect(("127.0.0.1", port)).is_ok();
            (listens || exim.log().contains("exim:")).then_some(())
        });
        exim
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        let logs = ["log-main", "log-panic", "log-reject", "errors"].map(|name| self.dir.path().join(name));
        logs.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    /// Mails in its queue.
    pub fn queued(&self) -> usize {
        let Ok(files) = fs::read_dir(self.dir.path().join("spool/input")) else { return 0 };
        files.flatten().filter(|file| file.file_name().to_string_lossy().ends_with("-H")).count()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of Exim\n{}", self.log());
        }
    }
}

#[test]
fn between_two_exims_a_mail_arrives_octet_by_octet() {
    let sink = Sink::start();
    let behind = Exim::start(sink.port(), "");
    let guard = Guard::start(&Setup::before(behind.port));
    let front = Exim::start(guard.smtp, "");
    let to = owned(&["one@mail.test", "two@mail.test"]);
    let mail = letter(SENDER, &to, 1);
    assert_eq!(send(front.port, SENDER, &to, &mail), Some(250));
    let arrived = sink.wait_for(SENDER, 1).remove(0);
    assert!(without_received(&arrived.data, 3) == mail, "{}", arrived.data.escape_ascii());
    assert_eq!(arrived.envelope.recipients.len(), 2);
    wait("both queues to be empty", || (front.queued() + behind.queued() == 0).then_some(()));

    assert!(front.log().contains(" K C=\"250 "), "Exim speaks BDAT where CHUNKING is offered: {}", front.log());

    // Exim splits at a hundred recipients; the guard sees one mail, and asks once.
    let to: Vec<String> = (0..130).map(|number| format!("p{number}@club.test")).collect();
    let sender = "club@city.example.jp";
    assert_eq!(send(front.port, sender, &to, &letter(sender, &to, 2)), Some(250));
    wait("the front to be empty", || (front.queued() == 0).then_some(()));
    let held = guard.held();
    let [(id, line)] = held.as_slice() else { panic!("one held mail, not {held:?}") };
    assert!(line.contains("130 recipients"), "{line}");
    let released = guard.command(&["held", "release", id, "--repair", "bcc"]);
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    wait("all copies", || (sink.reached(sender).len() == 130).then_some(()));
    assert!(sink.reached(sender).values().all(|count| *count == 1));
    for copy in sink.from(sender) {
        assert!(!String::from_utf8_lossy(header(&copy.data)).contains("@club.test"));
    }
}

#[test]
fn what_exim_refuses_the_sender_hears() {
    let sink = Sink::start();
    let behind = Exim::start(sink.port(), "");
    let guard = Guard::start(&Setup::before(behind.port));
    // All of them: in the dialogue. Some of them: the others get it, and a report names who did not.
    let none = owned(&["nobody@mail.test"]);
    assert_eq!(send(guard.smtp, SENDER, &none, &letter(SENDER, &none, 1)), Some(550));
    let some = owned(&["nobody@mail.test", "one@mail.test"]);
    assert_eq!(send(guard.smtp, SENDER, &some, &letter(SENDER, &some, 2)), Some(250));
    assert_eq!(sink.wait_for(SENDER, 1)[0].envelope.recipients.len(), 1);
    let report = sink.wait_for_letter(SENDER, 1);
    let said = text(&report.data);
    assert!(
        said.contains("nobody@mail.test") && said.contains("no such user here") && !said.contains("one@"),
        "{said}"
    );
}
