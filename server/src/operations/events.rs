//! What happens to orders and to plans, as it happens: server-sent events.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::unfold;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{OrderNews, PlanEvent, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;
use tracing::warn;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::Query;
use crate::orders::show::seen_tenant;
use crate::watch::stream::{Listener, Subject};
use crate::{Caller, Problem, Services};

/// How often the database is asked.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How long it may take until others see what happened: longer than a transaction waits for others.
const LATE: SignedDuration = SignedDuration::from_secs(15);

/// What one needs to be told of plans.
const PLANS: Subject = Subject { tenant: None, permission: Permission::OperationsRead };

/// How many are read at once.
const READ: u32 = 500;

/// What is followed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowQuery {
    /// Orders of this tenant. Only the platform may leave it out, and a key of a tenant. Without it, what
    /// happens to plans is told as well, to whom may see them.
    tenant: Option<String>,
    /// What happened from here on; from now on unless said. `Last-Event-ID` counts more.
    #[param(format = DateTime)]
    from: Option<String>,
    /// With `0` or `false`, the answer ends with what happened by now.
    #[param(value_type = Option<String>)]
    follow: Option<String>,
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written as text")]
pub(crate) struct StreamedEvent {
    /// Its id, for `Last-Event-ID`; the event `end` has none.
    id: Option<String>,
    /// What happened, as webhooks call it: `order.settled`, `instance.restarted`; or `plan.` and the
    /// phase that it came to.
    event: String,
    /// What happened, in JSON. To a plan: the event's `id`, the `plan`, the `number` of the version that it
    /// had from then on, when (`at`), its `phase`, who did it (`actor`), and `why`. To an order: the event's `id`, the `order`, its `tenant` and its `name`, the
    /// `number` of the version that it had from then on, when (`at`), what (`kind`), the `phase` that
    /// it left the order in, and more about it (`data`).
    data: String,
}

/// What happened to an order, as it stands in `data`.
#[derive(Serialize)]
pub(crate) struct NewsShown {
    /// Its id.
    id: String,
    /// The order.
    order: String,
    /// Whose it is.
    tenant: String,
    /// What the order is called, within its tenant.
    name: String,
    /// The version that the order had from then on.
    number: u64,
    /// When.
    at: String,
    /// What: `placed`, `begun`, `settled`, `lost`, …
    kind: &'static str,
    /// The phase that it left the order in.
    phase: String,
    /// More about it.
    data: Value,
}

/// What happened to a plan, as it stands in `data`.
#[derive(Serialize)]
struct PlanNewsShown<'n> {
    id: &'n str,
    plan: &'n str,
    number: i64,
    at: String,
    phase: &'static str,
    actor: &'n str,
    why: Option<&'n str>,
}

/// Something that happened.
enum News {
    Order(OrderNews),
    Plan(PlanEvent),
}

impl News {
    /// What it comes behind, and is known by.
    fn key(&self) -> (Timestamp, &str) {
        match self {
            News::Order(news) => (news.event.at, &news.event.id),
            News::Plan(event) => (event.at, &event.id),
        }
    }
}

/// What happens to orders and plans, and how far they are carried out, as it happens: a stream of
/// events, each called as webhooks call it, or `plan.` and its phase. It goes on behind the
/// `Last-Event-ID`; what happened in the last seconds before that may come again, with the same id.
/// The stream ends with an event `end`: when the server does, or when its reader may not read it any
/// more.
#[utoipa::path(get, path = "/v1/events", tag = "operations", params(FollowQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read")), responses((status = 200, description = "Events", body = StreamedEvent, content_type = "text/event-stream")))]
pub(crate) async fn follow(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<FollowQuery>,
    listener: Listener,
) -> Result<Response, Problem> {
    let permission = Permission::OrdersRead;
    let tenant = seen_tenant(&services, &caller, query.tenant.clone(), permission).await?;
    let plans = tenant.is_none() && caller.on_platform(PLANS.permission).is_ok();
    let goes_on = goes_on(&query)?;
    let (floor, newest, seen) = begin(&services, listener.heard.as_deref(), &query).await?;
    let subject = Subject { tenant, permission };
    let place = services.streams.enter(subject.clone())?;
    let following = Following {
        services: services.clone(),
        listener: listener.clone(),
        subject,
        plans,
        floor,
        newest,
        seen,
        ready: VecDeque::new(),
        goes_on,
        is_behind: true,
    };
    let next = |mut following: Following| async move {
        let news = following.next().await?;
        Some((event(&news), following))
    };
    Ok(listener.answer(&services, place, unfold(following, next)))
}

/// Somebody who follows.
struct Following {
    services: Services,
    listener: Listener,
    subject: Subject,
    /// Whether they are told of plans.
    plans: bool,
    /// Nothing before this is read.
    floor: Timestamp,
    /// When the latest that was read happened.
    newest: Timestamp,
    /// What was read and may be found again, each with when it happened.
    seen: BTreeMap<String, Timestamp>,
    /// What was read and not said yet.
    ready: VecDeque<News>,
    goes_on: bool,
    /// Whether there may be more that happened already.
    is_behind: bool,
}

