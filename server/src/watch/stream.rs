//! Answers that go on for long: server-sent events, for as long as somebody listens who may.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::time::sleep;

use crate::access::Permission;
use crate::extract::only;
use crate::listen::Ending;
use crate::{Problem, ProblemKind, Services, auth};

/// How many answers go on at once, in all, for one tenant, and for those who follow all of them. Each
/// is a connection here, and most are one to a host, or ask the database each second, as well.
const IN_ALL: usize = 256;
const OF_A_TENANT: usize = 16;
const OF_THE_PLATFORM: usize = 64;

/// When there may be a place again where there is none.
const AGAIN: Duration = Duration::from_secs(30);

/// How often something is sent although there is nothing to say, so that who went away is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// What a browser says it heard last.
const LAST_HEARD: HeaderName = HeaderName::from_static("last-event-id");

/// Answers that go on, by tenant; those about all of them under none.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<Option<String>, usize>>>);

/// A place among them, free again when it is dropped.
pub(crate) struct Place {
    streams: Streams,
    subject: Subject,
}

/// What is listened to: whose it is, and what one needs to hear it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// `None` when it is everybody's.
    pub(crate) tenant: Option<String>,
    /// What somebody has to be allowed.
    pub(crate) permission: Permission,
}

impl Streams {
    /// Takes a place.
    pub(crate) fn enter(&self, subject: Subject) -> Result<Place, Problem> {
        let (most, whose) = match &subject.tenant {
            Some(_) => (OF_A_TENANT, "a tenant"),
            None => (OF_THE_PLATFORM, "the platform"),
        };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(&subject.tenant).copied().unwrap_or_default();
        if all >= IN_ALL || own >= most {
            let detail = format!("at most {most} answers go on at once for {whose}");
            return Err(Problem::new(ProblemKind::TooMany).detail(detail).retry_after(AGAIN));
        }
        open.insert(subject.tenant.clone(), own + 1);
        Ok(Place { streams: self.clone(), subject })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.subject.tenant) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.subject.tenant);
            }
        }
    }
}

/// Who listens: asked again and again whether they still may.
#[derive(Clone)]
pub(crate) struct Listener {
    headers: HeaderMap,
    ending: Option<Ending>,
    /// Whether they want events rather than one answer.
    pub(crate) wants_events: bool,
    /// What they heard last.
    pub(crate) heard: Option<String>,
}

impl FromRequestParts<Services> for Listener {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Services) -> Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        for name in [header::AUTHORIZATION, header::COOKIE] {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        let accepted = parts.headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        let wants_events = accepted.any(|value| value.contains("text/event-stream"));
        let heard = only(&parts.headers, &LAST_HEARD)?.map(str::to_owned);
        let ending = parts.extensions.get::<Ending>().cloned();
        Ok(Listener { headers, ending, wants_events, heard })
    }
}

impl Listener {
    /// Whether they may still hear it: keys end, and members leave.
    pub(crate) async fn may(&self, services: &Services, subject: &Subject) -> bool {
        let caller = auth::identify(services, &Method::GET, &self.headers).await;
        let Ok(caller) = caller else { return false };
        match &subject.tenant {
            Some(tenant) => caller.in_tenant(services, tenant, subject.permission).await.is_ok(),
            None => caller.on_platform(subject.permission).is_ok(),
        }
    }

    /// Answers with what comes, until it ends, the caller may not hear more of it, or the server
    /// ends. Whatever it comes from is dropped then.
    pub(crate) fn answer(
        self,
        services: &Services,
        place: Place,
        events: impl Stream<Item = Event> + Send + 'static,
    ) -> Response {
        let over = over(services.clone(), self, place.subject.clone());
        let last = stream::once(async { event("end", &serde_json::json!({})) });
        let events = events.take_until(Box::pin(over)).chain(last).map(move |event| {
            // It is held for as long as anything may come.
            let _ = &place;
            Ok::<_, Infallible>(event)
        });
        Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
    }
}

/// Waits until nobody may listen any more.
async fn over(services: Services, listener: Listener, subject: Subject) {
    let ended = async {
        match listener.ending.clone() {
            Some(mut ending) => ending.told().await,
            None => std::future::pending().await,
        }
    };
    let cut_off = async {
        loop {
            sleep(services.settings.listeners_checked).await;
            if !listener.may(&services, &subject).await {
                return;
            }
        }
    };
    tokio::select! {
        () = ended => {}
        () = cut_off => {}
    }
}

/// An event with data in JSON.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Event {
    // Plain data: this cannot fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

/// What is said of something that went wrong in the middle.
pub(crate) fn trouble(problem: &Problem) -> Event {
    event("problem", &problem.body())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_takes_all_its_places_leaves_others_theirs_and_gets_them_back() {
        let streams = Streams::default();
        let of = |tenant: Option<&str>| Subject {
            tenant: tenant.map(str::to_owned),
            permission: Permission::InstancesRead,
        };
        let enter = |tenant| streams.enter(of(tenant));
        let mut taken: Vec<_> = (0..OF_A_TENANT).map(|_| enter(Some("acme")).unwrap()).collect();

        assert_eq!(enter(Some("acme")).err().unwrap().kind(), ProblemKind::TooMany);
        let others = (enter(Some("globex")), enter(None));
        assert!(others.0.is_ok() && others.1.is_ok() && streams.count() == OF_A_TENANT + 2);
        taken.pop();
        assert!(enter(Some("acme")).is_ok());
        drop((taken, others));
        assert_eq!(streams.count(), 0);
    }
}
