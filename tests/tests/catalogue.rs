//! What customers can have is planned like anything else, and takes no step.

use insta::assert_snapshot;
use jiff::Timestamp;
use lessor_engine::{Before, Consent, Scope, Wishes, gate, may_concern_customers};
use lessor_plans::Plan;
use lessor_plans::render::{Purpose, View, junit, markdown};
use lessor_specs::kinds::Tenant;
use lessor_specs::{Orders, Tree};
use lessor_tests::{Sim, rendered};

const SOLD: &str = r#"
[docker.par1]
endpoint = "unix:///var/run/docker.sock"
location = "par1"
[location.par1]
[image.paper.container]
ref = "paper:1.21"
[offer.survival-2g]
images = ["paper"]
price = { currency = "EUR", hourly = "0.0149" }
[offer.survival-2g.container]
cpu = "1"
memory = "2GiB"
[quota.default]
instances = 3
[tenant.acme]
owners = ["alice@example.net"]
quota = "default"
[promo_code.WELCOME26]
percent = "25"
"#;

/// What files ask for by now, and what they asked for when somebody applied last.
async fn plan(now: &str, before: Before) -> Plan {
    let sim = Sim::new();
    sim.plan_for(&wishes(&sim, now, before)).await
}

fn wishes(sim: &Sim, now: &str, before: Before) -> Wishes {
    Wishes { before, ..sim.wishes(now) }
}

fn applied(text: &str) -> Before {
    Before::Other(Sim::new().wishes(text).specs)
}

#[tokio::test]
async fn all_of_it_is_new_before_anybody_applied() {
    assert_snapshot!(rendered(&plan(SOLD, Before::Nothing).await), @"
    + offer.survival-2g     catalogue  new
    + promo_code.WELCOME26  catalogue  new
    + quota.default         catalogue  new
    + tenant.acme           catalogue  new
    4 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_an_entry_says_otherwise_is_shown_by_attribute_and_what_is_gone_goes() {
    let now = SOLD
        .replace("0.0149", "0.019900")
        .replace(r#"memory = "2GiB""#, "memory = \"2048MiB\"\nports = []")
        .replace("instances = 3\n", "instances = 3\ncpu = \"8\"\n")
        .replace("[promo_code.WELCOME26]\npercent = \"25\"\n", "[tenant.globex]\n");

    assert_snapshot!(rendered(&plan(&now, applied(SOLD)).await), @"
    ~ offer.survival-2g     catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    - promo_code.WELCOME26  catalogue  no longer declared
    ~ quota.default         catalogue  cpu changed
          cpu: (none) → 8
    + tenant.globex         catalogue  new
    1 to add, 2 to change, 1 to remove. No data is destroyed.
    ");
}

#[tokio::test]
async fn it_is_shown_in_reports_beside_hosts() {
    let now = SOLD.replace("0.0149", "0.0199");
    let view = View::of(&plan(&now, applied(SOLD)).await, Purpose::Drift);

    assert_snapshot!(markdown(&view) + &junit(&view), @r#"
    ### lessor drift

    **1 to change.**

    | host | what |
    | --- | --- |
    | `catalogue` | 1 to change |

    #### `catalogue`

    | | | |
    | --- | --- | --- |
    | `~` | `offer.survival-2g` | `price.hourly` changed<br>`price.hourly`: `0.014900` → `0.019900` |
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor drift" tests="1" failures="1" errors="0">
      <testsuite name="catalogue" tests="1" failures="1" errors="0" skipped="0">
        <testcase name="offer.survival-2g" classname="catalogue">
          <failure type="changed" message="offer.survival-2g: price.hourly changed">offer.survival-2g: price.hourly changed
    price.hourly: 0.014900 → 0.019900</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[tokio::test]
async fn what_is_equal_is_not_there_however_it_is_written() {
    let now = SOLD.replace("0.0149", "0.014900").replace("2GiB", "2048MiB");

    assert!(plan(&now, applied(SOLD)).await.is_empty());
}

#[tokio::test]
async fn it_is_not_compared_where_nobody_knows_what_was_applied() {
    assert_snapshot!(rendered(&plan(SOLD, Before::Unknown).await), @"
    ? catalogue            4 entries are for customers, and nobody here knows what was applied; not compared
          hint: name the database they are served from: `--database URL`
    In sync: nothing is there, as declared; 1 note.
    ");
}

#[tokio::test]
async fn a_run_for_orders_alone_changes_nothing_of_it() {
    let sim = Sim::new();
    let mut wishes = wishes(&sim, SOLD, Before::Nothing);
    wishes.selection.scope = Scope::Orders;

    assert!(sim.plan_for(&wishes).await.catalogue.is_empty());
}

#[tokio::test]
async fn it_changes_as_a_whole_whatever_is_selected() {
    let sim = Sim::new();
    let mut wishes = wishes(&sim, &SOLD.replace("0.0149", "0.0199"), applied(SOLD));
    wishes.selection.excludes = vec!["offer.survival-2g".parse().unwrap()];

    assert_snapshot!(rendered(&sim.plan_for(&wishes).await), @"
    ~ offer.survival-2g  catalogue  price.hourly changed
          price.hourly: 0.014900 → 0.019900
    ? selection                    cannot be done[E1001]: `offer.survival-2g` selects nothing: the catalogue changes as a whole
          hint: apply without selecting it
    ? catalogue                    changes as a whole, whatever is selected
    1 to change, 1 problem, 1 note. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_orders_bring_along_is_none_of_it() {
    let tenants = [("acme".to_owned(), Tenant::default())].into();
    let orders = Orders { tenants, ..Orders::default() };
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let without =
        SOLD.replace("[tenant.acme]\nowners = [\"alice@example.net\"]\nquota = \"default\"\n", "");
    let sim = Sim::new();
    let mut wishes = wishes(&sim, &without, applied(SOLD));
    wishes.specs = wishes.specs.with_orders(&orders, now).unwrap().into();

    let plan = sim.plan_for(&wishes).await;

    let shown: Vec<_> = plan.catalogue.iter().map(|entry| entry.address.to_string()).collect();
    assert_eq!(shown, ["tenant.acme"]);
}

#[tokio::test]
async fn nothing_of_it_counts_as_a_removal_but_all_of_it_going_is_held() {
    let held = |text: &'static str| async move {
        let plan = plan(text, applied(SOLD)).await;
        let consent = Consent::none(plan.id());
        gate(plan, &consent).err().map(|held| format!("{held:#?}"))
    };
    let location = "[docker.par1]\nendpoint = \"unix:///var/run/docker.sock\"\n[location.par1]\n";

    assert_eq!(held(location).await, None);
    assert_snapshot!(
        held("[docker.par1]\nendpoint = \"unix:///var/run/docker.sock\"\n").await.unwrap(), @r#"
    Held {
        plan: 264b06c7f26f63da9b64cb1d48fc69219a6056b3c2093da2b4cb0a223c283453,
        rules: [
            HeldRule {
                rule: Empty,
                why: "no spec declares anything, and customers could have nothing any more",
                consent: "--allow empty",
            },
        ],
    }
    "#
    );
}

#[test]
fn files_that_say_nothing_of_customers_are_told_without_being_read() {
    let may = |text: &str| {
        may_concern_customers(&Tree::new([("specs.toml".to_owned(), text.to_owned())].into()))
    };
    assert!(may(SOLD) && may("[\"off\\u0065r\".x]\nprice = {}\n"));
    assert!(!may("[docker.par1]\n[network.front]\n[container.web]\nimage = \"nginx:1.27\"\n"));
}
