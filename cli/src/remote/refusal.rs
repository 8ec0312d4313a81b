//! Why a server did not answer what was asked.

use lessor_providers::https::{Answer, HttpsError};
use serde_json::Value;

use super::Call;
use crate::exit::Failed;

/// How a server says what is wrong.
pub(super) const PROBLEM: &str = "application/problem+json";

/// An answer that is none.
pub(super) struct Refusal {
    /// `GET /v1/orders/ord_…`.
    asked: String,
    /// `GET /v1/orders/{order}`.
    known_as: String,
    method: String,
    route: &'static str,
    url: String,
    status: u16,
    media_type: String,
    /// How long to wait, where the server says so.
    wait: Option<String>,
    /// What the server says is wrong; `null` when it says nothing that is like it.
    problem: Value,
}

impl Refusal {
    pub(super) fn read(url: &str, call: &Call, answer: &Answer) -> Self {
        let media_type = media_type(answer);
        let problem = match media_type.as_str() {
            PROBLEM => serde_json::from_slice(&answer.body).unwrap_or_default(),
            _ => Value::Null,
        };
        let wait = answer.headers.get("retry-after").and_then(|wait| wait.to_str().ok());
        Refusal {
            asked: asked(call),
            known_as: format!("{} {}", call.method, call.route),
            method: call.method.as_str().to_lowercase(),
            route: call.route,
            url: url.to_owned(),
            status: answer.status,
            media_type,
            wait: wait.map(str::to_owned),
            problem,
        }
    }

    /// Whether it may be that the server is no lessor, or another one.
    pub(super) fn may_be_another_version(&self) -> bool {
        self.problem.is_null() || matches!(self.status, 404 | 405)
    }

    /// What it is, beside the description of its API that the server gives.
    pub(super) fn beside(self, known: &Value) -> anyhow::Error {
        let url = &self.url;
        let (title, version) = (&known["info"]["title"], &known["info"]["version"]);
        let Some(version) = version.as_str().filter(|_| title == "lessor") else {
            if !self.problem.is_null() || self.status >= 500 {
                return self.into_error();
            }
            let failed = Failed::new(format!("what answers at `{url}` is no lessor"));
            let failed = failed.hint("check the host and the port behind `--server`");
            return self.answered().context(failed);
        };
        if known["paths"][self.route][&self.method].is_object() {
            return self.into_error();
        }
        let own = env!("CARGO_PKG_VERSION");
        let failed = Failed::new(format!("the server at `{url}` has no call `{}`", self.known_as));
        let failed = failed.hint("use the same version here and there");
        let cause = format!("it is lessor {version}, and this is lessor {own}");
        anyhow::Error::msg(cause).context(failed)
    }

    /// With what the server says is wrong, and by what its log knows the call.
    pub(super) fn into_error(self) -> anyhow::Error {
        let text = |name: &str| self.problem[name].as_str().map(shown);
        let title = text("title");
        let detail = text("detail").or_else(|| title.clone());
        let said = detail.unwrap_or_else(|| format!("it was answered with {}", self.status));
        let url = &self.url;
        let message = match self.status {
            401 => format!("the server at `{url}` does not know the key"),
            403 => format!("the key may not do that: {said}"),
            404 => format!("{said}, or nothing that the key may know of"),
            _ => said,
        };
        let failed = match self.hint() {
            Some(hint) => Failed::new(message).hint(hint),
            None => Failed::new(message),
        };
        let fields = self.problem["errors"].as_array().into_iter().flatten().rev();
        let causes = fields.map(field).fold(self.answered(), anyhow::Error::context);
        causes.context(failed)
    }

    fn answered(&self) -> anyhow::Error {
        let Refusal { asked, url, status, media_type, .. } = self;
        let said = match self.problem["request_id"].as_str() {
            Some(request) => format!("request `{}`", shown(request)),
            None => format!("`{}`", shown(media_type)),
        };
        anyhow::Error::msg(format!("`{asked}` at `{url}` was answered with {status}, {said}"))
    }

    fn hint(&self) -> Option<String> {
        Some(match self.status {
            401 => "it may have ended, or be of another server; `lessor apikey create` makes one \
                    where the database is"
                .into(),
            403 => {
                "ask with a key of who may: a scope, a role in the tenant, or one on the platform"
                    .into()
            }
            412 => "somebody else was faster; look at it, and try again".into(),
            429 => match &self.wait {
                Some(wait) => format!("try again in {} s", shown(wait)),
                None => "try again in a while".into(),
            },
            503 => "try again in a moment; the server's log says more under the request".into(),
            500.. => "the server's log says more under the request".into(),
            _ => return None,
        })
    }
}

/// Nobody answered.
pub(super) fn no_answer(url: &str, call: &Call, error: HttpsError) -> anyhow::Error {
    let message = format!("could not ask the server at `{url}`");
    let heard = if error.was_heard() && !call.may_be_repeated() {
        let asked = asked(call);
        Some(format!("it may have done `{asked}` all the same; look before you ask again"))
    } else {
        None
    };
    let hint = heard.unwrap_or_else(|| hint(&error));
    anyhow::Error::new(error).context(Failed::new(message).hint(hint))
}

fn hint(error: &HttpsError) -> String {
    match error {
        HttpsError::Refused { .. } | HttpsError::NotConnected { .. } => {
            "see that `lessor serve` runs there, and check the host and the port behind `--server`"
                .into()
        }
        HttpsError::Unresolved { .. } => "check the host behind `--server`".into(),
        HttpsError::OtherCertificate { found, .. } => format!(
            "look at the certificate at the server itself; put `#sha256:{found}` behind `--server` \
             only if it is that one, or else somebody listens in"
        ),
        HttpsError::NotVouched { .. } => "name the file of who vouches for it with `--server-ca`, \
             or put the certificate's `#sha256:…` behind `--server`"
            .into(),
        HttpsError::Tls { .. } => "check that the port behind `--server` speaks TLS".into(),
        HttpsError::Unusable(_) => "check `--server-ca`, or the key: it is one line".into(),
        HttpsError::Unreachable { .. } | HttpsError::Silent { .. } | HttpsError::Broken { .. } => {
            "try again in a moment".into()
        }
    }
}

pub(super) fn media_type(answer: &Answer) -> String {
    let found = answer.headers.get("content-type").and_then(|found| found.to_str().ok());
    found.unwrap_or("no type").split(';').next().unwrap_or_default().trim().to_lowercase()
}

fn asked(call: &Call) -> String {
    format!("{} {}", call.method, call.target())
}

/// `` `/name`: expected … ``; what is wrong with all of the body has no place.
fn field(field: &Value) -> String {
    let place = field["pointer"].as_str().or(field["parameter"].as_str()).unwrap_or_default();
    let detail = shown(field["detail"].as_str().unwrap_or_default());
    if place.is_empty() { detail } else { format!("`{}`: {detail}", shown(place)) }
}

/// What a server says, without what could move a cursor.
fn shown(text: &str) -> String {
    lessor_specs::visible(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_field_names_it_and_moves_no_cursor() {
        let said = |problem: Value| field(&problem);
        assert_eq!(said(json!({ "pointer": "/name", "detail": "no" })), "`/name`: no");
        assert_eq!(said(json!({ "parameter": "limit", "detail": "no" })), "`limit`: no");
        assert_eq!(said(json!({ "pointer": "", "detail": "no\u{1b}[2J" })), "no\\u{1b}[2J");
    }
}
