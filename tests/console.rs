//! The pages behind notice links, as a browser sees them.
//! It refuses to look inside: what a page did is read from the store.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

#[path = "notice/scene.rs"]
mod scene;
#[path = "console/site.rs"]
mod site;

use scene::{APPROVER, DAY, DEPUTY, HIDDEN, RECEIVED, SENDER, VALUE, delayed, enquete, found, held, id, roster, terms};
use sekisho::address::Address;
use sekisho::console::{Preview, status_router};
use sekisho::notice::{Claim, LinkKey, Purpose};
use sekisho::rules::verdict::{Decider, Outcome, Repair, Verdict};
use sekisho::store::State;
use site::{Site, exchange, page, serve};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test]
async fn the_sender_sees_his_mail_and_releases_it_once() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let token = site.token(&mail, SENDER, Purpose::Sender);

    let shown = site.get(&page(&mail, &token)).await;
    assert_eq!(shown.status, 200);
    for text in [
        "<html lang=\"ja\">",
        "このメールは、まだどなたにも送信されていません。",
        "アンケートのお願い",
        "社外のアドレス421件がお互いに見える状態です。",
        "applicant421@mail.test",
        "<details>",
        "Bcc に変更して送信",
        "一人ずつ個別に送信",
        "取り消し",
        "2026年11月22日（日） 18:00",
    ] {
        assert!(shown.body.contains(text), "{text}");
    }
    assert!(!shown.body.contains("checked"), "nothing is preselected");

    let pressed = site.press(&mail, &token, "bcc", "").await;
    assert_eq!(pressed.status, 303);
    assert_eq!(pressed.header("location"), Some(format!("{}&lang=ja", page(&mail, &token)).as_str()));
    let kept = site.store.held(&mail.id).await.unwrap().unwrap();
    assert_eq!(kept.state, State::Releasing);
    assert_eq!(kept.decision.as_ref().and_then(|decision| decision.repair), Some(Repair::Bcc));

    let after = site.get(&page(&mail, &token)).await;
    assert_eq!(after.status, 200);
    assert!(after.body.contains("社外の宛先を Bcc に変更して送信します。") && !after.body.contains("<form"));

    // The second press, and a change of mind, show what was decided and change nothing.
    for action in ["bcc", "cancel"] {
        let again = site.press(&mail, &token, action, "").await;
        assert_eq!(again.status, 409, "{action}");
        assert!(again.body.contains("すでに次のとおり決まっていたため"), "{action}");
        assert!(again.body.contains("社外の宛先を Bcc に変更して送信します。"), "{action}");
        assert_eq!(site.store.held(&mail.id).await.unwrap().unwrap(), kept, "{action}");
    }
}

#[tokio::test]
async fn two_presses_at_once_send_one_mail() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let token = site.token(&mail, SENDER, Purpose::Sender);
    let presses = ["bcc", "individual", "cancel", "bcc"].map(|action| site.press(&mail, &token, action, ""));
    let [first, second, third, fourth] = presses;
    let (first, second, third, fourth) = tokio::join!(first, second, third, fourth);
    let mut statuses = [first.status, second.status, third.status, fourth.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409, 409]);
}

#[tokio::test]
async fn an_approver_sees_what_he_needs_and_no_hidden_recipient() {
    let mail = roster();
    let preview: Preview =
        Arc::new(|_| Box::pin(async { Some("各位\n<b>太字</b><script>alert(1)</script>\u{202e}x".to_owned()) }));
    let site = Site::new(std::slice::from_ref(&mail), Some(preview)).await;
    let token = site.token(&mail, APPROVER, Purpose::Approver);
    let shown = site.get(&page(&mail, &token)).await;
    assert_eq!(shown.status, 200);
    for text in [
        SENDER,
        "給食費の口座振替結果について",
        "69人分の個人情報と思われる記載があります。",
        "manabu@partner.test",
        "Bcc の1件のアドレスは、ここには表示しません。",
        "振替結果.xlsx › Sheet1 › C12",
        "62**********",
        "名簿.zip",
        "パスワードがかかっているため",
        "承認する（このまま送信）",
        "差し戻す",
        "<textarea",
        "&lt;b&gt;太字&lt;/b&gt;&lt;script&gt;",
        "[U+202E]x",
    ] {
        assert!(shown.body.contains(text), "{text}");
    }
    for hidden in [HIDDEN, VALUE, "<script", "取り消し"] {
        assert!(!shown.body.contains(hidden), "{hidden}");
    }
    let own = site.get(&page(&mail, &site.token(&mail, SENDER, Purpose::Sender))).await;
    assert!(own.body.contains(HIDDEN), "the sender knows whom he wrote to");
    assert!(!own.body.contains("value=\"as_is\"") && own.body.contains("value=\"cancel\""));

    let returned = site.press(&mail, &token, "return", "%E5%88%86%E3%81%91%E3%81%A6%3Cb%3E").await;
    assert_eq!(returned.status, 303);
    let after = site.get(&page(&mail, &token)).await;
    assert!(after.body.contains("分けて&lt;b&gt;") && after.body.contains("承認者が決めました"), "{}", after.body);
    assert_eq!(site.state(&mail.id).await, State::Returned);
}

