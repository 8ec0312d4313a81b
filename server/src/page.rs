//! Lists in pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;

/// How many items a page has unless said, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 200;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Which page of a list that is of one tenant, or of none.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantPageQuery {
    /// Of this tenant only.
    pub(crate) tenant: Option<String>,
    /// How many items at most; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    pub(crate) cursor: Option<String>,
}

impl TenantPageQuery {
    /// The tenant, and which page.
    pub(crate) fn split(self) -> (Option<String>, PageQuery) {
        (self.tenant, PageQuery { limit: self.limit, cursor: self.cursor })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub(crate) next: Option<String>,
}

impl PageQuery {
    /// How many items a page has.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(limit),
            _ => Err(Problem::parameter("limit", format!("expected 1 to {MOST}"))),
        }
    }

    /// How many items to ask for: one more tells whether there is another page.
    pub(crate) fn fetch(&self) -> Result<u32, Problem> {
        Ok(self.limit()? + 1)
    }

    /// The key of the last item of the page before.
    pub(crate) fn after(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
        let key = key.filter(|key| !key.is_empty() && !key.contains('\0'));
        key.map(Some).ok_or_else(bad_cursor)
    }

    /// As [`PageQuery::after`], where the key is something else than text.
    pub(crate) fn after_parsed<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let after = self.after()?.map(|key| key.parse().map_err(|_| bad_cursor()));
        after.transpose()
    }

    /// Makes a page of what was fetched.
    pub(crate) fn page<R, T>(
        &self,
        mut fetched: Vec<R>,
        key: impl Fn(&R) -> String,
        item: impl Fn(&R) -> T,
    ) -> Result<Page<T>, Problem> {
        let limit = self.limit()? as usize;
        let is_last = fetched.len() <= limit;
        fetched.truncate(limit);
        let next =
            fetched.last().filter(|_| !is_last).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Ok(Page { items: fetched.iter().map(item).collect(), next })
    }
}

fn bad_cursor() -> Problem {
    Problem::parameter("cursor", "expected the `next` of a page before")
}
