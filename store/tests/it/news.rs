//! What happens to all orders, in one list, and how many there are.

use std::collections::BTreeMap;

use lessor_specs::OrderPhase;
use lessor_store::{Actor, Declared, OrderNews, Store};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{open_shop, order, pay};

/// Every event behind one, read in pages of two.
async fn read(store: &Store, tenant: Option<&str>) -> Vec<OrderNews> {
    let (mut all, mut after) = (Vec::new(), (jiff::Timestamp::MIN, String::new()));
    loop {
        let page = store.order_news(tenant, (after.0, &after.1), 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = (last.event.at, last.event.id.clone());
        all.extend(page);
    }
}

fn said(news: &[OrderNews]) -> String {
    let line = |one: &OrderNews| format!("{}/{} {}", one.tenant, one.name, one.event.kind);
    news.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn what_happened_to_all_orders_is_read_on_and_on_and_counted() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "10").await;
        let lobby = store.order_place(&order("acme", "lobby", "survival")).await.unwrap().order;
        store.order_begin(&lobby.id).await.unwrap();
        let web = store.order_place(&order("globex", "web", "free")).await.unwrap().order;
        store.order_activate(&lobby.id, None).await.unwrap();
        store.order_terminate(&web.id, None, &Actor::command()).await.unwrap();

        let all = read(store, None).await;
        assert_eq!(
            said(&all),
            "acme/lobby placed, acme/lobby begun, globex/web placed, acme/lobby settled, \
             globex/web terminated"
        );
        assert_eq!(
            said(&read(store, Some("globex")).await),
            "globex/web placed, globex/web terminated"
        );
        assert_eq!(store.order_event_at(&all[2].event.id).await.unwrap(), Some(all[2].event.at));
        assert_eq!(store.order_event_at("evt_none").await.unwrap(), None);

        let tenant = Declared {
            id: "acme".into(),
            quota: None,
            timezone: "UTC".into(),
            owners: Vec::new(),
            credit: BTreeMap::new(),
        };
        store.tenant_create(&tenant, "Acme", None, &Actor::command()).await.unwrap();
        let counts = store.counts().await.unwrap();
        let phases = [(OrderPhase::Active, 1), (OrderPhase::Canceled, 1)];
        assert_eq!(counts.orders.into_iter().collect::<Vec<_>>(), phases);
        assert_eq!((counts.tenants, counts.accounts, counts.owing), (1, 0, 0));
    }
}
