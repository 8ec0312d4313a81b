//! What customers ordered, beside what files declare.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use insta::assert_snapshot;
use jiff::Timestamp;
use lessor_specs::load::parse;
use lessor_specs::orders::{EndedOrder, OrderEntry, Version};
use lessor_specs::{Address, OrderPhase, Orders, Specs, Tree};

const SPECS: &str = r#"
[location.par1]
country = "FR"
city = "Paris"
[docker.par1]
location = "par1"
[port_range.games]
docker = "par1"
range = "25565-25574"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image.paper.container]
ref = "paper:1"
env = { EULA = "TRUE", SEED = "secret://env/SEED" }
[offer.survival]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.014900" }
[offer.survival.container]
cpu = "1"
memory = "2GiB"
disk = "10GiB"
ports = [{ range = "games", container = 25565 }]
[quota.one]
instances = 1
[tenant.acme]
quota = "one"
"#;

fn specs(text: &str) -> Specs {
    let tree = Tree::new([("specs.toml".to_owned(), text.to_owned())].into());
    (*parse(tree).unwrap().specs).clone()
}

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

/// Orders of the offer as [`SPECS`] have it: each by its name, with its phase.
fn orders(of: &[(&str, OrderPhase)]) -> Orders {
    let version = Version::of(&specs(SPECS), "survival").unwrap();
    let mut orders = Orders::default();
    for (number, (name, phase)) in of.iter().enumerate() {
        let instance = toml::from_str(&format!("offer = {:?}", version.name)).unwrap();
        let entry = OrderEntry {
            id: format!("ord_{}", number + 1),
            phase: *phase,
            stopped: false,
            ended_by: None,
            keep_until: None,
            instance,
        };
        orders.orders.insert((*name).to_owned(), entry);
    }
    orders.add_version(version);
    orders
}

fn told(text: &str, orders: &Orders) -> String {
    specs(text).with_orders(orders, now()).map_or_else(|r| r.to_string(), |_| "fits".into())
}

