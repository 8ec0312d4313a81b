//! What people read: the description of the API, and the page where a first password is chosen.
//!
//! Everything comes from here: a page that is looked at when something is broken must not depend on
//! other people's servers, and must not tell them who looks.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

use crate::extract::Path;
use crate::{Problem, ProblemKind};

/// What a page of ours may load: itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Page = ([(HeaderName, &'static str); 2], &'static str);

fn page(media_type: &'static str, text: &'static str) -> Page {
    ([(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, POLICY)], text)
}

/// A viewer of the description.
#[utoipa::path(get, path = "/docs", tag = "docs", responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn viewer() -> Page {
    page("text/html; charset=utf-8", include_str!("pages/docs.html"))
}

/// Where somebody with a one-time link chooses a password.
#[utoipa::path(get, path = "/welcome", tag = "docs", responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn welcome() -> Page {
    page("text/html; charset=utf-8", include_str!("pages/welcome.html"))
}

/// What the pages are made of.
#[utoipa::path(get, path = "/assets/{name}", tag = "docs", params(("name" = String, Path, description = "The file")), responses((status = 200, description = "A script or a style sheet", content((String = "text/javascript"), (String = "text/css")))))]
pub(crate) async fn asset(Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    match name.as_str() {
        "docs.js" => Ok(page("text/javascript; charset=utf-8", include_str!("pages/docs.js"))),
        "welcome.js" => {
            Ok(page("text/javascript; charset=utf-8", include_str!("pages/welcome.js")))
        }
        "style.css" => Ok(page("text/css; charset=utf-8", include_str!("pages/style.css"))),
        _ => Err(Problem::not_found()),
    }
}

/// What a sort of problem means: where its type URI leads.
#[utoipa::path(get, path = "/problems/{slug}", tag = "docs", params(("slug" = String, Path, description = "The last part of its type URI")), responses((status = 200, description = "A text", body = String, content_type = "text/plain")))]
pub(crate) async fn problem(Path(slug): Path<String>) -> Result<String, Problem> {
    let found = ProblemKind::ALL.iter().find(|kind| kind.slug() == slug);
    let kind = found.ok_or_else(Problem::not_found)?;
    Ok(format!("{} ({})\n", kind.title(), kind.status()))
}
