//! Who may do what, and how that ends.

use std::collections::BTreeMap;
use std::time::Duration;

use insta::{allow_duplicates, assert_debug_snapshot};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{
    Account, AccountId, Actor, Attempts, Declared, Invitation, KeyId, KeyOwner, NewAccount, NewKey,
    NewLink, NewSession, NewTokens, Origin, PlatformRole, Purpose, Refreshed, Role, SecretDigest,
    SessionId, Status, Store, StoreError,
};
use ulid::Ulid;

use crate::fixture::{BACKENDS, Database};

fn number(number: u128) -> Ulid {
    Ulid::from_parts(1_800_000_000_000, number)
}

fn account_id(of: u128) -> AccountId {
    AccountId::new(number(of))
}

pub(crate) fn digest(secret: &str) -> SecretDigest {
    SecretDigest::of(secret)
}

fn later(store: &Store) -> Timestamp {
    store.now() + SignedDuration::from_hours(1)
}

fn tenant(id: &str) -> Declared {
    Declared {
        id: id.into(),
        quota: None,
        timezone: "UTC".into(),
        owners: Vec::new(),
        credit: BTreeMap::new(),
    }
}

pub(crate) async fn account(store: &Store, of: u128, email: &str) -> Account {
    let id = account_id(of);
    let new = NewAccount { id: &id, email, password_hash: Some("$argon2id$"), platform_role: None };
    store.account_create(&new, &Actor::command()).await.unwrap()
}

async fn session(store: &Store, account: &AccountId, of: u128, cookie: &str) -> SessionId {
    let id = SessionId::new(number(of));
    let cookie = digest(cookie);
    let new = NewSession { id: &id, account, cookie: Some(&cookie), expires_at: later(store) };
    store.session_create(new).await.unwrap();
    id
}

async fn tokens(store: &Store, account: &AccountId, of: u128) {
    tokens_called(store, account, of, "0").await;
}

/// A session with `access-NAME` and `refresh-NAME`.
pub(crate) async fn tokens_called(store: &Store, account: &AccountId, of: u128, name: &str) {
    let id = SessionId::new(number(of));
    let new = NewSession { id: &id, account, cookie: None, expires_at: later(store) };
    let (access, refresh) = (digest(&format!("access-{name}")), digest(&format!("refresh-{name}")));
    store.token_issue(new, pair(store, &access, &refresh)).await.unwrap();
}

fn pair<'a>(store: &Store, access: &'a SecretDigest, refresh: &'a SecretDigest) -> NewTokens<'a> {
    NewTokens { access, access_expires_at: later(store), refresh, refresh_expires_at: later(store) }
}

/// Shows a refresh token, to get `access-NEXT` and `refresh-NEXT`.
pub(crate) async fn refresh(store: &Store, shown: &str, next: &str) -> Refreshed {
    let (access, refresh) = (digest(&format!("access-{next}")), digest(&format!("refresh-{next}")));
    store.token_refresh(&digest(shown), pair(store, &access, &refresh)).await.unwrap()
}

async fn key(store: &Store, of: u128, owner: KeyOwner, created_by: &AccountId, secret: &str) {
    let (id, digest) = (KeyId::new(number(of)), digest(secret));
    let new = NewKey {
        id: &id,
        digest: &digest,
        prefix: "lsk_abc",
        name: "ci",
        owner: &owner,
        scopes: "*",
        created_by: Some(created_by),
        expires_at: None,
    };
    store.key_create(new, &Actor::account(created_by)).await.unwrap();
}

#[tokio::test]
async fn a_mail_address_has_one_account_however_it_is_written() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "Alice@Example.net").await;

        assert_eq!(alice.email, "alice@example.net");
        assert_eq!(store.account_find("ALICE@example.net").await.unwrap(), Some(alice));
        let id = account_id(2);
        let new = NewAccount {
            id: &id,
            email: "aliCe@example.net",
            password_hash: None,
            platform_role: None,
        };
        let error = store.account_create(&new, &Actor::command()).await.unwrap_err();
        assert_eq!(error.to_string(), "there is an account with this mail address already");
        assert_eq!(store.account_list(None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn suspending_cuts_sessions_tokens_and_every_key_somebody_made() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        let bob = account(store, 2, "bob@example.net").await;
        let actor = Actor::account(&alice.id);
        store.tenant_create(&tenant("acme"), "Acme", Some(&alice.id), &actor).await.unwrap();
        session(store, &alice.id, 10, "alice").await;
        session(store, &bob.id, 11, "bob").await;
        tokens(store, &alice.id, 12).await;
        key(store, 13, KeyOwner::Account(alice.id.clone()), &alice.id, "own").await;
        key(store, 14, KeyOwner::Tenant("acme".into()), &alice.id, "tenant").await;
        key(store, 15, KeyOwner::Tenant("acme".into()), &bob.id, "bobs").await;

        let found = async || {
            let mut found = Vec::new();
            for cookie in ["alice", "bob"] {
                found.push(store.session_find(&digest(cookie)).await.unwrap().is_some());
            }
            found.push(store.token_find(&digest("access-0")).await.unwrap().is_some());
            for secret in ["own", "tenant", "bobs"] {
                found.push(store.key_find(&digest(secret)).await.unwrap().is_some());
            }
            found
        };
        assert_eq!(found().await, [true; 6]);
        let suspended =
            store.account_set_status(&alice.id, Status::Suspended, "abuse", &actor).await;
        assert_eq!(suspended.unwrap().status, Status::Suspended);
        assert_eq!(found().await, [false, true, false, false, false, true]);
        assert_eq!(refresh(store, "refresh-0", "1").await, Refreshed::Unknown);

        // What was cut stays cut.
        store.account_set_status(&alice.id, Status::Active, "sorry", &actor).await.unwrap();
        assert_eq!(found().await, [false, true, false, false, false, true]);
    }
}

