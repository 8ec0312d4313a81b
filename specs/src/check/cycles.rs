//! Nothing waits for itself.

use std::collections::{BTreeSet, VecDeque};

use foldhash::{HashMap, HashMapExt};

use super::{Checker, at};
use crate::{Address, Code, Kind, Specs};

/// Which containers wait for which. Only containers can wait for each other.
struct Graph<'s> {
    /// The containers that wait for any, in order.
    names: Vec<&'s str>,
    /// For each of them, which it waits for. Those that wait for none are left out.
    needs: Vec<Vec<usize>>,
}

/// How many places of a cycle are shown.
const PLACES: usize = 8;

/// How many cycles are looked for. Each search takes as long as there are containers, and whoever
/// has more of them reads no further.
const SEARCHES: usize = 100;

pub(super) fn check(checker: &mut Checker<'_>) {
    let graph = Graph::of(checker.specs);
    // Whatever is left is in a cycle, or between two.
    let knotted = graph.knots();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let mut searches = 0;
    for start in (0..graph.names.len()).filter(|start| knotted[*start]) {
        if told.contains(&start) {
            continue;
        }
        searches += 1;
        if searches > SEARCHES {
            break;
        }
        let Some(cycle) = graph.shortest_cycle(start, &knotted) else { continue };
        let names: Vec<_> = cycle.iter().map(|index| graph.names[*index]).collect();
        report(checker, &names);
        told.extend(&cycle);
    }
}

impl<'s> Graph<'s> {
    fn of(specs: &'s Specs) -> Self {
        let waiting = || specs.container.iter().filter(|(_, c)| !c.depends_on.is_empty());
        let names: Vec<&str> = waiting().map(|(name, _)| name.as_str()).collect();
        let index: HashMap<&str, usize> =
            names.iter().zip(0..).map(|(name, n)| (*name, n)).collect();
        let needs = waiting().map(|(_, container)| {
            let needed = container.depends_on.iter().filter(|a| a.kind() == Kind::Container);
            needed.filter_map(|address| index.get(address.name()).copied()).collect()
        });
        Graph { needs: needs.collect(), names }
    }

    /// Which are left when, again and again, what waits for nothing that is left is taken away, and
    /// then what nothing that is left waits for.
    fn knots(&self) -> Vec<bool> {
        let mut waiters: Vec<Vec<usize>> = vec![Vec::new(); self.names.len()];
        for (waiter, needs) in self.needs.iter().enumerate() {
            for need in needs {
                waiters[*need].push(waiter);
            }
        }
        let mut left = vec![true; self.names.len()];
        take_away(&mut left, &self.needs, &waiters);
        take_away(&mut left, &waiters, &self.needs);
        left
    }

    /// The shortest way from `start` back to itself, by breadth.
    fn shortest_cycle(&self, start: usize, among: &[bool]) -> Option<Vec<usize>> {
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(index) = queue.pop_front() {
            for &next in &self.needs[index] {
                if next == start {
                    let mut cycle = vec![index];
                    while let Some(&before) = cycle.last().and_then(|last| came_from.get(last)) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if among[next] && !came_from.contains_key(&next) {
                    came_from.insert(next, index);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

/// Takes away whatever has no `ways` on to something that is left; `back` are the same ways from
/// their other end.
fn take_away(left: &mut [bool], ways: &[Vec<usize>], back: &[Vec<usize>]) {
    let open = ways.iter().map(|ways| ways.iter().filter(|next| left[**next]).count());
    let mut open: Vec<usize> = open.collect();
    let mut free: Vec<usize> = (0..open.len()).filter(|at| left[*at] && open[*at] == 0).collect();
    while let Some(index) = free.pop() {
        left[index] = false;
        for &before in back[index].iter().filter(|before| left[**before]) {
            open[before] -= 1;
            if open[before] == 0 {
                free.push(before);
            }
        }
    }
}

fn report(checker: &mut Checker<'_>, cycle: &[&str]) {
    let names = cycle.iter().chain(cycle.first());
    let drawn: Vec<_> = names.map(|name| format!("container.{name}")).collect();
    let message = format!("`{}` waits for itself: {}", drawn[0], drawn.join(" → "));
    let from = Address::new(Kind::Container, cycle[0]);
    let place = |index: usize| {
        let next = Address::new(Kind::Container, cycle[(index + 1) % cycle.len()]);
        let needed = &checker.specs.container[cycle[index]].depends_on;
        at!["depends_on", needed.iter().position(|a| *a == next).unwrap_or(0)]
    };
    let first = place(0);
    let others: Vec<_> = (1..cycle.len().min(PLACES)).map(place).collect();
    let finding = checker.find(Code::Cycle, from, first, message);
    for (name, place) in cycle[1..].iter().zip(others) {
        finding.also(Address::new(Kind::Container, *name), place, "");
    }
    finding.hint = Some("remove one of these dependencies".into());
}
