//! Whatever comes from outside, fed with anything: nothing may panic, hang, or be believed that is
//! not so.
//!
//! Each [`Target`] takes bytes and stops when a promise is broken. `fuzz/` lets cargo-fuzz search
//! for such bytes; `tests/tests/fuzzing.rs` passes every input that was kept in `fuzz/corpus`, and
//! changes made to them by chance.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use lessor_engine::{Registry, Selector, Wishes, World, desire, plan};
use lessor_plans::render::{Purpose, View, human, json};
use lessor_plans::saved::Saved;
use lessor_plans::{Digest, InstallationId, Observation, Origin, Plan};
use lessor_providers::https::Pin;
use lessor_providers::proxmox::client::{
    GuestConfig, GuestListed, GuestStatus, Node, Pending, Resource, Upid, Vnet, Volume,
};
use lessor_providers::proxmox::property::{Property, Shape, text as texts};
use lessor_specs::kinds::Endpoint;
use lessor_specs::load::{parse, parse_bytes};
use lessor_specs::quantity::MountPath;
use lessor_specs::{
    Address, ByteSize, Cidr, Cpu, Currency, Duration, EnvValue, HostKey, Kind, Loaded, Money,
    Orders, PortRange, Report, SecretRef, Tree,
};
use lessor_store::{
    ApiKey, Applied, Audited, Columns, Invitation, Member, Misread, Outcome, Recorded, Revision,
    Run, Session, Tenant, Visitor,
};

/// Something that reads what others wrote.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Reads these bytes, and stops when a promise is broken.
    pub run: fn(&[u8]),
}

/// Everything that reads what others wrote.
pub const TARGETS: [Target; 6] = [
    Target { name: "specs", run: specs },
    Target { name: "saved_plan", run: saved_plan },
    Target { name: "journal", run: journal },
    Target { name: "quantity", run: quantity },
    Target { name: "proxmox", run: proxmox },
    Target { name: "orders", run: orders },
];

/// Stands between two files, or takes the place of a line break in a column.
const SEPARATOR: u8 = 0x1c;

/// The longest report of one problem: a message, a hint, and a few lines for each place.
const PROBLEM_MAX: usize = 16 << 10;

/// Spec files, with a separator between two of them.
///
/// They load, or what is wrong is said at bounded length and without a word to the terminal; twice
/// gives the same. What loads can be planned for.
pub fn specs(bytes: &[u8]) {
    let load = || {
        let files = bytes.split(|byte| *byte == SEPARATOR).enumerate();
        parse_bytes(files.map(|(n, text)| (format!("{n}.toml"), text.to_vec())).collect())
    };
    match (load(), load()) {
        (Ok(loaded), Ok(again)) => {
            assert_eq!(written(&*loaded.specs), written(&*again.specs));
            assert_eq!(loaded.tree.digest(), again.tree.digest());
            planned(&loaded);
        }
        (Err(report), Err(again)) => {
            assert_eq!(written(&report.entries()), written(&again.entries()));
            assert!(!report.diagnostics().is_empty());
            assert_readable(&report);
        }
        (loaded, _) => panic!("it loads once and not twice, first {}", loaded.is_ok()),
    }
}

/// What the orders of [`orders`] are laid beside.
const BESIDE_ORDERS: &str = r#"
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
[instance."acme/own"]
offer = "survival"
"#;

/// A file of orders.
///
/// It is refused, or written again as it was. What it holds fits what files declare and can be
/// planned for, or what does not is said.
pub fn orders(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let orders = match Orders::from_toml("orders.toml", text) {
        Ok(orders) => orders,
        Err(report) => {
            assert!(!report.diagnostics().is_empty());
            return assert_readable(&report);
        }
    };
    let again = Orders::from_toml("orders.toml", &orders.to_toml()).unwrap();
    assert_eq!(again.to_toml(), orders.to_toml());
    let tree = Tree::new([("specs.toml".to_owned(), BESIDE_ORDERS.to_owned())].into());
    let loaded = parse(tree).unwrap();
    match loaded.specs.with_orders(&orders, "2026-11-29T12:00:00Z".parse().unwrap()) {
        Ok(specs) => {
            let mut loaded = loaded;
            loaded.specs = specs.into();
            planned(&loaded);
        }
        Err(report) => assert_readable(&report),
    }
}