#[tokio::test]
async fn two_approvals_are_needed_where_the_rule_says_so() {
    let mut mail = roster();
    let hold = mail.verdict.hold.as_mut().unwrap();
    hold.approvals = 2;
    hold.approvers.push("kyokucho@school.example.jp".to_owned());
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let first = site.token(&mail, APPROVER, Purpose::Approver);
    assert_eq!(site.press(&mail, &first, "as_is", "").await.status, 303);
    assert_eq!(site.state(&mail.id).await, State::Held);
    let waiting = site.get(&page(&mail, &first)).await;
    assert!(waiting.body.contains("承認を受け付けました。"), "{}", waiting.body);
    assert!(!waiting.body.contains("value=\"as_is\"") && waiting.body.contains("value=\"return\""));
    let second = site.token(&mail, "kyokucho@school.example.jp", Purpose::Approver);
    assert_eq!(site.press(&mail, &second, "as_is", "").await.status, 303);
    assert_eq!(site.state(&mail.id).await, State::Releasing);
}

#[tokio::test]
async fn get_and_head_never_change_anything() {
    let mails = [enquete(), roster(), delayed()];
    let site = Site::new(&mails, None).await;
    for mail in &mails {
        let before = site.store.held(&mail.id).await.unwrap();
        for (person, purpose) in [(SENDER, Purpose::Sender), (APPROVER, Purpose::Approver)] {
            let token = site.token(mail, person, purpose);
            for extra in ["", "&action=bcc", "&action=cancel&comment=x", "&lang=en"] {
                site.get(&format!("{}{extra}", page(mail, &token))).await;
                let head = format!(
                    "HEAD {}{extra} HTTP/1.1\r\nHost: guard.example.jp\r\nConnection: close\r\n\r\n",
                    page(mail, &token)
                );
                exchange(site.address, head).await;
            }
        }
        assert_eq!(site.store.held(&mail.id).await.unwrap(), before);
    }
}

#[tokio::test]
async fn only_the_right_token_opens_or_acts() {
    let (mail, other) = (enquete(), roster());
    let site = Site::new(&[mail.clone(), other.clone()], None).await;
    let good = site.token(&mail, SENDER, Purpose::Sender);
    let foreign = {
        let claim = Claim {
            mail: mail.id.clone(),
            person: Address::new(SENDER),
            purpose: Purpose::Sender,
            expires_ms: mail.expires_ms,
        };
        LinkKey::new(&[8; 32]).sign(&claim).reveal().to_owned()
    };
    let flipped = format!("{}{}", if good.starts_with('A') { 'B' } else { 'A' }, &good[1..]);
    for (what, token) in [
        ("none", String::new()),
        ("rubbish", "x.y".to_owned()),
        ("cut", good[..good.len() - 3].to_owned()),
        ("changed", flipped),
        ("another key", foreign),
        ("another mail", site.token(&other, SENDER, Purpose::Sender)),
        ("another person", site.token(&mail, "hanako@school.example.jp", Purpose::Sender)),
        ("another role", site.token(&mail, SENDER, Purpose::Approver)),
        ("an approver of nothing", site.token(&mail, APPROVER, Purpose::Approver)),
    ] {
        let shown = site.get(&page(&mail, &token)).await;
        assert_eq!(shown.status, 403, "{what}");
        assert!(
            shown.body.contains("このリンクは使えません") && shown.body.contains("This link cannot be used"),
            "{what}"
        );
        assert!(!shown.body.contains("アンケート") && !shown.body.contains("mail.test"), "{what}");
        assert_eq!(site.press(&mail, &token, "bcc", "").await.status, 403, "{what}");
        assert_eq!(site.state(&mail.id).await, State::Held, "{what}");
    }
    // He wrote the second mail himself: the rule's list of approvers does not make him one.
    let own = site.token(&other, SENDER, Purpose::Approver);
    assert_eq!(site.get(&page(&other, &own)).await.status, 403);
    // A deputy is one only from his time on.
    let deputy = site.token(&other, DEPUTY, Purpose::Approver);
    let early = site.get(&page(&other, &deputy)).await;
    assert!(early.status == 200 && !early.body.contains("type=\"radio\""));
    assert_eq!(site.press(&other, &deputy, "as_is", "").await.status, 403);
    assert_eq!(site.state(&other.id).await, State::Held);
    // No such mail, and no such id, look the same as a bad link.
    let unknown = site.get(&format!("/held/{}?t={good}", id(77))).await;
    let nonsense = site.get(&format!("/held/..%2F..%2Fetc%2Fpasswd?t={good}")).await;
    assert_eq!((unknown.status, nonsense.status), (403, 403));
    assert_eq!(unknown.body, nonsense.body);
}