#[test]
fn orders_are_written_the_same_and_read_back_without_a_loss() {
    let mut orders =
        orders(&[("acme/lobby", OrderPhase::Active), ("acme/old", OrderPhase::Terminating)]);
    let old = orders.orders.get_mut("acme/old").unwrap();
    old.ended_by = Some("evt_1".into());
    old.keep_until = Some("2026-12-06T12:00:00Z".parse().unwrap());
    let over = EndedOrder { name: "acme/older".into(), event: "evt_0".into() };
    orders.ended.insert("ord_0".into(), over);

    let text = orders.to_toml();

    assert_snapshot!(text, @r#"
    # What customers ordered, as entries beside spec files. Written by `lessor render --orders`.
    # Nothing is changed by editing this: change the orders.

    format = "lessor-orders/1"

    [image."paper@ef4632e0e1d6".container]
    ref = "paper:1"
    data = "/data"

    [image."paper@ef4632e0e1d6".container.env]
    EULA = "TRUE"
    SEED = "secret://env/SEED"

    [offer."survival@0f13709a6c00"]
    images = ["paper@ef4632e0e1d6"]
    locations = ["par1"]
    firewall = []

    [offer."survival@0f13709a6c00".price]
    currency = "EUR"
    hourly = "0.014900"

    [offer."survival@0f13709a6c00".container]
    cpu = "1"
    memory = "2GiB"
    disk = "10GiB"
    pids = 512

    [[offer."survival@0f13709a6c00".container.ports]]
    range = "games"
    container = 25565
    protocol = "tcp"

    [order."acme/lobby"]
    id = "ord_1"
    phase = "active"

    [order."acme/lobby".instance]
    offer = "survival@0f13709a6c00"
    keys = []
    moved = []

    [order."acme/lobby".instance.env]

    [order."acme/old"]
    id = "ord_2"
    phase = "terminating"
    ended_by = "evt_1"
    keep_until = "2026-12-06T12:00:00Z"

    [order."acme/old".instance]
    offer = "survival@0f13709a6c00"
    keys = []
    moved = []

    [order."acme/old".instance.env]

    [ended.ord_0]
    name = "acme/older"
    event = "evt_0"
    "#);
    assert_eq!(Orders::from_toml("orders.toml", &text).unwrap().to_toml(), text);
}

#[test]
fn a_version_is_named_by_what_it_says() {
    let of = |text: &str| Version::of(&specs(text), "survival").unwrap().name;
    let same = of(&format!("# The same.\n{}", SPECS.replace("price = {", "price = {  ")));
    let dearer = of(&SPECS.replace("0.014900", "0.019900"));
    let other_image = of(&SPECS.replace("paper:1", "paper:2"));
    let elsewhere = of(&SPECS.replace("country = \"FR\"", "country = \"CH\""));
    assert_snapshot!(
        [of(SPECS), same, dearer, other_image, elsewhere].join("\n"), @"
    survival@0f13709a6c00
    survival@0f13709a6c00
    survival@10f9d0a59a2e
    survival@fce0c4ec7b4d
    survival@0f13709a6c00
    "
    );
}

#[test]
fn what_was_bought_stays_whatever_becomes_of_the_offer_and_the_quota() {
    let orders = orders(&[("acme/lobby", OrderPhase::Active), ("acme/two", OrderPhase::Active)]);
    let (shop, _) = SPECS.split_once("[image.paper").unwrap();
    for later in [
        SPECS.to_owned(),
        SPECS.replace("2GiB", "4GiB").replace("paper:1", "paper:2"),
        SPECS.replace("instances = 1", "instances = 0"),
        format!("{shop}[tenant.acme]\n"),
    ] {
        let specs = specs(&later).with_orders(&orders, now()).unwrap();
        let instance = &specs.instance["acme/lobby"];
        let offer = &specs.offer[&instance.offer];
        let image = &specs.image[specs.image_of(instance, offer).unwrap()];
        let memory = offer.container.as_ref().unwrap().memory.to_string();
        let reference = &image.container.as_ref().unwrap().reference;
        assert_eq!((memory.as_str(), reference.as_str()), ("2GiB", "paper:1"));
    }
}

#[test]
fn what_orders_bring_along_is_no_entry_of_the_files() {
    let files = specs(SPECS);
    let with = files.with_orders(&orders(&[("acme/lobby", OrderPhase::Active)]), now()).unwrap();
    assert_eq!(with.count(), files.count());
}

#[test]
fn everything_that_does_not_fit_is_said_at_once() {
    let mut orders =
        orders(&[("acme/lobby", OrderPhase::Active), ("globex/web", OrderPhase::Active)]);
    let lobby = &mut orders.orders.get_mut("acme/lobby").unwrap().instance;
    lobby.location = Some("lon1".into());
    let text = SPECS.replace("games", "other");
    assert_snapshot!(told(&text, &orders), @"
    error[E0712]: `instance.acme/lobby` runs in `lon1`, where `offer.survival@0f13709a6c00` is not sold (order `ord_1`)
     |
     = hint: it is sold in par1

    error[E0502]: `instance.acme/lobby` runs in location `lon1`, which no spec defines (order `ord_1`)
     |
     = hint: declared are `par1`

    error[E0502]: `instance.globex/web` belongs to tenant `globex`, which no spec defines (order `ord_2`)
     |
     = hint: declared are `acme`

    error[E0502]: `offer.survival@0f13709a6c00` takes ports from port range `games`, which no spec defines
     |
     = hint: declared are `other`
    ");
}

#[test]
fn an_order_and_an_entry_are_never_one() {
    let orders = orders(&[("acme/lobby", OrderPhase::Active)]);
    let text = format!("{SPECS}[instance.\"acme/lobby\"]\noffer = \"survival\"\n");
    assert_snapshot!(told(&text, &orders), @"
    error[E0510]: `instance.acme/lobby` is declared, and order `ord_1` has that name
     |
     = hint: name the entry otherwise, or remove it; what customers ordered has no entry
    ");
}

#[test]
fn a_customer_reads_no_secret_and_leaves_none() {
    let mut orders = orders(&[("acme/lobby", OrderPhase::Active)]);
    let lobby = &mut orders.orders.get_mut("acme/lobby").unwrap().instance;
    lobby.env.insert("MOTD".into(), "secret://env/DATABASE_URL".parse().unwrap());
    let reading = told(SPECS, &orders);
    let lobby = &mut orders.orders.get_mut("acme/lobby").unwrap().instance;
    lobby.env = [("RCON_PASSWORD".to_owned(), "hunter2".parse().unwrap())].into();
    let leaving = told(SPECS, &orders);
    assert_snapshot!(format!("{reading}\n\n{leaving}"), @"
    error[E0513]: `instance.acme/lobby` refers to a secret of ours in `env.MOTD`
     |
     = hint: only entries and images of the operator may

    error[E0802]: `instance.acme/lobby` holds a literal secret in `RCON_PASSWORD` (order `ord_1`)
     |
     = hint: what an order says is kept and shown
    ");
}

#[test]
fn an_order_is_over_when_its_data_need_not_be_kept() {
    let mut orders = orders(&[("acme/lobby", OrderPhase::Terminating)]);
    let lobby = orders.orders.get_mut("acme/lobby").unwrap();
    lobby.ended_by = Some("evt_1".into());
    lobby.keep_until = Some("2026-12-06T12:00:00Z".parse().unwrap());
    let at = |now: &str| {
        let specs = specs(SPECS).with_orders(&orders, now.parse().unwrap()).unwrap();
        let ordered = &specs.ordered;
        (ordered.get("acme/lobby").map(|order| order.runs), ordered.ended("ord_1").is_some())
    };
    assert_eq!(at("2026-12-06T11:59:59Z"), (Some(false), false));
    assert_eq!(at("2026-12-06T12:00:00Z"), (None, true));
}

#[test]
fn what_comes_with_an_instance_is_of_its_order() {
    let specs = specs(SPECS);
    let specs = specs.with_orders(&orders(&[("acme/lobby", OrderPhase::Active)]), now()).unwrap();
    let of = |address: &str| {
        let order = specs.ordered.of(&address.parse::<Address>().unwrap());
        order.map(|order| order.id.as_str())
    };
    assert_eq!(of("instance.acme/lobby"), Some("ord_1"));
    assert_eq!(of("volume.acme/lobby"), Some("ord_1"));
    assert_eq!(of("firewall_rule.acme/lobby/web-in"), Some("ord_1"));
    assert_eq!(of("bridge.tenants/acme"), None);
    assert_eq!(of("volume.acme"), None);
}

#[test]
fn a_file_that_cannot_be_read_is_pointed_at() {
    let text = orders(&[("acme/lobby", OrderPhase::Active)]).to_toml();
    let told = |text: &str| Orders::from_toml("orders.toml", text).unwrap_err().to_string();
    let wrong = [
        told(""),
        told(&text.replace("active", "activ")),
        told(&text.replace("ord_1", "ord 1")),
        told(&text.replace("\"active\"", "\"canceled\"")),
        told(&text.replace("lessor-orders/1", "lessor-orders/2")),
        told(&text.replace("acme/lobby", "lobby")),
    ];
    assert_snapshot!(wrong.join("\n\n"), @r#"
    error[E0509]: missing field `format`
     --> orders.toml:1:1
      |
    1 |
      | ^
      |
      = hint: let `lessor render --orders` write it again

    error[E0509]: unknown variant `activ`, expected one of `pending`, `provisioning`, `active`, `updating`, `suspended`, `terminating`, `terminated`, `canceled`, `failed`, `reconciling`
      --> orders.toml:36:9
       |
    36 | phase = "activ"
       |         ^^^^^^^
       |
       = hint: let `lessor render --orders` write it again

    error[E0509]: `ord 1` is no id of an order
    --> orders.toml

    error[E0509]: order `acme/lobby` is canceled, and stands among those that are not over
    --> orders.toml

    error[E0509]: it has format "lessor-orders/2", and this lessor reads "lessor-orders/1"
    --> orders.toml

    error[E0509]: an instance is named `tenant/name`, found `lobby`
    --> orders.toml
    "#);
}
