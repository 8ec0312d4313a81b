//! Quotes that customers take along: what was quoted, sealed so that it can be believed later.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_specs::ByteSize;
use lessor_specs::kinds::Instance;
use lessor_store::{PromoTerms, Quoted};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::{Problem, ProblemKind, Services};

/// How long a quote is honoured.
const HONOURED: SignedDuration = SignedDuration::from_mins(15);

/// What a quote begins with.
const PREFIX: &str = "quo_";

/// The key that quotes are sealed with, once it was read.
pub(crate) type QuoteKey = OnceCell<String>;

/// What was quoted, as it is taken along. It is short-lived, so that a server of another version
/// that reads it otherwise just asks for a new one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    /// Whom it was quoted to.
    pub(crate) tenant: String,
    /// The offer in its version.
    pub(crate) offer: String,
    pub(crate) image: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) cpu: Option<u32>,
    pub(crate) memory: Option<ByteSize>,
    pub(crate) disk: Option<ByteSize>,
    pub(crate) promo: Option<PromoTerms>,
    /// Until when it is honoured.
    pub(crate) until: Timestamp,
}

impl Sealed {
    /// What was quoted to a tenant.
    pub(crate) fn of(tenant: String, quoted: &Quoted) -> Self {
        let Instance { offer, image, location, cpu, memory, disk, .. } = quoted.instance.clone();
        Sealed {
            tenant,
            offer,
            image: image.as_deref().map(super::plain).map(str::to_owned),
            location,
            cpu,
            memory,
            disk,
            promo: quoted.promo.clone(),
            until: quoted.at.checked_add(HONOURED).unwrap_or(Timestamp::MAX),
        }
    }

    /// As it is handed out.
    pub(crate) async fn seal(&self, services: &Services) -> Result<String, Problem> {
        self.seal_with(key(services).await?)
    }

    /// Reads what was handed out, if it was by us and is still honoured.
    pub(crate) async fn open(services: &Services, text: &str) -> Result<Self, Problem> {
        Sealed::open_with(key(services).await?, text, services.store.now())
    }

    fn seal_with(&self, key: &str) -> Result<String, Problem> {
        let payload = serde_json::to_vec(self).map_err(|_| Problem::new(ProblemKind::Internal))?;
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let tag = mac(key, &payload)?.finalize().into_bytes();
        Ok(format!("{PREFIX}{payload}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    fn open_with(key: &str, text: &str, now: Timestamp) -> Result<Self, Problem> {
        let foreign = || Problem::field("/quote", "expected what `POST /v1/quotes` answered");
        let parts = text.strip_prefix(PREFIX).and_then(|parts| parts.split_once('.'));
        let (payload, tag) = parts.ok_or_else(foreign)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| foreign())?;
        mac(key, payload)?.verify_slice(&tag).map_err(|_| foreign())?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| foreign())?;
        let sealed: Sealed = serde_json::from_slice(&payload).map_err(|_| foreign())?;
        if sealed.until <= now {
            let detail = format!("it was honoured until {}", sealed.until);
            return Err(Problem::new(ProblemKind::QuoteExpired).and_field("/quote", detail));
        }
        Ok(sealed)
    }
}

fn mac(key: &str, payload: &str) -> Result<Hmac<Sha256>, Problem> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mut mac = mac.map_err(|_| Problem::new(ProblemKind::Internal))?;
    mac.update(payload.as_bytes());
    Ok(mac)
}

async fn key(services: &Services) -> Result<&str, Problem> {
    let proposed = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let read = async || services.store.signing_key("quote", &proposed()).await;
    Ok(services.quote_key.get_or_try_init(read).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(until: Timestamp) -> Sealed {
        Sealed {
            tenant: "acme".into(),
            offer: "small@3f2a91c07b55".into(),
            image: None,
            location: None,
            cpu: None,
            memory: None,
            disk: None,
            promo: None,
            until,
        }
    }

    #[test]
    fn a_quote_is_believed_until_its_time_is_over() {
        let until: Timestamp = "2026-11-29T10:15:00Z".parse().unwrap();
        let text = sealed(until).seal_with("key").unwrap();
        let just_before = until.checked_sub(SignedDuration::from_micros(1)).unwrap();

        assert!(Sealed::open_with("key", &text, just_before).is_ok());
        let late = Sealed::open_with("key", &text, until).unwrap_err();
        assert_eq!(late.kind(), ProblemKind::QuoteExpired);
    }

    #[test]
    fn a_quote_that_was_changed_or_comes_from_elsewhere_is_not_believed() {
        let (now, until) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let text = sealed(until).seal_with("key").unwrap();
        let other = sealed(until).seal_with("other").unwrap();
        let cheaper = Sealed { offer: "free@000000000000".into(), ..sealed(until) };
        let cheaper = cheaper.seal_with("other").unwrap();
        let (payload, _) = cheaper.split_once('.').unwrap();
        let (_, tag) = text.split_once('.').unwrap();
        let forged = format!("{payload}.{tag}");
        for text in [other.as_str(), &forged, &text[..text.len() - 2], "quo_", "quo_.", ""] {
            let problem = Sealed::open_with("key", text, now).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::Invalid, "{text}");
        }
    }
}
