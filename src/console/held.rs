//! The page behind a notice link: `GET /held/{id}?t=…` shows, `POST /held/{id}` acts.
//! It refuses to act for anybody but the person of the token, in the role of the token, on the mail of the token.

use super::held_page::{Scene, decided, undecided};
use super::tongue::language;
use super::{ConsoleState, message, origin};
use crate::address::Address;
use crate::hold::{ActError, Action};
use crate::id::MailId;
use crate::notice::{Claim, Language, LinkError, Purpose, Voice};
use crate::rules::verdict::Repair;
use crate::store::{Actor, HeldMail, State as Stage};
use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

/// Characters of a comment.
const COMMENT_LENGTH: usize = 2_000;

/// The routes of held mails.
pub fn router() -> Router<ConsoleState> {
    Router::new().route("/held/{id}", get(show).post(act))
}

/// What stands behind the `?`; everything may be missing.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    t: String,
    lang: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    t: String,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    action: String,
    #[serde(default)]
    comment: String,
}

/// Somebody who may look at a mail.
struct Visit {
    claim: Claim,
    mail: HeldMail,
    now_ms: u64,
}

/// Shows the mail; changes nothing, however often mail scanners and link previews come by.
async fn show(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    // An address that cannot be read has no token, which gives the page about bad links.
    let Query(asked) = asked.unwrap_or_default();
    let voice = (state.voice)();
    let language = language(asked.lang.as_deref(), &headers, default_language(&voice));
    match visit(&state, &voice, &id, &asked.t, &headers).await {
        Ok(visit) => page(&state, &voice, &visit, &asked.t, language, false).await,
        Err(answer) => answer,
    }
}

