//! People's own mail programs hand in mail on a submission port: their login is judged by the mail server behind, whose words they hear.
//! It refuses a guard that knows, keeps or logs a password.

use crate::client::letter;
use crate::fake_upstream::{Behaviour, FakeUpstream, PASSWORD};
use crate::faults::RULES;
use crate::guard::{Guard, PATIENCE, Setup, wait};
use crate::tls;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport as _};

const CLERK: &str = "clerk@city.example.jp";
const EHLO: &str = "PIPELINING\nSIZE 104857600\n8BITMIME\nSMTPUTF8\nDSN\nAUTH PLAIN LOGIN XOAUTH2";

fn guard(upstream: &FakeUpstream, relay: &str) -> Guard {
    let relay = format!("tls = \"off\"\nauth_over_clear = true\n{relay}");
    let mut guard = Guard::prepare(&Setup {
        listener: "tls = \"starttls\"\nauth = \"required\"",
        relay: &relay,
        rules: Some(RULES),
        more: tls::SECTION,
        ..Setup::before(upstream.port)
    });
    tls::certificate(&guard.path(""), "localhost", "guard");
    std::fs::write(guard.path("upstream.password"), format!("{PASSWORD}\n")).unwrap();
    guard.launch();
    guard
}

/// One connection for all mails, as mail programs keep it.
fn client(guard: &Guard, user: &str, password: &str, mechanism: Mechanism) -> SmtpTransport {
    let root = Certificate::from_pem(&std::fs::read(guard.path("guard.pem")).unwrap()).unwrap();
    let tls = TlsParameters::builder("localhost".to_owned()).add_root_certificate(root).build().unwrap();
    SmtpTransport::builder_dangerous("127.0.0.1")
        .port(guard.smtp)
        .tls(Tls::Required(tls))
        .credentials(Credentials::new(user.to_owned(), password.to_owned()))
        .authentication(vec![mechanism])
        .timeout(Some(PATIENCE))
        .build()
}

/// Code and text of the last answer.
fn submit(client: &SmtpTransport, from: &str, to: &str, number: usize) -> (u16, String) {
    let envelope = Envelope::new(Some(from.parse().unwrap()), vec![to.parse().unwrap()]).unwrap();
    match client.send_raw(&envelope, &letter(from, &[to.to_owned()], number)) {
        Ok(answer) => (answer.code().into(), answer.message().collect::<Vec<_>>().join(" ")),
        Err(error) => (error.status().map_or(0, Into::into), error.to_string()),
    }
}

#[test]
fn a_login_is_carried_through_and_the_servers_words_come_back() {
    let upstream = FakeUpstream::with(Behaviour { ehlo: EHLO, demands_login: true, ..Behaviour::default() });
    let guard = guard(&upstream, "user = \"guard\"\npassword_file = \"upstream.password\"");
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2] {
        let (code, text) = submit(&client(&guard, CLERK, "wrong-secret", mechanism), CLERK, "a@mail.test", 1);
        assert_eq!(code, 535, "{mechanism:?} {text}");
        if mechanism != Mechanism::Xoauth2 {
            assert!(text.contains("the fake says no") && text.contains("ask the desk"), "{mechanism:?} {text}");
        }
        let to = format!("{mechanism}@mail.test").to_lowercase();
        let (code, text) = submit(&client(&guard, CLERK, PASSWORD, mechanism), CLERK, &to, 2);
        assert_eq!(code, 250, "{mechanism:?} {text}");
        assert_eq!(upstream.wait_for(&to).login.as_deref(), Some(CLERK), "{mechanism:?}");
    }
    // The server's own check of senders applies, and its reply is heard.
    let (code, text) =
        submit(&client(&guard, "other@city.example.jp", PASSWORD, Mechanism::Plain), CLERK, "a@mail.test", 3);
    assert!(code == 553 && text.contains("not owned by this user"), "{code} {text}");
    // What leaves later goes with the guard's own login.
    assert_eq!(submit(&client(&guard, CLERK, PASSWORD, Mechanism::Plain), CLERK, "later@hidden.test", 4).0, 250);
    assert_eq!(upstream.wait_for("later@hidden.test").login.as_deref(), Some("guard"));
    // Without a login nobody sends.
    let anonymous = SmtpTransport::builder_dangerous("127.0.0.1").port(guard.smtp).timeout(Some(PATIENCE)).build();
    assert_eq!(submit(&anonymous, CLERK, "a@mail.test", 5).0, 530);
    let log = guard.log();
    for secret in [PASSWORD, "wrong-secret", CLERK] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    assert!(!log.contains("held and queued mail cannot leave"), "{log}");
}

#[test]
fn without_an_own_login_the_client_has_to_come_again_and_the_administrator_is_warned() {
    let upstream = FakeUpstream::with(Behaviour { ehlo: EHLO, demands_login: true, ..Behaviour::default() });
    let guard = guard(&upstream, "");
    wait("the warning", || guard.log().contains("held and queued mail cannot leave").then_some(()));
    let client = client(&guard, CLERK, PASSWORD, Mechanism::Plain);
    assert_eq!(submit(&client, CLERK, "a@mail.test", 1).0, 250);
    for event in ["RSET", "MAIL"] {
        upstream.fault(event, crate::fake_upstream::Fault::Drop);
    }
    // Each transport of the library connects anew, so the fault is hit by a login of its own.
    let (code, text) = submit(&client, CLERK, "b@mail.test", 2);
    assert!(code == 421 && text.contains("log in again"), "{code} {text}");
    assert!(upstream.taken_for("b@mail.test").is_empty());
    for _ in 0..2 {
        if submit(&client, CLERK, "b@mail.test", 2).0 == 250 {
            break;
        }
    }
    assert_eq!(upstream.taken_for("b@mail.test").len(), 1, "the same mail, after a new login");
}
