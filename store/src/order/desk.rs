//! Where orders are placed: one after the other, several in a commit.
//!
//! Whoever comes puts a request on the desk and waits for a turn. Whoever has it takes all requests
//! that lie there, places them in one transaction, and hands out the answers. What is given out is
//! changed under a row that is moved on first ([`Store::placement_advance`]), in this process and in
//! others: so what was read stays right for as long as that number says so, and is not read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use lessor_engine::Placement;
use lessor_plans::{Claim, ClaimKey, Taken};
use lessor_specs::kinds::Tenant;
use lessor_specs::load::parse;
use lessor_specs::orders::Version;
use lessor_specs::{Address, Specs};
use sqlx::any::AnyRow;
use tokio::sync::oneshot;

use super::Promise;
use super::batch::Written;
use super::place::{OrderRequest, Placed, Sight};
use super::room::rooms;
use crate::row;
use crate::work::Work;
use crate::{Decline, Store, StoreError};

/// How many orders share a commit at most: more would wait longer than the commit saves.
const AT_ONCE: usize = 64;

/// How often a batch is tried again that met somebody else.
const TRIES: usize = 5;

/// What the store has at hand for placing orders. It can be lost at any time.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    requests: Mutex<Vec<Job>>,
    turn: tokio::sync::Mutex<()>,
    ground: Mutex<Option<Arc<Ground>>>,
    gathered: Mutex<Option<Gathered>>,
    /// By name, which says what they say.
    versions: Mutex<HashMap<String, Arc<Version>>>,
    /// Versions that are in the database for good.
    kept: Mutex<BTreeSet<String>>,
}

/// What operators applied last: what is sold, and where it can run.
#[derive(Debug)]
pub(crate) struct Ground {
    revision: u64,
    pub(super) specs: Arc<Specs>,
    versions: Mutex<BTreeMap<String, Option<Arc<Version>>>>,
}

/// Everything that was given out, as it was at one number of the placement row.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    number: i64,
    tenants: BTreeMap<String, Renter>,
    pub(super) claims: BTreeMap<ClaimKey, Claim>,
    pub(super) taken: BTreeMap<Address, Taken>,
    pub(super) promised: BTreeMap<String, Promise>,
}

/// A tenant, as far as placing orders needs it.
#[derive(Clone, Debug)]
struct Renter {
    quota: Option<String>,
    zone: String,
}

#[derive(Debug)]
struct Job {
    request: OrderRequest,
    answer: oneshot::Sender<Result<Placed, StoreError>>,
}

impl Desk {
    /// An offer in a version that was bought, if it is at hand. What a version says never changes.
    pub(super) fn version(&self, name: &str) -> Option<Arc<Version>> {
        lock(&self.versions).get(name).cloned()
    }
}

impl Renter {
    /// Reads a row of `tenant`, with its name.
    fn read(row: &AnyRow) -> Result<(String, Self), row::Misread> {
        let (quota, zone) = (row::Columns::text(row, "quota")?, row::text(row, "timezone")?);
        Ok((row::text(row, "id")?, Renter { quota, zone }))
    }
}

impl Ground {
    /// An offer as it is sold now.
    pub(super) fn version(&self, offer: &str) -> Option<Arc<Version>> {
        let mut versions = lock(&self.versions);
        let made = || Version::of(&self.specs, offer).map(Arc::new);
        versions.entry(offer.to_owned()).or_insert_with(made).clone()
    }
}

impl Gathered {
    /// The tenant of that name, as an entry.
    pub(super) fn tenant(&self, name: &str) -> Option<Tenant> {
        let renter = self.tenants.get(name)?;
        Some(Tenant { quota: renter.quota.clone(), ..Tenant::default() })
    }

    /// Where the months of a tenant begin.
    pub(super) fn zone(&self, ground: &Ground, tenant: &str) -> String {
        let declared = ground.specs.tenant.get(tenant);
        let declared = declared.and_then(|declared| declared.timezone.clone());
        let known = || self.tenants.get(tenant).map(|renter| renter.zone.clone());
        declared.or_else(known).unwrap_or_else(|| "UTC".into())
    }

