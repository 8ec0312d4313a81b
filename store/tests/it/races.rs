//! Races of 64 clients, through two servers. Beside each stands what happens where nothing guards:
//! the same race, with the guard left out.

use std::sync::Arc;

use lessor_store::{
    Actor, Gift, GiftKey, Giving, OrderRequest, Placed, Refreshed, Store, StoreError,
};
use tokio::sync::Barrier;

use crate::account::{account, digest, refresh, tokens_called};
use crate::fixture::{BACKENDS, Backend, Database};
use crate::shop::{
    SHOP, apply, assert_ledger, eur, key, money, open_cluster, order, pay, successes, wallet,
};

/// How many clients race.
pub(crate) const CLIENTS: usize = 64;

const CODES: &str = r#"
[promo_code.FEW]
percent = "50"
max_uses = 5
[promo_code.EACH]
percent = "50"
max_per_tenant = 2
[promo_code.FIRST]
percent = "50"
first_order = true
[promo_code.MANY]
percent = "50"
"#;

/// All at once, half of them at another server.
async fn race(
    database: &Database,
    request: impl Fn(usize) -> OrderRequest,
) -> Vec<Result<Placed, StoreError>> {
    let stores = [database.store.clone(), database.another().await];
    all_at_once(|number| {
        let (store, request) = (stores[number % 2].clone(), request(number));
        async move { store.order_place(&request).await }
    })
    .await
}

/// What each client does, begun at the same moment.
pub(crate) async fn all_at_once<W>(client: impl Fn(usize) -> W) -> Vec<W::Output>
where
    W: Future<Output: Send + 'static> + Send + 'static,
{
    let start = Arc::new(Barrier::new(CLIENTS));
    let clients = (0..CLIENTS).map(|number| {
        let (start, client) = (start.clone(), client(number));
        tokio::spawn(async move {
            start.wait().await;
            client.await
        })
    });
    let mut done = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        done.push(client.await.unwrap());
    }
    done
}

async fn shop(backend: Backend) -> Database {
    let database = Database::new(backend).await;
    // With ports and addresses for all.
    let shop = SHOP.replace("25565-25596", "25565-25700").replace("prefix = 28", "prefix = 24");
    apply(&database.store, &format!("{shop}{CODES}")).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_quota_no_more_is_taken_than_it_allows() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        let name = |number| format!("one-{number}");
        let limited = race(&database, |number| order("small", &name(number), "free")).await;
        let unlimited = race(&database, |number| order("acme", &name(number), "free")).await;
        assert_eq!((successes(&limited), successes(&unlimited)), (3, CLIENTS));
        assert_eq!(database.store.quota_use("small").await.unwrap().instances, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_money_is_promised_twice() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        // Ten and a half of the first hours.
        pay(&database.store, "acme", "5.25").await;
        let name = |number| format!("one-{number}");
        let priced = race(&database, |number| order("acme", &name(number), "large")).await;
        let free = race(&database, |number| order("globex", &name(number), "free")).await;
        assert_eq!((successes(&priced), successes(&free)), (10, CLIENTS));
        let wallet = wallet(&database.store, "acme").await;
        assert_eq!(wallet, "EUR 5.250000 held 5.000000 free 0.250000");
        assert_ledger(&database.store).await;
    }
}