fn assert_readable(report: &Report) {
    let text = report.render("specs", false);
    let places: usize = report.diagnostics().iter().map(|problem| 1 + problem.others.len()).sum();
    assert!(text.len() <= places * PROBLEM_MAX, "{} bytes for {places} places", text.len());
    assert_quiet(&text);
    assert!(report.render("", true).len() >= report.to_string().len());
    for (entry, problem) in report.entries().iter().zip(report.diagnostics()) {
        assert!(!entry.message.is_empty());
        let span = problem.label.as_ref().and_then(|label| label.span);
        assert_eq!(entry.line.is_some(), span.is_some(), "{entry:?}");
    }
}

/// Nothing in it does anything but be read.
fn assert_quiet(text: &str) {
    let loud = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(loud), "{:?} in {text:?}", text.chars().find(|c| loud(*c)));
}

/// Plans for hosts on which nothing is.
fn planned(loaded: &Loaded) {
    let installation = super::INSTALLATION.parse().unwrap();
    let (specs, digest) = (loaded.specs.clone(), loaded.tree.digest());
    let wishes = Wishes::new(installation, specs, digest, "2026-11-21T12:00:00Z".parse().unwrap());
    let hosts = loaded.specs.docker.keys().map(|name| Address::new(Kind::Docker, name.as_str()));
    let seen = hosts.map(|host| (host, Observation::default())).collect();
    let world = World::new(seen, Registry::new([]));
    let plan = plan(&wishes, desire(&wishes.specs), &world);
    shown(&plan);
    let saved = Saved { plan, tree: loaded.tree.clone(), directory: ".".into() };
    assert_eq!(Saved::from_json(&saved.to_json()).unwrap(), saved);
}

fn shown(plan: &Plan) {
    for purpose in [Purpose::Plan, Purpose::Drift] {
        let view = View::of(plan, purpose);
        assert_quiet(&human(&view, false));
        let _ = human(&view, true);
        let _: serde_json::Value = serde_json::from_str(&json(&view)).unwrap();
    }
}

fn written(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// A saved plan.
///
/// It is refused, or it can be shown and saved again as it was. Since chance never finds a plan
/// that has the id it says, the plan in it is also sealed anew and read.
pub fn saved_plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Saved::from_json(text) {
        Ok(saved) => kept(&saved),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Some(saved) = sealed_anew(text) {
        match Saved::from_json(&saved.to_json()) {
            Ok(read) => {
                assert_eq!(read, saved);
                kept(&read);
            }
            // Its steps make no sense, which no seal changes.
            Err(error) => assert!(error.to_string().contains("not a saved plan"), "{error}"),
        }
    }
}

fn kept(saved: &Saved) {
    let text = saved.to_json();
    let read = Saved::from_json(&text).unwrap();
    assert_eq!((&read, read.to_json()), (saved, text));
    assert_eq!(read.plan.id(), saved.plan.id());
    shown(&saved.plan);
    // Applying it reads the files it was made from.
    drop(parse(saved.tree.clone()));
}

/// What somebody would make of a plan who knows how to compute its id.
fn sealed_anew(text: &str) -> Option<Saved> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let files: BTreeMap<String, String> = match value.get("files") {
        Some(files) => serde_json::from_value(files.clone()).ok()?,
        None => BTreeMap::new(),
    };
    let mut plan: Plan = serde_json::from_value(value.get("plan")?.clone()).ok()?;
    let tree = Tree::new(files);
    plan.specs = tree.digest();
    Some(Saved { plan, tree, directory: ".".into() })
}

/// A row of the database: `column=value` on each line, and NULL in every column that is not named.
///
/// Every reader of rows makes sense of it, or says which column it cannot read.
pub fn journal(bytes: &[u8]) {
    let row = Row::of(bytes);
    if let Ok(Recorded { entry, .. }) = told(Recorded::read(&row)) {
        assert_eq!(entry.address.to_string().parse(), Ok(entry.address));
    }
    let _ = told(Applied::read(&row));
    let _ = told(Run::read(&row));
    let _ = told(Revision::read(&row));
    let _ = told(Visitor::read(&row));
    let _ = told(Tenant::read(&row));
    let _ = told(Member::read(&row));
    let _ = told(Session::read(&row));
    let _ = told(ApiKey::read(&row));
    let _ = told(Invitation::read(&row));
    let _ = told(Audited::read(&row));
    let _ = told(lessor_store::read_tree(&row));
    let _ = told(lessor_store::read_applied(&row));
}

