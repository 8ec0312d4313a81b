//! From changes to steps in an order in which they can be done.
//!
//! Removals come before what they make room for, users go before what they use, and what is needed
//! is there first. Removals wait for removals, and for what stops using the thing; nothing of that sort
//! takes room that a removal makes, so the order always exists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::HashMap;
use lessor_plans::{Act, Action, Body, Change, Step};
use lessor_specs::Address;

use super::holdings::Holdings;
use crate::settle::Wish;

/// A step before it has its place: the change it is part of, and what is done.
#[derive(Clone, Copy)]
struct Node {
    change: usize,
    act: Act,
}

/// The steps of all changes.
pub(super) fn steps(changes: &[Change], settled: &[Wish<'_>]) -> Vec<Step> {
    let nodes = nodes(changes);
    let graph = Graph::new(changes, &nodes);
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    graph.users_go_first(&mut needs);
    graph.leavers_go_first(&mut needs);
    graph.needs_come_first(settled, &mut needs);
    graph.room_is_made(&mut needs);
    for list in &mut needs {
        list.sort_unstable();
        list.dedup();
    }
    in_order(&nodes, &needs)
}

fn nodes(changes: &[Change]) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(changes.len());
    let act = |change: &Change| match change.action {
        Action::Create | Action::Replace => Some(Act::Create),
        Action::Update => Some(Act::Update),
        Action::Delete => None,
    };
    let going = changes.iter().enumerate().filter(|(_, change)| super::removes(change));
    nodes.extend(going.map(|(change, _)| Node { change, act: Act::Delete }));
    let coming = changes.iter().enumerate().filter_map(|(n, change)| Some((n, act(change)?)));
    nodes.extend(coming.map(|(change, act)| Node { change, act }));
    nodes
}

struct Graph<'c> {
    changes: &'c [Change],
    nodes: &'c [Node],
    /// The node that removes each change's thing.
    removal: HashMap<usize, usize>,
    /// The node after which each change's thing is as wished.
    arrival: HashMap<&'c Address, usize>,
}

impl<'c> Graph<'c> {
    fn new(changes: &'c [Change], nodes: &'c [Node]) -> Self {
        let of =
            |act: fn(Act) -> bool| nodes.iter().enumerate().filter(move |(_, node)| act(node.act));
        Graph {
            changes,
            nodes,
            removal: of(|act| act == Act::Delete).map(|(n, node)| (node.change, n)).collect(),
            arrival: of(|act| act != Act::Delete)
                .map(|(n, node)| (&changes[node.change].address, n))
                .collect(),
        }
    }

    fn removals(&self) -> impl Iterator<Item = (usize, &'c Change, &'c Body)> {
        let going = self.nodes.iter().enumerate().filter(|(_, node)| node.act == Act::Delete);
        going.filter_map(|(n, node)| {
            let change = &self.changes[node.change];
            Some((n, change, change.before.as_ref()?))
        })
    }

    /// A network is removed after the containers in it.
    fn users_go_first(&self, needs: &mut [Vec<usize>]) {
        let used: HashMap<(&Address, &str, &str), usize> = self
            .removals()
            .map(|(n, change, body)| ((&change.place, body.sort(), body.name()), n))
            .collect();
        for (user, change, body) in self.removals() {
            for (sort, name) in body.uses() {
                if let Some(&used) = used.get(&(&change.place, sort, name)) {
                    needs[used].push(user);
                }
            }
        }
    }

    /// An alias is removed after the rules that stop using it, and a VLAN after the guests that
    /// leave it, whether those stay or go.
    fn leavers_go_first(&self, needs: &mut [Vec<usize>]) {
        let mut names: HashMap<(&Address, &str, &str), usize> = HashMap::default();
        let mut tags: HashMap<u16, Vec<usize>> = HashMap::default();
        for (removal, change, body) in self.removals() {
            match body {
                Body::Vlan(vlan) => tags.entry(vlan.tag).or_default().push(removal),
                Body::Alias(_) | Body::Vnet(_) | Body::Pool(_) => {
                    names.insert((&change.place, body.sort(), body.name()), removal);
                }
                _ => {}
            }
        }
        if names.is_empty() && tags.is_empty() {
            return;
        }
        for (leaver, node) in self.nodes.iter().enumerate() {
            let change = &self.changes[node.change];
            let Some(before) = &change.before else { continue };
            if node.act == Act::Update {
                let used = before.uses().into_iter();
                let used = used.filter_map(|(sort, name)| names.get(&(&change.place, sort, name)));
                used.for_each(|removal| needs[*removal].push(leaver));
            }
            if let (Body::Guest(guest), Act::Update | Act::Delete) = (before, node.act)
                && let Some(left) = guest.network.tag.and_then(|tag| tags.get(&tag))
            {
                for removal in left {
                    needs[*removal].push(leaver);
                }
            }
        }
    }

    /// A container is made after its network.
    fn needs_come_first(&self, settled: &[Wish<'_>], needs: &mut [Vec<usize>]) {
        for wish in settled {
            let Some(&own) = self.arrival.get(&wish.address) else { continue };
            let before = wish.needs.iter().filter_map(|need| self.arrival.get(need));
            needs[own].extend(before);
            if let Some(&removal) = self.removal.get(&self.nodes[own].change) {
                needs[own].push(removal);
            }
        }
    }

    /// A port, a subnet or a name is given up before somebody else takes it.
    fn room_is_made(&self, needs: &mut [Vec<usize>]) {
        let mut given_up = Holdings::new();
        for (n, change, body) in self.removals() {
            given_up.insert(&change.place, body, n);
        }
        if given_up.is_empty() {
            return;
        }
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.act == Act::Create) {
            let change = &self.changes[node.change];
            let clashes =
                change.after.iter().flat_map(|after| given_up.clashes(&change.place, after));
            needs[n].extend(clashes.map(|(_, removal)| removal));
        }
    }
}

/// Puts nodes in an order that respects their needs; among those that are free, removals first,
/// then by address.
fn in_order(nodes: &[Node], needs: &[Vec<usize>]) -> Vec<Step> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut waiters: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, list) in needs.iter().enumerate() {
        for need in list {
            waiters[*need].push(node);
        }
    }
    let mut free: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|node| waiting[*node] == 0).map(Reverse).collect();
    let mut place = vec![0; nodes.len()];
    let mut steps = Vec::with_capacity(nodes.len());
    while let Some(Reverse(node)) = free.pop() {
        place[node] = steps.len();
        let mut before: Vec<usize> = needs[node].iter().map(|need| place[*need]).collect();
        before.sort_unstable();
        let Node { change, act } = nodes[node];
        steps.push(Step { change, act, needs: before });
        for &waiter in &waiters[node] {
            waiting[waiter] -= 1;
            if waiting[waiter] == 0 {
                free.push(Reverse(waiter));
            }
        }
    }
    steps
}
