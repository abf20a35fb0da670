//! Mail exchangers by DNS, asked of a tiny name server in this process: preferences, addresses without MX, null MX, and how long answers count.
//! It refuses to reach any other name server.

use crate::failover::{codes, letter, relay, server};
use crate::fake_upstream::{Behaviour, FakeUpstream};
use sekisho::relay::{Place, Policy};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const A: u16 = 1;
const MX: u16 = 15;

/// A record: name, TTL in seconds, and its data.
#[derive(Clone)]
enum Record {
    A(&'static str, u32, [u8; 4]),
    Mx(&'static str, u32, u16, &'static str),
}

/// A name server for a few records; it knows nothing else.
struct Dns {
    at: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
    questions: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Dns {
    fn start(records: Vec<Record>) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let dns = Self {
            at: socket.local_addr().unwrap(),
            records: Arc::new(Mutex::new(records)),
            questions: Arc::default(),
            stop: Arc::default(),
        };
        let (records, questions, stop) = (Arc::clone(&dns.records), Arc::clone(&dns.questions), Arc::clone(&dns.stop));
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while !stop.load(Ordering::SeqCst) {
                let Ok((count, peer)) = socket.recv_from(&mut buffer) else { continue };
                questions.fetch_add(1, Ordering::SeqCst);
                let reply = answer(&buffer[..count], &records.lock().unwrap());
                let _ = socket.send_to(&reply, peer);
            }
        });
        dns
    }

    fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut out: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    out.push(0);
    out
}

/// RFC 1035 4.1: one question, its records as answers, NXDOMAIN for a name of which nothing is known.
fn answer(question: &[u8], records: &[Record]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let asked = question[12..end].to_ascii_lowercase();
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    let mut known = false;
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for record in records {
        let (owner, ttl, found, data) = match record {
            Record::A(owner, ttl, ip) => (owner, ttl, A, ip.to_vec()),
            Record::Mx(owner, ttl, preference, host) => {
                (owner, ttl, MX, [&preference.to_be_bytes()[..], &name(host)].concat())
            }
        };
        if name(owner) != asked {
            continue;
        }
        known = true;
        if found == kind {
            let length = u16::try_from(data.len()).unwrap();
            answers.push(
                [&[0xc0, 12][..], &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes(), &data]
                    .concat(),
            );
        }
    }
    let code = if known { 0 } else { 3 };
    let count = u16::try_from(answers.len()).unwrap().to_be_bytes();
    let header = [&question[..2], &[0x81, 0x80 | code], &[0, 1], &count, &[0, 0, 0, 0]].concat();
    [&header[..], &question[12..end + 4], &answers.concat()].concat()
}

/// Servers on one port of several loopback addresses.
fn servers<const COUNT: usize>() -> [FakeUpstream; COUNT] {
    let first = FakeUpstream::with(Behaviour { at: (Ipv4Addr::new(127, 0, 0, 2), 0).into(), ..Behaviour::default() });
    let port = first.port;
    let mut first = Some(first);
    std::array::from_fn(|index| {
        first.take().unwrap_or_else(|| {
            let ip = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(index).unwrap());
            FakeUpstream::with(Behaviour { at: SocketAddr::new(IpAddr::V4(ip), port), ..Behaviour::default() })
        })
    })
}

fn exchangers(port: u16, policy: Policy) -> sekisho::relay::Server {
    server(Place::Mx { domain: "city.test".to_owned(), port }, 10, policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_best_exchanger_is_asked_first_and_the_next_one_when_it_is_away() {
    let [first, second] = servers::<2>();
    let dns = Dns::start(vec![
        Record::Mx("city.test", 300, 20, "backup.city.test"),
        Record::Mx("city.test", 300, 10, "mail.city.test"),
        Record::Mx("city.test", 300, 5, "nowhere.city.test"),
        Record::A("mail.city.test", 300, [127, 0, 0, 2]),
        Record::A("backup.city.test", 300, [127, 0, 0, 3]),
    ]);
    let relay = relay(vec![exchangers(first.port, Policy::Off)], vec![dns.at]);
    for _ in 0..5 {
        assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
    }
    assert_eq!((first.taken().len(), second.taken().len()), (5, 0));
    let asked = dns.questions();
    assert!(asked <= 10, "answers are kept for their time: {asked} questions");
    drop(first);
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
    assert_eq!(second.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_asked_for_again_when_their_time_is_over() {
    let [first, second] = servers::<2>();
    let dns = Dns::start(vec![
        Record::Mx("city.test", 1, 10, "mail.city.test"),
        Record::A("mail.city.test", 1, [127, 0, 0, 2]),
    ]);
    let relay = relay(vec![exchangers(first.port, Policy::Off)], vec![dns.at]);
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
    *dns.records.lock().unwrap() =
        vec![Record::Mx("city.test", 1, 10, "moved.city.test"), Record::A("moved.city.test", 1, [127, 0, 0, 3])];
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
    assert_eq!((first.taken().len(), second.taken().len()), (1, 1));
    // The name server goes away: what was known stays in use.
    dns.records.lock().unwrap().clear();
    drop(dns);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(codes(&relay.transact(letter(&["a@mail.test"])).await), ["250"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_without_exchangers_is_its_own_and_a_null_one_takes_no_mail() {
    let [host] = servers::<1>();
    for (records, code, taken) in [
        // RFC 5321 5.1: the implicit MX.
        (vec![Record::A("city.test", 300, [127, 0, 0, 2])], "250", 1),
        // RFC 7505: no fallback, although there is an address.
        (vec![Record::Mx("city.test", 300, 0, "."), Record::A("city.test", 300, [127, 0, 0, 2])], "d451", 1),
        // Exchangers without an address: no fallback either.
        (
            vec![Record::Mx("city.test", 300, 10, "mail.city.test"), Record::A("city.test", 300, [127, 0, 0, 2])],
            "d451",
            1,
        ),
        (Vec::new(), "d451", 1),
    ] {
        let dns = Dns::start(records);
        let relay = relay(vec![exchangers(host.port, Policy::Off)], vec![dns.at]);
        let fates = relay.transact(letter(&["a@mail.test"])).await;
        assert_eq!(codes(&fates), [code]);
        assert_eq!(host.taken().len(), taken, "{fates:?}");
    }
}
