//! The guard as a process of its own, and what the kernel says about the time and memory of process trees.
//! It refuses to measure itself: client and sink are not in the figures.

use crate::tls::Keys;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `sekisho serve` with the shipped rules.
pub struct Guard {
    child: Child,
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Guard {
    /// Starts it in front of the sink, with TLS on both sides or on none.
    pub fn start(sink: u16, tls: Option<&Keys>) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = crate::postfix::free_port()?;
        let config = dir.path().join("sekisho.toml");
        fs::write(
            &config,
            format!(
                "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:{port}\"\ntls = \"{}\"\n[upstream]\nserver = \"127.0.0.1:{sink}\"\ntls = \"{}\"\nconnections = 100\n[log]\nlevel = \"warn\"\n{}",
                tls.map_or("off", |_| "starttls"),
                tls.map_or("off", |_| "encrypt"),
                tls.map_or_else(String::new, |keys| {
                    let [certificate, key] = [&keys.certificate, &keys.key].map(|path| path.display());
                    format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
                }),
            ),
        )?;
        let child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the guard does not listen"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { child, port, _dir: dir })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fields of `/proc/PID/stat` behind the command name (proc(5)); the first is the state, field 3.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

fn tree(root: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![root] };
    let mut all = vec![root];
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if stat(pid).and_then(|fields| fields.get(1)?.parse::<u32>().ok()) == Some(root) {
            all.push(pid);
        }
    }
    all
}

/// CPU seconds, user and system, of a process, its ended children (`cutime`, `cstime`), and its living children. Ticks are 1/100 s on Linux.
pub fn cpu_seconds(root: u32) -> f64 {
    let ticks: u64 = tree(root)
        .into_iter()
        .filter_map(stat)
        .map(|fields| fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
        .sum();
    ticks as f64 / 100.0
}

/// Resident memory of a process and its children.
pub fn resident_mebibytes(root: u32) -> u64 {
    let pages: u64 = tree(root)
        .into_iter()
        .filter_map(|pid| {
            let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("statm")).ok()?;
            text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum();
    pages * 4096 / (1024 * 1024)
}
