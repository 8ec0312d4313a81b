//! What every command needs that looks at a host: the specs, the secrets, the providers, and what
//! is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use lessor_engine::{
    Before, Clock, OrdersRead, Registry, Scope, Selection, Wishes, World, desire, look,
    may_concern_customers, observe, plan,
};
use lessor_plans::{Claim, ClaimKey, Plan};
use lessor_providers::{Around, Found, Secrets, SurveyError, survey};
use lessor_specs::load::{load, parse};
use lessor_specs::{Address, Kind, Loaded, Orders, Specs, Tree};
use lessor_store::{Revision, Store};

use crate::args::{Common, OrderSource, Selecting};
use crate::config::{self, Config};
use crate::exit::{Exit, Failed};
use crate::orders::{self, Read};
use crate::output::{Streams, counted, say, within};
use crate::progress::Progress;
use crate::redirect::redirect;

/// Where the database is, from the spec directory, unless somebody says otherwise.
pub(crate) const DATABASE: &str = "sqlite:.lessor/lessor.db";

/// A spec directory, read and connected.
pub(crate) struct Session {
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) loaded: ManuallyDrop<Loaded>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) registry: Registry,
    /// What files declare; `loaded` has what customers ordered as well.
    pub(crate) files: Arc<Specs>,
    /// Whether what customers ordered stands among the specs.
    pub(crate) orders: OrdersRead,
    /// Those that are kept elsewhere: a file's, or a server's.
    given: Orders,
    database: String,
    color: bool,
}

/// What one look came to.
///
/// It is never taken apart: the process ends right behind it, and to give back a large estate
/// piece by piece takes a tenth of the time that planning it takes.
pub(crate) struct Looked {
    pub(crate) plan: ManuallyDrop<Plan>,
    pub(crate) world: ManuallyDrop<World>,
    pub(crate) wishes: &'static Wishes,
}

/// What a plan is made for.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    pub(crate) destroy_data: BTreeSet<Address>,
}

impl Asked {
    pub(crate) fn new(selecting: &Selecting, destroy_data: &[Address]) -> Self {
        Asked {
            selection: Selection {
                targets: selecting.targets.clone(),
                excludes: selecting.excludes.clone(),
                scope: Scope::All,
            },
            destroy_data: destroy_data.iter().cloned().collect(),
        }
    }
}

impl Session {
    /// Reads the specs in `dir` and connects what they declare.
    pub(crate) fn open(dir: &Path, common: &Common, streams: &Streams) -> anyhow::Result<Session> {
        let loaded = load(dir).map_err(|report| invalid(&report, dir, streams))?;
        Session::connect(dir, loaded, common, streams.stderr_color)
    }

    /// As [`Session::open`], with the specs of a saved plan rather than those in `dir` by now.
    pub(crate) fn of_saved(
        dir: &Path,
        tree: Tree,
        common: &Common,
        streams: &Streams,
    ) -> anyhow::Result<Session> {
        let loaded = parse(tree).map_err(|report| invalid(&report, dir, streams))?;
        Session::connect(dir, loaded, common, streams.stderr_color)
    }

    fn connect(
        dir: &Path,
        mut loaded: Loaded,
        common: &Common,
        color: bool,
    ) -> anyhow::Result<Session> {
        let config = Config::read(dir)?;
        let configured = config.endpoint.iter();
        let said = common.endpoints.iter().map(|(name, endpoint)| (name, endpoint));
        for (name, endpoint) in configured.chain(said) {
            redirect(Arc::make_mut(&mut loaded.specs), name, endpoint)?;
        }
        let base = base(dir);
        let secrets = Arc::new(Secrets::resolve(loaded.specs.secrets(), base));
        let registry = Around::new(base, &config.installation, &secrets)
            .registry(&loaded.specs)
            .context("a connection cannot be used as it is declared")?;
        let database = database(dir, common, Some(&config));
        let loaded = ManuallyDrop::new(loaded);
        let (dir, files) = (dir.to_owned(), loaded.specs.clone());
        let (orders, given) = (OrdersRead::default(), Orders::default());
        Ok(Session {
            dir,
            config,
            loaded,
            secrets,
            registry,
            files,
            orders,
            given,
            database,
            color,
        })
    }

    /// The same session, with what customers ordered laid beside the specs.
    pub(crate) async fn with_orders(mut self, source: &OrderSource) -> anyhow::Result<Session> {
        let store = if source.is_elsewhere() { None } else { self.remembered().await? };
        let laid = async {
            self.ask(source, store.as_ref()).await?;
            self.ordered(store.as_ref(), Timestamp::now()).await
        };
        let laid = laid.await;
        closed(store).await;
        (_, self.loaded.specs) = laid?;
        Ok(self)
    }

