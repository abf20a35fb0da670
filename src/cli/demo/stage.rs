//! The stage of the demonstration: guard, mail server and page on the loopback, a real client, and what became of each mail.
//! It refuses to look into the guard's memory: what it shows comes from replies, the store and the mail server.

use super::browser;
use super::incidents::{Incident, Outgoing, PARTNERS};
use super::mailserver::{Delivered, MailServer};
use crate::address::Address;
use crate::app::{App, StartError};
use crate::config::Config;
use crate::config::error::render_all;
use crate::mail::recipients;
use crate::rules::shipped;
use crate::store::{AuditFilter, AuditRow, Event, HeldFilter, State, StoreError};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long the demonstration waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the demonstration cannot go on; the texts fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error("prepare the demonstration: {0}")]
    Files(#[from] io::Error),
    #[error("make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("use the demonstration's configuration:\n{0}")]
    Config(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("connect to the guard: {0}")]
    Client(#[from] lettre::transport::smtp::Error),
    #[error("send a mail: {0}")]
    Sending(String),
    #[error("find the notice with the link to the page")]
    NoLink,
    #[error("wait any longer for {0}")]
    Slow(&'static str),
}

/// Everything that runs.
pub(super) struct Stage {
    app: App,
    server: MailServer,
    client: SmtpTransport,
    pub(super) smtp: String,
    pub(super) page: String,
    folder: PathBuf,
    sent: Mutex<Sent>,
    /// The last audit row that was looked at.
    seen: tokio::sync::Mutex<u64>,
}

/// What the clients wanted to send.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    mails: u64,
    recipients: u64,
}

/// What became of an incident's mails.
pub(super) struct Shown {
    /// One row of the audit trail a mail.
    pub(super) rows: Vec<AuditRow>,
    pub(super) took: Duration,
}

/// What came of the sender's choice.
pub(super) struct Repaired {
    pub(super) recipients: usize,
    /// Copies that show an address besides the reader's own.
    pub(super) showing: usize,
    pub(super) took: Duration,
}

/// Sums at the end.
pub(super) struct Totals {
    pub(super) sent_mails: u64,
    pub(super) sent_recipients: u64,
    pub(super) arrived_recipients: u64,
    pub(super) notices: u64,
    pub(super) held: u64,
    pub(super) blocked: u64,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn set() -> Result<Self, StageError> {
        let server = MailServer::start().await?;
        let folder = fresh_folder()?;
        let root = certificate(&folder)?;
        rules(&folder)?;
        let (smtp, page) = (free_port()?, free_port()?);
        let text = format!(
            "hostname = \"guard.example.jp\"\nstate = \"state\"\nrules = \"rules\"\n\
             [[listener]]\nlisten = \"127.0.0.1:{smtp}\"\ntls = \"starttls\"\nrequire_tls = true\n\
             [tls]\ncertificate = \"guard.pem\"\nkey = \"guard.key\"\n\
             [upstream]\nserver = \"{}\"\ntls = \"off\"\n\
             [notice]\nfrom = \"postmaster@example.jp\"\nsettle = \"1s\"\n\
             [console]\nlisten = \"127.0.0.1:{page}\"\n",
            server.address()
        );
        let config = Config::parse("demo", &text, &folder)
            .map_err(|problems| StageError::Config(render_all(&problems, false)))?;
        let app = App::start(config).await?;
        let parameters = TlsParameters::builder("localhost".to_owned()).add_root_certificate(root).build()?;
        let client = SmtpTransport::builder_dangerous("localhost")
            .port(smtp)
            .tls(Tls::Required(parameters))
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self {
            app,
            server,
            client,
            smtp: format!("127.0.0.1:{smtp}"),
            page: format!("http://127.0.0.1:{page}"),
            folder,
            sent: Mutex::default(),
            seen: tokio::sync::Mutex::default(),
        })
    }

    /// Sends all mails of an incident, and looks up what the guard did.
    pub(super) async fn play(&self, incident: &Incident) -> Result<Shown, StageError> {
        let started = Instant::now();
        let mut rows = Vec::new();
        for mail in &incident.mails {
            self.send(mail).await?;
            let mut seen = self.seen.lock().await;
            let filter = AuditFilter { after_seq: *seen, limit: 100_000, ..AuditFilter::default() };
            let new = self.app.store().audit(&filter).await?;
            *seen = new.last().map_or(*seen, |row| row.seq);
            rows.extend(new.into_iter().find(|row| is_judgement(row.event)));
        }
        Ok(Shown { rows, took: started.elapsed() })
    }

    /// One mail by the client library over STARTTLS. A refusal is an answer, not an error.
    async fn send(&self, mail: &Outgoing) -> Result<(), StageError> {
        {
            let mut sent = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            sent.mails += 1;
            sent.recipients += mail.recipients.len() as u64;
        }
        let address = |text: &str| {
            text.parse::<lettre::Address>().map_err(|error| StageError::Sending(format!("{text}: {error}")))
        };
        let recipients = mail.recipients.iter().map(|recipient| address(recipient)).collect::<Result<Vec<_>, _>>()?;
        let envelope = lettre::address::Envelope::new(Some(address(&mail.from)?), recipients)
            .map_err(|error| StageError::Sending(error.to_string()))?;
        let (client, data) = (self.client.clone(), mail.data.clone());
        let sent = tokio::task::spawn_blocking(move || client.send_raw(&envelope, &data)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Ok(()),
            Ok(Err(error)) => Err(StageError::Sending(error.to_string())),
            Err(error) => Err(StageError::Sending(error.to_string())),
        }
    }

    /// Opens the link of the first notice and presses "send as Bcc"; then waits until all copies arrived.
    pub(super) async fn act_as_sender(&self) -> Result<Repaired, StageError> {
        let started = Instant::now();
        // This one alone: making all incidents again would take longer than the repair that is shown.
        let uji = super::incidents::uji_to();
        let mail = uji.mails.first().ok_or(StageError::NoLink)?;
        let link = self.wait("the notice", || self.link_for(&mail.from)).await?;
        let page = browser::get(&link).await?;
        let token = page
            .body
            .split("name=\"t\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .ok_or(StageError::NoLink)?;
        let base = link.split('?').next().unwrap_or(&link);
        let answer = browser::post(base, &format!("t={token}&action=bcc")).await?;
        if answer.status >= 400 {
            return Err(StageError::Sending(format!("the page answered {}", answer.status)));
        }
        let wanted: BTreeSet<String> =
            mail.recipients.iter().map(|recipient| Address::new(recipient).key().to_owned()).collect();
        let copies = self
            .wait("the copies", || {
                let copies: Vec<Delivered> = self
                    .server
                    .mails()
                    .into_iter()
                    .filter(|delivered| delivered.envelope.sender == Some(Address::new(&mail.from)))
                    .filter(|delivered| {
                        delivered.envelope.recipients.iter().any(|recipient| wanted.contains(recipient.address.key()))
                    })
                    .collect();
                let reached: BTreeSet<&str> = copies
                    .iter()
                    .flat_map(|copy| &copy.envelope.recipients)
                    .map(|recipient| recipient.address.key())
                    .collect();
                (reached.len() >= wanted.len()).then_some(copies)
            })
            .await?;
        let showing = copies.iter().filter(|copy| shows_others(copy)).count();
        Ok(Repaired { recipients: wanted.len(), showing, took: started.elapsed() })
    }

    async fn wait<T>(&self, what: &'static str, mut look: impl FnMut() -> Option<T>) -> Result<T, StageError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(StageError::Slow(what));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The link in the latest notice to somebody.
    fn link_for(&self, person: &str) -> Option<String> {
        let person = Address::new(person);
        let mails = self.server.mails();
        let mut notices = mails.iter().filter(|mail| {
            mail.envelope.sender.is_none()
                && mail.envelope.recipients.iter().any(|recipient| recipient.address == person)
        });
        notices.find_map(|notice| link_in(&notice.data, &self.page))
    }

    /// The link of any mail that still waits, for the person at the screen.
    pub(super) fn link(&self) -> Result<String, StageError> {
        let mails = self.server.mails();
        let mut notices = mails.iter().rev().filter(|mail| mail.envelope.sender.is_none());
        notices.find_map(|notice| link_in(&notice.data, &self.page)).ok_or(StageError::NoLink)
    }

    /// Where the mail server listens.
    pub(super) fn server(&self) -> String {
        self.server.address().to_string()
    }

    /// What came and what stayed.
    pub(super) async fn totals(&self) -> Result<Totals, StageError> {
        let filter = HeldFilter { state: Some(State::Held), limit: 10_000, ..HeldFilter::default() };
        let held = self.app.store().list_held(&filter).await?.len() as u64;
        let filter = AuditFilter { event: Some(Event::Blocked), limit: 10_000, ..AuditFilter::default() };
        let blocked = self.app.store().audit(&filter).await?.len() as u64;
        let mails = self.server.mails();
        let sent = *self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (notices, arrived): (Vec<_>, Vec<_>) = mails.iter().partition(|mail| mail.envelope.sender.is_none());
        Ok(Totals {
            sent_mails: sent.mails,
            sent_recipients: sent.recipients,
            arrived_recipients: arrived.iter().map(|mail| mail.envelope.recipients.len() as u64).sum(),
            notices: notices.len() as u64,
            held,
            blocked,
        })
    }

    /// Stops everything and removes the folder.
    pub(super) async fn clear(self) {
        self.app.stop().await;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Does an audit row say what was decided about a mail that came in?
fn is_judgement(event: Event) -> bool {
    matches!(
        event,
        Event::Relayed
            | Event::Queued
            | Event::Held
            | Event::Joined
            | Event::Followed
            | Event::Blocked
            | Event::Discarded
            | Event::Refused
            | Event::Deferred
    )
}

/// Does a copy show an address that is not the reader's own or the organisation's?
fn shows_others(copy: &Delivered) -> bool {
    let visible = recipients::read(&copy.data).addresses;
    let outside = visible
        .iter()
        .filter(|address| !address.domain().is_some_and(|domain| domain.as_str().ends_with("example.jp")));
    outside
        .filter(|address| !(copy.envelope.recipients.len() == 1 && copy.envelope.recipients[0].address == **address))
        .count()
        > 0
}

/// The link in a notice (its text part is quoted-printable or base64).
fn link_in(notice: &[u8], page: &str) -> Option<String> {
    let text = String::from_utf8_lossy(notice).replace("=\r\n", "").replace("=3D", "=");
    let start = text.find(&format!("{page}/held/"))?;
    let link = text[start..].split([' ', '\r', '\n', '"', '<', '>']).next()?;
    Some(link.to_owned())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A folder of our own below the system's folder for temporary files.
fn fresh_folder() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    let folder = std::env::temp_dir().join(format!("sekisho-demo-{:016x}", u64::from_be_bytes(random)));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// The shipped rules, with the demonstration's partners in the list that an organisation fills first.
fn rules(folder: &Path) -> io::Result<()> {
    let partners = PARTNERS.join("\n");
    for (name, text) in shipped::files() {
        let path = folder.join("rules").join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, if name == "lists/partners.txt" { partners.as_str() } else { text })?;
    }
    Ok(())
}

/// A throw-away certificate for the guard, which the client trusts.
fn certificate(folder: &Path) -> Result<Certificate, StageError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    fs::write(folder.join("guard.pem"), made.cert.pem())?;
    fs::write(folder.join("guard.key"), made.signing_key.serialize_pem())?;
    Ok(Certificate::from_pem(made.cert.pem().as_bytes())?)
}
