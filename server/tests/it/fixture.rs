//! A server on a database of its own, and people who call it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use lessor_plans::{Digest, Forget};
use lessor_server::{Estate, Hashing, KeySecret, Peer, Services, Settings, app};
use lessor_specs::Tree;
use lessor_specs::kinds::Instance;
use lessor_store::{
    AccountId, Actor, Begin, Declared, KeyId, KeyOwner, NewAccount, NewKey, NewLink, OrderRequest,
    PlatformRole, Purpose, Role, SecretDigest, Store,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use ulid::Ulid;

use crate::postgres::Postgres;

/// The sorts of database every test runs on.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// A sort of database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What the provider of these tests rents out, and that anybody may sign up.
pub(crate) const SPECS: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
timezone = "Europe/Paris"
[image.paper.container]
ref = "paper:1"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 22
[offer.small]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.014900", monthly_cap = "9.99" }
lifecycle = { grace = "24h", retention = "7d" }
container = { cpu = "1", memory = "2GiB", disk = "10GiB" }
[quota.default]
instances = 3
[policy.signup]
open = true
"#;

/// A server on a database that is gone after the test.
pub(crate) struct Server {
    pub(crate) services: Services,
    app: Router,
    kept: Kept,
}

enum Kept {
    File(TempDir),
    Server(Postgres),
}

/// How somebody shows who they are.
#[derive(Clone, Debug)]
pub(crate) struct Credential(pub(crate) Vec<(&'static str, String)>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Server {
    pub(crate) async fn new(backend: Backend) -> Self {
        Server::with(backend, Settings { calls_per_second: None, ..cheap() }).await
    }

    pub(crate) async fn with(backend: Backend, settings: Settings) -> Self {
        Server::of_estate(backend, settings, None).await
    }

    /// With the configuration by which hosts are reached.
    pub(crate) async fn of_estate(
        backend: Backend,
        settings: Settings,
        estate: Option<Estate>,
    ) -> Self {
        let kept = match backend {
            Backend::Sqlite => Kept::File(tempfile::tempdir().unwrap()),
            Backend::Postgres => Kept::Server(Postgres::new()),
        };
        let store = Store::open(&kept.url()).await.unwrap();
        let services = Services::looking_at(estate, store, settings).unwrap();
        Server { app: app(&services), services, kept }
    }

    /// With something to rent, and sign-up open.
    pub(crate) async fn renting(backend: Backend) -> Self {
        let server = Server::new(backend).await;
        server.apply(SPECS).await;
        server
    }

    /// The same database, where nothing can be written.
    pub(crate) async fn read_only(&self) -> Router {
        let store = Store::open_read_only(&self.kept.url()).await.unwrap().unwrap();
        app(&Services::new(store, Settings { calls_per_second: None, ..cheap() }).unwrap())
    }

    /// Runs a statement past the store, on a server.
    pub(crate) fn psql(&self, statement: &str) {
        let psql = Command::new("psql").args([&self.kept.url(), "-qc", statement]).output();
        let psql = psql.unwrap();
        assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.store
    }

    /// As `lessor apply` leaves the database.
    pub(crate) async fn apply(&self, specs: &str) {
        let tree = Tree::new(BTreeMap::from([("specs.toml".to_owned(), specs.to_owned())]));
        let (claims, forget) = (BTreeMap::new(), Forget::default());
        let begin = Begin {
            plan: Digest::of(specs.as_bytes()),
            revision: self.store().revision_latest().await.unwrap().map_or(0, |last| last.number),
            tree: &tree,
            entries: 1,
            claims: &claims,
            keeps: &[],
            forget: &forget,
            changes: &[],
        };
        self.store().apply_begin(begin).await.unwrap();
    }

    /// Calls, with a body or without.
    pub(crate) async fn call(
        &self,
        who: &Credential,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call_with(who, method, path, &[], body).await
    }

    pub(crate) async fn call_with(
        &self,
        who: &Credential,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap());
        request = request.uri(path);
        for (name, value) in &who.0 {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => {
                request.header("content-type", "application/json").body(body.to_string().into())
            }
            None => request.body(Body::empty()),
        };
        answer(&self.app, request.unwrap()).await
    }

    /// Calls with whatever bytes.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        answer(&self.app, request).await
    }

    /// Somebody with an account, who has logged in as programs do.
    pub(crate) async fn person(&self, name: &str) -> Credential {
        let email = format!("{name}@example.net");
        let body = json!({ "email": email, "password": PASSWORD });
        let made = self.call(&nobody(), "POST", "/v1/users", Some(body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.token(name).await
    }

    pub(crate) async fn token(&self, name: &str) -> Credential {
        let email = format!("{name}@example.net");
        let body = json!({ "grant_type": "password", "email": email, "password": PASSWORD });
        let made = self.call(&nobody(), "POST", "/v1/auth/token", Some(body)).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        bearer(made.body["access_token"].as_str().unwrap())
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let found = self.store().account_find(&format!("{name}@example.net")).await.unwrap();
        found.unwrap().id
    }

    /// A tenant that belongs to somebody.
    pub(crate) async fn tenant(&self, id: &str, owner: &str) {
        let declared = Declared {
            id: id.into(),
            quota: None,
            timezone: "UTC".into(),
            owners: Vec::new(),
            credit: BTreeMap::new(),
        };
        let owner = self.account(owner).await;
        self.store().tenant_create(&declared, id, Some(&owner), &Actor::command()).await.unwrap();
    }

    /// Makes somebody a member.
    pub(crate) async fn member(&self, tenant: &str, name: &str, role: Role) {
        let digest = SecretDigest::of(&format!("{tenant} {name}"));
        let expires_at = jiff::Timestamp::MAX;
        let new =
            NewLink { digest: &digest, purpose: Purpose::Invitation(tenant, role), expires_at };
        self.store().link_create(new, &Actor::command()).await.unwrap();
        let account = self.account(name).await;
        self.store().link_use_invitation(&digest, &account).await.unwrap().unwrap();
    }

    /// A key, as a command makes it.
    pub(crate) async fn key(&self, owner: KeyOwner, scopes: &str) -> (KeyId, Credential) {
        let (id, secret) = (KeyId::new(Ulid::generate()), KeySecret::new());
        let new = NewKey {
            id: &id,
            digest: &secret.digest(),
            prefix: secret.prefix(),
            name: "key",
            owner: &owner,
            scopes,
            created_by: None,
            expires_at: None,
        };
        self.store().key_create(new, &Actor::command()).await.unwrap();
        (id, bearer(secret.reveal()))
    }

    /// Gives a tenant money.
    pub(crate) async fn pay(&self, tenant: &str, amount: &str) {
        let (currency, amount) = ("EUR".parse().unwrap(), amount.parse().unwrap());
        self.store().credit(tenant, currency, amount, "a payment").await.unwrap();
    }

    /// An order of a tenant that can pay for it; answers with its id.
    pub(crate) async fn order(&self, tenant: &str) -> String {
        self.pay(tenant, "1").await;
        let instance = Instance {
            offer: "small".into(),
            image: None,
            location: None,
            cpu: None,
            memory: None,
            disk: None,
            user: None,
            keys: Vec::new(),
            env: BTreeMap::new(),
            moved: Vec::new(),
            adopted: None,
        };
        let request = OrderRequest {
            tenant: tenant.into(),
            name: Ulid::generate().to_string().to_lowercase(),
            client_ref: None,
            instance,
            stopped: false,
            promo: None,
            key: None,
            by: Actor::command(),
            dry_run: false,
        };
        self.store().order_place(&request).await.unwrap().order.id
    }

    pub(crate) async fn platform(&self, role: PlatformRole) -> Credential {
        self.key(KeyOwner::Platform(role), "*").await.1
    }
}

impl Kept {
    fn url(&self) -> String {
        match self {
            Kept::File(directory) => {
                directory.path().join(".lessor/lessor.db").to_str().unwrap().to_owned()
            }
            Kept::Server(server) => server.url(),
        }
    }
}

impl Answer {
    /// The status and the body, without the id of the call.
    pub(crate) fn shown(&self) -> String {
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        let body = if body.is_null() { self.text.clone() } else { body.to_string() };
        format!("{} {body}", self.status.as_u16())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What an app answers to a request from this machine.
pub(crate) async fn answer(app: &Router, mut request: Request<Body>) -> Answer {
    let peer = SocketAddr::from(([192, 0, 2, 7], 4711));
    if request.extensions().get::<Peer>().is_none() {
        request.extensions_mut().insert(Peer(peer));
    }
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: head.status, headers: head.headers, text, body }
}

/// Somebody who says nothing about themselves.
pub(crate) fn nobody() -> Credential {
    Credential(Vec::new())
}

pub(crate) fn bearer(token: &str) -> Credential {
    Credential(vec![("authorization", format!("Bearer {token}"))])
}

/// Passwords that cost nothing, since nobody attacks tests.
pub(crate) fn cheap() -> Settings {
    Settings { hashing: Hashing { memory_kib: 8, passes: 1 }, ..Settings::default() }
}

/// An account without a way to log in, for keys.
pub(crate) async fn account_without_password(store: &Store, email: &str) -> AccountId {
    let id = AccountId::new(Ulid::generate());
    let new = NewAccount { id: &id, email, password_hash: None, platform_role: None };
    store.account_create(&new, &Actor::command()).await.unwrap();
    id
}