    /// Finds out where what customers ordered is kept, and reads it unless that is the database.
    async fn ask(&mut self, source: &OrderSource, store: Option<&Store>) -> anyhow::Result<()> {
        let elsewhere = source.elsewhere(self.color).await?;
        self.orders = match (&elsewhere, store) {
            (Some(_), _) => OrdersRead::Earlier,
            (None, Some(_)) => OrdersRead::Read,
            (None, None) => OrdersRead::NotRead,
        };
        self.given = elsewhere.unwrap_or_default();
        Ok(())
    }

    /// What customers ordered, by itself and beside what files declare, as it stands at `now`.
    async fn ordered(
        &self,
        store: Option<&Store>,
        now: Timestamp,
    ) -> anyhow::Result<(Orders, Arc<Specs>)> {
        let orders = match (self.orders, store) {
            (OrdersRead::Read, Some(store)) => orders::of_store(store).await?,
            _ => self.given.clone(),
        };
        let laid = orders::lay(&self.files, (&orders, self.orders), now, self.color)?;
        Ok((orders, laid))
    }

    /// The database, ready to be written.
    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.database).await?)
    }

    /// The database, if there is one, only to be read. Whoever opens it closes it.
    pub(crate) async fn remembered(&self) -> anyhow::Result<Option<Store>> {
        Ok(Store::open_read_only(&self.database).await?)
    }

    /// Looks at every host and compares, without changing anything.
    pub(crate) async fn look(&self, asked: Asked) -> anyhow::Result<Looked> {
        let known = Box::pin(async {
            let store = self.remembered().await?;
            Ok((self.wishes(store.as_ref(), asked).await, store))
        });
        looked(&self.registry, self.looking(), known).await
    }

    /// As [`Session::look`], with what customers ordered laid beside the specs.
    pub(crate) async fn look_with_orders(
        mut self,
        source: &OrderSource,
        asked: Asked,
    ) -> anyhow::Result<(Session, Looked)> {
        let (registry, looking) = (self.registry.clone(), self.looking());
        let known = Box::pin(async {
            let store = self.remembered().await?;
            let wishes = async {
                self.ask(source, store.as_ref()).await?;
                self.wishes(store.as_ref(), asked).await
            };
            Ok((wishes.await, store))
        });
        let looked = looked(&registry, looking, known).await?;
        self.loaded.specs = looked.wishes.specs.clone();
        Ok((self, looked))
    }

    /// Lists everything on a host that the specs declare, whosever it is.
    pub(crate) async fn survey(&self, docker: &str) -> anyhow::Result<Vec<Found>> {
        let place = Address::new(Kind::Docker, docker);
        let around = Around::new(base(&self.dir), &self.config.installation, &self.secrets);
        let connection = around.connection(&self.loaded.specs, &place);
        let connection = connection.with_context(|| format!("there is no `{place}`"))?;
        let _progress = Progress::new(format!("listing everything on {place}"));
        survey(&connection).await.map_err(|SurveyError { why, hint }| {
            let message = format!("could not list everything on `{place}`: {why}");
            let failed = Failed::new(message).exit(Exit::Unseen);
            match hint {
                Some(hint) => failed.hint(hint).into(),
                None => failed.into(),
            }
        })
    }

    /// Everything planning knows apart from the world.
    pub(crate) async fn wishes(
        &self,
        store: Option<&Store>,
        asked: Asked,
    ) -> anyhow::Result<Wishes> {
        // Claims first: those of an order that is placed meanwhile are then not known, rather than
        // known to be nobody's.
        let claims = match store {
            Some(store) => store.claim_list().await?,
            None => BTreeMap::new(),
        };
        // What falls due does so by the clock of whoever remembers it.
        let now = store.map_or_else(Timestamp::now, Clock::now);
        let (orders, specs) = self.ordered(store, now).await?;
        let installation = self.config.installation.clone();
        let mut wishes = Wishes::new(installation, specs, self.loaded.tree.digest(), now);
        wishes.claims = claims;
        wishes.orders = self.orders;
        wishes.selection = asked.selection;
        wishes.destroy_data = asked.destroy_data;
        wishes.unresolved =
            self.secrets.unresolved().map(|(secret, why)| (secret.clone(), why.into())).collect();
        if store.is_none() {
            wishes.before = self.before_nothing();
        }
        if let Some(store) = store {
            wishes.applied = store.applied_list().await?;
            let booked = store.machine_list_booked().await?.into_iter();
            wishes.reserved = booked.map(|name| Address::new(Kind::Machine, name)).collect();
            wishes.kept = store.keep_list().await?;
            wishes.before = match store.revision_latest().await? {
                Some(latest) => {
                    wishes.revision = latest.number;
                    before(store, &latest, &wishes, &orders).await?
                }
                None => self.before_nothing(),
            };
        }
        Ok(wishes)
    }

    /// What was asked for before, where nothing of that is remembered: nothing, unless orders came from
    /// elsewhere, where somebody applied.
    fn before_nothing(&self) -> Before {
        match self.orders {
            OrdersRead::Earlier => Before::Unknown,
            OrdersRead::NotRead | OrdersRead::Read => Before::Nothing,
        }
    }

    /// Looks at every host and compares.
    pub(crate) async fn plan(&self, wishes: &Wishes) -> (Plan, World) {
        let desired = desire(&wishes.specs);
        let world = observe(&wishes.specs, &desired, &self.registry).await;
        (plan(wishes, desired, &world), world)
    }

    /// “looking at 2 hosts”.
    pub(crate) fn looking(&self) -> String {
        match self.loaded.specs.connections().count() {
            1 => "looking at 1 host".into(),
            hosts => format!("looking at {hosts} hosts"),
        }
    }
}