#[tokio::test]
async fn nobody_logs_in_to_an_account_that_is_suspended() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        store
            .account_set_status(&alice.id, Status::Banned, "abuse", &Actor::command())
            .await
            .unwrap();
        let (id, cookie) = (SessionId::new(number(10)), digest("alice"));
        let new = NewSession {
            id: &id,
            account: &alice.id,
            cookie: Some(&cookie),
            expires_at: later(store),
        };
        let error = store.session_create(new).await.unwrap_err();
        assert_eq!(error, StoreError::Absent { what: alice.id.to_string() });
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_shown_twice_ends_the_session() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        tokens(store, &alice.id, 10).await;

        assert!(matches!(refresh(store, "refresh-0", "1").await, Refreshed::Renewed(_)));
        assert_eq!(store.token_find(&digest("access-0")).await.unwrap(), None, "replaced");
        assert!(store.token_find(&digest("access-1")).await.unwrap().is_some());
        assert_eq!(refresh(store, "refresh-0", "2").await, Refreshed::Reused);
        assert_eq!(store.token_find(&digest("access-1")).await.unwrap(), None);
        assert_eq!(refresh(store, "refresh-1", "3").await, Refreshed::Unknown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_is_used_once_even_by_many_at_once() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let id = account_id(1);
        let new = NewAccount {
            id: &id,
            email: "root@example.net",
            password_hash: None,
            platform_role: Some(PlatformRole::Admin),
        };
        let link = digest("link");
        store.account_invite(&new, &link, later(store), &Actor::command()).await.unwrap();

        let tries = (0..16).map(|of| {
            let (store, link) = (store.clone(), link.clone());
            tokio::spawn(async move { store.link_use_password(&link, &format!("hash-{of}")).await })
        });
        let mut used = 0;
        for tried in tries.collect::<Vec<_>>() {
            used += usize::from(tried.await.unwrap().unwrap().is_some());
        }
        assert_eq!(used, 1);
        let admin = store.account_show(&id).await.unwrap().unwrap();
        assert!(admin.confirmed, "the link went to that address");
        assert!(store.account_password(&id).await.unwrap().unwrap().starts_with("hash-"));
    }
}

