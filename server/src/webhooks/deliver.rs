//! All messages that are due: each event that somebody wants, to each who wants it, again and again
//! until it comes through or is given up.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{Claimed, DeliveryEnd, Standing, StoreError};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::place::Endpoint;
use super::send::{Message, send};
use super::sign::signature;
use crate::Services;

/// How many endpoints are told at the same time, each one event after another; and how many more
/// where nothing came through the last time, so that those hold up no other, however many they are.
const AT_ONCE: [(Standing, usize); 2] = [(Standing::Well, 16), (Standing::Failing, 16)];

/// How often it is asked whether something is due. What happens through this server is told at once.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before each further try. With all of them, an event is given up after two days.
const AGAIN: [SignedDuration; 10] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(24),
];

/// For how long nothing may come through before an endpoint is switched off.
const HOPELESS: SignedDuration = SignedDuration::from_hours(72);

/// Tells others what happens.
pub struct Webhooks;

impl Webhooks {
    /// Tells all that is due now. Answers with how many tries that were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliver_due(services: &Services) -> Result<usize, StoreError> {
        spread(services).await?;
        let mut tries = 0;
        loop {
            let mut claimed = Vec::new();
            for (standing, most) in AT_ONCE {
                claimed.extend(claim(services, standing, most).await?);
            }
            if claimed.is_empty() {
                return Ok(tries);
            }
            tries += claimed.len();
            let mut trying = JoinSet::new();
            for claimed in claimed {
                trying.spawn(tried(services.clone(), claimed));
            }
            while trying.join_next().await.is_some() {}
        }
    }
}

/// Tells others what happens, for as long as the server runs. One that is slow holds up no other.
pub(crate) async fn go_on(services: Services) {
    let mut trying =
        AT_ONCE.map(|(standing, most)| Trying { standing, most, tries: JoinSet::new() });
    loop {
        if let Err(error) = begin(&services, &mut trying).await {
            warn!(%error, "could not read what others are to be told");
        }
        let [well, failing] = &mut trying;
        tokio::select! {
            () = services.outbox_moved.notified() => {}
            () = sleep(ASKED_EVERY) => {}
            // There is room for another, and maybe more to tell.
            Some(_) = well.tries.join_next() => {}
            Some(_) = failing.tries.join_next() => {}
        }
    }
}

/// Tries under way, at endpoints of one standing.
struct Trying {
    standing: Standing,
    most: usize,
    tries: JoinSet<()>,
}

async fn begin(services: &Services, trying: &mut [Trying; 2]) -> Result<(), StoreError> {
    spread(services).await?;
    for Trying { standing, most, tries } in trying {
        while tries.try_join_next().is_some() {}
        let room = most.saturating_sub(tries.len());
        for claimed in claim(services, *standing, room).await? {
            tries.spawn(tried(services.clone(), claimed));
        }
    }
    Ok(())
}

async fn claim(
    services: &Services,
    standing: Standing,
    room: usize,
) -> Result<Vec<Claimed>, StoreError> {
    if room == 0 {
        return Ok(Vec::new());
    }
    services.store.delivery_claim(standing, room, services.settings.webhooks.turn).await
}

async fn spread(services: &Services) -> Result<(), StoreError> {
    while services.store.outbox_spread().await? > 0 {}
    Ok(())
}

/// One try, and what follows from it.
async fn tried(services: Services, claimed: Claimed) {
    let end = attempt(&services, &claimed).await;
    let (webhook, delivery) = (&claimed.webhook.id, &claimed.delivery.id);
    if let DeliveryEnd::Missed { why, disabled, .. } = &end {
        debug!(webhook, delivery, %why, "an event did not come through");
        if let Some(why) = disabled {
            info!(webhook, %why, "an endpoint was switched off");
        }
    }
    let came = matches!(end, DeliveryEnd::Delivered { .. });
    services.metrics.count_webhook(if came { "delivered" } else { "missed" });
    match services.store.delivery_end(&claimed, &end).await {
        Ok(true) => {}
        Ok(false) => info!(webhook, delivery, "it took so long that others try it again"),
        Err(error) => warn!(%error, webhook, delivery, "could not write down what became of it"),
    }
}

async fn attempt(services: &Services, claimed: &Claimed) -> DeliveryEnd {
    let Claimed { webhook, delivery, .. } = claimed;
    let now = services.store.now();
    let missed = |status: Option<u16>, why: String| {
        let failing = webhook.failing_since.unwrap_or(now);
        ending(delivery.tries, failing, services.store.now(), status, why)
    };
    let endpoint = match Endpoint::parse(&webhook.url) {
        Ok(endpoint) => endpoint,
        Err(why) => return missed(None, why.to_owned()),
    };
    let seconds = now.as_second();
    let Some(signature) = signature(&webhook.secret, &delivery.message, seconds, &delivery.body)
    else {
        return missed(None, "its secret is none".to_owned());
    };
    let (id, body) = (delivery.message.as_str(), delivery.body.clone());
    let message = Message { id, seconds, signature, body };
    match send(&services.settings.webhooks, &endpoint, message).await {
        Ok(status) if status.is_success() => DeliveryEnd::Delivered { status: status.as_u16() },
        Ok(status) => missed(Some(status.as_u16()), format!("it answered {}", status.as_u16())),
        Err(why) => missed(None, why),
    }
}

/// What follows from a try that did not come through, the `tries`th at this event.
fn ending(
    tries: u32,
    failing_since: Timestamp,
    now: Timestamp,
    status: Option<u16>,
    why: String,
) -> DeliveryEnd {
    let pause = usize::try_from(tries).ok().and_then(|tries| AGAIN.get(tries.saturating_sub(1)));
    let is_hopeless = now.duration_since(failing_since) >= HOPELESS;
    let disabled = if status == Some(410) {
        Some("it answered that it is gone".to_owned())
    } else {
        is_hopeless.then(|| format!("nothing came through since {failing_since}"))
    };
    let again_at =
        pause.and_then(|pause| now.checked_add(*pause).ok()).filter(|_| disabled.is_none());
    DeliveryEnd::Missed { status, why, again_at, disabled }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tries: u32, hours: i64, status: u16) -> (Option<String>, Option<String>) {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let since = now - SignedDuration::from_hours(hours);
        match ending(tries, since, now, Some(status), "it answered".into()) {
            DeliveryEnd::Missed { again_at, disabled, .. } => {
                (again_at.map(|at| at.to_string()), disabled)
            }
            DeliveryEnd::Delivered { .. } => panic!("it did not come through"),
        }
    }

    #[test]
    fn an_event_is_tried_again_ever_later_and_given_up_in_the_end() {
        let again = |tries| after(tries, 0, 500).0;
        assert_eq!(again(1).as_deref(), Some("2026-11-29T12:00:05Z"));
        assert_eq!(again(3).as_deref(), Some("2026-11-29T12:02:00Z"));
        assert_eq!(again(10).as_deref(), Some("2026-11-30T12:00:00Z"));
        assert_eq!(again(11), None);
        assert!(AGAIN.is_sorted());
    }

    #[test]
    fn an_endpoint_is_switched_off_when_it_is_gone_or_fails_for_days() {
        assert_eq!(after(1, 71, 500).1, None);
        assert_eq!(
            after(1, 72, 500),
            (None, Some("nothing came through since 2026-11-26T12:00:00Z".into()))
        );
        assert_eq!(after(1, 0, 410), (None, Some("it answered that it is gone".into())));
    }
}