#[tokio::test]
async fn a_link_is_over_when_the_hold_is() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let token = site.token(&mail, SENDER, Purpose::Sender);
    site.now.store(mail.expires_ms - 1, Ordering::SeqCst);
    assert_eq!(site.get(&page(&mail, &token)).await.status, 200);
    site.now.store(mail.expires_ms, Ordering::SeqCst);
    let over = site.get(&page(&mail, &token)).await;
    assert_eq!(over.status, 410);
    assert!(over.body.contains("このリンクの期限は過ぎました") && over.body.contains("The time of this link is over"));
    assert_eq!(site.press(&mail, &token, "bcc", "").await.status, 410);
    assert_eq!(site.state(&mail.id).await, State::Held);
    // A link that outlives its mail.
    let claim =
        Claim { mail: id(77), person: Address::new(SENDER), purpose: Purpose::Sender, expires_ms: RECEIVED + 9 * DAY };
    let gone = site.get(&format!("/held/{}?t={}", id(77), site.voice.key.sign(&claim).reveal())).await;
    assert_eq!(gone.status, 410);
}

#[tokio::test]
async fn forms_from_elsewhere_or_without_sense_change_nothing() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let token = site.token(&mail, SENDER, Purpose::Sender);
    let path = format!("/held/{}", mail.id);
    let good = format!("t={token}&action=bcc");
    let long = format!("{good}&comment={}", "x".repeat(64 * 1024));
    let approve = format!("t={token}&action=return");
    let nothing = format!("t={token}");
    for (what, body, fields, status) in [
        ("cross-site", &good, "Sec-Fetch-Site: cross-site\r\n", 403),
        ("same-site", &good, "Sec-Fetch-Site: same-site\r\n", 403),
        ("other origin", &good, "Origin: https://evil.test\r\n", 403),
        ("null origin", &good, "Origin: null\r\n", 403),
        ("nothing chosen", &nothing, "Sec-Fetch-Site: same-origin\r\n", 400),
        ("an approver's word", &approve, "Sec-Fetch-Site: same-origin\r\n", 400),
        ("too long", &long, "Sec-Fetch-Site: same-origin\r\n", 400),
    ] {
        let answer = site.post_with(&path, body, fields).await;
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.body.contains("メールの状態は変わっていません。"), "{what}");
        assert_eq!(site.state(&mail.id).await, State::Held, "{what}");
    }
    let json = format!(
        "POST {path} HTTP/1.1\r\nHost: guard.example.jp\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{good}",
        good.len()
    );
    assert_eq!(exchange(site.address, json).await.status, 400);
    // A way of sending that the rules do not offer.
    assert_eq!(site.press(&mail, &token, "as_is", "").await.status, 403);
    assert_eq!(site.state(&mail.id).await, State::Held);
    let own = site.post_with(&path, &good, "Origin: https://guard.example.jp\r\n").await;
    assert_eq!(own.status, 303);
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let table = [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"><img src=x onerror=alert(1)>", "&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("請求書\u{202e}fdp.exe", "請求書[U+202E]fdp.exe"),
        ("a\r\nSet-Cookie: x=y", "a Set-Cookie: x=y"),
        ("{{7*7}} ${7*7} %0d%0a", "{{7*7}} ${7*7} %0d%0a"),
    ];
    for (number, (text, shown)) in table.iter().enumerate() {
        let verdict = Verdict {
            outcome: Outcome::HoldSender,
            matches: vec![found("r", text, text, Outcome::HoldSender, &[("to", text, text)])],
            hold: Some(terms(Decider::Sender, &[Repair::AsIs])),
            ..Verdict::default()
        };
        let to = [format!("\"{}\"@mail.test", text.replace(['"', '\r', '\n'], "'"))];
        let mut mail = held(10 + u8::try_from(number).unwrap(), text, &to, &[], verdict);
        mail.findings.clone_from(&roster().findings);
        mail.findings[0].place = (*text).to_owned();
        mail.findings[0].masked = (*text).to_owned();
        let preview: Preview = Arc::new({
            let text = (*text).to_owned();
            move |_| {
                let text = text.clone();
                Box::pin(async move { Some(text) })
            }
        });
        let site = Site::new(std::slice::from_ref(&mail), Some(preview)).await;
        for language in ["ja", "en"] {
            let path = format!("{}&lang={language}", page(&mail, &site.token(&mail, SENDER, Purpose::Sender)));
            let answer = site.get(&path).await;
            assert_eq!(answer.status, 200, "{text}");
            assert!(answer.body.contains(shown), "{text}: {}", answer.body);
            for bad in ["<script", "<img src=x", "onerror=alert(1)>", "\u{202e}"] {
                assert!(!answer.body.contains(bad), "{text}: {bad}");
            }
            assert!(answer.header("set-cookie").is_none());
        }
    }
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let token = site.token(&mail, SENDER, Purpose::Sender);
    let answers = [
        site.get("/").await,
        site.get("/nowhere").await,
        site.get("/held/x").await,
        site.get(&page(&mail, &token)).await,
        site.get("/assets/style.css").await,
        site.get("/assets/mark.svg").await,
        site.post_with("/", "x=y", "").await,
        site.press(&mail, &token, "cancel", "").await,
    ];
    for answer in &answers {
        assert_eq!(
            answer.header("content-security-policy"),
            Some(
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'"
            ),
            "{}",
            answer.head
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let asset =
            answer.header("content-type").is_some_and(|kind| !kind.starts_with("text/html")) && answer.status == 200;
        assert_eq!(answer.header("cache-control") == Some("no-store"), !asset, "{}", answer.head);
        assert!(answer.header("set-cookie").is_none());
        assert!(!answer.body.contains("<script") && !answer.body.contains(" style="));
    }
    assert_eq!(answers.map(|answer| answer.status), [200, 404, 403, 200, 200, 200, 405, 303]);
}

