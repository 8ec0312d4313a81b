//! What needs what, as a value and as three drawings of it.
//!
//! A [`Graph`] holds things and their needs, a [folded](Graph::folded) one draws what is alike as
//! one node. [`dot()`] and [`mermaid()`] leave the layout to others, [`svg()`] brings its own. The
//! same graph gives the same bytes.

mod dot;
mod fold;
mod layout;
mod mermaid;
mod node;
mod svg;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lessor_specs::Address;

use crate::render::Symbol;
use crate::{Action, Body, Plan};

pub use dot::dot;
pub use mermaid::{MERMAID_EDGES, mermaid};
pub use node::Node;
pub use svg::svg;

/// Things, what each needs, and what a plan would do about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// In order of place, then of address.
    pub(crate) nodes: Vec<Node>,
    /// In order. Both ends are indices of nodes.
    pub(crate) edges: Vec<Edge>,
}

/// One thing needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// What needs the other.
    pub(crate) user: usize,
    /// What has to be there first.
    pub(crate) need: usize,
    /// For how many things of a folded node that holds.
    pub(crate) count: usize,
}

/// What a graph is told about one thing.
#[derive(Clone, Debug)]
pub struct Thing<'t> {
    /// Its name everywhere.
    pub address: Address,
    /// The connection it lives on.
    pub place: Address,
    /// What it is one of, such as an offer.
    pub class: Option<Address>,
    /// How it shall look.
    pub body: &'t Body,
    /// What has to be there first. What the graph does not hold is passed over.
    pub needs: &'t [Address],
}

impl Graph {
    /// Of these things. Each address stands once.
    pub fn new<'t>(things: impl IntoIterator<Item = Thing<'t>>) -> Graph {
        let mut things: Vec<_> = things.into_iter().collect();
        things.sort_by(|a, b| (&a.place, &a.address).cmp(&(&b.place, &b.address)));
        let number: HashMap<&Address, usize> =
            things.iter().enumerate().map(|(number, thing)| (&thing.address, number)).collect();
        let edges = things.iter().enumerate().flat_map(|(user, thing)| {
            let needs = thing.needs.iter().filter_map(|need| number.get(need));
            needs.map(move |&need| Edge { user, need, count: 1 })
        });
        let mut edges: Vec<_> = edges.collect();
        edges.sort_unstable();
        edges.dedup();
        let nodes = things
            .iter()
            .map(|thing| Node::new(&thing.address, &thing.place, thing.class.as_ref(), thing.body));
        Graph { nodes: nodes.collect(), edges }
    }

    /// How many things it holds, in however few nodes.
    pub fn things(&self) -> usize {
        self.nodes.iter().map(|node| node.members.len()).sum()
    }

    /// How many lines between nodes it has.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Whether some thing or connection is meant.
    pub fn any(&self, mut is_meant: impl FnMut(&Address, &Address) -> bool) -> bool {
        self.nodes
            .iter()
            .any(|node| is_meant(node.address(), &node.place) || is_meant(&node.place, &node.place))
    }

    /// Leaves only what is wanted, by address and place.
    pub fn keep(&mut self, mut is_wanted: impl FnMut(&Address, &Address) -> bool) {
        let wanted: Vec<_> =
            self.nodes.iter().map(|node| is_wanted(node.address(), &node.place)).collect();
        self.retain(&wanted);
    }

    /// As [`Graph::keep`], with all that is needed by what is wanted.
    pub fn keep_with_needs(&mut self, mut is_wanted: impl FnMut(&Address, &Address) -> bool) {
        let mut needs: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            needs[edge.user].push(edge.need);
        }
        let mut wanted = vec![false; self.nodes.len()];
        let is_wanted = |node: &Node| is_wanted(node.address(), &node.place);
        let met: Vec<bool> = self.nodes.iter().map(is_wanted).collect();
        let mut open: Vec<usize> = (0..met.len()).filter(|node| met[*node]).collect();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut wanted[node], true) {
                open.extend(&needs[node]);
            }
        }
        self.retain(&wanted);
    }

    fn retain(&mut self, wanted: &[bool]) {
        // Numbers close up behind what went.
        let mut next = 0..;
        let number: Vec<Option<usize>> =
            wanted.iter().map(|wanted| if *wanted { next.next() } else { None }).collect();
        let mut nodes = wanted.iter();
        self.nodes.retain(|_| nodes.next().copied().unwrap_or_default());
        let edges = self.edges.iter().filter_map(|edge| {
            Some(Edge { user: number[edge.user]?, need: number[edge.need]?, ..*edge })
        });
        self.edges = edges.collect();
    }

    /// Marks what a plan would do. What it removes, or keeps for a while, is drawn as well.
    pub fn mark(&mut self, plan: &Plan) {
        let mut things: BTreeMap<(Address, Address), Node> = self
            .nodes
            .iter()
            .map(|node| ((node.place.clone(), node.address().clone()), node.clone()))
            .collect();
        let old: Vec<_> =
            self.nodes.iter().map(|n| (n.place.clone(), n.address().clone())).collect();
        for change in &plan.changes {
            let key = (change.place.clone(), change.address.clone());
            let Some(body) = change.after.as_ref().or(change.before.as_ref()) else { continue };
            let made = || Node::new(&change.address, &change.place, None, body);
            let node = things.entry(key).or_insert_with(made);
            node.mark = Some(Symbol::of(change));
            if let Some(after) = &change.after {
                // A plan knows what specs leave open.
                node.facts = node::facts(after, true);
            }
        }
        for keep in &plan.keeps {
            let key = (keep.place.clone(), keep.address.clone());
            let made = || Node::bare(&keep.address, &keep.place);
            let node = things.entry(key).or_insert_with(made);
            node.mark = Some(Symbol::Note);
            let length = lessor_specs::Duration::from_secs(keep.seconds);
            node.facts.push(format!("no longer declared, data kept for {length}"));
        }
        let number: HashMap<&(Address, Address), usize> =
            things.keys().enumerate().map(|(number, key)| (key, number)).collect();
        let mut edges: BTreeSet<Edge> = self
            .edges
            .iter()
            .map(|edge| Edge {
                user: number[&old[edge.user]],
                need: number[&old[edge.need]],
                ..*edge
            })
            .collect();
        edges.extend(uses_of_removed(plan, &things, &number));
        self.edges = edges.into_iter().collect();
        self.nodes = things.into_values().collect();
    }
}