/// Does what was chosen, then sends the browser to the page, which shows what was decided.
async fn act(
    State(state): State<ConsoleState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Choice>, FormRejection>,
) -> Response {
    let voice = (state.voice)();
    if !origin::is_own(&headers, &voice.base_url) {
        return message::foreign_form(&headers, &voice);
    }
    let Ok(Form(choice)) = form else { return message::incomplete_form(&headers, &voice) };
    let language = language(choice.lang.as_deref(), &headers, default_language(&voice));
    let visit = match visit(&state, &voice, &id, &choice.t, &headers).await {
        Ok(visit) => visit,
        Err(answer) => return answer,
    };
    let Some(action) = action(visit.claim.purpose, &choice.action, &choice.comment) else {
        return message::incomplete_form(&headers, &voice);
    };
    let actor = actor(&visit.claim);
    let result = state.desk.act(&visit.mail.id, actor, action, visit.now_ms).await;
    match result {
        Ok(_) => {
            (state.acted)();
            tracing::info!(mail = %visit.mail.id, role = ?visit.claim.purpose, "a held mail was acted on by its link");
            let to = format!("/held/{}?t={}&lang={}", visit.mail.id, choice.t, language.tag());
            (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
        }
        Err(ActError::AlreadyDecided { .. }) => match look(&state, &voice, &visit.mail.id, &headers).await {
            Ok(mail) => page(&state, &voice, &Visit { mail, ..visit }, &choice.t, language, true).await,
            Err(answer) => answer,
        },
        Err(ActError::Expired) => message::bad_link(LinkError::Expired, &headers, &voice),
        Err(ActError::NotFound) => message::gone(&headers, &voice),
        Err(ActError::NotAllowed { why }) => {
            tracing::warn!(mail = %visit.mail.id, role = ?visit.claim.purpose, %why, "refused an action on a held mail");
            message::not_yours(&headers, &voice)
        }
        Err(error @ (ActError::Unreachable | ActError::Shown | ActError::Busy | ActError::Store(_))) => {
            tracing::error!(mail = %visit.mail.id, %error, "failed to act on a held mail");
            message::unavailable(&headers, &voice)
        }
    }
}

/// Checks the link and reads the mail, or gives the page that says why not.
async fn visit(
    state: &ConsoleState,
    voice: &Voice,
    id: &str,
    token: &str,
    headers: &HeaderMap,
) -> Result<Visit, Response> {
    let now_ms = (state.clock)();
    let bad = |error| message::bad_link(error, headers, voice);
    let id = MailId::parse(id).map_err(|_| bad(LinkError::Malformed))?;
    let claim = voice.key.verify(token, &id, now_ms).map_err(bad)?;
    let mail = look(state, voice, &id, headers).await?;
    if concerns(&claim, &mail) { Ok(Visit { claim, mail, now_ms }) } else { Err(bad(LinkError::WrongPurpose)) }
}

async fn look(state: &ConsoleState, voice: &Voice, id: &MailId, headers: &HeaderMap) -> Result<HeldMail, Response> {
    state.desk.view(id).await.map_err(|error| match error {
        ActError::NotFound => message::gone(headers, voice),
        error => {
            tracing::error!(mail = %id, %error, "failed to show a held mail");
            message::unavailable(headers, voice)
        }
    })
}

/// Is the person of the link still one whom this mail concerns in this role?
fn concerns(claim: &Claim, mail: &HeldMail) -> bool {
    match claim.purpose {
        Purpose::Sender => mail.sender.as_ref() == Some(&claim.person),
        Purpose::Approver => mail.verdict.hold.as_ref().is_some_and(|terms| {
            let deputies = terms.escalate.iter().flat_map(|step| &step.to);
            let asked = terms.approvers.iter().chain(deputies).any(|name| Address::new(name) == claim.person);
            asked && mail.sender.as_ref() != Some(&claim.person)
        }),
    }
}

async fn page(
    state: &ConsoleState,
    voice: &Voice,
    visit: &Visit,
    token: &str,
    language: Language,
    too_late: bool,
) -> Response {
    let mail = &visit.mail;
    let scene = Scene { language, voice, mail, claim: &visit.claim, token };
    if mail.state != Stage::Held {
        return decided(&scene, too_late);
    }
    let choices = state.desk.choices(mail, &actor(&visit.claim), visit.now_ms);
    let text = match &state.preview {
        Some(preview) => preview(mail.id.clone()).await,
        None => None,
    };
    undecided(&scene, &choices, text.as_deref())
}

fn actor(claim: &Claim) -> Actor {
    match claim.purpose {
        Purpose::Sender => Actor::Sender(claim.person.as_str().to_owned()),
        Purpose::Approver => Actor::Approver(claim.person.as_str().to_owned()),
    }
}

/// The words of the form, and the actions they stand for; a word of another role is none.
fn action(purpose: Purpose, word: &str, comment: &str) -> Option<Action> {
    let repair =
        || [Repair::Bcc, Repair::Individual, Repair::AsIs].into_iter().find(|repair| repair_word(*repair) == word);
    match (purpose, word) {
        (Purpose::Sender, "cancel") => Some(Action::Cancel),
        (Purpose::Sender, _) => repair().map(Action::Release),
        (Purpose::Approver, "return") => {
            Some(Action::Return { comment: comment.chars().take(COMMENT_LENGTH).collect() })
        }
        (Purpose::Approver, _) => repair().map(Action::Approve),
    }
}

/// The word of a choice in the form.
pub fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Release(repair) | Action::Approve(repair) => repair_word(*repair),
        Action::Return { .. } => "return",
        Action::Cancel => "cancel",
    }
}

fn repair_word(repair: Repair) -> &'static str {
    match repair {
        Repair::Bcc => "bcc",
        Repair::Individual => "individual",
        Repair::AsIs => "as_is",
        Repair::Cancel => "cancel",
    }
}

fn default_language(voice: &Voice) -> Language {
    voice.languages.first().copied().unwrap_or(Language::Ja)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_form_mean_one_action_in_one_role() {
        use Purpose::{Approver, Sender};
        for (purpose, word, expected) in [
            (Sender, "bcc", Some(Action::Release(Repair::Bcc))),
            (Sender, "individual", Some(Action::Release(Repair::Individual))),
            (Sender, "as_is", Some(Action::Release(Repair::AsIs))),
            (Sender, "cancel", Some(Action::Cancel)),
            (Sender, "return", None),
            (Sender, "", None),
            (Approver, "bcc", Some(Action::Approve(Repair::Bcc))),
            (Approver, "return", Some(Action::Return { comment: "c".to_owned() })),
            (Approver, "cancel", None),
            (Approver, "release", None),
        ] {
            let action = action(purpose, word, "c");
            assert_eq!(action, expected, "{purpose:?} {word}");
            if let Some(action) = action {
                assert_eq!(action_word(&action), word);
            }
        }
    }
}
