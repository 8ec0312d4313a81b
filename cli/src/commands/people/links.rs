//! Links to choose a password with. Only the database makes them: whoever has one is that person.

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_server::LinkSecret;
use lessor_store::{Account, AccountId, Actor, NewAccount, NewLink, PlatformRole, Purpose, Store};
use serde_json::json;
use ulid::Ulid;

use super::store::account;
use crate::exit::Exit;
use crate::output::{self, Format};

/// How long a link is good.
const LINK_HOURS: i64 = 24;

/// An account that may do everything.
pub(super) async fn create_admin(
    store: &Store,
    email: &str,
    url: &str,
    format: Format,
) -> anyhow::Result<Exit> {
    let (id, link) = (AccountId::new(Ulid::generate()), LinkSecret::new());
    let platform_role = Some(PlatformRole::Admin);
    let new = NewAccount { id: &id, email, password_hash: None, platform_role };
    let actor = Actor::command();
    let made = store.account_invite(&new, &link.digest(), expiry(store), &actor).await?;
    say(&made, &link, url, format)
}

/// A link for an account that is there.
pub(super) async fn create(
    store: &Store,
    user: &str,
    url: &str,
    format: Format,
) -> anyhow::Result<Exit> {
    let account = account(store, user).await?;
    let link = LinkSecret::new();
    let purpose = Purpose::Password(&account.id);
    let new = NewLink { digest: &link.digest(), purpose, expires_at: expiry(store) };
    store.link_create(new, &Actor::command()).await?;
    say(&account, &link, url, format)
}

fn say(account: &Account, link: &LinkSecret, url: &str, format: Format) -> anyhow::Result<Exit> {
    let address = format!("{}/welcome#{}", url.trim_end_matches('/'), link.reveal());
    output::print(&match format {
        Format::Human => {
            format!("{address}\nchooses the password of {}, once, within a day\n", account.email)
        }
        Format::Json => {
            let body =
                json!({ "user": account.id.as_str(), "url": address, "link": link.reveal() });
            format!("{body}\n")
        }
    })?;
    Ok(Exit::Done)
}

fn expiry(store: &Store) -> Timestamp {
    let expiry = store.now().checked_add(SignedDuration::from_hours(LINK_HOURS));
    expiry.unwrap_or(Timestamp::MAX)
}
