//! What whole-system tests share.
//!
//! [`Sim`] is a small world: pretend hosts and a memory of what was applied, driven by the real
//! planner and the real executor. [`estate`] makes random specs. [`crash`] stops a run at any of
//! its points. [`fuzz`] feeds anything to whatever reads what others wrote.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by stopping"
)]

pub mod binary;
pub mod clients;
pub mod cluster;
pub mod cost;
pub mod crash;
pub mod engine;
pub mod estate;
pub mod fuzz;
pub mod hardware;
pub mod hypervisor;
pub mod keeping;
pub mod landscape;
pub mod lending;
pub mod machine;
pub mod postgres;
pub mod proxy;
pub mod sandbox;
pub mod serving;
pub mod sshd;
pub mod trial;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lessor_engine::{
    ApplyId, Before, Consent, Entry, Held, Journal, JournalError, OrdersRead, Outcome, Phase,
    Provider, Registry, Rule, Run, Stop, Wishes, World, desire, execute, gate, observe, plan,
};
use lessor_plans::render::{Purpose, View, human};
use lessor_plans::{Act, Body, Claim, ClaimKey, Digest, Keep, Labels as _, Plan};
use lessor_providers::{Host, Memory, Secrets};
use lessor_specs::load::parse;
use lessor_specs::{Address, Kind, Orders, Specs, Tree};
use tokio::sync::{mpsc, watch};

use hardware::Hardware;

/// Whose things a [`Sim`] makes.
pub const INSTALLATION: &str = "sim-1";

/// A world of pretend hosts.
#[derive(Clone)]
pub struct Sim {
    hosts: Arc<Mutex<BTreeMap<String, Memory>>>,
    hardware: Arc<Mutex<BTreeMap<Address, Hardware>>>,
    /// What is remembered.
    pub memory: Remembered,
    /// Put around each provider.
    wrap: Wrap,
    /// The moment.
    pub now: Timestamp,
}

/// Puts something around a provider.
type Wrap = Arc<dyn Fn(Arc<dyn Provider>) -> Arc<dyn Provider> + Send + Sync>;

/// What a store would remember.
#[derive(Clone, Default)]
pub struct Remembered {
    inner: Arc<Mutex<Memories>>,
}

/// The rows of a store.
#[derive(Clone, Default)]
pub struct Memories {
    /// What was given out.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Digest of the body last applied to each thing.
    pub applied: BTreeMap<Address, Digest>,
    /// Until when data is kept.
    pub kept: BTreeMap<Address, Timestamp>,
    /// The last applied revision.
    pub revision: u64,
    /// Every line of the journal.
    pub entries: Vec<Entry>,
}

impl Remembered {
    /// The rows as they are.
    pub fn rows(&self) -> Memories {
        self.inner.lock().unwrap().clone()
    }

    /// Changes the rows.
    pub fn edit(&self, edit: impl FnOnce(&mut Memories)) {
        edit(&mut self.inner.lock().unwrap());
    }

    fn begin(&self, plan: &Plan, now: Timestamp) {
        self.edit(|rows| {
            rows.revision += 1;
            rows.claims.retain(|key, _| !plan.forget.claims.contains(key));
            rows.kept.retain(|address, _| !plan.forget.keeps.contains(address));
            rows.claims.extend(plan.claims.clone());
            for Keep { address, seconds, until, .. } in &plan.keeps {
                let due = now + Duration::from_secs(*seconds);
                let due = until.map_or(due, |until| until.max(due));
                rows.kept.entry(address.clone()).or_insert(due);
            }
        });
    }
}

#[async_trait]
impl Journal for Remembered {
    async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        self.edit(|rows| {
            rows.entries.push(entry.clone());
            if entry.phase == Phase::Finished {
                match (entry.act, entry.body) {
                    (Act::Create | Act::Update, Some(body)) => {
                        rows.applied.insert(entry.address.clone(), body);
                    }
                    _ => drop(rows.applied.remove(&entry.address)),
                }
            }
        });
        Ok(())
    }
}

impl Default for Sim {
    fn default() -> Self {
        Sim::new()
    }
}

impl Sim {
    /// Empty hosts, nothing remembered.
    pub fn new() -> Self {
        Sim {
            hosts: Arc::default(),
            hardware: Arc::default(),
            memory: Remembered::default(),
            wrap: Arc::new(|provider| provider),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
        }
    }

    /// A world where somebody made by hand what these specs ask for on a host.
    pub async fn made_by_hand(docker: &str, text: &str) -> Self {
        let stage = Sim::new();
        stage.settle(text).await;
        let staged = stage.host(docker).host().await.unwrap();
        let sim = Sim::new();
        sim.by_hand(docker, move |host| {
            host.images = staged.images;
            staged.things.into_iter().for_each(|thing| host.put(thing.body, BTreeMap::new()));
        })
        .await;
        sim
    }

    /// The same world, seen and changed through something around each provider.
    #[must_use]
    pub fn through(
        &self,
        wrap: impl Fn(Arc<dyn Provider>) -> Arc<dyn Provider> + Send + Sync + 'static,
    ) -> Self {
        Sim { wrap: Arc::new(wrap), ..self.clone() }
    }

    /// The host behind a connection.
    pub fn host(&self, docker: &str) -> Memory {
        let mut hosts = self.hosts.lock().unwrap();
        let place = Address::new(Kind::Docker, docker);
        let new = || {
            Memory::in_process(place, INSTALLATION.parse().unwrap(), Arc::new(Secrets::default()))
        };
        hosts.entry(docker.to_owned()).or_insert_with(new).clone()
    }