impl Following {
    /// The next that happened; `None` at the end.
    async fn next(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.ready.pop_front() {
                return Some(news);
            }
            if !self.is_behind && !self.may_wait().await {
                return None;
            }
            match self.read().await {
                Ok(is_behind) => self.is_behind = is_behind,
                Err(error) => {
                    // Whoever follows calls again, and goes on where this ended.
                    warn!(%error, "could not read what happened");
                    return None;
                }
            }
        }
    }

    /// Waits for more to happen; whether it is read then.
    async fn may_wait(&self) -> bool {
        if !self.goes_on {
            return false;
        }
        sleep(ASKED_EVERY).await;
        // What happens next is not theirs to hear when their key has ended by then.
        let may = async |subject| self.listener.may(&self.services, subject).await;
        may(&self.subject).await && (!self.plans || may(&PLANS).await)
    }

    /// The first that happened behind `after`, in order.
    async fn read_behind(&self, after: (Timestamp, &str)) -> Result<Vec<News>, StoreError> {
        let store = &self.services.store;
        let orders = store.order_news(self.subject.tenant.as_deref(), after, READ).await?;
        let plans = if self.plans { store.plan_news(after, READ).await? } else { Vec::new() };
        let mut found: Vec<News> = orders.into_iter().map(News::Order).collect();
        found.extend(plans.into_iter().map(News::Plan));
        found.sort_by(|a, b| a.key().cmp(&b.key()));
        // Of what was cut off, the rest is behind the last of these as well.
        found.truncate(READ as usize);
        Ok(found)
    }

    /// Reads on, until something new is found or nothing is left; whether there may be more.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let late = self.newest.checked_sub(LATE).unwrap_or(Timestamp::MIN).max(self.floor);
        let mut after = (late, String::new());
        let is_behind = loop {
            let found = self.read_behind((after.0, after.1.as_str())).await?;
            let is_last = found.len() < READ as usize;
            for news in found {
                let (at, id) = news.key();
                let id = id.to_owned();
                after = (at, id.clone());
                self.newest = self.newest.max(at);
                if self.seen.insert(id, at).is_none() {
                    self.ready.push_back(news);
                }
            }
            if is_last || !self.ready.is_empty() {
                break !is_last;
            }
        };
        let late = self.newest.checked_sub(LATE).unwrap_or(Timestamp::MIN);
        self.seen.retain(|_, at| *at >= late);
        Ok(is_behind)
    }
}

/// Before what nothing is read, when the latest that was read happened, and what was read.
type Begin = (Timestamp, Timestamp, BTreeMap<String, Timestamp>);

async fn begin(
    services: &Services,
    heard: Option<&str>,
    query: &FollowQuery,
) -> Result<Begin, Problem> {
    let Some(last) = heard.filter(|last| !last.is_empty()) else {
        let expected = "expected a time such as `2030-01-31T12:00:00Z`";
        let from = query.from.as_deref().map(str::parse).transpose();
        let from = from.map_err(|_| Problem::parameter("from", expected))?;
        let from = from.unwrap_or_else(|| services.store.now());
        return Ok((from, from, BTreeMap::new()));
    };
    let unknown = || Problem::parameter("Last-Event-ID", "expected the id of an event");
    let is_one = last.starts_with("evt_") && !last.contains('\0');
    let at = if is_one { happened_at(services, last).await? } else { None };
    let at = at.ok_or_else(unknown)?;
    let floor = at.checked_sub(LATE).unwrap_or(Timestamp::MIN);
    Ok((floor, at, BTreeMap::from([(last.to_owned(), at)])))
}

fn goes_on(query: &FollowQuery) -> Result<bool, Problem> {
    match query.follow.as_deref() {
        None | Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        Some(_) => Err(Problem::parameter("follow", "expected `1` or `0`")),
    }
}

async fn happened_at(services: &Services, id: &str) -> Result<Option<Timestamp>, StoreError> {
    match services.store.order_event_at(id).await? {
        Some(at) => Ok(Some(at)),
        None => services.store.plan_event_at(id).await,
    }
}

fn event(news: &News) -> Event {
    match news {
        News::Order(news) => order_event(news),
        News::Plan(event) => plan_event(event),
    }
}

fn plan_event(event: &PlanEvent) -> Event {
    let shown = PlanNewsShown {
        id: &event.id,
        plan: &event.plan,
        number: event.number,
        at: event.at.to_string(),
        phase: event.phase.as_str(),
        actor: &event.actor,
        why: event.why.as_deref(),
    };
    let data = serde_json::to_string(&shown).unwrap_or_default();
    Event::default().id(event.id.clone()).event(format!("plan.{}", event.phase)).data(data)
}

fn order_event(news: &OrderNews) -> Event {
    let OrderNews { tenant, name, event } = news;
    let shown = NewsShown {
        id: event.id.clone(),
        order: event.order.clone(),
        tenant: tenant.clone(),
        name: name.clone(),
        number: event.number,
        at: event.at.to_string(),
        kind: event.kind.as_str(),
        phase: event.phase.to_string(),
        data: event.data.clone(),
    };
    let data = serde_json::to_string(&shown).unwrap_or_default();
    Event::default().id(event.id.clone()).event(event.kind.topic()).data(data)
}
