//! What operators declared, connected: as they applied it last, or as it lies in the directory by now.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use lessor_engine::{Before, Registry};
use lessor_providers::{Around, Secrets};
use lessor_specs::load::{load, parse};
use lessor_specs::{Loaded, Specs, Tree};
use lessor_store::{Revision, Store};
use tokio::sync::Mutex;

use super::{Estate, NotPlanned};

/// What operators declared, connected.
pub(crate) struct Ground {
    /// The last applied revision.
    pub(crate) revision: u64,
    /// What that asked for.
    pub(crate) before: Before,
    /// As it was declared.
    pub(crate) tree: Tree,
    /// What it declares, with other endpoints behind its connections where the operator says so.
    pub(crate) specs: Arc<Specs>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) registry: Registry,
}

/// The secrets and the connections of what is declared, with other endpoints behind them where the
/// operator says so.
pub(crate) fn connect(
    estate: &Estate,
    specs: &mut Arc<Specs>,
) -> anyhow::Result<(Arc<Secrets>, Registry)> {
    (estate.redirect)(Arc::make_mut(specs))?;
    let secrets = Arc::new(Secrets::resolve(specs.secrets(), &estate.dir));
    let registry = Around::new(&estate.dir, &estate.installation, &secrets).registry(specs)?;
    Ok((secrets, registry))
}

/// What operators applied last, read anew when it is another than before.
#[derive(Default)]
pub(crate) struct LatestGround(Mutex<Option<Arc<Ground>>>);

impl LatestGround {
    /// What was applied last; `None` when nothing was.
    pub(crate) async fn read(
        &self,
        store: &Store,
        estate: &Estate,
    ) -> anyhow::Result<Option<Arc<Ground>>> {
        let Some(latest) = store.revision_latest().await? else { return Ok(None) };
        let mut known = self.0.lock().await;
        if let Some(ground) = known.as_ref().filter(|ground| ground.still_fits(&latest)) {
            return Ok(Some(ground.clone()));
        }
        let ground = Ground::read(store, estate, &latest).await.with_context(|| {
            format!("revision {}, which was applied last, cannot be used", latest.number)
        })?;
        Ok(Some(known.insert(Arc::new(ground)).clone()))
    }
}

impl Ground {
    /// What was applied last.
    pub(crate) async fn read(
        store: &Store,
        estate: &Estate,
        revision: &Revision,
    ) -> anyhow::Result<Ground> {
        let tree = store.revision_tree(revision.number).await?;
        let tree = tree.context("its spec files are not kept")?;
        // It was valid when it was applied, by this lessor or by another.
        let loaded = parse(tree).map_err(|report| anyhow!("{report}"))?;
        Ground::of(loaded, estate, (revision.number, Before::Same))
    }

    /// What lies in the directory by now.
    pub(super) async fn read_directory(
        store: &Store,
        estate: &Estate,
    ) -> Result<Ground, NotPlanned> {
        let dir = if estate.dir.as_os_str().is_empty() { Path::new(".") } else { &estate.dir };
        let loaded = load(dir).map_err(|report| {
            NotPlanned::Refused(format!("the files in the directory are not valid: {report}"))
        })?;
        let before = before(store, &loaded.tree).await?;
        Ok(Ground::of(loaded, estate, before)?)
    }

    fn of(
        loaded: Loaded,
        estate: &Estate,
        (revision, before): (u64, Before),
    ) -> anyhow::Result<Ground> {
        let mut specs = loaded.specs;
        let (secrets, registry) = connect(estate, &mut specs)?;
        Ok(Ground { revision, before, tree: loaded.tree, specs, secrets, registry })
    }

    /// Whether it is what was applied last, and nothing of it is missing.
    pub(crate) fn still_fits(&self, latest: &Revision) -> bool {
        self.revision == latest.number && self.secrets.unresolved().next().is_none()
    }
}

/// The last applied revision, and what it asked for beside what is asked for by now.
async fn before(store: &Store, tree: &Tree) -> anyhow::Result<(u64, Before)> {
    let Some(latest) = store.revision_latest().await? else { return Ok((0, Before::Nothing)) };
    if latest.digest == tree.digest() {
        return Ok((latest.number, Before::Same));
    }
    let past = store.revision_tree(latest.number).await?;
    // Another lessor may read it otherwise, or not at all; then nobody knows.
    let past = past.and_then(|tree| parse(tree).ok());
    Ok((latest.number, past.map_or(Before::Unknown, |past| Before::Other(past.specs))))
}
