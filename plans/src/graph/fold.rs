//! What is alike becomes one node with a count, so that a thousand things can be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lessor_specs::{Address, Kind};

use super::{Edge, Graph, Node};
use crate::render::Symbol;

/// So many things that are alike become one node. Fewer are quicker read by their names.
const ALIKE: usize = 4;

/// How many nodes of one host still fit a page. Where there are more, likeness is taken less
/// strictly.
const ROOM: usize = 40;

/// When two things count as alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// They need the very same things, apart from what they have to themselves.
    SameNeeds,
    /// They need alike things, and alike things need them.
    Both,
    /// They need alike things.
    Needs,
}

impl Graph {
    /// Four or more things that are alike as one node with a count.
    ///
    /// Alike are things of one kind and class on one host, of which a plan would do the same, that
    /// need the very same things, and as much of their own. Where that leaves more than forty nodes
    /// a host, it is enough that they need alike things.
    #[must_use]
    pub fn folded(&self) -> Graph {
        let places: BTreeSet<_> = self.nodes.iter().map(|node| &node.place).collect();
        let room = ROOM * places.len();
        let strict = self.folded_by(Likeness::SameNeeds);
        if strict.nodes.len() <= room {
            return strict;
        }
        let loose = self.folded_by(Likeness::Both);
        if loose.nodes.len() <= room { loose } else { self.folded_by(Likeness::Needs) }
    }

    fn folded_by(&self, likeness: Likeness) -> Graph {
        let classes = Classes::of(self, likeness).numbers;
        let mut size: HashMap<usize, usize> = HashMap::new();
        for class in &classes {
            *size.entry(*class).or_default() += 1;
        }
        // Where each thing comes to stand: with the first of its class, or by itself.
        let mut first: HashMap<usize, usize> = HashMap::new();
        let heads: Vec<usize> = classes
            .iter()
            .enumerate()
            .map(
                |(n, class)| {
                    if size[class] >= ALIKE { *first.entry(*class).or_insert(n) } else { n }
                },
            )
            .collect();
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (n, head) in heads.iter().enumerate() {
            members.entry(*head).or_default().push(n);
        }
        let number: HashMap<usize, usize> =
            members.keys().enumerate().map(|(number, head)| (*head, number)).collect();
        let mut edges: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for edge in &self.edges {
            let ends = (number[&heads[edge.user]], number[&heads[edge.need]]);
            *edges.entry(ends).or_default() += edge.count;
        }
        let edges = edges.into_iter().map(|((user, need), count)| Edge { user, need, count });
        let nodes = members.values().map(|members| self.joined(members));
        Graph { nodes: nodes.collect(), edges: edges.collect() }
    }

    /// Things as one node, with what is to know about all of them.
    fn joined(&self, members: &[usize]) -> Node {
        let mut node = self.nodes[members[0]].clone();
        for other in &members[1..] {
            let other = &self.nodes[*other];
            node.facts.retain(|fact| other.facts.contains(fact));
            node.members.extend(other.members.iter().cloned());
        }
        node
    }
}

/// The things of a graph by likeness, refined until those of a class cannot be told apart.
struct Classes {
    /// The class of each node.
    numbers: Vec<usize>,
}

/// What tells things apart before their neighbours are looked at.
type Look<'g> =
    (&'g Address, Kind, Option<&'g Address>, &'static str, Option<Symbol>, Option<usize>);

impl Classes {
    fn of(graph: &Graph, likeness: Likeness) -> Classes {
        let mut users = vec![0usize; graph.nodes.len()];
        graph.edges.iter().for_each(|edge| users[edge.need] += 1);
        let looks = graph.nodes.iter().enumerate().map(|(n, node)| -> Look<'_> {
            let is_itself = likeness == Likeness::SameNeeds && users[n] > 1;
            let class = node.class.as_ref();
            (&node.place, node.kind(), class, node.sort, node.mark, is_itself.then_some(n))
        });
        let mut classes = Classes { numbers: numbered(looks) };
        let mut known = classes.count();
        loop {
            classes = classes.refined(graph, likeness);
            let count = classes.count();
            if count == known {
                return classes;
            }
            known = count;
        }
    }

    fn count(&self) -> usize {
        self.numbers.iter().max().map_or(0, |max| max + 1)
    }

    /// Tells apart what has different neighbours.
    fn refined(&self, graph: &Graph, likeness: Likeness) -> Classes {
        let mut near: Vec<(BTreeSet<usize>, BTreeSet<usize>)> =
            vec![Default::default(); graph.nodes.len()];
        for edge in &graph.edges {
            near[edge.user].0.insert(self.numbers[edge.need]);
            if likeness != Likeness::Needs {
                near[edge.need].1.insert(self.numbers[edge.user]);
            }
        }
        Classes { numbers: numbered(self.numbers.iter().zip(near)) }
    }
}

/// Equal keys get equal numbers, counted from 0 in order of appearance.
fn numbered<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut known: HashMap<K, usize> = HashMap::new();
    let number = |key| {
        let next = known.len();
        *known.entry(key).or_insert(next)
    };
    keys.map(number).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::tests::graphs;

    proptest! {
        #[test]
        fn folding_loses_nothing(graph in graphs()) {
            for likeness in [Likeness::SameNeeds, Likeness::Both, Likeness::Needs] {
                let folded = graph.folded_by(likeness);
                let members = |graph: &Graph| -> BTreeSet<(Address, Address)> {
                    let of = |node: &Node| {
                        let place = node.place.clone();
                        node.members.iter().map(|m| (place.clone(), m.clone())).collect::<Vec<_>>()
                    };
                    graph.nodes.iter().flat_map(of).collect()
                };
                prop_assert_eq!(members(&folded), members(&graph));
                let edges = |graph: &Graph| graph.edges.iter().map(|e| e.count).sum::<usize>();
                prop_assert_eq!(edges(&folded), edges(&graph));
                // What is alike never needs its like.
                prop_assert!(folded.edges.iter().all(|edge| edge.user != edge.need));
            }
        }
    }
}
