//! Every route, in one place.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::{Components, ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::BODY_LIMIT;
use crate::money::{give, show as money};
use crate::old_paths::{lab, machines, users as old_users};
use crate::operations::plans::{decide, drift, make, show as plans};
use crate::operations::{events, jobs, stats};
use crate::orders::{change, instances, place, quote, show};
use crate::people::{keys, links, me, members, sessions, tenants, tokens, users};
use crate::pools::{machines as pool_machines, pool, reservations, reserve};
use crate::problem::ProblemBody;
use crate::watch::{actions, logs, usage};
use crate::webhooks::{deliveries, endpoints};
use crate::{Services, around, audit, auth, catalogue, docs, health, metrics};

/// Who gets as far as the function of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Who has said who they are.
    Closed,
}

/// A route, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// Who gets there.
    pub access: Access,
}

/// What anybody may call. Whatever is not here needs a caller.
fn open() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(described())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(sessions::create))
        .routes(routes!(tokens::issue))
        .routes(routes!(users::sign_up))
        .routes(routes!(links::choose_password))
        .routes(routes!(docs::viewer))
        .routes(routes!(docs::welcome))
        .routes(routes!(docs::asset))
        .routes(routes!(docs::problem))
}

/// What needs a caller; what else it needs, the function of the route asks.
fn closed() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(described())
        .routes(routes!(metrics::show))
        .routes(routes!(users::list))
        .routes(routes!(users::show))
        .routes(routes!(users::set_status))
        .routes(routes!(me::show, me::update))
        .routes(routes!(links::join))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::end))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show, tenants::update))
        .routes(routes!(members::list, members::invite))
        .routes(routes!(members::set_role, members::remove))
        .routes(routes!(catalogue::locations))
        .routes(routes!(catalogue::images))
        .routes(routes!(catalogue::offers))
        .routes(routes!(catalogue::show_offer))
        .routes(routes!(quote::create))
        .routes(routes!(show::list, place::create))
        .routes(routes!(show::export))
        .routes(routes!(show::show, change::resize, change::end))
        .routes(routes!(show::events))
        .routes(routes!(show::spec))
        .routes(routes!(change::suspend))
        .routes(routes!(change::resume))
        .routes(routes!(instances::list))
        .routes(routes!(instances::show))
        .routes(routes!(instances::access))
        .routes(routes!(change::power))
        .routes(routes!(logs::show))
        .routes(routes!(usage::show))
        .routes(routes!(actions::act))
        .routes(routes!(money::wallet))
        .routes(routes!(money::ledger))
        .routes(routes!(money::usage))
        .routes(routes!(money::quota))
        .routes(routes!(money::promo_codes))
        .routes(routes!(give::credit))
        .routes(routes!(give::refund))
        .routes(routes!(endpoints::list, endpoints::create))
        .routes(routes!(endpoints::show, endpoints::update, endpoints::end))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::replay))
        .routes(routes!(pool::list))
        .routes(routes!(pool::show))
        .routes(routes!(pool::act))
        .routes(routes!(pool_machines::list, pool_machines::register))
        .routes(routes!(pool_machines::unregister))
        .routes(routes!(reserve::create))
        .routes(routes!(reservations::list))
        .routes(routes!(reservations::show, reservations::extend, reservations::release))
        .routes(routes!(reservations::events))
        .routes(routes!(audit::list))
        .routes(routes!(plans::list, make::create))
        .routes(routes!(plans::show))
        .routes(routes!(decide::approve))
        .routes(routes!(decide::apply))
        .routes(routes!(drift::show))
        .routes(routes!(stats::show))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::run))
        .routes(routes!(events::follow))
}

/// What clients call that were written for what came before. It needs a caller as well.
fn old() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(described())
        .routes(routes!(machines::countries))
        .routes(routes!(machines::osystems))
        .routes(routes!(machines::parametrs))
        .routes(routes!(machines::get_balance))
        .routes(routes!(machines::calc_price))
        .routes(routes!(machines::create_machine))
        .routes(routes!(old_users::provision))
        .routes(routes!(old_users::stats))
        .routes(routes!(old_users::port))
        .routes(routes!(lab::available))
        .routes(routes!(lab::reservations))
        .routes(routes!(lab::machines, lab::register))
        .routes(routes!(lab::unregister))
        .routes(routes!(lab::reserve))
        .routes(routes!(lab::release_all))
}