    /// Counts what an order was given.
    fn add(&mut self, placement: Placement) {
        self.claims.extend(placement.claims);
        let sum = self.promised.entry(placement.host.to_string()).or_default();
        *sum = sum.plus(Promise::of(placement.amount));
    }
}

impl Store {
    /// Waits for a turn, or for somebody else to have placed the order meanwhile.
    pub(super) async fn queue(&self, request: &OrderRequest) -> Result<Placed, StoreError> {
        let desk = self.desk();
        loop {
            let (answer, mut answered) = oneshot::channel();
            lock(&desk.requests).push(Job { request: request.clone(), answer });
            loop {
                let turn = desk.turn.lock().await;
                match answered.try_recv() {
                    Ok(placed) => return placed,
                    // Who had it gave up in the middle.
                    Err(oneshot::error::TryRecvError::Closed) => break,
                    Err(oneshot::error::TryRecvError::Empty) => {}
                }
                let jobs = take_jobs(&mut lock(&desk.requests));
                self.serve(jobs).await;
                drop(turn);
            }
        }
    }

    /// Places orders and hands out the answers.
    async fn serve(&self, jobs: Vec<Job>) {
        let requests: Vec<_> = jobs.iter().map(|job| &job.request).collect();
        match self.place_all(&requests).await {
            Ok(placed) => {
                for (job, placed) in jobs.into_iter().zip(placed) {
                    // Who does not wait any more can ask again.
                    let _ = job.answer.send(placed);
                }
            }
            Err(error) => {
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }

    async fn place_all(
        &self,
        requests: &[&OrderRequest],
    ) -> Result<Vec<Result<Placed, StoreError>>, StoreError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.place_once(requests).await {
                Err(error) if error.is_contended() && tried < TRIES => {
                    *lock(&self.desk().gathered) = None;
                }
                placed => return placed,
            }
        }
    }