/// Orders of several share a commit, and what it takes of them together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_may_not_or_cannot_pay_keeps_nobody_else_from_ordering() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        pay(&database.store, "acme", "50").await;
        let customers = [("acme", "large"), ("small", "free"), ("globex", "large")];
        let placed = race(&database, |number| {
            let (tenant, offer) = customers[number % 3];
            order(tenant, &format!("one-{number}"), offer)
        })
        .await;
        let of = |customer: usize| {
            let placed = placed.iter().enumerate().filter(|(number, _)| number % 3 == customer);
            placed.filter(|(_, placed)| placed.is_ok()).count()
        };
        assert_eq!((of(0), of(1), of(2), successes(&placed)), (22, 3, 0, 25));
        let mut counted = Vec::new();
        for (tenant, _) in customers {
            counted.push(database.store.quota_use(tenant).await.unwrap().instances);
        }
        assert_eq!(counted, [22, 3, 0]);
        let wallet = wallet(&database.store, "acme").await;
        assert_eq!(wallet, "EUR 50.000000 held 11.000000 free 39.000000");
        assert_ledger(&database.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_used_as_often_as_it_may_be() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        let mut found = Vec::new();
        for (code, tenant) in
            [("FEW", "acme"), ("EACH", "acme"), ("FIRST", "globex"), ("MANY", "acme")]
        {
            pay(&database.store, tenant, "100").await;
            let placed = race(&database, |number| {
                let name = format!("{}-{number}", code.to_lowercase());
                let promo = Some(code.into());
                OrderRequest { promo, ..order(tenant, &name, "survival") }
            });
            let placed = successes(&placed.await);
            let uses = database.store.promo_uses(code).await.unwrap();
            assert_eq!(uses, placed as u64, "{code}");
            found.push((code, placed));
        }
        assert_eq!(found, [("FEW", 5), ("EACH", 2), ("FIRST", 1), ("MANY", CLIENTS)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_port_is_given_out_twice() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        // 32 ports.
        apply(&database.store, &SHOP.replace("prefix = 28", "prefix = 24")).await;
        pay(&database.store, "acme", "100").await;
        let name = |number| format!("one-{number}");
        let port = |placed: &Placed| {
            let port = placed.claims.iter().find(|(key, _)| key.pool == "port_range.games");
            port.map(|(_, port)| port.clone()).unwrap()
        };
        let tried = race(&database, |number| OrderRequest {
            dry_run: true,
            ..order("acme", &name(number), "survival")
        });
        let mut tried: Vec<_> = tried.await.iter().flatten().map(port).collect();
        let told = tried.len();
        tried.sort();
        tried.dedup();

        let placed = race(&database, |number| order("acme", &name(number), "survival")).await;

        assert_eq!(successes(&placed), 32);
        let mut ports: Vec<_> = placed.iter().flatten().map(port).collect();
        ports.sort();
        let all: Vec<_> = (25_565..=25_596).map(|port: u16| port.to_string()).collect();
        assert_eq!(ports, all);
        assert!(tried.len() < told, "without a claim, several are told the same port");
        assert_ledger(&database.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_takes_in_no_more_containers_than_it_has_addresses_for() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let name = |number| format!("one-{number}");
        // One of the thirteen is the operator's.
        let own = "[instance.\"acme/own\"]\noffer = \"free\"\n";
        apply(&database.store, &format!("{SHOP}{own}")).await;
        let narrow = race(&database, |number| order("acme", &name(number), "free")).await;
        apply(&database.store, &SHOP.replace("prefix = 28", "prefix = 25")).await;
        let wide = race(&database, |number| order("globex", &name(number), "free")).await;
        assert_eq!((successes(&narrow), successes(&wide)), (12, CLIENTS));
        let why = narrow.into_iter().filter_map(Result::err).map(|error| error.to_string());
        let why: std::collections::BTreeSet<_> = why.collect();
        assert_eq!(why.len(), 1, "{why:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_address_of_a_vlan_is_given_out_twice() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let name = |number| format!("one-{number}");
        open_cluster(&database.store, "28").await;
        let narrow = race(&database, |number| order("acme", &name(number), "vps")).await;
        open_cluster(&database.store, "25").await;
        let wide = race(&database, |number| order("globex", &name(number), "vps")).await;

        assert_eq!((successes(&narrow), successes(&wide)), (12, CLIENTS));
        let mut addresses: Vec<_> = narrow.iter().flatten().map(address).collect();
        addresses.sort();
        // The gateway has the first, and the last is for guests that ask.
        let all = (2..14).map(|last| std::net::Ipv4Addr::new(10, 100, 0, last));
        assert_eq!(addresses, all.collect::<Vec<_>>());
    }
}

/// The address that a machine was given.
fn address(placed: &Placed) -> std::net::Ipv4Addr {
    let mut claims = placed.claims.iter();
    let (_, address) = claims.find(|(key, _)| key.pool == "vlan_range.customers/address").unwrap();
    address.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_is_one_order() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        let request = |with_key: bool| {
            move |number: usize| OrderRequest {
                key: with_key.then(|| key("once", "a")),
                ..order("acme", &format!("{with_key}-{number}"), "free")
            }
        };
        let keyed = race(&database, request(true)).await;
        let unkeyed = race(&database, request(false)).await;
        assert_eq!((successes(&keyed), successes(&unkeyed)), (CLIENTS, CLIENTS));
        let fresh =
            |placed: &&Result<Placed, StoreError>| placed.as_ref().is_ok_and(|p| !p.repeated);
        assert_eq!(keyed.iter().filter(fresh).count(), 1);
        assert_eq!(unkeyed.iter().filter(fresh).count(), CLIENTS);
        let first = &keyed[0].as_ref().unwrap().order.id;
        assert!(keyed.iter().flatten().all(|placed| placed.order.id == *first));
        let used = database.store.quota_use("acme").await.unwrap();
        assert_eq!(used.instances, 1 + 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_payment_with_one_key_is_credited_once() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        let stores = [database.store.clone(), database.another().await];
        let give = |number: usize, key: Option<GiftKey>| {
            let store = stores[number % 2].clone();
            let giving = Giving { memo: "a payment".into(), key, by: Actor::command() };
            async move { store.credit_give("acme", (eur(), money("1")), &giving).await.unwrap() }
        };
        let key = GiftKey { scope: "bank".into(), key: "once".into() };
        let keyed = all_at_once(|number| give(number, Some(key.clone()))).await;
        let unkeyed = all_at_once(|number| give(number, None)).await;
        assert!(keyed.iter().all(|gift| gift.id == keyed[0].id), "{keyed:?}");
        assert_eq!(keyed.iter().filter(|gift| !gift.repeated).count(), 1);
        assert_eq!(unkeyed.iter().filter(|gift| !gift.repeated).count(), CLIENTS);
        let wallet = wallet(&database.store, "acme").await;
        assert_eq!(wallet, "EUR 65.000000 held 0.000000 free 65.000000");
        // It is known by its key for ever, and not only for a day.
        database.store.idempotency_forget(jiff::Timestamp::MAX).await.unwrap();
        assert_eq!(give(0, Some(key)).await, Gift { repeated: true, ..keyed[0].clone() });
        assert_ledger(&database.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_token_that_many_have_is_good_once_and_ends_the_session() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let stores = [database.store.clone(), database.another().await];
        let store = &database.store;
        let alice = account(store, 1, "alice@example.net").await;
        tokens_called(store, &alice.id, 10, "shared").await;
        for number in 0..CLIENTS {
            tokens_called(store, &alice.id, 100 + number as u128, &format!("own-{number}")).await;
        }
        let show = |number: usize, name: String| {
            let store = stores[number % 2].clone();
            async move { refresh(&store, &format!("refresh-{name}"), &format!("{name}-{number}")).await }
        };
        let shared = all_at_once(|number| show(number, "shared".into())).await;
        let own = all_at_once(|number| show(number, format!("own-{number}"))).await;

        let renewed = |all: &[Refreshed]| {
            all.iter().filter(|one| matches!(one, Refreshed::Renewed(_))).count()
        };
        assert_eq!((renewed(&shared), renewed(&own)), (1, CLIENTS));
        assert!(shared.contains(&Refreshed::Reused), "{shared:?}");
        let mut good = [0; 2];
        for number in 0..CLIENTS {
            for (at, name) in ["shared".into(), format!("own-{number}")].iter().enumerate() {
                let access = digest(&format!("access-{name}-{number}"));
                good[at] += usize::from(store.token_find(&access).await.unwrap().is_some());
            }
        }
        assert_eq!(good, [0, CLIENTS], "what was got with them");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_first_and_acts_later_sells_too_much() {
    for backend in BACKENDS {
        let database = shop(backend).await;
        let store = &database.store;
        pay(store, "acme", "10").await;
        let mut connection = database.connect().await;
        // The table has the last word; here it is silenced.
        let silence = match backend {
            Backend::Sqlite => "PRAGMA ignore_check_constraints = ON",
            Backend::Postgres => "ALTER TABLE wallet DROP CONSTRAINT wallet_check",
        };
        sqlx::query(silence).execute(&mut connection).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..CLIENTS {
            seen.push(store.wallet_list("acme").await.unwrap()[0].available());
        }
        for available in seen {
            if available >= money("1") {
                sqlx::query("UPDATE wallet SET held = held + 1000000")
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
        let faults = store.ledger_verify().await.unwrap().faults;
        assert_eq!(faults.len(), 2, "below the floor, and held without a hold: {faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_money_at_once_the_ledger_is_right() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let stores = [database.store.clone(), database.another().await];
        for tenant in ["acme", "globex"] {
            pay(&database.store, tenant, "20").await;
        }
        let clients = (0..CLIENTS).map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move {
                let mut chance = Chance(0x9E37_79B9 + number as u64);
                for _ in 0..16 {
                    act(&store, &mut chance).await;
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        let report = database.store.ledger_verify().await.unwrap();
        assert_eq!(report.faults, []);
        assert!(report.transactions > 200, "{report:?}");
    }
}

/// A sequence that looks like chance, and is the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Something somebody may do with money. What is declined is declined; all else is a failure.
async fn act(store: &Store, chance: &mut Chance) {
    let tenant = ["acme", "globex"][usize::from(chance.below(2) == 1)];
    let amount =
        lessor_specs::Money::from_micros(i64::try_from(1 + chance.below(4_000_000)).unwrap());
    let done = match chance.below(6) {
        0 => store.credit(tenant, eur(), amount, "a payment").await.map(drop),
        1 => match store.hold_place(tenant, eur(), amount).await {
            Ok(hold) if chance.below(3) == 0 => store.hold_release(&hold).await,
            placed => placed.map(drop),
        },
        2 | 3 => match store.hold_place(tenant, eur(), amount).await {
            Ok(hold) => store.hold_capture(&hold, amount, "an hour").await.map(drop),
            Err(error) => Err(error),
        },
        4 => {
            let last = store.ledger_list(tenant, None, 5).await.unwrap();
            match last.get(usize::try_from(chance.below(5)).unwrap()) {
                Some(last) => store.refund(&last.id, amount, "a refund").await.map(drop),
                None => Ok(()),
            }
        }
        _ => {
            let last = store.ledger_list(tenant, None, 5).await.unwrap();
            match last.get(usize::try_from(chance.below(5)).unwrap()) {
                Some(last) => store.ledger_reverse(&last.id, "a mistake").await.map(drop),
                None => Ok(()),
            }
        }
    };
    if let Err(error) = done {
        assert!(matches!(error, StoreError::Declined(_)), "{error:?}");
    }
}
