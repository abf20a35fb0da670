//! What the store promises when the world is hostile: kill -9 at any moment, a full disk, a hundred callers at once.
//! It refuses to trust the store's own word: acknowledged ids are checked by another process, by content.

use super::open;
use crate::keeping::{NOW, new_hold, new_queued, terms, verdict};
use crate::memory::window;
use bytes::Bytes;
use sekisho::id::MailId;
use sekisho::rules::verdict::{Decider, Outcome};
use sekisho::store::{ANY, AuditFilter, Event, Held, HistoryRow, MailKey, NewAudit, Record, Store, Sums};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Set for a child process: the folder of its store.
const CHILD: &str = "SEKISHO_TEST_STORE";
const KILLS: u32 = 120;
const LARGE: usize = 300 * 1024;

/// A body that its id determines; every eighth is large enough for a file.
fn body(id: &MailId, large: bool) -> Bytes {
    let text = format!("{id}\r\n");
    let times = if large { LARGE / text.len() + 1 } else { 20 };
    Bytes::from(text.repeat(times))
}

fn fresh(now_ms: u64) -> MailId {
    let mut random = [0; 10];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    MailId::new(now_ms, random)
}

/// Keeps mails until it is killed or `stop` says so, and says each id once it is acknowledged: `hold|queue small|large ID`.
async fn keep_on(store: Arc<Store>, worker: u64, stop_on_error: bool) -> Option<String> {
    for number in 0.. {
        let id = fresh(NOW + number);
        let large = (number + worker).is_multiple_of(8);
        let size = if large { "large" } else { "small" };
        let (way, done) = if number % 3 == 0 {
            let mut new = new_queued(0, &["one@mail.test"]);
            (new.id, new.body) = (id.clone(), body(&id, large));
            new.audit = vec![NewAudit::new(NOW, Some(id.clone()), Event::Queued, Outcome::Bcc)];
            ("queue", store.queue(new).await.map(|()| id.clone()))
        } else {
            let mut new = new_hold(0, verdict(terms(Decider::Sender)));
            (new.id, new.body, new.key) = (id.clone(), body(&id, large), MailKey(id.to_string()));
            new.audit[0].mail = Some(id.clone());
            ("hold", store.hold(new).await.map(|_| id.clone()))
        };
        match done {
            Ok(id) => writeln!(std::io::stdout().lock(), "ack {way} {size} {id}").unwrap(),
            Err(error) if stop_on_error => return Some(format!("{way} {size} {id} {error}")),
            Err(_) => return None,
        }
    }
    None
}

/// Entry of the child processes; does nothing in the test run itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(dir) = env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let stop_on_error = env::var_os("SEKISHO_TEST_UNTIL_FULL").is_some();
    let store = Arc::new(open(&dir).await);
    // The first random bytes of a process take long (the generator gathers entropy), and that is not what is tested here.
    fresh(NOW);
    // The line feed ends what the test harness wrote.
    write!(std::io::stdout().lock(), "\nready\n").unwrap();
    let workers: Vec<_> =
        (0..8).map(|worker| tokio::spawn(keep_on(Arc::clone(&store), worker, stop_on_error))).collect();
    for worker in workers {
        if let Some(error) = worker.await.unwrap() {
            writeln!(std::io::stdout().lock(), "failed {error}").unwrap();
        }
    }
}

