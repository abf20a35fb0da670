//! A full disk: what must be kept is put off with 451, what need not be kept goes on, and with space all is well again.
//! It refuses to fill any file system but a small one of its own.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::faults::RULES;
use crate::guard::{Guard, Setup};
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
    let mut guard = Guard::start(&Setup { rules: Some(RULES), state: Some(&state), ..Setup::before(upstream.port) });
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
        assert_eq!(try_one(&guard, one), Some(451), "{:?} on a full disk", one.0);
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