/// What things that go are using still; they know it by its name only.
fn uses_of_removed(
    plan: &Plan,
    things: &BTreeMap<(Address, Address), Node>,
    number: &HashMap<&(Address, Address), usize>,
) -> Vec<Edge> {
    let named: HashMap<(&Address, &str, &str), usize> = things
        .iter()
        .map(|(key, node)| ((&node.place, node.sort, node.name.as_str()), number[key]))
        .collect();
    let removed = plan.changes.iter().filter(|change| change.action == Action::Delete);
    let uses = removed.flat_map(|change| {
        let user = number.get(&(change.place.clone(), change.address.clone())).copied();
        let needs = change.before.iter().flat_map(Body::uses);
        let needs = needs.filter_map(|(sort, name)| named.get(&(&change.place, sort, name)));
        needs.filter_map(move |&need| Some(Edge { user: user?, need, count: 1 }))
    });
    uses.collect()
}

/// Text that a drawing shows. What no drawing can hold is a replacement character in all of them.
fn clean(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Control characters break formats; those that turn the direction of text around lie to the eye.
fn is_plain(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    !c.is_control() && !turns && !breaks
}

#[cfg(test)]
mod tests {
    use lessor_specs::Kind;
    use proptest::prelude::*;

    use super::*;
    use crate::VolumeBody;

    /// Up to forty things on two hosts, of which later ones need earlier ones.
    pub(super) fn graphs() -> impl Strategy<Value = Graph> {
        let things = proptest::collection::vec((0..3usize, 0..2u8), 1..40);
        let needs = proptest::collection::vec((0..40usize, 0..40usize), 0..80);
        (things, needs).prop_map(|(things, needs)| graph(&things, &needs))
    }

    fn graph(things: &[(usize, u8)], needs: &[(usize, usize)]) -> Graph {
        const KINDS: [Kind; 3] = [Kind::Container, Kind::Volume, Kind::Instance];
        let address = |n: usize| Address::new(KINDS[things[n].0], format!("t{n}"));
        let body = Body::Volume(VolumeBody {
            name: String::new(),
            driver: "local".into(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        });
        let needs: Vec<Vec<Address>> = (0..things.len())
            .map(|n| {
                let own = needs.iter().filter(|(user, need)| *user == n && *need < n);
                own.map(|(_, need)| address(*need)).collect()
            })
            .collect();
        Graph::new(things.iter().enumerate().map(|(n, (_, host))| Thing {
            address: address(n),
            place: Address::new(Kind::Docker, format!("h{host}")),
            class: None,
            body: &body,
            needs: &needs[n],
        }))
    }
}
