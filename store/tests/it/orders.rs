//! The life of orders: placed, made, changed, ended; and what cannot be.

use lessor_engine::Clock as _;
use lessor_specs::load::parse;
use lessor_specs::{EnvValue, OrderPhase};
use lessor_store::{Actor, OrderFilter, Reason, Store};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{assert_ledger, declined, key, money, open_shop, order, pay, running, wallet};

/// What happened to an order, one line each.
async fn story(store: &Store, order: &str) -> String {
    let events = store.order_events(order, 0, 100).await.unwrap();
    let lines = events.iter().map(|event| {
        let data = event.data.to_string();
        format!("{} {} → {} {data}\n", event.number, event.kind, event.phase)
    });
    lines.collect()
}

#[tokio::test]
async fn an_order_is_placed_made_switched_suspended_resumed_ended_and_gone() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "10").await;
        let by = Actor::command();

        let placed = store.order_place(&order("acme", "lobby", "survival")).await.unwrap();
        let id = &placed.order.id;
        assert_eq!(wallet(store, "acme").await, "EUR 10.000000 held 0.014900 free 9.985100");
        let claims = placed.claims.iter().map(|(key, value)| format!("{key} {value}"));
        same_snapshot!(claims.collect::<Vec<_>>().join("\n"), @r"
        bridge.tenants tenant.acme 10.64.0.0/28
        docker instance.acme/lobby par1
        port_range.games instance.acme/lobby:25565/tcp 25565
        ");
        store.order_begin(id).await.unwrap();
        store.order_lose(id, "no answer").await.unwrap();
        let active = store.order_activate(id, None).await.unwrap();
        assert_eq!(wallet(store, "acme").await, "EUR 9.985100 held 0.000000 free 9.985100");
        assert_eq!(store.order_activate(id, None).await.unwrap().version, active.version);
        store.order_power(id, Some(active.version), false, &by).await.unwrap();
        store.order_activate(id, None).await.unwrap();
        store.order_suspend(id, Reason::Abuse, "it sends spam", &by).await.unwrap();
        store.order_suspend(id, Reason::Security, "it was broken into", &by).await.unwrap();
        store.order_activate(id, None).await.unwrap();
        store.order_resume(id, Reason::Abuse, &by).await.unwrap();
        store.order_resume(id, Reason::Security, &by).await.unwrap();
        store.order_activate(id, None).await.unwrap();
        let ended = store.order_terminate(id, None, &by).await.unwrap();
        let gone = store.order_clear(id).await.unwrap();

        let kept = ended.retain_until.unwrap().duration_since(ended.ended_at.unwrap());
        assert_eq!(kept.as_hours(), 7 * 24);
        assert_eq!((gone.phase, gone.host), (OrderPhase::Terminated, None));
        let told = story(store, id).await.replace(&active.instance.offer, "survival@1");
        same_snapshot!(told, @r#"
        1 placed → pending {"name":"acme/lobby","offer":"survival@1"}
        2 begun → provisioning {}
        3 lost → reconciling {"why":"no answer"}
        4 settled → active {}
        5 switched → updating {"running":false}
        6 settled → active {}
        7 suspended → updating {"reason":"abuse","why":"it sends spam"}
        8 suspended → updating {"reason":"security","why":"it was broken into"}
        9 settled → suspended {}
        10 resumed → suspended {"reason":"abuse"}
        11 resumed → updating {"reason":"security"}
        12 settled → active {}
        13 terminated → terminating {}
        14 cleared → terminated {}
        "#);
        let claims = store.claim_list().await.unwrap();
        assert!(!claims.keys().any(|key| key.holder.contains("lobby")), "{claims:?}");
        assert_eq!(store.quota_use("acme").await.unwrap().instances, 0);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn an_order_that_ends_before_it_is_made_costs_nothing_and_leaves_nothing() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "10").await;
        let by = Actor::command();
        let canceled = store.order_place(&order("acme", "lobby", "survival")).await.unwrap().order;
        let failed = store.order_place(&order("acme", "arena", "survival")).await.unwrap().order;
        store.order_begin(&failed.id).await.unwrap();

        let canceled = store.order_terminate(&canceled.id, None, &by).await.unwrap();
        let failed = store.order_fail(&failed.id, "the image is gone").await.unwrap();

        assert_eq!((canceled.phase, failed.phase), (OrderPhase::Canceled, OrderPhase::Failed));
        let wishes = store.order_wishes().await.unwrap();
        assert_eq!(wishes.orders.len(), 0);
        assert_eq!(wishes.ended.keys().collect::<Vec<_>>(), [&failed.id], "something may be left");
        store.order_clear(&failed.id).await.unwrap();
        assert!(store.order_wishes().await.unwrap().ended.is_empty());
        assert_eq!(wallet(store, "acme").await, "EUR 10.000000 held 0.000000 free 10.000000");
        assert_eq!(store.quota_use("acme").await.unwrap(), lessor_store::Need::default());
        // The name is free again, and so is the port.
        let again = store.order_place(&order("acme", "lobby", "survival")).await.unwrap();
        assert!(again.claims.values().any(|value| value == "25565"), "{:?}", again.claims);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn trying_an_order_says_all_and_changes_nothing() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "10").await;
        let mut request = order("acme", "lobby", "survival");
        request.dry_run = true;

        let tried = store.order_place(&request).await.unwrap();
        request.dry_run = false;
        let placed = store.order_place(&request).await.unwrap();

        assert_eq!(tried.claims, placed.claims);
        assert_eq!(tried.quote, placed.quote);
        assert_eq!(placed.quote.unwrap().held, money("0.0149"));
        assert_eq!(store.order_show(&tried.order.id).await.unwrap().map(|order| order.id), None);
        assert_eq!(store.quota_use("acme").await.unwrap().instances, 1);
        assert_eq!(wallet(store, "acme").await, "EUR 10.000000 held 0.014900 free 9.985100");
    }
}