fn told<T: Debug>(read: Result<T, Misread>) -> Result<T, Misread> {
    match &read {
        Ok(read) => assert!(!format!("{read:?}").is_empty()),
        Err(misread) => assert!(!misread.column.is_empty() && !misread.why.is_empty()),
    }
    read
}

/// A row that nobody wrote.
struct Row {
    columns: BTreeMap<String, String>,
}

impl Row {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let columns = text.lines().filter_map(|line| line.split_once('='));
        let value = |value: &str| value.replace(char::from(SEPARATOR), "\n");
        Row { columns: columns.map(|(name, text)| (name.into(), value(text))).collect() }
    }
}

impl Columns for Row {
    fn number(&self, column: &str) -> Result<i64, Misread> {
        let text = self.columns.get(column).ok_or_else(|| Misread::new(column, "NULL"))?;
        text.parse().map_err(|error| Misread::new(column, &error))
    }

    fn number_optional(&self, column: &str) -> Result<Option<i64>, Misread> {
        self.columns.contains_key(column).then(|| self.number(column)).transpose()
    }

    fn text(&self, column: &str) -> Result<Option<String>, Misread> {
        Ok(self.columns.get(column).cloned())
    }
}

/// A value as people write it.
///
/// Whatever takes it for its own says it again in words that mean the same.
pub fn quantity(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    said_again::<Address>(text);
    said_again::<ByteSize>(text);
    said_again::<Cidr>(text);
    said_again::<Cpu>(text);
    said_again::<Currency>(text);
    said_again::<Digest>(text);
    said_again::<Duration>(text);
    said_again::<Endpoint>(text);
    said_again::<EnvValue>(text);
    said_again::<HostKey>(text);
    said_again::<InstallationId>(text);
    said_again::<Kind>(text);
    said_again::<Money>(text);
    said_again::<MountPath>(text);
    said_again::<Origin>(text);
    said_again::<Outcome>(text);
    said_again::<PortRange>(text);
    said_again::<SecretRef>(text);
    said_again::<Selector>(text);
}

/// Every text of Proxmox VE that holds several values.
const SHAPES: [Shape; 8] = [
    Shape::QemuNet,
    Shape::Drive,
    Shape::IpConfig,
    Shape::Agent,
    Shape::Boot,
    Shape::Startup,
    Shape::LxcNet,
    Shape::Mount,
];

/// A value of Proxmox VE, or an answer.
///
/// It is refused, or says the same again. What several values are written into means the same when
/// it is printed anew.
pub fn proxmox(bytes: &[u8]) {
    answered(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    said_again::<Upid>(text);
    said_again::<Pin>(text);
    for shape in SHAPES {
        let Ok(property) = Property::parse(shape, text) else { continue };
        let again = Property::parse(shape, &property.to_string()).unwrap();
        assert_eq!((&again, again.differences(&property)), (&property, vec![]));
    }
    let tags = texts::tags(text, false);
    let said = texts::tags_text(&tags).unwrap_or_default();
    assert_eq!(texts::tags(&said, false), tags);
    let keys = texts::ssh_keys(text);
    assert_eq!(texts::ssh_keys_read(&keys).unwrap(), text.trim_end_matches('\n'));
    if let Some(Ok(size)) = texts::size_bytes(text).map(u64::try_from) {
        assert_eq!(texts::size_bytes(&texts::size_text(size)), Some(size.into()));
    }
}

/// An answer is understood or not, and nothing else happens.
fn answered(bytes: &[u8]) {
    let _ = serde_json::from_slice::<GuestConfig>(bytes);
    let _ = serde_json::from_slice::<GuestListed>(bytes);
    let _ = serde_json::from_slice::<GuestStatus>(bytes);
    let _ = serde_json::from_slice::<Pending>(bytes);
    let _ = serde_json::from_slice::<Resource>(bytes);
    let _ = serde_json::from_slice::<Node>(bytes);
    let _ = serde_json::from_slice::<Volume>(bytes);
    let _ = serde_json::from_slice::<Vnet>(bytes).map(|vnet| vnet.to_be());
}

fn said_again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let said = value.to_string();
    let Ok(again) = said.parse::<T>() else {
        panic!("`{text}` is {value:?}, which is said `{said}` and not understood");
    };
    assert_eq!((&again, again.to_string()), (&value, said));
}
