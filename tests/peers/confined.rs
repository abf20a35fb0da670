//! What the guard and its workers cannot do any more: root, files, network, programs; seen from outside, each wall by itself.
//! It refuses to pass where a wall is missing in silence: what this kernel lacks is printed.

use crate::client::{letter, owned, send};
use crate::fake_upstream::{FakeUpstream, yes};
use crate::faults::RULES;
use crate::guard::{Guard, Setup, wait};
use crate::{tls, web};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const SENDER: &str = "clerk@city.example.jp";
/// "Bad system call": the end that seccomp gives.
const SIGSYS: i32 = 31;

/// How an attempt of a worker ended: what it said, and the signal that ended it.
struct Attempt {
    landlock: u32,
    seccomp: bool,
    said: String,
    signal: Option<i32>,
}

fn attempt(probe: &str, without: &[&str]) -> Attempt {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["inspect-worker", "2048", "--probe", probe])
        .args(without)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (first, said) = text.split_once('\n').unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    let (["landlock", landlock, "seccomp", seccomp], signal) = (&words[..], output.status.signal()) else {
        panic!("{text}")
    };
    Attempt {
        landlock: landlock.parse().unwrap(),
        seccomp: *seccomp == "true",
        said: said.trim_end().to_owned(),
        signal,
    }
}

#[test]
fn a_worker_reaches_nothing_behind_either_wall() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let probes = [
        ("file", format!("file:{}", file.display())),
        ("create", format!("create:{}", folder.path().join("new").display())),
        ("program", "program:/bin/true".to_owned()),
        ("connect", format!("connect:{}", server.local_addr().unwrap())),
        ("thread", "thread:".to_owned()),
    ];
    for (kind, probe) in &probes {
        // Without walls everything is possible, so that a refusal below means something.
        let free = attempt(probe, &["--no-landlock", "--no-seccomp"]);
        assert_eq!((free.landlock, free.seccomp, free.said.as_str()), (0, false, "possible"), "{probe}");
        fs::remove_file(folder.path().join("new")).unwrap_or_default();

        let by_landlock = attempt(probe, &["--no-seccomp"]);
        assert!(!by_landlock.seccomp);
        // Threads are no matter of landlock; TCP is one from its version 4 on.
        let needed = match *kind {
            "thread" => u32::MAX,
            "connect" => 4,
            _ => 1,
        };
        if by_landlock.landlock >= needed {
            assert!(by_landlock.said.starts_with("refused: Permission denied"), "{probe}: {}", by_landlock.said);
        } else if needed < u32::MAX {
            eprintln!("skipped: {probe} behind landlock, of which this kernel has version {}", by_landlock.landlock);
        }

        let by_seccomp = attempt(probe, &["--no-landlock"]);
        assert_eq!(by_seccomp.landlock, 0);
        let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
        let known = ["x86_64", "aarch64", "riscv64"].contains(&std::env::consts::ARCH);
        assert_eq!(by_seccomp.seccomp, known && actions.contains("kill_process"), "what the kernel has must be used");
        if !by_seccomp.seccomp {
            eprintln!("skipped: {probe} behind seccomp, which this kernel has not");
        } else if matches!(*kind, "file" | "create") {
            assert!(by_seccomp.said.starts_with("refused: Permission denied"), "{probe}: {}", by_seccomp.said);
        } else {
            assert_eq!((by_seccomp.signal, by_seccomp.said.as_str()), (Some(SIGSYS), ""), "{probe}");
        }

        let by_both = attempt(probe, &[]);
        assert_eq!((by_both.landlock, by_both.seccomp), (by_landlock.landlock, by_seccomp.seccomp));
        if by_both.seccomp || by_both.landlock >= needed {
            assert_ne!(by_both.said, "possible", "{probe}");
        }
        assert!(!folder.path().join("new").exists());
    }
    // What a reader may do is still possible: to fail, and to be caught.
    assert_eq!(attempt("panic:", &[]).said, "refused: caught");
}

/// The four numbers of a line of `/proc/PID/status`.
fn numbers(pid: u32, name: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_ascii_whitespace().skip(1).map(str::to_owned).collect()
}

fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut found: Vec<u32> = listed.split_ascii_whitespace().map(|child| child.parse().unwrap()).collect();
    // Workers are started by whichever thread of the runtime comes to it.
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(listed.split_ascii_whitespace().map(|child| child.parse::<u32>().unwrap()));
    }
    found
}