#[tokio::test]
async fn the_same_request_is_carried_out_once() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        let mut request = order("acme", "lobby", "free");
        (request.key, request.client_ref) = (Some(key("k1", "a")), Some("ticket-7".into()));

        let first = store.order_place(&request).await.unwrap();
        let again = store.order_place(&request).await.unwrap();
        request.key = Some(key("k1", "b"));
        let reused = declined(store.order_place(&request).await);
        (request.key, request.name) = (Some(key("k2", "c")), "arena".into());
        let placed = declined(store.order_place(&request).await);

        assert_eq!((first.repeated, again.repeated), (false, true));
        assert_eq!(first.order.id, again.order.id);
        let said = format!("{reused}\n{placed}").replace(&first.order.id, "ord_1");
        same_snapshot!(said, @r"
        the idempotency key `k1` was used for another request
        `ticket-7` was ordered already, as `ord_1`
        ");
        assert_eq!(store.quota_use("acme").await.unwrap().instances, 1);
    }
}

#[tokio::test]
async fn what_cannot_be_ordered_is_declined_with_its_reason() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let closed = declined(store.order_place(&order("acme", "lobby", "free")).await);
        open_shop(store).await;
        store.order_place(&order("acme", "taken", "free")).await.unwrap();
        for number in 0..3 {
            let request = order("small", &format!("one-{number}"), "free");
            store.order_place(&request).await.unwrap();
        }
        let with = |change: &dyn Fn(&mut lessor_store::OrderRequest)| {
            let mut request = order("acme", "lobby", "free");
            change(&mut request);
            request
        };
        let secret = "secret://env/TOKEN".parse().unwrap();
        let requests = [
            order("nobody", "lobby", "free"),
            order("acme", "Not A Name", "free"),
            order("acme", "taken", "free"),
            order("acme", "lobby", "gold"),
            order("acme", "lobby", "free@000000000000"),
            order("acme", "lobby", "survival"),
            order("acme", "lobby", "huge"),
            order("small", "lobby", "free"),
            with(&|request| request.instance.image = Some("vanilla".into())),
            with(&|request| request.instance.location = Some("mars".into())),
            with(&|request| request.instance.cpu = Some(3)),
            with(&|request| request.promo = Some("WELCOME".into())),
            with(&|request| request.client_ref = Some("a\0b".into())),
            with(&|request| request.key = Some(key("", "a"))),
            with(&|request| {
                request
                    .instance
                    .env
                    .insert("TOKEN".into(), EnvValue::Secret(Clone::clone(&secret)));
            }),
        ];
        let before = store.quota_use("acme").await.unwrap();

        let mut said = vec![closed.to_string()];
        for request in &requests {
            said.push(declined(store.order_place(request).await).to_string());
        }

        same_snapshot!(said.join("\n"), @r"
        nothing is offered yet: no specs were applied
        there is no tenant `nobody`
        a name holds letters, digits, `-` and `.`; found ' ' in `Not A Name`
        `acme/taken` exists already
        there is no offer `gold`
        there is no offer `free@000000000000`
        `acme` has EUR 0.000000 left, and EUR 0.014900 is needed
        nothing is left: there is no room for it on `docker.par1`
        `small` may have 3 of instances, and would have 4
        name one that the offer has
        `instance.acme/lobby` has no host to run on; `instance.acme/lobby` runs in `mars`, where `offer.free@6fad1089368f` is not sold; `instance.acme/lobby` runs in location `mars`, which no spec defines
        `instance.acme/lobby` has no use for `cpu`: its offer says how large its container is
        the code `WELCOME` cannot be used: there is no such code
        a `client_ref` has 1 to 128 characters that can be printed
        an idempotency key has 1 to 255 characters that can be printed
        `instance.acme/lobby` refers to a secret of ours in `env.TOKEN`
        ");
        assert_eq!(store.quota_use("acme").await.unwrap(), before);
        assert_eq!(store.order_list(&OrderFilter::default(), 100).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn an_order_keeps_what_it_bought_when_the_offer_changes_or_goes() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        let bought = store.order_place(&order("acme", "lobby", "large")).await;
        declined(bought);
        pay(store, "acme", "10").await;
        let bought = store.order_place(&order("acme", "lobby", "large")).await.unwrap();
        let dearer = crate::shop::SHOP.replace("0.500000", "0.600000");
        crate::shop::apply(store, &dearer).await;

        let version = &bought.order.instance.offer;
        let quoted = store.order_place(&order("acme", "quoted", version)).await.unwrap();
        let fresh = store.order_place(&order("acme", "fresh", "large")).await.unwrap();

        assert_eq!(&quoted.order.instance.offer, version);
        let held = |placed: &lessor_store::Placed| placed.quote.as_ref().unwrap().held;
        assert_eq!((held(&quoted), held(&fresh)), (money("0.5"), money("0.6")));
        let wishes = store.order_wishes().await.unwrap();
        let tree = store.revision_tree(2).await.unwrap().unwrap();
        let specs = parse(tree).unwrap().specs.with_orders(&wishes, store.now()).unwrap();
        assert_eq!(specs.instance.len(), 3);
        assert_eq!(specs.instance["acme/lobby"].offer, *version);
    }
}

