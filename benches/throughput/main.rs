//! Measures the guard against Postfix in the same run: mails per second and CPU per mail, with our own load generator and sink.
//! It refuses to pass or fail: it prints what it measured.
//!
//! `cargo bench --bench throughput` ; `-- --quick` sends a tenth of the mails, `-- --alone` leaves Postfix out, `-- 20` has 20 connections only.

mod load;
mod milter;
mod process;
mod sink;
mod tls;

#[path = "../../tests/peers/postfix.rs"]
mod postfix;

use load::{Job, Run};
use postfix::Postfix;
use process::{Guard, cpu_seconds, resident_mebibytes};
use sink::Sink;
use std::io::{self, Write};
use tls::Keys;

/// One line of the table.
struct Row {
    name: String,
    run: Run,
    cpu: f64,
    memory: Option<u64>,
}

/// A relay that is measured.
struct Relay {
    name: &'static str,
    port: u16,
    /// Its first process.
    pid: u32,
}

/// What all runs share.
struct Bench {
    runtime: tokio::runtime::Runtime,
    sink: Sink,
    out: io::StdoutLock<'static>,
}

const POSTFIX: &str = "default_process_limit = 200\nsmtp_destination_concurrency_limit = 50\n";

fn main() -> io::Result<()> {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let scale = if asked("--quick") { 1 } else { 10 };
    let only: Option<usize> = std::env::args().find_map(|argument| argument.parse().ok());
    let peers = postfix::installed() && !asked("--alone");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let keys = Keys::new()?;
    let sink = runtime.block_on(Sink::start(&keys))?;
    let mut bench = Bench { runtime, sink, out: io::stdout().lock() };
    let mail = Job { connections: 1, mails: 0, recipients: 1, bytes: 5 * 1024, tls: None, run: 0 };

    writeln!(
        bench.out,
        "clean mails of 5 KB, one recipient; CPU is that of the relay alone (all its processes), not of client and sink"
    )?;
    header(&mut bench.out)?;
    let guard = Guard::start(bench.sink.port, None)?;
    let milter = bench.runtime.block_on(milter::start())?;
    let with_milter = format!("{POSTFIX}smtpd_milters = inet:127.0.0.1:{milter}\n");
    let start = |extra: &str| peers.then(|| Postfix::start(bench.sink.port, extra)).transpose();
    let (plain, filtered) = (start(POSTFIX)?, start(&with_milter)?);
    let mut relays = vec![Relay { name: "sekisho", port: guard.port, pid: guard.pid() }];
    relays.extend(relay("Postfix", plain.as_ref()));
    for (connections, mails) in [(1, 100 * scale), (20, 400 * scale), (100, 400 * scale)] {
        if only.is_none_or(|only| only == connections) {
            let job = Job { connections, mails, ..mail.clone() };
            bench.straight(&job, &format!("{connections:>3} connections"))?;
            bench.compare(&relays, &job, &format!("{connections:>3} connections"))?;
            if let Some(relay) = relay("Postfix + milter", filtered.as_ref()).filter(|_| connections == 20) {
                bench.compare(&[Relay { ..relays[0] }, relay], &job, &format!("{connections:>3} connections"))?;
            }
        }
    }
    if only.is_some() {
        return Ok(());
    }

    writeln!(bench.out, "\nthe same mails with TLS on both sides (STARTTLS)")?;
    header(&mut bench.out)?;
    let safe = Guard::start(bench.sink.port, Some(&keys))?;
    let [certificate, key] = [&keys.certificate, &keys.key].map(|path| path.display().to_string());
    let tls = format!(
        "{POSTFIX}smtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}\nsmtpd_tls_security_level = encrypt\nsmtp_tls_security_level = encrypt\nsmtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache\n"
    );
    let encrypted = peers.then(|| Postfix::start(bench.sink.port, &tls)).transpose()?;
    let mut pair = vec![Relay { name: "sekisho", port: safe.port, pid: safe.pid() }];
    pair.extend(relay("Postfix", encrypted.as_ref()));
    let job = Job { connections: 20, mails: 200 * scale, tls: Some(keys.clone()), ..mail.clone() };
    bench.straight(&job, " 20 with TLS    ")?;
    bench.compare(&pair, &job, " 20 with TLS    ")?;

    writeln!(bench.out, "\none mail to 421 recipients (seconds a mail: 1 / mails per second)")?;
    header(&mut bench.out)?;
    let job = Job { mails: 5 * scale, recipients: 421, ..mail };
    bench.compare(&relays, &job, "  1 connection ")
}

fn relay(name: &'static str, postfix: Option<&Postfix>) -> Option<Relay> {
    let postfix = postfix?;
    Some(Relay { name, port: postfix.port, pid: postfix.master()? })
}

impl Bench {
    /// Without anything in between.
    fn straight(&mut self, job: &Job, label: &str) -> io::Result<()> {
        let run = self.runtime.block_on(load::run(self.sink.port, &self.sink, job))?;
        print(&mut self.out, &Row { name: format!("{label}: straight to sink"), run, cpu: 0.0, memory: None })
    }

    /// Each of them, and how the first stands to the last.
    fn compare(&mut self, relays: &[Relay], job: &Job, label: &str) -> io::Result<()> {
        let mut rows: Vec<Row> = Vec::new();
        for relay in relays {
            let before = cpu_seconds(relay.pid);
            let run = self.runtime.block_on(load::run(relay.port, &self.sink, job))?;
            let cpu = cpu_seconds(relay.pid) - before;
            // Postfix is a dozen small processes; their sum would say nothing.
            let memory = (relay.name == "sekisho").then(|| resident_mebibytes(relay.pid));
            let row = Row { name: format!("{label}: {}", relay.name), run, cpu, memory };
            print(&mut self.out, &row)?;
            rows.push(row);
        }
        let [own, .., peer] = rows.as_slice() else { return Ok(()) };
        writeln!(
            self.out,
            "{:<40} {:>8.1} times the mails/s, {:.2} of the CPU",
            format!("{label}: ratio"),
            own.run.per_second() / peer.run.per_second(),
            own.cpu / peer.cpu
        )
    }
}

fn header(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<40} {:>8} {:>12} {:>10} {:>10} {:>10}",
        "", "mails/s", "CPU ms/mail", "p50 ms", "p99 ms", "RSS MiB"
    )
}

fn print(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let memory = row.memory.map_or_else(String::new, |memory| memory.to_string());
    let cpu = if row.cpu > 0.0 { format!("{:.3}", row.cpu * 1000.0 / row.run.mails()) } else { String::new() };
    writeln!(
        out,
        "{:<40} {:>8.0} {:>12} {:>10.1} {:>10.1} {:>10}",
        row.name,
        row.run.per_second(),
        cpu,
        row.run.percentile(0.5),
        row.run.percentile(0.99),
        memory
    )?;
    out.flush()
}