#[tokio::test]
async fn the_language_is_the_readers() {
    let mail = enquete();
    let site = Site::new(std::slice::from_ref(&mail), None).await;
    let path = page(&mail, &site.token(&mail, SENDER, Purpose::Sender));
    for (extra, fields, tag, words) in [
        ("", "", "ja", "送信前の確認"),
        ("", "Accept-Language: en-GB,en;q=0.8\r\n", "en", "Check before sending"),
        ("&lang=ja", "Accept-Language: en\r\n", "ja", "送信前の確認"),
        ("&lang=en", "Accept-Language: ja\r\n", "en", "Check before sending"),
        ("&lang=xx", "", "ja", "送信前の確認"),
    ] {
        let answer = site.get_with(&format!("{path}{extra}"), fields).await;
        assert!(answer.body.contains(&format!("<html lang=\"{tag}\">")), "{extra} {fields}");
        assert!(answer.body.contains(&format!("<h1>{words}</h1>")), "{extra} {fields}");
        let other = if tag == "ja" { "en" } else { "ja" };
        let switch = format!("href=\"{}&amp;lang={other}\"", path.replace('&', "&amp;"));
        assert!(answer.body.contains(&switch), "{extra} {fields}");
    }
}

#[tokio::test]
async fn every_field_has_a_label_and_every_heading_its_level() {
    for (mail, person, purpose) in [
        (enquete(), SENDER, Purpose::Sender),
        (roster(), APPROVER, Purpose::Approver),
        (delayed(), SENDER, Purpose::Sender),
    ] {
        let site = Site::new(std::slice::from_ref(&mail), None).await;
        let body = site.get(&page(&mail, &site.token(&mail, person, purpose))).await.body;
        assert_eq!(body.matches("<h1").count(), 1);
        for field in body.split("<input ").skip(1).chain(body.split("<textarea ").skip(1)) {
            let field = field.split('>').next().unwrap();
            if field.contains("type=\"hidden\"") {
                continue;
            }
            let id = field.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(field);
            assert!(body.contains(&format!("<label for=\"{id}\"")), "{field}");
        }
        for labelled in body.split("aria-labelledby=\"").skip(1).chain(body.split("aria-describedby=\"").skip(1)) {
            let id = labelled.split('"').next().unwrap();
            assert_eq!(body.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
    }
}

#[tokio::test]
async fn machines_learn_how_the_server_is() {
    let well = Arc::new(AtomicU64::new(1));
    let asked = Arc::clone(&well);
    let health =
        move || if asked.load(Ordering::SeqCst) == 1 { Vec::new() } else { vec!["store: read-only".to_owned()] };
    let address = serve(status_router(health, Vec::new, || "sekisho_mails_total 3\n# EOF\n".to_owned())).await;
    let get = |path: &str| exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    let answer = get("/healthz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    well.store(0, Ordering::SeqCst);
    let answer = get("/healthz").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "store: read-only\n"));
    let answer = get("/metrics").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "sekisho_mails_total 3\n# EOF\n"));
    assert_eq!(get("/held/x").await.status, 404);
}