#[tokio::test]
async fn another_size_is_another_offer_and_costs_the_difference_at_once() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "1").await;
        let small = running(store, "acme", "lobby", "survival").await;
        let by = Actor::command();
        let larger = lessor_store::OrderChange { offer: Some("large".into()), ..<_>::default() };
        let moved = declined(store.order_resize(&small.id, Some(1), &larger, &by).await);

        let large = store.order_resize(&small.id, Some(small.version), &larger, &by).await.unwrap();
        let same = store.order_resize(&small.id, Some(large.version), &larger, &by).await.unwrap();

        assert_eq!(same.version, large.version);
        assert!(large.instance.offer.starts_with("large@"), "{}", large.instance.offer);
        same_snapshot!(moved.to_string().replace(&small.id, "ord_1"), @"order `ord_1` is at version 3, not 1");
        let lines = store.usage_of_order(&small.id).await.unwrap();
        let sum: i64 = lines.iter().map(|line| line.amount.micros()).sum();
        assert!((499_000..=500_000).contains(&sum), "{sum}");
        let huge = lessor_store::OrderChange { offer: Some("huge".into()), ..<_>::default() };
        declined(store.order_resize(&small.id, None, &huge, &by).await);
        assert_eq!(store.quota_use("acme").await.unwrap().instances, 1);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        for number in 0..5 {
            store.order_place(&order("acme", &format!("one-{number}"), "free")).await.unwrap();
        }
        store.order_place(&order("globex", "other", "free")).await.unwrap();

        let filter = OrderFilter { tenant: Some("acme".into()), ..OrderFilter::default() };
        let mut names = Vec::new();
        let mut before = None;
        loop {
            let page = OrderFilter { before, ..filter.clone() };
            let orders = store.order_list(&page, 2).await.unwrap();
            let Some(last) = orders.last() else { break };
            before = Some(last.id.clone());
            names.extend(orders.iter().map(|order| order.name.clone()));
        }

        names.sort();
        assert_eq!(names, ["one-0", "one-1", "one-2", "one-3", "one-4"]);
        let active = OrderFilter { phase: Some(OrderPhase::Active), ..OrderFilter::default() };
        assert!(store.order_list(&active, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_order_for_which_the_network_of_its_tenant_has_no_address_is_declined() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let own = "[instance.\"acme/own\"]\noffer = \"free\"\n";
        crate::shop::apply(store, &format!("{}{own}", crate::shop::SHOP)).await;
        let mut placed = Vec::new();
        for number in 1..=12 {
            let request = order("acme", &format!("one-{number}"), "free");
            placed.push(store.order_place(&request).await.unwrap().order.id);
        }

        let mut request = order("acme", "late", "free");
        let late = declined(store.order_place(&request).await);
        request.dry_run = true;
        let tried = declined(store.order_place(&request).await);
        let other = store.order_place(&order("globex", "first", "free")).await;

        assert_eq!(late, tried);
        assert!(other.is_ok(), "{other:?}");
        same_snapshot!(format!("{late}\n{}", late.hint().unwrap()), @"
        `bridge.tenants` has no address left for `tenant.acme` on `docker.par1`: 13 of 13 are taken
        end an instance, and wait until its data is gone; or choose another location
        ");
        assert_eq!(store.quota_use("acme").await.unwrap().instances, 12);
        // Whoever is gone makes room.
        store.order_terminate(&placed[0], None, &Actor::command()).await.unwrap();
        request.dry_run = false;
        store.order_place(&request).await.unwrap();
    }
}

#[tokio::test]
async fn a_machine_for_which_the_vlan_of_its_tenant_has_no_address_is_declined() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        crate::shop::open_cluster(store, "29").await;
        for number in 1..=4 {
            let request = order("acme", &format!("one-{number}"), "vps");
            store.order_place(&request).await.unwrap();
        }

        let late = declined(store.order_place(&order("acme", "late", "vps")).await);

        same_snapshot!(late.to_string(), @"10.100.0.0/29 of `tenant.acme` has no address left");
        store.order_place(&order("globex", "first", "vps")).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_plan_gives_back_stays_with_who_ordered_since() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        let placed = store.order_place(&order("acme", "lobby", "free")).await.unwrap();
        let claims = store.claim_list().await.unwrap();
        let plan = || {
            let mut plan = crate::fixture::Plan::new("later", 1);
            plan.forget.claims = claims.keys().cloned().collect();
            plan
        };

        store.apply_begin_orders(plan().begin()).await.unwrap();
        assert_eq!(store.claim_list().await.unwrap(), claims);
        store.order_terminate(&placed.order.id, None, &Actor::command()).await.unwrap();
        store.apply_begin_orders(plan().begin()).await.unwrap();

        assert_eq!(store.claim_list().await.unwrap(), [].into());
    }
}