/// What needs a caller, with the old paths where they are wanted.
fn closed_with(compat: bool) -> OpenApiRouter<Services> {
    if compat { closed().merge(old()) } else { closed() }
}

/// The whole API, ready to be called.
pub fn app(services: &Services) -> Router {
    let (open, _) = open().split_for_parts();
    let compat = services.settings.compat;
    let (closed, _) = closed_with(compat).split_for_parts();
    let closed = closed.route_layer(from_fn_with_state(services.clone(), auth::require));
    let description = openapi(compat).to_string();
    let description = move || async move { json_text(description) };
    let app = Router::new()
        .merge(open)
        .merge(closed)
        .route("/v1/openapi.json", get(description))
        .fallback(around::not_found)
        .method_not_allowed_fallback(around::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(around::panicked));
    let app = match cors(&services.settings.cors_origins) {
        Some(cors) => app.layer(cors),
        None => app,
    };
    app.layer(from_fn_with_state(services.clone(), around::around)).with_state(services.clone())
}

/// Every route there is, the old paths among them.
pub fn routes_listed() -> Vec<Route> {
    let listed = |access, api: &OpenApi| {
        let value = serde_json::to_value(&api.paths).unwrap_or_default();
        let paths = value.as_object().cloned().unwrap_or_default();
        paths.into_iter().flat_map(move |(path, item)| {
            let methods = item.as_object().cloned().unwrap_or_default();
            let route = move |method: String| Route {
                method: method.to_uppercase(),
                path: path.clone(),
                access,
            };
            methods.into_iter().map(move |(method, _)| route(method))
        })
    };
    let mut routes: Vec<_> = listed(Access::Open, open().get_openapi()).collect();
    routes.extend(listed(Access::Closed, closed_with(true).get_openapi()));
    routes.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    routes
}

/// The description of the API, in version 3.1 of `OpenAPI`, with the old paths or without.
pub fn openapi(compat: bool) -> Value {
    let open = open().into_openapi();
    let mut closed = serde_json::to_value(closed_with(compat).into_openapi()).unwrap_or_default();
    each_operation(&mut closed, |operation| {
        let security = json!([{ "bearer": [] }, { "session": [] }]);
        operation.insert("security".into(), security);
    });
    let mut api = serde_json::to_value(open).unwrap_or_default();
    each_operation(&mut api, |operation| {
        operation.insert("security".into(), json!([]));
    });
    merge(&mut api, closed);
    each_operation(&mut api, |operation| {
        let problem = json!({
            "description": "What is wrong",
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            } },
        });
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".into(), problem);
        }
    });
    name_operations(&mut api);
    api["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An access token or a key" },
        "session": { "type": "apiKey", "in": "cookie", "name": auth::COOKIE },
    });
    api
}

/// Names each operation by its method and its path: `get_v1_orders_order`. Functions of different
/// resources are called alike, and a name means one operation.
fn name_operations(api: &mut Value) {
    let paths = api["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        let named = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let path: String = path.chars().filter(|c| !"{}".contains(*c)).map(named).collect();
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            operation["operationId"] = format!("{method}{path}").into();
        }
    }
}

fn described() -> OpenApi {
    let info = InfoBuilder::new()
        .title("lessor")
        .description(Some("Renting infrastructure"))
        .version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new().info(info).components(Some(schemas())).paths(Paths::new()).build()
}

fn schemas() -> Components {
    let mut nested = Vec::new();
    ProblemBody::schemas(&mut nested);
    ComponentsBuilder::new()
        .schemas_from_iter(nested)
        .schema(ProblemBody::name(), ProblemBody::schema())
        .build()
}

fn each_operation(api: &mut Value, mut change: impl FnMut(&mut Map<String, Value>)) {
    let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        item.values_mut().filter_map(Value::as_object_mut).for_each(&mut change);
    }
}

/// Adds what another description has: objects are merged, and anything else is the same in both.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn json_text(text: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text)
}

/// Pages of other origins may call only where the operator says so, and without cookies even then.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let origins: Vec<_> = origins.collect();
    if origins.is_empty() {
        return None;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        HeaderName::from_static("idempotency-key"),
    ];
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers([header::ETAG, HeaderName::from_static("x-request-id")]);
    Some(cors)
}
