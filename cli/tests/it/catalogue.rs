//! What customers can have, changed by a plan.

use insta::assert_snapshot;

use crate::support::{RENT, Shop};

#[test]
fn a_price_alone_is_planned_pending_and_applied() {
    let shop = Shop::applied(&RENT.replace("price = {}", PRICE));
    shop.change("0.0149", "0.0199");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode -o price.plan"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    1 to change. No data is destroyed.
    err| saved plan ID to `price.plan`
    exit 2
    ");
    assert_snapshot!(shop.lessor("drift"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    1 to change.
    exit 2
    ");
    assert_eq!(shop.lessor("drift --fail-on changed,missing").code, 0);

    // It stands in the saved plan, whatever lies in the directory by then.
    shop.change("0.0199", "0.0299");
    assert_snapshot!(shop.lessor("apply price.plan --yes"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    1 to change. No data is destroyed.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
    assert_eq!(shop.lessor("apply price.plan --yes").code, 0, "it is done already");
    assert_snapshot!(shop.lessor("plan"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.019900 → 0.029900
    1 to change. No data is destroyed.
    exit 0
    ");
    shop.change("0.0299", "0.0199");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
}

const PRICE: &str = "price = { currency = \"EUR\", hourly = \"0.0149\" }";

#[test]
fn what_customers_can_have_does_not_go_with_an_emptied_directory() {
    let shop = Shop::applied(
        "[docker.local]\nendpoint = \"memory:host.json\"\n[quota.default]\ninstances = 3\n",
    );
    shop.change("[quota.default]\ninstances = 3\n", "");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - quota.default  catalogue  no longer declared
    1 to remove. No data is destroyed.
    err| held[E1103]: no spec declares anything, and customers could have nothing any more (rule `empty`)
    err|   hint: to agree, run `lessor apply --yes --allow empty`
    exit 3
    ");
    assert_eq!(shop.lessor("apply --yes --allow empty").code, 0);
    assert_snapshot!(shop.lessor("plan"), @"
    In sync: nothing is there, as declared.
    exit 0
    ");
}

#[test]
fn it_is_shown_whole_whatever_is_selected() {
    let shop = Shop::applied(&RENT.replace("price = {}", PRICE));
    shop.change("0.0149", "0.0199");
    assert_snapshot!(shop.lessor("plan --target instance.acme/*"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    ? catalogue              changes as a whole, whatever is selected
    1 to change, 1 note. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan --target offer.small"), @"
    ~ offer.small  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    ? selection              cannot be done[E1001]: `offer.small` selects nothing: the catalogue changes as a whole
          hint: apply without selecting it
    ? catalogue              changes as a whole, whatever is selected
    1 to change, 1 problem, 1 note. No data is destroyed.
    exit 1
    ");
}
