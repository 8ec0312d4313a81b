//! What others hold, as it was last seen: what placing an order needs of a look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Node, Observation, Stranger, Template};

/// What one look at one connection told us of others, kept for those who cannot look themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// What others hold.
    pub strangers: Vec<Stranger>,
    /// The nodes of a cluster, in order of name.
    pub nodes: Vec<Node>,
    /// What guests can be made from, by id.
    pub templates: BTreeMap<u32, Template>,
}

impl Taken {
    /// Of a look; `None` when a corner could not be searched, and what was kept before still counts.
    pub fn of(seen: &Observation) -> Option<Taken> {
        let Observation { strangers, nodes, templates, .. } = seen;
        seen.gaps.is_empty().then(|| Taken {
            strangers: strangers.clone(),
            nodes: nodes.clone(),
            templates: templates.clone(),
        })
    }

    /// As a look at a connection where nothing of ours is.
    pub fn into_observation(self) -> Observation {
        let Taken { strangers, nodes, templates } = self;
        Observation { strangers, nodes, templates, ..Observation::default() }
    }
}