fn spawn(command: &mut Command, dir: &Path) -> Child {
    command
        .args(["--exact", "durability::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a child says, line by line to the end of its life.
fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

fn is_report(line: &str) -> bool {
    line.starts_with("ack ") || line.starts_with("failed ")
}

/// Every acknowledged mail is there with its bytes, its row and its audit row.
async fn check(store: &Store, acknowledged: &[String]) {
    for line in acknowledged {
        let [_, way, size, id] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        // A line that the kill cut short was not read completely by anybody.
        let Ok(id) = MailId::parse(id) else { continue };
        assert_eq!(store.body(&id).await.unwrap(), Some(body(&id, size == "large")), "{line}");
        assert_eq!(store.held(&id).await.unwrap().is_some(), way == "hold", "{line}");
        let filter = AuditFilter { mail: Some(id), limit: 10, ..AuditFilter::default() };
        assert_eq!(store.audit(&filter).await.unwrap().len(), 1, "{line}");
    }
}

async fn audit_is_whole(store: &Store) -> usize {
    let rows = store.audit(&AuditFilter { limit: u32::MAX, ..AuditFilter::default() }).await.unwrap();
    for (number, row) in (1..).zip(&rows) {
        assert_eq!(row.seq, number);
    }
    rows.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_more_than_a_hundred_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut productive = 0;
    let mut checked = 0;
    for kill in 0..KILLS {
        let mut child = spawn(&mut Command::new(env::current_exe().unwrap()), dir.path());
        let mut lines = said(&mut child);
        let mut random = [0; 1];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        // Every sixth dies while it starts and recovers from its predecessor, the others while they write.
        if kill % 6 != 5 {
            assert!(lines.any(|line| line == "ready"), "child {kill} could not open the store");
        }
        // Every second one has written something by then, however busy the machine is.
        let mut said: Vec<String> = Vec::new();
        if kill % 2 == 0 {
            said.extend(lines.find(|line| is_report(line)));
        }
        thread::sleep(Duration::from_millis(u64::from(random[0] / 3)));
        child.kill().unwrap();
        said.extend(lines.filter(|line| is_report(line)));
        child.wait().unwrap();
        productive += u32::from(!said.is_empty());
        acknowledged.extend(said);
        if kill % 20 == 19 {
            let store = open(dir.path()).await;
            check(&store, &acknowledged[checked..]).await;
            checked = acknowledged.len();
            store.close().await;
        }
    }
    assert!(productive >= KILLS / 2, "only {productive} of {KILLS} children lived long enough to acknowledge anything");
    let store = open(dir.path()).await;
    check(&store, &acknowledged).await;
    let rows = audit_is_whole(&store).await;
    let items = store.outbox_depth(NOW * 2).await.unwrap().0;
    let queued = acknowledged.iter().filter(|line| line.starts_with("ack queue")).count() as u64;
    assert!(items >= queued, "{items} items, {queued} acknowledged");
    println!("{KILLS} kills, {productive} of them while writing: {} acknowledged, {rows} kept", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_and_nothing_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    // The limit stands for a full disk: no file may grow above 4 MiB, and the signal for it is ignored so that writes fail.
    let script = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(env::current_exe().unwrap()).env("SEKISHO_TEST_UNTIL_FULL", "1");
    let mut child = spawn(&mut shell, dir.path());
    let said: Vec<String> = said(&mut child).filter(|line| is_report(line)).collect();
    assert!(child.wait().unwrap().success(), "the store did not survive the full disk: {said:?}");
    let (failed, acknowledged): (Vec<_>, Vec<_>) = said.into_iter().partition(|line| line.starts_with("failed "));
    assert_eq!(failed.len(), 8, "every worker ends by an error: {failed:?}");
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());

    let store = open(dir.path()).await;
    check(&store, &acknowledged).await;
    assert_eq!(audit_is_whole(&store).await, acknowledged.len());
    for line in &failed {
        let id = MailId::parse(line.split(' ').nth(3).unwrap()).unwrap();
        assert_eq!(store.held(&id).await.unwrap(), None, "{line}");
        assert_eq!(store.body(&id).await.unwrap(), None, "{line}");
    }
    let large = acknowledged.iter().filter(|line| line.contains(" large ")).count();
    assert_eq!(fs::read_dir(dir.path().join("bodies")).unwrap().count(), large, "no file without a row");
    let again = new_hold(7, verdict(terms(Decider::Sender)));
    assert!(matches!(store.hold(again).await.unwrap(), Held::New(_)), "with space it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_written_leaves_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    fs::remove_dir(dir.path().join("bodies")).unwrap();
    let mut new = new_hold(1, verdict(terms(Decider::Sender)));
    new.body = body(&new.id, true);
    assert!(store.hold(new.clone()).await.is_err());
    assert_eq!(store.held(&new.id).await.unwrap(), None);
    fs::create_dir(dir.path().join("bodies")).unwrap();
    assert_eq!(store.hold(new.clone()).await.unwrap(), Held::New(new.id));
}

/// How many plain mails a second can be recorded by 100 callers at once; run with `--nocapture` to see the number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_record_in_groups() {
    const CALLERS: u64 = 100;
    const EACH: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).await);
    let slowest = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, slowest) = (Arc::clone(&store), Arc::clone(&slowest));
            tokio::spawn(async move {
                for number in 0..EACH {
                    let id = fresh(NOW);
                    let mut row = NewAudit::new(NOW, Some(id.clone()), Event::Relayed, Outcome::Pass);
                    row = row.count("recipients", 3).count("external", 1);
                    let adds = Sums { persons: 0, visible_external: 1, external_recipients: 1, mails: 1 };
                    let history = HistoryRow {
                        key: MailKey(id.to_string()),
                        sender: sekisho::address::Address::new(&format!("{caller}@city.example.jp")),
                        at_ms: NOW + number,
                        adds: BTreeMap::from([(ANY.to_owned(), adds)]),
                        sent: None,
                    };
                    let record = Record { audit: vec![row], history: Some(history), now_ms: NOW, ..Record::default() };
                    let asked = Instant::now();
                    store.record(record).await.unwrap();
                    slowest.fetch_max(u64::try_from(asked.elapsed().as_micros()).unwrap(), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    let all = CALLERS * EACH;
    let slowest = slowest.load(Ordering::Relaxed) / 1_000;
    println!(
        "record(): {all} mails by {CALLERS} callers in {seconds:.2} s = {:.0}/s, slowest {slowest} ms",
        all as f64 / seconds
    );
    assert_eq!(audit_is_whole(&store).await as u64, all);
    let one = window(&store, &sekisho::address::Address::new("7@city.example.jp"), 0, ANY, None).await;
    assert_eq!(one.mails, EACH);
}