#[tokio::test]
async fn a_link_for_one_thing_is_not_one_for_another_and_ends_by_itself() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        let bob = account(store, 2, "bob@example.net").await;
        let actor = Actor::account(&alice.id);
        store.tenant_create(&tenant("acme"), "Acme", Some(&alice.id), &actor).await.unwrap();
        let invite = async |secret: &str, expires_at| {
            let purpose = Purpose::Invitation("acme", Role::Operator);
            let new = NewLink { digest: &digest(secret), purpose, expires_at };
            store.link_create(new, &actor).await.unwrap();
        };
        invite("good", later(store)).await;
        invite("late", store.now() - SignedDuration::from_secs(1)).await;

        assert_eq!(store.link_use_password(&digest("good"), "hash").await.unwrap(), None);
        assert_eq!(store.link_use_invitation(&digest("late"), &bob.id).await.unwrap(), None);
        let joined = store.link_use_invitation(&digest("good"), &bob.id).await.unwrap();
        assert_eq!(joined, Some(Invitation { tenant: "acme".into(), role: Role::Operator }));
        assert_eq!(store.member_role("acme", &bob.id).await.unwrap(), Some(Role::Operator));
        // Whoever is more already does not become less.
        invite("again", later(store)).await;
        store.link_use_invitation(&digest("again"), &alice.id).await.unwrap();
        assert_eq!(store.member_role("acme", &alice.id).await.unwrap(), Some(Role::Owner));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_tries_at_once_five_are_made() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let tries = (0..64).map(|_| {
            let store = database.store.clone();
            tokio::spawn(async move {
                let subject = digest("alice");
                let within = Duration::from_mins(5);
                let limit = Attempts { subject: &subject, most: 5, within };
                store.attempt_begin(&[limit]).await.unwrap()
            })
        });
        let mut refusals = Vec::new();
        for tried in tries.collect::<Vec<_>>() {
            refusals.extend(tried.await.unwrap());
        }
        assert_eq!(refusals.len(), 59);
        assert!(refusals.iter().all(|refusal| refusal.wait <= Duration::from_mins(5)));
        database.store.attempt_forget(&digest("alice")).await.unwrap();
        let limit = Attempts { subject: &digest("alice"), most: 5, within: Duration::from_mins(5) };
        assert_eq!(database.store.attempt_begin(&[limit]).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_owners_who_leave_at_once_leave_one_behind() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let actor = Actor::command();
        let (alice, bob) = (
            account(store, 1, "alice@example.net").await.id,
            account(store, 2, "bob@example.net").await.id,
        );
        store.tenant_create(&tenant("acme"), "Acme", Some(&alice), &actor).await.unwrap();
        let purpose = Purpose::Invitation("acme", Role::Owner);
        let new = NewLink { digest: &digest("bob"), purpose, expires_at: later(store) };
        store.link_create(new, &actor).await.unwrap();
        store.link_use_invitation(&digest("bob"), &bob).await.unwrap();

        let leave = |id: &AccountId| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(
                async move { store.member_remove("acme", &id, &Actor::account(&id)).await },
            )
        };
        let (first, second) = (leave(&alice), leave(&bob));
        let left = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(left.iter().filter(|left| left.is_ok()).count(), 1);
        assert!(left.contains(&Err(StoreError::LastOwner { tenant: "acme".into() })));
        assert_eq!(store.member_list("acme", None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn files_take_a_tenant_over_and_name_owners_who_showed_who_they_are() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        let bob = account(store, 2, "bob@example.net").await;
        let purpose = Purpose::Password(&bob.id);
        let new = NewLink { digest: &digest("bob"), purpose, expires_at: later(store) };
        store.link_create(new, &Actor::command()).await.unwrap();
        store.link_use_password(&digest("bob"), "hash").await.unwrap();
        store.tenant_create(&tenant("globex"), "Globex", None, &Actor::command()).await.unwrap();

        let declared = [
            Declared {
                id: "acme".into(),
                quota: Some("default".into()),
                timezone: "Europe/Paris".into(),
                owners: vec!["alice@example.net".into(), "Bob@example.net".into()],
                credit: BTreeMap::new(),
            },
            tenant("globex"),
        ];
        assert!(store.tenant_declare(&declared).await.unwrap());
        assert!(!store.tenant_declare(&declared).await.unwrap(), "nothing is new any more");

        let tenants = store.tenant_list(None, None, 10).await.unwrap();
        assert!(tenants.iter().all(|tenant| tenant.origin == Origin::File));
        let shown: Vec<_> = tenants.iter().map(|tenant| (&tenant.id, &tenant.quota)).collect();
        allow_duplicates! {
            assert_debug_snapshot!(shown, @r#"
        [
            (
                "acme",
                Some(
                    "default",
                ),
            ),
            (
                "globex",
                None,
            ),
        ]
        "#);
        }
        assert_eq!(store.member_role("acme", &bob.id).await.unwrap(), Some(Role::Owner));
        assert_eq!(store.member_role("acme", &alice.id).await.unwrap(), None, "anybody can say so");
        assert_eq!(store.tenant_list(Some(&bob.id), None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let actor = Actor::command();
        store.tenant_create(&tenant("acme"), "Acme", None, &actor).await.unwrap();
        let update = async |version| {
            store.tenant_update("acme", version, "Acme Inc.", "Europe/Paris", &actor).await
        };
        assert_eq!(update(1).await.unwrap().version, 2);
        assert_eq!(update(1).await, Err(StoreError::Outdated { what: "acme".into() }));
        let again = store.tenant_create(&tenant("acme"), "Acme", None, &actor).await;
        assert_eq!(again.unwrap_err().to_string(), "there is a tenant of this name already");
    }
}

#[tokio::test]
async fn sweeping_takes_what_ended_and_leaves_what_runs() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        let ended = session(store, &alice.id, 10, "ended").await;
        session(store, &alice.id, 11, "runs").await;
        tokens(store, &alice.id, 12).await;
        store.session_revoke(&ended, &alice.id, &Actor::account(&alice.id)).await.unwrap();

        let swept = store.session_sweep(store.now() + SignedDuration::from_secs(1)).await.unwrap();
        assert_eq!(swept, 1);
        assert!(store.session_find(&digest("runs")).await.unwrap().is_some());
        assert!(store.token_find(&digest("access-0")).await.unwrap().is_some());
    }
}