#[test]
fn root_opens_the_sockets_and_somebody_else_does_the_work() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let nobody = numbers_of_nobody();
    let upstream = FakeUpstream::start(yes);
    let more = format!("[process]\nuser = \"nobody\"\n{}", tls::SECTION);
    let mut guard = Guard::prepare(&Setup {
        rules: Some(RULES),
        listener: "tls = \"starttls\"",
        more: &more,
        ..Setup::before(upstream.port)
    });
    let (_, key) = tls::certificate(&guard.path(""), "guard.example.jp", "guard");

    // A key that only root can read would be missed at the first renewal; so it is missed at the start.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let complaint = refusal(&guard);
    assert!(complaint.contains("guard.key") && complaint.contains("ermission denied"), "{complaint}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

    guard.launch();
    let pid = guard.pid();
    let workers = children(pid);
    assert!(!workers.is_empty());
    for process in workers.into_iter().chain([pid]) {
        assert_eq!(numbers(process, "Uid:"), vec![nobody.0.clone(); 4], "{process}");
        assert_eq!(numbers(process, "Gid:"), vec![nobody.1.clone(); 4], "{process}");
        assert!(numbers(process, "Groups:").iter().all(|group| *group == nobody.1), "{process}");
        assert_eq!(numbers(process, "NoNewPrivs:"), ["1"]);
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(numbers(process, set), ["0000000000000000"], "{set}");
        }
    }
    let metrics = web::get(&format!("http://127.0.0.1:{}/metrics", guard.status)).body;
    assert!(metrics.lines().any(|line| line == "sekisho_root 0"), "{metrics}");

    // Mail is held, passed, and rules are read anew, as that user.
    let to = owned(&["someone@kept.test"]);
    assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 1)), Some(250));
    let to = owned(&["someone@out.test"]);
    assert_eq!(send(guard.smtp, SENDER, &to, &letter(SENDER, &to, 2)), Some(250));
    assert_eq!(upstream.taken_for("someone@out.test").len(), 1);
    guard.signal("HUP");
    wait("rules and certificate", || guard.log().contains("certificate loaded").then_some(()));
    guard.signal("TERM");
    assert_eq!(guard.ended(), Some(0));

    // Who starts it as root by mistake later is told what to do, and nothing is mixed up.
    let state = guard.path("state");
    std::os::unix::fs::chown(&state, Some(0), Some(0)).unwrap();
    let complaint = refusal(&guard);
    assert!(complaint.contains(&format!("chown -R nobody {}", state.display())), "{complaint}");
}

/// What a start that must fail says; one that does not is ended by timeout(1), with another code.
fn refusal(guard: &Guard) -> String {
    let refused = Command::new("timeout")
        .args(["30", env!("CARGO_BIN_EXE_sekisho"), "serve", "--config"])
        .arg(guard.path("sekisho.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{complaint}");
    complaint
}

fn numbers_of_nobody() -> (String, String) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].to_owned(), fields[3].to_owned())
}

#[test]
fn the_guard_reads_its_settings_and_nothing_beside_them() {
    let outside = tempfile::tempdir().unwrap();
    let list = outside.path().join("list.txt");
    fs::write(&list, "example.com\n").unwrap();
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::start(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let metrics = web::get(&format!("http://127.0.0.1:{}/metrics", guard.status)).body;
    let held = metrics.lines().find(|line| line.contains("part=\"guard_landlock\"")).unwrap();
    if held.ends_with(" 0") {
        eprintln!("skipped: this kernel has no landlock");
        return;
    }
    // A link that somebody puts there afterwards leads nowhere; a file that is moved into the folder is read.
    symlink(&list, guard.path("rules/foreign.txt")).unwrap();
    wait("the refusal in the log", || {
        (guard.log().contains("foreign.txt") && guard.log().contains("ermission denied")).then_some(())
    });
    fs::remove_file(guard.path("rules/foreign.txt")).unwrap();
    let loaded = guard.log().matches("rules loaded").count();
    fs::write(guard.path("draft"), "example.com\n").unwrap();
    fs::rename(guard.path("draft"), guard.path("rules/own.txt")).unwrap();
    wait("the new list", || (guard.log().matches("rules loaded").count() > loaded).then_some(()));
}

#[test]
fn the_check_says_what_would_start_and_changes_nothing() {
    let upstream = FakeUpstream::start(yes);
    let guard = Guard::prepare(&Setup { rules: Some(RULES), ..Setup::before(upstream.port) });
    let good = guard.command(&["serve", "--check"]);
    let report = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(good.status.code(), Some(0), "{report}");
    for part in ["configuration: valid", "rules: loaded", "user: ", "guard: ", "workers: "] {
        assert!(report.contains(part), "{part} in\n{report}");
    }
    assert!(!guard.path("state").exists(), "no folder is made for a look");
    fs::write(guard.path("rules/rules.toml"), "[lists]\ninternal = 7\n").unwrap();
    let bad = guard.command(&["serve", "--check"]);
    let report = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert_eq!(bad.status.code(), Some(1), "{report}");
    assert!(report.contains("problem  rules: failed to use the rules"), "{report}");
}
