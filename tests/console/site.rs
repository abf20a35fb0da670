//! A site for tests: the pages over real HTTP on loopback, a real desk and a real store in memory.
//! It refuses to share anything: every test has its own store and its own port.

use super::scene::{RECEIVED, voice};
use sekisho::address::Address;
use sekisho::console::{ConsoleState, Preview, router};
use sekisho::hold::Desk;
use sekisho::id::MailId;
use sekisho::notice::{Claim, Language, Purpose, Voice};
use sekisho::store::{HeldMail, NewHold, State, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct Site {
    pub store: Arc<Store>,
    pub voice: Arc<Voice>,
    pub now: Arc<AtomicU64>,
    pub address: std::net::SocketAddr,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub async fn serve(router: axum::Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

pub async fn exchange(address: std::net::SocketAddr, request: String) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Site {
    pub async fn new(mails: &[HeldMail], preview: Option<Preview>) -> Self {
        let store = Arc::new(Store::memory().await.unwrap());
        for mail in mails {
            store.hold(new_hold(mail)).await.unwrap();
        }
        let internal = |address: &Address| address.as_str().ends_with("@school.example.jp");
        let desk = Arc::new(Desk::new(Arc::clone(&store), Arc::new(internal)));
        let voice = Arc::new(voice(&[Language::Ja, Language::En]));
        let now = Arc::new(AtomicU64::new(RECEIVED + 60_000));
        let (spoken, clock) = (Arc::clone(&voice), Arc::clone(&now));
        let state = ConsoleState {
            desk,
            voice: Arc::new(move || Arc::clone(&spoken)),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            acted: Arc::new(|| {}),
            preview,
        };
        Self { store, voice, now, address: serve(router(state)).await }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    pub async fn get_with(&self, path: &str, fields: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: guard.example.jp\r\nConnection: close\r\n{fields}\r\n");
        exchange(self.address, request).await
    }

    pub async fn post_with(&self, path: &str, body: &str, fields: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: guard.example.jp\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            body.len()
        );
        exchange(self.address, request).await
    }

    /// Presses the button on the page of a token.
    pub async fn press(&self, mail: &HeldMail, token: &str, action: &str, comment: &str) -> Answer {
        let body = format!("t={token}&lang=ja&action={action}&comment={comment}");
        self.post_with(&format!("/held/{}", mail.id), &body, "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n").await
    }

    pub fn token(&self, mail: &HeldMail, person: &str, purpose: Purpose) -> String {
        let claim = Claim { mail: mail.id.clone(), person: Address::new(person), purpose, expires_ms: mail.expires_ms };
        self.voice.key.sign(&claim).reveal().to_owned()
    }

    pub async fn state(&self, id: &MailId) -> State {
        self.store.held(id).await.unwrap().unwrap().state
    }
}

fn new_hold(mail: &HeldMail) -> NewHold {
    NewHold {
        id: mail.id.clone(),
        key: mail.key.clone(),
        client: mail.client.clone(),
        sender: mail.sender.clone(),
        parameters: mail.parameters.clone(),
        recipients: mail.recipients.clone(),
        facts: mail.facts.clone(),
        findings: mail.findings.clone(),
        verdict: mail.verdict.clone(),
        head: bytes::Bytes::new(),
        body: bytes::Bytes::from_static(b"Subject: x\r\n\r\nx\r\n"),
        now: Vec::new(),
        now_ms: mail.created_ms,
        expires_ms: mail.expires_ms,
        settle_ms: 0,
        history: None,
        group: None,
        audit: Vec::new(),
    }
}

pub fn page(mail: &HeldMail, token: &str) -> String {
    format!("/held/{}?t={token}", mail.id)
}
