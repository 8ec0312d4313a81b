//! Rules stand where they shall, and those of others stay where they are.

use lessor_engine::{ApplyError, Provider as _};
use lessor_plans::{Act, Body};

use crate::things::{Thing, rule};
use crate::world::{VERSIONS, World, change, rule_of, strange_rule};

fn behind(tracker: u32, after: &str) -> Thing {
    let mut thing = rule(tracker);
    rule_of(&mut thing).after = Some(after.into());
    thing
}

/// Rules of others on `wan`, before, between and behind ours, and one of ours elsewhere.
async fn mixed() -> World {
    let world = World::new(VERSIONS[0]).await;
    world.other("POST", "/firewall/rule", strange_rule("wan", "first", 71)).await;
    world.create(&rule(1)).await;
    world.other("POST", "/firewall/rule", strange_rule("wan", "middle", 72)).await;
    world.create(&rule(2)).await;
    world.other("POST", "/firewall/rule", strange_rule("wan", "last", 73)).await;
    let mut elsewhere = rule(9);
    rule_of(&mut elsewhere).interface = "lan".into();
    world.create(&elsewhere).await;
    world
}

/// The whole list, in its order.
async fn order(world: &World) -> String {
    let rules = world.listed("/firewall/rules", "tracker").await;
    // Two rules were there from the beginning.
    rules[2..].join(" ")
}

async fn after(world: &World, tracker: u32) -> Option<String> {
    match world.present(&rule(tracker)).await.body {
        Body::Rule(rule) => rule.after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_rule_says_which_of_ours_is_before_it() {
    let world = mixed().await;
    assert_eq!(order(&world).await, "71 1 72 2 73 9");
    let after = [after(&world, 1).await, after(&world, 2).await, after(&world, 9).await];
    assert_eq!(after.map(Option::unwrap), ["", "1", ""]);
}

#[tokio::test]
async fn a_new_rule_goes_right_behind_another_before_the_first_or_to_the_end() {
    let world = mixed().await;
    world.create(&behind(3, "1")).await;
    assert_eq!(order(&world).await, "71 1 3 72 2 73 9");
    world.create(&behind(4, "")).await;
    assert_eq!(order(&world).await, "71 4 1 3 72 2 73 9");
    world.create(&rule(5)).await;
    assert_eq!(order(&world).await, "71 4 1 3 72 2 73 9 5");
    let mut first = behind(6, "");
    rule_of(&mut first).interface = "opt1".into();
    world.create(&first).await;
    assert_eq!(order(&world).await, "71 4 1 3 72 2 73 9 5 6");
    world.assert_as_wished(&behind(3, "1")).await;
}

#[tokio::test]
async fn a_rule_that_is_out_of_order_moves_and_no_other_does() {
    let world = mixed().await;
    world.create(&rule(3)).await;
    assert_eq!(order(&world).await, "71 1 72 2 73 9 3");
    world.update(&behind(3, "1")).await;
    assert_eq!(order(&world).await, "71 1 3 72 2 73 9");
    world.update(&behind(1, "2")).await;
    assert_eq!(order(&world).await, "71 3 72 2 1 73 9");
    world.update(&behind(1, "")).await;
    assert_eq!(order(&world).await, "71 1 3 72 2 73 9");
    // What stands where it shall is not moved.
    world.forget_calls();
    world.update(&behind(2, "3")).await;
    assert_eq!(world.written(), ["POST /firewall/apply"]);
}

#[tokio::test]
async fn a_rule_moved_by_hand_is_seen_and_moved_back() {
    let world = mixed().await;
    let moved = serde_json::json!({"id": 5, "placement": 2});
    world.other("PATCH", "/firewall/rule", moved).await;
    assert_eq!(order(&world).await, "2 71 1 72 73 9");
    assert_eq!(after(&world, 1).await.as_deref(), Some("2"));

    world.update(&behind(2, "1")).await;

    assert_eq!(order(&world).await, "71 1 2 72 73 9");
}

#[tokio::test]
async fn the_place_is_looked_up_right_before_the_write() {
    let world = mixed().await;
    // Somebody else puts a rule at the top while ours is on its way.
    let mut top = strange_rule("wan", "top", 70);
    top["placement"] = 0.into();
    world.before("GET /vpn/wireguard/peers", "POST", "/firewall/rule", &top);

    world.create(&behind(3, "1")).await;

    let rules = world.listed("/firewall/rules", "tracker").await;
    assert_eq!(rules[0], "70");
    assert_eq!(rules[3..].join(" "), "71 1 3 72 2 73 9");
}

#[tokio::test]
async fn a_rule_comes_before_the_first_though_that_one_goes_at_the_same_time() {
    let world = mixed().await;
    let (gone, wished) = (change(&rule(1)), change(&behind(2, "")));
    let goes = world.provider().apply(Act::Delete, &gone);
    let (goes, comes) = tokio::join!(goes, world.provider().apply(Act::Update, &wished));
    goes.unwrap();
    assert!(matches!(comes, Err(ApplyError::Transient { .. })), "{comes:?}");

    world.update(&behind(2, "")).await;

    assert_eq!(order(&world).await, "71 72 2 73 9");
}
