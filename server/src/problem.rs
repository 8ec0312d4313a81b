//! What is answered when something is wrong: RFC 9457, `application/problem+json`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lessor_store::StoreError;
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;

use crate::around::request_id;

/// Declares the sorts of problems: how each is called in its type URI, its status, its title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $slug:literal, $status:ident, $title:literal;)+) => {
        /// A sort of problem; a variant for each thing a client would do differently.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind),+
        }

        impl ProblemKind {
            /// All there are.
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$kind),+];

            /// The last part of its type URI.
            pub fn slug(self) -> &'static str {
                match self { $(ProblemKind::$kind => $slug),+ }
            }

            /// The status of the answer.
            pub fn status(self) -> StatusCode {
                match self { $(ProblemKind::$kind => StatusCode::$status),+ }
            }

            /// What is the matter, whatever the call.
            pub fn title(self) -> &'static str {
                match self { $(ProblemKind::$kind => $title),+ }
            }
        }
    };
}

kinds! {
    /// The input makes no sense; `errors` point to where.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "the input is not valid";
    /// It is not even JSON, or not HTTP as we speak it.
    Malformed = "malformed", BAD_REQUEST, "the request cannot be read";
    /// Nobody has said who calls, or not so that it can be believed.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "who is calling is not known";
    /// The caller is known and may not.
    Forbidden = "forbidden", FORBIDDEN, "this caller may not do that";
    /// A browser sent its cookie without what proves that the page meant it.
    Csrf = "csrf", FORBIDDEN, "the CSRF token is missing or wrong";
    /// There is none, or none that this caller may know of.
    NotFound = "not-found", NOT_FOUND, "there is nothing here";
    /// There is such a path, and not for this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "this cannot be done here";
    /// There is one already, or it does not fit what is there.
    Conflict = "conflict", CONFLICT, "this does not fit what is there";
    /// The same key came with another request.
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "the idempotency key was used for another request";
    /// The client's own name for an order names one already.
    AlreadyPlaced = "order-already-placed", CONFLICT, "this order was already placed";
    /// Something else has the name.
    NameTaken = "name-taken", CONFLICT, "the name is taken";
    /// There is not enough money.
    WalletShort = "wallet-short", PAYMENT_REQUIRED, "there is not enough money";
    /// The tenant would have more than it may.
    QuotaExceeded = "quota-exceeded", CONFLICT, "the quota would be exceeded";
    /// There is no room, port or address left.
    SoldOut = "sold-out", CONFLICT, "nothing is left of that";
    /// The network of the tenant has no address left.
    NetworkFull = "network-full", CONFLICT, "the network of the tenant is full";
    /// The promo code gives nothing here.
    PromoRefused = "promo-refused", UNPROCESSABLE_ENTITY, "the promo code cannot be used";
    /// The quote is too old.
    QuoteExpired = "quote-expired", UNPROCESSABLE_ENTITY, "the quote is not honoured any more";
    /// It cannot be done to something in its phase.
    NotNow = "not-now", CONFLICT, "this cannot be done as it stands";
    /// The gate asks for somebody's consent; `errors` say to what, and how it is given.
    Held = "held", CONFLICT, "the gate holds this plan";
    /// The world, or what was applied, moved on since the plan was made.
    PlanStale = "plan-stale", CONFLICT, "the plan no longer fits";
    /// Its sort of provider does not have that.
    NotOffered = "not-offered", CONFLICT, "this is not to be had here";
    /// It was changed since the client looked.
    Outdated = "outdated", PRECONDITION_FAILED, "it was changed meanwhile";
    /// The client has to say which version it means.
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "`If-Match` is missing";
    /// The body is larger than is read.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The body is said to be something else than JSON.
    MediaType = "media-type", UNSUPPORTED_MEDIA_TYPE, "the body is not JSON";
    /// Too many calls.
    TooMany = "too-many-requests", TOO_MANY_REQUESTS, "too many requests";
    /// Something is busy or away, and will not be for long.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "this is not possible right now";
    /// It is our fault.
    Internal = "internal", INTERNAL_SERVER_ERROR, "something went wrong here";
}

