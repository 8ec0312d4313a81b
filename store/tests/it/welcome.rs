//! Orders that come with new tenants, and credit that files give.

use std::collections::BTreeMap;

use lessor_specs::{Currency, Money};
use lessor_store::{Actor, Declared, NewTenant, OrderFilter, Store, Welcome};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{assert_ledger, declined, eur, money, open_shop, order, pay, wallet};

fn tenant(id: &str, credit: BTreeMap<Currency, Money>) -> Declared {
    let timezone = "UTC".into();
    Declared { id: id.into(), quota: None, timezone, owners: Vec::new(), credit }
}

/// Makes a tenant, and nothing more: whoever did it died then.
async fn sign_up(store: &Store, id: &str, offer: &str) {
    let tenant = tenant(id, BTreeMap::new());
    let new = NewTenant { tenant: &tenant, display_name: id, welcome: Some(offer) };
    store.tenant_sign_up(new, None, &Actor::command()).await.unwrap();
}

async fn orders(store: &Store, tenant: &str) -> Vec<String> {
    let filter = OrderFilter { tenant: Some(tenant.into()), ..OrderFilter::default() };
    let orders = store.order_list(&filter, 10).await.unwrap();
    orders.iter().map(lessor_store::Order::full_name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_of_a_new_tenant_outlives_who_made_it_and_is_placed_once() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        open_shop(&database.store).await;
        sign_up(&database.store, "initech", "free").await;

        let (one, other) = (database.another().await, database.another().await);
        assert_eq!(one.welcome_list(10).await.unwrap(), ["initech"]);
        let (first, second) =
            tokio::join!(one.welcome_place("initech"), other.welcome_place("initech"));

        for placed in [first.unwrap(), second.unwrap(), one.welcome_place("initech").await.unwrap()]
        {
            assert!(matches!(placed, Welcome::Placed(_)), "{placed:?}");
        }
        assert_eq!(orders(&one, "initech").await, ["initech/first"]);
        // Whoever comes after that is known as well.
        sign_up(&one, "hooli", "free").await;
        let placed = one.welcome_place("hooli").await.unwrap();
        assert!(matches!(placed, Welcome::Placed(Some(_))), "{placed:?}");
        assert!(one.welcome_list(10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_a_new_tenant_cannot_have_yet_is_tried_for_a_day() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        for (id, offer) in [("poor", "large"), ("crowded", "huge"), ("lost", "nothing")] {
            sign_up(store, id, offer).await;
        }
        let mut told = String::new();
        for id in ["poor", "crowded", "lost"] {
            let placed = store.welcome_place(id).await.unwrap();
            told += &match placed {
                Welcome::Placed(_) => format!("{id} is placed\n"),
                Welcome::Waits(why) => format!("{id} waits: {why}\n"),
                Welcome::GivenUp(why) => format!("{id} is given up: {why}\n"),
            };
        }
        same_snapshot!(told, @"
        poor waits: `poor` has EUR 0.000000 left, and EUR 0.500000 is needed
        crowded waits: nothing is left: there is no room for it on `docker.par1`
        lost is given up: there is no offer `nothing`
        ");
        pay(store, "poor", "1").await;
        let paid = store.welcome_place("poor").await.unwrap();
        database.run("UPDATE welcome SET at = 0").await.unwrap();
        let late = store.welcome_place("crowded").await.unwrap();

        assert!(matches!(paid, Welcome::Placed(Some(_))), "{paid:?}");
        assert!(matches!(late, Welcome::GivenUp(_)), "{late:?}");
        assert!(store.welcome_list(10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn credit_that_files_give_can_be_spent_and_is_taken_back_as_it_is_paid() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let give = |credit: &'static [(&'static str, &'static str)]| async move {
            let credit = credit
                .iter()
                .map(|(currency, credit)| (currency.parse::<Currency>().unwrap(), money(credit)));
            store.tenant_declare(&[tenant("acme", credit.collect())]).await.unwrap();
            wallet(store, "acme").await
        };
        let mut told = vec![give(&[("EUR", "5"), ("USD", "1")]).await];
        let hold = store.hold_place("acme", eur(), money("4")).await.unwrap();
        store.hold_capture(&hold, money("4"), "an hour").await.unwrap();
        declined(store.hold_place("acme", eur(), money("1.01")).await);
        told.push(give(&[("EUR", "3")]).await);
        pay(store, "acme", "0.5").await;
        told.push(wallet(store, "acme").await);
        declined(store.hold_place("acme", eur(), money("0.01")).await);
        pay(store, "acme", "1.5").await;
        told.push(wallet(store, "acme").await);
        pay(store, "acme", "3").await;
        told.push(wallet(store, "acme").await);

        same_snapshot!(told.join("\n"), @"
        EUR 0.000000 held 0.000000 free 5.000000, USD 0.000000 held 0.000000 free 1.000000
        EUR -4.000000 held 0.000000 free 0.000000, USD 0.000000 held 0.000000 free 0.000000
        EUR -3.500000 held 0.000000 free 0.000000, USD 0.000000 held 0.000000 free 0.000000
        EUR -2.000000 held 0.000000 free 1.000000, USD 0.000000 held 0.000000 free 0.000000
        EUR 1.000000 held 0.000000 free 4.000000, USD 0.000000 held 0.000000 free 0.000000
        ");
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn credit_of_files_counts_as_soon_as_they_are_applied() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let shop = crate::shop::SHOP
            .replace("[tenant.acme]\n", "[tenant.acme]\ncredit = { EUR = \"0.75\" }\n");
        crate::shop::apply(&database.store, &shop).await;
        let place = |name: &'static str| {
            let store = database.store.clone();
            async move { store.order_place(&order("acme", name, "large")).await }
        };
        place("one").await.unwrap();
        declined(place("two").await);
        assert_eq!(
            wallet(&database.store, "acme").await,
            "EUR 0.000000 held 0.500000 free 0.250000"
        );
        assert_ledger(&database.store).await;
    }
}
