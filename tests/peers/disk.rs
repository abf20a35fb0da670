//! A full disk: what must be kept is put off with 452, what need not be kept goes on, and with space all is well again.
//! It refuses to fill any file system but a small one of its own.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::web;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

const SENDER: &str = "clerk@city.example.jp";

/// A file system in memory of a few megabytes, gone when dropped.
struct Small {
    at: tempfile::TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"])
            .arg(at.path())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self { at })
    }

    fn path(&self) -> &Path {
        self.at.path()
    }

    /// Takes so many octets, and leaves the others free.
    fn take(&self, octets: usize) {
        fs::write(self.path().join("filler"), vec![0; octets]).unwrap();
    }

    /// Leaves not an octet free.
    fn fill(&self) {
        let mut filler = File::create(self.path().join("filler")).unwrap();
        for block in [64 * 1024, 4096, 1] {
            let bytes = vec![0; block];
            let full = loop {
                if let Err(error) = filler.write_all(&bytes) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.at.path()).status();
    }
}

#[test]
fn a_full_disk_puts_off_what_must_be_kept_and_nothing_else() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this machine does not let the test mount a tmpfs, so no disk can be filled");
        return;
    };
    let upstream = FakeUpstream::start(yes);
    let state = small.path().join("state");
    let setup = Setup {
        rules: Some(RULES),
        state: Some(&state),
        more: "[store]\nmin_free = \"0\"\n",
        ..Setup::before(upstream.port)
    };
    let mut guard = Guard::start(&setup);
    let mail = |number: usize, address: &str, filling: usize| {
        let to = owned(&[address]);
        let mut data = letter(SENDER, &to, number);
        data.extend_from_slice("words of no meaning\r\n".repeat(filling / 21).as_bytes());
        (to, data)
    };
    let try_one = |guard: &Guard, (to, data): &(Vec<String>, Vec<u8>)| send(guard.smtp, SENDER, to, data);
    // One whose body is a row of the database, one whose body is a file, one for the outbox.
    let kept = [
        mail(1, "row@kept.test", 100 * 1024),
        mail(2, "file@kept.test", 600 * 1024),
        mail(3, "outbox@hidden.test", 100 * 1024),
    ];
    small.fill();
    for one in &kept {
        assert!(matches!(try_one(&guard, one), Some(451 | 452)), "{:?} on a full disk", one.0);
    }
    assert!(guard.lives());
    assert_eq!(try_one(&guard, &mail(4, "plain@mail.test", 0)), Some(250), "what passes needs no space for its body");
    assert_eq!(upstream.taken_for("plain@mail.test").len(), 1);
    assert!(guard.log().contains("the disk is full"), "{}", guard.log());

    small.empty();
    for one in &kept {
        assert_eq!(try_one(&guard, one), Some(250), "{:?} with space", one.0);
    }
    assert_eq!(guard.held().len(), 2);
    upstream.wait_for("outbox@hidden.test");
    assert!(upstream.taken_for("row@kept.test").is_empty() && upstream.taken_for("file@kept.test").is_empty());
    assert!(guard.lives());
}

#[test]
fn below_the_floor_no_mail_is_taken_and_what_is_kept_still_leaves() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this machine does not let the test mount a tmpfs, so no disk can be filled");
        return;
    };
    let upstream = FakeUpstream::start(yes);
    let state = small.path().join("state");
    let more = "[store]\nmin_free = \"4MiB\"\n";
    let guard = Guard::start(&Setup { rules: Some(RULES), state: Some(&state), more, ..Setup::before(upstream.port) });
    let try_one = |number, address| {
        let to = owned(&[address]);
        send(guard.smtp, SENDER, &to, &letter(SENDER, &to, number))
    };
    assert_eq!(try_one(1, "early@kept.test"), Some(250));
    let id = guard.held().remove(0).0;

    small.take(4 * 1024 * 1024);
    wait("the floor", || guard.log().contains("too little room").then_some(()));
    assert_eq!(try_one(2, "late@kept.test"), Some(452));
    assert_eq!(try_one(3, "plain@mail.test"), Some(452), "also what would pass");
    let status = format!("http://127.0.0.1:{}", guard.status);
    wait("the health page", || web::get(&format!("{status}/healthz")).body.contains("too little room").then_some(()));
    assert!(web::get(&format!("{status}/metrics")).body.contains("sekisho_free_bytes "));
    let check = guard.command(&["store", "check"]);
    assert_eq!(check.status.code(), Some(1), "{}", String::from_utf8_lossy(&check.stdout));
    // A decision needs little room, and there still is some.
    assert!(guard.command(&["held", "release", &id]).status.success());
    upstream.wait_for("early@kept.test");

    small.empty();
    wait("room", || guard.log().contains("there is room again").then_some(()));
    assert_eq!(try_one(4, "late@kept.test"), Some(250));
    assert_eq!(guard.held().len(), 1);
}
