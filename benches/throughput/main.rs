//! Measures the guard against Postfix in the same run: mails per second and CPU per mail, with our own load generator and sink.
//! It refuses to pass or fail: it prints what it measured.
//!
//! `cargo bench --bench throughput` ; `-- --quick` sends a tenth of the mails, `-- --alone` leaves Postfix out, `-- 20` has 20 connections only.

mod load;
mod process;
mod sink;

#[path = "../../tests/peers/postfix.rs"]
mod postfix;

use load::{Job, Run};
use process::{Guard, cpu_seconds, resident_mebibytes};
use sink::Sink;
use std::io::{self, Write};

/// One line of the table.
struct Row {
    name: String,
    run: Run,
    cpu: f64,
    memory: Option<u64>,
}

fn main() -> io::Result<()> {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let scale = if asked("--quick") { 1 } else { 10 };
    let only: Option<usize> = std::env::args().find_map(|argument| argument.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _context = runtime.enter();
    let sink = runtime.block_on(Sink::start())?;
    let guard = Guard::start(sink.port)?;
    let postfix = if postfix::installed() && !asked("--alone") {
        Some(postfix::Postfix::start(
            sink.port,
            "default_process_limit = 200\nsmtp_destination_concurrency_limit = 50\n",
        )?)
    } else {
        None
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "clean mails of 5 KB, one recipient; CPU is that of the relay alone (all its processes), not of client and sink"
    )?;
    header(&mut out)?;
    for (connections, mails) in [(1, 100 * scale), (20, 400 * scale), (100, 400 * scale)] {
        if only.is_some_and(|only| only != connections) {
            continue;
        }
        let job = Job { connections, mails, recipients: 1, bytes: 5 * 1024, run: 0 };
        let direct = runtime.block_on(load::run(sink.port, &sink, &job))?;
        print(
            &mut out,
            &Row {
                name: format!("{connections:>3} connections: straight to sink"),
                run: direct,
                cpu: 0.0,
                memory: None,
            },
        )?;
        compare(&runtime, &mut out, &sink, &guard, postfix.as_ref(), &job, &format!("{connections:>3} connections"))?;
    }
    if only.is_some() {
        return Ok(());
    }
    writeln!(out, "\none mail to 421 recipients (seconds a mail: 1 / mails per second)")?;
    header(&mut out)?;
    let job = Job { connections: 1, mails: 5 * scale, recipients: 421, bytes: 5 * 1024, run: 0 };
    compare(&runtime, &mut out, &sink, &guard, postfix.as_ref(), &job, "  1 connection ")?;
    Ok(())
}

fn compare(
    runtime: &tokio::runtime::Runtime,
    out: &mut impl Write,
    sink: &Sink,
    guard: &Guard,
    postfix: Option<&postfix::Postfix>,
    job: &Job,
    label: &str,
) -> io::Result<()> {
    let before = cpu_seconds(guard.pid());
    let run = runtime.block_on(load::run(guard.port, sink, job))?;
    let sekisho = Row {
        name: format!("{label}: sekisho"),
        run,
        cpu: cpu_seconds(guard.pid()) - before,
        memory: Some(resident_mebibytes(guard.pid())),
    };
    print(out, &sekisho)?;
    if let Some((postfix, master)) = postfix.and_then(|postfix| Some((postfix, postfix.master()?))) {
        let before = cpu_seconds(master);
        let run = runtime.block_on(load::run(postfix.port, sink, job))?;
        let peer = Row { name: format!("{label}: Postfix"), run, cpu: cpu_seconds(master) - before, memory: None };
        print(out, &peer)?;
        writeln!(
            out,
            "{:<36} {:>10.1} times the mails/s, {:.2} of the CPU",
            format!("{label}: ratio"),
            sekisho.run.per_second() / peer.run.per_second(),
            sekisho.cpu / peer.cpu
        )?;
    }
    Ok(())
}

fn header(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<36} {:>10} {:>12} {:>10} {:>10} {:>10}",
        "", "mails/s", "CPU ms/mail", "p50 ms", "p99 ms", "RSS MiB"
    )
}

fn print(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let memory = row.memory.map_or_else(String::new, |memory| memory.to_string());
    let cpu = if row.cpu > 0.0 { format!("{:.3}", row.cpu * 1000.0 / row.run.mails()) } else { String::new() };
    writeln!(
        out,
        "{:<36} {:>10.0} {:>12} {:>10.1} {:>10.1} {:>10}",
        row.name,
        row.run.per_second(),
        cpu,
        row.run.percentile(0.5),
        row.run.percentile(0.99),
        memory
    )?;
    out.flush()
}
