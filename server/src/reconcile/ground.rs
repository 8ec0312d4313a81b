//! What operators applied last, connected.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use lessor_engine::Registry;
use lessor_providers::{Around, Secrets};
use lessor_specs::load::parse;
use lessor_specs::{Specs, Tree};
use lessor_store::{Revision, Store};

use super::Estate;

/// What operators applied last, connected.
pub(crate) struct Ground {
    pub(crate) revision: u64,
    /// As it was applied.
    pub(crate) tree: Tree,
    /// What it declares, with other endpoints behind its connections where the operator says so.
    pub(crate) specs: Arc<Specs>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) registry: Registry,
}

impl Ground {
    pub(crate) async fn read(
        store: &Store,
        estate: &Estate,
        revision: &Revision,
    ) -> anyhow::Result<Ground> {
        let tree = store.revision_tree(revision.number).await?;
        let tree = tree.context("its spec files are not kept")?;
        // It was valid when it was applied, by this lessor or by another.
        let loaded = parse(tree).map_err(|report| anyhow!("{report}"))?;
        let mut specs = loaded.specs;
        (estate.redirect)(Arc::make_mut(&mut specs))?;
        let secrets = Arc::new(Secrets::resolve(specs.secrets(), &estate.dir));
        let registry = Around::new(&estate.dir, &estate.installation, &secrets).registry(&specs)?;
        Ok(Ground { revision: revision.number, tree: loaded.tree, specs, secrets, registry })
    }

    /// Whether it is what was applied last, and nothing of it is missing.
    pub(crate) fn still_fits(&self, latest: &Revision) -> bool {
        self.revision == latest.number && self.secrets.unresolved().next().is_none()
    }
}