    /// The cluster or firewall behind a connection, such as `proxmox.ams`.
    pub fn hardware(&self, place: &str) -> Hardware {
        let place: Address = place.parse().unwrap();
        let mut hardware = self.hardware.lock().unwrap();
        hardware.entry(place.clone()).or_insert_with(|| Hardware::new(place)).clone()
    }

    /// Somebody else changes a host.
    pub async fn by_hand(&self, docker: &str, edit: impl FnOnce(&mut Host) + Send + 'static) {
        self.host(docker).edit(edit).await.unwrap();
    }

    /// Everything that is on a host: sort, name, whose, and body.
    pub async fn things(&self, docker: &str) -> Vec<(String, Body)> {
        let host = self.host(docker).host().await.unwrap();
        let mut things: Vec<_> = host
            .things
            .iter()
            .map(|thing| {
                let owner = thing.mark.label("lessor.address").unwrap_or_default();
                (format!("{} {} {owner}", thing.body.sort(), thing.body.name()), thing.body.clone())
            })
            .collect();
        things.sort_by(|a, b| a.0.cmp(&b.0));
        things
    }

    /// The providers of what specs declare.
    pub fn registry(&self, specs: &Specs) -> Registry {
        let provider = |place: Address| -> Arc<dyn Provider> {
            (self.wrap)(match place.kind() {
                Kind::Docker => Arc::new(self.host(place.name())),
                _ => Arc::new(self.hardware(&place.to_string())),
            })
        };
        Registry::new(specs.connections().map(provider))
    }

    /// What planning knows.
    pub fn wishes(&self, text: &str) -> Wishes {
        let tree = Tree::new([("specs.toml".to_owned(), text.to_owned())].into());
        self.wishes_of(tree)
    }

    /// As [`Sim::wishes`], of several files.
    pub fn wishes_of(&self, tree: Tree) -> Wishes {
        let loaded = parse(tree).unwrap_or_else(|report| panic!("{report}"));
        let digest = loaded.tree.digest();
        let installation = INSTALLATION.parse().unwrap();
        let mut wishes = Wishes::new(installation, loaded.specs, digest, self.now);
        let rows = self.memory.rows();
        wishes.claims = rows.claims;
        wishes.applied = rows.applied;
        wishes.kept = rows.kept;
        wishes.revision = rows.revision;
        // What customers can have is no matter of the hosts: whoever plans for it says what it was.
        wishes.before = Before::Same;
        wishes.orders = OrdersRead::Read;
        wishes
    }

    /// As [`Sim::wishes`], with what customers ordered.
    pub fn wishes_with(&self, text: &str, orders: &Orders) -> Wishes {
        let mut wishes = self.wishes(text);
        let specs = wishes.specs.with_orders(orders, self.now);
        wishes.specs = Arc::new(specs.unwrap_or_else(|report| panic!("{report}")));
        wishes
    }

    /// Looks at the world and compares.
    pub async fn plan_for(&self, wishes: &Wishes) -> Plan {
        self.look(wishes).await.0
    }

    /// As [`Sim::plan_for`], with what was seen.
    pub async fn look(&self, wishes: &Wishes) -> (Plan, World) {
        let desired = desire(&wishes.specs);
        let registry = self.registry(&wishes.specs);
        let world = observe(&wishes.specs, &desired, &registry).await;
        (plan(wishes, desired, &world), world)
    }

    /// What would be done to come to these specs.
    pub async fn plan(&self, text: &str) -> Plan {
        self.plan_for(&self.wishes(text)).await
    }

    /// Comes to these specs, agreeing to every removal but not to losing data.
    pub async fn apply(&self, text: &str) -> Outcome {
        let wishes = self.wishes(text);
        let plan = self.plan_for(&wishes).await;
        self.carry_out(&wishes.specs, plan, &self.memory).await
    }

    /// Applies, and shows that nothing is left to do.
    pub async fn settle(&self, text: &str) {
        let outcome = self.apply(text).await;
        assert!(outcome.is_complete(), "{outcome:#?}");
        let plan = self.plan(text).await;
        assert!(plan.is_empty(), "{}", rendered(&plan));
    }

    /// Carries out a plan as `apply` would.
    pub async fn carry_out(&self, specs: &Specs, plan: Plan, journal: &dyn Journal) -> Outcome {
        let fatal: Vec<_> = plan.fatal().collect();
        assert!(fatal.is_empty(), "{fatal:#?}");
        let mut consent = Consent::none(plan.id());
        consent.rules = [Rule::Removals, Rule::Empty, Rule::Tenant, Rule::Rename].into();
        let approved = gate(plan, &consent).unwrap_or_else(|held| panic!("{held:#?}"));
        self.memory.begin(approved.plan(), self.now);
        let approved = approved.dated(&self.memory.rows().kept);
        let (_keep, stop) = watch::channel(Stop::No);
        let run = Run {
            apply: ApplyId(format!("run-{:06}", self.memory.rows().revision)),
            registry: &self.registry(specs),
            journal,
            parallelism: 4,
            step_deadline: Duration::from_mins(1),
            stop,
            events: mpsc::unbounded_channel().0,
        };
        execute(&approved, &run).await
    }

    /// What the gate says to coming to these specs without any consent.
    pub async fn held(&self, text: &str) -> Result<(), Box<Held>> {
        let plan = self.plan(text).await;
        let consent = Consent::none(plan.id());
        gate(plan, &consent).map(drop)
    }
}

/// A plan as people see it.
pub fn rendered(plan: &Plan) -> String {
    human(&View::of(plan, Purpose::Plan), false)
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}
