//! Python's aiosmtpd behind the guard, and in front of it as a relay: no PIPELINING, no DSN, a client that asks one thing at a time.
//! It refuses to trust a summary: the server tells every mail octet by octet, with the parameters it was given.

use crate::client::{letter, owned, send};
use crate::guard::{Guard, Setup, wait};
use crate::postfix::free_port;
use base64::Engine as _;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

const SENDER: &str = "clerk@city.example.jp";

/// A running server; it leaves when its standard input is closed.
struct Aiosmtpd {
    child: Child,
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl Aiosmtpd {
    /// Alone, or as a relay to a port.
    fn start(next: Option<u16>) -> Self {
        let port = free_port().unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mail_server.py"))
            .arg(port.to_string())
            .args(next.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (lines, all) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&told));
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| all.lock().unwrap().push(line)));
        let server = Self { child, port, told };
        wait("aiosmtpd", || (!server.told.lock().unwrap().is_empty()).then_some(()));
        server
    }

    /// The mails so far.
    fn mails(&self) -> Vec<Value> {
        self.told.lock().unwrap().iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait_for(&self, count: usize) -> Vec<Value> {
        wait(&format!("{count} mails"), || Some(self.mails()).filter(|mails| mails.len() >= count))
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn data(mail: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(mail["data"].as_str().unwrap()).unwrap()
}

#[test]
fn a_server_of_few_extensions_gets_what_it_can_take() {
    let behind = Aiosmtpd::start(None);
    let guard = Guard::start(&Setup::before(behind.port));
    let to = owned(&["one@mail.test", "nobody@mail.test"]);
    let mail = letter(SENDER, &to, 1);
    assert_eq!(send(guard.smtp, SENDER, &to, &mail), Some(250));
    let arrived = behind.wait_for(2);
    let [first, report] = arrived.as_slice() else { panic!("{} mails", arrived.len()) };
    assert_eq!((first["from"].as_str(), first["to"].as_array().unwrap().len()), (Some(SENDER), 1));
    assert!(data(first).ends_with(&mail), "{}", data(first).escape_ascii());
    let options: Vec<&str> = first["options"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(options.contains(&"BODY=8BITMIME") && options.iter().any(|word| word.starts_with("SIZE=")), "{options:?}");
    assert!(
        !options.iter().any(|word| word.starts_with("RET") || word.starts_with("ENVID")),
        "not offered: {options:?}"
    );
    assert!(matches!(report["from"].as_str(), Some("" | "<>")), "the null sender: {report}");
    assert_eq!(report["to"][0].as_str(), Some(SENDER));

    let (from, to) = ("窓口@city.example.jp", owned(&["利用者@mail.test"]));
    assert_eq!(send(guard.smtp, from, &to, &letter(from, &to, 2)), Some(250));
    let arrived = behind.wait_for(3);
    assert_eq!(arrived[2]["to"][0].as_str(), Some("利用者@mail.test"));
    assert!(arrived[2]["options"].as_array().unwrap().iter().any(|word| word.as_str() == Some("SMTPUTF8")));
}

#[test]
fn as_a_relay_in_front_it_hears_every_answer() {
    let behind = Aiosmtpd::start(None);
    let guard = Guard::start(&Setup::before(behind.port));
    let front = Aiosmtpd::start(Some(guard.smtp));
    let to = owned(&["one@mail.test", "two@mail.test"]);
    let mail = letter(SENDER, &to, 3);
    assert!(send(front.port, SENDER, &to, &mail).is_some_and(|code| code == 250));
    let arrived = behind.wait_for(1);
    assert_eq!(arrived[0]["to"].as_array().unwrap().len(), 2);
    // It puts a field of its own at the end of the header.
    let body = &mail[memchr::memmem::find(&mail, b"\r\n\r\n").unwrap()..];
    assert!(data(&arrived[0]).ends_with(body), "{}", data(&arrived[0]).escape_ascii());
}