    async fn place_once(
        &self,
        requests: &[&OrderRequest],
    ) -> Result<Vec<Result<Placed, StoreError>>, StoreError> {
        let now = self.moment();
        let mut work = self.begin().await?;
        let number = self.placement_advance(&mut work).await?;
        let ground = self.ground(&mut work).await?;
        let mut gathered = self.gathered(&mut work, number).await?;
        let mut earlier = self.earlier(&mut work, requests).await?;
        let mut answers: Vec<Option<Result<Placed, StoreError>>> = Vec::new();
        let mut drafts = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            self.renter_gather(&mut work, &mut gathered, &request.tenant).await?;
            let known = (&*ground, &gathered, &mut earlier);
            let sight = self.draft(&mut work, known, request, now).await;
            answers.push(match sight {
                Ok(Sight::Draft(draft)) => {
                    drafts.push((index, *draft));
                    None
                }
                Ok(Sight::Repeated(placed)) => Some(Ok(*placed)),
                Err(StoreError::Declined(decline)) => Some(Err(StoreError::Declined(decline))),
                Err(error) => return Err(error),
            });
        }
        let orders: Vec<_> =
            drafts.iter().map(|(_, draft)| (&draft.order, &*draft.version)).collect();
        let rooms = rooms(&ground, &gathered, &orders, now);
        let versions: Vec<_> = orders.iter().map(|(_, version)| version.name.clone()).collect();
        let mut written = Written::default();
        let mut ready = Vec::new();
        for ((index, draft), room) in drafts.into_iter().zip(rooms) {
            match room {
                Ok(placement) => ready.push((index, draft, placement)),
                Err(decline) => answers[index] = Some(Err(decline.into())),
            }
        }
        // A tenant's own orders come one after the other, as they lie, where one of them is special.
        let special =
            ready.iter().map(|(_, draft, _)| draft).filter(|draft| !draft.is_plain(&ground));
        let special: BTreeSet<_> = special.map(|draft| draft.order.tenant.clone()).collect();
        let plain = ready.iter().map(|(_, draft, _)| draft);
        let plain: Vec<_> = plain.filter(|draft| !special.contains(&draft.order.tenant)).collect();
        let taken = self.take_together(&mut work, &ground, &plain).await?;
        for (index, mut draft, mut placement) in ready {
            placement.claims.retain(|key, _| !gathered.claims.contains_key(key));
            draft.order.host = Some(placement.host.to_string());
            draft.order.promised = Promise::of(placement.amount);
            let placed = if taken.contains(&draft.order.tenant) {
                written.add(&draft, &placement, now);
                Ok(draft.placed(&placement))
            } else {
                let known = (&*ground, &mut written);
                self.place(&mut work, known, &draft, &placement, now).await
            };
            match &placed {
                Ok(_) if draft.request.dry_run => {}
                Ok(_) => gathered.add(placement),
                Err(StoreError::Declined(_)) => {}
                Err(error) => return Err(error.clone()),
            }
            answers[index] = Some(placed);
        }
        self.batch_write(&mut work, &mut written, now).await?;
        *lock(&self.desk().gathered) = None;
        self.commit(work).await?;
        lock(&self.desk().kept).extend(versions);
        gathered.number = number;
        *lock(&self.desk().gathered) = Some(gathered);
        // Every request was answered above.
        Ok(answers.into_iter().flatten().collect())
    }

    /// Lets nobody else change what is given out until the transaction ends, and answers with the
    /// number of this change.
    pub(crate) async fn placement_advance(&self, work: &mut Work) -> Result<i64, StoreError> {
        let advanced = async {
            let advanced = sqlx::query(
                "UPDATE placement SET number = number + 1 WHERE id = 1 RETURNING number",
            )
            .fetch_one(&mut **work)
            .await?;
            Ok(row::number(&advanced, "number")?)
        };
        advanced.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// As [`Store::specs_applied`], at the moment of a transaction.
    ///
    /// # Errors
    /// [`Decline::NothingApplied`] when they did not yet.
    pub(super) async fn ground(&self, work: &mut Work) -> Result<Arc<Ground>, StoreError> {
        let latest = self.revision_latest_by(&mut **work).await?;
        let revision = latest.ok_or(Decline::NothingApplied)?.number;
        let known = lock(&self.desk().ground).clone();
        if let Some(ground) = known.filter(|ground| ground.revision == revision) {
            return Ok(ground);
        }
        let tree = self.revision_tree_by(&mut **work, revision).await?;
        let tree = tree.ok_or(Decline::NothingApplied)?;
        // It was valid when it was applied, by this lessor or by an earlier one.
        let loaded = parse(tree).map_err(|report| {
            let why = report.to_string();
            self.error(&row::Misread::new("files", &why).into())
        })?;
        let (specs, versions) = (loaded.specs, Mutex::default());
        let ground = Arc::new(Ground { revision, specs, versions });
        *lock(&self.desk().ground) = Some(ground.clone());
        Ok(ground)
    }

    /// What operators applied last.
    ///
    /// # Errors
    /// [`Decline::NothingApplied`] when they did not yet.
    pub async fn specs_applied(&self) -> Result<Arc<Specs>, StoreError> {
        let mut work = self.begin_snapshot().await?;
        let ground = self.ground(&mut work).await?;
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(Arc::clone(&ground.specs))
    }

    /// How long data is kept by policy.
    pub(crate) async fn retention_policy(
        &self,
    ) -> Result<Option<lessor_specs::Duration>, StoreError> {
        let specs = self.specs_applied().await?;
        Ok(specs.policy.retention.as_ref().and_then(|retention| retention.keep))
    }

    /// Everything that was ordered and given out, as it is until the transaction ends.
    pub(super) async fn gathered(
        &self,
        work: &mut Work,
        number: i64,
    ) -> Result<Gathered, StoreError> {
        let known = lock(&self.desk().gathered).take();
        if let Some(gathered) = known.filter(|gathered| gathered.number + 1 == number) {
            return Ok(gathered);
        }
        let claims = self.claim_list_by(&mut **work).await?;
        let (taken, promised) = (self.taken_list(work).await?, self.promises(work).await?);
        let tenants = self.renters(work).await?;
        Ok(Gathered { number, tenants, claims, taken, promised })
    }

    /// As [`Store::gathered`], for what takes nothing: who there is, and nothing that was given out.
    pub(super) async fn gathered_renters(&self, work: &mut Work) -> Result<Gathered, StoreError> {
        let tenants = self.renters(work).await?;
        let (claims, taken, promised) =
            <(BTreeMap<_, _>, BTreeMap<_, _>, BTreeMap<_, _>)>::default();
        Ok(Gathered { number: 0, tenants, claims, taken, promised })
    }

    /// Reads a tenant that was not there when everything was gathered: it may have come since.
    async fn renter_gather(
        &self,
        work: &mut Work,
        gathered: &mut Gathered,
        tenant: &str,
    ) -> Result<(), StoreError> {
        if gathered.tenants.contains_key(tenant) {
            return Ok(());
        }
        let found = sqlx::query("SELECT id, quota, timezone FROM tenant WHERE id = $1")
            .bind(tenant)
            .fetch_optional(&mut **work)
            .await;
        let found = found.map_err(|error| self.error(&error))?;
        let renter = found.as_ref().map(Renter::read).transpose();
        gathered.tenants.extend(renter.map_err(|error| self.error(&error.into()))?);
        Ok(())
    }

    async fn renters(&self, work: &mut Work) -> Result<BTreeMap<String, Renter>, StoreError> {
        let rows =
            sqlx::query("SELECT id, quota, timezone FROM tenant").fetch_all(&mut **work).await;
        let rows = rows.map_err(|error| self.error(&error))?;
        let renters = rows.iter().map(Renter::read).collect::<Result<_, row::Misread>>();
        renters.map_err(|error| self.error(&error.into()))
    }

    /// An offer in a version that was bought.
    pub(crate) async fn offer_version(
        &self,
        work: &mut Work,
        name: &str,
    ) -> Result<Arc<Version>, StoreError> {
        let found = self.offer_version_find(work, name).await?;
        found.ok_or_else(|| self.error(&row::Misread::new("offer", "it has no version").into()))
    }

    /// As [`Store::offer_version`]; `None` when it was never sold so.
    pub(super) async fn offer_version_find(
        &self,
        work: &mut Work,
        name: &str,
    ) -> Result<Option<Arc<Version>>, StoreError> {
        if let Some(version) = self.desk().version(name) {
            return Ok(Some(version));
        }
        let found = sqlx::query("SELECT body FROM offer_version WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        found.map(|found| self.version_read(name, &found)).transpose()
    }

    fn version_read(
        &self,
        name: &str,
        found: &impl row::Columns,
    ) -> Result<Arc<Version>, StoreError> {
        let read = || {
            let body = row::text(found, "body")?;
            serde_json::from_str(&body).map_err(|why| row::Misread::new("body", &why))
        };
        let version = Arc::new(read().map_err(|error| self.error(&error.into()))?);
        lock(&self.desk().versions).insert(name.to_owned(), Arc::clone(&version));
        Ok(version)
    }

    /// Remembers an offer as it is sold.
    pub(super) async fn version_insert(
        &self,
        work: &mut Work,
        version: &Version,
    ) -> Result<(), StoreError> {
        if lock(&self.desk().kept).contains(&version.name) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO offer_version (name, body, at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&version.name)
        .bind(super::read::text_of(version))
        .bind(self.moment().as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

/// What lies on the desk and can go into one batch. Two that are about the same go one after the
/// other.
fn take_jobs(requests: &mut Vec<Job>) -> Vec<Job> {
    let mut seen = BTreeSet::new();
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for job in requests.drain(..) {
        let OrderRequest { tenant, name, client_ref, key, .. } = &job.request;
        let mut about = vec![format!("name {tenant} {name}")];
        about.extend(client_ref.as_ref().map(|own| format!("ref {tenant} {own}")));
        about.extend(key.as_ref().map(|key| format!("key {} {}", key.scope, key.key)));
        let is_new = about.iter().all(|about| !seen.contains(about));
        if is_new && taken.len() < AT_ONCE && !job.answer.is_closed() {
            seen.extend(about);
            taken.push(job);
        } else {
            left.push(job);
        }
    }
    left.retain(|job| !job.answer.is_closed());
    *requests = left;
    taken
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
