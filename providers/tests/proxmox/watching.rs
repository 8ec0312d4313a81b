//! Looking after one guest.

use lessor_engine::{Health, WatchError, Watched, Watcher as _};
use lessor_plans::Body;

use crate::wishes::{address, container, pool, vm, with};
use crate::world::{World, create, update};

fn watched(body: &Body) -> Watched {
    Watched { address: address(body), name: body.name().to_owned() }
}

#[tokio::test]
async fn what_a_guest_uses_is_asked_of_the_node_it_is_on_and_only_for_the_guest_that_is_meant() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let provider = world.provider();
    for body in [vm(20_001), container(20_002)] {
        create(&world, &body).await;
        let thing = watched(&body);

        let usage = provider.usage(&thing).await.unwrap();
        assert!(usage.running && usage.memory_limit == Some(2 << 30), "{usage:?}");
        assert!(usage.cpu.is_some() && usage.received.is_some(), "{usage:?}");
        assert_eq!(provider.probe(&thing, None).await.unwrap(), Health::Well);

        let other = Watched { address: "instance.acme/other".parse().unwrap(), ..thing.clone() };
        let error = provider.usage(&other).await.unwrap_err();
        assert!(matches!(error, WatchError::NotOurs(_)), "{error:?}");
        let absent = Watched { name: "20900".into(), ..thing };
        assert_eq!(provider.usage(&absent).await.unwrap_err(), WatchError::Absent);
    }
}

#[tokio::test]
async fn a_guest_is_started_anew_whether_it_runs_or_not() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let (body, provider) = (vm(20_001), world.provider());
    create(&world, &body).await;
    let thing = watched(&body);
    let pid = async || world.state().await["guests"]["20001"]["power"].to_string();
    let before = pid().await;

    provider.restart(&thing).await.unwrap();
    assert_ne!(pid().await, before);
    update(&world, &with(&body, |guest| guest.running = false)).await;
    let ill = provider.probe(&thing, None).await.unwrap();
    assert_eq!(ill, Health::Ill("it does not run".into()));
    provider.restart(&thing).await.unwrap();
    assert_eq!(provider.probe(&thing, None).await.unwrap(), Health::Well);
}
