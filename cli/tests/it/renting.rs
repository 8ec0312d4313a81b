//! `lessor order` and `lessor ledger`.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Shop;

/// A provider that rents.
const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[offer.small]
images = ["paper"]
price = { currency = "EUR", hourly = "0.014900" }
container = { cpu = "1", memory = "2GiB", disk = "10GiB" }
[offer.large]
images = ["paper"]
price = { currency = "EUR", hourly = "0.050000" }
container = { cpu = "2", memory = "4GiB", disk = "10GiB" }
[tenant.acme]
"#;

#[test]
fn orders_are_placed_switched_and_ended_and_their_money_is_kept() {
    let shop = Shop::new(SHOP);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_snapshot!(shop.lessor("order place acme/lobby --offer small"), @"
    err| error: `acme` has EUR 0.000000 left, and EUR 0.014900 is needed
    err|   hint: add money to the wallet, and try again
    exit 1
    ");
    assert_snapshot!(shop.lessor("order place lobby --offer small"), @"
    err| error: `lobby` does not say whose order it is
    err|   hint: such as `acme/lobby`
    exit 64
    ");
    assert_snapshot!(shop.lessor("ledger credit globex 5 EUR --memo gift"), @"
    err| error: there is no tenant `globex`
    err|   hint: `lessor tenant list` shows all of them
    exit 1
    ");
    assert_eq!(shop.lessor("tenant create globex").code, 0);
    assert_snapshot!(shop.lessor("ledger credit globex 5 EUR --memo gift"), @"
    globex  EUR 5.000000 left
    exit 0
    ");

    let tried = shop.lessor("order place globex/lobby --offer small --dry-run");
    assert_eq!((tried.code, shop.lessor("order list").stdout), (0, String::new()));
    let placed = shop.lessor("order place globex/lobby --offer small --format json");
    let placed: Value = serde_json::from_str(&placed.stdout).unwrap();
    let id = placed["id"].as_str().unwrap();
    let without = |text: String| text.replace(id, "ord_1");
    let stopped = without(shop.lessor("order stop globex/lobby").stdout);
    let ended = without(shop.lessor(&format!("order end {id}")).stdout);
    assert_snapshot!(format!("{stopped}{ended}"), @"
    ord_1  globex/lobby  pending  off  small@529c4e7f80b9  EUR 0.014900/h
    ord_1  globex/lobby  canceled  off  small@529c4e7f80b9  EUR 0.014900/h
    ");
    assert_snapshot!(shop.lessor("order end globex/lobby"), @"
    err| error: there is no order `globex/lobby`
    err|   hint: `lessor order list` shows all of them
    exit 1
    ");
    let story = shop.lessor(&format!("order show {id}")).stdout;
    let story: Vec<_> = story.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_snapshot!(story.join(" "), @"globex/lobby placed switched terminated");
    assert_snapshot!(shop.lessor("ledger verify"), @"
    1 transactions and 1 wallets add up
    exit 0
    ");
    assert!(shop.lessor("ledger list globex").stdout.contains("EUR 5.000000  gift"));
}

#[test]
fn a_database_without_the_orders_takes_nothing_away() {
    let free =
        SHOP.replacen(r#"price = { currency = "EUR", hourly = "0.014900" }"#, "price = {}", 1);
    let shop = Shop::new(&free);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.lessor("order place acme/lobby --offer small").code, 0);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    let other = "apply --yes --database sqlite:other.db";
    // There is none yet, so nobody says that there are no orders.
    assert_eq!(shop.lessor(other).code, 0);

    let ran = shop.lessor(other);

    assert_eq!(ran.code, 3, "{ran}");
    assert_snapshot!(ran.stderr, @"
    held[E1106]: the plan removes 1 thing that a customer ordered, and there is no order at all (rule `orders`)
      hint: to agree, run `lessor apply --yes --database sqlite:other.db --allow orders`
    ");
    assert!(shop.lessor("show").stdout.contains("acme_lobby"));
}