/// Looks at every host while what is asked for is read from a database, which is closed then.
async fn looked(
    registry: &Registry,
    looking: String,
    known: impl Future<Output = anyhow::Result<(anyhow::Result<Wishes>, Option<Store>)>>,
) -> anyhow::Result<Looked> {
    let _progress = Progress::new(looking);
    let mut closing = None;
    let wishes = async {
        let (wishes, store) = known.await?;
        closing = store.map(|store| tokio::spawn(async move { store.close().await }));
        let wishes: &'static Wishes = Box::leak(Box::new(wishes?));
        anyhow::Ok(wishes)
    };
    let looked = look(registry, wishes).await;
    if let Some(closing) = closing {
        closing.await?;
    }
    let (wishes, plan, world) = looked?;
    Ok(Looked { plan: ManuallyDrop::new(plan), world: ManuallyDrop::new(world), wishes })
}

/// What the files asked for when somebody applied last. A later version may read them otherwise, or
/// not at all; then nobody knows.
async fn before(
    store: &Store,
    latest: &Revision,
    wishes: &Wishes,
    orders: &Orders,
) -> anyhow::Result<Before> {
    if latest.digest == wishes.digest {
        return Ok(Before::Same);
    }
    let Some(tree) = store.revision_tree(latest.number).await? else { return Ok(Before::Unknown) };
    if orders.orders.is_empty() && !may_concern_customers(&tree) {
        return Ok(Before::Other(Arc::default()));
    }
    let Ok(Loaded { specs: past, .. }) = parse(tree) else { return Ok(Before::Unknown) };
    // What is ordered costs the same beside what files asked for before, if it fits.
    Ok(Before::Other(past.with_orders(orders, wishes.now).map_or(past, Arc::new)))
}

/// What is wrong with the specs is said in full; the error only counts it.
pub(crate) fn invalid(
    report: &lessor_specs::Report,
    dir: &Path,
    streams: &Streams,
) -> anyhow::Error {
    say(&report.render(&dir.to_string_lossy(), streams.stderr_color));
    let problems = counted(report.diagnostics().len(), "problem", "problems");
    Failed::new(format!("`{}` has {problems}; nothing was done", dir.display())).into()
}

/// The database of a spec directory, if there is one, only to be read. Whoever opens it closes it.
pub(crate) async fn remembered(dir: &Path, common: &Common) -> anyhow::Result<Option<Store>> {
    Ok(Store::open_read_only(&configured_database(dir, common)?).await?)
}

/// What is given out already, as far as a database remembers, and what customers ordered.
pub(crate) async fn given_out(
    dir: &Path,
    common: &Common,
    source: &OrderSource,
    streams: &Streams,
) -> anyhow::Result<(BTreeMap<ClaimKey, Claim>, Read)> {
    let store = remembered(dir, common).await?;
    let read = async {
        let read = source.read(store.as_ref(), streams.stderr_color).await?;
        let claims = match &store {
            Some(store) => store.claim_list().await?,
            None => BTreeMap::new(),
        };
        anyhow::Ok((claims, read))
    };
    let read = read.await;
    closed(store).await;
    read
}

/// Whoever opened a database only to be read closes it.
async fn closed(store: Option<Store>) {
    if let Some(store) = store {
        store.close().await;
    }
}

/// The database of a directory, whether or not it has a configuration.
pub(crate) fn configured_database(dir: &Path, common: &Common) -> anyhow::Result<String> {
    // Without a configuration nothing was ever applied from here.
    let config = within(dir, config::FILE).exists().then(|| Config::read(dir)).transpose()?;
    Ok(database(dir, common, config.as_ref()))
}

fn database(dir: &Path, common: &Common, config: Option<&Config>) -> String {
    let configured = config.and_then(|config| config.database.as_deref());
    located(common.database.as_deref().or(configured).unwrap_or(DATABASE), dir)
}

/// Where paths start; `.` would only stand in front of every name in a message.
pub(crate) fn base(dir: &Path) -> &Path {
    if dir == Path::new(".") { Path::new("") } else { dir }
}

/// A database file's path starts at the spec directory.
pub(crate) fn located(url: &str, dir: &Path) -> String {
    match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", dir.join(path.trim_start_matches("//")).display()),
        None => url.to_owned(),
    }
}