/// What is wrong, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: Option<String>,
    errors: Vec<FieldProblem>,
    order: Option<String>,
    retry_after: Option<Duration>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Where in the body: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the path or the query, or which header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

/// A problem, as it is written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Which sort of problem: a URI reference that leads to its page.
    r#type: String,
    /// What is the matter, whatever the call.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is the matter with this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// What is wrong with each field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// The order that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// By which this call is found in the log.
    request_id: String,
}

impl Problem {
    /// Of this sort, without more to say.
    pub fn new(kind: ProblemKind) -> Self {
        Problem { kind, detail: None, errors: Vec::new(), order: None, retry_after: None }
    }

    /// There is none, or none that this caller may know of: one answer for both.
    pub fn not_found() -> Self {
        Problem::new(ProblemKind::NotFound)
    }

    /// A field of the body makes no sense.
    pub fn field(pointer: &str, detail: impl Into<String>) -> Self {
        Problem::new(ProblemKind::Invalid).and_field(pointer, detail)
    }

    /// A parameter of the path or the query, or a header, makes no sense.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Problem::new(ProblemKind::Invalid).and_parameter(name, detail)
    }

    /// With one more parameter, or header, that makes no sense.
    #[must_use]
    pub fn and_parameter(mut self, name: &str, detail: impl Into<String>) -> Self {
        let parameter = Some(name.to_owned());
        self.errors.push(FieldProblem { pointer: None, parameter, detail: detail.into() });
        self
    }

    /// With one more field that makes no sense.
    #[must_use]
    pub fn and_field(mut self, pointer: &str, detail: impl Into<String>) -> Self {
        let pointer = Some(pointer.to_owned());
        self.errors.push(FieldProblem { pointer, parameter: None, detail: detail.into() });
        self
    }

    /// With more to say about this call.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the order that is in the way.
    #[must_use]
    pub(crate) fn order(mut self, order: &str) -> Self {
        self.order = Some(order.to_owned());
        self
    }

    /// With when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// As it is written.
    pub(crate) fn body(&self) -> ProblemBody {
        ProblemBody {
            r#type: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            order: self.order.clone(),
            request_id: request_id(),
        }
    }

    /// Its sort.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }
}

impl From<StoreError> for Problem {
    /// What a client is told of it; what it must not know goes to the log.
    fn from(error: StoreError) -> Self {
        let code = error.code().map(tracing::field::display);
        match &error {
            StoreError::Declined(decline) => decline.as_ref().into(),
            StoreError::Exists { .. } | StoreError::LastOwner { .. } => {
                Problem::new(ProblemKind::Conflict).detail(error.to_string())
            }
            StoreError::Absent { .. } => Problem::not_found(),
            StoreError::Outdated { .. } => Problem::new(ProblemKind::Outdated),
            StoreError::Busy { .. }
            | StoreError::Contended { .. }
            | StoreError::RevisionMoved { .. }
            | StoreError::ClaimTaken { .. }
            | StoreError::MachineReserved { .. }
            | StoreError::Leased { .. } => {
                warn!(code, %error, "others were in the way of a call");
                Problem::new(ProblemKind::Unavailable)
            }
            StoreError::Unavailable { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Refused { .. }
            | StoreError::Missing { .. } => {
                error!(code, %error, "the database cannot be used");
                Problem::new(ProblemKind::Unavailable)
            }
            StoreError::Unsupported { .. }
            | StoreError::Misread { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Fenced { .. }
            | StoreError::JobLost { .. } => {
                error!(code, %error, "the database failed a call");
                Problem::new(ProblemKind::Internal)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // What is not possible right now is worth another try, unless it is said when.
        let soon = (self.kind == ProblemKind::Unavailable).then_some(Duration::ZERO);
        if let Some(wait) = self.retry_after.or(soon) {
            // Rounded up: a second too late is not refused again.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}
